//! Decodes the answers of the transaction routes (simulate, broadcast, look-up by hash). The
//! chain's refusal of a transaction is a value here, not an error.

use serde::Deserialize;

use crate::chain::answers::RawCoin;
use crate::chain::decode::{decode, decode_at, part_at};
use crate::chain::error::{ChainError, ErrorKind};
use crate::chain::meaning::{Meaning, Stage};
use crate::http::Reply;
use crate::text::Foreign;
use crate::values::units::{DENOM, Gas, Height, Uallo};

/// gRPC code 2: the chain refuses the simulated transaction.
const GRPC_UNKNOWN: u32 = 2;

/// The kind of actor in an event about an inferer.
const INFERER: &str = "\"ACTOR_TYPE_INFERER_UNSPECIFIED\"";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimulateAnswer {
    /// The transaction would succeed with this gas; in a block it takes 12 to 13 % more.
    Gas(Gas),
    /// It would be refused: a definite answer, for the state at the answer's height.
    Refused(ChainError),
}

/// The answer to a broadcast: accepted into the mempool or not. Accepted is not included.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CheckTx {
    pub codespace: Foreign,
    /// 0 if accepted.
    pub code: u32,
    /// The text of a refusal; empty for codes 19, 20 and 21.
    pub raw_log: Foreign,
    /// The transaction's hash, upper-case hex.
    #[serde(rename = "txhash")]
    pub hash: Foreign,
    /// Whether this answers a second sending; what became of the first one is unknown (R3).
    #[serde(skip)]
    pub repeated: bool,
}

impl CheckTx {
    pub fn meaning(&self) -> Meaning {
        Meaning::of_code(
            self.codespace.raw(),
            self.code,
            self.raw_log.raw(),
            Stage::CheckTx,
        )
    }
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TxResult {
    pub height: Height,
    pub codespace: Foreign,
    /// 0 if it succeeded.
    pub code: u32,
    pub raw_log: Foreign,
    /// Its gas limit.
    pub gas_wanted: Gas,
    pub gas_used: Gas,
    /// The fee it offered, all of which is taken if it passes the ante handler.
    #[serde(skip)]
    pub fee: Uallo,
    /// Whether its events include an inserted inference: on v10 only if it was admitted, on v9 for
    /// every success (protocol.md section 5).
    #[serde(skip)]
    pub admitted: bool,
    /// Whether its events include an inserted inference, and that the score of another inferer was
    /// set: of the worker whose place it took (protocol.md section 10).
    #[serde(skip)]
    pub evicted: bool,
    /// Whether its events include an inserted forecast.
    #[serde(skip)]
    pub forecast_admitted: bool,
}

impl TxResult {
    pub fn meaning(&self) -> Meaning {
        Meaning::of_code(
            self.codespace.raw(),
            self.code,
            self.raw_log.raw(),
            Stage::Block,
        )
    }

    /// Whether it failed in the ante handler, before its message and free of charge: its sequence
    /// is not used (protocol.md section 4). Out of gas may happen on either side, and counts as
    /// used.
    pub fn failed_in_ante(&self) -> bool {
        const FREE: [u32; 8] = [4, 5, 9, 12, 13, 30, 32, 38];
        let is_free = match self.codespace.raw() {
            "sdk" => FREE.contains(&self.code),
            "feegrant" => self.code != 0,
            _ => false,
        };
        is_free && !self.raw_log.raw().starts_with("failed to execute message")
    }
}

/// A 500 with gRPC code 2 is the chain's refusal, not a failing server.
pub fn simulate(reply: &Reply) -> Result<SimulateAnswer, ErrorKind> {
    match decode_at(reply, "/gas_info/gas_used") {
        Ok(gas) => Ok(SimulateAnswer::Gas(gas)),
        Err(ErrorKind::Chain(error)) if error.grpc_code == GRPC_UNKNOWN => {
            Ok(SimulateAnswer::Refused(error))
        }
        Err(error) => Err(error),
    }
}

pub fn broadcast(reply: &Reply) -> Result<CheckTx, ErrorKind> {
    let check_tx: CheckTx = decode_at(reply, "/tx_response")?;
    Ok(CheckTx {
        repeated: reply.repeated,
        ..check_tx
    })
}

#[derive(Deserialize)]
struct RawEvent {
    #[serde(rename = "type")]
    name: String,
    #[serde(default)]
    attributes: Vec<RawAttribute>,
}

/// Its value is JSON as text.
#[derive(Deserialize)]
struct RawAttribute {
    key: String,
    #[serde(default)]
    value: Option<String>,
}

impl RawEvent {
    fn is_inserted(&self, what: &str) -> bool {
        let names = ["v10", "v9"].map(|api| format!("emissions.{api}.EventInsert{what}Payload"));
        names.contains(&self.name)
    }

    fn attribute(&self, key: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        attributes.find(|one| one.key == key)?.value.as_deref()
    }

    /// Whether it sets the score of an inferer who is not `inserted`, both as JSON.
    fn sets_score_of_another(&self, inserted: &str) -> bool {
        self.name.ends_with(".EventEMAScoresSet")
            && self.attribute("actor_type") == Some(INFERER)
            && self
                .attribute("addresses")
                .is_some_and(|addresses| !addresses.contains(inserted))
    }
}

/// `None`: not indexed (yet), which proves nothing (R8).
pub fn tx(reply: &Reply) -> Result<Option<TxResult>, ErrorKind> {
    let json = match decode(reply) {
        Err(ErrorKind::Chain(error)) if error.meaning() == Some(Meaning::NotFound) => {
            return Ok(None);
        }
        decoded => decoded?,
    };
    let coins: Vec<RawCoin> = part_at(json, "/tx/auth_info/fee/amount", reply)?;
    let events: Vec<RawEvent> = part_at(json, "/tx_response/events", reply)?;
    let mut result: TxResult = part_at(json, "/tx_response", reply)?;
    let succeeded = result.code == 0;
    let inserted = |what: &str| {
        events
            .iter()
            .find(|event| succeeded && event.is_inserted(what))
    };
    let inference = inserted("Inferer");
    result.admitted = inference.is_some();
    result.forecast_admitted = inserted("Forecaster").is_some();
    let inferer = inference.and_then(|event| event.attribute("inferer"));
    result.evicted = inferer.is_some_and(|inferer| {
        events
            .iter()
            .any(|event| event.sets_score_of_another(inferer))
    });
    let coins = coins.iter().filter(|coin| coin.denom == DENOM);
    let fee = coins.map(|coin| coin.amount.0);
    result.fee = Uallo(fee.fold(0, u128::saturating_add));
    Ok(Some(result))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A transaction in a block that inserted the inference of `allo1me` and has one more event.
    fn inserted_with(more: &Value) -> TxResult {
        let inserted = json!({
            "type": "emissions.v9.EventInsertInfererPayload",
            "attributes": [{"key": "inferer", "value": "\"allo1me\"", "index": true}],
        });
        let response = json!({
            "height": "7", "codespace": "", "code": 0, "raw_log": "", "gas_wanted": "9",
            "gas_used": "8", "events": [inserted, more],
        });
        let fee = json!({"amount": [{"denom": "uallo", "amount": "80"}]});
        let json = json!({"tx": {"auth_info": {"fee": fee}}, "tx_response": response});
        let reply = Reply {
            status: 200,
            body: serde_json::to_vec(&json).unwrap(),
            ..Reply::default()
        };
        tx(&reply).unwrap().unwrap()
    }

    #[test]
    fn only_the_score_of_another_inferer_shows_an_eviction() {
        let score_of = |actor: &str, address: &str| {
            let attributes = json!([
                {"key": "actor_type", "value": format!("\"{actor}\"")},
                {"key": "addresses", "value": format!("[\"{address}\"]")},
            ]);
            json!({"type": "emissions.v9.EventEMAScoresSet", "attributes": attributes})
        };
        let inferer = "ACTOR_TYPE_INFERER_UNSPECIFIED";
        for (event, evicted) in [
            (score_of(inferer, "allo1other"), true),
            (score_of(inferer, "allo1me"), false),
            (score_of("ACTOR_TYPE_FORECASTER", "allo1other"), false),
            (json!({"type": "emissions.v9.EventEMAScoresSet"}), false),
            (
                json!({"type": "other", "attributes": [{"key": "a", "value": null}]}),
                false,
            ),
        ] {
            let result = inserted_with(&event);
            assert_eq!(
                (result.admitted, result.evicted),
                (true, evicted),
                "{event}"
            );
        }
    }

    #[test]
    fn what_the_ante_handler_refuses_in_a_block_is_free() {
        let is_free = |codespace: &str, code, raw_log: &str| {
            let result = TxResult {
                height: Height(7),
                codespace: codespace.into(),
                code,
                raw_log: raw_log.into(),
                gas_wanted: Gas(0),
                gas_used: Gas(0),
                fee: Uallo(0),
                admitted: false,
                evicted: false,
                forecast_admitted: false,
            };
            result.failed_in_ante()
        };
        let granted = "error escrowing funds: basic allowance: fee allowance expired";
        assert!(is_free("feegrant", 3, granted) && is_free("sdk", 38, granted));
        assert!(is_free("sdk", 32, "account sequence mismatch"));
        assert!(
            !is_free("sdk", 11, "out of gas"),
            "it may have been the message's"
        );
        assert!(!is_free("emissions", 3, granted) && !is_free("", 0, ""));
        let of_message = "failed to execute message; message index: 0: insufficient funds";
        assert!(!is_free("sdk", 5, of_message));
    }
}
