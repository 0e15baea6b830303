//! A short campaign of the real binary against nodes that lie. `make hostile` runs a long one.

use std::ffi::OsString;
use std::process::ExitCode;

use allora_localnet::hostilerun;

const WORKER: &str = env!("CARGO_BIN_EXE_allora-worker");

/// Among these seeds are a hostile node alone and one before an honest node.
#[test]
fn lies_cost_no_more_than_the_limits_and_no_window_that_an_honest_node_knows() {
    let arguments = ["--worker", WORKER, "--seed", "20", "--runs", "5"];
    let ended = hostilerun::hostile(arguments.map(OsString::from));
    assert_eq!(ended, ExitCode::SUCCESS, "see the output above");
}
