//! Waiting states: one warning when a state begins, one line when it ends, and everything else
//! continues meanwhile.

use allora_localnet::chain::labels::Labels;
use allora_localnet::chain::message::Api;
use allora_localnet::play::options::multi;
use serde_json::json;

use crate::support::*;

#[test]
fn warns_once_about_each_waiting_topic_and_serves_the_others() {
    on_both(|api| {
        let mut topics: Vec<_> = (1..=3).map(|id| topic(id, START + 4)).collect();
        if api == Api::V10 {
            topics.push(multi(topic(4, START + 4), Labels::up_down_flat().unwrap()));
        }
        let mut scene = Scene::new(api, topics);
        scene.register();
        let address = scene.address.clone();
        scene.net.set_whitelisted(2, &address, false);
        scene.net.set_active(3, false);
        let unknown = json!({"topic_id": 9, "inference_url": scene.net.model_url(9),
            "nonce_fetch_freq": 0.2});
        scene.config["topics"].as_array_mut().unwrap().push(unknown);
        let worker = scene.start();
        scene.wait_for_windows(&[1], 2);
        let mut warnings = vec![
            format!("waiting: topic 2: {address} is not on the topic's whitelist"),
            "waiting: topic 3: the topic is not active".to_owned(),
            "waiting: topic 9: the chain does not know the topic".to_owned(),
        ];
        if api == Api::V10 {
            warnings.push("waiting: topic 4, model: no inference from the model: the model's answer is one number".to_owned());
        }
        for warning in &warnings {
            let lines = worker.lines_with(warning);
            assert_eq!(lines.len(), 1, "{warning}");
            assert!(lines[0].contains("WARN"), "{}", lines[0]);
        }
        let total = worker.lines_with("waiting: ").len();
        assert_eq!(total, warnings.len(), "there are further warnings");
        assert_all_served(&scene.net.report(), &[1]);
        let report = scene.net.report();
        let sent = report.payloads_included;
        assert_eq!(
            report.check_tx_accepted, sent,
            "a transaction was sent for a waiting topic"
        );
        assert!(
            report.simulate_refused.is_empty(),
            "{:?}",
            report.simulate_refused
        );

        scene.net.set_whitelisted(2, &address, true);
        scene.net.set_active(3, true);
        scene.net.with_chain(|chain| {
            let height = chain.state.height;
            chain.state.topics.insert(9, topic(9, height + 10));
        });
        for (id, brief) in [
            (2, "not whitelisted"),
            (3, "inactive topic"),
            (9, "unknown topic"),
        ] {
            worker.wait_for_line(&format!("over: topic {id}: {brief}"));
        }
        scene.wait_for_payloads(&[2, 3, 9]);
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn pays_for_no_registration_while_the_worker_is_not_whitelisted() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        let address = scene.address.clone();
        scene.net.set_whitelisted(1, &address, false);
        let worker = scene.start();
        worker.wait_for_line("is not on the topic's whitelist");
        scene.wait_for_blocks(8);
        let report = scene.net.report();
        assert_eq!(
            report.requests_to("POST "),
            0,
            "nothing is simulated or sent"
        );
        scene.net.set_whitelisted(1, &address, true);
        worker.wait_for_line("registered in block");
        worker.wait_for_line("included in block");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}

#[test]
fn waits_for_an_endpoint_that_is_down_at_the_start() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        scene.net.set_node_up(0, false);
        let worker = scene.start();
        let line = worker.wait_for_line("waiting: chain: no endpoint answers");
        assert!(line.contains("WARN") && line.contains("refused"), "{line}");
        scene.wait_for_blocks(5);
        scene.net.set_node_up(0, true);
        worker.wait_for_line("over: chain: endpoint down");
        worker.wait_for_line("registered in block");
        scene.wait_for("two payloads", |report| report.payloads_included == 2);
        let ended = worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        let mut windows = report.windows(1).iter().filter(|window| window.closed);
        windows.find(|window| window.payload.is_some()).unwrap();
        assert!(
            windows.all(|window| window.payload.is_some()),
            "a window was lost after the first payload"
        );
        assert_eq!(lines_with(&ended.stderr, "no endpoint answers").len(), 1);
    });
}

#[test]
fn loses_no_window_and_no_fee_while_the_endpoint_is_down_for_a_few_blocks() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![one_window(1, START + 8)]);
        scene.register();
        let worker = scene.start();
        worker.wait_for_line("connected");
        scene.net.set_node_up(0, false);
        worker.wait_for_line("waiting: chain: no endpoint answers");
        scene
            .net
            .wait_for(LIMIT, |report| report.height > START + 12);
        scene.net.set_node_up(0, true);
        worker.wait_for_line("over: chain: endpoint down");
        worker.wait_for_line("nonce 108: included in block");
        worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert_eq!(report.payloads_included, 1);
    });
}

#[test]
fn warns_once_about_a_model_that_is_down_and_serves_the_other_topic() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4), topic(2, START + 4)]);
        scene.register();
        scene.config["topics"][0]["inference_url"] = json!("http://127.0.0.1:1/nobody");
        let worker = scene.start();
        scene.wait_for_windows(&[1, 2], 2);
        let lines = worker.wait_for_lines("missed: asking the model at", 1);
        assert!(
            lines[0].contains("topic-1") && lines[0].contains("refused"),
            "{}",
            lines[0]
        );
        worker.wait_for_line(", 2 in a row");
        let ended = worker.stop();
        assert!(!ended.stderr.contains(", 1 in a row"), "{}", ended.stderr);
        let begun = lines_with(&ended.stderr, "waiting: topic 1, model: no inference");
        assert_eq!(begun.len(), 1);
        let report = scene.net.report();
        assert_all_served(&report, &[2]);
        assert!(
            report
                .windows(1)
                .iter()
                .all(|window| window.payload.is_none())
        );
    });
}
