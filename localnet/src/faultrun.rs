//! Many bad days: the real worker, as a process of its own, against a simulated chain that has one
//! fault after the other, and a judge that knows the schedule.
//!
//! A run has a phase of faults, in bursts with pauses, and then a quiet one. Which windows the
//! worker had to serve follows from the schedule alone, never from what the worker did. Everything
//! follows from a seed, which is printed first, so that a bad day can be had again.

mod campaign;
mod command;
mod judge;
mod kind;
mod limits;
mod plan;
mod run;
mod stage;
mod summary;

pub use command::{FAULTS_HELP, KILLS_HELP, faults, kills};
