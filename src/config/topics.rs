//! The settings of one topic.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::inference::{FORECAST, INFERENCE, read_model, read_pointer};
use super::section::{Section, Setting};
use crate::model::endpoint::{MODEL_SECONDS_MAX, ModelConfig};
use crate::model::guard::{Guards, OnGuard};
use crate::values::decimal::Decimal;
use crate::values::exact::Exact;
use crate::values::units::TopicId;

/// The most topics of one worker.
pub const TOPICS_MAX: usize = 1_000;

/// A topic that is served. It has an inference, a forecast, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// `topic_id`.
    pub topic: TopicId,
    /// `inference_url` and its companions: the model for the inference.
    pub inference: Option<ModelConfig>,
    /// `forecast_url` and its companions: the model for the forecast.
    pub forecast: Option<ModelConfig>,
    /// `min`, `max`, `max_change`, `max_deviation`, `max_age`, `time_pointer`, `on_guard`.
    pub guards: Guards,
    /// `nonce_fetch_freq`: the shortest regular time between two polls of the window.
    pub nonce_fetch_freq: Duration,
    /// `inference_fetch_retries`: the quick retries when the model fails.
    pub inference_fetch_retries: u32,
    /// `inference_fetch_retry_freq`: the time between two quick retries.
    pub inference_fetch_retry_freq: Duration,
}

pub(super) fn read_topics(topics: &Setting<'_>, config_path: &Path) -> Vec<TopicConfig> {
    if topics.value.is_some_and(|value| !value.is_array()) {
        topics.wrong_kind("a list of topics");
        return Vec::new();
    }
    let items = topics.items();
    if items.is_empty() {
        let example = r#"{"topic_id": 1, "inference_url": "http://localhost:8000/ETH"}"#;
        topics.problem(format!("is empty; add a topic to serve, such as {example}"));
    }
    if items.len() > TOPICS_MAX {
        let count = items.len();
        topics.problem(format!(
            "has {count} topics; at most {TOPICS_MAX} are served"
        ));
        return Vec::new();
    }
    let mut first_places = HashMap::new();
    let read = |item: &Setting<'_>| {
        item.section(|section| {
            let setting = section.key("topic_id");
            let topic = read_topic_id(&setting);
            if let Some(topic) = topic
                && let Some(first) = first_places.insert(topic, item.path.clone())
            {
                setting.problem(format!(
                    "topic {topic} is in {first} already; remove one of them"
                ));
            }
            read_topic(section, topic, config_path)
        })
    };
    items.iter().filter_map(read).flatten().collect()
}

/// A number, also as a text.
fn read_topic_id(setting: &Setting<'_>) -> Option<TopicId> {
    let id = match setting.value {
        None => {
            setting.problem("is missing; fill in the number of the topic to serve");
            return None;
        }
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => {
            setting.wrong_kind("a number");
            return None;
        }
    };
    let id = id.filter(|id| *id > 0);
    if id.is_none() {
        setting.problem("must be a whole number from 1");
    }
    id.map(TopicId)
}

/// Reads the rest of a topic. `None` without an ID, which is a problem already.
pub(super) fn read_topic(
    section: &Section<'_>,
    topic: Option<TopicId>,
    config_path: &Path,
) -> Option<TopicConfig> {
    let time_max = section.key("inference_timeout").seconds(MODEL_SECONDS_MAX);
    let inference = read_model(section, INFERENCE, time_max, config_path);
    let forecast = read_model(section, FORECAST, time_max, config_path);
    if inference.is_none() && forecast.is_none() {
        section.key("inference_url").problem(
            "is empty; fill in the URL where your model answers with a number, such as \
             http://localhost:8000/ETH",
        );
    }
    let freq = section.key("nonce_fetch_freq");
    let retries = section.key("inference_fetch_retries");
    let retry_freq = section.key("inference_fetch_retry_freq");
    Some(TopicConfig {
        guards: read_guards(section, inference.is_some()),
        inference,
        forecast,
        nonce_fetch_freq: freq.in_check_and_log().seconds(5),
        inference_fetch_retries: retries.in_check().count(5),
        inference_fetch_retry_freq: retry_freq.in_check().seconds(3),
        // why: last, so that all other settings are read
        topic: topic?,
    })
}

/// Guards are for the inference, and refused without one.
fn read_guards(section: &Section<'_>, has_inference: bool) -> Guards {
    let min = section.key("min").or_text();
    let max = section.key("max").or_text();
    let max_change = section.key("max_change").or_text();
    let max_deviation = section.key("max_deviation").or_text();
    let max_age = section.key("max_age");
    let time_pointer = section.key("time_pointer");
    let on_guard = section.key("on_guard");
    for setting in [
        &min,
        &max,
        &max_change,
        &max_deviation,
        &max_age,
        &time_pointer,
        &on_guard,
    ] {
        if setting.is_set() && !has_inference {
            setting.problem("is of no use without inference_url: guards are for the inference");
        }
    }
    if time_pointer.is_set() && !max_age.is_set() {
        time_pointer.problem("is of no use without max_age");
    }
    if time_pointer.is_set() && !section.key("value_pointer").is_set() {
        time_pointer.problem(
            "is of no use without value_pointer: an answer that is the value states no time",
        );
    }
    let guards = Guards {
        min: min.number(),
        max: max.number(),
        max_change: ratio(&max_change),
        max_deviation: ratio(&max_deviation),
        max_age: max_age.time().unwrap_or_else(|_| {
            max_age.problem("must be a time above zero, in seconds");
            None
        }),
        time_pointer: read_pointer(&time_pointer),
        on_guard: on_guard.one_of([("skip", OnGuard::Skip), ("warn", OnGuard::Warn)]),
    };
    if let (Some(lower), Some(upper)) = (&guards.min, &guards.max)
        && Exact::of(lower) > Exact::of(upper)
    {
        min.problem("is above max: no value would pass");
    }
    guards
}

fn ratio(setting: &Setting<'_>) -> Option<Decimal> {
    let ratio = setting.number()?;
    if ratio.is_zero() || ratio.is_negative() {
        setting.problem("must be a ratio above zero, such as 0.2 for a fifth");
    }
    Some(ratio)
}
