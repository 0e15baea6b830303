//! What the chain says a topic is (protocol.md section 3.2).

use serde::Deserialize;

use crate::chain::answers::above_zero;
use crate::chain::decode::{decode, digits, shape};
use crate::chain::error::ErrorKind;
use crate::http::Reply;
use crate::text::excerpt;
use crate::values::decimal::Decimal;
use crate::values::labels::LabelRules;
use crate::values::topic::{Arity, TopicInfo};
use crate::values::units::{Nonce, TopicId};

/// The most labels of a topic's list that are believed; the chain's own limit is 256 by default.
const WHITELIST_MAX: usize = 10_000;

#[derive(Deserialize)]
struct RawTopic {
    topic: RawTopicFields,
}

#[derive(Deserialize)]
struct RawTopicFields {
    #[serde(deserialize_with = "digits")]
    id: u64,
    #[serde(deserialize_with = "digits")]
    epoch_length: u64,
    #[serde(deserialize_with = "digits")]
    worker_submission_window: u64,
    output_arity: Option<String>,
    #[serde(deserialize_with = "digits")]
    epoch_last_ended: u64,
    require_unity: Option<bool>,
    unity_tolerance: Option<String>,
    max_labels_per_submission: Option<String>,
    label_whitelist: Option<Vec<String>>,
    label_default_value: Option<String>,
    label_case_sensitive: Option<bool>,
}

/// Decodes `topics/{topic}`.
///
/// # Errors
/// When the reply is no such answer, or when a topic of labelled values does not tell its rules.
pub fn topic(reply: &Reply) -> Result<TopicInfo, ErrorKind> {
    let RawTopic { topic } = decode(reply)?;
    let arity = match topic.output_arity.as_deref() {
        None | Some("TOPIC_OUTPUT_ARITY_SINGLE") => Arity::Single,
        Some("TOPIC_OUTPUT_ARITY_MULTI") => Arity::Multi(
            rules(&topic).ok_or_else(|| shape("a labelled topic without its rules", reply))?,
        ),
        Some(other) => Arity::Other(excerpt(other.as_bytes())),
    };
    Ok(TopicInfo {
        id: TopicId(topic.id),
        epoch_length: topic.epoch_length,
        worker_submission_window: topic.worker_submission_window,
        arity,
        last_nonce: above_zero(topic.epoch_last_ended).map(Nonce),
    })
}

fn rules(topic: &RawTopicFields) -> Option<LabelRules> {
    let decimal = |text: &Option<String>| Decimal::parse(text.as_deref()?).ok();
    let whitelist = topic.label_whitelist.clone()?;
    Some(LabelRules {
        whitelist: (whitelist.len() <= WHITELIST_MAX).then_some(whitelist)?,
        count_max: topic.max_labels_per_submission.as_deref()?.parse().ok()?,
        case_sensitive: topic.label_case_sensitive?,
        require_unity: topic.require_unity?,
        unity_tolerance: decimal(&topic.unity_tolerance)?,
        default_value: decimal(&topic.label_default_value)?,
    })
}
