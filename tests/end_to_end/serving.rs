//! Serving a window: from a model's answer to a payload in a block.

use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::server::answer::Answer;
use allora_worker::values::amount::short_allo;
use allora_worker::values::units::Uallo;
use serde_json::json;

use crate::support::*;

#[test]
fn registers_three_topics_and_serves_them_in_one_block() {
    on_both(|api| {
        let topics = (1..=3).map(|id| topic(id, START + 5)).collect();
        let mut scene = Scene::new(api, topics);
        let worker = scene.start();
        scene.wait_for_windows(&[1, 2, 3], 2);
        scene.wait_for(
            "three payloads with three sequences in one block",
            |report| {
                report.windows(1).iter().any(|window| {
                    let block = |id: u64| {
                        let mut windows = report.windows(id).iter();
                        let same = windows.find(|other| other.nonce == window.nonce)?;
                        same.payload.as_ref().map(|payload| payload.height)
                    };
                    block(1).is_some() && block(1) == block(2) && block(2) == block(3)
                })
            },
        );
        let ended = worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[1, 2, 3]);
        assert_eq!(report.registrations_included, 3);
        let outcomes = lines_with(&ended.stderr, "included in block").len();
        assert_eq!(u64::try_from(outcomes).unwrap(), report.payloads_included);
        let lines = lines_with(&ended.stderr, "registered in block");
        assert_eq!(lines.len(), 3);
    });
}

#[test]
fn the_outcome_line_has_block_hash_and_fee() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.register();
        let worker = scene.start();
        let line = worker.wait_for_line("included in block");
        let report = scene.net.report();
        let window = &report.windows(1)[0];
        let payload = window.payload.as_ref().unwrap();
        let begin = format!(
            "nonce {nonce}: included in block {height} (+{after}), ",
            nonce = window.nonce,
            height = payload.height,
            after = payload.height - window.nonce,
        );
        let end = format!(
            ", {fee}, {hash}",
            hash = &payload.txhash[..8],
            fee = short_allo(Uallo(payload.fee_uallo)),
        );
        let value = line
            .split_once(&begin)
            .unwrap()
            .1
            .strip_suffix(&end)
            .unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(line.len() <= 120, "{line}");
        assert!(line.contains("topic-1"), "{line}");
    });
}

#[test]
fn sends_no_registration_when_already_registered() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.register();
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 2);
        let ended = worker.stop();
        assert_all_served(&report, &[1]);
        assert_eq!(report.registrations_included, 0);
        assert_eq!(
            scene.net.report().check_tx_accepted,
            report.payloads_included
        );
        assert!(
            lines_with(&ended.stderr, "regist").len() == 1
                && ended.stderr.contains(" active, whitelisted, registered; "),
            "the start line says that it is registered, and no other line mentions registration"
        );
    });
}

#[test]
fn values_below_a_ten_thousandth_are_sent_in_canonical_form() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.register();
        let texts = ["0.00000012", "1e-05"];
        let answers = texts.map(|text| Answer::text(200, "text/plain", text));
        scene.net.prepare_model(1, answers);
        let _worker = scene.start();
        let report = scene.wait_for_windows(&[1], 2);
        assert_all_served(&report, &[1]);
        let values: Vec<&str> = values(&report, 1);
        assert_eq!(values[..2], ["1.2E-7", "0.00001"]);
    });
}

#[test]
fn reads_numbers_from_json_numbers_json_strings_and_plain_text() {
    on_both(|api| {
        let ids = [1, 2, 3];
        let mut scene = Scene::new(api, ids.map(|id| topic(id, START + 4)).into());
        scene.register();
        let model = |id, kind, text: &str| {
            scene.net.prepare_model(id, [Answer::text(200, kind, text)]);
        };
        model(1, "application/json", "2611.01109296");
        model(2, "application/json", "\"-3.50\"");
        model(3, "text/plain", " 7e3 \r\n");
        let _worker = scene.start();
        let report = scene.wait_for_windows(&ids, 1);
        assert_all_served(&report, &ids);
        let first: Vec<&str> = ids.iter().map(|&id| values(&report, id)[0]).collect();
        assert_eq!(first, ["2611.01109296", "-3.50", "7E+3"]);
    });
}

#[test]
fn asks_the_model_again_in_the_same_window_after_an_invalid_answer() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.register();
        let page = "<!DOCTYPE html><title>404 Not Found</title>";
        let answers = [
            Answer::text(404, "text/html", page),
            Answer::text(200, "text/plain", "NaN"),
            Answer::text(200, "text/plain", "12.5"),
        ];
        scene.net.prepare_model(1, answers);
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 1);
        assert_all_served(&report, &[1]);
        assert_eq!(values(&report, 1)[0], "12.5");
        let ended = worker.stop();
        let begun = lines_with(&ended.stderr, "no inference from the model");
        assert_eq!(begun.len(), 1, "one warning for all attempts");
        assert!(
            begun[0].contains("404") && begun[0].contains(page),
            "{}",
            begun[0]
        );
        let over = lines_with(&ended.stderr, "over: topic 1, model: no inference");
        assert_eq!(over.len(), 1);
    });
}

#[test]
fn reports_a_payload_that_is_included_but_not_admitted() {
    let passive = Topic {
        passive: true,
        ..topic(1, START + 4)
    };
    let mut scene = Scene::new(Api::V10, vec![passive]);
    scene.register();
    let worker = scene.start();
    let line = worker.wait_for_line("included, not admitted in block");
    assert!(line.contains(" ALLO"), "{line}");
    scene.wait_for_windows(&[1], 1);
    let ended = worker.stop();
    assert_all_served(&scene.net.report(), &[1]);
    assert!(
        !ended.stderr.contains(": included in block"),
        "a nonce has one outcome, not two"
    );
}

#[test]
fn accepts_a_list_with_one_endpoint() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.config["api_params"]["api_url"] = json!([scene.net.url()]);
    let _worker = scene.start();
    let report = scene.wait_for_windows(&[1], 1);
    assert_all_served(&report, &[1]);
}
