//! A strict simulated Allora chain and a sample model, on loopback, for the demo and for tests.
//!
//! An independent judge: it shares no code with the worker, so that a mistake on one side is not
//! repeated on the other. What it refuses, and in which words, follows protocol.md and the
//! answers recorded from real nodes.

pub mod bech32;
pub mod bytes;
pub mod clock;
pub mod decimal;
pub mod error;
pub mod message;
pub mod tx;
pub mod wire;
