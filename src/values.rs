//! The protocol's values and computations with them. No I/O and no clock; imports only text.rs.

pub mod allowance;
pub mod amount;
pub mod budget;
pub mod decimal;
pub mod exact;
pub mod fee;
pub mod funding;
pub mod labels;
pub mod payload;
pub mod standby;
pub mod standing;
pub mod topic;
pub mod units;
