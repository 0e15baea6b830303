//! Everything that is known at one moment, gathered from the threads' board and the client.

use std::time::{Duration, Instant, SystemTime};

use crate::chain::Chain;
use crate::chain::counters::Count;
use crate::chain::endpoints::EndpointId;
use crate::status::BoardReport;
use crate::status::histogram::DurationHistogram;
use crate::status::waiting::{Scope, Waiting};
use crate::values::units::{ApiVersion, Height, Uallo};

/// The worker at one moment.
#[derive(Clone, Debug)]
pub struct View {
    pub now: Instant,
    pub started_at: SystemTime,
    pub uptime: Duration,
    /// The wallet's address.
    pub address: String,
    /// The account that sends and pays, whose balance is shown.
    pub sender: String,
    pub board: BoardReport,
    /// The threads that hang.
    pub hanging: Vec<String>,
    pub waits: Vec<(Scope, Waiting)>,
    /// Requests to the chain, by route and class.
    pub requests: Vec<Count>,
    pub request_durations: DurationHistogram,
    /// The endpoints' names, each with whether it is the one in use.
    pub endpoints: Vec<(String, bool)>,
    pub chain_id: Option<String>,
    /// The emissions version last found.
    pub api: Option<ApiVersion>,
    /// The highest height known, and how long ago it was first seen.
    pub height: Option<(Height, Duration)>,
    /// How long a block takes, once that is measured.
    pub block_time: Option<Duration>,
}

impl View {
    /// Gathers the current state.
    pub fn of(chain: &Chain) -> View {
        let now = Instant::now();
        let (board, lcd, clock) = (&chain.board, &chain.lcd, chain.lcd.clock());
        let in_use = lcd.current_endpoint();
        let endpoint = |at: usize| {
            let id = EndpointId(at);
            (lcd.endpoint_name(id).to_owned(), id == in_use)
        };
        View {
            now,
            started_at: board.started_at,
            uptime: now.saturating_duration_since(board.started),
            address: chain.address.clone(),
            sender: chain.sender.clone(),
            board: board.report(),
            hanging: board.beats.hanging(now),
            waits: chain.waits.snapshot(),
            requests: lcd.counters().all(),
            request_durations: lcd.counters().durations.clone(),
            endpoints: (0..lcd.endpoint_count()).map(endpoint).collect(),
            chain_id: lcd.chain_id(),
            api: chain.api_last_known(),
            height: clock.highest().zip(clock.height_age(now)),
            block_time: clock.is_measured().then(|| clock.block_time()),
        }
    }

    /// The last line of the log: everything that was counted.
    pub fn summary(&self) -> String {
        let (up_s, outcomes) = (self.uptime.as_secs(), self.board.summary());
        let requests = self.requests_sum();
        format!("stopped after {up_s} s: {outcomes}; requests {requests}")
    }

    /// The fees signed within the last 24 hours.
    pub fn fees_signed_24h(&self) -> Option<Uallo> {
        let budget = self.board.budget.as_ref();
        budget.map(|budget| budget.signed(self.now))
    }

    /// How many requests were sent to the chain.
    pub fn requests_sum(&self) -> u64 {
        self.requests.iter().map(|count| count.requests).sum()
    }

    /// The highest height known, 0 if none is.
    pub fn height(&self) -> Height {
        self.height.map_or(Height(0), |(height, _)| height)
    }

    /// How long it takes until this block is there, once the pace of blocks is measured.
    pub fn time_until(&self, block: Height) -> Option<Duration> {
        let (height, age) = self.height?;
        let blocks = u32::try_from(block.0.saturating_sub(height.0)).ok()?;
        let time = self.block_time?.checked_mul(blocks)?;
        Some(time.saturating_sub(age))
    }

    /// The name of the endpoint in use.
    pub fn endpoint(&self) -> &str {
        let in_use = self.endpoints.iter().find(|(_, in_use)| *in_use);
        in_use.map_or("none", |(name, _)| name)
    }
}

/// Seconds since 1970; 0 for a clock that is before.
pub fn unix_seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::chain::lcd::Lcd;
    use crate::http::Http;
    use crate::status::Polled;
    use crate::values::topic::{Window, WindowStatus};
    use crate::values::units::{Nonce, TopicId};

    pub(crate) const POLL_GAP_MAX: Duration = Duration::from_secs(2_700);

    /// A worker with one topic, in the middle of a window.
    pub(crate) fn chain() -> Chain {
        let urls = ["http://user:password@localhost:1".to_owned()];
        let lcd = Lcd::new(Http::default(), &urls, None, 1);
        let chain = Chain::of_one_account(lcd, "allo1address");
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
        chain.board.serves(TopicId(1), POLL_GAP_MAX);
        chain.board.polled(TopicId(1), Polled::sample(status));
        chain
    }

    /// That worker at height 105.
    pub(crate) fn view() -> View {
        let mut view = View::of(&chain());
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
