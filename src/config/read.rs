//! One pass over the file's sections: which keys there are, their defaults, their limits.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::walk::{Findings, Section, whole, wrong_kind};
use super::{API_URLS_MAX, Config, ConfigError, TOPICS_MAX, TopicConfig, Url, json, watch};
use crate::decimal::Decimal;
use crate::fee::GasFactor;
use crate::units::{TopicId, Uallo};

const TX_CHECK_RETRIES: u32 = 10;
const TX_CHECK_FREQ: Duration = Duration::from_secs(3);
const NONCE_FETCH_FREQ: Duration = Duration::from_secs(5);
const INFERENCE_FETCH_RETRIES: u32 = 5;
const INFERENCE_FETCH_RETRY_FREQ: Duration = Duration::from_secs(3);

pub(super) const ROOT_KEYS: &[&str] = &[
    "debug",
    "seed_phrase",
    "seed_phrase_file",
    "gas_adjustment",
    "max_fee_uallo",
    "metrics_listen",
    "log_format",
    "log_dir",
    "log_bytes_max",
    "log_files_kept",
    "api_params",
    "topics",
];
pub(super) const API_KEYS: &[&str] = &["api_url", "tx_check_retries", "tx_check_freq"];
pub(super) const TOPIC_KEYS: &[&str] = &[
    "topic_id",
    "inference_url",
    "nonce_fetch_freq",
    "inference_fetch_retries",
    "inference_fetch_retry_freq",
];

/// What one pass over the file gives.
#[derive(Debug)]
pub(super) struct Reading {
    /// The settings; nothing when there are problems that leave them incomplete.
    pub(super) config: Option<Config>,
    pub(super) seed_phrase: Option<Zeroizing<String>>,
    pub(super) seed_phrase_file: Option<PathBuf>,
    pub(super) findings: Findings,
}

impl Reading {
    /// `path` is for messages only.
    pub(super) fn of(text: &str, path: &Path) -> Result<Reading, ConfigError> {
        let mut findings = Findings::default();
        let tree = json::read(text, &mut findings).map_err(|error| ConfigError::NotJson {
            path: path.to_owned(),
            line: error.line,
            column: error.column,
            what: error.what,
        })?;
        let root = Section::open(tree.root(), String::new(), ROOT_KEYS, &mut findings);
        let Some(root) = root else {
            return Ok(Reading {
                config: None,
                seed_phrase: None,
                seed_phrase_file: None,
                findings,
            });
        };
        let seed_phrase = root.text("seed_phrase", &mut findings);
        let seed_phrase = seed_phrase.map(|words| Zeroizing::new(words.to_owned()));
        let seed_phrase_file = root
            .text("seed_phrase_file", &mut findings)
            .map(PathBuf::from);
        let config = read_config(&root, &mut findings);
        Ok(Reading {
            config,
            seed_phrase,
            seed_phrase_file,
            findings,
        })
    }
}

fn read_config(root: &Section<'_>, findings: &mut Findings) -> Option<Config> {
    let debug = root.bool("debug", false, findings);
    let gas_factor = read_gas_factor(root, findings);
    let max_fee = read_max_fee(root, findings);
    let metrics_listen = watch::read_metrics_listen(root, findings);
    let log = watch::read_log(root, findings);

    // A missing section is an empty one: what it must hold is named then.
    let none = Value::Object(Map::new());
    let api_params = root.get("api_params").unwrap_or(&none);
    let api = Section::open(api_params, root.path("api_params"), API_KEYS, findings);
    let api = api.map(|api| {
        let urls = read_api_urls(&api, findings);
        let retries = api.count("tx_check_retries", TX_CHECK_RETRIES, findings);
        (
            urls,
            retries,
            api.seconds("tx_check_freq", TX_CHECK_FREQ, findings),
        )
    });
    let topics = read_topics(root, findings);
    let (api_urls, tx_check_retries, tx_check_freq) = api?;
    Some(Config {
        debug,
        gas_factor,
        max_fee,
        api_urls,
        tx_check_retries,
        tx_check_freq,
        metrics_listen,
        log,
        topics,
    })
}

fn read_gas_factor(root: &Section<'_>, findings: &mut Findings) -> GasFactor {
    let key = "gas_adjustment";
    let Some(number) = root.positive(key, "1.5", findings) else {
        return GasFactor::DEFAULT;
    };
    match GasFactor::from_decimal(&number) {
        Ok(factor) => {
            if factor < GasFactor::MIN_EFFECTIVE {
                findings.warnings.push(format!(
                    "{}: below 1.25, using 1.25 (a block uses 12 to 13 % more gas than \
                     simulating says)",
                    root.path(key)
                ));
            }
            factor.effective()
        }
        Err(error) => {
            findings.problem(
                root.path(key),
                format!("must be at most 100; found {error}"),
            );
            GasFactor::DEFAULT
        }
    }
}

fn read_max_fee(root: &Section<'_>, findings: &mut Findings) -> Option<Uallo> {
    let key = "max_fee_uallo";
    let default = "no limit";
    let number = match root.get(key) {
        // Amounts beyond 2^53 are mostly written as text, since many tools spoil such numbers.
        Some(Value::String(text)) => {
            let number = Decimal::parse(text.trim()).map_err(|error| error.to_string());
            root.above_zero(key, number, default, findings)
        }
        _ => root.positive(key, default, findings),
    }?;
    let fee = whole(&number);
    if fee.is_none() {
        findings.problem(root.path(key), "must be a whole number of uallo");
    }
    fee.map(Uallo)
}

fn read_api_urls(api: &Section<'_>, findings: &mut Findings) -> Vec<Url> {
    let key = "api_url";
    let path = api.path(key);
    let empty = "is empty; fill in the URL of a chain node's API (LCD), such as \
                 https://allora-api.testnet.allora.network";
    let one = |value: &Value, path: String, findings: &mut Findings| match value {
        Value::String(text) if text.trim().is_empty() => {
            findings.problem(path, empty);
            None
        }
        Value::String(text) => {
            let url = Url::parse_base(text.trim());
            url.map_err(|error| findings.problem(path, error.to_string()))
                .ok()
        }
        other => {
            findings.problem(
                path,
                wrong_kind("a text in quotes, or a list of them", other),
            );
            None
        }
    };
    let values = match api.get(key) {
        None => {
            findings.problem(path, empty);
            return Vec::new();
        }
        Some(Value::Array(values)) => values,
        Some(value) => return one(value, path, findings).into_iter().collect(),
    };
    if values.is_empty() || values.len() > API_URLS_MAX {
        let text = format!(
            "must name 1 to {API_URLS_MAX} nodes; found {}",
            values.len()
        );
        findings.problem(path, text);
        return Vec::new();
    }
    let mut urls = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match one(value, path.clone(), findings) {
            Some(url) if urls.contains(&url) => {
                findings.problem(path, "is in the list already; remove one of them");
            }
            url => urls.extend(url),
        }
    }
    urls
}

fn read_topics(root: &Section<'_>, findings: &mut Findings) -> Vec<TopicConfig> {
    let path = root.path("topics");
    let values = match root.get("topics") {
        None => &Vec::new(),
        Some(Value::Array(values)) => values,
        Some(other) => {
            findings.problem(path, wrong_kind("a list of topics", other));
            return Vec::new();
        }
    };
    if values.is_empty() {
        let example = r#"{"topic_id": 1, "inference_url": "http://localhost:8000/ETH"}"#;
        findings.problem(
            path,
            format!("is empty; add a topic to serve, such as {example}"),
        );
        return Vec::new();
    }
    if values.len() > TOPICS_MAX {
        let text = format!(
            "has {} topics; at most {TOPICS_MAX} are served",
            values.len()
        );
        findings.problem(path, text);
        return Vec::new();
    }
    let mut first_places = HashMap::new();
    let mut topics = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(section) = Section::open(value, path.clone(), TOPIC_KEYS, findings) else {
            continue;
        };
        let topic = read_topic_id(&section, findings);
        if let Some(topic) = topic
            && let Some(first) = first_places.insert(topic, path)
        {
            let text = format!("topic {topic} is in {first} already; remove one of them");
            findings.problem(section.path("topic_id"), text);
        }
        topics.extend(read_topic(&section, topic, findings));
    }
    topics
}

fn read_topic(
    section: &Section<'_>,
    topic: Option<TopicId>,
    findings: &mut Findings,
) -> Option<TopicConfig> {
    let inference_url = read_inference_url(section, findings);
    let nonce_fetch_freq = section.seconds("nonce_fetch_freq", NONCE_FETCH_FREQ, findings);
    let inference_fetch_retries =
        section.count("inference_fetch_retries", INFERENCE_FETCH_RETRIES, findings);
    let inference_fetch_retry_freq = section.seconds(
        "inference_fetch_retry_freq",
        INFERENCE_FETCH_RETRY_FREQ,
        findings,
    );
    Some(TopicConfig {
        topic: topic?,
        inference_url: inference_url?,
        nonce_fetch_freq,
        inference_fetch_retries,
        inference_fetch_retry_freq,
    })
}

fn read_topic_id(section: &Section<'_>, findings: &mut Findings) -> Option<TopicId> {
    let key = "topic_id";
    let text = match section.get(key) {
        None => "is missing; fill in the number of the topic to serve".to_owned(),
        Some(Value::Number(number)) => match number.as_u64() {
            Some(id @ 1..) => return Some(TopicId(id)),
            _ => "must be a whole number from 1".to_owned(),
        },
        Some(other) => wrong_kind("a number", other),
    };
    findings.problem(section.path(key), text);
    None
}

fn read_inference_url(section: &Section<'_>, findings: &mut Findings) -> Option<Url> {
    let key = "inference_url";
    let problems_before = findings.problems.len();
    let Some(text) = section.text(key, findings) else {
        if findings.problems.len() == problems_before {
            let text = "is empty; fill in the URL where your model answers with a number, such \
                        as http://localhost:8000/ETH";
            findings.problem(section.path(key), text);
        }
        return None;
    };
    let url = Url::parse(text);
    url.map_err(|error| findings.problem(section.path(key), error.to_string()))
        .ok()
}
