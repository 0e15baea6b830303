//! `allora-worker check`: its findings for a worker without problems and for each problem, and that
//! it sends nothing.

use std::fs;
use std::time::{Duration, SystemTime};

use allora_localnet::chain::Indexing;
use allora_localnet::chain::allowance::{Allowance, Period};
use allora_localnet::chain::bech32;
use allora_localnet::chain::labels::Labels;
use allora_localnet::chain::message::Api;
use allora_localnet::play::faults::{Fault, MODEL};
use allora_localnet::play::options::{FUNDS_UALLO, Options, multi};
use allora_localnet::play::rules::Rule;
use serde_json::{Value, json};

use crate::scenes::{BROADCAST, in_flight, make_blocks_until_served, manual_blocks};
use crate::support::*;
use crate::watching;

const NODE_INFO: &str = "GET /cosmos/base/tendermint/v1beta1/node_info";
const SYNCING: &str = "GET /cosmos/base/tendermint/v1beta1/syncing";

/// A check's JSON, and its exit code.
struct Checked {
    code: i32,
    value: Value,
}

impl Checked {
    /// Level and text of the finding of this name about this.
    fn finding(&self, about: &str, name: &str) -> (&str, &str) {
        let findings = self.value["findings"].as_array().unwrap();
        let found = findings
            .iter()
            .find(|f| f["about"].as_str().unwrap().starts_with(about) && f["name"] == name)
            .unwrap_or_else(|| panic!("no {name} about {about}: {:#}", self.value));
        (
            found["level"].as_str().unwrap(),
            found["text"].as_str().unwrap(),
        )
    }

    fn level(&self, about: &str, name: &str) -> &str {
        self.finding(about, name).0
    }

    /// Names of the findings that are not ok, with their level.
    fn flaws(&self) -> Vec<(&str, &str)> {
        let findings = self.value["findings"].as_array().unwrap();
        let flaws = findings.iter().filter(|f| f["level"] != "ok");
        flaws
            .map(|f| {
                assert!(f["advice"].is_string(), "no advice: {f}");
                (f["level"].as_str().unwrap(), f["name"].as_str().unwrap())
            })
            .collect()
    }
}

/// A chain on which blocks are made by the test, with a registered worker.
fn scene(api: Api) -> Scene {
    let scene = Scene::with(api, vec![one_window(1, START + 3)], manual_blocks);
    scene.register();
    scene
}

/// Runs the check and reads its JSON; the table says the same.
fn check(scene: &mut Scene) -> Checked {
    scene.arguments = vec!["check".into(), "--json".into()];
    let ended = scene.start().ended();
    assert_eq!(ended.stderr, "");
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    let code = ended.code();
    let expected = if value["verdict"] == "fail" { 1 } else { 0 };
    assert_eq!(code, expected, "{value:#}");
    assert_eq!(
        scene.net.report().requests_to(BROADCAST),
        0,
        "nothing is sent"
    );
    for word in ["winner", "sausage", "wave"] {
        assert!(
            !ended.stdout.contains(word),
            "a word of the seed phrase is shown"
        );
    }
    Checked { code, value }
}

fn nothing_was_sent(scene: &Scene) {
    let report = scene.net.report();
    assert_eq!(report.check_tx_accepted, 0);
    assert_eq!(report.payloads_included, 0);
}

#[test]
fn a_fee_grant_is_read_and_each_flaw_says_what_to_type() {
    on_both(|api| {
        let mut scene = scene(api);
        let (granter, own) = (bech32::encode(&[0xf0; 20]), scene.address.clone());
        scene.net.fund(&granter, FUNDS_UALLO);
        scene.net.set_balance(&own, 10 * 1_000);
        scene.config["fee_granter"] = json!(granter);
        let missing = check(&mut scene);
        assert_eq!(missing.flaws(), [("fail", "grant"), ("fail", "rehearsal")]);

        let names = |api: &str| {
            ["InsertWorkerPayload", "Register"].map(|m| format!("/emissions.{api}.{m}Request"))
        };
        let mut allowance = Allowance {
            period: Some(Period::new(
                Duration::from_secs(3_600),
                10_000_000,
                SystemTime::now(),
            )),
            messages: Some([names("v9"), names("v10")].concat()),
            ..Allowance::default()
        };
        scene.net.grant(&granter, &own, allowance.clone());
        let sound = check(&mut scene);
        assert_eq!(sound.flaws(), [], "{:#}", sound.value);
        let (_, text) = sound.finding("account", "balance");
        assert!(text.contains("enough for about 1,000 payloads"), "{text}");
        let (_, text) = sound.finding("fee granter", "grant");
        let expected =
            format!("{granter} pays 0.00000000001 ALLO each 1 h 0 min; 0.00000000001 ALLO");
        assert!(text.starts_with(&expected), "{text}");

        let served = if api == Api::V9 { "v9" } else { "v10" };
        allowance.messages = Some(names(served).to_vec());
        scene.net.grant(&granter, &own, allowance);
        scene.net.set_balance(&own, 9);
        scene.net.set_balance(&granter, 1_000);
        let flawed = check(&mut scene);
        let flaws = [
            ("fail", "balance"),
            ("warn", "grant_messages"),
            ("fail", "granter_balance"),
        ];
        assert_eq!(flawed.flaws(), flaws);
        nothing_was_sent(&scene);
    });
}

#[test]
fn a_worker_without_problems() {
    on_both(|api| {
        let mut scene = scene(api);
        let checked = check(&mut scene);
        assert_eq!(checked.flaws(), [], "{:#}", checked.value);
        assert_eq!(
            (checked.code, checked.value["verdict"].as_str()),
            (0, Some("ok"))
        );
        let (_, text) = checked.finding("endpoint", "api");
        assert_eq!(
            text,
            format!("emissions {}", if api == Api::V9 { "v9" } else { "v10" })
        );
        let (_, text) = checked.finding("account", "balance");
        assert!(
            text.contains("1,000,000 ALLO: enough for more than a million payloads"),
            "{text}"
        );
        let (_, text) = checked.finding("topic 1", "window");
        assert!(
            text.starts_with("the next opens with block 103, about "),
            "{text}"
        );
        let (_, text) = checked.finding("topic 1", "model");
        assert!(text.contains(" \u{2192} "), "{text}");

        scene.arguments = vec!["check".into()];
        let ended = scene.start().ended();
        assert_eq!(ended.code(), 0);
        assert_eq!(ended.stdout.lines().last(), Some("check: OK"));
        let findings = checked.value["findings"].as_array().unwrap();
        let ticks = ended
            .stdout
            .lines()
            .filter(|line| line.starts_with("  \u{2713} "));
        assert_eq!(ticks.count(), findings.len(), "{}", ended.stdout);
        assert!(!scene.path("logs").exists(), "a check writes nothing");
        nothing_was_sent(&scene);
    });
}

#[test]
fn the_transaction_is_rehearsed_inside_and_outside_a_window() {
    on_both(|api| {
        let mut scene = scene(api);
        let (level, text) = {
            let checked = check(&mut scene);
            let (level, text) = checked.finding("topic 1", "rehearsal");
            (level.to_owned(), text.to_owned())
        };
        assert_eq!(level, "ok");
        assert!(
            text.contains("only because its window is over (75)"),
            "{text}"
        );

        scene.net.blocks_until(START + 5);
        let checked = check(&mut scene);
        let (level, text) = checked.finding("topic 1", "rehearsal");
        assert_eq!(level, "ok");
        assert!(
            text.starts_with("a payload for nonce 103 would pass, with 1"),
            "{text}"
        );
        let (_, text) = checked.finding("topic 1", "window");
        assert!(
            text.starts_with("nonce 103 is open until block 163, "),
            "{text}"
        );
        nothing_was_sent(&scene);
    });
}

#[test]
fn a_registration_that_is_still_to_come_is_rehearsed_and_counted() {
    on_both(|api| {
        let mut scene = Scene::with(api, vec![one_window(1, START + 3)], manual_blocks);
        let checked = check(&mut scene);
        assert_eq!(checked.flaws(), [], "{:#}", checked.value);
        let (_, text) = checked.finding("topic 1", "registered");
        assert!(
            text.starts_with("not yet: the worker registers itself"),
            "{text}"
        );
        let (_, text) = checked.finding("topic 1", "rehearsal");
        assert!(
            text.starts_with("the registration would pass, with "),
            "{text}"
        );
        let (_, text) = checked.finding("account", "balance");
        assert!(
            text.contains("enough for one registration and more than "),
            "{text}"
        );
        nothing_was_sent(&scene);
    });
}

#[test]
fn it_disturbs_no_running_worker_and_is_not_disturbed() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 3)]);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("included in block");
    let checked = check_beside(&mut scene);
    let (level, text) = checked.finding("topic 1", "rehearsal");
    assert_eq!(level, "ok");
    assert!(text.contains("was already submitted: expected"), "{text}");
    assert_eq!(checked.code, 0);
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn a_transaction_in_flight_is_no_problem() {
    let (mut scene, worker) = in_flight(1, |options| options);
    let checked = check_beside(&mut scene);
    let (level, text) = checked.finding("topic 2", "rehearsal");
    assert_eq!(level, "ok");
    assert!(
        text.contains("has just changed (32): expected, the worker is sending"),
        "{text}"
    );
    assert_eq!(checked.code, 0);
    assert_nothing_wasted(&make_blocks_until_served(&scene, &[1, 2]));
    worker.stop();
}

#[test]
fn times_are_in_the_local_time_zone() {
    let mut scene = scene(Api::V10);
    scene.environment.push(variable("TZ", "JST-9"));
    let checked = check(&mut scene);
    let (_, text) = checked.finding("topic 1", "window");
    assert!(text.contains(" +09:00 (in 15 s at 5 s a block)"), "{text}");
}

/// A check while the worker runs, which may have sent something.
fn check_beside(scene: &mut Scene) -> Checked {
    scene.arguments = vec!["check".into(), "--json".into()];
    let ended = scene.start().ended();
    let value = serde_json::from_str(&ended.stdout).unwrap();
    Checked {
        code: ended.code(),
        value,
    }
}

#[test]
fn an_endpoint_that_is_down_fails_only_if_there_is_no_other() {
    let mut scene = scene(Api::V10);
    let dead = "http://127.0.0.1:1";
    scene.config["api_params"]["api_url"] = json!(dead);
    let checked = check(&mut scene);
    assert_eq!(checked.flaws(), [("fail", "reachable")]);
    let (level, text) = checked.finding("endpoint http://127.0.0.1:1", "reachable");
    assert_eq!(
        (level, text),
        ("fail", "connection refused: nothing listens there")
    );
    assert_eq!(
        checked.level("topic 1", "model"),
        "ok",
        "models are asked even so"
    );

    scene.config["api_params"]["api_url"] = json!([dead, scene.net.url()]);
    let checked = check(&mut scene);
    assert_eq!(checked.flaws(), [("warn", "reachable")]);
    assert_eq!(checked.level("topic 1", "rehearsal"), "ok");
}

#[test]
fn the_reason_why_an_endpoint_is_unusable_is_shown() {
    let mut scene = scene(Api::V10);
    let syncing = Fault::Body(200, br#"{"syncing":true}"#.to_vec());
    for (route, fault, name) in [
        (SYNCING, syncing, "syncing"),
        (NODE_INFO, Fault::Html, "reachable"),
        (NODE_INFO, Fault::Status(502, None), "reachable"),
    ] {
        scene.net.fault(Rule::new(fault).on(route));
        assert_eq!(check(&mut scene).flaws(), [("fail", name)]);
        scene.net.clear_faults();
    }
    let mut two = Scene::with(Api::V10, vec![one_window(1, START + 3)], |options| {
        manual_blocks(Options {
            nodes: vec![Default::default(), Default::default()],
            indexing: Indexing::Off,
            ..options
        })
    });
    two.register();
    two.config["api_params"]["api_url"] = json!([two.net.node_url(0), two.net.node_url(1)]);
    two.net.fault(Rule::new(Fault::OtherChain).at_node(1));
    let checked = check(&mut two);
    assert_eq!(checked.flaws(), [("warn", "tx_index"), ("warn", "chain")]);
}

#[test]
fn an_account_that_cannot_pay_is_an_error() {
    let mut scene = scene(Api::V10);
    scene.net.blocks_until(START + 5);
    let address = scene.address.clone();
    scene.net.set_balance(&address, 1_000);
    let checked = check(&mut scene);
    let (level, text) = checked.finding("account", "balance");
    assert_eq!(level, "fail");
    assert!(
        text.starts_with("have 0.000000000000001 ALLO, but one payload costs "),
        "{text}"
    );

    scene.net.set_balance(&address, 0);
    let checked = check(&mut scene);
    assert_eq!(
        checked.level("topic 1", "rehearsal"),
        "fail",
        "the data fee is not there"
    );

    scene
        .net
        .with_chain(|chain| chain.state.accounts.remove(&address));
    let checked = check(&mut scene);
    let (level, text) = checked.finding("account", "account");
    assert_eq!(level, "fail");
    assert!(text.ends_with("it was never funded"), "{text}");

    scene.net.fund(&address, 5_000_000);
    scene.config["max_fee_uallo"] = json!(1_000);
    let checked = check(&mut scene);
    assert_eq!(checked.level("account", "fees"), "fail");
    assert_eq!(
        checked.level("account", "balance"),
        "warn",
        "enough for two payloads"
    );
}

#[test]
fn topics_that_would_not_be_served_are_reported() {
    let mut topics: Vec<_> = (1..=4).map(|id| one_window(id, START + 3)).collect();
    topics[3] = multi(topics[3].clone(), Labels::up_down_flat().unwrap());
    let mut scene = Scene::with(Api::V10, topics, manual_blocks);
    scene.register();
    let address = scene.address.clone();
    scene.net.set_whitelisted(2, &address, false);
    scene.net.set_active(3, false);
    let unknown = json!({"topic_id": 9, "inference_url": scene.net.model_url(1)});
    scene.config["topics"].as_array_mut().unwrap().push(unknown);
    scene.config["topics"][0]["nonce_fetch_freq"] = json!(1_000);
    let checked = check(&mut scene);
    assert_eq!(
        checked.flaws(),
        [
            ("warn", "polling"),
            ("fail", "whitelisted"),
            ("warn", "active"),
            ("fail", "model"),
            ("fail", "kind"),
        ]
    );
    let (_, text) = checked.finding("topic 4", "model");
    assert!(text.contains("is one number"), "{text}");
    assert_eq!(checked.level("topic 2", "whitelisted"), "fail");
    assert_eq!(
        checked.finding("topic 9", "kind").1,
        "the chain does not know the topic"
    );
    nothing_was_sent(&scene);
}

#[test]
fn a_labelled_topic_shows_its_labels_and_the_values_of_the_model() {
    let labelled = multi(one_window(1, START + 3), Labels::up_down_flat().unwrap());
    let mut scene = Scene::with(Api::V10, vec![labelled], manual_blocks);
    scene.register();
    scene.config["topics"][0]["inference_url"] = json!(scene.net.labels_url(1));
    scene.config["topics"][0]["forecast_url"] = json!(scene.net.forecast_url(1));
    scene.net.blocks_until(START + 4);
    let checked = check(&mut scene);
    assert_eq!(checked.flaws(), []);
    let (_, kind) = checked.finding("topic 1", "kind");
    let rules = "takes labelled values: up, down, flat, at most 8, with a sum of 1 within 0.01; ";
    assert!(kind.starts_with(rules), "{kind}");
    let (_, model) = checked.finding("topic 1", "model");
    assert!(model.starts_with("`{\"up\": 0."), "{model}");
    assert!(model.contains("\u{2192} up 0."), "{model}");
    assert_eq!(checked.finding("topic 1", "forecast").1, "for 2 workers");
    let (_, rehearsal) = checked.finding("topic 1", "rehearsal");
    assert!(rehearsal.contains("would pass, with "), "{rehearsal}");
    nothing_was_sent(&scene);
}

#[test]
fn a_model_that_returns_no_number_is_an_error() {
    let mut scene = scene(Api::V10);
    scene.net.fault(Rule::new(Fault::Html).on(MODEL));
    let checked = check(&mut scene);
    assert_eq!(checked.flaws(), [("fail", "model")]);
    let (_, text) = checked.finding("topic 1", "model");
    assert!(text.contains("an HTML page"), "{text}");
    scene.net.clear_faults();
    scene.net.set_model_up(false);
    let checked = check(&mut scene);
    let (level, text) = checked.finding("topic 1", "model");
    assert_eq!(level, "fail");
    assert!(
        text.starts_with("asking the model at http://127.0.0.1:"),
        "{text}"
    );
}

#[test]
fn a_configuration_error_is_exit_code_3() {
    let mut scene = scene(Api::V10);
    scene.config["topics"][0]["topic_id"] = json!(0);
    scene.config["seed_phrase"] = json!(SEED_PHRASE.replace("year", "secretword"));
    scene.arguments = vec!["check".into()];
    let ended = scene.start().ended();
    assert_eq!((ended.code(), ended.stdout.as_str()), (3, ""));
    assert!(
        ended.stderr.contains("topics[0].topic_id: must be"),
        "{}",
        ended.stderr
    );
    scene.arguments.push("--json".into());
    let ended = scene.start().ended();
    assert_eq!((ended.code(), ended.stderr.as_str()), (3, ""));
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(value["verdict"], "fail");
    assert_eq!(value["findings"].as_array().unwrap().len(), 2);
    assert!(!ended.stdout.contains("secretword"));
}

#[test]
fn secrets_in_a_url_are_not_shown() {
    let mut scene = scene(Api::V10);
    let port = "127.0.0.1:1";
    scene.config["topics"][0]["inference_url"] =
        json!(format!("http://user:hunter2@{port}/ETH?key=hunter2"));
    scene.config["api_params"]["api_url"] = json!([
        scene.net.url(),
        format!("http://user:hunter2@{port}/hunter3")
    ]);
    for arguments in [&["check"][..], &["check", "--json"]] {
        scene.arguments = arguments.iter().map(Into::into).collect();
        let ended = scene.start().ended();
        assert_eq!(ended.code(), 1, "the model is not there");
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains("hunter2"), "{text}");
            assert!(!text.contains(SEED_PHRASE.split_at(20).0), "{text}");
        }
    }
}

#[test]
fn the_place_and_mode_of_the_seed_phrase_are_shown() {
    let mut scene = scene(Api::V10);
    let text = serde_json::to_string(&scene.config).unwrap();
    write_file(&scene.path("open.json"), &text, 0o644);
    scene.arguments = vec!["check".into(), "-c".into(), "open.json".into()];
    let ended = scene.start().ended();
    assert_eq!(ended.code(), 0);
    assert!(
        ended
            .stdout
            .contains("      \u{2192} type: chmod 600 open.json\n"),
        "{}",
        ended.stdout
    );

    scene.config["seed_phrase"] = json!("");
    scene.config["seed_phrase_file"] = json!("words");
    write_file(&scene.path("words"), SEED_PHRASE, 0o600);
    let checked = check(&mut scene);
    let (_, text) = checked.finding("configuration", "seed_phrase");
    assert_eq!(text, "from the file ./words, mode 0600");
    fs::remove_file(scene.path("words")).unwrap();
    scene.arguments = vec!["check".into()];
    assert_eq!(scene.start().ended().code(), 3);
}

#[test]
fn the_health_of_a_worker_that_cannot_be_asked() {
    let mut scene = scene(Api::V10);
    scene.arguments = vec!["check".into(), "--health".into()];
    let ended = scene.start().ended();
    assert_eq!((ended.code(), ended.stdout.as_str()), (1, ""));
    assert!(
        ended.stderr.contains("metrics_listen is not set"),
        "{}",
        ended.stderr
    );
    scene.config["metrics_listen"] = json!("127.0.0.1:1");
    let ended = scene.start().ended();
    assert_eq!(ended.code(), 1);
    let text = "allora-worker: the worker does not answer at 127.0.0.1:1: connection refused: \
                nothing listens there\n";
    assert_eq!(ended.stderr, text);
}

#[test]
fn the_health_of_a_running_worker() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 3)]);
    scene.register();
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    let worker = scene.start();
    let place = watching::metrics_address(&worker);
    worker.wait_for_line("included in block");
    scene.config["metrics_listen"] = json!(place.to_string());
    scene.arguments = vec!["check".into(), "--health".into()];
    let ended = scene.start().ended();
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (0, ""),
        "{}",
        ended.stderr
    );
    worker.stop();
    assert_eq!(scene.start().ended().code(), 1);
}
