//! Measures the chain's pace from the heights of the answers: how long a block takes, and when the
//! newest one was made. A height is seen only when a request is answered, so each sighting is late
//! by up to the time between two requests. A halt, a node that catches up and a single odd block
//! must not change the pace.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::chain::clock::{
    BLOCK_TIME_MAX, BLOCK_TIME_MIN, BLOCK_TIME_START, ChainClock, DRIFT_PARTS, Newest,
};
use crate::values::units::Height;

/// The number of sightings that the block time is measured from.
const SIGHTINGS_MAX: usize = 32;

/// With fewer advances the block time is not measured: one of them may be a halt.
const ADVANCES_MIN: usize = 4;

/// The advances are divided into this many parts; the quickest part gives the quick pace.
const PARTS: usize = 4;

/// An advance this many times slower or faster than usual is left out: the chain halted or nothing
/// was asked, or a node caught up or a slow one was replaced.
const ODD_FACTOR: u128 = 3;

/// Keeps the first sightings of heights, and makes a [`ChainClock`] of them.
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
    pub fn clock(&self) -> ChainClock {
        self.clock
    }

    /// Forgets the heights. The pace stays.
    pub fn forget(&mut self) {
        self.sightings.clear();
        (self.clock.newest, self.clock.reached_at) = (None, None);
    }

    /// Notes an answer given at `height` that arrived at `now`.
    pub fn observe(&mut self, height: Height, now: Instant) {
        let forgotten = self.clock.reached_at.is_some() && self.clock.floor(now).is_none();
        // why: a higher height is no rollback, and topics with long epochs measure the pace by it
        if forgotten && self.clock.highest().is_some_and(|highest| height < highest) {
            self.forget();
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
            // why: there is no next block yet
            let from = block_time.and_then(|block_time| now.checked_sub(block_time));
            newest.made_from = newest.made_from.max(from.unwrap_or(made_to).min(made_to));
        }
    }

    /// When the newest block was made: after the last answer from below it, at most one block time
    /// ago, and, unless it contradicts this, when it was due by the time of the block `before`.
    fn newest(
        &self,
        height: Height,
        seen_at: Instant,
        before: Option<Newest>,
        below_at: Option<Instant>,
    ) -> Newest {
        let mut newest = Newest {
            height,
            seen_at,
            made_from: seen_at,
            made_to: seen_at,
        };
        let Some(block_time) = self.clock.measured else {
            return newest;
        };
        let not_before = seen_at.checked_sub(block_time).max(below_at);
        newest.made_from = not_before.unwrap_or(seen_at).min(seen_at);
        let Some(before) = before else { return newest };
        let blocks = u32::try_from(height.0.saturating_sub(before.height.0)).unwrap_or(u32::MAX);
        let since = block_time.saturating_mul(blocks);
        let drift = since / DRIFT_PARTS;
        let from = before.made_from.checked_add(since.saturating_sub(drift));
        let to = before.made_to.checked_add(since.saturating_add(drift));
        let from = from.unwrap_or(seen_at).max(newest.made_from);
        let to = to.unwrap_or(seen_at).min(seen_at);
        if from <= to {
            (newest.made_from, newest.made_to) = (from, to);
        }
        newest
    }

    fn measure_quick(&self) -> Option<Duration> {
        let advances = self.advances();
        let part = advances.len() / PARTS;
        if part < 2 {
            return None;
        }
        let parts = advances.chunks_exact(part);
        let sums = parts.map(|part| part.iter().fold(Advance::default(), Advance::and));
        let quickest = sums.map(|sum| sum.pace()).min()?;
        Some(duration(quickest).clamp(BLOCK_TIME_MIN, BLOCK_TIME_START))
    }

    fn advances(&self) -> Vec<Advance> {
        let next = self.sightings.iter().skip(1);
        let pairs = self.sightings.iter().zip(next);
        pairs
            .map(|(from, to)| Advance {
                nanos: to.at.saturating_duration_since(from.at).as_nanos(),
                blocks: u128::from(to.height.0.saturating_sub(from.height.0)),
            })
            .collect()
    }

    /// The block time: the time of all advances divided by their blocks, without the odd ones. Late
    /// sightings cancel out this way, and a halt does not count.
    fn measure(&self) -> Option<Duration> {
        let advances = self.advances();
        if advances.len() < ADVANCES_MIN {
            return None;
        }
        let usual = median_pace(&advances);
        let (mut kept, mut before) = (Advance::default(), None);
        for advance in &advances {
            let is_odd = advance.is_slow(usual)
                || advance.is_fast(usual) && !advance.makes_up(before, usual);
            if !is_odd {
                kept = kept.and(advance);
            }
            before = (!is_odd).then_some(advance);
        }
        Some(duration(kept.pace()).clamp(BLOCK_TIME_MIN, BLOCK_TIME_MAX))
    }
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The time and the blocks between two sightings.
#[derive(Clone, Copy, Default)]
struct Advance {
    nanos: u128,
    blocks: u128,
}

impl Advance {
    /// Two advances as one.
    fn and(self, other: &Advance) -> Advance {
        Advance {
            nanos: self.nanos + other.nanos,
            blocks: self.blocks + other.blocks,
        }
    }

    /// Nanoseconds per block.
    fn pace(&self) -> u128 {
        self.nanos / self.blocks.max(1)
    }

    fn is_slow(&self, usual: u128) -> bool {
        self.pace() > usual * ODD_FACTOR
    }

    fn is_fast(&self, usual: u128) -> bool {
        self.pace() * ODD_FACTOR < usual
    }

    /// Whether this fast advance only compensates for the one before, whose sighting came late.
    fn makes_up(&self, before: Option<&Advance>, usual: u128) -> bool {
        before.is_some_and(|before| !self.and(before).is_fast(usual))
    }
}

/// The median pace, of two middle ones the quicker (the other may be a halt), and at least
/// [`BLOCK_TIME_MIN`], since two sightings may come at almost the same instant.
fn median_pace(advances: &[Advance]) -> u128 {
    let mut paces: Vec<u128> = advances.iter().map(Advance::pace).collect();
    paces.sort_unstable();
    let median = paces.get(paces.len().saturating_sub(1) / 2);
    let median = median.copied().unwrap_or_default();
    median.max(BLOCK_TIME_MIN.as_nanos())
}

#[cfg(test)]
mod tests;
