//! An answer while lies change it.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::api::routes::Twist;
use crate::chain::bytes;
use crate::chain::node::Fate;
use crate::chain::tx;
use crate::server::Play;
use crate::server::answer::{Answer, Request};

/// A request that is answered with a lie.
#[derive(Clone, Copy, Debug)]
pub(in crate::play) struct Asked<'a> {
    pub(in crate::play) request: &'a Request,
    /// Method and path, with `{}` in place of ids.
    pub(in crate::play) route: &'a str,
    /// The chain's height.
    pub(in crate::play) height: u64,
    /// Time since the start of the simulation.
    pub(in crate::play) elapsed: Duration,
}

/// How the chain makes the answer: what happens to a broadcast transaction, or from which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::play) enum Effect {
    /// The chain gets it.
    Forwarded,
    /// The node accepts it and loses it before the next block.
    Doomed,
    /// The node does not even look at it.
    Kept,
    /// The answer is of this many blocks before.
    Late(u64),
}

impl Effect {
    /// How the chain makes the answer, if it is asked.
    pub(in crate::play) fn twist(self) -> Twist {
        let plain = Twist::default();
        match self {
            Effect::Doomed => Twist {
                fate: Fate::Doomed,
                ..plain
            },
            Effect::Late(behind_blocks) => Twist {
                behind_blocks,
                ..plain
            },
            Effect::Forwarded | Effect::Kept => plain,
        }
    }

    /// What a lie about a broadcast does with it.
    pub(super) fn of(lie: &str, number: u64) -> Effect {
        match (lie, number >> 32 & 1) {
            ("swallow", 0) => Effect::Doomed,
            ("swallow", _) => Effect::Kept,
            // Half of the refused transactions are forwarded all the same.
            (_, 0) => Effect::Forwarded,
            _ => Effect::Kept,
        }
    }
}

/// The answer, the request and what the node claims besides.
pub(super) struct Telling<'a> {
    pub(super) asked: Asked<'a>,
    /// The height that the strategy claims; the chain's, unless it lies about heights.
    pub(super) claimed: u64,
    /// The number of the lie that is being told.
    pub(super) number: u64,
    pub(super) play: Play,
}

impl<'a> Telling<'a> {
    pub(super) fn new(asked: Asked<'a>, claimed: u64, answer: Answer) -> Telling<'a> {
        Telling {
            asked,
            claimed,
            number: 0,
            play: answer.into(),
        }
    }

    /// The lie's variant, of this many.
    pub(super) fn variant(&self, count: u64) -> u64 {
        self.number % count
    }

    /// A random number that differs from answer to answer.
    pub(super) fn random(&self) -> u64 {
        let nanos = u64::try_from(self.asked.elapsed.as_nanos()).unwrap_or(0);
        Rng::with_seed(self.number ^ nanos).u64(..)
    }

    fn body(&self) -> Option<Value> {
        serde_json::from_slice(&self.play.answer.body).ok()
    }

    /// A number of the answer that is written as a text.
    pub(super) fn number_at(&self, pointer: &str) -> Option<u64> {
        self.body()?.pointer(pointer)?.as_str()?.parse().ok()
    }

    /// Changes a field, if the answer has it.
    pub(super) fn set(&mut self, pointer: &str, value: impl Into<Value>) {
        let Some(mut body) = self.body() else { return };
        if let Some(field) = body.pointer_mut(pointer) {
            *field = value.into();
            self.play.answer.body = body.to_string().into_bytes();
        }
    }

    /// Replaces the body; status 200.
    pub(super) fn replace(&mut self, body: &Value) {
        self.play.answer.status = 200;
        self.play.answer.body = body.to_string().into_bytes();
    }

    /// Replaces the answer by the gateway's error.
    pub(super) fn fail(&mut self, status: u16, grpc_code: u32, message: &str) {
        self.play.answer.status = status;
        let body = json!({"code": grpc_code, "message": message, "details": []});
        self.play.answer.body = body.to_string().into_bytes();
    }

    /// The bytes of the transaction in the request.
    pub(super) fn tx_bytes(&self) -> Vec<u8> {
        let asked: Value = serde_json::from_slice(&self.asked.request.body).unwrap_or_default();
        let text = asked["tx_bytes"].as_str().unwrap_or_default();
        bytes::unbase64(text).unwrap_or_default()
    }

    /// The hash of the transaction in the request.
    pub(super) fn tx_hash(&self) -> String {
        tx::hash(&self.tx_bytes())
    }
}
