//! How good the worker is: its score, the lowest one, and the network's inference.

use std::net::SocketAddr;

use allora_localnet::chain::decimal::Decimal;
use allora_localnet::chain::labels::Labels;
use allora_localnet::chain::message::{Api, Inference};
use allora_localnet::chain::topic::{Score, Topic};
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::multi;
use allora_localnet::play::rules::Rule;
use serde_json::{Value, json};

use crate::support::*;
use crate::watching::{get, metrics_address};

const LOWEST: &str = "current_lowest_inferer_score";
const NETWORK: &str = "latest_network_inferences";

/// Another worker of the topic, with this value in each window.
fn other(value: &str) -> Inference {
    Inference {
        topic_id: 1,
        block_height: 0,
        inferer: "a worker that comes first".to_owned(),
        value: Decimal::parse(value).unwrap(),
        extra_data: Vec::new(),
        proof: String::new(),
        values: Vec::new(),
    }
}

/// A chain on which this worker is the better one of two.
fn scene(api: Api, mut topic: Topic) -> Scene {
    topic.early = vec![(other("3000"), 5)];
    let mut scene = Scene::new(api, vec![topic]);
    scene.register();
    scene.net.with_chain(|chain| {
        let topic = chain.state.topics.get_mut(&1).unwrap();
        let score = Score {
            height: 1,
            score: 12,
        };
        topic.scores.insert(scene.address.clone(), score);
    });
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    scene
}

fn topic_in_status(address: SocketAddr) -> Value {
    let state: Value = serde_json::from_str(&get(address, "/status.json").1).unwrap();
    state["topics"][0].clone()
}

/// Waits until both questions were answered; gives the topic's state.
fn wait_for_standing(scene: &Scene, address: SocketAddr) -> Value {
    for _ in 0..600 {
        let topic = topic_in_status(address);
        let standing = &topic["standing"];
        if standing["lowest"].is_object() && standing["network"]["own_value"].is_string() {
            return topic;
        }
        scene.wait_for_blocks(1);
    }
    panic!("no standing: {}", topic_in_status(address));
}

#[test]
fn a_person_sees_score_lowest_place_and_network() {
    on_both(|api| {
        let mut scene = scene(api, topic(1, START + 4));
        let worker = scene.start();
        let address = metrics_address(&worker);
        let before = scene.net.report();
        let topic = wait_for_standing(&scene, address);
        let standing = &topic["standing"];
        assert_eq!(standing["score"]["score"], "12");
        assert_eq!(standing["lowest"]["score"], "5");
        assert_eq!(standing["above_lowest"], "7");
        assert_eq!(standing["admitted"], true);
        let network = &standing["network"];
        assert_eq!(network["value"], "3000");
        let history = topic["history"].as_array().unwrap();
        let ended = history
            .iter()
            .find(|ended| ended["nonce"] == network["nonce"]);
        assert_eq!(network["own_value"], ended.unwrap()["value"]);
        let scores = standing["scores"].as_array().unwrap();
        assert_eq!(scores.last(), Some(&standing["score"]));
        let metrics = get(address, "/metrics").1;
        for line in [
            "allora_worker_score{topic=\"1\"} 12.0",
            "allora_worker_lowest_score{topic=\"1\"} 5.0",
            "allora_worker_admitted{topic=\"1\"} 1",
            "allora_worker_network_value{topic=\"1\"} 3000.0",
            "allora_worker_own_value{topic=\"1\"} ",
        ] {
            assert!(metrics.contains(line), "{line} in {metrics}");
        }
        worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[1]);
        let asked = |part| report.requests_to(part) - before.requests_to(part);
        let ended = report.windows(1).len() as u64;
        assert!(
            asked(LOWEST) + asked(NETWORK) <= ended,
            "{:?}",
            report.requests
        );
    });
}

#[test]
fn labels_have_a_network_inference_and_no_number_in_the_metrics() {
    let labels = Labels::up_down_flat().unwrap();
    let mut scene = Scene::new(Api::V10, vec![multi(topic(1, START + 4), labels)]);
    scene.register();
    scene.config["topics"][0]["inference_url"] = json!(scene.net.labels_url(1));
    scene.config["metrics_listen"] = json!("127.0.0.1:0");
    let worker = scene.start();
    let address = metrics_address(&worker);
    let topic = wait_for_standing(&scene, address);
    let network = &topic["standing"]["network"];
    assert!(
        network["value"].as_str().unwrap().contains("up "),
        "{network}"
    );
    let metrics = get(address, "/metrics").1;
    assert!(
        !metrics.contains("allora_worker_network_value{"),
        "{metrics}"
    );
    worker.stop();
}

#[test]
fn an_endpoint_that_refuses_these_questions_is_used_on_without_a_word() {
    let refusals = [
        Fault::Status(503, None),
        Fault::Body(403, b"no such plan".to_vec()),
        Fault::Html,
        Fault::Body(
            200,
            br#"{"score": {}, "inference_block_height": "1"}"#.to_vec(),
        ),
    ];
    side_by_side(refusals, |fault| {
        let mut scene = scene(Api::V10, topic(1, START + 4));
        for route in [LOWEST, NETWORK] {
            scene.net.fault(Rule::new(fault.clone()).on(route));
        }
        let worker = scene.start();
        scene.wait_for_windows(&[1], 6);
        let ended = worker.stop();
        let report = scene.net.report();
        assert_all_served(&report, &[1]);
        let asked = report.requests_to(LOWEST) + report.requests_to(NETWORK);
        assert!((2..=4).contains(&asked), "ever more rarely: {asked}");
        for word in ["WARN", "ERROR", "endpoint"] {
            let lines = lines_with(&ended.stderr, word);
            let about = lines.iter().filter(|line| !line.contains("address"));
            assert_eq!(about.count(), 0, "{lines:#?}");
        }
    });
}

#[test]
fn a_value_far_from_the_networks_last_inference_is_stopped_once_that_is_known() {
    on_both(|api| {
        let mut scene = scene(api, topic(1, START + 4));
        let model = Model::answering("2800");
        scene.config["debug"] = json!(true);
        scene.config["topics"][0]["inference_url"] = json!(model.url);
        scene.config["topics"][0]["max_deviation"] = json!(0.05);
        let worker = scene.start();
        worker.wait_for_line("guard max_deviation passes: no recent network inference is known");
        worker.wait_for_line("nonce 104: included in block");
        let line = worker.wait_for_line("skipped: guard max_deviation: ");
        let text = "2800 is further from 3000, the network's last inference, than 0.05 of it";
        assert!(line.contains(text), "{line}");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn a_deviation_set_to_warn_is_sent() {
    let mut scene = scene(Api::V10, topic(1, START + 4));
    let model = Model::answering("2800");
    scene.config["topics"][0]["inference_url"] = json!(model.url);
    scene.config["topics"][0]["max_deviation"] = json!("0.05");
    scene.config["topics"][0]["on_guard"] = json!("warn");
    let worker = scene.start();
    worker.wait_for_line("sent all the same: guard max_deviation: 2800 is further from 3000");
    let count = worker.lines_with("included in block").len();
    worker.wait_for_lines("included in block", count + 1);
    worker.stop();
    assert_all_served(&scene.net.report(), &[1]);
}
