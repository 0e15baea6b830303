//! Asks a model and reads its answer. Does not depend on the chain, the topics or the
//! configuration.

pub mod answer;
pub mod ask;
pub mod endpoint;
pub mod guard;
pub mod number;
pub mod pointer;
mod suggest;
pub mod template;
