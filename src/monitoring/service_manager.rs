//! Messages to the service manager (sd_notify): ready, alive, a status line, stopping. The worker
//! is ready as soon as its threads run, not when the chain answers: it waits for an endpoint that
//! is down, and that must not look like a failed start.
//!
//! The main thread pings the watchdog, but only while no other thread is overdue with its report;
//! the service manager restarts a worker that hangs.

use std::time::{Duration, Instant, SystemTime};

use log::{error, warn};
use sd_notify::NotifyState;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::chain::Chain;
use crate::monitoring::view::View;

/// How often the status line is checked for changes.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// The shortest time between two pings; a watchdog that needs more frequent ones is misconfigured.
const PING_EVERY_MIN: Duration = Duration::from_millis(50);
/// The longest status line, in characters.
const STATUS_CHARS_MAX: usize = 240;

/// The service manager that is notified.
#[derive(Debug)]
pub struct ServiceManager {
    /// How often the watchdog has to be pinged; `None`: there is none.
    ping_every: Option<Duration>,
    pinged: Option<Instant>,
    status: String,
    /// It has been logged that threads hang.
    hang_logged: bool,
    /// It has been logged that it can't be reached.
    failure_logged: bool,
}

impl ServiceManager {
    /// The one that the environment names (`NOTIFY_SOCKET`), with its watchdog (`WATCHDOG_USEC`).
    pub fn of_environment() -> Option<ServiceManager> {
        std::env::var_os("NOTIFY_SOCKET")?;
        Some(ServiceManager {
            ping_every: sd_notify::watchdog_enabled().map(ping_every),
            pinged: None,
            status: String::new(),
            hang_logged: false,
            failure_logged: false,
        })
    }

    /// The longest time between two calls of [`tick`](Self::tick).
    pub fn tick_every(&self) -> Duration {
        tick_every(self.ping_every)
    }

    /// Reports that the worker is ready.
    pub fn ready(&mut self, chain: &Chain) {
        let status = status_line(&View::of(chain));
        self.notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
        self.tick(chain);
    }

    /// Pings if it is time and nothing hangs; sends the status line if it has changed.
    pub fn tick(&mut self, chain: &Chain) {
        let now = Instant::now();
        let hanging = chain.board.beats.hanging(now);
        self.log_hanging(&hanging);
        if may_ping(self.ping_every, self.pinged, !hanging.is_empty(), now) {
            self.pinged = Some(now);
            self.notify(&[NotifyState::Watchdog]);
        }
        let status = status_line(&View::of(chain));
        if status != self.status {
            self.notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Reports that the worker stops.
    pub fn stopping(&mut self) {
        self.notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    fn log_hanging(&mut self, hanging: &[String]) {
        if !hanging.is_empty() && !self.hang_logged {
            let watchdog = match self.ping_every {
                Some(_) => "the watchdog is not pinged any more",
                None => "restart the worker",
            };
            error!("{} hangs; {watchdog}", hanging.join(", "));
        }
        self.hang_logged = !hanging.is_empty();
    }

    fn notify(&mut self, states: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states)
            && !std::mem::replace(&mut self.failure_logged, true)
        {
            warn!("the service manager at $NOTIFY_SOCKET can't be reached: {error}");
        }
    }
}

/// Topics, the last success, the next window, and the first waiting state. It holds no ages and no
/// countdowns, so that it changes only when something happened.
fn status_line(view: &View) -> String {
    let topics = &view.board.topics;
    let plural = if topics.len() == 1 { "topic" } else { "topics" };
    let successes = topics
        .iter()
        .filter_map(|(id, topic)| Some((id, topic.last_success.as_ref()?)));
    let success = match successes.max_by_key(|(_, last)| last.at) {
        Some((id, last)) => format!("topic {id}, nonce {}, {}", last.nonce, clock_time(last.at)),
        None => "none yet".to_owned(),
    };
    let height = view.height();
    let windows = topics
        .iter()
        .filter_map(|(id, topic)| Some((topic.next_window(height)?, id)));
    let next = match windows.min() {
        Some((height, id)) => format!("topic {id} at block {height}"),
        None => "not known".to_owned(),
    };
    let mut line = format!(
        "{} {plural}; last success: {success}; next window: {next}",
        topics.len()
    );
    if let [(scope, waiting), others @ ..] = &*view.waits {
        let more = match others.len() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        line = format!("waiting: {scope}: {}{more}; {line}", waiting.in_brief());
    }
    line.chars().take(STATUS_CHARS_MAX).collect()
}

/// The time of day in UTC; empty for a clock that is out of range.
fn clock_time(at: SystemTime) -> String {
    let form = format_description!("[hour]:[minute]:[second] UTC");
    OffsetDateTime::from(at).format(form).unwrap_or_default()
}

/// Half of the time that the watchdog allows, as systemd's manual recommends.
fn ping_every(watchdog: Duration) -> Duration {
    (watchdog / 2).max(PING_EVERY_MIN)
}

/// At most half of the time between two pings, so that a late tick does not make a ping late.
fn tick_every(ping_every: Option<Duration>) -> Duration {
    ping_every.map_or(STATUS_EVERY, |every| (every / 2).min(STATUS_EVERY))
}

/// Whether the watchdog is to be pinged now: with the next tick it would be too late.
fn may_ping(every: Option<Duration>, pinged: Option<Instant>, hangs: bool, now: Instant) -> bool {
    let is_due = |every: Duration| {
        let next_tick = now + tick_every(Some(every));
        pinged.is_none_or(|at| next_tick.saturating_duration_since(at) > every)
    };
    !hangs && every.is_some_and(is_due)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::view::tests::view;
    use crate::status::history::Ended;
    use crate::status::outcome::Outcome;
    use crate::status::waiting::{Scope, Waiting};
    use crate::values::units::{Nonce, TopicId};

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn pings_come_at_half_of_the_watchdogs_time_and_stop_when_a_thread_hangs() {
        let every = Some(ping_every(60 * S));
        let now = Instant::now();
        assert!(may_ping(every, None, false, now), "the first one at once");
        assert!(!may_ping(every, Some(now), false, now + 20 * S));
        assert!(may_ping(every, Some(now), false, now + 26 * S));
        assert!(may_ping(every, Some(now), false, now + 30 * S));
        assert!(!may_ping(every, Some(now), true, now + 30 * S));
        assert!(!may_ping(None, None, false, now), "there is no watchdog");
    }

    #[test]
    fn pings_come_in_time_for_every_watchdog_time() {
        for watchdog_s in 1..=120 {
            let watchdog = watchdog_s * S;
            let every = ping_every(watchdog);
            let tick = tick_every(Some(every));
            let start = Instant::now();
            let (mut now, mut pinged, mut longest) = (start, start, Duration::ZERO);
            while now < start + 10 * watchdog {
                now += tick;
                if may_ping(Some(every), Some(pinged), false, now) {
                    longest = longest.max(now - pinged);
                    pinged = now;
                }
            }
            assert!(longest <= every, "{watchdog:?}: {longest:?}");
            assert!(longest >= every / 2, "{watchdog:?}: {longest:?}, too often");
        }
    }

    #[test]
    fn the_status_line_names_the_last_success_the_next_window_and_the_first_wait() {
        let mut view = view();
        assert_eq!(
            status_line(&view),
            "1 topic; last success: none yet; next window: topic 1 at block 120"
        );
        let last = Ended {
            nonce: Nonce(100),
            outcome: Outcome::AlreadySubmitted,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 + 3_661),
            in_row: 0,
        };
        view.board.topics.get_mut(&TopicId(1)).unwrap().last_success = Some(last.into());
        view.waits.push((Scope::Chain, Waiting::Syncing));
        view.waits
            .push((Scope::Topic(TopicId(1)), Waiting::Inactive));
        assert_eq!(
            status_line(&view),
            "waiting: chain: node syncing and 1 more; 1 topic; last success: topic 1, nonce 100, \
             01:01:01 UTC; next window: topic 1 at block 120"
        );
    }
}
