//! The real binary against a simulated chain: each test starts a chain of its own on a free port,
//! writes a configuration into a folder of its own, runs `allora-worker` as a process and judges it
//! by what the chain saw and by what it printed.
//!
//! A failed test prints the worker's whole log, the chain's report and the command that repeats it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test is a panic that says where"
)]

mod as_typed;
mod bad_days;
mod check;
mod command_line;
mod failover;
mod fees;
mod forecasts;
mod labels;
mod light;
mod logs;
mod models;
mod panics;
mod restarts;
mod scenes;
mod secrets;
mod sequence_rules;
mod serving;
mod stopping;
mod support;
mod tls;
mod upgrade;
mod waiting;
mod watching;
