//! Measures how fast and how light a worker is, as the simulated chain and /proc see it. It runs
//! the real binary, and optionally another worker on the same chain and configuration.
//!
//! Counts (requests, round trips, blocks, threads) are exact. Times are shown with their targets
//! and as multiples of the configured delay, but a missed target is not a failure, because times
//! also depend on the machine.

mod binary;
mod burst;
mod command;
mod figure;
mod honest;
mod idle;
mod long;
mod plan;
mod scene;
mod start;
mod table;
mod thousand;
mod tls;

pub use command::bench;
