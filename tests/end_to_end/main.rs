//! The real binary against a simulated chain. Each test starts its own chain on a free port, writes
//! a configuration into its own folder, runs `allora-worker` as a process and judges it by what the
//! chain saw and what the worker printed.
//!
//! A failed test prints the worker's log, the chain's report and the command that repeats the test.

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
mod connections;
mod disputes;
mod failover;
mod fees;
mod forecasts;
mod full_sets;
mod grants;
mod heights;
mod hostile;
mod hostile_texts;
mod keys;
mod labels;
mod light;
mod logs;
mod many_topics;
mod models;
mod opinions;
mod panics;
mod passing;
mod proxies;
mod resets;
mod restarts;
mod scenes;
#[path = "../support/schema.rs"]
mod schema;
mod secrets;
mod sequence_rules;
mod serving;
mod standby;
mod standings;
mod status;
mod stopping;
mod support;
mod tls;
mod untaken;
mod upgrade;
mod waiting;
mod watching;
mod webhooks;
