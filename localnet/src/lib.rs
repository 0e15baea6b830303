//! A strict simulated Allora chain and a sample model, on loopback, for the demo and for tests.
//!
//! An independent judge: it shares no code with the worker, so that a mistake on one side is not
//! repeated on the other. What it refuses, and in which words, follows protocol.md and the
//! answers recorded from real nodes.

pub mod answer;
pub mod ante;
pub mod bech32;
pub mod bench;
mod block;
pub mod bundle;
pub mod bytes;
pub mod chain;
pub mod clock;
mod connection;
pub mod decimal;
pub mod demo;
mod encode;
mod envelope;
pub mod error;
pub mod events;
pub mod execute;
pub mod faultrun;
pub mod faults;
pub mod gas;
pub mod handle;
pub mod http;
mod http_request;
pub mod labels;
pub mod message;
pub mod model;
mod network;
pub mod node;
pub mod options;
pub mod params;
pub mod query_cosmos;
pub mod query_emissions;
pub mod report;
pub mod routes;
pub mod socket;
pub mod state;
mod terminal;
pub mod tls;
pub mod topic;
pub mod trace;
pub mod tx;
pub mod txjson;
#[cfg(test)]
mod vectors;
pub mod wire;
pub mod world;

pub use handle::Localnet;
pub use message::Api;
pub use options::Options;
pub use report::Report;
