//! The measurement: how quick and how light a worker is, as the simulated chain and the system's
//! books see it. It runs the real binary as a process of its own, and any other worker on the same
//! chain and configuration beside it.
//!
//! Counts are exact: requests, trips, blocks, threads. Times are shown, against their targets and
//! as multiples of the set delay, but a missed one fails nothing: they are the machine's too.

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
mod tls;

pub use command::bench;
