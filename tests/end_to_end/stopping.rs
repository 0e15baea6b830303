//! SIGTERM, SIGINT and SIGHUP: the worker waits for what is in flight, logs a summary and exits with 0.

use std::process::{Child, Command, Stdio};

use allora_localnet::chain::message::Api;
use rustix::process::{Pid, Signal, kill_process};

use crate::scenes::in_mempool;
use crate::support::*;

#[test]
fn waits_for_what_is_in_flight_and_exits_with_0() {
    on_both(|api| {
        for (signal, name) in [
            (Signal::TERM, "SIGTERM"),
            (Signal::INT, "SIGINT"),
            (Signal::HUP, "SIGHUP"),
        ] {
            if signal == Signal::HUP && ignores_hangup() {
                continue;
            }
            let (scene, worker) = in_mempool(api, |options| options);
            worker.signal(signal);
            worker.wait_for_line(&format!("{name}: stopping"));
            scene.net.block_now();
            let ended = worker.ended();
            assert_eq!(ended.code(), 0, "{}", ended.stderr);
            let outcome = format!("nonce {}: included in block {} (+1)", START + 3, START + 4);
            assert_eq!(lines_with(&ended.stderr, &outcome).len(), 1);
            let last = ended.stderr.lines().last().unwrap();
            assert!(
                last.contains("stopped after") && last.contains("1 included"),
                "{last}"
            );
            assert_eq!(
                ended.stdout, "",
                "standard output is only for the answers of commands"
            );
            assert_nothing_wasted(&scene.net.report());
        }
    });
}

#[test]
fn ends_at_once_on_a_second_signal() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (_scene, worker) = in_mempool(Api::V10, |options| options);
        worker.signal(signal);
        worker.wait_for_line("stopping");
        let ended = worker.end_by(signal);
        assert_eq!(ended.code(), code);
        assert!(!ended.stderr.contains("stopped after"), "{}", ended.stderr);
    }
}

#[test]
fn a_halted_chain_delays_the_exit_by_a_few_seconds_only() {
    let (_scene, worker) = in_mempool(Api::V10, |options| options);
    let began = std::time::Instant::now();
    let ended = worker.stop();
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert!(ended.stderr.contains("stopped after"), "{}", ended.stderr);
}

#[test]
fn stops_at_once_with_nothing_in_flight() {
    let mut scene = Scene::new(Api::V9, vec![topic(1, START + 80)]);
    scene.register();
    let worker = scene.start();
    scene.wait_for_polls(2);
    let began = std::time::Instant::now();
    worker.stop();
    assert!(began.elapsed().as_millis() < 2_000, "{:?}", began.elapsed());
}

/// Whether this process ignores SIGHUP, and so its children: it runs under nohup.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(mask.unwrap().trim(), 16).unwrap() & 1 == 1
}

#[test]
fn a_closing_terminal_that_says_so_twice_leaves_time_for_what_is_in_flight() {
    if ignores_hangup() {
        return;
    }
    let (scene, worker) = in_mempool(Api::V10, |options| options);
    worker.signal(Signal::HUP);
    worker.wait_for_line("SIGHUP: stopping");
    worker.signal(Signal::HUP);
    scene.net.block_now();
    let ended = worker.ended();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("1 included"), "{}", ended.stderr);
}

/// A process that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[test]
fn outlives_its_terminal_under_nohup() {
    let scene = Scene::new(Api::V10, vec![one_window(1, START + 40)]);
    scene.register();
    write_file(&scene.path("config.json"), &scene.config.to_string(), 0o600);
    let worker = Command::new("nohup")
        .arg(binary())
        .current_dir(scene.path("."))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut worker = Killed(worker.unwrap());
    scene.wait_for_polls(1);
    let pid = Pid::from_child(&worker.0);
    kill_process(pid, Signal::HUP).unwrap();
    assert_eq!(
        scene.net.report().payloads_included,
        0,
        "the window is later"
    );
    scene.wait_for_payloads(&[1]);
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(worker.0.wait().unwrap().code(), Some(0));
}
