//! When the next POST may be sent. Pure: the time is passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backoff::doubled;

/// The shortest time between two POSTs.
const PAUSE: Duration = Duration::from_secs(10);
/// After [`BURST`] POSTs within the last [`HOUR`], the shortest time is this: five minutes of trouble
/// must not use up the hour's [`HOURLY_MAX`].
const PAUSE_LONG: Duration = Duration::from_secs(120);
const BURST: usize = 10;
/// The longest time between two POSTs that fail.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// The most POSTs in an [`HOUR`].
const HOURLY_MAX: usize = 30;
const HOUR: Duration = Duration::from_secs(3_600);

/// The last POSTs.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Those of the last hour, oldest first, [`HOURLY_MAX`] at most.
    sent: VecDeque<Instant>,
    /// How many failed in a row.
    failures: u32,
    /// Not before.
    not_before: Option<Instant>,
}

impl Rate {
    /// A POST was accepted at `now`.
    pub(super) fn sent(&mut self, now: Instant) {
        self.failures = 0;
        self.count(now, PAUSE);
    }

    /// A POST failed at `now`; the server may have asked for a pause.
    pub(super) fn failed(&mut self, now: Instant, retry_after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let pause = doubled(self.failures, PAUSE, PAUSE_MAX);
        self.count(
            now,
            pause.max(retry_after.unwrap_or_default()).min(PAUSE_MAX),
        );
    }

    fn count(&mut self, now: Instant, pause: Duration) {
        if self.sent.len() >= HOURLY_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        let age = |at: &Instant| now.saturating_duration_since(*at);
        let recent = self.sent.iter().filter(|at| age(at) < HOUR).count();
        let pause_min = if recent >= BURST { PAUSE_LONG } else { PAUSE };
        self.not_before = now.checked_add(pause.max(pause_min));
    }

    /// Whether the last POST failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// When the next POST may be sent, `now` at the earliest.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let full = self.sent.len() >= HOURLY_MAX;
        let oldest = self.sent.front().filter(|_| full);
        let over = oldest.and_then(|oldest| oldest.checked_add(HOUR));
        now.max(self.not_before.unwrap_or(now))
            .max(over.unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn there_is_a_pause_between_two_and_a_limit_for_an_hour() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert_eq!(rate.next(start), start);
        let mut now = start;
        let mut count = 0;
        while now < start + HOUR {
            rate.sent(now);
            count += 1;
            let pause = rate.next(now) - now;
            assert!(pause >= if count < BURST { PAUSE } else { PAUSE_LONG });
            // The longest silence is at the hour's end.
            assert!(count == HOURLY_MAX || pause <= PAUSE_LONG, "{pause:?}");
            now += pause;
        }
        assert_eq!((count, now), (HOURLY_MAX, start + HOUR));
        let later = start + 3 * HOUR;
        assert_eq!(rate.next(later), later);
        rate.sent(later);
        assert_eq!(rate.next(later), later + PAUSE, "older ones do not count");
    }

    #[test]
    fn failures_make_the_pauses_longer_up_to_an_hour() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        let mut pause = |retry_after| {
            rate.failed(now, retry_after);
            rate.next(now) - now
        };
        assert_eq!(pause(None), 10 * S);
        assert_eq!(pause(None), 20 * S);
        assert_eq!(pause(Some(90 * S)), 90 * S, "as the server asks");
        assert_eq!(pause(Some(S)), 80 * S, "never shorter");
        assert_eq!(pause(Some(Duration::MAX)), PAUSE_MAX);
        assert!(rate.is_failing());
        rate.sent(now);
        assert!(!rate.is_failing());
        assert_eq!(rate.next(now), now + PAUSE);
    }
}
