//! The shortest part of `make bench`: starts the real binary twenty times, and a peer, which here
//! is the same binary, twenty times too. Tests that the benchmark runs, not how fast the worker is.

#![allow(
    clippy::unwrap_used,
    reason = "a failed test is a panic that says where"
)]

use std::ffi::OsString;
use std::process::ExitCode;

use allora_localnet::bench::bench;
use serde_json::Value;

const WORKER: &str = env!("CARGO_BIN_EXE_allora-worker");

#[test]
fn measures_the_start_of_a_worker_and_of_a_peer() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench.json");
    let peer = format!("{WORKER} --config {{config}} --log-dir {{folder}}");
    let arguments = ["--worker", WORKER, "--peer", &peer, "--only", "start"];
    let mut arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    arguments.extend(["--out".into(), out.clone().into()]);
    // No measured time is a failure, so this succeeds on a slow machine too.
    assert_eq!(bench(arguments), ExitCode::SUCCESS, "see the output above");
    let json: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    let figure = &json["figures"]["start.first_request_ms"];
    assert!(figure["measured"].is_number(), "{figure}");
    assert!(figure["peer"].is_number(), "{figure}");
    assert_eq!(json["well"], true);
    assert!(json["worker"]["bytes"].as_u64().unwrap() > 0);
}
