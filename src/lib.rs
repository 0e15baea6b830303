//! The worker's parts, as a library so that tests and the binary share them.

pub mod decimal;
pub mod payload;
pub mod seed_phrase;
pub mod units;
pub mod wallet;
