//! Every single request and its moments, for measurements: which came when, what a broadcast
//! carried and how it was answered. Off unless it is asked for, since it only grows.

use std::time::Duration;

use serde_json::Value;

use crate::chain::bytes;
use crate::chain::message::Api;
use crate::chain::tx::Tx;
use crate::server::answer::{Answer, Request};

/// Requests that are kept, of the chain and of the model each.
const EXCHANGES_MAX: usize = 200_000;

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When it had arrived, counted from the simulation's start.
    pub at: Duration,
    /// When its answer was due to go out.
    pub answered: Duration,
    /// Method and route, ids replaced by `{}`; for the model the path.
    pub route: String,
    /// What it carried, if it was a broadcast that could be read.
    pub broadcast: Option<Broadcast>,
}

/// A broadcast transaction and CheckTx's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Topic and nonce of its payload, if it has one.
    pub payload: Option<(u64, u64)>,
    /// Empty when it was taken.
    pub codespace: String,
    /// 0 when it was taken.
    pub code: u64,
}

/// The requests so far, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// To the chain.
    pub chain: Vec<Exchange>,
    /// To the model.
    pub model: Vec<Exchange>,
    /// Requests that there was no room for.
    pub dropped: u64,
}

impl Trace {
    pub(crate) fn note_chain(&mut self, exchange: Exchange) {
        note(&mut self.chain, &mut self.dropped, exchange);
    }

    pub(crate) fn note_model(&mut self, exchange: Exchange) {
        note(&mut self.model, &mut self.dropped, exchange);
    }
}

fn note(list: &mut Vec<Exchange>, dropped: &mut u64, exchange: Exchange) {
    if list.len() < EXCHANGES_MAX {
        list.push(exchange);
    } else {
        *dropped += 1;
    }
}

impl Broadcast {
    /// Reads a broadcast's request and answer; `None` where either is none.
    pub(crate) fn of(request: &Request, answer: &Answer, api: Api) -> Option<Broadcast> {
        let asked: Value = serde_json::from_slice(&request.body).ok()?;
        let told: Value = serde_json::from_slice(&answer.body).ok()?;
        let raw = bytes::unbase64(asked["tx_bytes"].as_str()?)?;
        let tx = Tx::decode(&raw, api).ok()?;
        let payload = tx.messages.iter().find_map(|(_, m)| m.payload_key());
        Some(Broadcast {
            payload: payload.map(|(topic, nonce, _)| (topic, nonce)),
            codespace: told["tx_response"]["codespace"].as_str()?.to_owned(),
            code: told["tx_response"]["code"].as_u64()?,
        })
    }

    /// Whether CheckTx took it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.code == 0
    }
}
