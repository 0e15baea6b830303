//! The chain behind the same address is a new one, as after the reset of a test network.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::scenes::*;
use crate::support::*;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::{FUNDS_UALLO, NodeOptions};
use allora_localnet::play::rules::Rule;
use allora_localnet::{Localnet, Options};
use serde_json::json;

/// A lower height of the same chain is accepted after it has moved for a minute.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(75);

/// The address in a URL.
fn address_of(url: &str) -> SocketAddr {
    let rest = url.split_once("://").unwrap().1;
    rest.split('/').next().unwrap().parse().unwrap()
}

/// A worker at a chain of height 1,000 that has served a window.
fn started() -> (Scene, Worker) {
    started_with(1)
}

/// The same with so many endpoints.
fn started_with(nodes: usize) -> (Scene, Worker) {
    let change = |options: Options| Options {
        start_height: 1_000,
        nodes: vec![NodeOptions::default(); nodes],
        ..options
    };
    let topics = vec![Topic::new(1, 20, 10, 1_004)];
    let mut scene = Scene::with(Api::V10, topics, change);
    let urls: Vec<_> = (0..nodes).map(|at| scene.net.node_url(at)).collect();
    scene.config["api_params"]["api_url"] = json!(urls);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("nonce 1004: included in block");
    (scene, worker)
}

/// Puts a new chain behind the same addresses, at a lower height.
fn reset(scene: &mut Scene, chain_id: &str) {
    reset_to(scene, chain_id, START);
}

/// Puts a new chain behind the same addresses, at this height.
fn reset_to(scene: &mut Scene, chain_id: &str, height: u64) {
    let count = scene.net.with_chain(|chain| chain.nodes.len());
    let node = |at| NodeOptions {
        listen: address_of(&scene.net.node_url(at)),
        ..NodeOptions::default()
    };
    let options = Options {
        nodes: (0..count).map(node).collect(),
        model: Some(address_of(&scene.net.model_url(1))),
        chain_id: chain_id.to_owned(),
        topics: vec![Topic::new(1, 20, 10, height + 4)],
        block_time: Some(BLOCK_TIME),
        start_height: height,
        ..Options::default()
    };
    let options = options.with_account(&scene.address, FUNDS_UALLO);
    // why: the addresses have to be free
    scene.net = Localnet::start(&Options::default()).unwrap();
    scene.net = Localnet::start(&options).unwrap();
    scene.register();
}

#[test]
fn a_chain_of_another_id_behind_the_address_is_named_and_waited_for() {
    let (mut scene, worker) = started();
    reset(&mut scene, "another");
    let line = worker.wait_for_line("it is not used");
    assert!(line.contains("another"), "{line}");
    worker.wait_for_line("waiting: chain: no endpoint answers");
    let report = scene.net.report();
    assert_eq!(report.requests_to(BROADCAST), 0, "nothing is signed for it");
    assert!(report.requests_total < 20, "{:?}", report.requests);
    reset(&mut scene, "localnet");
    worker.wait_for_lines("included in block", 2);
    assert_eq!(worker.lines_with("it is not used").len(), 1);
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn another_id_at_the_next_height_is_noticed_by_the_refused_signature() {
    side_by_side([1, 2], |endpoints| {
        let topics = vec![Topic::new(1, 20, 10, START + 4)];
        let mut scene = if endpoints == 1 {
            let scene = Scene::new(Api::V10, topics);
            scene.register();
            scene
        } else {
            two_gossiping(topics)
        };
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        let before = scene.net.report().requests_to(BROADCAST);
        scene.net.fault(Rule::new(Fault::OtherChain).at_node(0));
        let line = worker.wait_for_line("it is not used");
        assert!(line.contains("other-localnet"), "{line}");
        if endpoints == 1 {
            worker.wait_for_line("waiting: chain: no endpoint answers");
            scene.wait_for_blocks(20);
            let signed = scene.net.report().requests_to(BROADCAST) - before;
            assert_eq!(signed, 1, "the refused one, and nothing after it");
        } else {
            let included = worker.lines_with("included in block").len();
            worker.wait_for_lines("included in block", included + 2);
        }
        assert_eq!(worker.lines_with("it is not used").len(), 1);
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn another_id_is_noticed_by_a_refused_signature_also_just_after_a_height_in_doubt() {
    let mut scene = Scene::new(Api::V10, vec![Topic::new(1, 20, 10, START + 4)]);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let report = scene.net.report();
    let (asked, sent) = (
        report.requests_to("node_info"),
        report.requests_to(BROADCAST),
    );
    scene
        .net
        .fault(Rule::new(Fault::NamesHeight(1_000_000_000)).times(1));
    scene.wait_for("the chain id that is asked again", |report| {
        report.requests_to("node_info") > asked
    });
    scene.net.fault(Rule::new(Fault::OtherChain).at_node(0));
    worker.wait_for_line("it is not used");
    scene.wait_for_blocks(20);
    let signed = scene.net.report().requests_to(BROADCAST) - sent;
    assert_eq!(signed, 1, "the refused one, and nothing after it");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

/// A refusal of every broadcast as a node of another chain gives it.
fn refuses_signatures() -> Rule {
    let answer = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": "sdk", "code": 4, "data": "",
        "raw_log": "signature verification failed; please verify account number (1), sequence (1) \
                    and chain-id (another): unauthorized",
        "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0", "tx": null, "timestamp": "",
        "events": [],
    }});
    on_broadcast(Fault::Body(200, answer.to_string().into_bytes()))
}

#[test]
fn another_id_at_a_similar_height_costs_one_refused_transaction_at_most() {
    let (mut scene, worker) = started();
    let height = scene.net.height();
    reset_to(&mut scene, "another", height);
    let line = worker.wait_for_line("it is not used");
    assert!(line.contains("another"), "{line}");
    worker.wait_for_line("waiting: chain: no endpoint answers");
    scene.wait_for_blocks(20);
    let signed = scene.net.report().requests_to(BROADCAST);
    // why: the first refusal may be what shows that the chain is another one
    assert!(signed <= 1, "{signed} transactions for another chain");
    worker.stop();
}

#[test]
fn signatures_that_are_refused_without_end_ask_the_chain_id_once_a_minute() {
    let mut scene = Scene::new(Api::V10, vec![Topic::new(1, 20, 10, START + 4)]);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let asked = || scene.net.report().requests_to("node_info");
    let before = asked();
    scene.net.fault(refuses_signatures());
    worker.wait_for_line("the account is read again");
    scene.wait_for_blocks(60);
    let asked = asked() - before;
    assert!((1..=2).contains(&asked), "{asked} requests");
    assert!(worker.lines_with("it is not used").is_empty());
    scene.net.clear_faults();
    let included = worker.lines_with("included in block").len();
    worker.wait_for_lines("included in block", included + 1);
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn an_endpoint_that_refuses_every_signature_stops_nothing_beside_an_honest_one() {
    let mut scene = two_gossiping(vec![Topic::new(1, 20, 10, START + 4)]);
    scene.net.fault(refuses_signatures().at_node(0));
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 4);
    assert!(worker.lines_with("it is not used").is_empty());
    worker.stop();
    assert!(report.faults.values().sum::<u64>() > 0, "the lie was told");
    assert_all_served(&report, &[1]);
}

#[test]
fn a_lower_height_of_the_same_chain_is_accepted_once_it_has_moved() {
    side_by_side([1, 2, 3], |endpoints| {
        let (mut scene, worker) = started_with(endpoints);
        reset(&mut scene, "localnet");
        let since = Instant::now();
        worker.wait_for_line("the height fell from 10");
        let took = since.elapsed();
        assert!(took < ACCEPTED_WITHIN, "{endpoints} endpoints: {took:?}");
        worker.wait_for_lines("included in block", 3);
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}
