//! Model settings: templates, headers, bodies, pointers, a second URL, and the guards that reject a
//! value.

use std::fs;

use allora_localnet::chain::message::Api;
use allora_localnet::server::answer::Answer;
use serde_json::{Value, json};

use crate::scenes::with_settings;
use crate::support::*;

/// A registered worker with one topic that has these additional settings.
fn scene(more: Value) -> Scene {
    with_settings(Api::V10, topic(1, START + 4), more)
}

#[test]
fn asks_the_model_with_template_headers_and_body_and_reads_the_value_by_its_pointer() {
    let model = Model::answering(r#"{"data": [{"price": 2611.010}], "at": "now"}"#);
    let mut scene = scene(json!({
        "inference_url": format!("{}/v1/{{topic_id}}?at={{block_height}}", model.url),
        "inference_headers": {"X-From-Env": {"env": "MODEL_KEY"}, "X-From-File": {"file": "key"}},
        "inference_body": {"question": "topic {topic_id} at {block_height}", "n": 1},
        "value_pointer": "/data/0/price",
    }));
    scene.environment = vec![variable("MODEL_KEY", "hidden-in-env")];
    scene.config["debug"] = json!(true);
    write_file(&scene.path("key"), "hidden-in-file\n", 0o600);
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 1);
    assert_all_served(&report, &[1]);
    assert_eq!(values(&report, 1)[0], "2611.010");
    let nonce = report.windows(1)[0].nonce;
    let sent = model.requests().remove(0);
    assert!(
        sent.starts_with(&format!("POST /v1/1?at={nonce} ")),
        "{sent}"
    );
    let sent = sent.to_lowercase();
    assert!(sent.contains("x-from-env: hidden-in-env"), "{sent}");
    assert!(sent.contains("x-from-file: hidden-in-file"), "{sent}");
    assert!(sent.contains("content-type: application/json"), "{sent}");
    let body = format!(r#"{{"n":1,"question":"topic 1 at {nonce}"}}"#);
    assert!(sent.ends_with(&body), "{sent}");
    let ended = worker.stop();
    let log = fs::read_to_string(scene.path("logs/allora-worker.log")).unwrap();
    for text in [&ended.stderr, &ended.stdout, &log] {
        assert!(!text.contains("hidden-in"), "{text}");
    }
}

#[test]
fn asks_the_second_url_in_the_same_window_when_the_first_one_fails_or_hangs() {
    let good = Model::answering("7.5");
    let page = |_: &str| Some((500, String::new(), "<html>broken</html>".to_owned()));
    for first in [Model::start(page), Model::start(|_| None)] {
        let mut scene = scene(json!({
            "inference_url": [first.url, good.url],
            "inference_timeout": 0.2,
        }));
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 1);
        assert_all_served(&report, &[1]);
        assert_eq!(values(&report, 1)[0], "7.5");
        let line = worker.wait_for_line("the model: the second URL was asked");
        assert!(line.contains(first.url.as_str()), "{line}");
        worker.stop();
    }
}

#[test]
fn hides_the_key_when_a_models_answer_that_repeats_it_is_quoted() {
    const KEY: &str = "s3cr3tk3y";
    for body in [
        format!("no such key: {KEY}"),
        format!("{}{KEY}", "x".repeat(75)),
    ] {
        let failing = Model::start({
            let body = body.clone();
            move |_| Some((401, String::new(), body.clone()))
        });
        for model in [failing, Model::answering(&body)] {
            let mut scene = scene(json!({
                "inference_url": model.url,
                "inference_headers": {"Authorization": format!("Bearer {KEY}")},
            }));
            scene.config["debug"] = json!(true);
            let worker = scene.start();
            worker.wait_for_line("the model");
            scene.wait_for("the model to be asked", |_| !model.requests().is_empty());
            worker.wait_for_line("\u{2026}");
            let ended = worker.stop();
            let log = fs::read_to_string(scene.path("logs/allora-worker.log")).unwrap();
            for text in [&ended.stderr, &ended.stdout, &log] {
                assert!(!text.contains("s3cr"), "{text}");
            }
        }
    }
}

#[test]
fn a_guard_rejects_the_value_and_names_itself_and_both_numbers() {
    let mut scene = scene(json!({"min": 1, "max": 100, "max_change": 0.5}));
    let answer = |text: &str| Answer::text(200, "text/plain", text);
    scene.net.prepare_model(
        1,
        [
            answer("0.5"),
            answer("10"),
            answer("15.1"),
            answer("101"),
            answer("15"),
        ],
    );
    let worker = scene.start();
    let below = worker.wait_for_line("skipped: guard min: 0.5 is below 1");
    let changed = worker.wait_for_line(
        "skipped: guard max_change: 15.1 is further from 10, sent last, than 0.5 of it",
    );
    worker.wait_for_line("skipped: guard max: 101 is above 100");
    assert!(below.contains("nonce ") && changed.contains("nonce "));
    let report = scene.wait_for_windows(&[1], 5);
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    assert_eq!(values(&report, 1), ["10", "15"]);
    assert!(ended.stderr.contains(", 3 skipped, "), "{}", ended.stderr);
}

#[test]
fn a_guard_set_to_warn_sends_the_value() {
    let mut scene = scene(json!({"max": 100, "on_guard": "warn"}));
    scene
        .net
        .prepare_model(1, [Answer::text(200, "text/plain", "101")]);
    let worker = scene.start();
    worker.wait_for_line("sent all the same: guard max: 101 is above 100");
    let report = scene.wait_for_windows(&[1], 1);
    assert_all_served(&report, &[1]);
    assert_eq!(values(&report, 1)[0], "101");
}

#[test]
fn max_age_rejects_an_old_answer_by_its_pointer_or_its_header() {
    let by_pointer = Model::answering(r#"{"value": 1, "at": "2001-09-09T01:46:40Z"}"#);
    let by_header = Model::start(|_| {
        let header = "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n".to_owned();
        Some((200, header, "1".to_owned()))
    });
    let by_nothing = Model::answering("1");
    for (model, more, text) in [
        (
            by_pointer,
            json!({"value_pointer": "/value", "time_pointer": "/at"}),
            " s old, at most 60 s are allowed",
        ),
        (by_header, json!({}), " s old, at most 60 s are allowed"),
        (by_nothing, json!({}), "it has no Last-Modified header"),
    ] {
        let mut more = more;
        more["inference_url"] = json!(model.url);
        more["max_age"] = json!(60);
        let mut scene = scene(more);
        let worker = scene.start();
        let line = worker.wait_for_line("skipped: guard max_age: ");
        assert!(line.contains(text), "{line}");
        let report = scene.wait_for_windows(&[1], 1);
        assert_eq!(report.payloads_included, 0);
        worker.stop();
    }
}
