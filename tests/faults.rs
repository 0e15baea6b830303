//! Short fault runs: the real binary under a seeded schedule of faults and under kills, judged by
//! what the chain saw. `make faults`, `make soak` and `make kills` run longer ones.

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
fn survives_two_brief_runs_with_faults() {
    let arguments = arguments(&["--seed", "1", "--runs", "2", "--brief"]);
    assert_eq!(
        faultrun::faults(arguments),
        ExitCode::SUCCESS,
        "see the output above"
    );
}

#[test]
fn survives_six_kills_on_two_chains() {
    let arguments = arguments(&["--seed", "1", "--times", "6", "--jobs", "2"]);
    assert_eq!(
        faultrun::kills(arguments),
        ExitCode::SUCCESS,
        "see the output above"
    );
}
