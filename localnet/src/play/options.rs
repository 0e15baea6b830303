//! How a simulated chain is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::chain::message::Api;
use crate::chain::node::Node;
use crate::chain::state::{Accounts, Params, Price, State};
use crate::chain::topic::{Arity, Topic};
use crate::chain::{Chain, Indexing};

/// What a funded account gets when nothing else is said: one million ALLO in uallo.
pub const FUNDS_UALLO: u128 = 1_000_000 * 1_000_000_000_000_000_000;
/// Blocks before the first window, so that a worker can register.
const LEAD_BLOCKS: u64 = 3;

/// One node's address and place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// Where its LCD listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it exchanges transactions with the other nodes.
    pub gossips: bool,
    /// Whether blocks are made from its mempool in turn.
    pub proposes: bool,
}

impl Default for NodeOptions {
    fn default() -> NodeOptions {
        NodeOptions {
            listen: loopback(),
            gossips: true,
            proposes: true,
        }
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// A simulated chain's set-up. Every field has a default.
#[derive(Clone, Debug)]
pub struct Options {
    /// The nodes, each with its own LCD address, mempool and cache.
    pub nodes: Vec<NodeOptions>,
    /// Which emissions interface is served.
    pub api: Api,
    /// The chain's id.
    pub chain_id: String,
    /// Time between blocks; `None` makes blocks only on demand.
    pub block_time: Option<Duration>,
    /// The topics.
    pub topics: Vec<Topic>,
    /// Addresses and what they have, in uallo.
    pub accounts: Vec<(String, u128)>,
    /// The gas price in uallo.
    pub gas_price: Price,
    /// The emissions module's parameters.
    pub params: Params,
    /// How included transactions are found.
    pub indexing: Indexing,
    /// Where the sample model listens; `None` for no model.
    pub model: Option<SocketAddr>,
    /// Every answer of the chain comes so much later; requests do not wait for each other.
    pub delay: Duration,
    /// The same for the sample model.
    pub model_delay: Duration,
    /// Whether the chain's LCDs are behind TLS, with a certificate made at the start.
    pub tls: bool,
    /// Whether every single request is kept (see `trace`).
    pub trace: bool,
    /// The height before the first block that is made.
    pub start_height: u64,
    /// Decides chances of faults and the model's numbers.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        let start_height = 100;
        Options {
            nodes: vec![NodeOptions::default()],
            api: Api::V10,
            chain_id: "localnet".to_owned(),
            block_time: Some(Duration::from_secs(1)),
            topics: staggered(1, 20, 10, start_height),
            accounts: Vec::new(),
            gas_price: Price::from_uallo(10),
            params: Params::default(),
            indexing: Indexing::On,
            model: Some(loopback()),
            delay: Duration::ZERO,
            model_delay: Duration::ZERO,
            tls: false,
            trace: false,
            start_height,
            seed: 1,
        }
    }
}

impl Options {
    /// Replaces the topics by `count` ones with the same epoch and window, in blocks, whose
    /// windows open one after the other.
    #[must_use]
    pub fn with_topics(mut self, count: u64, epoch: u64, window: u64) -> Options {
        self.topics = staggered(count, epoch, window, self.start_height);
        self
    }

    /// Adds a funded account.
    #[must_use]
    pub fn with_account(mut self, address: &str, balance_uallo: u128) -> Options {
        self.accounts.push((address.to_owned(), balance_uallo));
        self
    }

    /// The chain of this set-up.
    #[must_use]
    pub fn chain(&self) -> Chain {
        let mut state = State {
            api: self.api,
            height: self.start_height,
            time: SystemTime::now(),
            price: self.gas_price,
            accounts: Accounts::new(),
            params: self.params.clone(),
            topics: self
                .topics
                .iter()
                .map(|topic| (topic.id, topic.clone()))
                .collect(),
        };
        for (address, balance_uallo) in &self.accounts {
            state.fund(address, *balance_uallo);
        }
        let node = |options: &NodeOptions| Node::new(options.gossips, options.proposes);
        let mut chain = Chain::new(&self.chain_id, state, self.nodes.iter().map(node).collect());
        chain.indexing = self.indexing;
        chain
    }
}

/// Topics 1 to `count` whose first windows open evenly over one epoch after `start_height`.
#[must_use]
pub fn staggered(count: u64, epoch: u64, window: u64, start_height: u64) -> Vec<Topic> {
    let first = |id: u64| start_height + LEAD_BLOCKS + (id - 1) * epoch / count.max(1);
    (1..=count)
        .map(|id| Topic::new(id, epoch, window, first(id)))
        .collect()
}

/// A topic that asks for labelled values.
#[must_use]
pub fn multi(mut topic: Topic, labels: crate::chain::labels::Labels) -> Topic {
    topic.arity = Arity::Multi(labels);
    topic
}
