//! A short run of the bad days: the real binary under a seeded schedule of faults and under kills,
//! judged by what the chain saw. `make faults`, `make soak` and `make kills` run it for longer.

#![allow(
    clippy::unwrap_used,
    reason = "a failed test is a panic that says where"
)]

use std::ffi::OsString;
use std::process::ExitCode;

use allora_localnet::faultrun;

const WORKER: &str = env!("CARGO_BIN_EXE_allora-worker");

fn arguments(more: &[&str]) -> Vec<OsString> {
    let all = ["--worker", WORKER].iter().chain(more);
    all.map(OsString::from).collect()
}

#[test]
fn two_brief_runs_with_faults() {
    let arguments = arguments(&["--seed", "1", "--runs", "2", "--brief"]);
    assert_eq!(faultrun::faults(arguments), ExitCode::SUCCESS, "see above");
}

#[test]
fn six_kills_on_two_chains() {
    let arguments = arguments(&["--seed", "1", "--times", "6", "--jobs", "2"]);
    assert_eq!(faultrun::kills(arguments), ExitCode::SUCCESS, "see above");
}
