//! The chain upgrade v9 → v10, as observed on a node (docs/protocol.md section 8): frozen but
//! answering, down, half up, v10. The nonce that is open across the upgrade is served exactly once,
//! whether its payload was included, lost or not yet sent, and without a restart of the worker.

use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::handle::Upgrade;
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// The nonce that is open across the upgrade.
const NONCE: u64 = START + 6;

/// An upgrade that takes less than two seconds.
fn quick(height: u64) -> Upgrade {
    Upgrade {
        height,
        frozen: Duration::from_millis(500),
        down: Duration::from_millis(600),
        half_up: Duration::from_millis(600),
    }
}

/// A scene in which topic 1's window is open across the upgrade and topic 2's opens after it.
fn scene(upgrade: Upgrade) -> Scene {
    let after = Topic::new(2, 100, 40, upgrade.height + 4);
    let mut scene = Scene::new(Api::V9, vec![Topic::new(1, 100, 40, NONCE), after]);
    scene.register();
    scene.config["debug"] = json!(true);
    scene.net.upgrade_at(upgrade).unwrap();
    scene
}

/// Asserts that the upgrade was logged once and both nonces were served once; returns the ended
/// worker and how many transactions were signed for topic 1.
fn assert_upgraded(scene: &Scene, worker: Worker, upgrade: Upgrade) -> (Ended, usize) {
    let after = upgrade.height + 4;
    worker.wait_for_line(&format!("nonce {after}: included in block"));
    worker.wait_for_line(&format!("nonce {NONCE}: included in block"));
    let ended = worker.stop();
    let lines = lines_with(&ended.stderr, "the chain was upgraded: emissions v9 → v10");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let report = scene.net.report();
    assert_eq!(report.api, "v10");
    assert_nothing_wasted(&report);
    assert_eq!(report.payloads_included, 2);
    assert!(
        report.ante_failures.is_empty(),
        "{:?}",
        report.ante_failures
    );
    let sendings = sendings(&ended.stderr, 1);
    (ended, hashes(&sendings).len())
}

#[test]
fn a_payload_included_before_the_freeze_is_not_sent_again() {
    let upgrade = quick(NONCE + 5);
    let mut scene = scene(upgrade);
    let worker = scene.start();
    let (_, signed) = assert_upgraded(&scene, worker, upgrade);
    assert_eq!(signed, 1);
    let payload = scene.net.report().windows(1)[0].payload.clone().unwrap();
    assert!(payload.height < upgrade.height);
}

#[test]
fn signs_a_payload_lost_with_the_mempool_again_for_the_new_version() {
    // The node freezes at the nonce's own block: CheckTx accepts, nothing is included.
    let upgrade = quick(NONCE + 1);
    let mut scene = scene(upgrade);
    let worker = scene.start();
    scene.wait_for("the payload in the mempool", |r| r.check_tx_accepted == 1);
    let (_, signed) = assert_upgraded(&scene, worker, upgrade);
    assert_eq!(signed, 2, "for v9 and for v10");
    let payload = scene.net.report().windows(1)[0].payload.clone().unwrap();
    assert!(payload.height >= upgrade.height);
    let sequence = scene.net.with_chain(|chain| {
        let included = chain.find_tx(&payload.txhash, chain.state.height).unwrap();
        included.tx.as_ref().unwrap().sequence
    });
    // why: another submission may take its sequence only once the first transaction has expired
    let has_expired = payload.height > NONCE + 6;
    assert!(
        sequence == 0 || has_expired,
        "the first transaction was still alive"
    );
}

#[test]
fn sends_a_payload_that_was_not_sent_before_the_upgrade_to_the_new_version() {
    let upgrade = quick(NONCE + 3);
    let mut scene = scene(upgrade);
    scene.net.set_model_up(false);
    let worker = scene.start();
    worker.wait_for_line("waiting: topic 1, model: no inference");
    scene.wait_for("the upgrade", |report| report.api == "v10");
    scene.net.set_model_up(true);
    let (_, signed) = assert_upgraded(&scene, worker, upgrade);
    assert_eq!(signed, 1);
    assert!(scene.net.report().check_tx_refused.is_empty());
}

#[test]
fn reports_a_frozen_height_as_its_own_waiting_state() {
    let upgrade = Upgrade {
        frozen: Duration::from_secs(13),
        ..quick(NONCE + 1)
    };
    let mut scene = scene(upgrade);
    let worker = scene.start();
    worker.wait_for_line("no block for ");
    let before = scene.net.report().requests_total;
    worker.wait_for_line("over: chain: no new blocks");
    let (ended, _) = assert_upgraded(&scene, worker, upgrade);
    assert_eq!(lines_with(&ended.stderr, "no block for ").len(), 1);
    let meanwhile = scene.net.report().requests_total - before;
    assert!(meanwhile < 300, "{meanwhile} requests");
}
