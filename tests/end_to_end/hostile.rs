//! Nodes that lie about money or about their chain: what that costs is limited by the
//! configuration, and with an honest endpoint in the list every window is served.

use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::rules::{Rule, When};
use allora_worker::values::amount::allo;
use allora_worker::values::units::Uallo;
use serde_json::{Value, json};

use crate::scenes::*;
use crate::support::*;

/// A refusal for a fee that is too low, which requires 999,999 ALLO.
fn demand() -> Fault {
    demand_of(999_999 * 10_u128.pow(18))
}

/// A refusal for a fee that is too low, which requires this one.
fn demand_of(uallo: u128) -> Fault {
    let text = format!("insufficient fees; got: 1uallo required: {uallo}uallo: insufficient fee");
    let answer = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": "sdk", "code": 13, "data": "",
        "raw_log": text,
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
    assert!(line.contains("max_fee_uallo allows 0.01 ALLO"), "{line}");
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
        line.contains("max_fee_per_day_uallo allows 0.000000000003 ALLO"),
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

/// A simulation that succeeds, whatever the chain would say.
fn simulation_succeeds() -> Rule {
    let answer = json!({
        "gas_info": {"gas_wanted": "0", "gas_used": "140000"}, "result": {"events": []},
    });
    Rule::new(Fault::Claims(vec![("", answer)])).on("simulate")
}

fn claims(route: &'static str, claims: Vec<(&'static str, Value)>) -> Rule {
    Rule::new(Fault::Claims(claims)).on(route)
}

/// The node of this number invents a window every other block, until block `until`.
fn invent_windows(scene: &Scene, node: usize, until: u64) {
    scene.net.fault(simulation_succeeds().at_node(node));
    for nonce in (START..until).step_by(2) {
        let open = vec![
            ("/is_open", json!(true)),
            ("/current_nonce_block_height", json!(nonce.to_string())),
            ("/window_end_block", json!((nonce + 60).to_string())),
        ];
        let rule = claims("worker_submission_window_status", open);
        let rule = rule.at_node(node).when(When::Heights(nonce, nonce + 2));
        scene.net.fault(rule);
    }
}

#[test]
fn a_node_that_invents_windows_gets_no_more_payloads_than_the_chain_has_windows() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 200)]);
    scene.register();
    invent_windows(&scene, 0, START + 40);
    let worker = scene.start();
    worker.wait_for_line("too early, which cannot be; it is not believed");
    scene.wait_for("the end of the lies", |report| report.height > START + 30);
    let ended = worker.stop();
    assert_eq!(
        lines_with(&ended.stderr, "too early").len(),
        1,
        "logged once"
    );
    let report = scene.net.report();
    // an epoch of 100 blocks takes at least 5 s on a chain of this name
    assert!((2..=4).contains(&report.check_tx_accepted), "{report:?}");
    let missed = lines_with(
        &ended.stderr,
        "missed: more windows than the chain can have had",
    );
    assert_eq!(missed.len(), 1, "{missed:?}");
}

#[test]
fn after_a_node_that_invents_windows_the_other_one_is_served() {
    let mut scene = two_gossiping(vec![one_window(1, START + 30)]);
    invent_windows(&scene, 0, START + 30);
    let worker = scene.start();
    let line = worker.wait_for_line("says otherwise and is used for a while");
    assert!(line.contains(&scene.net.node_url(0)), "{line}");
    worker.wait_for_line(&format!("nonce {}: included in block", START + 30));
    worker.stop();
}

#[test]
fn registrations_that_an_index_confirms_without_effect_come_ever_more_rarely() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 200)]);
    scene.net.fault(simulation_succeeds());
    let index = vec![
        ("/tx_response/code", json!(0)),
        ("/tx_response/raw_log", json!("")),
    ];
    scene.net.fault(claims("GET /cosmos/tx/v1beta1/txs", index));
    let status = vec![("/is_registered", json!(false))];
    scene
        .net
        .fault(claims("worker_submission_window_status", status));
    let worker = scene.start();
    worker.wait_for_lines("registered in block", 2);
    scene.wait_for_blocks(20);
    worker.stop();
    let report = scene.net.report();
    assert_eq!(report.requests_to(BROADCAST), 2, "{report:?}");
}

#[test]
fn a_sequence_at_the_end_of_all_numbers_is_no_panic() {
    for sequence in [(1_u64 << 63) - 1, u64::MAX] {
        let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
        scene.register();
        let info = vec![("/info/sequence", json!(sequence.to_string()))];
        scene.net.fault(claims("account_info", info));
        scene.net.fault(simulation_succeeds());
        let worker = scene.start();
        scene.wait_for_blocks(12);
        scene.net.clear_faults();
        worker.wait_for_line("nonce 104: included in block");
        let ended = worker.stop();
        assert!(lines_with(&ended.stderr, "internal error").is_empty());
    }
}

/// A gas price of this many uallo, from block `from` on; the chain's is 10.
fn priced(uallo: u64, from: u64) -> Rule {
    let price = vec![(
        "/price/amount",
        json!(format!("{uallo}.000000000000000000")),
    )];
    claims("gas_price", price).when(When::Heights(from, u64::MAX))
}

/// The fees of the payloads in blocks.
fn fees(scene: &Scene) -> Vec<u128> {
    let report = scene.net.report();
    let windows = report.windows(1).iter();
    let payloads = windows.filter_map(|window| window.payload.as_ref());
    payloads.map(|payload| payload.fee_uallo).collect()
}

#[test]
fn a_fee_that_its_own_gas_price_alone_confirms_is_not_paid_where_another_endpoint_is() {
    let mut scene = two_gossiping(vec![one_window(1, START + 8)]);
    scene.net.fault(simulation_succeeds());
    // 140,000 gas by 1.5, at nine times the price
    let required = 210_000 * 90;
    scene
        .net
        .fault(on_broadcast(demand_of(required)).at_node(0));
    scene.net.fault(priced(90, START + 5).at_node(0));
    let worker = scene.start();
    worker.wait_for_line("a fee of 0.0000000000189 ALLO is required, which cannot be");
    worker.wait_for_line("nonce 108: included in block");
    worker.stop();
    assert!(
        fees(&scene).iter().all(|fee| *fee <= 2_100_000),
        "{:?}",
        fees(&scene)
    );
}

#[test]
fn a_gas_price_far_above_the_last_one_is_left_for_another_endpoint() {
    let mut scene = two_gossiping(vec![topic(1, START + 4)]);
    scene.net.fault(priced(10_000, START).at_node(1));
    // the other node is in use for the second window, and its price is asked for
    let down = When::Heights(START + 8, START + 13);
    scene
        .net
        .fault(Rule::new(Fault::Close).at_node(0).when(down));
    let worker = scene.start();
    worker.wait_for_line("names a gas price of 10000 uallo after 10:");
    worker.wait_for_line("nonce 114: included in block");
    worker.stop();
    let fees = fees(&scene);
    assert!(fees.iter().all(|fee| *fee < 10_000_000), "{fees:?}");
}

#[test]
fn alone_a_node_that_raises_the_gas_price_a_thousandfold_is_not_paid_at_once() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let from = scene.net.height();
    scene.net.fault(on_broadcast(demand_of(2_000_000_000)));
    scene.net.fault(priced(10_000, from));
    let line = worker.wait_for_line("names a gas price of 10000 uallo after 10:");
    assert!(
        line.contains("it is paid once another endpoint confirms it, or in 60 s"),
        "{line}"
    );
    scene.wait_for_blocks(10);
    let ended = worker.stop();
    let mut lines = lines_with(&ended.stderr, "names a gas price of");
    lines.retain(|line| !line.contains(": missed: "));
    assert_eq!(lines.len(), 1, "logged once: {lines:?}");
    assert!(
        fees(&scene).iter().all(|fee| *fee < 10_000_000),
        "{:?}",
        fees(&scene)
    );
}

#[test]
fn a_fee_above_the_limit_tries_another_endpoint_before_it_waits() {
    let mut scene = two_gossiping(vec![one_window(1, START + 4)]);
    scene.net.fault(priced(1_000_000_000_000, START).at_node(0));
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    assert!(lines_with(&ended.stderr, "waiting: wallet").is_empty());
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn gas_far_above_a_payload_is_not_believed() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    let gas = vec![("/gas_info/gas_used", json!("1000001"))];
    scene.net.fault(claims("simulate", gas));
    let worker = scene.start();
    worker.wait_for_line("it claims that 1000001 gas are needed, which cannot be");
    scene.net.clear_faults();
    worker.wait_for_line("nonce 104: included in block");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn gas_that_an_index_exaggerates_is_simulated_where_its_fee_is_too_high() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    // simulated × 1.5 fits at 10 uallo, the gas limit by what the index says does not
    scene.config["max_fee_uallo"] = json!(2_200_000);
    let index = vec![("/tx_response/gas_used", json!("9000000"))];
    scene.net.fault(claims("GET /cosmos/tx/v1beta1/txs", index));
    let worker = scene.start();
    scene.wait_for_windows(&[1], 3);
    let ended = worker.stop();
    assert!(lines_with(&ended.stderr, "waiting: wallet").is_empty());
    assert_all_served(&scene.net.report(), &[1]);
}

#[test]
fn the_fees_that_count_are_those_that_were_offered() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    let fee = json!([{"denom": "uallo", "amount": "999999000000000000000000"}]);
    let index = vec![("/tx/auth_info/fee/amount", fee)];
    scene.net.fault(claims("GET /cosmos/tx/v1beta1/txs", index));
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    let paid = allo(Uallo(scene.net.report().fees_uallo));
    let summary = format!("fees offered {paid}, confirmed {paid};");
    assert_eq!(
        lines_with(&ended.stderr, &summary).len(),
        1,
        "{}",
        ended.stderr
    );
}

/// A refusal of every broadcast because the account is at this sequence.
fn expects(sequence: u64) -> Rule {
    let text = format!(
        "account sequence mismatch, expected {sequence}, got 0: incorrect account sequence"
    );
    let answer = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": "sdk", "code": 32, "data": "",
        "raw_log": text, "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0", "tx": null,
        "timestamp": "", "events": [],
    }});
    on_broadcast(Fault::Body(200, answer.to_string().into_bytes()))
}

#[test]
fn alone_a_node_that_raises_the_sequence_after_each_block_gets_few_payloads_for_a_nonce() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    scene.net.fault(simulation_succeeds());
    for height in START..START + 60 {
        let (now, at) = (height - START, When::Heights(height, height + 1));
        let info = vec![("/info/sequence", json!(now.to_string()))];
        scene.net.fault(claims("account_info", info).when(at));
        scene.net.fault(expects(now + 1).when(at));
    }
    let worker = scene.start();
    let line = worker.wait_for_line("nonce 104: missed: ");
    assert!(
        line.contains("transactions with 4 sequences were signed for it"),
        "{line}"
    );
    scene.wait_for_blocks(5);
    worker.stop();
    let report = scene.net.report();
    assert!(report.requests_to(BROADCAST) <= 8, "{report:?}");
}

#[test]
fn a_window_that_is_longer_than_the_topics_is_not_believed() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    let longer = vec![("/window_end_block", json!("165"))];
    let lie = claims("worker_submission_window_status", longer);
    scene
        .net
        .fault(lie.when(When::Heights(START + 4, START + 14)));
    let worker = scene.start();
    let included = worker.wait_for_line("nonce 104: included in block");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
    let block = included.split("in block ").nth(1).unwrap();
    let block: u64 = block.split(' ').next().unwrap().parse().unwrap();
    assert!(block > START + 14, "{included}");
}

/// Answers of a node that takes no transaction.
fn takes_none() -> [(Rule, &'static str); 2] {
    let invalid = json!({"code": 3, "message": "no, thank you", "details": []});
    let invalid = Fault::Body(400, invalid.to_string().into_bytes());
    [
        (on_broadcast(invalid), "no, thank you"),
        (expects(9), "the node expects sequence 9, got 0"),
    ]
}

#[test]
fn alone_a_node_that_takes_no_transaction_is_named_with_its_answer() {
    side_by_side(takes_none(), |(lie, said)| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
        scene.register();
        scene.net.fault(lie);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: ");
        let named = format!(
            "{} takes no transaction, its last answer: ",
            scene.net.url()
        );
        assert!(line.contains(&named) && line.contains(said), "{line}");
        assert!(line.contains("Add another endpoint to api_url"), "{line}");
        let line = worker.wait_for_line("missed: http");
        assert!(line.contains(&named) && line.contains(said), "{line}");
        goes_on_without_faults(&scene, worker);
    });
}

#[test]
fn a_node_that_takes_no_transaction_is_left_for_another_one() {
    side_by_side(takes_none(), |(lie, _)| {
        let mut scene = two_gossiping(vec![one_window(1, START + 4)]);
        scene.net.fault(lie.at_node(0));
        let worker = scene.start();
        let line = worker.wait_for_line("another endpoint is used for a while");
        assert!(line.contains(&scene.net.node_url(0)), "{line}");
        worker.wait_for_line("nonce 104: included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}
