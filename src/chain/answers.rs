//! Decodes the answers of the chain's state routes, one function per route (protocol.md section
//! 3.2). Unknown fields are ignored, a missing field is an error: no value is made up.

use std::time::SystemTime;

use serde::Deserialize;
use serde::de::IgnoredAny;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chain::decode::{decode, decode_at, part_at, shape};
use crate::chain::error::ErrorKind;
use crate::chain::meaning::Meaning;
use crate::http::Reply;
use crate::text::Foreign;
use crate::values::decimal::Decimal;
use crate::values::fee::PLACES_MAX;
use crate::values::labels::{LABEL_BYTES_MAX, LabelRules};
use crate::values::payload::{Inference, LabelledValue};
use crate::values::standing::{NetworkInference, Score};
use crate::values::topic::{Arity, TopicInfo, TopicLengths, Window, WindowStatus};
use crate::values::units::{
    AccountNumber, DENOM, Height, Nonce, Sequence, TopicId, Uallo, digits, is_chain_id,
};

/// A longer text is not accepted as a gas price.
const GAS_PRICE_BYTES_MAX: usize = 64;

/// A longer score or network inference is not accepted: the chain's have up to 34 digits.
const NUMBER_BYTES_MAX: usize = 100;

/// A longer label list is not accepted; the chain's own limit is 256 by default.
const WHITELIST_MAX: usize = 10_000;

/// The emissions parameters that concern a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Params {
    /// What the chain takes for a registration, in addition to the transaction's fee.
    pub registration_fee: Uallo,
    /// What the chain takes for every payload, in addition to the transaction's fee.
    pub data_sending_fee: Uallo,
    /// The longest label, in bytes; only v10 names it.
    #[serde(
        rename = "max_canonical_label_byte_length",
        default = "label_bytes_max"
    )]
    #[serde(deserialize_with = "digits")]
    pub label_bytes_max: usize,
    /// The places of a topic's active set, believed up to [`PLACES_MAX`].
    #[serde(rename = "max_top_inferers_to_reward", default = "places")]
    #[serde(deserialize_with = "digits")]
    pub places: usize,
}

/// The chain's default.
fn places() -> usize {
    32
}

fn label_bytes_max() -> usize {
    LABEL_BYTES_MAX
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    pub chain_id: String,
    /// The version of the chain's binary; empty if the node does not name it.
    pub version: Foreign,
    /// Whether transactions can be looked up by hash; true if the node does not say.
    pub tx_index: bool,
}

/// A node's newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    pub height: Height,
    /// The block's time, as the validators agreed on it.
    pub time: SystemTime,
}

/// An account, as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    #[serde(rename = "account_number")]
    pub number: AccountNumber,
    /// The next transaction's sequence, pending transactions not counted.
    pub sequence: Sequence,
}

#[derive(Deserialize)]
struct RawWindowStatus {
    is_open: bool,
    current_nonce_block_height: Nonce,
    window_end_block: Height,
    next_window_start_block: Nonce,
    next_window_end_block: Height,
    is_registered: bool,
    is_whitelisted: bool,
    is_topic_active: bool,
}

pub fn window_status(reply: &Reply) -> Result<WindowStatus, ErrorKind> {
    let raw: RawWindowStatus = decode_at(reply, "")?;
    let window = |nonce: Nonce, end| (nonce.0 > 0).then_some(Window { nonce, end });
    let current = window(raw.current_nonce_block_height, raw.window_end_block);
    let open = match current.filter(|_| raw.is_open) {
        None if raw.is_open => return Err(shape("an open window without a nonce", reply)),
        Some(open) if open.end <= open.nonce.height() => {
            return Err(shape("an open window that ends before it begins", reply));
        }
        open => open,
    };
    Ok(WindowStatus {
        open,
        next: window(raw.next_window_start_block, raw.next_window_end_block),
        is_registered: raw.is_registered,
        is_whitelisted: raw.is_whitelisted,
        is_topic_active: raw.is_topic_active,
    })
}

#[derive(Deserialize)]
struct RawTopic {
    id: TopicId,
    #[serde(deserialize_with = "digits")]
    epoch_length: u64,
    #[serde(deserialize_with = "digits")]
    worker_submission_window: u64,
    output_arity: Option<Foreign>,
    epoch_last_ended: Nonce,
    require_unity: Option<bool>,
    unity_tolerance: Option<String>,
    max_labels_per_submission: Option<String>,
    label_whitelist: Option<Vec<Foreign>>,
    label_default_value: Option<String>,
    label_case_sensitive: Option<bool>,
}

/// A labelled topic without its rules is an error.
pub fn topic(reply: &Reply) -> Result<TopicInfo, ErrorKind> {
    let mut topic: RawTopic = decode_at(reply, "/topic")?;
    let arity = match topic.output_arity.take() {
        Some(other) if other.raw() == "TOPIC_OUTPUT_ARITY_MULTI" => Arity::Multi(
            rules(&mut topic).ok_or_else(|| shape("a labelled topic without its rules", reply))?,
        ),
        Some(other) if other.raw() != "TOPIC_OUTPUT_ARITY_SINGLE" => Arity::Other(other),
        _ => Arity::Single,
    };
    Ok(TopicInfo {
        id: topic.id,
        lengths: TopicLengths {
            epoch_blocks: topic.epoch_length,
            window_blocks: topic.worker_submission_window,
        },
        arity,
        last_nonce: Some(topic.epoch_last_ended).filter(|nonce| nonce.0 > 0),
    })
}

fn rules(topic: &mut RawTopic) -> Option<LabelRules> {
    let decimal = |text: &Option<String>| Decimal::parse(text.as_deref()?).ok();
    let whitelist = topic.label_whitelist.take();
    Some(LabelRules {
        whitelist: whitelist.filter(|labels| labels.len() <= WHITELIST_MAX)?,
        count_max: topic.max_labels_per_submission.as_deref()?.parse().ok()?,
        case_sensitive: topic.label_case_sensitive?,
        require_unity: topic.require_unity?,
        unity_tolerance: decimal(&topic.unity_tolerance)?,
        default_value: decimal(&topic.label_default_value)?,
    })
}

#[derive(Deserialize)]
struct RawScore {
    block_height: Height,
    score: Option<Foreign>,
}

/// What a score route answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreEma {
    /// The nonce of the last inference or forecast that the chain has processed, `None` if there
    /// was none.
    pub served: Option<Height>,
    /// The score; `None` if it is not a number. Nothing depends on it.
    pub score: Option<Decimal>,
}

/// Both score routes answer in this form.
pub fn score_ema(reply: &Reply) -> Result<ScoreEma, ErrorKind> {
    let raw: RawScore = decode_at(reply, "/score")?;
    Ok(ScoreEma {
        served: Some(raw.block_height).filter(|height| height.0 > 0),
        score: raw.score.as_ref().and_then(number),
    })
}

/// A number for people, if it is one, and short.
fn number(text: &Foreign) -> Option<Decimal> {
    let text = Some(text.raw()).filter(|text| text.len() <= NUMBER_BYTES_MAX)?;
    Decimal::parse(text).ok()
}

/// The lowest score in the active set of the last window.
pub fn lowest_score(reply: &Reply) -> Result<Score, ErrorKind> {
    let raw: RawScore = decode_at(reply, "/score")?;
    let nonce = past_nonce(Nonce(raw.block_height.0), reply)?;
    let value = raw.score.as_ref().and_then(number);
    let value = value.ok_or_else(|| shape("a score that is not a number", reply))?;
    Ok(Score { nonce, value })
}

/// A nonce that the answer can know.
fn past_nonce(nonce: Nonce, reply: &Reply) -> Result<Nonce, ErrorKind> {
    match reply.height {
        Some(height) if nonce.height() <= height => Ok(nonce),
        _ => Err(shape("a nonce above the block of the answer", reply)),
    }
}

/// A combined value: v9 has one number, v10 a value for each label.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawCombined {
    Number(Foreign),
    Labelled(Vec<RawLabelled>),
}

#[derive(Deserialize)]
struct RawLabelled {
    label_name: Foreign,
    value: Foreign,
}

/// What the network made of the inferences for the last closed nonce; `None` if there was none.
/// In a topic of one number, v10 gives that a label of its own.
pub fn network_inference(
    reply: &Reply,
    is_labelled: bool,
) -> Result<Option<NetworkInference>, ErrorKind> {
    let nonce: Nonce = decode_at(reply, "/inference_block_height")?;
    if nonce.0 == 0 {
        return Ok(None);
    }
    let nonce = past_nonce(nonce, reply)?;
    let odd = || shape("a combined value that is no inference of the topic", reply);
    let combined = match decode_at(reply, "/network_inferences/combined_value")? {
        RawCombined::Number(text) if !is_labelled => number(&text).map(Inference::Value),
        RawCombined::Labelled(values) if !is_labelled => match values.as_slice() {
            [only] => number(&only.value).map(Inference::Value),
            _ => None,
        },
        RawCombined::Labelled(values) if values.len() <= WHITELIST_MAX => {
            let value = |raw: RawLabelled| {
                let value = number(&raw.value)?;
                let label = raw.label_name;
                Some(LabelledValue { label, value })
            };
            let values: Option<Vec<LabelledValue>> = values.into_iter().map(value).collect();
            let values = values.filter(|values| !values.is_empty());
            values.map(Inference::Labelled)
        }
        RawCombined::Number(_) | RawCombined::Labelled(_) => None,
    };
    let combined = combined.ok_or_else(odd)?;
    Ok(Some(NetworkInference { nonce, combined }))
}

/// How many workers the last closed window of a topic had in its active set, counted up to
/// [`PLACES_MAX`]; `None` if none is closed yet.
pub fn active_workers(reply: &Reply) -> Result<Option<usize>, ErrorKind> {
    let stored: Vec<IgnoredAny> = decode_at(reply, "/inferences/inferences")?;
    let count = stored.len().min(PLACES_MAX);
    Ok(Some(count).filter(|count| *count > 0))
}

pub fn params(reply: &Reply) -> Result<Params, ErrorKind> {
    let params: Params = decode_at(reply, "/params")?;
    Ok(Params {
        places: params.places.min(PLACES_MAX),
        ..params
    })
}

pub fn node_info(reply: &Reply) -> Result<NodeInfo, ErrorKind> {
    let json = decode(reply)?;
    let text = |pointer| part_at::<String>(json, pointer, reply).ok();
    let chain_id = text("/default_node_info/network").unwrap_or_default();
    if !is_chain_id(&chain_id) {
        return Err(shape("no valid chain id", reply));
    }
    Ok(NodeInfo {
        chain_id,
        version: text("/application_version/version")
            .unwrap_or_default()
            .into(),
        tx_index: text("/default_node_info/other/tx_index").is_none_or(|index| index == "on"),
    })
}

/// A node that is syncing is an error: what it answers is from the past.
pub fn caught_up(reply: &Reply) -> Result<(), ErrorKind> {
    let is_syncing: bool = decode_at(reply, "/syncing")?;
    if is_syncing {
        return Err(ErrorKind::Syncing);
    }
    Ok(())
}

#[derive(Deserialize)]
struct RawNodeStatus {
    height: Height,
    timestamp: String,
}

pub fn node_status(reply: &Reply) -> Result<NodeStatus, ErrorKind> {
    let RawNodeStatus { height, timestamp } = decode_at(reply, "")?;
    let time = OffsetDateTime::parse(&timestamp, &Rfc3339)
        .map_err(|_| shape("an invalid block time", reply))?;
    Ok(NodeStatus {
        height,
        time: time.into(),
    })
}

/// `None` if the account does not exist (404, a definite answer).
pub fn account(reply: &Reply) -> Result<Option<Account>, ErrorKind> {
    match decode_at(reply, "/info") {
        Ok(account) => Ok(Some(account)),
        Err(ErrorKind::Chain(error)) if error.meaning() == Some(Meaning::UnknownAccount) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
pub(super) struct RawCoin {
    pub(super) denom: String,
    pub(super) amount: Uallo,
}

pub fn balance(reply: &Reply) -> Result<Uallo, ErrorKind> {
    let coin: RawCoin = decode_at(reply, "/balance")?;
    if coin.denom != DENOM {
        return Err(shape("a balance in another denomination", reply));
    }
    Ok(coin.amount)
}

#[derive(Deserialize)]
struct RawPrice {
    denom: String,
    amount: String,
}

/// The price of one gas in uallo, as decimal text without sign and exponent.
pub fn gas_price(reply: &Reply) -> Result<String, ErrorKind> {
    let RawPrice { denom, amount } = decode_at(reply, "/price")?;
    let (whole, fraction) = amount.split_once('.').unwrap_or((&amount, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_decimal = is_digits(whole) && is_digits(fraction);
    if denom != DENOM || !is_decimal || amount.len() > GAS_PRICE_BYTES_MAX {
        return Err(shape("a gas price that is not a number of uallo", reply));
    }
    Ok(amount)
}
