//! Nodes that lie about money or about their chain: what that costs is limited by the
//! configuration, and with an honest endpoint in the list every window is served.

use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::rules::Rule;
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// A refusal for a fee that is too low, which requires 999,999 ALLO.
fn demand() -> Fault {
    let answer = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": "sdk", "code": 13, "data": "",
        "raw_log": "insufficient fees; got: 1uallo required: 999999000000000000000000uallo: insufficient fee",
        "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0", "tx": null, "timestamp": "",
        "events": [],
    }});
    Fault::Body(200, answer.to_string().into_bytes())
}

#[test]
fn a_fee_that_does_not_fit_the_gas_price_is_not_paid_and_another_endpoint_is_used() {
    let mut scene = two_gossiping(vec![one_window(1, START + 4)]);
    let rich = 10_u128.pow(24);
    scene.net.set_balance(&scene.address, rich);
    scene.net.fault(on_broadcast(demand()).at_node(0));
    let worker = scene.start();
    let line = worker.wait_for_line("which cannot be; it is not believed");
    assert!(line.contains(&scene.net.node_url(0)), "{line}");
    worker.wait_for_line("nonce 104: included in block");
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    let payload = report.windows(1)[0].payload.as_ref().unwrap();
    assert!(payload.fee_uallo < 10_000_000, "{payload:?}");
}

#[test]
fn alone_a_node_that_demands_a_fortune_gets_nothing() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    let rich = 10_u128.pow(24);
    scene.net.set_balance(&scene.address, rich);
    scene.net.fault(on_broadcast(demand()));
    let worker = scene.start();
    worker.wait_for_line("which cannot be; it is not believed");
    scene.net.clear_faults();
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    assert!(lines_with(&ended.stderr, "signed anew").is_empty());
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn the_gas_price_cannot_raise_a_fee_above_the_default_limit() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    scene.net.set_balance(&scene.address, 10_u128.pow(24));
    let price = json!({"price": {"denom": "uallo", "amount": "1000000000000.000000000000000000"}});
    let price = Fault::Body(200, price.to_string().into_bytes());
    scene.net.fault(Rule::new(price).on("gas_price"));
    let worker = scene.start();
    let line = worker.wait_for_line("waiting: wallet: the fee would be");
    assert!(
        line.contains("max_fee_uallo allows 10000000000000000"),
        "{line}"
    );
    scene.net.clear_faults();
    worker.wait_for_line("nonce 104: included in block");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn all_fees_of_a_day_stay_below_their_limit() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    scene.config["max_fee_per_day_uallo"] = json!(3_000_000);
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let line = worker.wait_for_line("waiting: wallet: ");
    assert!(
        line.contains("max_fee_per_day_uallo allows 3000000"),
        "{line}"
    );
    worker.wait_for_line("nonce 114: missed: ");
    scene.wait_for_windows(&[1], 3);
    worker.stop();
    let report = scene.net.report();
    assert_eq!(report.payloads_included, 1);
    assert_nothing_wasted(&report);
}

#[test]
fn nothing_is_signed_for_another_chain_than_the_configured_one() {
    let mut scene = two_gossiping(vec![one_window(1, START + 4)]);
    scene.net.fault(Rule::new(Fault::OtherChain).at_node(0));
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    let line = &lines_with(&ended.stderr, "it is not used")[0];
    assert!(
        line.contains("other-localnet") && line.contains(&scene.net.node_url(0)),
        "{line}"
    );
    assert_nothing_wasted(&scene.net.report());

    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    scene.config["chain_id"] = json!("allora-mainnet-1");
    let worker = scene.start();
    worker.wait_for_line("it is not used");
    scene.wait_for_blocks(10);
    worker.stop();
    let report = scene.net.report();
    assert_eq!(
        report.requests_to(BROADCAST) + report.requests_to("simulate"),
        0
    );
}

#[test]
fn without_a_configured_chain_the_first_answer_counts_with_a_warning() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    scene.config.as_object_mut().unwrap().remove("chain_id");
    let worker = scene.start();
    worker.wait_for_line("chain_id: not set, so the first endpoint that answers decides");
    worker.wait_for_line("nonce 104: included in block");
    worker.stop();
}
