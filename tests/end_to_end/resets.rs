//! The chain behind the same address is a new one, as after the reset of a test network.

use std::net::SocketAddr;

use crate::scenes::*;
use crate::support::*;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::options::{FUNDS_UALLO, NodeOptions};
use allora_localnet::{Localnet, Options};

/// The address in a URL.
fn address_of(url: &str) -> SocketAddr {
    let rest = url.split_once("://").unwrap().1;
    rest.split('/').next().unwrap().parse().unwrap()
}

/// A worker at a chain of height 1,000 that has served a window.
fn started() -> (Scene, Worker) {
    let change = |options: Options| Options {
        start_height: 1_000,
        ..options
    };
    let topics = vec![Topic::new(1, 20, 10, 1_004)];
    let mut scene = Scene::with(Api::V10, topics, change);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("nonce 1004: included in block");
    (scene, worker)
}

/// Puts a new chain behind the same addresses, at a lower height.
fn reset(scene: &mut Scene, chain_id: &str) {
    let node = NodeOptions {
        listen: address_of(&scene.net.url()),
        ..NodeOptions::default()
    };
    let options = Options {
        nodes: vec![node],
        model: Some(address_of(&scene.net.model_url(1))),
        chain_id: chain_id.to_owned(),
        topics: vec![Topic::new(1, 20, 10, START + 4)],
        block_time: Some(BLOCK_TIME),
        start_height: START,
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
fn a_lower_height_of_the_same_chain_is_accepted_once_it_has_moved() {
    let (mut scene, worker) = started();
    reset(&mut scene, "localnet");
    worker.wait_for_line("the height fell from 10");
    worker.wait_for_lines("included in block", 3);
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}
