//! The file's topics: each one's keys, with their defaults and limits.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::guards::{read_guards, refuse_guards};
use super::model::{self, read_model};
use super::section::{Findings, Section, wrong_kind};
use super::{TOPICS_MAX, TopicConfig};
use crate::values::units::TopicId;

const NONCE_FETCH_FREQ: Duration = Duration::from_secs(5);
const INFERENCE_FETCH_RETRIES: u32 = 5;
const INFERENCE_FETCH_RETRY_FREQ: Duration = Duration::from_secs(3);

pub(super) const TOPIC_KEYS: &[&str] = &[
    "topic_id",
    "inference_url",
    "inference_headers",
    "inference_body",
    "value_pointer",
    "inference_timeout",
    "forecast_url",
    "forecast_headers",
    "forecast_body",
    "forecast_pointer",
    "min",
    "max",
    "max_change",
    "max_age",
    "time_pointer",
    "on_guard",
    "nonce_fetch_freq",
    "inference_fetch_retries",
    "inference_fetch_retry_freq",
];

pub(super) fn read_topics(
    root: &Section<'_>,
    config_path: &Path,
    findings: &mut Findings,
) -> Vec<TopicConfig> {
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
        let Some(section) = Section::open(value, path.clone(), Some(index), TOPIC_KEYS, findings)
        else {
            continue;
        };
        let topic = read_topic_id(&section, findings);
        if let Some(topic) = topic
            && let Some(first) = first_places.insert(topic, path)
        {
            let text = format!("topic {topic} is in {first} already; remove one of them");
            findings.problem(section.path("topic_id"), text);
        }
        topics.extend(read_topic(&section, topic, config_path, findings));
    }
    topics
}

fn read_topic(
    section: &Section<'_>,
    topic: Option<TopicId>,
    config_path: &Path,
    findings: &mut Findings,
) -> Option<TopicConfig> {
    let inference = read_model(section, &model::INFERENCE, config_path, findings);
    let forecast = read_model(section, &model::FORECAST, config_path, findings);
    if inference == Ok(None) && forecast == Ok(None) {
        let text = "is empty; fill in the URL where your model answers with a number, such \
                    as http://localhost:8000/ETH";
        findings.problem(section.path("inference_url"), text);
    }
    let guards = read_guards(section, findings);
    if inference == Ok(None) {
        refuse_guards(section, findings);
    }
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
        inference: inference.ok()?,
        forecast: forecast.ok()?,
        guards,
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
