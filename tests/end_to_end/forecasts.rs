//! Forecasts: sent alone, sent with an inference, and when one of the two fails.

use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Score;
use serde_json::{Value, json};

use crate::scenes::with_settings;
use crate::support::*;

/// Another worker of the topic.
const OTHER: &str = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";

fn forecast() -> Model {
    Model::answering(&format!(r#"{{"{OTHER}": 12.30}}"#))
}

fn broken() -> Model {
    Model::start(|_| Some((500, String::new(), "broken".to_owned())))
}

fn scene(api: Api, more: Value) -> Scene {
    let mut topic = topic(1, START + 4);
    topic.top_inferers.insert(OTHER.to_owned());
    with_settings(api, topic, more)
}

/// The last nonces for which the chain processed this worker's inference and forecast.
fn processed(scene: &Scene) -> (u64, u64) {
    scene.net.with_chain(|chain| {
        let topic = &chain.state.topics[&1];
        let height = |scores: &std::collections::BTreeMap<String, Score>| {
            scores.get(&scene.address).map_or(0, |score| score.height)
        };
        (height(&topic.scores), height(&topic.forecast_scores))
    })
}

#[test]
fn sends_the_forecast_with_the_inference() {
    on_both(|api| {
        let model = forecast();
        let mut scene = scene(
            api,
            json!({"forecast_url": format!("{}/{{block_height}}", model.url)}),
        );
        let worker = scene.start();
        worker.wait_for_line("included in block");
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        let nonce = report.windows(1)[0].nonce;
        assert_eq!(processed(&scene), (nonce, nonce));
        assert!(model.requests()[0].starts_with(&format!("GET /{nonce} ")));
        worker.wait_for_lines("included in block", 2);
        let simulated = scene.net.report().requests_to("simulate");
        assert!(
            simulated >= 2,
            "a bundle with a forecast is always simulated"
        );
    });
}

#[test]
fn sends_the_forecast_alone_and_once_without_an_inference_url() {
    on_both(|api| {
        let model = forecast();
        let mut scene = scene(api, json!({"inference_url": "", "forecast_url": model.url}));
        let worker = scene.start();
        let line = worker.wait_for_line("included in block");
        let nonce = scene.net.report().windows(1)[0].nonce;
        assert!(line.contains(&format!("nonce {nonce}: ")), "{line}");
        assert_eq!(processed(&scene), (0, nonce));
        worker.stop();
        let again = scene.start();
        again.wait_for_lines("included in block", 1);
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert!(report.requests_to("forecaster_score_ema") >= 2);
        assert_eq!(report.requests_to("inferer_score_ema"), 0);
        again.stop();
    });
}

#[test]
fn sends_the_inference_alone_when_the_forecast_fails() {
    let mut scene = scene(Api::V10, json!({"forecast_url": broken().url}));
    let worker = scene.start();
    worker.wait_for_line("no forecast, the inference goes alone: the model at ");
    worker.wait_for_line("included in block");
    let (inference, forecast) = processed(&scene);
    assert!(inference > 0 && forecast == 0);
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn sends_the_forecast_alone_once_the_retries_of_the_inference_are_used_up() {
    let (bad, good) = (broken(), forecast());
    let mut scene = scene(
        Api::V10,
        json!({"inference_url": bad.url, "forecast_url": good.url, "inference_fetch_retries": 2}),
    );
    let worker = scene.start();
    worker.wait_for_line("no inference, the forecast goes alone: the model at ");
    worker.wait_for_line("included in block");
    let (inference, forecast) = processed(&scene);
    assert!(inference == 0 && forecast > 0);
    assert!(bad.requests().len() >= 3, "the retries come first");
    assert_nothing_wasted(&scene.net.report());
}

#[test]
fn sends_the_inference_alone_when_the_chain_refuses_the_forecast() {
    on_both(|api| {
        let model = forecast();
        let mut scene = scene(api, json!({"forecast_url": model.url}));
        let address = scene.address.clone();
        scene.net.with_chain(|chain| {
            let topic = chain.state.topics.get_mut(&1).unwrap();
            let height = START + 1_000;
            topic
                .forecast_scores
                .insert(address, Score { height, score: 0 });
        });
        let worker = scene.start();
        worker.wait_for_line(
            "refused with its forecast, the inference goes alone: already submitted",
        );
        worker.wait_for_line("included in block");
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        let nonce = report.windows(1)[0].nonce;
        assert_eq!(processed(&scene).0, nonce);
        worker.stop();
    });
}

#[test]
fn pays_once_for_a_forecast_of_which_the_chain_keeps_nothing() {
    on_both(|api| {
        let model = forecast();
        let more = json!({"inference_url": "", "forecast_url": model.url});
        let mut scene = with_settings(api, one_window(1, START + 4), more);
        let worker = scene.start();
        worker.wait_for_line("the chain took nothing of the forecast");
        worker.wait_for_line("included, not admitted in block");
        assert_eq!(processed(&scene), (0, 0));
        // why: a second payload would be in one of the next blocks
        scene.wait_for_blocks(4);
        let report = scene.net.report();
        assert_eq!(report.check_tx_accepted, 1);
        assert_eq!(model.requests().len(), 1);
        worker.stop();
    });
}

#[test]
fn sends_the_inference_alone_and_in_time_when_the_forecast_hangs() {
    let hanging = Model::start(|_| None);
    let mut scene = with_settings(
        Api::V10,
        one_window(1, START + 24),
        json!({"forecast_url": hanging.url}),
    );
    let worker = scene.start();
    worker.wait_for_line("no forecast, the inference goes alone: ");
    worker.wait_for_line("included in block");
    assert_eq!(hanging.requests().len(), 1);
    assert_nothing_wasted(&scene.net.report());
}
