//! Windows that open and close while nothing looks at them: those that the process could have seen
//! are served, the others are reported, each once and with its cause.

use std::time::Duration;

use allora_localnet::Options;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::NodeOptions;
use allora_localnet::play::rules::{Rule, When};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::*;
use crate::watching::{get, metrics_address};

/// A registered worker and a topic whose windows open at blocks 104, 124, 144 and so on.
fn scene() -> Scene {
    let mut scene = Scene::new(Api::V10, vec![Topic::new(1, 20, 6, START + 4)]);
    scene.register();
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    scene
}

/// Asserts that these nonces, and no others, have one outcome each, missed for this reason.
fn assert_missed(worker: &Worker, nonces: &[u64], why: &str) {
    let missed = worker.lines_with(": missed: ");
    assert_eq!(missed.len(), nonces.len(), "{missed:?}");
    for nonce in nonces {
        let lines = worker.lines_with(&format!("nonce {nonce}: "));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains(&format!("nonce {nonce}: missed: {why}")),
            "{lines:?}"
        );
    }
}

/// Asserts that metrics and status count as many nonces as missed for this reason.
fn assert_counted(worker: &Worker, reason: &str, count: usize) {
    let address = metrics_address(worker);
    let (_, metrics) = get(address, "/metrics");
    for line in [
        format!("allora_worker_missed_total{{topic=\"1\",reason=\"{reason}\"}} {count}"),
        format!("allora_worker_outcomes_total{{topic=\"1\",outcome=\"missed\"}} {count}"),
    ] {
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let (_, status) = get(address, "/status.json");
    let status: Value = serde_json::from_str(&status).unwrap();
    let topic = &status["topics"][0];
    assert_eq!(topic["missed"], count);
    assert_eq!(topic["missed_because"][reason], count);
}

#[test]
fn windows_that_pass_while_the_endpoint_is_frozen_are_missed_with_its_times_and_error() {
    let mut scene = scene();
    let hang = Fault::Hang(Duration::from_millis(500));
    let frozen = When::Heights(START + 15, START + 75);
    scene.net.fault(Rule::new(hang).when(frozen));
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    worker.wait_for_line("nonce 184: included in block");
    assert_missed(&worker, &[124, 144, 164], "no endpoint answered from ");
    let line = worker.wait_for_line("nonce 144: missed");
    let (from, to) = line
        .split_once("from ")
        .unwrap()
        .1
        .split_once(" to ")
        .unwrap();
    let seconds = |text: &str| {
        let parts = text[..8]
            .split(':')
            .map(|part| part.parse::<u64>().unwrap());
        parts.fold(0, |sum, part| sum * 60 + part)
    };
    let took = (seconds(to) + 86_400 - seconds(from)) % 86_400;
    assert!((9..40).contains(&took), "{line}");
    assert!(to[8..].starts_with(" (asking http://"), "{line}");
    assert_counted(&worker, "no_answer", 3);
    let ended = worker.stop();
    assert!(ended.stderr.contains(" 3 missed,"), "{}", ended.stderr);
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn windows_that_pass_while_the_process_is_stopped_are_missed_for_that() {
    let mut scene = scene();
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    scene.wait_for_blocks(3);
    worker.signal(Signal::STOP);
    scene.wait_for("two windows to pass", |report| report.height >= START + 52);
    scene.net.set_block_time(None);
    worker.signal(Signal::CONT);
    worker.wait_for_line("nonce 144: missed");
    assert_missed(&worker, &[124, 144], "the process did not run from ");
    assert_counted(&worker, "not_running", 2);
    scene.net.set_block_time(Some(BLOCK_TIME));
    worker.wait_for_line("nonce 164: included in block");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn windows_that_passed_before_the_start_are_one_line_and_no_alarm() {
    let mut scene = scene();
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    worker.stop();
    scene.net.set_block_time(None);
    scene.net.blocks_until(START + 52);
    let worker = scene.start();
    worker.wait_for_line("the next window opens with block 164");
    scene.net.set_block_time(Some(BLOCK_TIME));
    worker.wait_for_line("nonce 164: included in block");
    worker.wait_for_line("nonce 184: included in block");
    let lines = worker.lines_with("before the start");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].contains("WARN"), "{lines:?}");
    assert!(
        lines[0].contains(
            "2 windows ended unserved after nonce 104, the last one with a payload of this worker: \
             nonces 124 to 144"
        ),
        "{lines:?}"
    );
    assert_missed(&worker, &[], "");
    let (_, metrics) = get(metrics_address(&worker), "/metrics");
    let before = "allora_worker_unserved_before_start{topic=\"1\"} 2";
    assert!(metrics.contains(before), "{metrics}");
    assert_counted(&worker, "not_running", 0);
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn a_height_that_another_topic_learns_wakes_a_topic_for_a_window_of_two_blocks() {
    let first = START + 62;
    let topics = vec![topic(1, START + 5), Topic::new(2, 100, 2, first)];
    let mut scene = Scene::new(Api::V10, topics);
    scene.register();
    // Topic 2 is looked at twice and then sleeps for as long as a sleep may last.
    scene.config["topics"][1]["nonce_fetch_freq"] = json!(20);
    let worker = scene.start();
    worker.wait_for_line("nonce 105: included in block");
    scene.wait_for_blocks(12);
    scene.net.set_block_time(None);
    // The chain stands still for as long as the blocks that then come at once would have taken.
    let missing = first - scene.net.height();
    let still = BLOCK_TIME * u32::try_from(missing).unwrap();
    std::thread::sleep(still);
    scene.net.blocks_until(first);
    scene.net.set_block_time(Some(Duration::from_millis(1_000)));
    worker.wait_for_line(&format!("nonce {first}: included in block"));
    scene.wait_for_windows(&[2], 1);
    worker.stop();
    assert_all_served(&scene.net.report(), &[2]);
}

/// The number of seeds of the tests behind a load balancer.
const SEEDS_VARIABLE: &str = "ALLORA_TEST_SEEDS";

fn seeds() -> std::ops::RangeInclusive<u64> {
    1..=std::env::var(SEEDS_VARIABLE).map_or(2, |text| text.parse().unwrap())
}

/// Serves windows of this length behind one address with nodes that lag by 0 to 3 blocks. At most
/// `lost_max` of them are not served.
fn serve_behind_a_balancer(window: u64, windows: usize, lost_max: usize, seed: u64) {
    let node = |lag_blocks| NodeOptions {
        lag_blocks,
        ..NodeOptions::default()
    };
    let change = |options: Options| Options {
        nodes: (0..4).map(node).collect(),
        balanced: true,
        block_time: Some(Duration::from_millis(500)),
        seed,
        ..options
    };
    let topics = vec![Topic::new(1, window + 5, window, START + 20)];
    let mut scene = Scene::with(Api::V10, topics, change);
    scene.register();
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    for closed in 1..=windows {
        scene.wait_for_windows(&[1], closed);
    }
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    let closed: Vec<_> = report.windows(1).iter().filter(|w| w.closed).collect();
    let served = closed.iter().filter(|w| w.payload.is_some()).count();
    let of = closed.len();
    eprintln!("seed {seed}, windows of {window} blocks: {served} of {of} served");
    assert!(served + lost_max >= of, "seed {seed}: {served} of {of}");
}

#[test]
fn windows_of_three_blocks_are_served_behind_a_balancer_with_nodes_that_lag() {
    side_by_side(seeds(), |seed| serve_behind_a_balancer(3, 12, 2, seed));
}

#[test]
fn windows_of_five_blocks_are_all_served_behind_a_balancer_with_nodes_that_lag() {
    side_by_side(seeds(), |seed| serve_behind_a_balancer(5, 10, 0, seed));
}
