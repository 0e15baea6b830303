//! Gas where other workers take places: in a full active set a payload evicts one of them, which uses
//! half as much gas again and is not visible to a simulation before the block.

use allora_localnet::chain::decimal::Decimal;
use allora_localnet::chain::message::{Api, Inference};
use allora_localnet::chain::topic::{Score, Topic};
use serde_json::json;

use crate::scenes::with_settings;
use crate::support::*;

const PLACES: usize = 32;
/// A worker of the topic.
const ACTIVE: &str = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";
const SIMULATE: &str = "POST /cosmos/tx/v1beta1/simulate";

/// A topic with this number of other workers, each of them in the first block of every window, and
/// with `closed` of them in the window before the first one.
fn busy(others: usize, closed: usize) -> Topic {
    let inference = |index: usize| Inference {
        topic_id: 1,
        block_height: 0,
        inferer: format!("worker {index}"),
        value: Decimal::parse("1").unwrap(),
        extra_data: Vec::new(),
        proof: String::new(),
        values: Vec::new(),
    };
    let mut topic = topic(1, START + 6);
    topic.early = (1..).map(inference).zip(1..).take(others).collect();
    if closed > 0 {
        let inferences = (0..closed).map(inference).collect();
        topic.network.insert(START - 5, inferences);
    }
    topic
}

/// A scene in which this worker's score is above all others. It registers by itself, so that no
/// payload is its account's first transaction, which stores the key.
fn scene(api: Api, topic: Topic) -> Scene {
    let scene = Scene::new(api, vec![topic]);
    scene.net.with_chain(|chain| {
        let score = Score {
            height: 1,
            score: 1_000,
        };
        let topic = chain.state.topics.get_mut(&1).unwrap();
        topic.scores.insert(scene.address.clone(), score);
    });
    scene
}

/// Gas limit and gas used of each payload, oldest first.
fn gas(scene: &Scene) -> Vec<(u64, u64)> {
    let report = scene.net.report();
    let windows = report.windows(1).iter();
    scene.net.with_chain(|chain| {
        let gas = windows.filter_map(|window| {
            let payload = window.payload.as_ref()?;
            let included = chain.find_tx(&payload.txhash, chain.state.height)?;
            Some((included.tx.as_ref()?.gas_limit, included.gas_used))
        });
        gas.collect()
    })
}

#[test]
fn evicts_another_worker_in_ten_windows_without_running_out_of_gas() {
    on_both(|api| {
        let mut scene = scene(api, busy(PLACES, PLACES));
        let worker = scene.start();
        scene.wait_for_windows(&[1], 10);
        worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[1]);
        let simulations = report.requests[SIMULATE];
        assert_eq!(simulations, 2, "of the registration and the first payload");
        let gas = gas(&scene);
        assert!(gas.len() >= 10, "{gas:?}");
        for (limit, used) in gas {
            assert!(used > 195_000, "{used} is no eviction");
            assert!(limit * 100 <= used * 125, "{limit} for {used}");
        }
    });
}

#[test]
fn an_eviction_that_nothing_announced_costs_one_fee_and_no_other() {
    let mut scene = scene(Api::V10, busy(PLACES, 0));
    scene.config["gas_adjustment"] = json!(1.25);
    let worker = scene.start();
    scene.wait_for_windows(&[1], 8);
    worker.stop();
    let report = scene.net.report();
    assert_eq!(report.included_failures.get("sdk/11"), Some(&1));
    assert_eq!((report.included_failures.len(), report.paid_twice), (1, 0));
    assert_eq!(report.windows_served(), report.windows(1).len());
}

#[test]
fn offers_for_a_free_place_at_most_a_third_more_than_it_uses() {
    on_both(|api| {
        let mut scene = scene(api, busy(5, 6));
        let worker = scene.start();
        scene.wait_for_windows(&[1], 8);
        worker.stop();
        assert_all_served(&scene.net.report(), &[1]);
        for (limit, used) in gas(&scene) {
            assert!(limit * 100 <= used * 135, "{limit} for {used}");
        }
    });
}

#[test]
fn offers_nothing_for_an_eviction_with_a_forecast_alone() {
    on_both(|api| {
        let model = Model::answering(&format!(r#"{{"{ACTIVE}": 12.30}}"#));
        let mut topic = busy(PLACES, PLACES);
        topic.top_inferers.insert(ACTIVE.to_owned());
        let settings = json!({"inference_url": "", "forecast_url": model.url});
        let mut scene = with_settings(api, topic, settings);
        let worker = scene.start();
        scene.wait_for_windows(&[1], 3);
        worker.stop();
        let gas = gas(&scene);
        assert!(gas.len() >= 3, "{gas:?}");
        for (limit, used) in gas {
            assert!(limit * 100 <= used * 135, "{limit} for {used}");
        }
    });
}

#[test]
fn the_first_payload_after_a_start_in_an_open_window_has_room_for_an_eviction() {
    on_both(|api| {
        let nonce = START + 3;
        let mut busy = busy(PLACES, PLACES);
        let others = std::mem::take(&mut busy.early);
        let (network, closed) = (busy.network, one_window(1, nonce));
        let mut scene = scene(api, Topic { network, ..closed });
        scene.config["gas_adjustment"] = json!(1.25);
        scene.net.set_block_time(None);
        scene.register();
        scene.net.blocks_until(nonce + 1);
        let worker = scene.start();
        scene.wait_for_polls(1);
        scene.net.block_now();
        scene.wait_for("the broadcast", |report| report.check_tx_accepted == 1);
        // the others come after the simulation, and before this payload's block
        scene.net.with_chain(|chain| {
            let topic = chain.state.topics.get_mut(&1).unwrap();
            topic.early = others;
            topic.begin_block(nonce + 1, PLACES);
        });
        scene.net.block_now();
        scene.wait_for_payloads(&[1]);
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
        let (_, used) = gas(&scene)[0];
        assert!(used > 195_000, "{used} is no eviction");
    });
}

#[test]
fn offers_nothing_for_an_eviction_where_one_place_was_free() {
    let mut scene = scene(Api::V10, busy(PLACES - 2, PLACES - 1));
    let worker = scene.start();
    scene.wait_for_windows(&[1], 4);
    worker.stop();
    assert_all_served(&scene.net.report(), &[1]);
    for (limit, used) in gas(&scene) {
        assert!(limit * 100 <= used * 135, "{limit} for {used}");
    }
}
