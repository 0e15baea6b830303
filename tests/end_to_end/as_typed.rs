//! The quick start of README.md and the models of docs/models.md, run as they are typed, and the
//! worker with the settings beside them. Only ports are exchanged for free ones, and the public
//! endpoint for the simulated chain.

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use allora_localnet::chain::labels::Labels;
use allora_localnet::chain::message::Api;
use allora_localnet::play::options::{Options, multi};
use serde_json::Value;

use crate::support::*;

const README: &str = include_str!("../../README.md");
const MODELS: &str = include_str!("../../docs/models.md");

/// The blocks of this language in a section of a page, without the indentation of a list.
fn blocks(page: &str, section: &str, language: &str) -> Vec<String> {
    let begin = format!("\n## {section}\n");
    let text = page.split(&begin).nth(1).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let parts: Vec<&str> = text.split("```").collect();
    let mut found = Vec::new();
    for around in parts.windows(2).step_by(2) {
        let (before, block) = (around[0], around[1]);
        let indentation = before.rsplit('\n').next().unwrap();
        if let Some(block) = block.strip_prefix(&format!("{language}\n")) {
            let lines = block.lines();
            let lines = lines.map(|line| line.strip_prefix(indentation).unwrap_or(line));
            found.push(lines.collect::<Vec<_>>().join("\n"));
        }
    }
    found
}

fn the_block(page: &str, section: &str, language: &str) -> String {
    let mut blocks = blocks(page, section, language);
    assert_eq!(blocks.len(), 1, "{section} has one block of {language}");
    blocks.remove(0)
}

/// A free port for each of the page's.
struct Ports(Vec<(&'static str, String)>);

impl Ports {
    fn new() -> Ports {
        let listeners =
            ["8000", "8001", "8002"].map(|port| (port, TcpListener::bind("127.0.0.1:0").unwrap()));
        let free = |(port, listener): (&'static str, TcpListener)| {
            (port, listener.local_addr().unwrap().port().to_string())
        };
        Ports(listeners.map(free).into())
    }

    fn exchange(&self, text: &str) -> String {
        let each = self.0.iter();
        each.fold(text.to_owned(), |text, (port, free)| {
            text.replace(port, free)
        })
    }
}

/// A model of the page; killed when dropped.
struct Python(Child);

impl Python {
    fn start(page: &str, section: &str, ports: &Ports, folder: &Path) -> Python {
        let code = ports.exchange(&the_block(page, section, "python"));
        let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 10, "{section}: a model of {lines} lines");
        let (_, port) = code.split_once("(\"127.0.0.1\", ").unwrap();
        let port: u16 = port.split(')').next().unwrap().parse().unwrap();
        let path = folder.join(format!("{port}.py"));
        write_file(&path, &code, 0o600);
        let child = Command::new("python3")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "{section}: nothing listens");
            thread::sleep(Duration::from_millis(20));
        }
        Python(child)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // why: it may have ended already, and then there is nothing to end
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says so if there is no Python.
fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok();
    if !has {
        eprintln!("left out: there is no python3 here, the page's models were not run");
    }
    has
}

#[test]
fn the_quick_start_works_as_typed() {
    const SECTION: &str = "Quick start on testnet";
    if !has_python() {
        return;
    }
    let ports = Ports::new();
    let folder = tempfile::tempdir().unwrap();
    let _model = Python::start(README, SECTION, &ports, folder.path());
    let scene = Scene::with(Api::V10, vec![one_window(69, START + 20)], |options| {
        Options {
            chain_id: "allora-testnet-1".to_owned(),
            ..options
        }
    });
    let commands = blocks(README, SECTION, "").join("\n");
    let typed = commands
        .lines()
        .filter_map(|line| line.strip_prefix("target/release/allora-worker "))
        .map(|line| line.split(' ').map(OsString::from).collect::<Vec<_>>());
    let typed: Vec<Vec<OsString>> = typed.collect();
    let [keygen, check, run] = &typed[..] else {
        panic!("keygen, check and run: {typed:?}");
    };
    let ended = Worker::start(folder.path(), keygen, &[]).ended();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    scene.net.fund(ended.stdout.trim(), 100_000_000_000_000_000); // 0.1 ALLO, as the page says
    let mut config: Value =
        serde_json::from_str(&ports.exchange(&the_block(README, SECTION, "json"))).unwrap();
    config["api_params"]["api_url"] = scene.net.node_url(0).into();
    write_file(
        &folder.path().join("config.json"),
        &config.to_string(),
        0o600,
    );
    let ended = Worker::start(folder.path(), check, &[]).ended();
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    let worker = Worker::start(folder.path(), run, &[]);
    worker.wait_for_line("included in block");
    worker.stop();
    assert_eq!(values(&scene.net.report(), 69)[0], "97250.5");
}

#[test]
fn the_models_of_the_page_work_as_typed() {
    if !has_python() {
        return;
    }
    let sections = ["One number", "Labelled values", "Forecasts"];
    // why: started before the chain, whose blocks do not wait for the models
    let ports = Ports::new();
    let folder = tempfile::tempdir().unwrap();
    let start = |section: &&str| Python::start(MODELS, section, &ports, folder.path());
    let _models: Vec<Python> = sections.iter().map(start).collect();
    let mut topics: Vec<_> = (1..=3).map(|id| topic(id, START + 4)).collect();
    topics[1] = multi(topics[1].clone(), Labels::up_down_flat().unwrap());
    let mut scene = Scene::new(Api::V10, topics);
    scene.register();
    for (at, section) in sections.iter().enumerate() {
        let settings = ports.exchange(&the_block(MODELS, section, "json"));
        let settings: Value = serde_json::from_str(&settings).unwrap();
        let topic = scene.config["topics"][at].as_object_mut().unwrap();
        topic.extend(settings.as_object().unwrap().clone());
    }
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1, 2, 3], 1);
    assert_all_served(&report, &[1, 2, 3]);
    assert_eq!(values(&report, 1)[0], "3021.57");
    let ended = worker.stop();
    for wrong in ["goes alone", "no inference", "skipped:"] {
        assert!(!ended.stderr.contains(wrong), "{}", ended.stderr);
    }
}

#[test]
fn every_setting_of_the_page_is_taken() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 4)]);
    write_file(&scene.path("model_key"), "key\n", 0o600);
    for section in ["Custom requests", "Guards"] {
        for settings in blocks(MODELS, section, "json") {
            let settings: Value = serde_json::from_str(&settings).unwrap();
            scene.config["topics"] = Value::Array(vec![settings]);
            scene.arguments = vec!["run".into()];
            let worker = scene.start();
            worker.wait_for_line("connected: chain id");
            worker.stop();
        }
    }
}
