//! Money: balance, gas price, cap, gas. Fees are taken whole and never given back, so what cannot
//! succeed is not sent.

use std::time::Duration;

use allora_localnet::chain::state::Price;
use serde_json::json;

use crate::support::*;

#[test]
fn a_low_balance_is_waited_out_and_a_top_up_seen() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.net.set_balance(&scene.address, 1_000);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the balance is too low");
        assert!(line.contains("have 1000 uallo, need "), "{line}");
        assert!(line.ends_with(&format!("fund {}", scene.address)), "{line}");
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
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn an_account_that_nobody_funded_is_waited_for() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        let address = scene.address.clone();
        scene
            .net
            .with_chain(|chain| chain.state.accounts.remove(&address));
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the balance is too low");
        assert!(line.contains("have 0 uallo, need "), "{line}");
        assert!(line.ends_with(&format!("fund {address}")), "{line}");

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
fn a_gas_price_that_rose_is_answered_with_the_fee_that_the_node_names() {
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
            "neither more nor less than asked for: {fees:?}"
        );
        worker.stop();
        assert_all_served(&scene.net.report(), &[1]);
    });
}

#[test]
fn no_transaction_offers_more_than_the_cap_registrations_included() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4), topic(2, START + 4)]);
        scene.net.register(2, &scene.address);
        let cap = 2_500_000;
        scene.config["max_fee_uallo"] = json!(cap.to_string());
        scene.net.set_gas_price(Price::from_uallo(50));
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: wallet: the fee would be");
        assert!(line.contains("max_fee_uallo allows 2500000"), "{line}");
        scene.wait_for_blocks(10);
        let report = scene.net.report();
        assert_eq!(
            report.requests_to("POST /cosmos/tx/v1beta1/txs"),
            0,
            "nothing is sent"
        );

        scene.net.set_gas_price(Price::from_uallo(10));
        scene.wait_for("payloads for both topics", |report| {
            let is_served = |id| report.windows(id).iter().any(|w| w.payload.is_some());
            is_served(1) && is_served(2)
        });
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
            "the registration's fee, too"
        );
    });
}

#[test]
fn out_of_gas_in_a_block_is_answered_once_with_more_gas() {
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
fn out_of_gas_twice_is_given_up_for_the_nonce() {
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
            "and not more"
        );
    });
}

#[test]
fn a_gas_adjustment_below_what_a_block_needs_is_raised() {
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
fn a_balance_that_goes_in_between_is_told_with_what_is_needed() {
    let mut scene = Scene::new(allora_localnet::Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("included in block");
    scene.net.set_balance(&scene.address, 5);
    let line = worker.wait_for_line("waiting: wallet: the balance is too low");
    assert!(line.contains("have 5 uallo, need "), "{line}");
    scene.net.fund(&scene.address, 1_000_000_000);
    let found = scene
        .net
        .wait_for(Duration::from_secs(10), |r| r.payloads_included >= 2);
    assert!(found, "served again without a restart");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}
