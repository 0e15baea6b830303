//! The options of a simulated chain.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::chain::message::Api;
use crate::chain::node::Node;
use crate::chain::state::{Accounts, Params, Price, State};
use crate::chain::topic::{Arity, Topic};
use crate::chain::{Chain, Indexing};

/// The default balance of a funded account: 1,000,000 ALLO.
pub const FUNDS_UALLO: u128 = 1_000_000 * 1_000_000_000_000_000_000;
/// Blocks before the first window, so that a worker can register.
const LEAD_BLOCKS: u64 = 3;

/// The options of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// Where its LCD listens; port 0 means any free port.
    pub listen: SocketAddr,
    /// Whether it exchanges transactions with the other nodes.
    pub gossips: bool,
    /// Whether it takes part in proposing blocks.
    pub proposes: bool,
    /// How many blocks behind the chain it answers.
    pub lag_blocks: u64,
}

impl Default for NodeOptions {
    fn default() -> NodeOptions {
        NodeOptions {
            listen: loopback(),
            gossips: true,
            proposes: true,
            lag_blocks: 0,
        }
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Each node has its own LCD address, mempool and cache.
    pub nodes: Vec<NodeOptions>,
    /// Whether the first node's address is a load balancer's, which passes each request to one of
    /// all nodes at random.
    pub balanced: bool,
    /// The version of the emissions interface.
    pub api: Api,
    pub chain_id: String,
    /// Time between blocks; with `None`, blocks are made only on demand.
    pub block_time: Option<Duration>,
    pub topics: Vec<Topic>,
    /// Addresses and balances, in uallo.
    pub accounts: Vec<(String, u128)>,
    pub gas_price: Price,
    pub params: Params,
    pub indexing: Indexing,
    /// Where the sample model listens; `None` for no model.
    pub model: Option<SocketAddr>,
    /// Delay of every answer of the chain; requests do not wait for each other.
    pub delay: Duration,
    /// Delay of every answer of the sample model.
    pub model_delay: Duration,
    /// Whether the LCDs use TLS, with a certificate created at the start.
    pub tls: bool,
    /// Whether all requests are kept (see [`super::trace`]).
    pub trace: bool,
    /// The height before the first block.
    pub start_height: u64,
    /// Determines the chances of faults and the model's numbers.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        let start_height = 100;
        Options {
            nodes: vec![NodeOptions::default()],
            balanced: false,
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
    /// Replaces the topics by `count` topics with this epoch and window, in blocks. Their windows
    /// open one after the other.
    #[must_use]
    pub fn with_topics(mut self, count: u64, epoch: u64, window: u64) -> Options {
        self.topics = staggered(count, epoch, window, self.start_height);
        self
    }

    #[must_use]
    pub fn with_account(mut self, address: &str, balance_uallo: u128) -> Options {
        self.accounts.push((address.to_owned(), balance_uallo));
        self
    }

    /// A new chain with these options.
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
        let node = |options: &NodeOptions| {
            let mut node = Node::new(options.gossips, options.proposes);
            node.lag_blocks = options.lag_blocks;
            node
        };
        let mut chain = Chain::new(&self.chain_id, state, self.nodes.iter().map(node).collect());
        chain.indexing = self.indexing;
        chain
    }
}

/// Topics 1 to `count`, whose first windows open at equal distances over one epoch.
#[must_use]
pub fn staggered(count: u64, epoch: u64, window: u64, start_height: u64) -> Vec<Topic> {
    let first = |id: u64| start_height + LEAD_BLOCKS + (id - 1) * epoch / count.max(1);
    (1..=count)
        .map(|id| Topic::new(id, epoch, window, first(id)))
        .collect()
}

/// Makes a topic ask for labelled values.
#[must_use]
pub fn multi(mut topic: Topic, labels: crate::chain::labels::Labels) -> Topic {
    topic.arity = Arity::Multi(labels);
    topic
}
