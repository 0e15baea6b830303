//! The chain's height and pace. Every answer of a node carries the height that it was given at;
//! from these, [`watch::BlockWatch`] makes a [`ChainClock`]: the highest height, how long a block
//! takes, and when a later height is expected. No clock is read here, `now` is passed in.
//!
//! Heights decide whether an answer counts (R9 in sequence.rs): one from a node that is behind does
//! not. The block time is only used to choose when to ask; no decision about a nonce depends on it.

use std::time::{Duration, Instant};

use crate::values::units::Height;

pub mod alarm;
pub mod wall;
pub mod watch;

/// The block time that is assumed until it is measured: the validators' setting (protocol.md
/// section 6).
pub const BLOCK_TIME_START: Duration = Duration::from_secs(5);

/// The shortest block time that a measurement may give.
pub(super) const BLOCK_TIME_MIN: Duration = Duration::from_millis(50);

/// The longest block time that a measurement may give; a longer silence is a halt.
pub(super) const BLOCK_TIME_MAX: Duration = Duration::from_secs(60);

/// The highest height is forgotten if no answer reached it for this long (R9), because of a
/// rollback or because one node alone named it.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(300);

/// After this many block times without an answer, an expected height is worked out.
const REST_BLOCKS: u32 = 12;

/// The pace is known to within 1 ⁄ `DRIFT_PARTS`.
pub(super) const DRIFT_PARTS: u32 = 64;

/// The block time that delays are limited by while it is not measured.
const BLOCK_TIME_UNMEASURED: Duration = Duration::from_millis(200);

/// [`BLOCK_TIME_UNMEASURED`] applies to a height younger than this.
const UNMEASURED_AGE_MAX: Duration = Duration::from_secs(30);

/// The chain's height and pace, as known from the answers so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChainClock {
    newest: Option<Newest>,
    /// When the highest height was last reported.
    reached_at: Option<Instant>,
    /// The measured block time.
    measured: Option<Duration>,
    /// The quick block time. Like the measured one, it is kept when the sightings are forgotten.
    quick: Option<Duration>,
}

/// The highest height.
#[derive(Clone, Copy, Debug)]
struct Newest {
    height: Height,
    /// When it was first reported.
    seen_at: Instant,
    /// Its block was made between these two moments, judging by the pace and the answers.
    made_from: Instant,
    made_to: Instant,
}

impl ChainClock {
    /// The highest height that was reported and not forgotten since.
    pub fn highest(&self) -> Option<Height> {
        self.newest.map(|newest| newest.height)
    }

    /// The height that an answer to a request sent `now` must reach to count for a decision (R9).
    /// `None` if no height is known or the highest is forgotten: any height counts.
    pub fn floor(&self, now: Instant) -> Option<Height> {
        let reached_at = self.reached_at?;
        let forgotten = now.saturating_duration_since(reached_at) >= FORGET_AFTER;
        self.highest().filter(|_| !forgotten)
    }

    /// When the highest height was last reported: until then there was no higher block.
    pub fn reached_at(&self) -> Option<Instant> {
        self.reached_at
    }

    /// How long a block takes, between `BLOCK_TIME_MIN` and `BLOCK_TIME_MAX`;
    /// [`BLOCK_TIME_START`] until it is measured.
    pub fn block_time(&self) -> Duration {
        self.measured.unwrap_or(BLOCK_TIME_START)
    }

    /// Whether [`block_time`](Self::block_time) is measured.
    pub fn is_measured(&self) -> bool {
        self.measured.is_some()
    }

    /// The block time in the quickest part of the last sightings, at most [`BLOCK_TIME_START`], the
    /// chain's pace when nothing delays it. For long waits: a slow chain may become quick at once,
    /// and asking too early costs a request, asking too late a window. `None` until there are
    /// enough sightings.
    pub fn quick_block_time(&self) -> Option<Duration> {
        self.quick
    }

    /// The block time that limits delays. Until it is measured, blocks may be much quicker than
    /// [`BLOCK_TIME_START`], so that a delay of two such blocks could last a whole window.
    pub fn cautious_block_time(&self, now: Instant) -> Duration {
        // why: while no block comes, asking more slowly misses none
        let is_young = self.height_age(now).unwrap_or_default() < UNMEASURED_AGE_MAX;
        let unmeasured = is_young.then_some(BLOCK_TIME_UNMEASURED);
        let limit = self.quick.or(unmeasured).unwrap_or(BLOCK_TIME_MAX);
        self.block_time().min(limit)
    }

    /// The least height that the chain should have by its pace, if no answer came for
    /// `REST_BLOCKS` block times. `None` if one did, and while the pace is not measured.
    pub fn expected_after_rest(&self, now: Instant) -> Option<Height> {
        let (newest, block_time) = (self.newest?, self.measured?);
        let rested = now.saturating_duration_since(self.reached_at?);
        if rested < block_time * REST_BLOCKS {
            return None;
        }
        let since = now.saturating_duration_since(newest.made_to);
        let since = since.saturating_sub(since / DRIFT_PARTS);
        let blocks = since.as_nanos() / block_time.as_nanos().max(1);
        Some(
            newest
                .height
                .plus(u64::try_from(blocks).unwrap_or(u64::MAX)),
        )
    }

    /// When the highest height was first reported.
    pub fn seen_at(&self) -> Option<Instant> {
        self.newest.map(|newest| newest.seen_at)
    }

    /// How long ago the highest height was first reported; `None` before the first answer.
    pub fn height_age(&self, now: Instant) -> Option<Duration> {
        self.newest
            .map(|newest| now.saturating_duration_since(newest.seen_at))
    }

    /// The two moments between which the block after the highest height is expected, by the pace
    /// and not before the last answer without it. Both are in the past if the block is overdue.
    /// `None` before the first answer.
    pub fn next_block(&self) -> Option<(Instant, Instant)> {
        let newest = self.newest?;
        let not_before = self.reached_at.unwrap_or(newest.seen_at);
        let next = |made_at: Instant| Some(made_at.checked_add(self.block_time())?.max(not_before));
        Some((next(newest.made_from)?, next(newest.made_to)?))
    }

    /// When `height` is expected at the latest, by the pace; in the past if it is overdue. `None`
    /// before the first answer, for a height that was reached, and for a time beyond what `Instant`
    /// holds.
    pub fn time_of(&self, height: Height) -> Option<Instant> {
        let more = height.0.checked_sub(self.highest()?.0.saturating_add(1))?;
        let wait = self.block_time().checked_mul(u32::try_from(more).ok()?)?;
        let (_, next) = self.next_block()?;
        next.checked_add(wait)
    }
}
