//! The worker's parts, as a library so that tests and the binary share them.

pub mod answer;
pub mod backoff;
pub mod broadcaster;
pub mod chain;
pub mod chain_clock;
pub mod check;
pub mod cli;
pub mod config;
pub mod decimal;
pub mod exact;
pub mod fee;
pub mod gas;
pub mod guard;
pub mod health_server;
pub mod http;
pub mod inference;
pub mod json_text;
pub mod keygen;
pub mod labels;
pub mod lcd;
pub mod liveness;
pub mod logging;
pub mod messages;
pub mod metrics;
pub mod outcome;
pub mod payload;
pub mod plain_text;
pub mod run;
mod secret_file;
pub mod seed_phrase;
pub mod sequence;
pub mod service_manager;
pub mod shutdown;
pub mod status;
pub mod submission;
pub mod tally;
pub mod topic;
pub mod turns;
pub mod tx;
pub mod units;
pub mod waiting;
pub mod wallet;
pub mod window;

#[cfg(test)]
mod test_server;
