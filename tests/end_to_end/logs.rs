//! The log: its file, its formats, and what `debug` adds.

use std::fs::{self, File};
use std::io::pipe;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use allora_localnet::chain::message::Api;
use serde_json::{Value, json};

use crate::support::*;

/// A scene in which the worker serves a window soon.
fn scene() -> Scene {
    let scene = Scene::new(Api::V10, vec![topic(1, START + 3)]);
    scene.register();
    scene
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Starts the worker with `JOURNAL_STREAM` naming its standard error, or another stream if
/// `is_journal` is false.
fn start_under_journal(scene: &Scene, arguments: &[&str], is_journal: bool) -> Worker {
    let text = serde_json::to_string(&scene.config).unwrap();
    write_file(&scene.path("config.json"), &text, 0o600);
    let (stderr, to_stderr) = pipe().unwrap();
    let stream = File::from(OwnedFd::from(to_stderr));
    let metadata = stream.metadata().unwrap();
    let inode = metadata.ino() + u64::from(!is_journal);
    let journal = variable("JOURNAL_STREAM", format!("{}:{inode}", metadata.dev()));
    let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
    let (folder, to_stderr) = (scene.path(""), Stdio::from(stream));
    Worker::start_on(&folder, &arguments, &[journal], stderr, to_stderr)
}

/// The lines without their times, sorted, because two threads may write to console and file in a
/// different order.
fn without_times(log: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = log
        .lines()
        .map(|line| line.get("2026-11-24 18:00:00 ".len()..).unwrap())
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn writes_the_same_lines_to_a_file_in_the_working_directory() {
    let mut scene = scene();
    let worker = scene.start();
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    let files = files(&scene.path("logs"));
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(files[0].file_name().unwrap(), "allora-worker.log");
    assert_eq!(
        fs::metadata(&files[0]).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let file = fs::read_to_string(&files[0]).unwrap();
    assert_eq!(without_times(&file), without_times(&ended.stderr));
}

#[test]
fn the_smallest_configuration_starts_without_a_warning() {
    let mut scene = scene();
    scene.config = json!({
        "seed_phrase": SEED_PHRASE,
        "chain_id": "localnet",
        "api_params": {"api_url": scene.net.url()},
        "topics": [{"topic_id": 1, "inference_url": scene.net.model_url(1)}],
    });
    let worker = scene.start();
    worker.wait_for_line("connected");
    let ended = worker.stop();
    assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);
    let defaults = lines_with(&ended.stderr, "not set, using the defaults: ");
    assert_eq!(defaults.len(), 1, "{}", ended.stderr);
    assert!(
        defaults[0].ends_with(
            "gas_adjustment 1.5, max_fee_uallo 0.01 ALLO, topics[0].nonce_fetch_freq 5 s"
        ),
        "{}",
        defaults[0]
    );
}

#[test]
fn warns_once_when_the_log_folder_cannot_be_created() {
    let mut scene = scene();
    write_file(
        &scene.path("logs"),
        "a file, where a folder should be",
        0o600,
    );
    let worker = scene.start();
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    let warnings = lines_with(&ended.stderr, "no log file");
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("WARN") && warnings[0].contains("logs"),
        "{}",
        warnings[0]
    );
}

#[test]
fn writes_the_log_to_the_folder_of_the_option() {
    let mut scene = scene();
    scene.arguments = vec!["run".into(), "--log-dir".into(), "deep/er".into()];
    let worker = scene.start();
    worker.wait_for_line("connected");
    worker.stop();
    assert_eq!(files(&scene.path("deep/er")).len(), 1);
    assert!(!scene.path("logs").exists());
}

#[test]
fn writes_no_file_under_the_journal_unless_a_folder_is_given() {
    let scene = scene();
    let run = |arguments: &[&str], is_journal: bool| {
        let worker = start_under_journal(&scene, arguments, is_journal);
        worker.wait_for_line("connected");
        worker.stop();
    };
    run(&[], true);
    assert!(!scene.path("logs").exists(), "the journal keeps the log");
    run(&["--log-dir", "wanted"], true);
    assert_eq!(files(&scene.path("wanted")).len(), 1);
    run(&[], false);
    assert_eq!(
        files(&scene.path("logs")).len(),
        1,
        "standard error is not the journal's stream"
    );
}

#[test]
fn debug_logs_every_request_with_its_duration_and_no_secret() {
    on_both(|api| {
        let mut scene = Scene::new(api, vec![topic(1, START + 4)]);
        let with_user = |url: &str, user: &str| url.replace("://", &format!("://{user}@"));
        let model = with_user(&scene.net.model_url(1), "me:modelpassword") + "?key=modelkey";
        let node = with_user(&scene.net.url(), "me:nodepassword");
        scene.config["debug"] = json!(true);
        scene.config["topics"][0]["inference_url"] = json!(model);
        scene.config["api_params"]["api_url"] = json!(node);
        let worker = scene.start();
        worker.wait_for_line("included in block");
        let ended = worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);

        let windows = report.windows(1);
        let payload = windows[0].payload.as_ref().unwrap();
        let (hash, fee) = (&payload.txhash, payload.fee_uallo);
        let whole = format!("hash {hash}, fee {fee} uallo, value {}", payload.value);
        assert!(ended.stderr.contains(&whole), "{}", ended.stderr);

        let requests: Vec<String> = lines_with(&ended.stderr, " ms")
            .into_iter()
            .filter(|line| line.contains(" GET ") || line.contains(" POST "))
            .collect();
        assert!(
            requests.iter().all(|line| line.contains("DEBUG")),
            "{requests:?}"
        );
        let of_model = requests
            .iter()
            .filter(|line| line.contains(" GET model "))
            .count();
        let asked: u64 = report.model_requests.values().sum();
        assert_eq!(u64::try_from(of_model).unwrap(), asked);
        let of_chain = requests.len() - of_model;
        assert_eq!(u64::try_from(of_chain).unwrap(), report.requests_total);

        let secrets = [
            "modelpassword",
            "modelkey",
            "nodepassword",
            "legal",
            "sausage",
        ];
        for secret in secrets {
            assert!(!ended.stderr.contains(secret), "{secret} is in the log");
        }
    });
}

#[test]
fn writes_no_file_with_an_empty_log_dir() {
    let mut scene = scene();
    scene.config["log_dir"] = json!("");
    let worker = scene.start();
    worker.wait_for_line("connected");
    worker.stop();
    assert!(!scene.path("logs").exists());
}

#[test]
fn rotates_a_full_log_file_and_appends_to_it_after_a_restart() {
    let mut scene = scene();
    scene.config["log_bytes_max"] = json!(4096);
    scene.config["log_files_kept"] = json!(1);
    scene.config["debug"] = json!(true);
    for _ in 0..2 {
        let worker = scene.start();
        worker.wait_for_lines(" ms, block", 50);
        worker.stop();
    }
    let files = files(&scene.path("logs"));
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let bytes = fs::metadata(&file).unwrap().len();
        assert!(bytes <= 4_096, "{file:?}: {bytes}");
    }
}

#[test]
fn warns_once_about_a_full_disk_and_keeps_serving() {
    let mut scene = scene();
    fs::create_dir(scene.path("logs")).unwrap();
    symlink("/dev/full", scene.path("logs/allora-worker.log")).unwrap();
    let worker = scene.start();
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    let warnings = lines_with(&ended.stderr, "can't be written");
    assert_eq!(warnings.len(), 1, "{}", ended.stderr);
    assert!(warnings[0].contains("WARN"), "{}", warnings[0]);
}

#[test]
fn every_json_line_has_time_level_thread_and_text() {
    let mut scene = scene();
    scene.config["log_format"] = json!("json");
    let worker = scene.start();
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    let file = fs::read_to_string(scene.path("logs/allora-worker.log")).unwrap();
    for log in [&ended.stderr, &file] {
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(lines.len() > 5, "{log}");
        for line in &lines {
            for key in ["time", "level", "thread", "text"] {
                assert!(line[key].is_string(), "{key}: {line}");
            }
        }
        let included = lines.iter().find(|line| {
            let text = line["text"].as_str().unwrap();
            text.contains("included in block")
        });
        let included = included.unwrap();
        assert_eq!(included["thread"], "topic-1");
        assert_eq!(included["level"], "info");
        let report = scene.net.report();
        let payload = report.windows(1)[0].payload.as_ref().unwrap();
        assert_eq!(included["topic"], 1);
        assert_eq!(included["outcome"], "included");
        assert_eq!(included["value"], payload.value);
        assert_eq!(included["height"], payload.height);
        assert_eq!(included["hash"], payload.txhash);
        assert_eq!(included["fee_uallo"], payload.fee_uallo.to_string());
        assert!(included["nonce"].is_u64() && included["delay_blocks"].is_u64());
        assert_eq!(included.get("reason"), None, "it was not missed");
    }
}

#[test]
fn journal_lines_have_priorities_and_no_times() {
    let scene = scene();
    let worker = start_under_journal(&scene, &[], true);
    worker.wait_for_line("included in block");
    let ended = worker.stop();
    for line in ended.stderr.lines() {
        assert!(line.starts_with("<6>") || line.starts_with("<4>"), "{line}");
    }
    let included = lines_with(&ended.stderr, "included in block");
    assert!(
        included[0].starts_with("<6>topic-1: nonce "),
        "{included:?}"
    );
}
