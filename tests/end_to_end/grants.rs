//! Fees that another account grants: what the worker holds itself, what the allowance pays, and what
//! happens when it does not.

use std::time::{Duration, SystemTime};

use allora_localnet::chain::Chain;
use allora_localnet::chain::allowance::{Allowance, Period};
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
        let line = worker.wait_for_line("a payload takes 0.00000000000000001 ALLO");
        assert!(
            line.ends_with(&format!("; {granter} pays the fees")),
            "{line}"
        );
        scene.wait_for("two payloads", |report| report.payloads_included == 2);
        let line = worker.wait_for_line("waiting: wallet: the balance is too low");
        assert!(
            line.contains("have 0 ALLO, need 0.00000000000000001 ALLO"),
            "{line}"
        );
        worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert_eq!(report.registrations_included, 1);
        assert_eq!(balance(&scene, &scene.address), 0);
        assert_eq!(balance(&scene, &granter), FUNDS_UALLO - report.fees_uallo);
    });
}

/// The names of both messages in both versions.
fn messages() -> Vec<String> {
    let of = |api: &str| {
        ["InsertWorkerPayload", "Register"].map(|m| format!("/emissions.{api}.{m}Request"))
    };
    [of("v9"), of("v10")].concat()
}

/// An allowance for the worker's messages, without a limit.
fn for_messages() -> Allowance {
    Allowance {
        messages: Some(messages()),
        ..Allowance::default()
    }
}

/// Starts a worker that cannot pay with this allowance; waits for the state that says `says`, and
/// asserts that nothing is paid. Then grants all, and asserts that the worker goes on by itself.
fn waits(api: Api, allowance: Option<Allowance>, says: &str, brief: &str, refusal: &str) {
    let (mut scene, granter) = scene(api, vec![topic(1, START + 4)], OWN_UALLO + 1_000);
    scene.register();
    let own = scene.address.clone();
    if let Some(allowance) = allowance {
        scene.net.grant(&granter, &own, allowance);
    }
    let worker = scene.start();
    let line = worker.wait_for_line("waiting: wallet: ");
    assert!(line.contains(says), "{line}");
    let grant = format!("allorad tx feegrant grant {granter} {own} --period 86400 --period-limit ");
    assert!(line.contains(&grant), "{line}");
    assert!(line.ends_with(&messages().join(",")), "{line}");
    scene.wait_for_blocks(12);
    let report = scene.net.report();
    let refused = [&report.check_tx_refused, &report.simulate_refused];
    for key in refused.into_iter().flat_map(|counts| counts.keys()) {
        assert_eq!(key, refusal);
    }
    assert_eq!((report.check_tx_accepted, report.fees_uallo), (0, 0));
    let sequence = scene
        .net
        .with_chain(|chain| chain.state.accounts[&own].sequence);
    assert_eq!(sequence, 0);

    scene.net.grant(&granter, &own, for_messages());
    worker.wait_for_line(&format!("over: wallet: {brief}"));
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    assert_eq!(lines_with(&ended.stderr, "waiting: wallet: ").len(), 1);
    assert!(!ended.stderr.contains('\u{fffd}'), "raw bytes in the log");
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn waits_while_nothing_is_granted() {
    on_both(|api| {
        let says = "grants allo1";
        waits(api, None, says, "fee grant missing", "sdk/38");
    });
}

#[test]
fn waits_while_the_message_is_not_allowed() {
    on_both(|api| {
        let mut allowance = for_messages();
        allowance.messages = Some(vec!["/emissions.v10.RegisterRequest".to_owned()]);
        let says = "does not name /emissions.";
        let brief = "fee grant without the message";
        waits(api, Some(allowance), says, brief, "feegrant/7");
    });
}

#[test]
fn waits_while_the_grant_is_used_up() {
    on_both(|api| {
        let allowance = Allowance {
            spend_limit_uallo: Some(1_000),
            ..for_messages()
        };
        let says = " ALLO, 0.000000000000001 ALLO are left; for a higher limit, type: allorad tx feegrant revoke";
        waits(
            api,
            Some(allowance),
            says,
            "fee grant used up",
            "feegrant/2",
        );
    });
}

#[test]
fn a_registration_that_is_not_granted_waits_too() {
    on_both(|api| {
        let (mut scene, granter) = scene(api, vec![topic(1, START + 4)], OWN_UALLO + 1_000);
        let payloads = messages().into_iter().filter(|m| m.contains("Payload"));
        let allowance = Allowance {
            messages: Some(payloads.collect()),
            ..Allowance::default()
        };
        scene.net.grant(&granter, &scene.address, allowance);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: ");
        let name = format!("does not name /emissions.{}.RegisterRequest", api.name());
        assert!(line.contains(&name), "{line}");
        scene.wait_for_blocks(5);
        assert_eq!(scene.net.report().check_tx_accepted, 0);
        scene.net.grant(&granter, &scene.address, for_messages());
        worker.wait_for_line("registered in block");
        worker.wait_for_line("included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn a_period_that_is_used_up_ends_by_itself() {
    on_both(|api| {
        let (mut scene, granter) = scene(api, vec![topic(1, START + 4)], 1_000);
        scene.register();
        let mut period = Period::new(Duration::from_secs(6), 10_000_000, SystemTime::now());
        period.can_spend_uallo = 5;
        let allowance = Allowance {
            period: Some(period),
            ..for_messages()
        };
        scene.net.grant(&granter, &scene.address, allowance);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the fee grant of ");
        assert!(
            line.contains(
                "0.000000000000000005 ALLO are left; sending continues when its period resets at "
            ),
            "{line}"
        );
        worker.wait_for_line("over: wallet: fee grant used up");
        worker.wait_for_line("included in block");
        worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert!(
            report
                .check_tx_refused
                .keys()
                .all(|key| key == "feegrant/2")
        );
    });
}

#[test]
fn the_state_ends_between_windows_too() {
    let topics = vec![Topic::new(1, 100, 6, START + 4)];
    let (mut scene, granter) = scene(Api::V10, topics, 1_000);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("waiting: wallet: ");
    worker.wait_for_line("nonce 104: missed: the fee is not granted: there is no fee grant");
    scene.net.grant(&granter, &scene.address, for_messages());
    worker.wait_for_line("over: wallet: fee grant missing");
    worker.stop();
    assert_eq!(scene.net.report().check_tx_accepted, 0);
}

#[test]
fn waits_for_the_granters_balance_and_names_the_granter() {
    on_both(|api| {
        let (mut scene, granter) = scene(api, vec![topic(1, START + 4)], 1_000);
        scene.register();
        scene.net.grant(&granter, &scene.address, for_messages());
        scene.net.set_balance(&granter, 7);
        let worker = scene.start();
        let line =
            worker.wait_for_line("waiting: wallet: the balance of the fee granter is too low");
        assert!(
            line.ends_with(&format!(
                ", 0.000000000000000007 ALLO are left; fund {granter}"
            )),
            "{line}"
        );
        scene.net.fund(&granter, FUNDS_UALLO);
        worker.wait_for_line("over: wallet: fee granter's balance too low");
        worker.wait_for_line("included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn a_grant_that_expires_while_the_worker_runs_is_a_waiting_state() {
    let (mut scene, granter) = scene(Api::V10, vec![topic(1, START + 4)], 1_000);
    scene.register();
    scene.net.grant(&granter, &scene.address, for_messages());
    let worker = scene.start();
    scene.wait_for("a payload", |report| report.payloads_included == 1);
    let expired = Allowance {
        expires: Some(SystemTime::now()),
        ..for_messages()
    };
    scene.net.grant(&granter, &scene.address, expired);
    worker.wait_for_line("waiting: wallet: ");
    scene.net.grant(&granter, &scene.address, for_messages());
    worker.wait_for_line("over: wallet: fee grant ");
    let before = scene.net.report().payloads_included;
    scene.wait_for("another payload", |report| {
        report.payloads_included > before
    });
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn a_grant_that_names_only_v9_is_a_waiting_state_after_the_upgrade() {
    let (mut scene, granter) = scene(Api::V10, vec![topic(1, START + 4)], 1_000);
    scene.register();
    let v9 = messages().into_iter().filter(|name| name.contains(".v9."));
    let allowance = Allowance {
        messages: Some(v9.collect()),
        ..Allowance::default()
    };
    scene.net.grant(&granter, &scene.address, allowance);
    let worker = scene.start();
    let line = worker.wait_for_line("waiting: wallet: ");
    let name = "does not name /emissions.v10.InsertWorkerPayloadRequest";
    assert!(line.contains(name), "{line}");
    worker.stop();
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
