//! What each node has for itself: a mempool, a cache of seen transactions and the state that
//! CheckTx works on (protocol.md sections 4.3 and 6).

use std::collections::{HashSet, VecDeque};

use crate::chain::state::Accounts;
use crate::chain::tx::Tx;

/// Transactions in a mempool (CometBFT's default).
pub const MEMPOOL_TXS_MAX: usize = 5_000;
/// Longest transaction, in bytes (CometBFT's default).
pub const TX_BYTES_MAX: usize = 1_048_576;
/// Transactions that the cache remembers (CometBFT's default).
const CACHE_TXS_MAX: usize = 10_000;

/// What becomes of a transaction that CheckTx takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It reaches the mempools.
    #[default]
    Normal,
    /// It is lost before the next block (a fault).
    Doomed,
    /// It reaches a block and fails there in the ante handler with this `sdk` code, which is free
    /// and leaves the sequence as it is (a fault).
    FailsInBlock(u32),
}

/// A transaction that waits for a block.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its hash.
    pub hash: String,
    /// Its bytes.
    pub raw: Vec<u8>,
    /// The transaction.
    pub tx: Tx,
    /// What will become of it.
    pub fate: Fate,
}

/// One node of the chain, reachable at an address of its own.
#[derive(Clone, Debug)]
pub struct Node {
    /// Transactions in the order of their arrival.
    pub mempool: VecDeque<Pending>,
    /// Accounts after everything that is pending here.
    pub check: Accounts,
    /// Whether it hands transactions to the other nodes and takes theirs.
    pub gossips: bool,
    /// Whether blocks are made from its mempool when it is its turn.
    pub proposes: bool,
    /// Answers every broadcast with `mempool is full` (a fault).
    pub full: bool,
    /// How many blocks its answers are behind.
    pub lag_blocks: u64,
    /// Stands still at this height, and goes on answering from it, while the chain goes on.
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
            full: false,
            lag_blocks: 0,
            frozen_at: None,
            seen: HashSet::new(),
            seen_order: VecDeque::new(),
        }
    }
}

impl Node {
    /// A node with its place in the network.
    #[must_use]
    pub fn new(gossips: bool, proposes: bool) -> Node {
        Node {
            gossips,
            proposes,
            ..Node::default()
        }
    }

    /// Whether the cache has a transaction.
    #[must_use]
    pub fn has_seen(&self, hash: &str) -> bool {
        self.seen.contains(hash)
    }

    /// Puts a transaction into the cache, whose oldest one goes when it is full.
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

    /// Takes a transaction out of the cache.
    pub fn forget(&mut self, hash: &str) {
        if self.seen.remove(hash) {
            self.seen_order.retain(|known| known != hash);
        }
    }

    /// The height that it answers from while the chain is at `height`.
    #[must_use]
    pub fn height(&self, height: u64) -> u64 {
        let at = height.saturating_sub(self.lag_blocks);
        self.frozen_at.map_or(at, |frozen| frozen.min(at))
    }

    /// Whether it takes part in the chain: makes blocks, follows them, talks to other nodes.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.frozen_at.is_none()
    }

    /// Loses mempool and cache, as a node does that starts again.
    pub fn restart(&mut self, committed: &Accounts) {
        self.frozen_at = None;
        self.mempool.clear();
        self.seen.clear();
        self.seen_order.clear();
        self.check = committed.clone();
    }
}
