//! What the transaction routes answer (simulate, broadcast, look-up by hash), as typed values. A
//! refusal by the chain is a value here, not an error.

use serde::Deserialize;

use crate::chain::answers::{DENOM, RawCoin};
use crate::chain::decode::{decode, digits};
use crate::chain::error::{ChainError, ErrorKind};
use crate::chain::meaning::{Meaning, Stage};
use crate::http::Reply;
use crate::values::units::{Gas, Height, Uallo};

/// What simulate says of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimulateAnswer {
    /// It would pass, using so much gas; in a block it is 12 to 13 % more.
    Gas(Gas),
    /// It would be refused: a definite answer, for the state at the answer's height.
    Refused(ChainError),
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
    /// The same for a forecast.
    pub forecast_admitted: bool,
}

impl TxResult {
    /// What it means.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        Meaning::of_code(&self.codespace, self.code, &self.raw_log, Stage::Block)
    }

    /// Whether it failed in the block before its message was reached, for nothing: its number is
    /// not used by it (protocol.md section 4). Out of gas may be either, and counts as used.
    #[must_use]
    pub fn failed_in_ante(&self) -> bool {
        const FREE: [u32; 7] = [4, 5, 9, 12, 13, 30, 32];
        self.codespace == "sdk"
            && FREE.contains(&self.code)
            && !self.raw_log.starts_with("failed to execute message")
    }
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
        Err(ErrorKind::Chain(error)) if error.grpc_code == 2 => Ok(SimulateAnswer::Refused(error)),
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

/// The events of an inserted forecast, v10's and v9's.
const FORECAST_INSERTED: [&str; 2] = [
    "emissions.v10.EventInsertForecasterPayload",
    "emissions.v9.EventInsertForecasterPayload",
];

/// Decodes `txs/{hash}`; `None`: not indexed (yet), which proves nothing (R8).
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
    let has = |names: [&str; 2]| {
        let mut events = raw.events.iter();
        raw.code == 0 && events.any(|event| names.contains(&event.name.as_str()))
    };
    Ok(Some(TxResult {
        height: Height(raw.height),
        admitted: has(INSERTED),
        forecast_admitted: has(FORECAST_INSERTED),
        codespace: raw.codespace,
        code: raw.code,
        raw_log: raw.raw_log,
        gas_wanted: Gas(raw.gas_wanted),
        gas_used: Gas(raw.gas_used),
        fee: Uallo(fee.fold(0, u128::saturating_add)),
    }))
}
