//! Transactions in blocks, with their results.

use std::time::SystemTime;

use crate::chain::events::Event;
use crate::chain::tx::Tx;

/// A transaction in a block.
#[derive(Clone, Debug)]
pub struct Included {
    /// `None` if the chain could not decode it.
    pub tx: Option<Tx>,
    pub hash: String,
    pub height: u64,
    /// The time of the block.
    pub time: SystemTime,
    /// Empty on success.
    pub codespace: String,
    /// 0 on success.
    pub code: u32,
    pub raw_log: String,
    pub gas_used: u64,
    /// Only those of the ante handler after a failure.
    pub events: Vec<Event>,
}
