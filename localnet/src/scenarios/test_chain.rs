//! What a scenario needs of a chain, whether it is simulated or real.

use std::io;
use std::time::Duration;

use crate::chain::decimal::Decimal;
use crate::chain::message::Api;

/// Blocks from one nonce of a topic to the next: the shortest that the chain allows.
pub(super) const EPOCH_BLOCKS: u64 = 12;
/// Length of a submission window, in blocks.
pub(super) const WINDOW_BLOCKS: u64 = 6;
/// Workers of a topic whose inferences count in one window.
pub(super) const PLACES: usize = 32;
/// How much a price rise multiplies the gas price.
pub(super) const PRICE_FACTOR: u64 = 5;
/// The id of every chain that is started here.
pub(super) const CHAIN_ID: &str = "localnet";

/// Codes (`sdk`) of transactions that fail before their fee is taken.
const ANTE: [u32; 4] = [4, 13, 30, 32];

/// A topic that a chain starts with. Topics get the ids 1, 2, … in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TopicSpec {
    /// Whether it asks for the labels up, down and flat, which add up to 1 (v10).
    pub(super) labelled: bool,
    /// Whether it then takes any labels.
    pub(super) any_labels: bool,
    /// Whether only workers on its list may submit; the list is empty at first.
    pub(super) whitelisted: bool,
    /// Whether its windows open from the start.
    pub(super) active: bool,
}

impl TopicSpec {
    /// A topic for one number, active and open to all.
    pub(super) const PLAIN: TopicSpec = TopicSpec {
        labelled: false,
        any_labels: false,
        whitelisted: false,
        active: true,
    };
}

/// What a chain has to have at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) topics: Vec<TopicSpec>,
    /// Addresses with 1 ALLO each.
    pub(super) funded: Vec<String>,
    /// Scores of workers that have been good or bad before: topic, address, score. All others
    /// have 0.
    pub(super) scores: Vec<(u64, String, u8)>,
    /// How many transactions the mempool holds; `None` for the default, which is thousands.
    pub(super) mempool_txs_max: Option<usize>,
    /// Workers of a topic whose inferences count in one window; `None` for `PLACES`.
    pub(super) places: Option<usize>,
    /// How many labels a window of a topic registers; `None` for the default, which is thousands.
    pub(super) labels_max: Option<usize>,
    /// Topics and nonces that are left unfulfilled from before the chain's start, as by an internal
    /// failure of the chain.
    pub(super) stale: Vec<(u64, u64)>,
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Landed {
    pub(super) height: u64,
    /// Empty on success.
    pub(super) codespace: String,
    /// 0 on success.
    pub(super) code: u32,
    pub(super) gas_wanted: u64,
    pub(super) gas_used: u64,
    pub(super) fee_uallo: u128,
    pub(super) purpose: Purpose,
    pub(super) place: Place,
}

/// Which place an inference got in its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One that was free. Also that of everything that is not an inference.
    Free,
    /// That of the worker with the lowest score.
    OfAnother,
    /// None: no score of the workers that have one is lower.
    None,
}

impl Landed {
    /// Whether it failed before its fee was taken; then its sequence is not used either.
    pub(super) fn is_free(&self) -> bool {
        self.codespace == "sdk" && ANTE.contains(&self.code)
    }

    /// Whether it is a payload without an inference.
    pub(super) fn is_forecast(&self) -> bool {
        matches!(&self.purpose, Purpose::Payload(payload)
            if payload.value.is_none() && payload.labels == 0)
    }
}

/// What a transaction is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Payload(Payload),
    Registration,
    Other,
}

/// What a payload holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) topic: u64,
    pub(super) nonce: u64,
    /// The inference's single value.
    pub(super) value: Option<Decimal>,
    /// Number of labelled values.
    pub(super) labels: usize,
    /// Number of forecast elements; `None` without a forecast.
    pub(super) forecast: Option<usize>,
}

impl Payload {
    /// The kind of payload, as the gas table names it.
    pub(super) fn kind(&self, place: Place) -> &'static str {
        match (self.labels > 0, self.value.is_some(), self.forecast) {
            (false, true, None) if place == Place::OfAnother => "inference that evicts another",
            (false, true, None) if place == Place::None => "inference that is not admitted",
            (true, _, None) => "labelled inference",
            (true, _, Some(_)) => "labelled inference and forecast",
            (false, true, None) => "inference",
            (false, true, Some(_)) => "inference and forecast",
            (false, false, _) => "forecast",
        }
    }
}

/// A fee allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) limit: Limit,
    /// After this time it has expired; `None` for never.
    pub(super) lasts: Option<Duration>,
    /// Names of the messages that it pays for, without their package.
    pub(super) messages: &'static [&'static str],
}

/// What a fee allowance pays at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    PerPeriod(u128),
    Whole(u128),
}

/// A chain under test. Methods that change it return once a block holds the change.
pub(super) trait TestChain: Sync {
    /// The version of its emissions interface at the moment.
    fn api(&self) -> Api;
    /// The URL of its REST API.
    fn url(&self) -> String;
    /// Gives each address 1 ALLO.
    fn fund(&self, addresses: &[String]) -> io::Result<()>;
    /// Adds an address to a topic's list of workers.
    fn allow(&self, topic: u64, address: &str) -> io::Result<()>;
    /// Activates a topic that was created inactive.
    fn activate(&self, topic: u64) -> io::Result<()>;
    /// The account that grants allowances.
    fn granter(&self) -> String;
    /// Gives an account an allowance, instead of an earlier one if it `has_one`.
    fn grant(&self, grantee: &str, has_one: bool, granted: Granted) -> io::Result<()>;
    /// Stops the node, so that its mempool is lost, and starts it again.
    fn restart(&self) -> io::Result<()>;
    /// Raises the gas price to `PRICE_FACTOR` times what it is.
    fn raise_price(&self) -> io::Result<()>;
    /// Passes the upgrade from v9 to v10 at `height` and starts the new version there. Returns
    /// when the node has the new version.
    /// Calls `frozen` while the old version makes no more blocks, but still answers.
    fn upgrade(&self, height: u64, frozen: &mut dyn FnMut()) -> io::Result<()>;
    /// All transactions of a signer that are in blocks, oldest first.
    fn landed(&self, address: &str) -> io::Result<Vec<Landed>>;
}
