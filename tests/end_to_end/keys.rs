//! Endpoints that demand a key: it reaches them, and nothing that the worker writes shows it.

use std::fs;

use allora_localnet::chain::message::Api;
use allora_localnet::play::key::Key;
use serde_json::{Value, json};

use crate::support::*;
use crate::watching::{get, metrics_address};

/// The key that the nodes demand, and one that they refuse.
const RIGHT: &str = "right-quokka-key-of-the-endpoint";
const WRONG: &str = "wrong-wombat-key-of-the-endpoint";

/// The places of a key, with `node` as the endpoint: what the nodes demand, and `api_params`.
fn places(node: &str, key: &str) -> [(Key, Value); 4] {
    let file = json!({"Authorization": {"file": "key"}});
    let variable = json!({"x-api-key": {"env": "ENDPOINT_KEY"}});
    [
        (
            Key::Header("Authorization", "Bearer right-quokka-key-of-the-endpoint"),
            json!({"api_url": node, "headers": file}),
        ),
        (
            Key::Header("X-Api-Key", RIGHT),
            json!({"api_url": node, "headers": variable}),
        ),
        (
            Key::Path("/lcd/right-quokka-key-of-the-endpoint"),
            json!({"api_url": format!("{node}/lcd/{key}/")}),
        ),
        (
            Key::Query("apikey", RIGHT),
            json!({"api_url": format!("{node}/?apikey={key}")}),
        ),
    ]
}

/// A scene whose nodes demand a key in one of the places, and a worker that has `key` there.
fn scene(place: usize, key: &str) -> Scene {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 6)]);
    scene.register();
    let [(demanded, params), ..] = {
        let mut places = places(&scene.net.url(), key);
        places.rotate_left(place);
        places
    };
    scene.net.demand(demanded);
    scene.config["api_params"] = params;
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    scene.config["debug"] = json!(true);
    write_file(&scene.path("key"), &format!("Bearer {key}\n"), 0o600);
    scene.environment.push(variable("ENDPOINT_KEY", key));
    scene
}

fn assert_hidden(text: &str, key: &str, place: usize) {
    let animal = key.split('-').nth(1).unwrap();
    assert!(!text.contains(animal), "{place}: {text}");
}

#[test]
fn an_endpoint_behind_a_key_is_used_and_the_key_is_shown_nowhere() {
    side_by_side(0..4, |place| {
        let mut scene = scene(place, RIGHT);
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 1);
        let address = metrics_address(&worker);
        for path in ["/metrics", "/status.json", "/healthz"] {
            assert_hidden(&get(address, path).1, RIGHT, place);
        }
        let ended = worker.stop();
        assert_all_served(&report, &[1]);
        let log = fs::read_dir(scene.path("logs")).unwrap().next().unwrap();
        let log = fs::read_to_string(log.unwrap().path()).unwrap();
        for text in [&ended.stdout, &ended.stderr, &log] {
            assert_hidden(text, RIGHT, place);
        }
        assert!(log.contains(&scene.net.url()), "{log}");
        for arguments in [&["check"][..], &["check", "--json"]] {
            scene.arguments = arguments.iter().map(Into::into).collect();
            let ended = scene.start().ended();
            assert_eq!(ended.code(), 0, "{place}: {}", ended.stdout);
            assert_hidden(&(ended.stdout + &ended.stderr), RIGHT, place);
        }
    });
}

#[test]
fn a_wrong_key_that_the_endpoint_repeats_is_named_as_the_reason_and_not_shown() {
    side_by_side(0..4, |place| {
        let mut scene = scene(place, WRONG);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: chain: no endpoint answers");
        assert!(line.contains("status 401"), "{line}");
        let ended = worker.stop();
        assert_hidden(&ended.stderr, WRONG, place);
        for arguments in [&["check"][..], &["check", "--json"]] {
            scene.arguments = arguments.iter().map(Into::into).collect();
            let ended = scene.start().ended();
            assert_eq!(ended.code(), 1, "{place}: {}", ended.stdout);
            let advice = "if it needs a key, set it in api_params.headers";
            assert!(ended.stdout.contains(advice), "{}", ended.stdout);
            assert_hidden(&(ended.stdout + &ended.stderr), WRONG, place);
        }
    });
}

#[test]
fn a_key_that_cannot_be_read_is_a_problem_with_its_cure() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 6)]);
    scene.config["api_params"]["headers"] = json!({
        "X-Api-Key": {"file": "absent"},
        "X-Team": {"env": "ABSENT_KEY"},
        "Host": "other",
    });
    for arguments in [&["run"][..], &["check"]] {
        scene.arguments = arguments.iter().map(Into::into).collect();
        let ended = scene.start().ended();
        assert_eq!(ended.code(), 3);
        let text = ended.stderr + &ended.stdout;
        for part in [
            "api_params.headers.X-Api-Key: its file can't be read",
            "api_params.headers.X-Team: its environment variable is not set",
            "api_params.headers.Host: is set by the worker itself",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
