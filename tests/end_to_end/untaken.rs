//! Endpoints that answer questions and take no transaction: a front that refuses to send, a node whose
//! mempool is always full, one that is never content with a fee. Each is named, tried ever more rarely,
//! and left where another endpoint takes the transaction.

use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::lies::{Lie, Strategy};
use allora_localnet::play::rules::Rule;
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// What a front answers to a broadcast, and what the worker says about it.
fn fronts() -> [(Fault, &'static str); 4] {
    let page = "with a body that no node gives: <!DOCTYPE html>";
    [
        (
            Fault::Status(403, None),
            "status 403 with a body that no node gives: <!DOCTYPE",
        ),
        (
            Fault::Status(405, None),
            "status 405 with a body that no node gives: <!DOCTYPE",
        ),
        (Fault::Html, page),
        (
            Fault::Status(429, Some(1)),
            "too many requests (429); it asks for a pause of 1 s",
        ),
    ]
}

/// A node that requires more than each fee that it is offered, and keeps no transaction.
fn never_content() -> Rule {
    let lie = Lie::named("fee", (1 << 32) + 1).unwrap();
    on_broadcast(Fault::Lies(Strategy::of(vec![lie])))
}

/// A refusal in CheckTx.
fn refusal(code: u32, text: &str) -> Fault {
    let answer = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": "sdk", "code": code, "data": "",
        "raw_log": text, "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0", "tx": null,
        "timestamp": "", "events": [],
    }});
    Fault::Body(200, answer.to_string().into_bytes())
}

#[test]
fn a_front_that_refuses_to_send_is_named_in_the_outcome_and_asked_rarely() {
    side_by_side(fronts(), |(front, said)| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
        scene.register();
        scene.net.fault(on_broadcast(front));
        let worker = scene.start();
        let missed = worker.wait_for_line("nonce 104: missed: ");
        assert!(missed.contains(said), "{missed}");
        worker.wait_for_line("takes no transaction, its last answer: ");
        let posts = || scene.net.report().requests_to(BROADCAST);
        let before = posts();
        scene.wait_for_blocks(30);
        // one for each pause, which is half to all of three blocks, and one for each new payload
        let after = posts() - before;
        assert!(after <= 27, "{after} in 30 blocks");
        goes_on_without_faults(&scene, worker);
    });
}

#[test]
fn another_endpoint_sends_what_a_front_refuses() {
    side_by_side(fronts(), |(front, said)| {
        let mut scene = two_gossiping(vec![topic(1, START + 4)]);
        scene.net.fault(on_broadcast(front).at_node(0));
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 3);
        worker.stop();
        assert!(report.faults.values().sum::<u64>() > 0, "{said}");
        assert_all_served(&report, &[1]);
    });
}

#[test]
fn a_node_that_is_never_content_with_a_fee_gets_one_warning_and_few_requests() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    scene.net.fault(never_content());
    let worker = scene.start();
    let line = worker.wait_for_line("takes no transaction, its last answer: ");
    assert!(line.contains("fee too low"), "{line}");
    let posts = || scene.net.report().requests_to(BROADCAST);
    let before = posts();
    scene.wait_for_blocks(40);
    let after = posts() - before;
    assert!(after <= 60, "{after} in 40 blocks");
    scene.net.clear_faults();
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    let anew = lines_with(&ended.stderr, "signed anew");
    assert!(anew.len() <= 3, "{anew:?}");
    assert_eq!(lines_with(&ended.stderr, "waiting: ").len(), 1);
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn a_node_that_never_has_room_or_gas_enough_is_left_for_another_one() {
    let room = "had no room in its mempool for topic 1, nonce 104, but it got into no block";
    let gas = "out of gas in location: x; gasWanted: 1, gasUsed: 2: out of gas";
    let cases = [
        (Fault::MempoolFull, room),
        (refusal(11, gas), "takes no transaction: out of gas"),
    ];
    side_by_side(cases, |(fault, said)| {
        let mut scene = two_gossiping(vec![one_window(1, START + 4)]);
        scene.net.fault(on_broadcast(fault).at_node(0));
        let worker = scene.start();
        let line = worker.wait_for_line("; another endpoint is used for a while");
        let is_named = line.contains(&scene.net.node_url(0)) && line.contains(said);
        assert!(is_named, "{line}");
        worker.wait_for_line("nonce 104: included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}
