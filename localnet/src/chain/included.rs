//! A transaction that a block includes, and its result.

use std::time::SystemTime;

use crate::chain::events::Event;
use crate::chain::tx::Tx;

/// A transaction of a block.
#[derive(Clone, Debug)]
pub struct Included {
    /// The transaction itself; absent when this chain could not decode it.
    pub tx: Option<Tx>,
    /// Its hash.
    pub hash: String,
    /// The block.
    pub height: u64,
    /// The block's time.
    pub time: SystemTime,
    /// Empty for success.
    pub codespace: String,
    /// 0 for success.
    pub code: u32,
    /// The error's text.
    pub raw_log: String,
    /// Gas used in the block.
    pub gas_used: u64,
    /// Events, of the ante handler alone after a failure.
    pub events: Vec<Event>,
}
