//! Where the log goes and what `debug` adds to it.

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

/// The lines from the level on: two threads may reach console and file in different order.
fn without_times(log: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = log
        .lines()
        .map(|line| line.split_once(" [").unwrap().1)
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_file_in_the_working_directory_has_the_same_lines() {
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
        "seed_phrase": WORDS,
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
        defaults[0].contains("INFO")
            && defaults[0].ends_with(
                "gas_adjustment 1.5, max_fee_uallo no limit, topics[0].nonce_fetch_freq 5 s"
            ),
        "{}",
        defaults[0]
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_one_warning() {
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
fn another_folder_on_request() {
    let mut scene = scene();
    scene.arguments = vec!["run".into(), "--log-dir".into(), "deep/er".into()];
    let worker = scene.start();
    worker.wait_for_line("connected");
    worker.stop();
    assert_eq!(files(&scene.path("deep/er")).len(), 1);
    assert!(!scene.path("logs").exists());
}

#[test]
fn no_file_where_the_journal_keeps_the_log_unless_asked_for() {
    let scene = scene();
    let text = serde_json::to_string(&scene.config).unwrap();
    write_file(&scene.path("config.json"), &text, 0o600);
    let run = |arguments: &[&str], is_journal: bool| {
        let (stderr, to_stderr) = pipe().unwrap();
        let stream = File::from(OwnedFd::from(to_stderr));
        let metadata = stream.metadata().unwrap();
        let inode = metadata.ino() + u64::from(!is_journal);
        let journal = variable("JOURNAL_STREAM", format!("{}:{inode}", metadata.dev()));
        let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
        let folder = scene.path("");
        let to_stderr = Stdio::from(stream);
        let worker = Worker::start_on(&folder, &arguments, &[journal], stderr, to_stderr);
        worker.wait_for_line("connected");
        worker.stop();
    };
    run(&[], true);
    assert!(!scene.path("logs").exists(), "the journal has it");
    run(&["--log-dir", "wanted"], true);
    assert_eq!(files(&scene.path("wanted")).len(), 1);
    run(&[], false);
    assert_eq!(
        files(&scene.path("logs")).len(),
        1,
        "that journal is another stream's"
    );
}

#[test]
fn debug_shows_every_request_with_its_time_and_no_secret() {
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
fn no_file_where_none_is_wanted() {
    let mut scene = scene();
    scene.config["log_dir"] = json!("");
    let worker = scene.start();
    worker.wait_for_line("connected");
    worker.stop();
    assert!(!scene.path("logs").exists());
}

#[test]
fn the_file_is_put_aside_when_it_is_full_and_a_restart_goes_on_with_it() {
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
fn a_full_disk_is_one_warning_and_the_worker_goes_on() {
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
fn lines_for_programs_are_json_each_with_time_level_and_thread() {
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
        assert_eq!(included.unwrap()["thread"], "topic-1");
        assert_eq!(included.unwrap()["level"], "info");
    }
}

#[test]
fn lines_for_the_journal_have_priorities_and_no_times() {
    let scene = scene();
    let text = serde_json::to_string(&scene.config).unwrap();
    write_file(&scene.path("config.json"), &text, 0o600);
    let (stderr, to_stderr) = pipe().unwrap();
    let stream = File::from(OwnedFd::from(to_stderr));
    let metadata = stream.metadata().unwrap();
    let name = format!("{}:{}", metadata.dev(), metadata.ino());
    let journal = variable("JOURNAL_STREAM", name);
    let folder = scene.path("");
    let worker = Worker::start_on(&folder, &[], &[journal], stderr, Stdio::from(stream));
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
