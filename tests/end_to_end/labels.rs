//! Labelled topics: which answers are sent to the chain, and which are rejected before.

use std::sync::Mutex;
use std::sync::mpsc;

use allora_localnet::chain::labels::Labels;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::{Arity, Topic};
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::multi;
use allora_localnet::play::rules::Rule;
use allora_localnet::server::answer::Answer;
use serde_json::json;

use crate::support::*;

fn scene(topic: Topic) -> Scene {
    let scene = Scene::new(
        Api::V10,
        vec![multi(topic, Labels::up_down_flat().unwrap())],
    );
    scene.register();
    scene
}

fn prepare(scene: &Scene, answers: &[&str]) {
    let answer = |text: &&str| Answer::text(200, "application/json", *text);
    scene.net.prepare_model(1, answers.iter().map(answer));
}

/// The values that the chain stored for the closed windows, in the order sent.
fn stored(scene: &Scene) -> Vec<String> {
    scene.net.with_chain(|chain| {
        let closed = chain.state.topics[&1].network.values();
        let each = closed.flatten().map(|inference| {
            let pairs = inference.values.iter();
            let pairs = pairs.map(|(label, value)| format!("{label}={}", value.plain()));
            pairs.collect::<Vec<_>>().join(" ")
        });
        each.collect()
    })
}

/// From now on, the topic allows only these labels.
fn allow(scene: &Scene, labels: &[&str]) {
    scene.net.with_chain(|chain| {
        let topic = chain.state.topics.get_mut(&1).unwrap();
        let Arity::Multi(rules) = &mut topic.arity else {
            panic!("topic 1 is labelled");
        };
        rules.whitelist = labels.iter().map(|label| (*label).to_owned()).collect();
    });
}

#[test]
fn sends_labelled_values_in_the_models_order_and_digits() {
    let mut scene = scene(topic(1, START + 4));
    prepare(
        &scene,
        &[
            r#"{"up": 0.5, "down": "0.3", "flat": 2e-1}"#,
            r#"[{"label": " flat", "value": "0.25"}, {"label": "up", "value": 0.75}]"#,
        ],
    );
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 2);
    assert_all_served(&report, &[1]);
    assert_eq!(values(&report, 1)[..2], ["0", "0"]);
    let stored = stored(&scene);
    assert_eq!(
        stored[..2],
        ["up=0.5 down=0.3 flat=0.2", "flat=0.25 up=0.75"]
    );
    worker.stop();
}

#[test]
fn rejects_answers_that_the_chain_would_refuse_and_asks_the_model_again() {
    let mut scene = scene(one_window(1, START + 4));
    scene.config["debug"] = json!(true);
    scene.config["topics"][0]["inference_fetch_retries"] = json!(50);
    let nine: Vec<String> = (0..9).map(|n| format!("\"l{n}\": 1")).collect();
    let nine = format!("{{{}}}", nine.join(", "));
    let long = format!("{{\"{}\": 1}}", "x".repeat(65));
    let cases = [
        (
            "0.5",
            "is one number, 0.5; this topic takes labelled values",
        ),
        ("{}", "there are no labels in it"),
        (nine.as_str(), "it has 9 labels, the topic takes at most 8"),
        (r#"{"": 1}"#, "one of its labels is empty"),
        (long.as_str(), "is longer than 64 bytes"),
        (r#"{"u,p": 1}"#, "its label `u,p` has a character"),
        (r#"{"up": 0.5, " up": 0.5}"#, "its label ` up` occurs twice"),
        (
            r#"{"UP": 1}"#,
            "its label `UP` is not on the topic's list: up, down, flat",
        ),
        (r#"{"up": 0, "down": 0.0}"#, "all of its values are 0"),
        (
            r#"{"up": 0.5, "down": 0.5100001}"#,
            "add up to 1.0100001, the topic wants 1 within 0.01",
        ),
    ];
    let mut answers: Vec<&str> = cases.iter().map(|(answer, _)| *answer).collect();
    answers.push(r#"{"up": 0.5, "down": 0.51}"#);
    prepare(&scene, &answers);
    let worker = scene.start();
    for (answer, reason) in cases {
        let line = worker.wait_for_line(reason);
        assert!(line.contains("nonce "), "{answer}: {line}");
    }
    worker.wait_for_line("included in block");
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(report.check_tx_accepted, 1);
    assert!(
        report.simulate_refused.is_empty(),
        "{:?}",
        report.simulate_refused
    );
    worker.stop();
}

#[test]
fn rejects_labelled_values_for_a_topic_of_one_number() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    prepare(&scene, &[r#"{"up": 0.7, "down": 0.3}"#, "12.5"]);
    let worker = scene.start();
    worker.wait_for_line("the model's answer is of labelled values, this topic takes one number");
    let report = scene.wait_for_windows(&[1], 1);
    assert_all_served(&report, &[1]);
}

#[test]
fn reads_the_topics_labels_again_for_each_nonce() {
    let mut scene = scene(topic(1, START + 4));
    prepare(&scene, &[r#"{"up": 1}"#, r#"{"sideways": 1}"#]);
    let worker = scene.start();
    scene.wait_for_windows(&[1], 1);
    allow(&scene, &["sideways"]);
    let report = scene.wait_for_windows(&[1], 2);
    assert_all_served(&report, &[1]);
    assert_eq!(stored(&scene)[..2], ["up=1", "sideways=1"]);
    let ended = worker.stop();
    assert!(
        !ended.stderr.contains("not on the topic's list"),
        "{}",
        ended.stderr
    );
}

#[test]
fn ignores_label_rules_from_a_node_that_is_behind() {
    let mut scene = scene(topic(1, START + 4));
    prepare(&scene, &[r#"{"up": 1}"#, r#"{"sideways": 1}"#]);
    let worker = scene.start();
    scene.wait_for_windows(&[1], 1);
    let old = Rule::new(Fault::OldHeight(8)).on("/topics/");
    scene.net.fault(old.times(1));
    allow(&scene, &["sideways"]);
    let report = scene.wait_for_windows(&[1], 2);
    assert_all_served(&report, &[1]);
    assert_eq!(stored(&scene)[1], "sideways=1");
    assert_eq!(report.faults["old_height"], 1);
    let ended = worker.stop();
    let rejected = "not on the topic's list";
    assert!(!ended.stderr.contains(rejected), "{}", ended.stderr);
}

#[test]
fn after_a_refused_label_reads_the_rules_and_asks_the_model_again_once() {
    let (release, released) = mpsc::channel::<&str>();
    let released = Mutex::new(released);
    let model = Model::start(move |_| {
        let body = released.lock().unwrap().recv().ok()?;
        Some((200, String::new(), body.to_owned()))
    });
    let mut scene = scene(one_window(1, START + 4));
    scene.config["topics"][0]["inference_url"] = json!(model.url);
    scene.config["topics"][0]["forecast_url"] = json!(scene.net.forecast_url(1));
    let worker = scene.start();
    scene.wait_for("the window", |report| !report.windows(1).is_empty());
    // why: the rules must change between their reading and the model's answer
    scene.wait_for("the topic, read again", |report| {
        report.requests_to("/topics/") >= 2
    });
    let until = std::time::Instant::now() + LIMIT;
    while model.requests().is_empty() {
        assert!(
            std::time::Instant::now() < until,
            "waited for the model to be asked"
        );
        scene.wait_for_blocks(1);
    }
    allow(&scene, &["left"]);
    release.send(r#"{"up": 1}"#).unwrap();
    release.send(r#"{"left": 1}"#).unwrap();
    worker.wait_for_line("a label is not on the topic's list; the topic's rules are read again");
    worker.wait_for_line("included in block");
    assert_nothing_wasted(&scene.net.report());
    assert_eq!(model.requests().len(), 2);
    let ended = worker.stop();
    let wrong_cause = "refused with its forecast";
    assert!(!ended.stderr.contains(wrong_cause), "{}", ended.stderr);
}

#[test]
fn simulates_labels_that_were_not_sent_before() {
    let mut scene = scene(topic(1, START + 4));
    let (known, new) = (r#"{"up": 0.5, "down": 0.5}"#, r#"{"up": 0.5, "flat": 0.5}"#);
    prepare(&scene, &[known, known, new]);
    let worker = scene.start();
    let simulated = |scene: &Scene, windows| {
        let report = scene.wait_for_windows(&[1], windows);
        assert_all_served(&report, &[1]);
        report.requests_to("simulate")
    };
    let first = simulated(&scene, 1);
    let second = simulated(&scene, 2);
    assert_eq!(second, first, "its gas is known");
    assert_eq!(simulated(&scene, 3), second + 1, "a label is new");
    worker.stop();
}

#[test]
fn always_simulates_labels_of_a_topic_without_a_label_list() {
    let mut scene = scene(topic(1, START + 4));
    allow(&scene, &[]);
    let answer = r#"{"up": 0.5, "down": 0.5}"#;
    prepare(&scene, &[answer, answer]);
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 2);
    assert_all_served(&report, &[1]);
    assert!(report.requests_to("simulate") >= 2);
    worker.stop();
}
