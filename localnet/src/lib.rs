//! A strict simulated Allora chain and a sample model on loopback, for the demo and for tests.
//!
//! It is an independent judge: it shares no code with the worker, so that a mistake on one side is
//! not repeated on the other. What it rejects, and with which text, follows protocol.md and answers
//! recorded from real nodes.

pub mod api;
pub mod bench;
mod campaign;
pub mod chain;
pub mod demo;
pub mod faultrun;
pub mod hostilerun;
pub mod play;
pub mod scenarios;
pub mod server;
pub mod signer;
pub mod terminal;
#[cfg(test)]
mod vectors;
pub mod worker;

pub use chain::message::Api;
pub use chain::report::Report;
pub use play::handle::Localnet;
pub use play::options::Options;
