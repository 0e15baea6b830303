//! The worker's parts, as a library so that tests and the binary share them.

pub mod config;
pub mod decimal;
pub mod fee;
pub mod messages;
pub mod payload;
mod secret_file;
pub mod seed_phrase;
pub mod tx;
pub mod units;
pub mod wallet;
