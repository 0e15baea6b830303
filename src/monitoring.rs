//! What outsiders read: metrics, health, the JSON status and the service manager's messages.

pub mod health;
pub mod json;
pub mod metrics;
pub mod server;
pub mod service_manager;
pub mod view;
