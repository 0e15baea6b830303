//! The simulated chain: CheckTx, simulation and blocks. It does no I/O and reads no clock; the
//! caller passes in every time.

pub mod allowance;
pub mod ante;
pub mod bech32;
mod block;
pub mod bundle;
pub mod bytes;
pub mod decimal;
mod encode;
mod envelope;
pub mod error;
pub mod events;
pub mod execute;
mod frozen;
pub mod gas;
pub mod included;
pub mod labels;
pub mod message;
pub mod node;
pub mod report;
pub mod state;
pub mod topic;
pub mod tx;
pub mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use crate::chain::ante::{Env, Refused};
use crate::chain::error::TxError;
use crate::chain::execute::Done;
use crate::chain::included::Included;
use crate::chain::message::Api;
use crate::chain::node::{Fate, Node, Pending, TX_BYTES_MAX};
use crate::chain::report::{Report, count};
use crate::chain::state::State;
use crate::chain::tx::Tx;

/// Number of past states that queries can still read.
const PAST_STATES_MAX: usize = 64;
/// Number of included transactions that can still be found.
const INCLUDED_MAX: usize = 20_000;

/// Whether and when included transactions can be found by their hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indexing {
    /// As soon as the block is made.
    #[default]
    On,
    /// This number of blocks later.
    Late(u64),
    /// Never; the query is an error.
    Off,
}

/// The answer to a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    pub hash: String,
    /// Empty if accepted.
    pub codespace: String,
    /// 0 if accepted.
    pub code: u32,
    /// The error text; empty for codes 19, 20 and 21.
    pub raw_log: String,
}

/// The result of a simulation.
#[derive(Clone, Debug)]
pub struct Simulated {
    pub tx: Tx,
    /// What the messages would do.
    pub done: Done,
    pub gas: u64,
}

#[derive(Debug)]
pub struct Chain {
    /// Part of every signed document.
    pub chain_id: String,
    /// The state after the last block.
    pub state: State,
    /// The nodes, at least one.
    pub nodes: Vec<Node>,
    pub indexing: Indexing,
    /// While set, no blocks are made.
    pub halted: bool,
    /// The height at which a v9 chain becomes a v10 chain.
    pub upgrade_height: Option<u64>,
    /// The height at which the last upgrade was applied.
    pub upgraded_at: Option<u64>,
    /// Extra gas that the next transaction uses in its block, once. It stands for a topic that
    /// fills up between simulation and inclusion (protocol.md section 6).
    pub more_gas_once: u64,
    pub report: Report,
    past: VecDeque<State>,
    included: BTreeMap<String, Included>,
    included_order: VecDeque<String>,
}

impl Chain {
    /// A chain in this state. Without nodes, it gets one.
    #[must_use]
    pub fn new(chain_id: &str, state: State, nodes: Vec<Node>) -> Chain {
        let nodes = if nodes.is_empty() {
            vec![Node::default()]
        } else {
            nodes
        };
        let mut chain = Chain {
            chain_id: chain_id.to_owned(),
            state,
            nodes,
            indexing: Indexing::On,
            halted: false,
            upgrade_height: None,
            upgraded_at: None,
            more_gas_once: 0,
            report: Report {
                chain_id: chain_id.to_owned(),
                ..Report::default()
            },
            past: VecDeque::new(),
            included: BTreeMap::new(),
            included_order: VecDeque::new(),
        };
        chain.recheck();
        chain.publish();
        chain
    }

    /// Makes a change from outside a block visible to CheckTx and to queries.
    pub fn publish(&mut self) {
        let (api, height) = (self.state.api, self.state.height);
        self.report.api = api.name().to_owned();
        self.report.height = height;
        self.recheck();
        self.past.retain(|state| state.height < height);
        self.past.push_back(self.state.clone());
        if self.past.len() > PAST_STATES_MAX {
            self.past.pop_front();
        }
    }

    /// The state at a height, or the oldest kept state above it.
    #[must_use]
    pub fn state_at(&self, height: u64) -> &State {
        self.past
            .iter()
            .find(|state| state.height >= height)
            .unwrap_or(&self.state)
    }

    /// CheckTx on a node, for a broadcast (protocol.md section 4.3).
    pub fn broadcast(&mut self, node: usize, raw: &[u8], fate: Fate) -> Broadcast {
        let hash = tx::hash(raw);
        let refused = self.check_tx(node, raw, &hash, fate).err();
        match &refused {
            Some(error) => count(&mut self.report.check_tx_refused, &error.key()),
            None => self.report.check_tx_accepted += 1,
        }
        let talks = |node: &Node| node.gossips && node.follows();
        if refused.is_none() && fate != Fate::Doomed && talks(&self.nodes[node]) {
            for other in (0..self.nodes.len()).filter(|&other| other != node) {
                if talks(&self.nodes[other]) {
                    // No client gets a node's answer to gossip.
                    let _ = self.check_tx(other, raw, &hash, fate);
                }
            }
        }
        let error = refused.unwrap_or_else(|| TxError::new("", 0, ""));
        Broadcast {
            hash,
            codespace: error.codespace.to_owned(),
            code: error.code,
            raw_log: error.text,
        }
    }

    fn check_tx(&mut self, node: usize, raw: &[u8], hash: &str, fate: Fate) -> Result<(), TxError> {
        let api = self.state.api;
        let node = &mut self.nodes[node];
        let height = node.height(self.state.height);
        if node.full || node.mempool.len() >= node.mempool_txs_max {
            return Err(TxError::sdk(20, ""));
        }
        if raw.len() > TX_BYTES_MAX {
            return Err(TxError::sdk(21, ""));
        }
        if node.has_seen(hash) {
            return Err(TxError::sdk(19, ""));
        }
        let tx = Tx::decode(raw, api)?;
        let env = Env {
            height,
            ..Env::of(&self.chain_id, &self.state, false)
        };
        let mut accounts = node.check.clone();
        ante::run(&mut accounts, env, &tx).map_err(|refused| refused.error)?;
        node.check = accounts;
        node.remember(hash);
        node.mempool.push_back(Pending {
            hash: hash.to_owned(),
            raw: raw.to_vec(),
            tx,
            fate,
        });
        Ok(())
    }

    /// Simulates on a node: runs the messages at the last height, on the accounts of CheckTx,
    /// without checking signature or fee (protocol.md section 3.5).
    ///
    /// # Errors
    /// The error that the transaction would fail with, and the gas used until then.
    pub fn simulate(&mut self, node: usize, raw: &[u8]) -> Result<Simulated, Refused> {
        let result = self.simulated(node, raw);
        if let Err(refused) = &result {
            count(&mut self.report.simulate_refused, &refused.error.key());
        }
        result
    }

    fn simulated(&self, node: usize, raw: &[u8]) -> Result<Simulated, Refused> {
        let at = self.nodes[node].height(self.state.height);
        let mut state = self.state_at(at).clone();
        let height = state.height;
        let tx = Tx::decode(raw, state.api).map_err(|error| Refused {
            error,
            gas: gas::DECODE,
        })?;
        state.accounts = self.nodes[node].check.clone();
        let env = Env::of(&self.chain_id, &state, true);
        let ante_gas = ante::run(&mut state.accounts, env, &tx)?;
        let done = execute::run(&mut state, height, &tx, ante_gas)?;
        let gas = done.gas;
        Ok(Simulated { tx, done, gas })
    }

    /// Whether the next block is the upgrade's, which only the new binary can make.
    #[must_use]
    pub fn waits_for_upgrade(&self) -> bool {
        self.state.api == Api::V9 && self.upgrade_height == Some(self.state.height + 1)
    }

    /// Applies the upgrade as a restart with the new binary does: the next block is v10, and the
    /// mempools are lost.
    pub fn apply_upgrade(&mut self) {
        self.state.api = Api::V10;
        self.upgraded_at = self.upgrade_height.take();
        for node in &mut self.nodes {
            node.restart(&self.state.accounts);
        }
        self.publish();
    }

    /// Makes the next block out of the proposer's mempool. Returns its height, or `None` while no
    /// block can be made.
    pub fn make_block(&mut self, now: SystemTime) -> Option<u64> {
        if self.halted || self.waits_for_upgrade() {
            return None;
        }
        let height = self.state.height + 1;
        let batch = self.take_batch(height);
        self.state.height = height;
        self.state.time = now;
        let places = self.state.params.max_top_inferers;
        for topic in self.state.topics.values_mut() {
            topic.begin_block(height, places);
        }
        let mut results = Vec::new();
        for pending in &batch {
            let included = self.deliver(&pending.raw, pending.fate);
            results.push((included.hash.clone(), included.code));
            self.keep(included);
        }
        self.end_block(height);
        self.update_mempools(&results);
        self.publish();
        Some(height)
    }

    fn take_batch(&self, height: u64) -> Vec<Pending> {
        let proposes = |node: &&Node| node.proposes && node.follows();
        let proposers: Vec<&Node> = self.nodes.iter().filter(proposes).collect();
        let Some(count) = u64::try_from(proposers.len()).ok().filter(|&n| n > 0) else {
            return Vec::new();
        };
        let turn = usize::try_from(height % count).unwrap_or(0);
        proposers[turn]
            .mempool
            .iter()
            .filter(|p| p.fate != Fate::Doomed)
            .cloned()
            .collect()
    }

    fn end_block(&mut self, height: u64) {
        let now = self.state.time;
        for account in self.state.accounts.values_mut() {
            account.allowances.retain(|_, one| !one.has_expired(now));
        }
        for topic in self.state.topics.values_mut() {
            let turn = topic.end_block(height);
            if let Some(nonce) = turn.closed {
                self.report.closed(topic.id, nonce);
            }
            if let Some(nonce) = turn.opened {
                self.report.opened(topic.id, nonce, nonce + topic.window);
            }
        }
    }

    /// Updates every mempool after a block: removes included transactions, keeps the hashes of
    /// successful ones in the cache, and removes doomed transactions.
    fn update_mempools(&mut self, results: &[(String, u32)]) {
        for node in self.nodes.iter_mut().filter(|node| node.follows()) {
            for (hash, code) in results {
                node.mempool.retain(|pending| pending.hash != *hash);
                if *code == 0 {
                    node.remember(hash);
                } else {
                    node.forget(hash);
                }
            }
            let doomed = node
                .mempool
                .iter()
                .filter(|p| p.fate == Fate::Doomed)
                .map(|p| p.hash.clone());
            for hash in doomed.collect::<Vec<_>>() {
                node.forget(&hash);
            }
            node.mempool.retain(|pending| pending.fate != Fate::Doomed);
        }
    }

    /// Checks pending transactions again, on the committed accounts.
    fn recheck(&mut self) {
        let env = Env::of(&self.chain_id, &self.state, false);
        for node in self.nodes.iter_mut().filter(|node| node.follows()) {
            node.check = self.state.accounts.clone();
            for pending in std::mem::take(&mut node.mempool) {
                let mut accounts = node.check.clone();
                if ante::run(&mut accounts, env, &pending.tx).is_ok() {
                    node.check = accounts;
                    node.mempool.push_back(pending);
                } else {
                    node.forget(&pending.hash);
                }
            }
        }
    }

    fn keep(&mut self, included: Included) {
        self.included_order.push_back(included.hash.clone());
        self.included.insert(included.hash.clone(), included);
        if self.included_order.len() > INCLUDED_MAX
            && let Some(oldest) = self.included_order.pop_front()
        {
            self.included.remove(&oldest);
        }
    }

    pub fn included_at(&self, height: u64) -> impl Iterator<Item = &Included> {
        let newest = self
            .included_order
            .iter()
            .rev()
            .filter_map(|hash| self.included.get(hash));
        newest
            .take_while(move |i| i.height >= height)
            .filter(move |i| i.height == height)
    }

    /// An included transaction, if the index of a node at `height` has it.
    #[must_use]
    pub fn find_tx(&self, hash: &str, height: u64) -> Option<&Included> {
        let late = if let Indexing::Late(blocks) = self.indexing {
            blocks
        } else {
            0
        };
        let hash = hash.to_ascii_uppercase();
        self.included
            .get(&hash)
            .filter(|included| included.height + late <= height)
    }
}
