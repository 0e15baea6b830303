//! Nodes that name heights which cannot be, that stand still or are late, or that take transactions
//! and pass none on: with an honest endpoint in the list, in any place, every window is served.

use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::lies::{Lie, Strategy};
use allora_localnet::play::rules::{Rule, When};
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// The highest height that the worker's decoding lets pass, less one.
const ABSURD: u64 = 100_000_000_000 - 1;

/// A scene of two nodes that gossip, of which the worker's list has the honest one at this place.
fn honest_at(place: usize, topics: Vec<Topic>) -> Scene {
    let mut scene = two_gossiping(topics);
    if place == 0 {
        let urls = [scene.net.node_url(1), scene.net.node_url(0)];
        scene.config["api_params"]["api_url"] = json!(urls);
    }
    scene
}

#[test]
fn one_absurd_height_does_not_stop_a_single_endpoint() {
    let lies = [ABSURD, 1_000_000_000, START + 5_000];
    side_by_side(lies, |lie| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
        scene.register();
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        for _ in 0..3 {
            scene.net.fault(Rule::new(Fault::NamesHeight(lie)).times(1));
            scene.wait_for_blocks(5);
        }
        scene.wait_for_windows(&[1], 4);
        worker.stop();
        assert_all_served(&scene.net.report(), &[1]);
    });
}

#[test]
fn an_absurd_first_height_of_a_single_endpoint_is_forgotten_soon() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    // The first two answers identify the node.
    scene
        .net
        .fault(Rule::new(Fault::NamesHeight(ABSURD)).times(4));
    let worker = scene.start();
    worker.wait_for_line("included in block");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn a_liar_about_heights_costs_no_window_in_either_place() {
    let lies = [
        Fault::NamesHeight(ABSURD),
        Fault::NamesHeight(5),
        Fault::NamesAbove(1_000_000),
    ];
    let places = [0, 1];
    let cases = lies
        .iter()
        .flat_map(|lie| places.map(|place| (lie.clone(), place)));
    side_by_side(cases.collect::<Vec<_>>(), |(lie, place)| {
        let mut scene = honest_at(place, vec![Topic::new(1, 100, 95, START + 4)]);
        // Node 0 lies; it is the second of the list if the honest one is the first.
        scene.net.fault(Rule::new(lie).at_node(0));
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        worker.wait_for_line("nonce 204: included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn an_endpoint_that_begins_to_lie_is_left_and_named() {
    let mut scene = two_gossiping(vec![topic(1, START + 4)]);
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    scene.wait_for_blocks(5);
    scene
        .net
        .fault(Rule::new(Fault::NamesAbove(1_000_000)).at_node(0));
    let line = worker.wait_for_line("that the chain is at block");
    assert!(line.contains(&scene.net.node_url(0)), "{line}");
    worker.wait_for_line("is not believed for now, using");
    let windows = scene.net.report().windows(1).len();
    scene.wait_for_windows(&[1], windows + 3);
    worker.stop();
    assert_all_served(&scene.net.report(), &[1]);
}

#[test]
fn an_endpoint_that_takes_transactions_and_passes_none_on_is_left() {
    let mut scene = two_gossiping(vec![one_window(1, START + 4), one_window(2, START + 60)]);
    scene
        .net
        .fault(on_broadcast(Fault::AcceptAndDrop).at_node(0));
    let worker = scene.start();
    let line = worker.wait_for_line("but it got into no block before it expired");
    assert!(line.contains(&scene.net.node_url(0)), "{line}");
    worker.wait_for_line("nonce 104: included in block");
    worker.wait_for_line("nonce 160: included in block");
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(report.payloads_included, 2);
}

#[test]
fn a_node_that_is_late_after_a_rest_costs_no_window() {
    let topics = vec![Topic::new(1, 150, 6, START + 150)];
    let mut scene = Scene::with(Api::V10, topics, |options| options);
    scene.register();
    scene.config["topics"][0]["nonce_fetch_freq"] = json!(1);
    let late = Rule::new(Fault::OldHeight(16)).on("worker_submission_window_status");
    // The looks in the middle of the way to the opening, the first of which follows a rest.
    let worker = scene.start();
    scene.wait_for_polls(8);
    scene
        .net
        .fault(late.times(1).when(When::Heights(START + 100, START + 145)));
    scene.wait_for_windows(&[1], 1);
    worker.stop();
    assert_all_served(&scene.net.report(), &[1]);
    assert_eq!(scene.net.report().faults.get("old_height"), Some(&1));
}

#[test]
fn a_height_that_stands_still_loses_to_one_that_moves() {
    let mut scene = two_gossiping(vec![topic(1, START + 4)]);
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let still = scene.net.height() + 3_000;
    // The second node is down, so that nothing contradicts the first one.
    scene.net.set_node_up(1, false);
    scene
        .net
        .fault(Rule::new(Fault::NamesHeight(still)).at_node(0));
    std::thread::sleep(Duration::from_secs(1));
    scene.net.set_node_up(1, true);
    let windows = scene.net.report().windows(1).len();
    scene.wait_for("windows that are served again", |report| {
        let later = report.windows(1).iter().skip(windows);
        later.filter(|window| window.payload.is_some()).count() >= 2
    });
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

/// One route is answered from two blocks earlier, which no one wait catches up: in each block another
/// topic looks at its window.
#[test]
fn a_route_that_is_answered_from_earlier_blocks_costs_no_window() {
    // the nonce's score, simulations and the account
    side_by_side([4, 5, 6], |lag| {
        let topics = (1..=5).map(|id| Topic::new(id, 20, 12, START + 6 + 2 * id));
        let mut scene = two_gossiping(topics.collect());
        let lie = Strategy::of(vec![Lie::named("lag", lag).unwrap()]);
        scene.net.fault(Rule::new(Fault::Lies(lie)).at_node(0));
        let worker = scene.start();
        worker.wait_for_line("from earlier blocks than other requests");
        let ids = [1, 2, 3, 4, 5];
        let report = scene.wait_for_windows(&ids, 2);
        worker.stop();
        assert_all_served(&report, &ids);
    });
}
