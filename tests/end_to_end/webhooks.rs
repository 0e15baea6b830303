//! The webhook: what it is told and how often, and that one which fails costs nothing.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use allora_localnet::chain::message::Api;
use serde_json::{Value, json};

use crate::support::*;

/// What stands in the webhook's URL and headers, and nowhere else.
const SECRETS: [&str; 3] = ["B0k1e2y3", "t0k3nvalue", "he4derkey"];

/// A model that answers with a number once it is told to.
fn switched_model() -> (Model, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(false));
    let is_on = Arc::clone(&works);
    let model = Model::start(move |_| {
        let status = if is_on.load(Ordering::SeqCst) {
            200
        } else {
            500
        };
        Some((status, String::new(), "1.5".to_owned()))
    });
    (model, works)
}

/// A worker's configuration with this webhook, and a key in each place where one can be.
fn with_webhook(scene: &mut Scene, hook: &Model) {
    let [path, token, header] = SECRETS;
    scene.config["debug"] = json!(true);
    scene.config["webhook_url"] = json!(format!("{}/services/{path}?token={token}", hook.url));
    scene.config["webhook_headers"] = json!({"X-Key": {"env": "HOOK_KEY"}});
    scene.environment.push(variable("HOOK_KEY", header));
}

/// The text of a POST.
fn text_of(request: &str) -> String {
    let (_, body) = request.split_once('{').unwrap();
    let body: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    body["text"].as_str().unwrap().to_owned()
}

/// Waits until a POST has said this; gives all texts so far.
fn wait_for_text(scene: &Scene, hook: &Model, part: &str) -> Vec<String> {
    let start = Instant::now();
    loop {
        let texts: Vec<String> = hook.requests().iter().map(|it| text_of(it)).collect();
        if texts.iter().any(|text| text.contains(part)) {
            return texts;
        }
        assert!(start.elapsed() < LIMIT, "waited for {part:?}: {texts:#?}");
        scene.wait_for_blocks(1);
    }
}

fn assert_no_secret(ended: &Ended, scene: &Scene) {
    let files = fs::read_dir(scene.path("logs")).into_iter().flatten();
    let logs = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    for text in logs.chain([ended.stdout.clone(), ended.stderr.clone()]) {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

#[test]
fn says_what_waits_what_is_missed_in_a_row_and_what_is_over() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    scene.register();
    let (model, works) = switched_model();
    scene.config["topics"][0]["inference_url"] = json!(model.url);
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let hook = Model::start(move |_| {
        seen.lock().unwrap().push(Instant::now());
        Some((200, String::new(), "ok".to_owned()))
    });
    with_webhook(&mut scene, &hook);
    scene.config["webhook_after_misses"] = json!(2);
    let worker = scene.start();
    wait_for_text(
        &scene,
        &hook,
        "waiting: topic 1, model: no inference from the model",
    );
    wait_for_text(&scene, &hook, "topic 1: 2 windows missed in a row, nonce ");
    works.store(true, Ordering::SeqCst);
    worker.wait_for_line("included in block");
    let texts = wait_for_text(&scene, &hook, "topic 1: served again with nonce ");
    let last = texts.last().unwrap();
    assert!(
        last.contains("\nover: topic 1, model: no inference"),
        "{texts:#?}"
    );
    let head = format!("allora-worker {}\n", scene.address);
    assert!(
        texts.iter().all(|text| text.starts_with(&head)),
        "{texts:#?}"
    );
    let all = texts.concat();
    assert_eq!(
        all.matches("windows missed in a row").count(),
        1,
        "{texts:#?}"
    );
    let request = hook.requests().remove(0).to_lowercase();
    let [path, token, header] = SECRETS.map(str::to_lowercase);
    for part in [
        format!("post /services/{path}?token={token} http/1.1\r\n"),
        format!("x-key: {header}\r\n"),
        "content-type: application/json\r\n".to_owned(),
    ] {
        assert!(request.contains(&part), "{part} in {request}");
    }
    let times = times.lock().unwrap().clone();
    let mut pauses = times.windows(2).map(|two| two[1] - two[0]);
    // why: a request arrives a moment after it was sent
    let pause_min = Duration::from_millis(9_500);
    assert!(pauses.all(|pause| pause > pause_min), "{times:?}");
    assert_no_secret(&worker.stop(), &scene);
}

#[test]
fn a_webhook_that_hangs_or_fails_costs_nothing_and_is_one_warning() {
    let failing: [Option<u16>; 2] = [None, Some(500)];
    side_by_side(failing, |status| {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4), topic(2, START + 4)]);
        scene.register();
        scene.config["topics"][1]["inference_url"] = json!("http://127.0.0.1:1");
        let hook = Model::start(move |request| {
            status.map(|status| (status, String::new(), request.to_owned()))
        });
        with_webhook(&mut scene, &hook);
        let worker = scene.start();
        let line = worker.wait_for_line("webhook http://127.0.0.1");
        assert!(line.contains("WARN"), "{line}");
        scene.wait_for_windows(&[1], 3);
        let start = Instant::now();
        while hook.requests().len() < 2 {
            assert!(start.elapsed() < LIMIT, "waited for another POST");
            scene.wait_for_blocks(1);
        }
        let stopped = Instant::now();
        let ended = worker.stop();
        assert!(
            stopped.elapsed() < Duration::from_secs(4),
            "{:?}",
            stopped.elapsed()
        );
        assert_all_served(&scene.net.report(), &[1]);
        let warnings = lines_with(&ended.stderr, "WARN");
        let about = warnings.iter().filter(|line| line.contains("webhook http"));
        assert_eq!(about.count(), 1, "{warnings:#?}");
        for request in hook.requests() {
            let text = text_of(&request);
            assert!(
                text.contains("waiting: topic 2, model"),
                "what failed is kept: {text}"
            );
        }
        assert_no_secret(&ended, &scene);
    });
}

#[test]
fn a_check_names_the_webhook_and_sends_nothing_to_it() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    let hook = Model::answering("ok");
    with_webhook(&mut scene, &hook);
    scene.arguments = vec!["check".into()];
    let ended = scene.start().ended();
    let line = lines_with(&ended.stdout, &hook.url);
    assert!(
        line.iter()
            .any(|line| line.contains("this check sends nothing to it")),
        "{ended:?}"
    );
    assert_eq!(hook.requests(), [""; 0]);
    assert_no_secret(&ended, &scene);
}
