//! The routes that a worker asks, by name, and how often each was asked with which result.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::ErrorKind;
use crate::status::histogram::{Histogram, TIME_BOUNDS_US};
use crate::status::micros;

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

/// How long requests took, in microseconds.
pub type Timing = Histogram<{ TIME_BOUNDS_US.len() }>;

/// Requests that were sent, by route and class, and how long they took.
#[derive(Debug)]
pub struct Counters {
    requests: [[AtomicU64; Class::ALL.len()]; Route::ALL.len()],
    times: Mutex<Timing>,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            requests: Default::default(),
            times: Mutex::new(Histogram::new(&TIME_BOUNDS_US)),
        }
    }
}

impl Counters {
    pub(super) fn count(&self, route: Route, class: Class) {
        self.requests[route as usize][class as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn took(&self, time: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.observe(micros(time));
    }

    /// How long the requests took, in microseconds.
    #[must_use]
    pub fn timing(&self) -> Timing {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All counts above 0.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Count> {
        let mut counts = self.all();
        counts.retain(|count| count.requests > 0);
        counts
    }

    /// All counts, those of what never happened too.
    #[must_use]
    pub fn all(&self) -> Vec<Count> {
        let all = Route::ALL.into_iter().flat_map(|route| {
            Class::ALL.into_iter().map(move |class| {
                let requests =
                    self.requests[route as usize][class as usize].load(Ordering::Relaxed);
                Count {
                    route,
                    class,
                    requests,
                }
            })
        });
        all.collect()
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
