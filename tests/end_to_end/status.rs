//! `status`, and the page of the worker.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use allora_localnet::chain::message::Api;
use serde_json::{Value, json};

use crate::schema::differences;
use crate::support::*;
use crate::watching::{get, metrics_address};

/// A worker that has served the only window of its topic, and a configuration that names the address
/// it listens on.
fn served() -> (Scene, Worker) {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 3)]);
    scene.register();
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    let worker = scene.start();
    let address = metrics_address(&worker);
    worker.wait_for_line("included in block");
    scene.config["metrics_listen"] = json!(address.to_string());
    (scene, worker)
}

/// The status and output of `status` with these options.
fn status(scene: &mut Scene, options: &[&str]) -> Ended {
    scene.arguments = ["status"].iter().chain(options).map(Into::into).collect();
    scene.start().ended()
}

#[test]
fn a_person_sees_chain_wallet_and_topics() {
    let (mut scene, worker) = served();
    // why: it needs no wallet, so it runs as a user who may not read the seed phrase
    scene.config["seed_phrase"].take();
    scene.config["seed_phrase_file"] = json!("nowhere");
    scene.config["api_params"]["headers"] = json!({"x-key": {"env": "ABSENT"}});
    let shown = status(&mut scene, &[]);
    assert_eq!((shown.code(), shown.stderr.as_str()), (0, ""));
    for part in [
        "worker    version ",
        ", ready\n",
        "chain     localnet, emissions v10, block ",
        "wallet    allo1",
        ", enough for ",
        "\u{25cf}",
    ] {
        assert!(shown.stdout.contains(part), "{part} in\n{}", shown.stdout);
    }
    let widths = shown.stdout.lines().map(|line| line.chars().count());
    assert!(widths.max() <= Some(100), "{}", shown.stdout);
    let json = status(&mut scene, &["--json"]);
    let state: Value = serde_json::from_str(&json.stdout).unwrap();
    let report = scene.net.report();
    let last = &state["topics"][0]["last"];
    assert_eq!(last["outcome"], "included");
    assert_eq!(last["value"], json!(values(&report, 1)[0]));
    assert_eq!(state["topics"][0]["history"][0], *last);
    assert_eq!(last["hash"].as_str().map(str::len), Some(64));
    worker.stop();
    let stopped = status(&mut scene, &[]);
    assert_eq!((stopped.code(), stopped.stdout.as_str()), (1, ""));
    assert!(
        stopped.stderr.contains("does not answer"),
        "{}",
        stopped.stderr
    );
}

#[test]
fn only_a_worker_of_this_version_is_shown() {
    let mut scene = Scene::new(Api::V10, vec![]);
    for (answer, text) in [
        ("{}", "its /status.json has another form"),
        ("<html>\u{1b}[2J", "its /status.json has another form"),
        (
            r#"{"format": 2}"#,
            "the format of its /status.json is 2, not 1",
        ),
    ] {
        let other = Model::answering(answer);
        let address = other
            .url
            .trim_start_matches("http://")
            .trim_end_matches('/');
        scene.config["metrics_listen"] = json!(address);
        for options in [&[][..], &["--json"]] {
            let shown = status(&mut scene, options);
            assert_eq!((shown.code(), shown.stdout.as_str()), (1, ""), "{answer}");
            assert!(shown.stderr.contains(text), "{}", shown.stderr);
        }
    }
}

#[test]
fn the_json_is_as_its_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/status.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut scene = Scene::new(
        Api::V10,
        vec![one_window(1, START + 3), topic(2, START + 3)],
    );
    scene.register();
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    scene.config["topics"][1]["inference_url"] = json!("http://127.0.0.1:1");
    let worker = scene.start();
    let address = metrics_address(&worker);
    let state = || -> Value { serde_json::from_str(&get(address, "/status.json").1).unwrap() };
    let early = state();
    worker.wait_for_line("missed: asking the model");
    worker.wait_for_line("included in block");
    let late = state();
    for (name, state) in [("early", early), ("late", late.clone())] {
        assert_eq!(differences(&state, &schema), [""; 0], "{name}");
    }
    assert_eq!(late["topics"][1]["last"]["reason"], "seen");
    let waits = &late["waiting"][0];
    assert_eq!(
        (&waits["topic"], &waits["scope"]),
        (&json!(2), &json!("topic 2, model"))
    );
}

#[test]
fn a_watched_worker_may_restart() {
    let (mut scene, worker) = served();
    let path = scene.path("watched.json");
    write_file(&path, &scene.config.to_string(), 0o600);
    let limit_s = LIMIT.as_secs().to_string();
    let mut watching = Command::new("timeout")
        .arg(limit_s)
        .arg(binary())
        .args(["status", "--watch", "--config"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut wait_for = |text: &str| {
        let found = lines.any(|line| line.unwrap().contains(text));
        assert!(found, "the watch ended before it showed {text}");
    };
    wait_for("worker    version ");
    worker.stop();
    wait_for("does not answer");
    let worker = scene.start();
    wait_for("worker    version ");
    worker.stop();
    // why: a closed standard output ends it
    drop(lines);
    watching.wait().unwrap();
}

#[test]
fn the_page_is_there_and_needs_nothing_from_elsewhere() {
    let (_scene, worker) = served();
    let address = metrics_address(&worker);
    let (status, page) = get(address, "/");
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(page.contains("Content-Security-Policy"), "{page}");
    let namespace = "http://www.w3.org/2000/svg";
    assert!(!page.replace(namespace, "").contains("://"), "{page}");
    assert!(!page.contains("innerHTML"), "{page}");
}
