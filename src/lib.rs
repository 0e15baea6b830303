//! The worker's parts, as a library so that tests and the binary share them.

pub mod backoff;
pub mod config;
pub mod decimal;
pub mod fee;
pub mod messages;
pub mod payload;
pub mod seed_phrase;
pub mod sequence;
pub mod shutdown;
pub mod tx;
pub mod chain_clock;
pub mod http;
pub mod inference;
pub mod lcd;
pub mod outcome;
pub mod units;
pub mod waiting;
pub mod wallet;
