//! Alerts, dashboard and documentation name only metrics that exist, and every alert is documented.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test is a panic that says where"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use allora_worker::chain::Chain;
use allora_worker::chain::lcd::Lcd;
use allora_worker::http::Http;
use allora_worker::monitoring::metrics;
use allora_worker::monitoring::view::View;
use allora_worker::values::units::TopicId;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The worker's metric families, each with its kind.
fn families() -> Vec<(String, String)> {
    let lcd = Lcd::new(Http::default(), &["http://localhost:1".to_owned()], None, 1);
    let chain = Chain::new(lcd, "allo1address".to_owned(), "allo1address".to_owned());
    chain.board.serves(TopicId(1), Duration::MAX);
    let mut text = String::new();
    metrics::write(View::of(&chain), &mut text).unwrap();
    let declared = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|rest| rest.split_once(' ').unwrap());
    declared
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// The names that a query uses for the families' samples.
fn samples() -> BTreeSet<String> {
    let mut samples = BTreeSet::new();
    for (name, kind) in families() {
        let suffixes: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "gauge" => &[""],
            other => panic!("{name} is a {other}"),
        };
        samples.extend(suffixes.iter().map(|suffix| format!("{name}{suffix}")));
    }
    samples
}

/// Every metric of the worker that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words
        .filter(|word| word.starts_with("allora_worker_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_exist() {
    let samples = samples();
    for path in [
        "monitoring/alerts.yml",
        "monitoring/alerts_test.yml",
        "monitoring/dashboard.json",
        "docs/alerts.md",
    ] {
        let named = named(&read(path));
        assert!(!named.is_empty() || path.ends_with(".md"), "{path}");
        let families: BTreeSet<String> = families().into_iter().map(|(name, _)| name).collect();
        for name in named {
            let is_prose = path.ends_with(".md") && families.contains(&name);
            assert!(samples.contains(&name) || is_prose, "{path}: {name}");
        }
    }
}

#[test]
fn the_page_lists_every_metric_once_by_its_queried_name() {
    let page = read("docs/monitoring.md");
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|rest| rest.split('`').next().unwrap())
        .filter(|name| !name.starts_with('/')) // paths have their own table
        .collect();
    let listed: BTreeSet<String> = rows
        .iter()
        .map(|row| format!("allora_worker_{}", row.split('{').next().unwrap()))
        .collect();
    let existing: BTreeSet<String> = families()
        .into_iter()
        .map(|(name, kind)| match kind.as_str() {
            "counter" => name + "_total",
            _ => name,
        })
        .collect();
    assert_eq!(listed, existing);
    assert_eq!(rows.len(), listed.len(), "no metric is listed twice");
}

#[test]
fn every_alert_is_documented_and_every_documented_alert_exists() {
    let rules = read("monitoring/alerts.yml");
    let page = read("docs/alerts.md");
    let of = |text: &str, start: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim_start);
        let names = lines.filter_map(|line| line.strip_prefix(start));
        names.map(str::to_owned).collect()
    };
    let alerts = of(&rules, "- alert: ");
    assert_eq!(alerts, of(&page, "## "), "in the same order");
    let books = of(&rules, "runbook_url: ");
    for (alert, book) in alerts.iter().zip(&books) {
        let anchor = format!("docs/alerts.md#{}", alert.to_lowercase());
        assert_eq!(*book, anchor);
    }
    assert_eq!(alerts.len(), books.len());
}

#[test]
fn every_dashboard_panel_takes_its_data_source_from_the_variable() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("monitoring/dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
}
