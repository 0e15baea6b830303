//! Fees: balance, gas price, cap and gas. The chain keeps the whole fee of a failed transaction, so
//! the worker sends nothing that cannot succeed.

use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::chain::state::Price;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::FUNDS_UALLO;
use allora_localnet::play::rules::Rule;
use serde_json::json;

use crate::opinions::refusal;
use crate::support::*;

#[test]
fn waits_while_the_balance_is_low_and_notices_a_top_up() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.net.set_balance(&scene.address, 1_000);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the balance is too low");
        assert!(
            line.contains("have 0.000000000000001 ALLO, need "),
            "{line}"
        );
        assert!(line.contains("; send 0.1 ALLO ("), "{line}");
        assert!(line.ends_with(&format!(" to {}", scene.address)), "{line}");
        scene.wait_for_blocks(8);
        let report = scene.net.report();
        assert_eq!(
            report.requests_to("POST /cosmos/tx/v1beta1/txs"),
            0,
            "nothing is sent"
        );

        scene.net.fund(&scene.address, 1_000_000_000);
        worker.wait_for_line("over: wallet: balance too low");
        scene.wait_for("a payload", |report| report.payloads_included > 0);
        worker.wait_for_line("included in block");
        let ended = worker.stop();
        assert_eq!(lines_with(&ended.stderr, "the balance is too low").len(), 1);
        let of_topics = lines_with(&ended.stderr, "balance too low: ");
        assert!(
            of_topics.iter().all(|line| line.contains("missed: ")),
            "{of_topics:?}"
        );
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn funds_that_are_locked_do_not_count_for_the_worker_and_not_for_check() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        let balance = FUNDS_UALLO;
        scene.net.lock_funds(&scene.address, balance - 7);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the balance is too low");
        assert!(
            line.contains("have 0.000000000000000007 ALLO, need "),
            "{line}"
        );
        assert!(line.contains("that can be spent"), "{line}");
        scene.arguments = vec!["check".into()];
        let checked = scene.start().ended();
        assert_eq!(checked.code(), 1);
        assert!(
            checked
                .stdout
                .contains("have 0.000000000000000007 ALLO, but "),
            "{}",
            checked.stdout
        );
        assert!(checked.stdout.contains("locked"), "{}", checked.stdout);
        scene.net.lock_funds(&scene.address, 0);
        worker.wait_for_line("included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

/// Refuses requests to routes that contain `part`, as a gateway that lets few routes pass.
fn refuse(scene: &Scene, part: &str, status: u16, body: &str) {
    let fault = Fault::Body(status, body.as_bytes().to_vec());
    scene.net.fault(Rule::new(fault).on(part));
}

/// A node's and two fronts' answers to a route that they do not serve.
const REFUSALS: [(u16, &str); 3] = [
    (
        501,
        r#"{"code":12,"message":"Not Implemented","details":[]}"#,
    ),
    (404, "<html>no such page</html>"),
    (403, "<html>forbidden</html>"),
];

#[test]
fn a_front_that_refuses_spendable_balances_is_asked_for_balances_instead() {
    side_by_side(REFUSALS, |(status, body)| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
        scene.register();
        refuse(&scene, "spendable_balances", status, body);
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 2);
        assert_all_served(&report, &[1]);
        let ended = worker.stop();
        let lines = lines_with(&ended.stderr, "serves no spendable_balances");
        assert_eq!(lines.len(), 1, "{}", ended.stderr);
        assert!(lines[0].contains("locked (vesting) funds"), "{lines:?}");
        let asked = scene.net.report().requests_to("spendable_balances");
        assert_eq!(asked, 1, "it is remembered");
        scene.arguments = vec!["check".into()];
        let checked = scene.start().ended();
        let enough = lines_with(&checked.stdout, "enough for");
        assert_eq!(enough.len(), 1, "{}", checked.stdout);
    });
}

#[test]
fn a_front_that_refuses_all_balances_is_named() {
    side_by_side(REFUSALS, |(status, body)| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
        scene.register();
        refuse(&scene, "balances", status, body);
        let worker = scene.start();
        let named = format!(
            "it serves neither spendable_balances nor balances of /cosmos/bank/v1beta1 (status \
             {status}): let requests to one of them pass, or use another node in api_url"
        );
        let line = worker.wait_for_line(&named);
        assert!(line.contains("missed"), "{line}");
        worker.stop();
        scene.arguments = vec!["check".into()];
        let checked = scene.start().ended();
        assert!(checked.stdout.contains(&named), "{}", checked.stdout);
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn waits_until_a_new_account_is_funded() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        let address = scene.address.clone();
        scene
            .net
            .with_chain(|chain| chain.state.accounts.remove(&address));
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the balance is too low");
        assert!(line.contains("have 0 ALLO, need "), "{line}");
        assert!(line.contains("; send 0.1 ALLO ("), "{line}");
        assert!(line.ends_with(&format!(" to {address}")), "{line}");

        scene.net.fund(&address, 1_000_000_000);
        worker.wait_for_line("included in block");
        let ended = worker.stop();
        assert_eq!(lines_with(&ended.stderr, "the balance is too low").len(), 1);
        assert_eq!(
            lines_with(&ended.stderr, "over: wallet: balance too low").len(),
            1
        );
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn after_a_rise_of_the_gas_price_pays_the_fee_that_the_node_names() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.register();
        let worker = scene.start();
        scene.wait_for("the first payload", |report| report.payloads_included == 1);
        scene.net.set_gas_price(Price::from_uallo(100));
        let report = scene.wait_for("the second payload", |report| report.payloads_included == 2);
        assert_eq!(report.check_tx_refused.get("sdk/13"), Some(&1));
        assert_eq!(
            report.check_tx_refused.len(),
            1,
            "{:?}",
            report.check_tx_refused
        );
        worker.wait_for_line("signed anew with the same sequence 1");
        let fees: Vec<u128> = report
            .windows(1)
            .iter()
            .filter_map(|window| window.payload.as_ref())
            .map(|payload| payload.fee_uallo)
            .collect();
        let gas = fees[1] / 100;
        assert!(
            (150_000..250_000).contains(&gas),
            "not the fee that the node names: {fees:?}"
        );
        worker.stop();
        assert_all_served(&scene.net.report(), &[1]);
    });
}

#[test]
fn no_transaction_offers_more_than_the_cap_not_even_a_registration() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4), topic(2, START + 4)]);
        scene.net.register(2, &scene.address);
        let cap = 2_500_000;
        scene.config["max_fee_uallo"] = json!(cap.to_string());
        scene.net.set_gas_price(Price::from_uallo(50));
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the fee would be");
        assert!(
            line.contains("max_fee_uallo allows 0.0000000000025 ALLO"),
            "{line}"
        );
        assert!(line.contains("raise max_fee_uallo above "), "{line}");
        scene.wait_for_blocks(10);
        let report = scene.net.report();
        assert_eq!(
            report.requests_to("POST /cosmos/tx/v1beta1/txs"),
            0,
            "nothing is sent"
        );

        scene.net.set_gas_price(Price::from_uallo(10));
        scene.wait_for_payloads(&[1, 2]);
        worker.wait_for_line("over: wallet: fee above max_fee_uallo");

        scene.net.set_gas_price(Price::from_uallo(100));
        worker.wait_for_lines("waiting: wallet: the fee would be", 2);
        scene.wait_for_blocks(10);
        scene.net.set_gas_price(Price::from_uallo(9));
        worker.wait_for_lines("over: wallet: fee above max_fee_uallo", 2);
        worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        let payloads = report.topics.iter().flat_map(|topic| &topic.windows);
        for payload in payloads.filter_map(|window| window.payload.as_ref()) {
            assert!(payload.fee_uallo <= cap, "{payload:?}");
        }
        let count = u128::from(report.payloads_included + report.registrations_included);
        assert!(
            report.fees_uallo <= cap * count,
            "the registration's fee is capped too"
        );
    });
}

#[test]
fn retries_once_with_more_gas_after_out_of_gas_in_a_block() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![one_window(1, START + 4)]);
        scene.register();
        scene.net.with_chain(|chain| chain.more_gas_once = 60_000);
        let worker = scene.start();
        let line = worker.wait_for_line("included in block");
        assert!(line.contains("nonce 104"), "{line}");
        let lost = worker.lines_with("a transaction failed in a block, its fee is lost");
        assert_eq!(lost.len(), 1);
        assert!(lost[0].contains("gas"), "{}", lost[0]);
        worker.stop();
        let report = scene.net.report();
        assert_eq!(report.included_failures.get("sdk/11"), Some(&1));
        assert_eq!((report.paid_twice, report.payloads_included), (0, 1));
        let fee = report.windows(1)[0].payload.as_ref().unwrap().fee_uallo;
        let first = report.fees_uallo - fee;
        assert!(fee > first * 5 / 4, "{fee} after {first}");
    });
}

#[test]
fn gives_up_the_nonce_after_out_of_gas_twice() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![one_window(1, START + 4)]);
        scene.register();
        scene.net.with_chain(|chain| chain.more_gas_once = 60_000);
        let worker = scene.start();
        worker.wait_for_line("its fee is lost");
        scene
            .net
            .with_chain(|chain| chain.more_gas_once = 1_000_000);
        let line = worker.wait_for_line("nonce 104: refused: ");
        assert!(line.contains("gas"), "{line}");
        scene.wait_for_blocks(5);
        worker.stop();
        let report = scene.net.report();
        assert_eq!(
            report.included_failures.get("sdk/11"),
            Some(&2),
            "no third attempt"
        );
    });
}

#[test]
fn raises_a_gas_adjustment_that_is_too_low() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.config["gas_adjustment"] = json!(1.05);
        let worker = scene.start();
        let line = worker.wait_for_line("gas_adjustment: below 1.25, using 1.25");
        assert!(line.contains("WARN"), "{line}");
        worker.wait_for_line("included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn reports_balance_and_need_when_the_balance_drops_while_running() {
    let mut scene = Scene::new(allora_localnet::Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("included in block");
    scene.net.set_balance(&scene.address, 5);
    let line = worker.wait_for_line("waiting: wallet: the balance is too low");
    assert!(
        line.contains("have 0.000000000000000005 ALLO, need "),
        "{line}"
    );
    scene.net.fund(&scene.address, 1_000_000_000);
    let found = scene
        .net
        .wait_for(Duration::from_secs(10), |r| r.payloads_included >= 2);
    assert!(found, "served again without a restart");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

/// The balance covers the cost, but most of it is locked, which only the chain knows.
#[test]
fn what_the_chain_says_of_spendable_funds_when_it_refuses_a_transaction_is_shown() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    let says = "spendable balance 1uallo is smaller than 2056350uallo: insufficient funds";
    scene.net.fault(refusal("sdk", 5, says));
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    // the outcome's line may have what the last simulation said, that the window is closed
    let words = format!("the chain found the balance too low a moment ago: {says}");
    worker.wait_for_line(&words);
    worker.stop();
}
