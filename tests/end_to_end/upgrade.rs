//! Upgrade day, v9 → v10, as it was seen on a node (protocol.md section 8): frozen and answering,
//! down, half up, v10. The nonce that was open across it is served exactly once, whatever had
//! become of its payload, and nobody restarts anything.

use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::handle::Upgrade;
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// The nonce that is open across the upgrade.
const NONCE: u64 = START + 6;

/// An upgrade that is over soon.
fn quick(height: u64) -> Upgrade {
    Upgrade {
        height,
        frozen: Duration::from_millis(500),
        down: Duration::from_millis(600),
        half_up: Duration::from_millis(600),
    }
}

/// A scene with topic 1 open across the upgrade, and topic 2 whose window opens after it.
fn scene(upgrade: Upgrade) -> Scene {
    let after = Topic::new(2, 100, 40, upgrade.height + 4);
    let mut scene = Scene::new(Api::V9, vec![Topic::new(1, 100, 40, NONCE), after]);
    scene.register();
    scene.config["debug"] = json!(true);
    scene.net.upgrade_at(upgrade).unwrap();
    scene
}

/// What holds after every upgrade: both nonces served once, told once, under v10.
fn assert_gone_through(scene: &Scene, worker: Worker, upgrade: Upgrade) -> (Ended, usize) {
    let after = upgrade.height + 4;
    worker.wait_for_line(&format!("nonce {after}: included in block"));
    worker.wait_for_line(&format!("nonce {NONCE}: included in block"));
    let ended = worker.stop();
    let told = lines_with(&ended.stderr, "the chain was upgraded: emissions v9 → v10");
    assert_eq!(told.len(), 1, "{told:?}");
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
fn a_payload_that_was_included_before_the_freeze_counts() {
    let upgrade = quick(NONCE + 5);
    let mut scene = scene(upgrade);
    let worker = scene.start();
    let (_, signed) = assert_gone_through(&scene, worker, upgrade);
    assert_eq!(signed, 1);
    let payload = scene.net.report().windows(1)[0].payload.clone().unwrap();
    assert!(payload.height < upgrade.height);
}

#[test]
fn a_payload_that_was_lost_with_the_mempool_is_signed_anew_for_the_new_version() {
    // The node freezes at the nonce's own block: CheckTx accepts, nothing is included.
    let upgrade = quick(NONCE + 1);
    let mut scene = scene(upgrade);
    let worker = scene.start();
    scene.wait_for("the payload in the mempool", |r| r.check_tx_accepted == 1);
    let (_, signed) = assert_gone_through(&scene, worker, upgrade);
    assert_eq!(signed, 2, "for v9 and for v10");
    let payload = scene.net.report().windows(1)[0].payload.clone().unwrap();
    assert!(payload.height >= upgrade.height);
    let sequence = scene.net.with_chain(|chain| {
        let included = chain.find_tx(&payload.txhash, chain.state.height).unwrap();
        included.tx.as_ref().unwrap().sequence
    });
    // why: only once the first one is void may another job have taken its number
    let is_void = payload.height > NONCE + 6;
    assert!(sequence == 0 || is_void, "the first one was alive");
}

#[test]
fn a_payload_that_was_never_sent_is_sent_to_the_new_version() {
    let upgrade = quick(NONCE + 3);
    let mut scene = scene(upgrade);
    scene.net.set_model_up(false);
    let worker = scene.start();
    worker.wait_for_line("waiting: topic 1, model: no inference");
    scene.wait_for("the upgrade", |report| report.api == "v10");
    scene.net.set_model_up(true);
    let (_, signed) = assert_gone_through(&scene, worker, upgrade);
    assert_eq!(signed, 1);
    assert!(scene.net.report().check_tx_refused.is_empty());
}

#[test]
fn a_frozen_height_is_told_as_a_state_of_its_own() {
    let upgrade = Upgrade {
        frozen: Duration::from_secs(13),
        ..quick(NONCE + 1)
    };
    let mut scene = scene(upgrade);
    let worker = scene.start();
    worker.wait_for_line("no block for ");
    let before = scene.net.report().requests_total;
    worker.wait_for_line("over: chain: no new blocks");
    let (ended, _) = assert_gone_through(&scene, worker, upgrade);
    assert_eq!(lines_with(&ended.stderr, "no block for ").len(), 1);
    let meanwhile = scene.net.report().requests_total - before;
    assert!(meanwhile < 300, "{meanwhile} requests");
}
