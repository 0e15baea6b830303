//! Few requests: how many each nonce costs, when a payload is simulated, and when the gas price is
//! read.

use std::time::Duration;

use allora_localnet::Report;
use allora_localnet::chain::Indexing;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::options::Options;
use serde_json::json;

use crate::support::*;

const SIMULATE: &str = "POST /cosmos/tx/v1beta1/simulate";

fn count(report: &Report, route: &str) -> u64 {
    report.requests.get(route).copied().unwrap_or(0)
}

#[test]
fn simulates_only_the_first_payload_of_a_topic() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4), topic(2, START + 14)]);
        scene.register();
        let worker = scene.start();
        scene.wait_for_windows(&[1, 2], 4);
        worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[1, 2]);
        assert_eq!(count(&report, SIMULATE), 2, "{:?}", report.requests);
        assert!(report.included_failures.is_empty());
        let price = count(&report, "GET /feemarket/v1/gas_price/uallo");
        assert!(
            price <= 2,
            "the gas price is not read for each window: {price}"
        );
    });
}

#[test]
fn simulates_each_payload_when_no_index_reports_the_gas_used() {
    let mut scene = Scene::with(Api::V10, vec![topic(1, START + 4)], |options| Options {
        indexing: Indexing::Off,
        ..options
    });
    scene.register();
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 3);
    worker.stop();
    assert!(count(&report, SIMULATE) >= 3, "{:?}", report.requests);
    assert_all_served(&scene.net.report(), &[1]);
}

#[test]
fn simulates_the_next_payload_after_a_failure_in_a_block() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    let worker = scene.start();
    scene.wait_for_windows(&[1], 2);
    let simulated = count(&scene.net.report(), SIMULATE);
    scene.net.with_chain(|chain| chain.more_gas_once = 90_000);
    worker.wait_for_line("a transaction failed in a block, its fee is lost");
    worker.wait_for_lines(": included in block", 3);
    worker.stop();
    let report = scene.net.report();
    assert!(
        count(&report, SIMULATE) > simulated,
        "{:?}",
        report.requests
    );
    assert_eq!(report.paid_twice, 0);
}

/// Four topics of 20 blocks each, which open one after the other, once the pace is known.
#[test]
fn a_nonce_costs_at_most_eight_requests() {
    let ids = [1, 2, 3, 4];
    let topics = ids.map(|id| Topic::new(id, 20, 10, START + 8 + 5 * id));
    let options = |options| Options {
        block_time: Some(Duration::from_millis(400)),
        ..options
    };
    let mut scene = Scene::with(Api::V10, topics.into(), options);
    for topic in scene.config["topics"].as_array_mut().unwrap() {
        topic["nonce_fetch_freq"] = json!(3);
    }
    scene.register();
    let worker = scene.start();
    let before = scene.wait_for_windows(&ids, 1);
    let after = scene.wait_for_windows(&ids, 4);
    worker.stop();
    assert_all_served(&scene.net.report(), &ids);
    let asked = |part| after.requests_to(part) - before.requests_to(part);
    let nonces = after.payloads_included - before.payloads_included;
    assert!((10..=14).contains(&nonces), "{nonces}");
    let requests = after.requests_total - before.requests_total;
    assert!(requests <= 8 * nonces, "{requests}: {:?}", after.requests);
    assert!(asked("window_status") <= 3 * nonces, "{:?}", after.requests);
    assert!(
        asked("account_info") <= 5 * nonces / 2,
        "{:?}",
        after.requests
    );
    // why: no other process can have served a window that opened since, so it is asked only
    // whether the transaction had its effect
    let served = asked("inferer_score_ema");
    assert!(served <= nonces + 2, "{served}: {:?}", after.requests);
}
