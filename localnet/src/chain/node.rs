//! What each node has for itself: a mempool, a cache of known transactions and the state that
//! CheckTx works on (protocol.md sections 4.3 and 6).

use std::collections::{HashSet, VecDeque};

use crate::chain::state::Accounts;
use crate::chain::tx::Tx;

/// Capacity of a mempool (CometBFT's default).
const MEMPOOL_TXS_MAX: usize = 5_000;
/// Largest size of a transaction (CometBFT's default).
pub const TX_BYTES_MAX: usize = 1_048_576;
/// Capacity of the cache (CometBFT's default).
const CACHE_TXS_MAX: usize = 10_000;

/// What happens to a transaction after CheckTx has accepted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It enters the mempools.
    #[default]
    Normal,
    /// It is lost before the next block (a fault).
    Doomed,
    /// The ante handler rejects it in its block with this `sdk` code, which costs nothing and does
    /// not use up the sequence (a fault).
    FailsInBlock(u32),
}

/// A transaction in a mempool.
#[derive(Clone, Debug)]
pub struct Pending {
    pub hash: String,
    pub raw: Vec<u8>,
    pub tx: Tx,
    pub fate: Fate,
}

#[derive(Clone, Debug)]
pub struct Node {
    /// Transactions in order of arrival.
    pub mempool: VecDeque<Pending>,
    /// The accounts after all pending transactions of this node.
    pub check: Accounts,
    /// Whether it exchanges transactions with the other nodes.
    pub gossips: bool,
    /// Whether it takes part in proposing blocks.
    pub proposes: bool,
    /// Capacity of the mempool.
    pub mempool_txs_max: usize,
    /// Answers every broadcast with `mempool is full` (a fault).
    pub full: bool,
    /// Number of blocks that its answers are behind.
    pub lag_blocks: u64,
    /// Stays at this height and answers from it while the chain continues (a fault).
    pub frozen_at: Option<u64>,
    seen: HashSet<String>,
    seen_order: VecDeque<String>,
}

impl Default for Node {
    fn default() -> Node {
        Node {
            mempool: VecDeque::new(),
            check: Accounts::new(),
            gossips: true,
            proposes: true,
            mempool_txs_max: MEMPOOL_TXS_MAX,
            full: false,
            lag_blocks: 0,
            frozen_at: None,
            seen: HashSet::new(),
            seen_order: VecDeque::new(),
        }
    }
}

impl Node {
    #[must_use]
    pub fn new(gossips: bool, proposes: bool) -> Node {
        Node {
            gossips,
            proposes,
            ..Node::default()
        }
    }

    #[must_use]
    pub fn has_seen(&self, hash: &str) -> bool {
        self.seen.contains(hash)
    }

    /// Adds a transaction to the cache; if the cache is full, its oldest entry is removed.
    pub fn remember(&mut self, hash: &str) {
        if !self.seen.insert(hash.to_owned()) {
            return;
        }
        self.seen_order.push_back(hash.to_owned());
        if self.seen_order.len() > CACHE_TXS_MAX
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    /// Removes a transaction from the cache.
    pub fn forget(&mut self, hash: &str) {
        if self.seen.remove(hash) {
            self.seen_order.retain(|known| known != hash);
        }
    }

    /// The height of its answers while the chain is at `height`.
    #[must_use]
    pub fn height(&self, height: u64) -> u64 {
        let at = height.saturating_sub(self.lag_blocks);
        self.frozen_at.map_or(at, |frozen| frozen.min(at))
    }

    /// Whether it takes part in the chain: proposes and receives blocks, and gossips.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.frozen_at.is_none()
    }

    /// Loses mempool and cache, as in a restart.
    pub fn restart(&mut self, committed: &Accounts) {
        self.frozen_at = None;
        self.mempool.clear();
        self.seen.clear();
        self.seen_order.clear();
        self.check = committed.clone();
    }
}
