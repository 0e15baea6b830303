//! Scenarios of a worker's life, judged by what is in the blocks and in its log.
//!
//! A scenario is written once, for `test_chain::TestChain`, so that it does not depend on which
//! chain it is played on: the simulated one, which is this project's own reading of the rules, or
//! nodes of released versions. The faults of `faultrun` are random; these are what every user
//! meets.

mod all;
mod allorad;
mod command;
mod conformance;
mod front;
mod genesis;
mod judge;
mod landed;
mod messages;
mod models;
mod others;
mod rest;
mod run;
mod scenario;
mod scene;
mod simulated;
mod summary;
mod test_chain;
mod version;

pub use command::scenarios;
pub use conformance::conformance;
