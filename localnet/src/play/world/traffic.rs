//! Counters of requests, connections, bytes and faults.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::chain::report::count;

/// Number of requests whose times are kept for the maxima.
const MOMENTS_MAX: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// Number of routes that are counted separately.
const ROUTES_MAX: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) requests: BTreeMap<String, u64>,
    pub(super) total: u64,
    pub(super) connections: u64,
    pub(super) moments: VecDeque<Instant>,
    pub(super) per_minute_max: u64,
    pub(super) per_second_max: u64,
    pub(super) answer_bytes: u64,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) model_requests: BTreeMap<String, u64>,
    pub(super) faults: BTreeMap<String, u64>,
    pub(super) faults_by_route: BTreeMap<String, u64>,
}

impl Traffic {
    /// Counts a request.
    pub(super) fn note(&mut self, route: &str, now: Instant) {
        if self.requests.len() < ROUTES_MAX || self.requests.contains_key(route) {
            count(&mut self.requests, route);
        }
        self.total += 1;
        self.moments.push_back(now);
        while self.moments.len() > MOMENTS_MAX
            || self
                .moments
                .front()
                .is_some_and(|&first| now.duration_since(first) > MINUTE)
        {
            self.moments.pop_front();
        }
        let in_minute = u64::try_from(self.moments.len()).unwrap_or(u64::MAX);
        self.per_minute_max = self.per_minute_max.max(in_minute);
        let newest = self.moments.iter().rev();
        let in_second = newest
            .take_while(|&&at| now.duration_since(at) <= SECOND)
            .count();
        let in_second = u64::try_from(in_second).unwrap_or(u64::MAX);
        self.per_second_max = self.per_second_max.max(in_second);
    }
}
