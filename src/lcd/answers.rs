//! From an answer's bytes to typed values, one function per route. Pure, so that every recorded
//! answer can be held against it. Integers travel as JSON strings (protocol.md section 3.1);
//! unknown fields are ignored, missing ones are an error: a value is never made up.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::error::{ChainError, ErrorKind};
use crate::http::Reply;
use crate::outcome::{Meaning, Stage, split_codespace};
use crate::units::{AccountNumber, Gas, Height, Nonce, Sequence, TopicId, Uallo};

/// How many characters of a body an error shows.
pub const EXCERPT_CHARS_MAX: usize = 80;

/// The longest text of a gas price that is believed to be one.
const GAS_PRICE_BYTES_MAX: usize = 64;

/// The base denomination.
pub const DENOM: &str = "uallo";

/// gRPC codes that speak of the node's trouble and not of the chain's state: deadline exceeded,
/// resource exhausted, internal, unavailable.
const GRPC_TROUBLE: [u32; 4] = [4, 8, 13, 14];

/// Everything a poll needs to know about a topic (protocol.md section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStatus {
    /// The open window, if one is.
    pub open: Option<Window>,
    /// The next window; `None` while the topic is inactive.
    pub next: Option<Window>,
    /// Whether the address is registered in the topic. Only believed from a fresh answer.
    pub is_registered: bool,
    /// Whether the address may submit.
    pub is_whitelisted: bool,
    /// Whether the topic is active.
    pub is_topic_active: bool,
}

/// A submission window: payloads count from block `nonce + 1` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The block that opens it.
    pub nonce: Nonce,
    /// Its last block.
    pub end: Height,
}

/// What a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its id, as the chain names it.
    pub id: TopicId,
    /// Blocks from one nonce to the next.
    pub epoch_length: u64,
    /// Blocks that a window is long.
    pub worker_submission_window: u64,
    /// What kind of payload it takes.
    pub arity: Arity,
}

/// What kind of payload a topic takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One number. All topics of v9.
    Single,
    /// Labelled numbers.
    Multi,
    /// Something this program does not know, by its name.
    Other(String),
}

/// The emissions parameters that a worker pays by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Taken for a registration, beside the transaction's fee.
    pub registration_fee: Uallo,
    /// Taken for every payload, beside the transaction's fee.
    pub data_sending_fee: Uallo,
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

/// An account, as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Part of every signature.
    pub number: AccountNumber,
    /// The number of the next transaction, nothing pending counted.
    pub sequence: Sequence,
}

/// What simulate says of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimulateAnswer {
    /// It would pass, using so much gas; in a block it is 12 to 13 % more.
    Gas(Gas),
    /// It would be refused. Definite, for this moment's state.
    Refused {
        /// The chain's text.
        text: String,
    },
}

/// The answer to a broadcast: accepted into the mempool or not. Accepted is not included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckTx {
    /// The codespace of a refusal.
    pub codespace: String,
    /// 0 if accepted.
    pub code: u32,
    /// The text of a refusal; empty for 19, 20 and 21.
    pub raw_log: String,
    /// The transaction's hash, upper-case hex.
    pub hash: String,
}

impl CheckTx {
    /// What it means.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        Meaning::of_code(&self.codespace, self.code, &self.raw_log, Stage::CheckTx)
    }
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxResult {
    /// The block.
    pub height: Height,
    /// The codespace of a failure.
    pub codespace: String,
    /// 0 if it succeeded.
    pub code: u32,
    /// The text of a failure.
    pub raw_log: String,
    /// Its gas limit.
    pub gas_wanted: Gas,
    /// The gas it used.
    pub gas_used: Gas,
    /// The fee it offered, which is what was taken if it got past the ante handler.
    pub fee: Uallo,
    /// Whether its events hold an inserted inference: on v10 only if it was admitted, on v9 for
    /// every success (protocol.md section 5).
    pub admitted: bool,
}

impl TxResult {
    /// What it means.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        Meaning::of_code(&self.codespace, self.code, &self.raw_log, Stage::Block)
    }
}

/// The height of an answer, 0 standing for none.
fn above_zero(number: u64) -> Option<u64> {
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
}

/// Decodes `topics/{topic}`.
pub fn topic(reply: &Reply) -> Result<TopicInfo, ErrorKind> {
    let RawTopic { topic } = decode(reply)?;
    Ok(TopicInfo {
        id: TopicId(topic.id),
        epoch_length: topic.epoch_length,
        worker_submission_window: topic.worker_submission_window,
        arity: match topic.output_arity.as_deref() {
            None | Some("TOPIC_OUTPUT_ARITY_SINGLE") => Arity::Single,
            Some("TOPIC_OUTPUT_ARITY_MULTI") => Arity::Multi,
            Some(other) => Arity::Other(excerpt(other.as_bytes())),
        },
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
}

/// Decodes `params`.
pub fn params(reply: &Reply) -> Result<Params, ErrorKind> {
    let RawParams { params } = decode(reply)?;
    Ok(Params {
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
struct RawCoin {
    denom: String,
    #[serde(deserialize_with = "digits")]
    amount: u128,
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

#[derive(Deserialize)]
struct RawSimulate {
    gas_info: RawGasInfo,
}

#[derive(Deserialize)]
struct RawGasInfo {
    #[serde(deserialize_with = "digits")]
    gas_used: u64,
}

/// Decodes `simulate`. A 500 with gRPC code 2 is the chain's refusal, not a fault.
pub fn simulate(reply: &Reply) -> Result<SimulateAnswer, ErrorKind> {
    match decode(reply) {
        Ok(RawSimulate { gas_info }) => Ok(SimulateAnswer::Gas(Gas(gas_info.gas_used))),
        Err(ErrorKind::Chain(error)) if error.grpc_code == 2 => {
            let text = match error.registered {
                Some((codespace, code)) => {
                    format!("codespace {codespace} code {code}: {}", error.text)
                }
                None => error.text,
            };
            Ok(SimulateAnswer::Refused { text })
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct RawBroadcast {
    tx_response: RawCheckTx,
}

#[derive(Deserialize)]
struct RawCheckTx {
    txhash: String,
    codespace: String,
    code: u32,
    raw_log: String,
}

/// Decodes the answer to a broadcast.
pub fn broadcast(reply: &Reply) -> Result<CheckTx, ErrorKind> {
    let RawBroadcast { tx_response } = decode(reply)?;
    let RawCheckTx {
        txhash: hash,
        codespace,
        code,
        raw_log,
    } = tx_response;
    Ok(CheckTx {
        codespace,
        code,
        raw_log,
        hash,
    })
}

#[derive(Deserialize)]
struct RawTx {
    tx: RawTxBody,
    tx_response: RawTxResponse,
}

#[derive(Deserialize)]
struct RawTxBody {
    auth_info: RawAuthInfo,
}

#[derive(Deserialize)]
struct RawAuthInfo {
    fee: RawFee,
}

#[derive(Deserialize)]
struct RawFee {
    amount: Vec<RawCoin>,
}

#[derive(Deserialize)]
struct RawTxResponse {
    #[serde(deserialize_with = "digits")]
    height: u64,
    codespace: String,
    code: u32,
    raw_log: String,
    #[serde(deserialize_with = "digits")]
    gas_wanted: u64,
    #[serde(deserialize_with = "digits")]
    gas_used: u64,
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    #[serde(rename = "type")]
    name: String,
}

/// The events of an inserted inference, v10's and v9's.
const INSERTED: [&str; 2] = [
    "emissions.v10.EventInsertInfererPayload",
    "emissions.v9.EventInsertInfererPayload",
];

/// Decodes `txs/{hash}`; `None`: not indexed (yet), which proves nothing (design.md R8).
pub fn tx(reply: &Reply) -> Result<Option<TxResult>, ErrorKind> {
    let RawTx {
        tx,
        tx_response: raw,
    } = match decode(reply) {
        Err(ErrorKind::Chain(error)) if error.meaning() == Some(Meaning::NotFound) => {
            return Ok(None);
        }
        decoded => decoded?,
    };
    let coins = tx.auth_info.fee.amount;
    let fee = coins
        .iter()
        .filter(|coin| coin.denom == DENOM)
        .map(|coin| coin.amount);
    Ok(Some(TxResult {
        height: Height(raw.height),
        admitted: raw.code == 0
            && raw
                .events
                .iter()
                .any(|e| INSERTED.contains(&e.name.as_str())),
        codespace: raw.codespace,
        code: raw.code,
        raw_log: raw.raw_log,
        gas_wanted: Gas(raw.gas_wanted),
        gas_used: Gas(raw.gas_used),
        fee: Uallo(fee.fold(0, u128::saturating_add)),
    }))
}

/// The gateway's error body.
#[derive(Deserialize)]
struct RawError {
    code: u32,
    message: String,
}

/// The route's JSON, or what the reply is instead.
fn decode<T: DeserializeOwned>(reply: &Reply) -> Result<T, ErrorKind> {
    if reply.status != 200 {
        return Err(error(reply));
    }
    serde_json::from_slice(&reply.body).map_err(|problem| match problem.classify() {
        serde_json::error::Category::Data => shape(&problem.to_string(), reply),
        _ => ErrorKind::NotANode {
            status: reply.status,
            text: excerpt(&reply.body),
        },
    })
}

/// What a reply that is not 200 says: the chain's word, or a server's trouble.
fn error(reply: &Reply) -> ErrorKind {
    let status = reply.status;
    if status == 429 {
        return ErrorKind::RateLimited {
            retry_after: reply.retry_after,
        };
    }
    if (300..400).contains(&status) {
        return ErrorKind::Redirect { status };
    }
    let raw = serde_json::from_slice::<RawError>(&reply.body).ok();
    let trouble = |grpc_code, text| ErrorKind::Server {
        status,
        grpc_code,
        text,
        retry_after: reply.retry_after,
    };
    match raw {
        Some(raw) if matches!(status, 502..=504) || GRPC_TROUBLE.contains(&raw.code) => {
            trouble(Some(raw.code), raw.message)
        }
        Some(raw) => ErrorKind::Chain(chain_error(reply, raw)),
        None if status >= 500 => trouble(None, excerpt(&reply.body)),
        None => ErrorKind::NotANode {
            status,
            text: excerpt(&reply.body),
        },
    }
}

fn chain_error(reply: &Reply, raw: RawError) -> ChainError {
    let (registered, text) = match split_codespace(&raw.message) {
        Some((codespace, code, rest)) => (Some((codespace.to_owned(), code)), rest.to_owned()),
        None => (None, raw.message),
    };
    ChainError {
        status: reply.status,
        grpc_code: raw.code,
        registered,
        text,
        height: reply.height,
        fresh: false,
    }
}

fn shape(problem: &str, reply: &Reply) -> ErrorKind {
    ErrorKind::Shape {
        problem: problem.to_owned(),
        text: excerpt(&reply.body),
    }
}

/// The first characters of a body, in one line and in quotes, fit for a log.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let start = &body[..body.len().min(EXCERPT_CHARS_MAX * 4)];
    let text = String::from_utf8_lossy(start);
    let line: String = text
        .chars()
        .take(EXCERPT_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("\"{line}\"")
}

/// An integer that travels as a JSON string.
fn digits<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(D::Error::custom("not a whole number"));
    }
    text.parse().map_err(D::Error::custom)
}
