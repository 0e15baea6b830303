//! Fees that another account grants: what the worker holds itself, what the allowance pays, and what
//! happens when it does not.

use allora_localnet::chain::Chain;
use allora_localnet::chain::allowance::Allowance;
use allora_localnet::chain::bech32;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::options::FUNDS_UALLO;
use serde_json::json;

use crate::support::*;

/// What a registration takes from the worker's own account, and a payload.
const OWN_UALLO: u128 = 200 + 10;

/// A scene whose worker holds `own_uallo`, and a granter's address without an allowance.
fn scene(api: Api, topics: Vec<Topic>, own_uallo: u128) -> (Scene, String) {
    let mut scene = Scene::new(api, topics);
    let granter = bech32::encode(&[0xf0; 20]);
    scene.net.fund(&granter, FUNDS_UALLO);
    scene.net.set_balance(&scene.address, own_uallo);
    scene.config["fee_granter"] = json!(granter);
    (scene, granter)
}

fn balance(scene: &Scene, address: &str) -> u128 {
    let state = |chain: &mut Chain| chain.state.accounts[address].balance_uallo;
    scene.net.with_chain(state)
}

#[test]
fn the_granter_pays_and_the_worker_holds_only_dust() {
    on_both(|api| {
        let (mut scene, granter) = scene(api, vec![topic(1, START + 4)], OWN_UALLO + 10);
        scene
            .net
            .grant(&granter, &scene.address, Allowance::default());
        let worker = scene.start();
        let line = worker.wait_for_line("a payload takes 10 uallo");
        assert!(
            line.ends_with(&format!("; {granter} pays the fees")),
            "{line}"
        );
        scene.wait_for("two payloads", |report| report.payloads_included == 2);
        let line = worker.wait_for_line("waiting: wallet: the balance is too low");
        assert!(line.contains("have 0 uallo, need 10 uallo"), "{line}");
        worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert_eq!(report.registrations_included, 1);
        assert_eq!(balance(&scene, &scene.address), 0);
        assert_eq!(balance(&scene, &granter), FUNDS_UALLO - report.fees_uallo);
    });
}

#[test]
fn the_worker_is_not_its_own_granter() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.config["fee_granter"] = json!(scene.address);
    let ended = scene.start().ended();
    assert_eq!(ended.code(), 3);
    let line = format!(
        "fee_granter: {} is this worker's own address",
        scene.address
    );
    assert_eq!(
        lines_with(&ended.stderr, &line).len(),
        1,
        "{}",
        ended.stderr
    );
    scene.arguments = vec!["check".into()];
    let ended = scene.start().ended();
    assert_eq!(ended.code(), 1);
    assert_eq!(
        lines_with(&ended.stdout, &line).len(),
        1,
        "{}",
        ended.stdout
    );
}
