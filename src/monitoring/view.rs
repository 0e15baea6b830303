//! Everything that is known at one moment, gathered from where it is kept.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::chain::Chain;
use crate::chain::counters::{Count, Timing};
use crate::chain::endpoints::EndpointId;
use crate::status::Facts;
use crate::status::tally::{Tally, Totals};
use crate::status::waiting::{Scope, Waiting};
use crate::values::units::{ApiVersion, Height};

/// Where views come from.
#[derive(Clone, Debug)]
pub struct Source {
    chain: Arc<Chain>,
    tally: Arc<Tally>,
}

/// A moment of the worker.
#[derive(Clone, Debug)]
pub struct View {
    /// The moment.
    pub now: Instant,
    /// The same by the wall clock.
    pub at: SystemTime,
    /// Since when the process runs, by the wall clock.
    pub started_at: SystemTime,
    /// For how long it runs.
    pub uptime: Duration,
    /// The wallet's address.
    pub address: String,
    /// What the threads told.
    pub facts: Facts,
    /// The threads that hang.
    pub hanging: Vec<String>,
    /// What is waited for.
    pub waits: Vec<(Scope, Waiting)>,
    /// What was counted.
    pub totals: Totals,
    /// Requests to the chain, by route and class.
    pub requests: Vec<Count>,
    /// How long they took.
    pub request_us: Timing,
    /// The endpoints' names, each with whether it is the one in use.
    pub endpoints: Vec<(String, bool)>,
    /// The chain's id, once it is known.
    pub chain_id: Option<String>,
    /// The emissions version last found.
    pub api: Option<ApiVersion>,
    /// The highest height known, and how long ago it was first seen.
    pub height: Option<(Height, Duration)>,
    /// How long a block takes, once that is measured.
    pub block_time: Option<Duration>,
}

impl Source {
    /// Views of this chain and these counts.
    #[must_use]
    pub fn new(chain: Arc<Chain>, tally: Arc<Tally>) -> Source {
        Source { chain, tally }
    }

    /// The threads that hang: what a view has, for less.
    #[must_use]
    pub fn hanging(&self) -> Vec<String> {
        self.chain.status.beats.hanging(Instant::now())
    }

    /// One line with everything that was counted, for the end.
    #[must_use]
    pub fn summary(&self) -> String {
        let up_s = self.chain.status.started().0.elapsed().as_secs();
        let counts = self.chain.lcd.counters().snapshot();
        let requests: u64 = counts.iter().map(|count| count.requests).sum();
        let outcomes = self.tally.summary();
        format!("stopped after {up_s} s: {outcomes}; requests {requests}")
    }

    /// Everything, now.
    #[must_use]
    pub fn view(&self) -> View {
        let (chain, now) = (&self.chain, Instant::now());
        let (status, lcd, clock) = (&chain.status, &chain.lcd, chain.lcd.clock());
        let (started, started_at) = status.started();
        let in_use = lcd.current_endpoint();
        let endpoint = |at: usize| {
            let id = EndpointId(at);
            (lcd.endpoint_name(id).to_owned(), id == in_use)
        };
        View {
            now,
            at: SystemTime::now(),
            started_at,
            uptime: now.saturating_duration_since(started),
            address: chain.address.clone(),
            facts: status.facts(),
            hanging: status.beats.hanging(now),
            waits: chain.waits.snapshot(),
            totals: self.tally.totals(),
            requests: lcd.counters().all(),
            request_us: lcd.counters().timing(),
            endpoints: (0..lcd.endpoint_count()).map(endpoint).collect(),
            chain_id: lcd.chain_id(),
            api: chain.api_last_known(),
            height: clock.highest().zip(clock.height_age(now)),
            block_time: clock.is_measured().then(|| clock.block_time()),
        }
    }
}

impl View {
    /// The highest height known, 0 if none is.
    #[must_use]
    pub fn height(&self) -> Height {
        self.height.map_or(Height(0), |(height, _)| height)
    }

    /// The endpoint in use.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        let in_use = self.endpoints.iter().find(|(_, in_use)| *in_use);
        in_use.map_or("none", |(name, _)| name)
    }
}

/// Seconds since 1970 by the wall clock; 0 before.
#[must_use]
pub fn unix_seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::chain::lcd::Lcd;
    use crate::http::Http;
    use crate::values::topic::{Window, WindowStatus};
    use crate::values::units::{Nonce, TopicId};

    /// A worker with one topic, in the middle of a window.
    pub(crate) fn source() -> Source {
        let urls = ["http://user:password@localhost:1".to_owned()];
        let lcd = Lcd::new(Http::new(), &urls, 1);
        let chain = Arc::new(Chain::new(lcd, "allo1address".to_owned()));
        let window = |nonce, end| {
            Some(Window {
                nonce: Nonce(nonce),
                end: Height(end),
            })
        };
        let status = WindowStatus {
            open: window(100, 110),
            next: window(120, 130),
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: true,
        };
        chain.status.polled(TopicId(1), status, false);
        Source::new(chain, Arc::default())
    }

    /// That worker at height 105.
    pub(crate) fn view() -> View {
        let mut view = source().view();
        view.height = Some((Height(105), Duration::from_secs(1)));
        view
    }

    #[test]
    fn endpoints_are_named_without_their_users() {
        let view = view();
        assert_eq!(view.endpoint(), "http://localhost:1");
        assert!(!format!("{view:?}").contains("password"));
    }
}
