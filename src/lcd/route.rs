//! The routes that a worker asks, by name, and how often each was asked with which result.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::ErrorKind;

/// A route of the chain's REST API (protocol.md sections 3.2 and 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// `worker_submission_window_status`: the one query of a poll.
    WindowStatus,
    /// `topics`: what kind of topic it is.
    Topic,
    /// `inferer_score_ema`: whether a nonce is served.
    InfererScoreEma,
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
    pub const ALL: [Route; 13] = [
        Route::WindowStatus,
        Route::Topic,
        Route::InfererScoreEma,
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

    /// A short name, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Route::WindowStatus => "window_status",
            Route::Topic => "topic",
            Route::InfererScoreEma => "inferer_score_ema",
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

/// How a request ended, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A usable answer.
    Ok,
    /// The chain answered with an error.
    ChainError,
    /// 429.
    RateLimited,
    /// Server trouble, redirects, bodies that are no answer.
    Server,
    /// No whole answer.
    Transport,
}

impl Class {
    /// Every class, in the order of the declaration.
    pub const ALL: [Class; 5] = [
        Class::Ok,
        Class::ChainError,
        Class::RateLimited,
        Class::Server,
        Class::Transport,
    ];

    /// A short name, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Ok => "ok",
            Class::ChainError => "chain_error",
            Class::RateLimited => "rate_limited",
            Class::Server => "server",
            Class::Transport => "transport",
        }
    }

    pub(super) fn of(result: Result<(), &ErrorKind>) -> Class {
        match result {
            Ok(()) => Class::Ok,
            Err(ErrorKind::Chain(_)) => Class::ChainError,
            Err(ErrorKind::RateLimited { .. }) => Class::RateLimited,
            Err(ErrorKind::Transport(_)) => Class::Transport,
            Err(_) => Class::Server,
        }
    }
}

/// Requests that were sent, by route and class.
#[derive(Debug, Default)]
pub struct Counters([[AtomicU64; Class::ALL.len()]; Route::ALL.len()]);

impl Counters {
    pub(super) fn count(&self, route: Route, class: Class) {
        self.0[route as usize][class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All counts above 0.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Count> {
        let all = Route::ALL.into_iter().flat_map(|route| {
            Class::ALL.into_iter().map(move |class| {
                let requests = self.0[route as usize][class as usize].load(Ordering::Relaxed);
                Count {
                    route,
                    class,
                    requests,
                }
            })
        });
        all.filter(|count| count.requests > 0).collect()
    }
}

/// How many requests of a route ended in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The route.
    pub route: Route,
    /// How they ended.
    pub class: Class,
    /// How many.
    pub requests: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_apart() {
        let counters = Counters::default();
        for (i, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, i, "{route} is out of order");
            for class in Class::ALL {
                counters.count(route, class);
            }
        }
        counters.count(Route::Tx, Class::Transport);
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.len(), Route::ALL.len() * Class::ALL.len());
        assert_eq!(
            snapshot
                .iter()
                .filter(|count| count.requests == 2)
                .collect::<Vec<_>>(),
            [&Count {
                route: Route::Tx,
                class: Class::Transport,
                requests: 2
            }]
        );
    }
}
