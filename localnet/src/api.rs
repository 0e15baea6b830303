//! The chain's REST API (LCD): routes requests to queries and answers in a real node's JSON.

mod network;
pub mod params;
pub mod query_cosmos;
pub mod query_emissions;
pub mod query_error;
pub mod query_feegrant;
pub mod routes;
pub(crate) mod timestamp;
pub mod tx_json;
