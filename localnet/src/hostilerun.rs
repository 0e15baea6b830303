//! Hostile runs: the real worker on simulated chains of which one node lies, alone in the worker's
//! list or beside an honest node, and a judge that knows the chain and the lies.
//!
//! A run follows from a seed, which is printed, so that it can be repeated. Some runs have no lies:
//! they show that the judge asks for what a worker can do.

mod command;
mod judge;
mod plan;
mod run;
mod signed;
mod summary;

pub use command::hostile;
