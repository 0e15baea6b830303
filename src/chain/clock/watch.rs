//! Measures the chain's pace from the heights of the answers: how long a block takes, and when the
//! newest one was made. Sightings come when somebody asks, so each is late by up to the time
//! between two questions; a halt, a node that catches up and one odd block must not move the pace.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{BLOCK_TIME_MAX, BLOCK_TIME_MIN, BLOCK_TIME_START, ChainClock, Newest};
use crate::values::units::Height;

/// How many sightings of a new height the block time is measured from.
const SIGHTINGS_MAX: usize = 32;

/// With fewer steps between sightings than this nothing is measured yet: one of them may be a halt.
const STEPS_MIN: usize = 4;

/// The quick pace is that of the quickest of so many parts of the sightings.
const PARTS: usize = 4;

/// A step whose pace is so many times off the usual one is odd, and left out: slower, it is a halt
/// or a long silence of ours; faster, a node catching up, or what a slow one had held back.
const ODD_STEP_FACTOR: u128 = 3;

/// What is known of a block's time holds for a later one with so many parts less of the time
/// between them: the pace is not known better.
const DRIFT_PARTS: u32 = 64;

/// Keeps the sightings of new heights, and makes a [`ChainClock`] of them.
#[derive(Clone, Debug, Default)]
pub struct BlockWatch {
    /// The first sightings of the newest heights, oldest first, heights and times ascending.
    sightings: VecDeque<Sighting>,
    clock: ChainClock,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    height: Height,
    at: Instant,
}

impl BlockWatch {
    /// A watch that saw nothing yet.
    #[must_use]
    pub fn new() -> BlockWatch {
        BlockWatch::default()
    }

    /// What is known now.
    #[must_use]
    pub fn clock(&self) -> ChainClock {
        self.clock
    }

    /// Takes note of an answer given at `height` that arrived at `now`.
    pub fn observe(&mut self, height: Height, now: Instant) {
        let forgotten = self.clock.reached_at.is_some() && self.clock.floor(now).is_none();
        // why: a higher one contradicts nothing, and is what a topic of long epochs learns the pace by
        if forgotten && self.clock.highest().is_some_and(|highest| height < highest) {
            self.sightings.clear();
            self.clock.newest = None;
        }
        let newest = self.sightings.back().copied();
        if newest.is_some_and(|newest| height < newest.height) {
            return;
        }
        let before = self.clock.newest.filter(|_| newest.is_some());
        let below_at = self.clock.reached_at.filter(|_| newest.is_some());
        self.clock.reached_at = Some(now);
        if newest.is_none_or(|newest| height > newest.height && now >= newest.at) {
            if self.sightings.len() == SIGHTINGS_MAX {
                self.sightings.pop_front();
            }
            self.sightings.push_back(Sighting { height, at: now });
            self.clock.measured = self.measure().or(self.clock.measured);
            self.clock.quick = self.measure_quick().or(self.clock.quick);
            self.clock.newest = Some(self.newest(height, now, before, below_at));
        } else if let Some(newest) = &mut self.clock.newest {
            let (block_time, made_to) = (self.clock.measured, newest.made_to);
            // why: the next block is not there yet
            let from = block_time.and_then(|block_time| now.checked_sub(block_time));
            newest.made_from = newest.made_from.max(from.unwrap_or(made_to).min(made_to));
        }
    }

    /// When the newest block was made: not before the last answer from below it, and not so early
    /// that the next one would be there too; and, if that leaves anything, when the pace says so by
    /// what was known of the one before.
    fn newest(
        &self,
        height: Height,
        seen_at: Instant,
        before: Option<Newest>,
        below_at: Option<Instant>,
    ) -> Newest {
        let seen = Newest {
            height,
            seen_at,
            made_from: seen_at,
            made_to: seen_at,
        };
        let Some(block_time) = self.clock.measured else {
            return seen;
        };
        let not_before = seen_at.checked_sub(block_time).max(below_at);
        let seen = Newest {
            made_from: not_before.unwrap_or(seen_at).min(seen_at),
            ..seen
        };
        let Some(before) = before else { return seen };
        let blocks = u32::try_from(height.0.saturating_sub(before.height.0)).unwrap_or(u32::MAX);
        let since = block_time.saturating_mul(blocks);
        let drift = since / DRIFT_PARTS;
        let from = before.made_from.checked_add(since.saturating_sub(drift));
        let to = before.made_to.checked_add(since.saturating_add(drift));
        let from = from.unwrap_or(seen_at).max(seen.made_from);
        let to = to.unwrap_or(seen_at).min(seen.made_to);
        match from <= to {
            true => Newest {
                made_from: from,
                made_to: to,
                ..seen
            },
            false => seen,
        }
    }

    fn measure_quick(&self) -> Option<Duration> {
        let steps = self.steps();
        let part = steps.len() / PARTS;
        if part < 2 {
            return None;
        }
        let paces = steps.chunks_exact(part).map(|steps| {
            let all = steps
                .iter()
                .fold(Step::default(), |sum, step| sum.and(step));
            all.pace()
        });
        let quickest = u64::try_from(paces.min()?).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(quickest).clamp(BLOCK_TIME_MIN, BLOCK_TIME_START))
    }

    fn steps(&self) -> Vec<Step> {
        let sightings = self.sightings.iter();
        sightings
            .clone()
            .zip(sightings.skip(1))
            .map(|(from, to)| Step::between(from, to))
            .collect()
    }

    /// The block time from the steps between sightings: without the odd ones, all of their time by
    /// all of their blocks. Late sightings cancel out this way, and a halt does not count.
    fn measure(&self) -> Option<Duration> {
        let steps = self.steps();
        if steps.len() < STEPS_MIN {
            return None;
        }
        let usual = median_pace(&steps);
        let (mut kept, mut before) = (Step::default(), None);
        for step in &steps {
            let is_odd =
                step.is_slow(usual) || step.is_fast(usual) && !step.makes_up(before, usual);
            if !is_odd {
                kept = kept.and(step);
            }
            before = (!is_odd).then_some(step);
        }
        let pace = u64::try_from(kept.pace()).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(pace).clamp(BLOCK_TIME_MIN, BLOCK_TIME_MAX))
    }
}

/// From one sighting to the next.
#[derive(Clone, Copy, Default)]
struct Step {
    nanos: u128,
    blocks: u128,
}

impl Step {
    fn between(from: &Sighting, to: &Sighting) -> Step {
        Step {
            nanos: to.at.saturating_duration_since(from.at).as_nanos(),
            blocks: u128::from(to.height.0.saturating_sub(from.height.0)),
        }
    }

    /// Two steps as one.
    fn and(&self, other: &Step) -> Step {
        Step {
            nanos: self.nanos + other.nanos,
            blocks: self.blocks + other.blocks,
        }
    }

    /// Nanoseconds per block.
    fn pace(&self) -> u128 {
        self.nanos / self.blocks.max(1)
    }

    fn is_slow(&self, usual: u128) -> bool {
        self.pace() > usual * ODD_STEP_FACTOR
    }

    fn is_fast(&self, usual: u128) -> bool {
        self.pace() * ODD_STEP_FACTOR < usual
    }

    /// Whether this fast step only makes up for the one before, which was seen late but counts.
    fn makes_up(&self, before: Option<&Step>, usual: u128) -> bool {
        before.is_some_and(|before| !self.and(before).is_fast(usual))
    }
}

/// The pace that at least half of the steps are slower than (of two, the quicker one: the other may
/// be a halt), never below the shortest believable block time
/// (two sightings may come at almost the same instant).
fn median_pace(steps: &[Step]) -> u128 {
    let mut paces: Vec<u128> = steps.iter().map(Step::pace).collect();
    paces.sort_unstable();
    paces
        .get(paces.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
        .max(BLOCK_TIME_MIN.as_nanos())
}
