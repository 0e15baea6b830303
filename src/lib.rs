//! The worker's parts, as a library so that tests and the binary share them.

pub mod chain_clock;
pub mod http;
pub mod inference;
pub mod lcd;
pub mod outcome;
pub mod units;

#[cfg(test)]
mod test_server;
