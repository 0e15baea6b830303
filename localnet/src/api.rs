//! The chain's REST API: which request is answered by which query, in the JSON of a real node.

mod network;
pub mod params;
pub mod query_cosmos;
pub mod query_emissions;
pub mod query_error;
pub mod routes;
mod timestamp;
pub mod tx_json;
