//! How often each route was asked with which result, and how long the requests took.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::histogram::Histogram;

use crate::chain::error::Class;
use crate::chain::route::Route;
use crate::status::histogram;

/// Requests that were sent, by route and class, and how long they took.
#[derive(Debug)]
pub struct Counters {
    requests: [[AtomicU64; Class::ALL.len()]; Route::ALL.len()],
    /// How long the requests took.
    pub durations: Histogram,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            requests: Default::default(),
            durations: histogram::durations(),
        }
    }
}

impl Counters {
    pub(super) fn count(&self, route: Route, class: Class) {
        self.requests[route as usize][class as usize].fetch_add(1, Ordering::Relaxed);
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
