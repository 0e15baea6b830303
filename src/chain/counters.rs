//! Counts the requests by route and result, and times them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::chain::error::Class;
use crate::chain::route::Route;
use crate::status::histogram::DurationHistogram;

#[derive(Debug, Default)]
pub struct Counters {
    requests: [[AtomicU64; Class::ALL.len()]; Route::ALL.len()],
    /// How long the requests took.
    pub durations: DurationHistogram,
}

impl Counters {
    pub(super) fn count(&self, route: Route, class: Class) {
        self.requests[route as usize][class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts of every route and class.
    pub fn all(&self) -> Vec<Count> {
        let by_class = |&route: &Route| {
            Class::ALL.map(|class| Count {
                route,
                class,
                requests: self.requests[route as usize][class as usize].load(Ordering::Relaxed),
            })
        };
        Route::ALL.iter().flat_map(by_class).collect()
    }
}

/// How many requests to a route ended in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub route: Route,
    pub class: Class,
    pub requests: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_apart() {
        let counters = Counters::default();
        for (i, &route) in Route::ALL.iter().enumerate() {
            assert_eq!(route as usize, i, "{route} is out of order");
            for class in Class::ALL {
                counters.count(route, class);
            }
        }
        counters.count(Route::Tx, Class::Transport);
        let snapshot = counters.all();
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
