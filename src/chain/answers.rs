//! What the chain's state routes answer, as typed values, one function per route. Pure, so that
//! every recorded answer can be held against it. Unknown fields are ignored, missing ones are an
//! error: a value is never made up.

use std::time::SystemTime;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chain::decode::{decode, digits, shape};
use crate::chain::error::ErrorKind;
use crate::chain::meaning::Meaning;
use crate::http::Reply;
use crate::values::labels::LABEL_BYTES_MAX;
use crate::values::topic::{Window, WindowStatus};
use crate::values::units::{AccountNumber, Height, Nonce, Sequence, Uallo};

/// The longest text of a gas price that is believed to be one.
const GAS_PRICE_BYTES_MAX: usize = 64;

/// The base denomination.
pub const DENOM: &str = "uallo";

/// The emissions parameters that a worker pays by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Taken for a registration, beside the transaction's fee.
    pub registration_fee: Uallo,
    /// Taken for every payload, beside the transaction's fee.
    pub data_sending_fee: Uallo,
    /// The longest label, in bytes (v10).
    pub label_bytes_max: usize,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// The chain's id.
    pub chain_id: String,
    /// The chain's version, as the binary names it; empty if it does not.
    pub version: String,
    /// Whether transactions can be looked up by hash; taken for granted if the node does not say.
    pub tx_index: bool,
}

/// A node's newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its height.
    pub height: Height,
    /// Its time, as the chain's validators agreed on it.
    pub time: SystemTime,
}

/// An account, as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Part of every signature.
    pub number: AccountNumber,
    /// The number of the next transaction, nothing pending counted.
    pub sequence: Sequence,
}

/// The height of an answer, 0 standing for none.
pub(super) fn above_zero(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

#[derive(Deserialize)]
struct RawWindowStatus {
    is_open: bool,
    #[serde(deserialize_with = "digits")]
    current_nonce_block_height: u64,
    #[serde(deserialize_with = "digits")]
    window_end_block: u64,
    #[serde(deserialize_with = "digits")]
    next_window_start_block: u64,
    #[serde(deserialize_with = "digits")]
    next_window_end_block: u64,
    is_registered: bool,
    is_whitelisted: bool,
    is_topic_active: bool,
}

/// Decodes `worker_submission_window_status`.
///
/// # Errors
/// When the reply is no such answer; so for every function here.
pub fn window_status(reply: &Reply) -> Result<WindowStatus, ErrorKind> {
    let raw: RawWindowStatus = decode(reply)?;
    let window = |nonce, end| {
        above_zero(nonce).map(|nonce| Window {
            nonce: Nonce(nonce),
            end: Height(end),
        })
    };
    let open = raw
        .is_open
        .then(|| window(raw.current_nonce_block_height, raw.window_end_block));
    let open = match open {
        Some(None) => return Err(shape("an open window without a nonce", reply)),
        Some(open) => open,
        None => None,
    };
    if open.is_some_and(|open| open.end <= open.nonce.height()) {
        return Err(shape("an open window that ends before it begins", reply));
    }
    Ok(WindowStatus {
        open,
        next: window(raw.next_window_start_block, raw.next_window_end_block),
        is_registered: raw.is_registered,
        is_whitelisted: raw.is_whitelisted,
        is_topic_active: raw.is_topic_active,
    })
}

#[derive(Deserialize)]
struct RawScore {
    score: RawScoreFields,
}

#[derive(Deserialize)]
struct RawScoreFields {
    #[serde(deserialize_with = "digits")]
    block_height: u64,
}

/// Decodes `inferer_score_ema`: the nonce of the last inference processed, `None` if there was none.
pub fn inferer_score_ema(reply: &Reply) -> Result<Option<Height>, ErrorKind> {
    let RawScore { score } = decode(reply)?;
    Ok(above_zero(score.block_height).map(Height))
}

#[derive(Deserialize)]
struct RawParams {
    params: RawParamsFields,
}

#[derive(Deserialize)]
struct RawParamsFields {
    #[serde(deserialize_with = "digits")]
    registration_fee: u128,
    #[serde(deserialize_with = "digits")]
    data_sending_fee: u128,
    max_canonical_label_byte_length: Option<String>,
}

/// Decodes `params`.
pub fn params(reply: &Reply) -> Result<Params, ErrorKind> {
    let RawParams { params } = decode(reply)?;
    let label_bytes_max = match params.max_canonical_label_byte_length {
        None => LABEL_BYTES_MAX,
        Some(text) => text
            .parse()
            .map_err(|_| shape("a label length that is no number", reply))?,
    };
    Ok(Params {
        label_bytes_max,
        registration_fee: Uallo(params.registration_fee),
        data_sending_fee: Uallo(params.data_sending_fee),
    })
}

#[derive(Deserialize)]
struct RawNodeInfo {
    default_node_info: RawDefaultNodeInfo,
    application_version: Option<RawVersion>,
}

#[derive(Deserialize)]
struct RawDefaultNodeInfo {
    network: String,
    other: Option<RawNodeOther>,
}

#[derive(Deserialize)]
struct RawNodeOther {
    tx_index: Option<String>,
}

#[derive(Deserialize)]
struct RawVersion {
    #[serde(default)]
    version: String,
}

/// Decodes `node_info`.
pub fn node_info(reply: &Reply) -> Result<NodeInfo, ErrorKind> {
    let raw: RawNodeInfo = decode(reply)?;
    let tx_index = raw.default_node_info.other.and_then(|other| other.tx_index);
    if raw.default_node_info.network.is_empty() {
        return Err(shape("no chain id", reply));
    }
    Ok(NodeInfo {
        chain_id: raw.default_node_info.network,
        version: raw
            .application_version
            .map(|version| version.version)
            .unwrap_or_default(),
        tx_index: tx_index.is_none_or(|tx_index| tx_index == "on"),
    })
}

#[derive(Deserialize)]
struct RawSyncing {
    syncing: bool,
}

/// Decodes `syncing`.
pub fn syncing(reply: &Reply) -> Result<bool, ErrorKind> {
    decode(reply).map(|RawSyncing { syncing }| syncing)
}

#[derive(Deserialize)]
struct RawNodeStatus {
    #[serde(deserialize_with = "digits")]
    height: u64,
    timestamp: String,
}

/// Decodes `status` of the node.
pub fn node_status(reply: &Reply) -> Result<NodeStatus, ErrorKind> {
    let raw: RawNodeStatus = decode(reply)?;
    let time = OffsetDateTime::parse(&raw.timestamp, &Rfc3339)
        .map_err(|_| shape("a block time that is no time", reply))?;
    Ok(NodeStatus {
        height: Height(raw.height),
        time: time.into(),
    })
}

#[derive(Deserialize)]
struct RawAccount {
    info: RawAccountInfo,
}

#[derive(Deserialize)]
struct RawAccountInfo {
    #[serde(deserialize_with = "digits")]
    account_number: u64,
    #[serde(deserialize_with = "digits")]
    sequence: u64,
}

/// Decodes `account_info`; `None`: the chain does not know the account (404, a definite answer).
pub fn account(reply: &Reply) -> Result<Option<Account>, ErrorKind> {
    match decode(reply) {
        Ok(RawAccount { info }) => Ok(Some(Account {
            number: AccountNumber(info.account_number),
            sequence: Sequence(info.sequence),
        })),
        Err(ErrorKind::Chain(error)) if error.meaning() == Some(Meaning::UnknownAccount) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct RawBalance {
    balance: RawCoin,
}

#[derive(Deserialize)]
pub(super) struct RawCoin {
    pub(super) denom: String,
    #[serde(deserialize_with = "digits")]
    pub(super) amount: u128,
}

/// Decodes `balances/{address}/by_denom`.
pub fn balance(reply: &Reply) -> Result<Uallo, ErrorKind> {
    let RawBalance { balance } = decode(reply)?;
    if balance.denom != DENOM {
        return Err(shape("a balance in another denomination", reply));
    }
    Ok(Uallo(balance.amount))
}

#[derive(Deserialize)]
struct RawGasPrice {
    price: RawPrice,
}

#[derive(Deserialize)]
struct RawPrice {
    denom: String,
    amount: String,
}

/// Decodes `gas_price/uallo`: uallo per unit of gas, as decimal text without sign or exponent.
pub fn gas_price(reply: &Reply) -> Result<String, ErrorKind> {
    let RawGasPrice { price } = decode(reply)?;
    let (whole, fraction) = price.amount.split_once('.').unwrap_or((&price.amount, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_decimal = is_digits(whole) && is_digits(fraction);
    if price.denom != DENOM || !is_decimal || price.amount.len() > GAS_PRICE_BYTES_MAX {
        return Err(shape(
            "a gas price that is no decimal number of uallo",
            reply,
        ));
    }
    Ok(price.amount)
}
