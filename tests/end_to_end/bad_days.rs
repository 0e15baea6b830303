//! Failures that operators of other workers report, one test each. The worker waits out every
//! fault, loses no window that could be served, and pays no fee twice.

use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::chain::state::Price;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::handle::Upgrade;
use allora_localnet::play::rules::{Rule, When};
use allora_localnet::server::answer::Answer;
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

#[test]
fn recovers_from_an_older_answer_and_a_sequence_mismatch_without_a_restart() {
    let topics = [1, 2].map(|id| Topic::new(id, 24, 22, START + 4)).into();
    let mut scene = Scene::new(Api::V10, topics);
    scene.register();
    let worker = scene.start();
    worker.wait_for_lines("included in block", 2);
    let address = scene.address.clone();
    scene.net.with_chain(|chain| {
        let account = chain.state.accounts.get_mut(&address).unwrap();
        account.sequence += 1;
    });
    // As behind a load balancer, where some nodes are two blocks behind.
    let older = Rule::new(Fault::OldHeight(2)).on("GET ").per_mille(400);
    scene.net.fault(older);
    worker.wait_for_lines("nonce 128: included", 2);
    worker.stop();
    let report = scene.net.report();
    assert_all_served(&report, &[1, 2]);
    assert!(report.faults["old_height"] > 10, "{:?}", report.faults);
}

#[test]
fn serves_the_nonce_after_failed_simulations_and_broadcasts() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![one_window(1, START + 4)]);
        scene.register();
        for route in ["/simulate", BROADCAST] {
            for fault in [Fault::Status(502, None), Fault::WrongJson, Fault::Close] {
                scene.net.fault(Rule::new(fault).on(route).times(1));
            }
        }
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        worker.stop();
        let report = scene.net.report();
        assert_eq!(
            report.faults.values().sum::<u64>(),
            6,
            "all faults were played"
        );
        assert_nothing_wasted(&report);
    });
}

#[test]
fn an_unknown_refusal_in_check_tx_is_logged_and_retried_in_the_window() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![one_window(1, START + 4)]);
        scene.register();
        let refusal = json!({"tx_response": {
            "height": "0", "txhash": "AB".repeat(32), "codespace": "sdk", "code": 99, "data": "",
            "raw_log": "a refusal of tomorrow", "logs": [], "info": "", "gas_wanted": "0",
            "gas_used": "0", "tx": null, "timestamp": "", "events": [],
        }});
        let refusal = Fault::Body(200, refusal.to_string().into_bytes());
        scene.net.fault(Rule::new(refusal).on(BROADCAST).times(1));
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        let ended = worker.stop();
        assert_eq!(
            lines_with(&ended.stderr, "sdk/99: a refusal of tomorrow").len(),
            1
        );
        assert!(
            ended
                .stderr
                .contains("1 answers of a kind that is not known")
        );
        assert_nothing_wasted(&scene.net.report());
    });
}

/// A failed query is not a "no": no topic counts as inactive or unregistered because of it.
#[test]
fn one_429_or_502_on_any_route_neither_stops_a_topic_nor_registers_it_twice() {
    // Without `Retry-After: 0`, the worker would pause for a second after each 429.
    side_by_side([(429, Some(0)), (502, None)], |(status, retry_after)| {
        let topics = [1, 2].map(|id| Topic::new(id, 120, 100, START + 30)).into();
        let mut scene = Scene::new(Api::V10, topics);
        let routes = [
            "/node_info",
            "/syncing",
            "/params",
            "/topics/",
            "/worker_submission_window_status/",
            "/inferer_score_ema/",
            "/account_info/",
            "/spendable_balances/",
            "/gas_price/",
            "/simulate",
            BROADCAST,
            "GET /cosmos/tx/v1beta1/txs/{}",
        ];
        for route in routes {
            let fault = Fault::Status(status, retry_after);
            scene.net.fault(Rule::new(fault).on(route).times(1));
        }
        let worker = scene.start();
        worker.wait_for_lines("registered in block", 2);
        worker.wait_for_lines("nonce 130: included in block", 2);
        let ended = worker.stop();
        let report = scene.net.report();
        let with_time = if retry_after.is_some() {
            "_retry_after"
        } else {
            ""
        };
        let played = report.faults[&format!("status_{status}{with_time}")];
        assert_eq!(played, u64::try_from(routes.len()).unwrap());
        assert_nothing_wasted(&report);
        assert_eq!(report.registrations_included, 2, "one for each topic");
        let verdicts = lines_with(&ended.stderr, "waiting: topic");
        assert!(verdicts.is_empty(), "{verdicts:?}");
    });
}

#[test]
fn notices_a_top_up_in_the_same_window() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    scene.net.set_balance(&scene.address, 1_000);
    let worker = scene.start();
    let line = worker.wait_for_line("waiting: wallet: the balance is too low");
    assert!(
        line.contains("have 0.000000000000001 ALLO, need "),
        "{line}"
    );
    scene.wait_for_blocks(8);
    scene.net.fund(&scene.address, 1_000_000_000);
    worker.wait_for_line("nonce 104: included in block");
    worker.stop();
    let report = scene.net.report();
    assert!(
        report.check_tx_refused.is_empty(),
        "no transaction was sent in between"
    );
    assert_nothing_wasted(&report);
}

#[test]
fn refreshes_the_gas_price_and_keeps_to_the_cap_from_the_first_attempt_on() {
    let mut scene = Scene::new(
        Api::V10,
        vec![topic(1, START + 4), one_window(2, START + 4)],
    );
    scene.register();
    let cap = 10_000_000_u128;
    scene.config["max_fee_uallo"] = json!(cap.to_string());
    scene.net.set_gas_price(Price::from_uallo(1_000));
    let worker = scene.start();
    let line = worker.wait_for_line("waiting: wallet: the fee would be");
    assert!(
        line.contains("max_fee_uallo allows 0.00000000001 ALLO"),
        "{line}"
    );
    scene.wait_for_blocks(6);
    let report = scene.net.report();
    assert_eq!(report.requests_to(BROADCAST), 0, "nothing was sent");

    scene.net.set_gas_price(Price::from_uallo(40));
    worker.wait_for_line("topic-2: nonce 104: included in block");
    scene.net.set_gas_price(Price::from_uallo(48));
    let above_old_fee = 45 * 190_000;
    scene.wait_for("the new price's fee", |report| {
        let windows = report.windows(1).iter();
        let mut payloads = windows.filter_map(|window| window.payload.as_ref());
        payloads.any(|payload| payload.fee_uallo > above_old_fee)
    });
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert!(report.fees_uallo <= cap * u128::from(report.payloads_included));
}

/// The chain keeps the whole fee that a transaction offers.
#[test]
fn offers_the_gas_limit_times_the_gas_price_and_no_surplus() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![one_window(1, START + 4)]);
        scene.net.set_gas_price(Price::from_uallo(250_000_000));
        let worker = scene.start();
        worker.wait_for_line("included in block");
        worker.stop();
        let report = scene.net.report();
        let payload = report.windows(1)[0].payload.clone().unwrap();
        let (limit, used) = scene.net.with_chain(|chain| {
            let included = chain.find_tx(&payload.txhash, chain.state.height).unwrap();
            (included.tx.as_ref().unwrap().gas_limit, included.gas_used)
        });
        assert_eq!(payload.fee_uallo, u128::from(limit) * 250_000_000);
        assert!(limit * 2 <= used * 3, "a limit of {limit} for {used}");
    });
}

#[test]
fn retry_delays_end_before_the_window_does() {
    let mut scene = Scene::new(Api::V10, vec![Topic::new(1, 15, 14, START + 4)]);
    scene.register();
    // Nothing works in the first half of each window.
    for window in 0..2 {
        let opens = START + 4 + 15 * window;
        let half = When::Heights(opens, opens + 7);
        let model = Rule::new(Fault::Status(500, None)).on("MODEL ");
        let chain = Rule::new(Fault::Status(503, None)).on("/simulate");
        let rule = if window == 1 { model } else { chain };
        scene.net.fault(rule.when(half));
    }
    let _worker = scene.start();
    let report = scene.wait_for_windows(&[1], 2);
    assert_all_served(&report, &[1]);
    for window in report.windows(1) {
        let height = window.payload.as_ref().map(|payload| payload.height);
        assert!(height.is_none_or(|h| h > window.nonce + 7), "{window:?}");
    }
}

/// The chain verifies the bundle signature over the canonical form, so `1e-05` would be refused.
#[test]
fn small_and_large_values_are_signed_and_sent_in_canonical_form() {
    on_both(|api| {
        let texts = ["1e-05", "0.0000001", "1E+20", "-2.50e-9"];
        let ids = [1, 2, 3, 4];
        let mut scene = Scene::new(api, ids.map(|id| one_window(id, START + 4)).into());
        scene.register();
        for (id, text) in ids.into_iter().zip(texts) {
            let answer = Answer::text(200, "application/json", text);
            scene.net.prepare_model(id, [answer]);
        }
        let worker = scene.start();
        worker.wait_for_lines("included in block", texts.len());
        worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        let value = |id: u64| report.windows(id)[0].payload.clone().unwrap().value;
        let values = ids.map(value);
        assert_eq!(values, ["0.00001", "1E-7", "1E+20", "-2.50E-9"]);
    });
}

#[test]
fn an_invalid_model_answer_is_quoted_and_the_model_asked_again_in_the_window() {
    let page = format!("<html><h1>404 Not Found</h1>{}</html>", "x".repeat(400));
    let invalid = [
        Answer::text(404, "text/html", page),
        Answer::text(200, "text/plain", "NaN"),
        Answer::text(200, "application/json", "{\"prediction\": null}"),
        Answer::text(200, "text/plain", ""),
        Answer::text(200, "application/octet-stream", [0xFF, 0xFE]),
    ];
    let quoted = ["404 Not Found", "NaN", "prediction", "empty", "not text"];
    let ids = [1, 2, 3, 4, 5];
    let mut scene = Scene::new(Api::V10, ids.map(|id| one_window(id, START + 4)).into());
    scene.register();
    for (id, answer) in ids.into_iter().zip(invalid) {
        scene.net.prepare_model(id, [answer]);
    }
    let worker = scene.start();
    worker.wait_for_lines("nonce 104: included in block", ids.len());
    let ended = worker.stop();
    for (id, quoted) in ids.into_iter().zip(quoted) {
        let state = format!("waiting: topic {id}, model: no inference");
        let lines = lines_with(&ended.stderr, &state);
        assert_eq!(lines.len(), 1, "topic {id}");
        assert!(lines[0].contains(quoted), "{}", lines[0]);
        assert!(
            !lines[0].contains(&"x".repeat(300)),
            "at most 300 characters are quoted"
        );
    }
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn a_model_that_hangs_once_costs_no_window_of_any_topic() {
    // why: only a measured pace cuts the model's time to half of such a short window
    let hanging = Topic::new(1, 100, 30, START + 24);
    let mut scene = Scene::new(Api::V10, vec![hanging, topic(2, START + 4)]);
    scene.register();
    let hang = Rule::new(Fault::Hang(Duration::from_secs(60)));
    scene.net.fault(hang.on("MODEL /topic/1").times(1));
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 1);
    worker.stop();
    assert_all_served(&report, &[1, 2]);
    assert!(report.windows(2).len() >= 3, "topic 2 was served meanwhile");
}

#[test]
fn serves_the_other_topics_while_one_is_not_whitelisted() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4), topic(2, START + 4)]);
        scene.register();
        let address = scene.address.clone();
        scene.net.set_whitelisted(1, &address, false);
        let worker = scene.start();
        worker.wait_for_line("waiting: topic 1: ");
        scene.wait_for_windows(&[2], 2);
        let before = scene.net.report().windows(1).len();
        scene.net.set_whitelisted(1, &address, true);
        worker.wait_for_line("over: topic 1: not whitelisted");
        scene.wait_for("the next payload of topic 1", |report| {
            let mut windows = report.windows(1).iter().skip(before);
            windows.any(|window| window.payload.is_some())
        });
        worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[2]);
        assert_eq!(report.fee_lost.len() + report.simulate_refused.len(), 0);
    });
}

#[test]
fn goes_through_a_chain_upgrade_without_an_operator() {
    let topics = vec![topic(1, START + 4), topic(2, START + 7)];
    let mut scene = Scene::new(Api::V9, topics);
    let upgrade = Upgrade {
        height: START + 10,
        frozen: Duration::from_millis(500),
        down: Duration::from_millis(700),
        half_up: Duration::from_millis(700),
    };
    scene.net.upgrade_at(upgrade).unwrap();
    let worker = scene.start();
    worker.wait_for_line("the chain was upgraded: emissions v9 → v10");
    let report = scene.wait_for_windows(&[1, 2], 3);
    worker.stop();
    assert_all_served(&report, &[1, 2]);
    assert_eq!(report.api, "v10");
}
