//! The shortest part of the measurement: the real binary is started twenty times, and so is a peer,
//! which is the same binary here. What it measures is no test; `make bench` is for that.

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
fn the_start_of_a_worker_and_of_a_peer_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench.json");
    let peer = format!("{WORKER} --config {{config}} --log-dir {{folder}}");
    let arguments = ["--worker", WORKER, "--peer", &peer, "--only", "start"];
    let mut arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    arguments.extend(["--out".into(), out.clone().into()]);
    // A time fails nothing, so this must end well however slow the machine is.
    assert_eq!(bench(arguments), ExitCode::SUCCESS, "see above");
    let json: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    let figure = &json["figures"]["start.first_request_ms"];
    assert!(figure["measured"].is_number(), "{figure}");
    assert!(figure["peer"].is_number(), "{figure}");
    assert_eq!(json["well"], true);
    assert!(json["worker"]["bytes"].as_u64().unwrap() > 0);
}
