//! The worker's parts, as a library so that tests and the binary share them.

pub mod backoff;
pub mod sequence;
pub mod units;
