//! The pace of the chain, as known when a topic chooses its next step, and the times that follow
//! from it: when an opening can be expected, how long a request or a delay may take.

use std::time::{Duration, Instant};

use super::WAITING_DELAY_MAX;
use crate::chain::clock::{BLOCK_TIME_START, ChainClock};
use crate::values::units::Height;

/// No opening is predicted further ahead than this.
const LOOK_AHEAD_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// From this many blocks before it, an opening is predicted by the usual block time, further away
/// by the quick one.
const NEAR_BLOCKS: u64 = 4;
/// The shortest and longest delay after a failure in a window that should be over by the pace of
/// the chain, while the highest height is still inside: the chain may stand still.
const STILL_DELAY: (Duration, Duration) = (Duration::from_secs(2), WAITING_DELAY_MAX);

#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub now: Instant,
    /// The highest height known.
    pub height: Height,
    pub block_time: Duration,
    /// The block time when blocks come quickly; `None` while too little is measured to predict far
    /// ahead.
    pub quick: Option<Duration>,
    /// The block time that limits delays.
    pub cautious: Duration,
    /// How long ago the highest height was first seen.
    pub height_age: Duration,
    /// When an answer to any topic first had the highest height.
    pub seen_at: Instant,
    /// When an answer last had it.
    pub reached_at: Instant,
    /// The next block is expected between these moments; in the past if it is overdue.
    pub next_block: (Instant, Instant),
    /// The least height that is expected after a rest; `None` if an answer came recently.
    pub expected: Option<Height>,
    /// The shortest time between looks far from an opening: `nonce_fetch_freq`.
    pub look_every: Duration,
}

impl Pace {
    /// What the clock says `now`.
    pub fn of(clock: &ChainClock, look_every: Duration, now: Instant) -> Pace {
        let height = clock.highest().unwrap_or_default();
        // why: a first measurement may be twice the real block time
        let half = (clock.block_time() / 2).min(BLOCK_TIME_START);
        let first_measured = clock.is_measured().then_some(half);
        // why: a chain whose quickest blocks are slow is not asked as if it could have the usual
        // pace at once; three quarters of this are half the way, enough if it is twice as quick
        let is_slow = |quick: &Duration| *quick >= BLOCK_TIME_START;
        let slow = |quick: Duration| quick.max(clock.block_time() - clock.block_time() / 3);
        let quick = clock.quick_block_time();
        let quick = quick.filter(is_slow).map(slow).or(quick);
        Pace {
            now,
            height,
            block_time: clock.block_time(),
            quick: quick.or(first_measured),
            cautious: clock.cautious_block_time(now),
            height_age: clock.height_age(now).unwrap_or_default(),
            seen_at: clock.seen_at().unwrap_or(now),
            reached_at: clock.reached_at().unwrap_or(now),
            next_block: clock.next_block().unwrap_or((now, now)),
            expected: clock.expected_after_rest(now),
            look_every,
        }
    }

    /// When the close looks for the future block `height` begin: a tenth of a block time before it
    /// can be expected. Near it by the usual pace; far from it, and where the usual pace is a slow
    /// one that may end, by the quick one.
    pub(super) fn near_from(&self, height: Height) -> Instant {
        let quick = self.quick.unwrap_or(self.block_time);
        let blocks = height.0.saturating_sub(self.height.0);
        let after = |blocks: u64, block_time: Duration| {
            let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
            block_time.saturating_mul(blocks).min(LOOK_AHEAD_MAX)
        };
        let expected_from = if self.block_time > quick + quick / 2 {
            self.next_block.0.min(self.reached_at + quick) + after(blocks.saturating_sub(1), quick)
        } else if blocks > NEAR_BLOCKS {
            self.next_block.0 + after(blocks.saturating_sub(1), quick)
        } else {
            self.next_block.0 + after(blocks.saturating_sub(1), self.block_time)
        };
        let margin = self.block_time / 10;
        expected_from.checked_sub(margin).unwrap_or(expected_from)
    }

    /// How long the answers have had the same height.
    pub(super) fn standing(&self) -> Duration {
        self.reached_at.saturating_duration_since(self.seen_at)
    }

    /// The moment up to a block time before `at` whose answer shows most about when blocks are
    /// made: the middle of the time in which one is expected.
    pub(super) fn telling(&self, at: Instant) -> Instant {
        let (from, to) = self.next_block;
        let middle = from + to.saturating_duration_since(from) / 2;
        let past_ns =
            at.saturating_duration_since(middle).as_nanos() % self.block_time.as_nanos().max(1);
        let past = Duration::from_nanos(u64::try_from(past_ns).unwrap_or(0));
        at.checked_sub(past).unwrap_or(at)
    }

    /// How many blocks a window that ends with `last_block` has left, estimated by the pace of the
    /// chain since its last known height.
    pub fn blocks_left(&self, last_block: Height) -> u64 {
        let since = self.height_age.as_nanos() / self.block_time.as_nanos().max(1);
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        last_block
            .0
            .saturating_sub(self.height.0)
            .saturating_sub(since)
    }

    /// The time limit of one request for a window that ends with `last_block`: half of what is
    /// left, so that there is time for another one if it hangs.
    pub fn request_time(&self, last_block: Height) -> Duration {
        let blocks = match self.blocks_left(last_block) {
            0 => last_block.0.saturating_sub(self.height.0),
            left => left,
        };
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.block_time.saturating_mul(blocks) / 2
    }

    /// The longest delay after a failure in a window that ends with `last_block`.
    pub(super) fn delay_max(&self, last_block: Height) -> Duration {
        match self.blocks_left(last_block) {
            0 => (self.height_age / 8).clamp(STILL_DELAY.0, STILL_DELAY.1),
            left => part_of(self.cautious, left).min(WAITING_DELAY_MAX),
        }
    }
}

/// A quarter of the time of `blocks`: a delay that allows more than one try.
pub(super) fn part_of(block_time: Duration, blocks: u64) -> Duration {
    block_time.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX)) / 4
}
