//! How good a worker is in a topic, as the chain states it.

use crate::values::decimal::Decimal;
use crate::values::payload::Inference;
use crate::values::units::Nonce;

/// A worker's score: a moving average (EMA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// The last nonce for which the worker was processed.
    pub nonce: Nonce,
    pub value: Decimal,
}

/// What the network made of all inferences for a nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInference {
    pub nonce: Nonce,
    pub combined: Inference,
}
