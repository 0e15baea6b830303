//! How full a topic's active set is, and when that is asked. Pure: `now` is passed in.
//!
//! Where the set is full, a payload may evict another worker, which takes half as much gas again. The
//! set of the open window is empty when a payload is made, so the last closed window tells: its
//! inferences are counted between two windows, where no payload waits for the answer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::broadcaster::order::Crowd;
use crate::values::units::Height;

/// The answer has some 150 bytes for each worker, so it is not asked for after each short window.
const COUNT_EVERY: Duration = Duration::from_secs(10 * 60);

/// The number of counts that are kept: the largest counts. The number of workers varies, and where
/// the set was full within the last hour it may be full again.
const COUNTS_KEPT: usize = 6;

/// After a payload showed that the set is full, it counts as full for this many windows, whatever
/// counts say: the number of workers varies from window to window.
const SEEN_WINDOWS: u32 = 10;

#[derive(Clone, Debug, Default)]
pub struct CrowdMemory {
    /// The newest is the last.
    counts: VecDeque<usize>,
    /// For how many more windows the set counts as full.
    full_for: u32,
    asked: Option<Instant>,
    /// The last block of the window whose nonce ended last.
    window_end: Option<Height>,
}

impl CrowdMemory {
    pub fn known(&self) -> Crowd {
        match self.counts.iter().max() {
            _ if self.full_for > 0 => Crowd::SeenFull,
            Some(workers) => Crowd::Counted(*workers),
            None => Crowd::Unknown,
        }
    }

    /// A nonce has ended, whose window ends with this block.
    pub fn ended(&mut self, window_end: Height) {
        self.window_end = Some(window_end);
        self.full_for = self.full_for.saturating_sub(1);
    }

    /// A payload of this worker showed that the set is full.
    pub fn seen_full(&mut self) {
        // why: the window of that payload has not ended yet
        self.full_for = SEEN_WINDOWS + 1;
    }

    /// Whether to count now. `is_closed` tells of a window, by its last block, whether it is closed.
    pub fn is_due(&self, now: Instant, is_closed: impl Fn(Height) -> bool) -> bool {
        let Some(asked) = self.asked else { return true };
        let age = now.saturating_duration_since(asked);
        let is_old = self.counts.is_empty() || age >= COUNT_EVERY;
        // why: windows as long as their epoch are never closed while nothing is to be done
        let is_overdue = age >= COUNT_EVERY * 2;
        is_old && (self.window_end.is_some_and(is_closed) || is_overdue)
    }

    /// It was asked; `counted` is the answer, `None` if there was none or no window is closed yet.
    pub fn counted(&mut self, counted: Option<usize>, now: Instant) {
        self.asked = Some(now);
        self.window_end = None;
        let Some(counted) = counted else { return };
        if self.counts.len() == COUNTS_KEPT {
            self.counts.pop_front();
        }
        self.counts.push_back(counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_counted_at_the_start_and_after_windows_but_not_after_each_short_one() {
        let start = Instant::now();
        let mut crowd = CrowdMemory::default();
        assert!(crowd.is_due(start, |_| false));
        crowd.counted(None, start);
        assert!(!crowd.is_due(start, |_| true), "no window has ended");
        crowd.ended(Height(110));
        assert!(!crowd.is_due(start, |_| false), "its window is open");
        assert!(crowd.is_due(start, |end| end == Height(110)));
        crowd.counted(Some(4), start);
        crowd.ended(Height(130));
        let later = start + COUNT_EVERY;
        assert!(!crowd.is_due(later - Duration::from_secs(1), |_| true));
        assert!(crowd.is_due(later, |_| true) && !crowd.is_due(later, |_| false));
        assert!(crowd.is_due(start + COUNT_EVERY * 2, |_| false));
    }

    #[test]
    fn what_was_seen_holds_for_some_windows_whatever_is_counted() {
        let now = Instant::now();
        let mut crowd = CrowdMemory::default();
        assert!(!crowd.known().is_full(0), "unknown");
        crowd.seen_full();
        crowd.ended(Height(110));
        crowd.counted(Some(4), now);
        for _ in 0..SEEN_WINDOWS {
            assert!(crowd.known().is_full(usize::MAX));
            crowd.ended(Height(130));
        }
        assert!(!crowd.known().is_full(32));
    }

    #[test]
    fn only_a_set_without_a_free_place_in_one_of_the_last_counts_is_full() {
        let now = Instant::now();
        let mut crowd = CrowdMemory::default();
        for free in [31, 30, 0] {
            crowd.counted(Some(free), now);
            assert!(!crowd.known().is_full(32), "{free}");
        }
        for full in [32, 33] {
            crowd = CrowdMemory::default();
            crowd.counted(Some(full), now);
            for later in 1..COUNTS_KEPT {
                crowd.counted(Some(25), now);
                crowd.counted(None, now);
                assert!(crowd.known().is_full(32), "{full}, {later} counts later");
            }
            crowd.counted(Some(25), now);
            assert!(!crowd.known().is_full(32), "too long ago");
        }
    }
}
