//! Asking a model for an inference and reading its answer. Knows neither topics nor the chain.

pub mod answer;
pub mod ask;
pub mod guard;
pub mod number;
pub mod pointer;
pub mod template;
