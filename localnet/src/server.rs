//! The HTTP server that the chain and the sample model answer through, over TCP or TLS.

pub mod answer;
mod connection;
pub mod http;
mod http_request;
pub mod socket;
pub mod tls;
