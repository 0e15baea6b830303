//! Choosing an endpoint: when the worker leaves one for another, when it returns, and which
//! endpoints it refuses.

use std::time::{Duration, Instant};

use allora_localnet::chain::Indexing;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::{NodeOptions, Options};
use allora_localnet::play::rules::Rule;
use allora_localnet::server::black_hole::BlackHole;
use allora_localnet::{Localnet, Report};
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// A scene with two healthy nodes that gossip, both in the worker's list. Requests to the second
/// one are counted, see [`to_second`].
fn two_healthy(topics: Vec<Topic>) -> Scene {
    let scene = two_gossiping(topics);
    let counted = Rule::new(Fault::Delay(Duration::ZERO));
    scene.net.fault(counted.at_node(1));
    scene
}

/// The number of requests to the second node.
fn to_second(report: &Report) -> u64 {
    report.faults.get("delay").copied().unwrap_or(0)
}

/// The log line about the change to the scene's second node.
fn change_to_second(scene: &Scene) -> String {
    let (first, second) = (scene.net.node_url(0), scene.net.node_url(1));
    format!("the endpoint {first} does not answer, using {second}")
}

#[test]
fn keeps_the_first_endpoint_while_it_is_healthy() {
    let mut scene = two_healthy(vec![topic(1, START + 4)]);
    let worker = scene.start();
    scene.wait_for_windows(&[1], 2);
    worker.stop();
    let report = scene.net.report();
    assert_all_served(&report, &[1]);
    // Its chain, whether it is syncing, its height and the topic's lengths, at the start; then for each
    // window its plan and, before it, the height, for a comparison.
    let asked = to_second(&report);
    let windows = report.windows(1).len() as u64;
    assert!((5..=4 + 2 * (windows + 1)).contains(&asked), "{asked}");
}

#[test]
fn changes_to_the_second_endpoint_when_the_first_one_fails() {
    let faults = [
        None,
        Some(Fault::Status(502, None)),
        Some(Fault::Status(429, Some(30))),
        Some(Fault::Html),
        Some(Fault::Close),
    ];
    side_by_side(faults, |fault| {
        let mut scene = two_healthy(vec![one_window(1, START + 4), one_window(2, START + 10)]);
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        match &fault {
            Some(fault) => scene.net.fault(Rule::new(fault.clone()).at_node(0)),
            None => scene.net.set_node_up(0, false),
        }
        worker.wait_for_line("nonce 110: included in block");
        let ended = worker.stop();
        let changes = lines_with(&ended.stderr, &change_to_second(&scene));
        assert_eq!(changes.len(), 1, "{changes:?}");
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert_eq!(report.payloads_included, 2);
        if let Some(Fault::Status(429, _)) = fault {
            let asked = report.faults["status_429_retry_after"];
            assert!(asked <= 3, "`Retry-After` was ignored: {asked} requests");
        }
        let down = lines_with(&ended.stderr, "no endpoint answers");
        assert!(down.is_empty(), "{down:?}");
    });
}

#[test]
fn changes_to_the_second_endpoint_within_one_time_out_when_the_first_one_hangs() {
    let mut scene = two_healthy(vec![one_window(1, START + 10)]);
    let worker = scene.start();
    scene.wait_for_polls(2);
    let began = Instant::now();
    let hang = Fault::Hang(Duration::from_secs(60));
    scene.net.fault(Rule::new(hang).at_node(0));
    worker.wait_for_line(&change_to_second(&scene));
    let change = began.elapsed();
    assert!(change < Duration::from_secs(12), "{change:?}");
    worker.wait_for_line("nonce 110: included in block");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn returns_to_the_first_endpoint_once_it_recovers() {
    let mut scene = two_healthy(vec![topic(1, START + 4)]);
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    scene.net.set_node_up(0, false);
    worker.wait_for_line(&change_to_second(&scene));
    scene.net.set_node_up(0, true);
    // The worker tries a failed endpoint again after 30 s; these blocks last half of that.
    scene.wait_for_blocks(75);
    let (first, second) = (scene.net.node_url(0), scene.net.node_url(1));
    let back = format!("back to the endpoint {first}, it answers again (from {second})");
    worker.wait_for_line(&back);
    let before = to_second(&scene.net.report());
    let windows = scene.net.report().windows(1).len();
    scene.wait_for_windows(&[1], windows + 1);
    worker.stop();
    let report = scene.net.report();
    assert!(
        to_second(&report) <= before + 2,
        "only requests that were already under way"
    );
    assert_all_served(&report, &[1]);
}

#[test]
fn refuses_an_endpoint_of_another_chain_and_names_that_chain() {
    let options = Options {
        chain_id: "othernet".to_owned(),
        topics: vec![topic(1, START + 4)],
        block_time: Some(BLOCK_TIME),
        ..Options::default()
    };
    let other = Localnet::start(&options.with_account(&address(), 1_000_000_000)).unwrap();
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    scene.config["api_params"]["api_url"] = json!([scene.net.url(), other.url()]);
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    scene.net.set_node_up(0, false);
    let line = worker.wait_for_line("the endpoint serves chain othernet, not localnet");
    assert!(
        line.contains(&other.url()) && line.contains("api_url"),
        "{line}"
    );
    worker.wait_for_line("waiting: chain: no endpoint answers");
    scene.net.set_node_up(0, true);
    let windows = scene.net.report().windows(1).len();
    scene.wait_for("the next payloads", |report| {
        report
            .windows(1)
            .iter()
            .skip(windows)
            .any(|w| w.payload.is_some())
    });
    let ended = worker.stop();
    assert_eq!(
        lines_with(&ended.stderr, "othernet").len(),
        1,
        "logged once"
    );
    assert_nothing_wasted(&scene.net.report());
    let asked = other.report();
    let identity = asked.requests_to("/node_info") + asked.requests_to("/syncing");
    assert_eq!(asked.requests_total, identity, "{:?}", asked.requests);
}

#[test]
fn recovers_from_every_fault_with_a_list_of_one_endpoint() {
    let faults = [
        None,
        Some(Fault::Status(502, None)),
        Some(Fault::Status(429, Some(1))),
        Some(Fault::CutAfter(40)),
        Some(Fault::EmptyOk),
    ];
    side_by_side(faults, |fault| {
        let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4), later(2)]);
        scene.register();
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        match fault {
            Some(fault) => scene.net.fault(Rule::new(fault)),
            None => scene.net.set_node_up(0, false),
        }
        worker.wait_for_line("waiting: chain: no endpoint answers");
        scene.wait_for("an open window", |report| report.height > LATER + 4);
        scene.net.clear_faults();
        scene.net.set_node_up(0, true);
        worker.wait_for_line("over: chain: endpoint down");
        worker.wait_for_line(&format!("nonce {LATER}: included in block"));
        let ended = worker.stop();
        assert_nothing_wasted(&scene.net.report());
        assert_eq!(lines_with(&ended.stderr, "no endpoint answers").len(), 1);
    });
}

#[test]
fn uses_a_syncing_node_only_after_it_has_caught_up() {
    let syncing = || {
        let answer = Fault::Body(200, b"{\"syncing\":true}".to_vec());
        Rule::new(answer).on("/syncing").at_node(0)
    };
    side_by_side([true, false], |alone| {
        let mut scene = two_healthy(vec![one_window(1, START + 4)]);
        scene.net.clear_faults();
        scene.net.fault(syncing());
        if alone {
            scene.config["api_params"]["api_url"] = json!(scene.net.url());
        }
        let worker = scene.start();
        if alone {
            worker.wait_for_line("waiting: chain: the node is still syncing");
            scene.wait_for_blocks(6);
            let report = scene.net.report();
            assert_eq!(
                report.requests_to("/emissions/"),
                0,
                "nothing else was asked of it"
            );
            scene.net.clear_faults();
            worker.wait_for_line("over: chain: node syncing");
        }
        worker.wait_for_line("nonce 104: included in block");
        let ended = worker.stop();
        let warnings = lines_with(&ended.stderr, "waiting: chain");
        assert_eq!(warnings.len(), usize::from(alone), "{warnings:?}");
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn a_front_that_refuses_look_ups_is_not_taken_for_a_node_without_an_index() {
    let faults = [
        Fault::Status(403, None),
        Fault::Status(502, None),
        Fault::CutAfter(40),
    ];
    side_by_side(faults, |fault| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
        let look_up = "GET /cosmos/tx/v1beta1/txs";
        scene.net.fault(Rule::new(fault).on(look_up));
        let worker = scene.start();
        let line = worker.wait_for_line("included by block");
        let ended = worker.stop();
        assert!(line.contains("index did not answer"), "{line}");
        let no_index = lines_with(&ended.stderr, "no transaction index");
        assert!(no_index.is_empty(), "{no_index:?}");
    });
}

#[test]
fn a_first_endpoint_whose_errors_nobody_knows_is_left_for_the_second_one() {
    on_both(|api| {
        let mut scene = Scene::with(api, vec![topic(1, START + 4)], |options| {
            let nodes = vec![NodeOptions::default(); 2];
            Options { nodes, ..options }
        });
        scene.register();
        let urls = [scene.net.node_url(0), scene.net.node_url(1)];
        scene.config["api_params"]["api_url"] = json!(urls);
        let body = br#"{"code":2,"message":"the disk is full of mice","details":[]}"#;
        for route in [
            "/emissions",
            "/bank",
            "/auth",
            "/feemarket",
            "/tx/",
            "/node",
        ] {
            let broken = Fault::Body(500, body.to_vec());
            scene.net.fault(Rule::new(broken).on(route).at_node(0));
        }
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 3);
        let ended = worker.stop();
        assert_all_served(&report, &[1]);
        let left = lines_with(&ended.stderr, &change_to_second(&scene));
        assert_eq!(left.len(), 1, "{}", ended.stderr);
    });
}

#[test]
fn a_first_endpoint_that_swallows_packets_delays_the_start_once() {
    let hole = BlackHole::new().unwrap();
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 10)]);
    scene.register();
    let urls = [format!("http://{}", hole.address), scene.net.url()];
    scene.config["api_params"]["api_url"] = json!(urls);
    let worker = scene.start();
    let report = scene.wait_for_payloads(&[1]);
    worker.stop();
    assert_nothing_wasted(&report);
    let blocks = report.windows(1)[0].payload.as_ref().unwrap().height - START;
    assert!(blocks < 60, "it took {blocks} blocks of {BLOCK_TIME:?}");
}

#[test]
fn a_chain_that_names_heights_in_another_header_is_served() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.register();
        scene.net.fault(Rule::new(Fault::RenamesHeight));
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 2);
        worker.stop();
        assert_all_served(&report, &[1]);
    });
}

#[test]
fn reads_the_outcome_from_state_without_a_transaction_index() {
    let off = (Indexing::Off, "the node has no transaction index");
    let late = (Indexing::Late(20), "index does not have it yet");
    side_by_side([off, late], |(indexing, why)| {
        let mut scene = Scene::with(Api::V10, vec![topic(1, START + 4)], |options| Options {
            indexing,
            ..options
        });
        let worker = scene.start();
        let line = worker.wait_for_line("included by block");
        assert!(line.contains(why), "{line}");
        scene.wait_for_windows(&[1], 2);
        let ended = worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[1]);
        assert_eq!(report.registrations_included, 1);
        let warnings = lines_with(&ended.stderr, "waiting: ");
        assert!(warnings.is_empty(), "{warnings:?}");
    });
}

#[test]
fn logs_block_and_fee_with_an_index_that_is_a_block_late() {
    let mut scene = Scene::with(Api::V9, vec![topic(1, START + 4)], |options| Options {
        indexing: Indexing::Late(1),
        ..options
    });
    scene.register();
    let worker = scene.start();
    let line = worker.wait_for_line("nonce 104: included in block 105 (+1), ");
    assert!(line.contains(" ALLO, "), "{line}");
    scene.wait_for_windows(&[1], 1);
    worker.stop();
    assert_all_served(&scene.net.report(), &[1]);
}

#[test]
fn changes_to_the_second_endpoint_when_the_first_one_is_frozen_but_answers() {
    let mut scene = two_healthy(vec![topic(1, START + 4)]);
    let worker = scene.start();
    worker.wait_for_line("nonce 134: included in block");
    scene
        .net
        .with_chain(|chain| chain.nodes[0].frozen_at = Some(chain.state.height));
    worker.wait_for_line(&change_to_second(&scene));
    worker.wait_for_lines(": included in block", 3);
    let ended = worker.stop();
    let halts = lines_with(&ended.stderr, "no block for");
    assert!(halts.is_empty(), "the chain goes on: {halts:?}");
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn a_second_endpoint_that_hangs_delays_the_start_by_one_short_time_limit() {
    let hang = || Fault::Hang(Duration::from_secs(60));
    let slow = || Fault::Delay(Duration::from_millis(1_500));
    let cases = [
        vec![Rule::new(hang())],
        vec![Rule::new(slow()).on("node_info"), Rule::new(hang())],
    ];
    side_by_side(cases, |rules| {
        let mut scene = two_gossiping(vec![one_window(1, START + 4)]);
        for rule in rules {
            scene.net.fault(rule.at_node(1));
        }
        let began = Instant::now();
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        let took = began.elapsed();
        worker.stop();
        // 2 s for the endpoint that hangs, about 1 s for the payload and its block
        assert!(took < Duration::from_secs(6), "{took:?}");
        assert_nothing_wasted(&scene.net.report());
    });
}
