//! What a check learns before it judges anything. Texts of errors are kept as they came; none of
//! them contains a secret.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use time::UtcOffset;

use crate::chain::answers::{Account, NodeStatus, Params};
use crate::chain::meaning::Meaning;
use crate::config::{Config, TopicConfig, Warning};
use crate::http::url::Url;
use crate::sign::wallet_source::SecretSource;
use crate::text::Foreign;
use crate::values::allowance::Allowance;
use crate::values::fee::GasPrice;
use crate::values::payload::{ForecastElement, Inference};
use crate::values::topic::{TopicInfo, WindowStatus};
use crate::values::units::{ApiVersion, Gas, Height, Nonce, Uallo};

/// Everything that was gathered; endpoints and topics are in the order of the configuration.
#[derive(Clone, Debug)]
pub struct Gathered {
    pub setup: Setup,
    pub endpoints: Vec<EndpointFacts>,
    /// `None` if no endpoint can be used.
    pub chain: Option<ChainFacts>,
    pub topics: Vec<TopicGathered>,
}

/// The configuration and this machine.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The configuration file.
    pub path: PathBuf,
    pub config: Config,
    /// What was noted while it was read.
    pub warnings: Vec<Warning>,
    /// The variables that name a proxy while no setting says whether to use it.
    pub unused_proxy: Vec<&'static str>,
    /// Where the wallet's secret was found.
    pub origin: SecretSource,
    /// The permission bits of the file that holds the secret, if they could be read.
    pub mode: Option<u32>,
    /// The worker's address.
    pub address: String,
    /// The account that sends its transactions and pays for them.
    pub sender: String,
    pub now: SystemTime,
    pub offset: UtcOffset,
}

impl Setup {
    /// Whether this process registers the worker in its topics: only the worker's own account can,
    /// and of two machines only the primary.
    pub fn registers(&self) -> bool {
        self.sender == self.address
    }
}

#[derive(Clone, Debug)]
pub struct EndpointFacts {
    pub url: Url,
    pub node: Result<NodeFacts, Unusable>,
}

/// What the first endpoint reports that can be used.
pub fn first_usable(endpoints: &[EndpointFacts]) -> Option<&NodeFacts> {
    let mut nodes = endpoints.iter().map(|endpoint| endpoint.node.as_ref());
    nodes.find_map(Result::ok)
}

/// Why an endpoint cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    Syncing,
    /// It does not answer like a node.
    Down(String),
    /// The proxy gives no way to it.
    Proxy(String),
    /// Something in front of it refuses this client.
    NotLetIn(String),
    /// It serves another chain than the configured one, or than the first endpoint that answers.
    OtherChain {
        got: String,
        expected: String,
    },
    /// Its answers name no height.
    NoHeights,
    /// It serves no known emissions version.
    NoApi(String),
    Behind {
        height: Height,
        highest: Height,
    },
}

/// What a node reports about itself.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    pub chain_id: String,
    /// The chain's version; empty if the node does not report it.
    pub version: Foreign,
    /// The height that its answers name.
    pub height: Option<Height>,
    pub api: Result<ApiVersion, String>,
    /// Its newest block.
    pub block: Result<NodeStatus, String>,
    /// This machine's clock when the newest block was received.
    pub block_received: SystemTime,
    /// Whether transactions can be looked up by their hash.
    pub tx_index: Result<bool, String>,
    /// How long one answer took.
    pub latency: Duration,
}

/// What the chain says about the account and its prices.
#[derive(Clone, Debug)]
pub struct ChainFacts {
    pub api: ApiVersion,
    pub chain_id: Option<String>,
    /// `Ok(None)`: the chain does not know the account.
    pub account: Result<Option<Account>, String>,
    pub balance: Result<Uallo, String>,
    pub price: Result<GasPrice, String>,
    pub params: Result<Params, String>,
    /// `None`: the worker's own account pays the fees.
    pub grant: Option<GrantFacts>,
    /// The time between blocks, if it could be measured.
    pub block_time: Option<Duration>,
}

/// The account that pays the fees.
#[derive(Clone, Debug)]
pub struct GrantFacts {
    pub granter: String,
    /// `Ok(None)`: it grants nothing.
    pub allowance: Result<Option<Allowance>, String>,
    pub balance: Result<Uallo, String>,
}

#[derive(Clone, Debug)]
pub struct TopicGathered {
    pub config: TopicConfig,
    /// `None`: the chain was not asked, because no endpoint can be used.
    pub standing: Option<Result<WorkerStanding, StandingError>>,
    /// `None`: no inference model is configured.
    pub model: Option<ModelFacts>,
    /// `None`: no forecast model is configured.
    pub forecast: Option<Forecast>,
    /// `None`: there is no transaction to simulate, for a reason that the other facts give.
    pub rehearsal: Option<Result<Rehearsal, String>>,
}

impl TopicGathered {
    /// The worker's standing, if the chain reported it.
    pub fn standing(&self) -> Option<&WorkerStanding> {
        self.standing.as_ref()?.as_ref().ok()
    }
}

/// Why a topic's standing is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandingError {
    /// There is no such topic.
    UnknownTopic,
    /// The request failed, or there was no time for it.
    Failed(String),
}

/// A topic on the chain, and the worker in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStanding {
    pub info: TopicInfo,
    pub status: WindowStatus,
    /// The height of the status.
    pub height: Height,
}

impl WorkerStanding {
    /// The nonce to rehearse a payload for: the open one, or the last one.
    pub fn nonce(&self) -> Nonce {
        let open = self.status.open.map(|window| window.nonce);
        open.or(self.info.last_nonce)
            .unwrap_or(Nonce(self.height.0))
    }
}

/// The result of asking a topic's forecast model.
pub type Forecast = Result<Vec<ForecastElement>, String>;

/// The result of asking a topic's model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelFacts {
    Value(ModelValue),
    Failed(String),
    /// It was not asked, for this reason.
    NotAsked(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelValue {
    /// The beginning of the answer as it came.
    pub raw: Foreign,
    pub inference: Inference,
    /// The inference as text, without secrets of the configuration.
    pub shown: String,
    /// How long the answer took.
    pub time: Duration,
    /// Why the first URL failed, if the second one gave the answer.
    pub passed_over: Option<String>,
    /// The guard that the inference does not pass.
    pub breach: Option<String>,
}

/// A simulated transaction; nothing is included in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    pub of: Rehearsed,
    /// The gas that it would use, or why it would be refused.
    pub answer: Result<Gas, Meaning>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsed {
    /// A registration, which comes before the first payload.
    Registration,
    /// A payload for the open window.
    Open(Nonce),
    /// A payload for the last window, because none is open.
    Over(Nonce),
}
