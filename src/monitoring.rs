//! Shows the worker's state to others: metrics, health, the JSON status, and messages to the
//! service manager.

pub mod health;
pub mod json;
pub mod metrics;
pub mod server;
pub mod service_manager;
pub mod view;
