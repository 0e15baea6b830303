//! The worker's parts, as a library so that tests and the binary share them.

pub mod units;
