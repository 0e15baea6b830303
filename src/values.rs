//! Values of the protocol and what can be computed from them: no I/O, no clock, no other folder.

pub mod amount;
pub mod budget;
pub mod decimal;
pub mod exact;
pub mod fee;
pub mod labels;
pub mod payload;
pub mod topic;
pub mod units;
