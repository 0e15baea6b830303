//! The routes that a worker asks, by name.

use std::fmt;

/// A route of the chain's REST API (protocol.md sections 3.2 and 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// `worker_submission_window_status`: the one query of a poll.
    WindowStatus,
    /// `topics`: what kind of topic it is.
    Topic,
    /// `inferer_score_ema`: whether a nonce is served.
    InfererScoreEma,
    /// `forecaster_score_ema`: the same for a forecast alone.
    ForecasterScoreEma,
    /// `params` of x/emissions.
    Params,
    /// `node_info`: the chain id.
    NodeInfo,
    /// `syncing`.
    Syncing,
    /// `status` of the node: the newest block's time.
    NodeStatus,
    /// `account_info`: account number and sequence.
    Account,
    /// `balances/…/by_denom`.
    Balance,
    /// `gas_price` of x/feemarket.
    GasPrice,
    /// `simulate`.
    Simulate,
    /// `txs` by POST.
    Broadcast,
    /// `txs` by hash.
    Tx,
}

impl Route {
    /// Every route, in the order of the declaration.
    pub const ALL: [Route; 14] = [
        Route::WindowStatus,
        Route::Topic,
        Route::InfererScoreEma,
        Route::ForecasterScoreEma,
        Route::Params,
        Route::NodeInfo,
        Route::Syncing,
        Route::NodeStatus,
        Route::Account,
        Route::Balance,
        Route::GasPrice,
        Route::Simulate,
        Route::Broadcast,
        Route::Tx,
    ];

    /// The path that names the chain id.
    pub(super) const NODE_INFO_PATH: &str = "/cosmos/base/tendermint/v1beta1/node_info";
    /// The path of [`Lcd::syncing`](crate::chain::lcd::Lcd::syncing), asked together with
    /// [`Route::NODE_INFO_PATH`].
    pub(super) const SYNCING_PATH: &str = "/cosmos/base/tendermint/v1beta1/syncing";

    /// A short name, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Route::WindowStatus => "window_status",
            Route::Topic => "topic",
            Route::InfererScoreEma => "inferer_score_ema",
            Route::ForecasterScoreEma => "forecaster_score_ema",
            Route::Params => "params",
            Route::NodeInfo => "node_info",
            Route::Syncing => "syncing",
            Route::NodeStatus => "node_status",
            Route::Account => "account",
            Route::Balance => "balance",
            Route::GasPrice => "gas_price",
            Route::Simulate => "simulate",
            Route::Broadcast => "broadcast",
            Route::Tx => "tx",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
