//! A short campaign of the real binary against nodes that lie. `make hostile` runs a long one.

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

use allora_localnet::hostilerun;

const WORKER: &str = env!("CARGO_BIN_EXE_allora-worker");

fn assert_passes(seed: &str, runs: &str) {
    let arguments = ["--worker", WORKER, "--seed", seed, "--runs", runs];
    let ended = hostilerun::hostile(arguments.map(OsString::from));
    assert_eq!(ended, ExitCode::SUCCESS, "see the output above");
}

/// Among these seeds are a hostile node alone and one before an honest node.
#[test]
fn lies_cost_no_more_than_the_limits_and_no_window_that_an_honest_node_knows() {
    assert_passes("20", "5");
}

/// Windows that no chain has, announced (107) and open (557), a sequence that the endpoint itself
/// does not expect (368), and heights a few blocks above the chain's (507).
#[test]
fn lies_that_once_cost_windows_or_made_timeouts_too_high() {
    thread::scope(|scope| {
        for seed in ["107", "368", "507", "557"] {
            scope.spawn(move || assert_passes(seed, "1"));
        }
    });
}
