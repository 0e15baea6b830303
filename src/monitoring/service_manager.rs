//! The service manager's side of the process: it is told when the worker is ready, that it is
//! alive, what it is doing, and that it stops. Ready is the worker as soon as its threads run, not
//! when the chain answers: an endpoint that is down is waited for, and must not look like a start
//! that failed.
//!
//! The watchdog is pinged from the main thread, and only while every other thread keeps to what it
//! said; a worker that hangs is ended by the service manager and started anew.

use std::time::{Duration, Instant};

use log::{error, warn};
use sd_notify::NotifyState;

use crate::monitoring::line;
use crate::monitoring::view::Source;

/// How often it is looked whether the status line has changed.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// The shortest time between two pings; a watchdog that wants more is misconfigured.
const PING_EVERY_MIN: Duration = Duration::from_millis(50);

/// A service manager that wants to know.
#[derive(Debug)]
pub struct ServiceManager {
    /// How often the watchdog has to be pinged; `None`: there is none.
    ping_every: Option<Duration>,
    pinged: Option<Instant>,
    status: String,
    /// Threads hang, and it has been said.
    hangs: bool,
    /// It can't be told anything, and that has been said.
    deaf: bool,
}

impl ServiceManager {
    /// The one that the environment names (`NOTIFY_SOCKET`), with its watchdog (`WATCHDOG_USEC`).
    #[must_use]
    pub fn of_environment() -> Option<ServiceManager> {
        std::env::var_os("NOTIFY_SOCKET")?;
        Some(ServiceManager {
            ping_every: sd_notify::watchdog_enabled().map(ping_every),
            pinged: None,
            status: String::new(),
            hangs: false,
            deaf: false,
        })
    }

    /// How long the main thread may wait between two calls of [`tick`](Self::tick).
    #[must_use]
    pub fn tick_every(&self) -> Duration {
        tick_every(self.ping_every)
    }

    /// The threads run.
    pub fn ready(&mut self, source: &Source) {
        self.status = line::line(&source.view());
        let status = self.status.clone();
        self.tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.tick(source);
    }

    /// Pings if it is time and nothing hangs; renews the status if it has changed.
    pub fn tick(&mut self, source: &Source) {
        let now = Instant::now();
        let hanging = source.hanging();
        self.say_hanging(&hanging);
        if may_ping(self.ping_every, self.pinged, !hanging.is_empty(), now) {
            self.pinged = Some(now);
            self.tell(&[NotifyState::Watchdog]);
        }
        let status = line::line(&source.view());
        if status != self.status {
            self.tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// The worker is about to end.
    pub fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    fn say_hanging(&mut self, hanging: &[String]) {
        if !hanging.is_empty() && !self.hangs {
            let watchdog = match self.ping_every {
                Some(_) => "the watchdog is not pinged any more",
                None => "restart the worker",
            };
            error!("{} hangs; {watchdog}", hanging.join(", "));
        }
        self.hangs = !hanging.is_empty();
    }

    fn tell(&mut self, what: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(what)
            && !std::mem::replace(&mut self.deaf, true)
        {
            warn!("the service manager at $NOTIFY_SOCKET can't be told anything: {error}");
        }
    }
}

/// Twice in the time that the watchdog allows, as its manual asks for.
fn ping_every(watchdog: Duration) -> Duration {
    (watchdog / 2).max(PING_EVERY_MIN)
}

/// Twice between two pings, so that a tick that comes late is made up for by the next one.
fn tick_every(ping_every: Option<Duration>) -> Duration {
    ping_every.map_or(STATUS_EVERY, |every| (every / 2).min(STATUS_EVERY))
}

/// Whether the watchdog is to be pinged now: it is time, or with the next tick it would be too late.
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
    fn no_ping_comes_at_the_edge_whatever_the_watchdog_allows() {
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
}
