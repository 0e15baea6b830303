//! What is known of the chain's height and pace. Every answer of a node carries the height it was
//! given at; fed with these, the clock knows the highest height, how long a block takes, and when a
//! height to come may be expected. Pure: `now` is passed in, nothing is measured here.
//!
//! Heights decide what an answer is worth (R9 in sequence.rs): one from a node that is behind is no
//! ground for a decision. The block time is only ever used to choose when to ask; no decision
//! about a nonce hangs on it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::units::Height;

/// The block time taken for true until it is measured: what the chain's validators are set to
/// (protocol.md section 6).
pub const BLOCK_TIME_START: Duration = Duration::from_secs(5);

/// The shortest block time that is believed.
pub const BLOCK_TIME_MIN: Duration = Duration::from_millis(50);

/// The longest block time that is believed; a longer silence is a halt, not a pace.
pub const BLOCK_TIME_MAX: Duration = Duration::from_secs(60);

/// The highest height is forgotten if no answer reached it for so long (R9): a rollback,
/// or the one node that named it was on its own.
pub const FORGET_AFTER: Duration = Duration::from_secs(300);

/// What a block takes at most as long as nothing is known of it, when a delay is cut to blocks.
const BLOCK_TIME_UNMEASURED: Duration = Duration::from_millis(200);

/// Not for a height that has stood still for so long.
const UNMEASURED_AGE_MAX: Duration = Duration::from_secs(30);

/// How many sightings of a new height the block time is measured from.
const SIGHTINGS_MAX: usize = 32;

/// With fewer steps between sightings than this nothing is measured yet: one of them may be a halt.
const STEPS_MIN: usize = 4;

/// The quick pace is that of the quickest of so many parts of the sightings.
const PARTS: usize = 4;

/// A step whose pace is so many times off the usual one is odd, and left out: slower, it is a halt
/// or a long silence of ours; faster, a node catching up, or what a slow one had held back.
const ODD_STEP_FACTOR: u128 = 3;

/// The chain's height and pace, as far as the answers told them.
#[derive(Clone, Debug, Default)]
pub struct ChainClock {
    /// The first sightings of the newest heights, oldest first, heights and times ascending.
    sightings: VecDeque<Sighting>,
    /// When an answer last came from the highest height.
    reached_at: Option<Instant>,
    /// The measured block time, once there is one.
    measured: Option<Duration>,
    /// The quick block time, once there is one; like the other, it outlives the sightings.
    quick: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    height: Height,
    at: Instant,
}

impl ChainClock {
    /// A clock that knows nothing yet.
    #[must_use]
    pub fn new() -> ChainClock {
        ChainClock::default()
    }

    /// Takes note of an answer given at `height` that arrived at `now`.
    pub fn observe(&mut self, height: Height, now: Instant) {
        if self.reached_at.is_some() && self.floor(now).is_none() {
            self.sightings.clear();
        }
        let newest = self.sightings.back().copied();
        if newest.is_some_and(|newest| height < newest.height) {
            return;
        }
        self.reached_at = Some(now);
        if newest.is_none_or(|newest| height > newest.height && now >= newest.at) {
            if self.sightings.len() == SIGHTINGS_MAX {
                self.sightings.pop_front();
            }
            self.sightings.push_back(Sighting { height, at: now });
            self.measured = self.measure().or(self.measured);
            self.quick = self.measure_quick().or(self.quick);
        }
    }

    /// The highest height that was ever seen and not forgotten at an [`observe`](Self::observe).
    #[must_use]
    pub fn highest(&self) -> Option<Height> {
        self.sightings.back().map(|newest| newest.height)
    }

    /// The height that an answer to a request sent `now` must reach to count for a decision
    /// (R9). `None`: nothing is known, or it was forgotten, and any height will do.
    #[must_use]
    pub fn floor(&self, now: Instant) -> Option<Height> {
        let reached_at = self.reached_at?;
        let forgotten = now.saturating_duration_since(reached_at) >= FORGET_AFTER;
        self.highest().filter(|_| !forgotten)
    }

    /// How long a block takes, between [`BLOCK_TIME_MIN`] and [`BLOCK_TIME_MAX`];
    /// [`BLOCK_TIME_START`] until it is measured.
    #[must_use]
    pub fn block_time(&self) -> Duration {
        self.measured.unwrap_or(BLOCK_TIME_START)
    }

    /// Whether [`block_time`](Self::block_time) is measured and not the start value.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.measured.is_some()
    }

    /// How long a block takes when blocks come quickly: in the quickest part of what was seen last,
    /// and never longer than [`BLOCK_TIME_START`], which is what the chain does when nothing holds
    /// it up. For waiting far ahead: a chain that was slow a moment ago may be quick again at once,
    /// and a look that comes early costs a request where one that comes late costs a window.
    /// `None` while too little was seen.
    #[must_use]
    pub fn quick_block_time(&self) -> Option<Duration> {
        self.quick
    }

    /// The block time that delays are cut by, see [`cautious_block_time`].
    #[must_use]
    pub fn cautious_block_time(&self, now: Instant) -> Duration {
        let height_age = self.height_age(now).unwrap_or_default();
        cautious_block_time(self.block_time(), self.quick, height_age)
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

    /// How long ago the highest height was first seen; `None` before the first answer.
    #[must_use]
    pub fn height_age(&self, now: Instant) -> Option<Duration> {
        self.sightings
            .back()
            .map(|newest| now.saturating_duration_since(newest.at))
    }

    /// The height that the chain should have reached by `now`, going by its pace. As a height is
    /// first seen up to one block late, this may be one too low; while the chain stands still it
    /// runs ahead (see [`height_age`](Self::height_age)).
    #[must_use]
    pub fn predicted_height(&self, now: Instant) -> Option<Height> {
        let age = self.height_age(now)?;
        let blocks = age.as_nanos() / self.block_time().as_nanos();
        Some(
            self.highest()?
                .plus(u64::try_from(blocks).unwrap_or(u64::MAX)),
        )
    }

    /// When `height` may be expected: `now` if it is there already or overdue. Up to one block
    /// late, as the newest height may be older than its first sighting. `None` before the first
    /// answer, and for a time too far away to be told.
    #[must_use]
    pub fn time_of(&self, height: Height, now: Instant) -> Option<Instant> {
        let newest = self.sightings.back()?;
        let blocks = height.0.saturating_sub(newest.height.0);
        let wait = self.block_time().checked_mul(u32::try_from(blocks).ok()?)?;
        Some(newest.at.checked_add(wait)?.max(now))
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

/// The block time that delays are cut by: until it is measured, blocks may be quicker than the
/// first guess, and a delay of two blocks at that guess would be a whole window of theirs.
#[must_use]
pub fn cautious_block_time(
    block_time: Duration,
    quick: Option<Duration>,
    height_age: Duration,
) -> Duration {
    // why: where no block came for a while, none is missed by asking more slowly
    let unmeasured = match height_age < UNMEASURED_AGE_MAX {
        true => BLOCK_TIME_UNMEASURED,
        false => block_time,
    };
    block_time.min(quick.unwrap_or(unmeasured))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// A chain with a steady pace, polled every `poll`, for `polls` polls.
    fn polled(block_time: Duration, poll: Duration, polls: u32, start: Instant) -> ChainClock {
        let mut clock = ChainClock::new();
        for i in 0..polls {
            let since = poll * i;
            let blocks = (since.as_nanos() / block_time.as_nanos()) as u64;
            clock.observe(Height(1_000 + blocks), start + since);
        }
        clock
    }

    #[test]
    fn nothing_is_known_at_first() {
        let clock = ChainClock::new();
        let now = Instant::now();
        assert_eq!(clock.floor(now), None);
        assert_eq!(clock.height_age(now), None);
        assert_eq!(clock.time_of(Height(5), now), None);
        assert_eq!(clock.block_time(), BLOCK_TIME_START);
        assert!(!clock.is_measured());
        let cautious = |age: u32| cautious_block_time(BLOCK_TIME_START, None, S * age);
        assert!(cautious(0) < S, "blocks may be quick");
        assert_eq!(cautious(60), BLOCK_TIME_START, "none comes");
    }

    #[test]
    fn an_answer_from_behind_changes_nothing() {
        let start = Instant::now();
        let mut clock = polled(5 * S, S, 60, start);
        let before = (clock.highest(), clock.block_time());
        clock.observe(Height(3), start + 61 * S);
        assert_eq!((clock.highest(), clock.block_time()), before);
    }

    #[test]
    fn the_highest_height_is_forgotten_when_no_answer_reaches_it() {
        let start = Instant::now();
        let mut clock = ChainClock::new();
        clock.observe(Height(100), start);
        clock.observe(Height(100), start + 10 * S);
        let last_moment = start + 10 * S + FORGET_AFTER - Duration::from_nanos(1);
        clock.observe(Height(90), last_moment);
        assert_eq!(
            clock.floor(last_moment),
            Some(Height(100)),
            "behind, not reached"
        );
        let forgotten = start + 10 * S + FORGET_AFTER;
        assert_eq!(clock.floor(forgotten), None);
        clock.observe(Height(90), forgotten);
        assert_eq!(clock.floor(forgotten), Some(Height(90)));
    }

    #[test]
    fn a_frozen_chain_that_still_answers_is_not_forgotten_but_ages() {
        let start = Instant::now();
        let mut clock = ChainClock::new();
        for i in 0..1_000 {
            clock.observe(Height(28), start + i * S);
        }
        let now = start + 1_000 * S;
        assert_eq!(clock.floor(now), Some(Height(28)));
        assert_eq!(clock.height_age(now), Some(1_000 * S));
    }

    #[test]
    fn a_halt_in_the_middle_hardly_moves_the_block_time() {
        let start = Instant::now();
        let mut clock = ChainClock::new();
        for i in 0..20_u32 {
            let halt = if i >= 10 { 600 * S } else { Duration::ZERO };
            clock.observe(Height(u64::from(i) + 1), start + 5 * S * i + halt);
            if i >= 10 {
                // Keep the height known through the halt.
                assert_eq!(clock.block_time().as_secs(), 5, "after block {i}");
            }
        }
    }

    #[test]
    fn a_halt_right_after_the_start_is_not_taken_for_the_pace() {
        let start = Instant::now();
        let mut clock = ChainClock::new();
        let heights = [(100, 0), (101, 1), (102, 61), (103, 62), (104, 63)];
        for (height, second) in heights {
            assert!(!clock.is_measured(), "{height}");
            clock.observe(Height(height), start + S * second);
        }
        assert_eq!(clock.block_time(), S);
        assert_eq!(
            clock.quick_block_time(),
            None,
            "too little to wait far ahead"
        );
    }

    #[test]
    fn a_slow_time_does_not_hide_how_quick_the_chain_can_be() {
        let start = Instant::now();
        let mut clock = polled(S, S, 10, start);
        for i in 1..=10_u32 {
            clock.observe(Height(1_009 + u64::from(i)), start + S * 9 + S * 4 * i);
        }
        assert!(clock.block_time() > S * 2);
        assert_eq!(clock.quick_block_time(), Some(S));
        let slow = polled(S * 20, S * 20, 20, start);
        assert_eq!(slow.block_time(), S * 20);
        assert_eq!(
            slow.quick_block_time(),
            Some(BLOCK_TIME_START),
            "never slower"
        );
    }

    #[test]
    fn a_node_that_catches_up_hardly_moves_the_block_time() {
        let start = Instant::now();
        let mut clock = polled(5 * S, 5 * S, 20, start);
        let caught_up = start + 100 * S;
        clock.observe(Height(5_000), caught_up);
        clock.observe(Height(9_000), caught_up + 5 * S);
        clock.observe(Height(9_001), caught_up + 10 * S);
        assert_eq!(clock.block_time(), 5 * S);
    }

    #[test]
    fn a_new_pace_is_learnt() {
        let start = Instant::now();
        let mut clock = polled(5 * S, 5 * S, 20, start);
        for i in 1..=40 {
            clock.observe(
                Height(1_019 + i),
                start + 95 * S + S * u32::try_from(i).unwrap(),
            );
        }
        assert_eq!(clock.block_time(), S);
    }

    #[test]
    fn the_future_is_told_from_the_newest_height() {
        let start = Instant::now();
        let clock = polled(2 * S, S / 2, 100, start);
        let newest = clock.highest().unwrap();
        let seen_at = start + 2 * S * u32::try_from(newest.0 - 1_000).unwrap();
        assert_eq!(clock.block_time(), 2 * S);
        assert_eq!(
            clock.time_of(newest.plus(10), seen_at),
            Some(seen_at + 20 * S)
        );
        assert_eq!(clock.time_of(newest, seen_at + S), Some(seen_at + S));
        assert_eq!(
            clock.predicted_height(seen_at + 7 * S),
            Some(newest.plus(3))
        );
    }

    proptest! {
        #[test]
        fn a_steady_pace_is_found_at_any_polling(
            block_ms in 50_u64..=60_000,
            poll_percent in 5_u64..=2_000,
        ) {
            let block_time = Duration::from_millis(block_ms);
            let poll = Duration::from_micros(block_ms * poll_percent * 10).min(FORGET_AFTER - S);
            // Enough polls for 40 blocks, whatever the polling.
            let polls = u32::try_from(4_000 / poll_percent + 40).unwrap();
            let clock = polled(block_time, poll, polls, Instant::now());
            let (found, tenth) = (clock.block_time(), block_time / 10);
            prop_assert!(found >= (block_time - tenth).max(BLOCK_TIME_MIN), "{found:?}");
            prop_assert!(found <= (block_time + tenth).min(BLOCK_TIME_MAX), "{found:?}");
        }

        #[test]
        fn one_late_poll_hardly_moves_it(
            late_at in 1_usize..30,
            late_ms in 0_u64..60_000,
            block_ms in 200_u64..10_000,
        ) {
            let start = Instant::now();
            let due = |i: usize| start + Duration::from_millis(block_ms * i as u64);
            let late_until = due(late_at) + Duration::from_millis(late_ms);
            let mut clock = ChainClock::new();
            for i in 0..60 {
                if i == late_at {
                    clock.observe(Height(1 + i as u64), late_until);
                } else if i < late_at || due(i) > late_until {
                    clock.observe(Height(1 + i as u64), due(i));
                }
                // Until five blocks are seen after it, what was late may count.
                let long_ago = due(i) > late_until + due(5).duration_since(start);
                if (STEPS_MIN..late_at).contains(&i) || long_ago && i > 8 {
                    let found = clock.block_time().as_millis() * 100;
                    let block_ms = u128::from(block_ms);
                    prop_assert!(found >= block_ms * 70, "{found} of {block_ms} at {i}");
                    prop_assert!(found <= block_ms * 130, "{found} of {block_ms} at {i}");
                }
            }
        }

        #[test]
        fn any_answers_keep_the_bounds(
            answers in proptest::collection::vec((0_u64..1_000, 0_u64..400_000), 0..100),
        ) {
            let mut now = Instant::now();
            let mut clock = ChainClock::new();
            for (height, wait_ms) in answers {
                now += Duration::from_millis(wait_ms);
                let floor = clock.floor(now);
                clock.observe(Height(height), now);
                prop_assert!(clock.floor(now) >= floor, "never back within five minutes");
                prop_assert!(clock.floor(now) >= Some(Height(height)));
                prop_assert!(clock.block_time() >= BLOCK_TIME_MIN);
                prop_assert!(clock.block_time() <= BLOCK_TIME_MAX);
                prop_assert!(clock.predicted_height(now) >= clock.highest());
                prop_assert!(clock.time_of(Height(height + 7), now) >= Some(now));
            }
        }
    }
}
