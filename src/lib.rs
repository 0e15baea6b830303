//! The worker's parts, as a library so that tests and the binary share them.

pub mod backoff;
pub mod broadcaster;
pub mod chain;
pub mod check;
pub mod cli;
pub mod config;
pub mod http;
pub mod import;
pub mod logging;
pub mod model;
pub mod monitoring;
pub mod run;
pub mod shutdown;
pub mod sign;
pub mod status;
pub mod text;
pub mod threads;
pub mod topic;
pub mod values;
pub mod webhook;

#[cfg(test)]
mod test_server;
