//! What a check learns before it judges anything. Texts of errors are kept as they are told; none
//! of them holds a secret.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use time::UtcOffset;

use crate::chain::answers::{Account, NodeStatus, Params};
use crate::chain::meaning::Meaning;
use crate::config::{Config, TopicConfig, Warning};
use crate::sign::seed_phrase::PhraseSource;
use crate::values::fee::GasPrice;
use crate::values::payload::{ForecastElement, Inference};
use crate::values::topic::{TopicInfo, WindowStatus};
use crate::values::units::{ApiVersion, Gas, Height, Nonce, Uallo};

/// Everything.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What this machine says.
    pub setup: Setup,
    /// Each endpoint on its own, in the order of the configuration.
    pub endpoints: Vec<Endpoint>,
    /// What the endpoints that can be used say; `None` if there is none.
    pub chain: Option<ChainFacts>,
    /// Each topic, in the order of the configuration.
    pub topics: Vec<TopicFacts>,
}

/// The configuration and this machine.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where the configuration was read from.
    pub path: PathBuf,
    /// The configuration.
    pub config: Config,
    /// What was noted while it was read.
    pub warnings: Vec<Warning>,
    /// Where the seed phrase was found.
    pub origin: PhraseSource,
    /// The permission bits of the file that it was found in, if they could be read.
    pub mode: Option<u32>,
    /// The wallet's address.
    pub address: String,
    /// What this machine's clock says.
    pub now: SystemTime,
    /// Its time zone.
    pub offset: UtcOffset,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its scheme, host and port.
    pub name: String,
    /// What it says of itself, or why it cannot be asked.
    pub node: Result<Node, Unusable>,
}

/// Why an endpoint cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is still catching up with its chain.
    Syncing,
    /// It gives no answer of a node.
    Down(String),
}

/// What an endpoint says of itself.
#[derive(Clone, Debug)]
pub struct Node {
    /// The chain's id.
    pub chain_id: String,
    /// The chain's version; empty if the node does not tell.
    pub version: String,
    /// The height that its answers name; `None`: they name none.
    pub height: Option<Height>,
    /// Which emissions version it serves.
    pub api: Result<ApiVersion, String>,
    /// Its newest block.
    pub block: Result<NodeStatus, String>,
    /// This machine's clock when that was told.
    pub block_told: SystemTime,
    /// Whether transactions can be looked up by their hash.
    pub tx_index: Result<bool, String>,
    /// How long one answer took.
    pub latency: Duration,
}

/// What the chain says about the account and its prices.
#[derive(Clone, Debug)]
pub struct ChainFacts {
    /// Which emissions version is in force.
    pub api: ApiVersion,
    /// The account; `Ok(None)`: the chain does not know it.
    pub account: Result<Option<Account>, String>,
    /// What it has.
    pub balance: Result<Uallo, String>,
    /// The price of gas.
    pub price: Result<GasPrice, String>,
    /// What messages cost beside gas.
    pub params: Result<Params, String>,
    /// How long a block takes, if that was seen.
    pub block_time: Option<Duration>,
}

/// One topic.
#[derive(Clone, Debug)]
pub struct TopicFacts {
    /// Its configuration.
    pub config: TopicConfig,
    /// What the chain says of it; `None`: the chain was not asked, for want of an endpoint.
    pub standing: Option<Result<Standing, Refusal>>,
    /// What its model says, if it has one.
    pub model: Option<Model>,
    /// What its model of forecasts says, if it has one.
    pub forecast: Option<Result<Vec<ForecastElement>, String>>,
    /// What the chain says of the transaction that would be sent; `None`: there is none to be
    /// sent, for a reason that the other facts tell.
    pub rehearsal: Option<Result<Rehearsal, String>>,
}

/// Why the chain told nothing of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such topic.
    Unknown,
    /// The question was not answered.
    Failed(String),
}

/// A topic on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is.
    pub info: TopicInfo,
    /// Its windows, and where the worker stands.
    pub status: WindowStatus,
    /// The height at which this was so.
    pub height: Height,
}

impl Standing {
    /// The nonce that a rehearsal is for: the open one, or the last one.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        let open = self.status.open.map(|window| window.nonce);
        open.or(self.info.last_nonce)
            .unwrap_or(Nonce(self.height.0))
    }
}

/// What a model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// An inference.
    Value {
        /// The beginning of the answer as it came, on one line.
        raw: String,
        /// What is submitted.
        inference: Inference,
        /// The inference as text, fit to be shown.
        shown: String,
        /// How long it took.
        time: Duration,
        /// Why the first URL was passed over, if the second one gave the answer.
        passed_over: Option<String>,
        /// Which guard it does not pass.
        breach: Option<String>,
    },
    /// No inference.
    Failed(String),
    /// It was not asked, for this reason.
    NotAsked(String),
}

/// What the chain says of a transaction, without including it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// What the transaction would do.
    pub of: Rehearsed,
    /// The gas that it would use, or why it would be refused.
    pub answer: Result<Gas, Meaning>,
}

/// What is rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsed {
    /// A registration, which comes before the first payload.
    Registration,
    /// A payload for the open window.
    Open(Nonce),
    /// A payload for the last window, as none is open.
    Over(Nonce),
}
