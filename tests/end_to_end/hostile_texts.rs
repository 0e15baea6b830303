//! Texts of nodes and models that try to forge lines, control a terminal, reorder or hide what is
//! around them, or fill the log: none reaches the log, health, status, metrics or `check` as it is.

use allora_localnet::chain::allowance::Allowance;
use allora_localnet::chain::bech32;
use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::{Fault, MODEL};
use allora_localnet::play::options::FUNDS_UALLO;
use allora_localnet::play::rules::Rule;
use serde_json::{Value, json};

use crate::scenes::BROADCAST;
use crate::support::*;
use crate::watching::{get, metrics_address};

/// Forges a line, clears the screen, turns the direction, hides in tags and joiners; and is long.
fn hostile() -> String {
    let start = "EVIL\n2030-01-01 [INFO ] nonce 1: included\r\u{1b}[2J\u{202e}\u{2066}\u{200d}\u{feff}\
                 \u{e0041}\u{fe0f}\u{ad}\u{85}\u{0}";
    start.repeat(300)
}

/// Asserts that a text has only visible characters of the hostile one, and not much of it.
fn assert_safe(what: &str, text: &str) {
    let is_bad = |c: char| c != '\n' && (c.is_control() || hostile_marks().contains(c));
    assert!(!text.contains(is_bad), "{what}: {text}");
    for line in text.lines() {
        assert!(!line.starts_with("2030"), "{what}: {line}");
        assert!(line.matches("EVIL").count() < 20, "{what}: {line}");
    }
}

fn hostile_marks() -> String {
    hostile().chars().filter(|c| !c.is_ascii()).collect()
}

/// What a node or model may answer, as (route, status, body).
fn lies() -> Vec<(&'static str, u16, String)> {
    let evil = hostile();
    let refusal = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": evil, "code": 99, "data": "",
        "raw_log": evil, "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0", "tx": null,
        "timestamp": "", "events": [],
    }});
    let error = |code: u32| json!({"code": code, "message": evil, "details": []});
    let topic = json!({"topic": {
        "id": "1", "epoch_length": "10", "worker_submission_window": "5", "epoch_last_ended": "0",
        "output_arity": evil,
    }});
    let node = |network: &str| {
        json!({
            "default_node_info": {"network": network, "other": {"tx_index": evil}},
            "application_version": {"version": evil},
        })
    };
    let lies: Vec<(&str, u16, Value)> = vec![
        (BROADCAST, 200, refusal),
        ("simulate", 500, error(2)),
        ("worker_submission_window_status", 400, error(3)),
        ("worker_submission_window_status", 503, error(14)),
        (
            "worker_submission_window_status",
            200,
            json!({"is_open": evil}),
        ),
        ("/topics/", 200, topic),
        ("account_info", 500, error(2)),
        (
            "gas_price",
            200,
            json!({"price": {"denom": evil, "amount": evil}}),
        ),
        ("node_info", 200, node("localnet")),
        ("node_info", 200, node(&evil)),
        ("params", 404, json!(evil)),
    ];
    let lies = lies.into_iter();
    let mut lies: Vec<_> = lies
        .map(|(route, status, body)| (route, status, body.to_string()))
        .collect();
    for status in [200, 500] {
        lies.push((MODEL, status, evil.clone()));
    }
    lies
}

/// Runs a worker with a metrics port for 15 blocks: its pages and its log, and what `check` and
/// `check --json` print then.
fn everything_shown(scene: &mut Scene) -> (String, [Ended; 2]) {
    let worker = scene.start();
    let address = metrics_address(&worker);
    scene.wait_for_blocks(15);
    let pages = ["/healthz", "/status.json", "/metrics"].map(|page| get(address, page).1);
    let seen = pages.concat() + &worker.stop().stderr;
    let checks = [&["check"][..], &["check", "--json"]].map(|arguments| {
        scene.arguments = arguments.iter().map(Into::into).collect();
        scene.start().ended()
    });
    (seen, checks)
}

#[test]
fn no_text_from_outside_is_shown_as_it_is() {
    let numbered = lies().into_iter().enumerate();
    side_by_side(numbered, |(number, (route, status, body))| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 3)]);
        scene.register();
        scene.config["metrics_listen"] = json!("127.0.0.1:0");
        let formats = ["text", "json"];
        scene.config["log_format"] = json!(formats[number % formats.len()]);
        let lie = Fault::Body(status, body.into_bytes());
        scene.net.fault(Rule::new(lie).on(route));
        let (mut seen, checks) = everything_shown(&mut scene);
        checks.iter().for_each(|ended| seen += &ended.stdout);
        assert_safe(route, &seen);
        assert!(seen.contains("EVIL"), "{route} {status}: not shown: {seen}");
    });
}

fn granter() -> String {
    bech32::encode(&[0xf0; 20])
}

/// What a node may answer about a fee grant, as (route, status, body); the last one holds bytes that
/// are no text.
fn lies_about_a_grant() -> Vec<(&'static str, u16, Vec<u8>)> {
    let evil = hostile();
    let granted = |allowance: Value| {
        let grant = json!({
            "granter": granter(), "grantee": address(), "allowance": allowance,
        });
        json!({"allowance": grant})
    };
    let basic = |denom: &str, expiration: Value| {
        json!({
            "@type": "/cosmos.feegrant.v1beta1.BasicAllowance",
            "spend_limit": [{"denom": denom, "amount": "5"}], "expiration": expiration,
        })
    };
    let named = json!({
        "@type": "/cosmos.feegrant.v1beta1.AllowedMsgAllowance",
        "allowance": basic("uallo", json!(null)),
        "allowed_messages": [hostile().chars().take(60).collect::<String>()],
    });
    let error = |code: u32, text: String| json!({"code": code, "message": text, "details": []});
    let lies = [
        (200, granted(json!({"@type": evil}))),
        (200, granted(basic(&evil, json!(null)))),
        (200, granted(basic("uallo", json!(evil)))),
        (200, granted(named)),
        (500, error(2, evil.clone())),
        (500, error(13, format!("fee-grant not found{evil}"))),
    ];
    let lies = lies.map(|(status, body)| ("allowance/", status, body.to_string().into_bytes()));
    let head = br#"{"tx_response":{"codespace":"feegrant","code":2,"txhash":"AB","raw_log":""#;
    let log = b"EVIL \xf0\x9f\xff\\u0001\\u001b[2J does not allow to pay fees for \xc3\x28: no";
    let refusal = [head, log.as_slice(), br#""}}"#].concat();
    let mut lies = lies.to_vec();
    lies.push((BROADCAST, 200, refusal));
    lies
}

#[test]
fn no_text_about_a_fee_grant_is_shown_as_it_is() {
    side_by_side(lies_about_a_grant(), |(route, status, body)| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 3)]);
        scene.register();
        scene.config["metrics_listen"] = json!("127.0.0.1:0");
        scene.config["fee_granter"] = json!(granter());
        scene.net.fund(&granter(), FUNDS_UALLO);
        scene
            .net
            .grant(&granter(), &scene.address, Allowance::default());
        let lie = Fault::Body(status, body);
        scene.net.fault(Rule::new(lie).on(route));
        let (mut seen, checks) = everything_shown(&mut scene);
        for ended in &checks {
            seen += &ended.stdout;
            seen += &ended.stderr;
        }
        assert_safe(route, &seen);
        assert!(seen.contains("fee grant"), "{route} {status}: {seen}");
    });
}

/// Each refusal is a warning, and the worker tries again after a block.
#[test]
fn a_node_that_refuses_everything_cannot_fill_the_log() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 3)]);
    scene.register();
    let refusal = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": "sdk", "code": 99, "data": "",
        "raw_log": hostile(),
        "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0", "tx": null, "timestamp": "",
        "events": [],
    }});
    let fault = Fault::Body(200, refusal.to_string().into_bytes());
    scene.net.fault(Rule::new(fault).on(BROADCAST));
    let worker = scene.start();
    scene.wait_for("30 refusals", |report| report.requests_to(BROADCAST) >= 30);
    let log = worker.stop().stderr;
    let mut lines = lines_with(&log, "a code that is not known");
    lines.retain(|line| !line.contains("missed: "));
    assert_eq!(lines.len(), 21, "20 lines and a count: {log}");
    assert!(lines[20].contains("repeated "), "{log}");
    assert!(lines[20].contains(" times within 60 s by "), "{log}");
    assert_safe("log", &log);
}
