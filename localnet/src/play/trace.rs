//! A record of every request, for measurements: its time, what a broadcast contained, and how it
//! was answered. Off by default, because it only grows.

use std::time::Duration;

use serde_json::Value;

use crate::chain::bytes;
use crate::chain::message::Api;
use crate::chain::tx::Tx;
use crate::server::answer::{Answer, Request};

/// Number of requests that are kept, for the chain and for the model each.
const EXCHANGES_MAX: usize = 200_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When the request had arrived, since the start of the simulation.
    pub at: Duration,
    /// When the answer was due.
    pub answered: Duration,
    /// Method and path, with `{}` in place of ids; for the model, the path.
    pub route: String,
    /// The transaction, if the request was a broadcast that could be decoded.
    pub broadcast: Option<SentTx>,
}

/// A broadcast transaction and the result of CheckTx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentTx {
    /// Topic and nonce of the payload, if there is one.
    pub payload: Option<(u64, u64)>,
    /// Empty if accepted.
    pub codespace: String,
    /// 0 if accepted.
    pub code: u64,
}

/// The bytes of a transaction that a node received, for a broadcast or a simulation, whatever it
/// did with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When it had arrived, since the start of the simulation.
    pub at: Duration,
    pub node: usize,
    /// The chain's height then.
    pub height: u64,
    pub raw: Vec<u8>,
}

/// All requests, in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub chain: Vec<Exchange>,
    pub model: Vec<Exchange>,
    pub received: Vec<Received>,
    /// Number of requests that were not kept.
    pub dropped: u64,
}

impl Trace {
    pub(crate) fn note_chain(&mut self, exchange: Exchange) {
        note(&mut self.chain, &mut self.dropped, exchange);
    }

    /// Notes the transaction in a request, if there is one.
    pub(crate) fn note_received(
        &mut self,
        request: &Request,
        at: Duration,
        node: usize,
        height: u64,
    ) {
        if request.method != "POST" {
            return;
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(raw) = asked["tx_bytes"].as_str().and_then(bytes::unbase64) else {
            return;
        };
        let received = Received {
            at,
            node,
            height,
            raw,
        };
        note(&mut self.received, &mut self.dropped, received);
    }

    pub(crate) fn note_model(&mut self, exchange: Exchange) {
        note(&mut self.model, &mut self.dropped, exchange);
    }
}

fn note<T>(list: &mut Vec<T>, dropped: &mut u64, item: T) {
    if list.len() < EXCHANGES_MAX {
        list.push(item);
    } else {
        *dropped += 1;
    }
}

impl SentTx {
    /// Decodes a broadcast and its answer; `None` if either is invalid.
    pub(crate) fn of(request: &Request, answer: &Answer, api: Api) -> Option<SentTx> {
        let asked: Value = serde_json::from_slice(&request.body).ok()?;
        let answered: Value = serde_json::from_slice(&answer.body).ok()?;
        let raw = bytes::unbase64(asked["tx_bytes"].as_str()?)?;
        let tx = Tx::decode(&raw, api).ok()?;
        let payload = tx.messages.iter().find_map(|(_, m)| m.payload_key());
        Some(SentTx {
            payload: payload.map(|(topic, nonce, _)| (topic, nonce)),
            codespace: answered["tx_response"]["codespace"].as_str()?.to_owned(),
            code: answered["tx_response"]["code"].as_u64()?,
        })
    }

    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.code == 0
    }
}
