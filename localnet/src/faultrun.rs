//! Fault runs: the real worker against simulated chains with one fault after the other, and a
//! judge that knows the schedule.
//!
//! A run has a phase of faults, in bursts with pauses, and then a quiet phase. Which windows the
//! worker has to serve follows from the schedule alone, never from what the worker did. The
//! schedule follows from a seed, which is printed first, so that a run can be repeated.

mod command;
mod judge;
mod kind;
pub(crate) mod limits;
mod plan;
mod run;
mod stage;
mod summary;

pub use command::{faults, kills};
