//! Asks a model and reads its answer. Knows neither the chain, nor a topic, nor the configuration.

pub mod answer;
pub mod ask;
pub mod endpoint;
pub mod guard;
pub mod number;
pub mod pointer;
pub mod template;
