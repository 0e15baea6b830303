//! The models of docs/models.md, run as they are typed, and the worker with the settings beside
//! them. Only the ports are exchanged for free ones.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use allora_localnet::chain::labels::Labels;
use allora_localnet::chain::message::Api;
use allora_localnet::play::options::multi;
use serde_json::Value;

use crate::support::*;

const PAGE: &str = include_str!("../../docs/models.md");

/// The section's blocks of this language.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let begin = format!("\n## {section}\n");
    let text = PAGE.split(&begin).nth(1).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let parts = text.split("```").skip(1).step_by(2);
    let blocks = parts.filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    blocks.map(str::to_owned).collect()
}

fn the_block(section: &str, language: &str) -> String {
    let mut blocks = blocks(section, language);
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
    fn start(section: &str, ports: &Ports, folder: &Path) -> Python {
        let code = ports.exchange(&the_block(section, "python"));
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

#[test]
fn the_models_of_the_page_work_as_typed() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("left out: there is no python3 here, the page's models were not run");
        return;
    }
    let sections = ["One number", "Labelled values", "Forecasts"];
    // why: started before the chain, whose blocks do not wait for the models
    let ports = Ports::new();
    let folder = tempfile::tempdir().unwrap();
    let start = |section: &&str| Python::start(section, &ports, folder.path());
    let _models: Vec<Python> = sections.iter().map(start).collect();
    let mut topics: Vec<_> = (1..=3).map(|id| topic(id, START + 4)).collect();
    topics[1] = multi(topics[1].clone(), Labels::up_down_flat().unwrap());
    let mut scene = Scene::new(Api::V10, topics);
    scene.register();
    for (at, section) in sections.iter().enumerate() {
        let settings = ports.exchange(&the_block(section, "json"));
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
        for settings in blocks(section, "json") {
            let settings: Value = serde_json::from_str(&settings).unwrap();
            scene.config["topics"] = Value::Array(vec![settings]);
            scene.arguments = vec!["run".into()];
            let worker = scene.start();
            worker.wait_for_line("connected: chain id");
            worker.stop();
        }
    }
}
