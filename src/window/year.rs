//! A year of blocks in moments: a topic's memory and the chain's clock against a chain that has
//! any epoch, window, block time, jitter and start. What is promised: every window is noticed in
//! time, a look is never dearer than it must be, and looks are few while the window is far.

use proptest::prelude::*;

use super::*;
use crate::chain_clock::BlockWatch;

/// From the request to the answer.
const ROUND_TRIP: Duration = Duration::from_millis(60);

/// A chain whose block `h` is made at a moment that can be told for any `h` at once.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    start: Instant,
    block_ms: u64,
    /// By how much a block may be early or late, in thousandths of the block time.
    jitter_permille: u64,
    seed: u64,
}

impl Blocks {
    fn made_at(&self, height: u64) -> Instant {
        let noise = Jitter::new(self.seed ^ height.wrapping_mul(0x9E37_79B9_7F4A_7C15)).number();
        let span_us = self.block_ms * self.jitter_permille;
        let early_or_late_us = noise % (span_us + 1);
        self.start + Duration::from_micros(height * self.block_ms * 1_000 + early_or_late_us)
    }

    /// The newest block at `at`.
    fn height(&self, at: Instant) -> u64 {
        let since_ms = at.saturating_duration_since(self.start).as_millis();
        let guess = u64::try_from(since_ms).unwrap() / self.block_ms + 1;
        let back = 2 + self.jitter_permille / 1_000;
        let made = |height: &u64| self.made_at(*height) <= at;
        (guess.saturating_sub(back)..=guess)
            .rev()
            .find(made)
            .unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    blocks: Blocks,
    epoch: u64,
    window: u64,
    look_every: Duration,
    first_height: u64,
    epochs: u64,
}

#[derive(Debug, Default)]
struct Seen {
    windows: u32,
    looks: u32,
    /// From the block that opened a window until the answer that shows it.
    late_max: Duration,
    late_sum: Duration,
    /// Looks further from an opening than a block (and a fifth), by less than `look_every` apart.
    too_close: u32,
}

/// Lets a topic look at windows for some epochs, with nothing else going on.
fn watch(case: Case) -> Seen {
    let Case {
        blocks,
        epoch,
        window,
        ..
    } = case;
    let mut now = blocks.made_at(case.first_height);
    let mut clock = BlockWatch::new();
    let mut memory = Memory::new(now, Jitter::new(case.blocks.seed));
    let (mut seen, mut last_look) = (Seen::default(), None);
    // why: the pace is measured first
    let looks_to_measure = case.look_every * 12;
    let measured = u64::try_from(looks_to_measure.as_millis()).unwrap() / blocks.block_ms;
    let counts_from = case.first_height + epoch.max(60) + measured;
    let last_height = counts_from + case.epochs * epoch;
    loop {
        let pace = Pace::of(&clock.clock(), case.look_every, now);
        if pace.height.0 > last_height {
            return seen;
        }
        match memory.next(&pace, now) {
            Step::Sleep(until) => now = now.max(until),
            Step::Look => {
                let counts = pace.height.0 >= counts_from;
                seen.looks += u32::from(counts);
                let next = (blocks.height(now) / epoch + 1) * epoch;
                let near = blocks.block_ms * (1_200 + 2 * blocks.jitter_permille) / 1_000;
                let far = blocks.made_at(next) > now + Duration::from_millis(near);
                let soon = last_look.is_some_and(|last| now < last + case.look_every);
                let just_opened = blocks.height(now) % epoch < 2;
                seen.too_close += u32::from(counts && far && soon && !just_opened);
                last_look = Some(now);
                now += ROUND_TRIP / 2;
                let height = blocks.height(now);
                now += ROUND_TRIP / 2;
                clock.observe(Height(height), now);
                let nonce = height / epoch * epoch;
                let of = |nonce: u64| Window {
                    nonce: Nonce(nonce),
                    end: Height(nonce + window),
                };
                let status = WindowStatus {
                    open: (height < nonce + window).then(|| of(nonce)),
                    next: Some(of(nonce + epoch)),
                    is_registered: true,
                    is_whitelisted: true,
                    is_topic_active: true,
                };
                let pace = Pace::of(&clock.clock(), case.look_every, now);
                memory.saw(status, Height(height), &pace, now);
            }
            Step::AskServed(nonce, _) => {
                if nonce.0 >= counts_from {
                    let late = now.saturating_duration_since(blocks.made_at(nonce.0));
                    seen.windows += 1;
                    seen.late_max = seen.late_max.max(late);
                    seen.late_sum += late;
                }
                memory.finish();
                memory.rest(&pace, now);
            }
            other => panic!("{other:?} in {case:?}"),
        }
    }
}

fn case(block_ms: u64, jitter_permille: u64, epoch: u64, window: u64, seed: u64) -> Case {
    let blocks = Blocks {
        start: Instant::now(),
        block_ms,
        jitter_permille,
        seed,
    };
    Case {
        blocks,
        epoch,
        window: window.min(epoch),
        look_every: Duration::from_secs(5),
        first_height: 1_000 + seed % 10_000,
        epochs: 40,
    }
}

#[test]
fn a_year_of_hourly_windows() {
    let year = Case {
        epochs: 8_760,
        ..case(5_000, 200, 720, 60, 7)
    };
    let seen = watch(year);
    assert!(seen.windows >= 8_757, "{seen:?}");
    assert!(
        seen.late_sum / seen.windows <= Duration::from_secs(1),
        "{seen:?}"
    );
    assert!(seen.looks <= 14 * seen.windows, "{seen:?}");
    assert_eq!(seen.too_close, 0, "{seen:?}");
}

#[test]
fn a_topic_of_its_own_with_short_epochs() {
    let seen = watch(Case {
        epochs: 5_000,
        ..case(5_000, 100, 20, 10, 3)
    });
    assert!(seen.windows >= 4_990, "{seen:?}");
    assert!(
        seen.late_sum / seen.windows <= Duration::from_secs(1),
        "{seen:?}"
    );
    assert!(seen.looks <= 7 * seen.windows, "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever the chain's pace is, a window is noticed within a block of its opening, and the
    /// looks of an epoch are bounded by its length on a logarithmic scale.
    #[test]
    fn every_window_is_noticed_in_time_and_the_budget_holds(
        block_ms in 500_u64..20_000,
        jitter_permille in 0_u64..400,
        epoch in 6_u64..5_000,
        window in 3_u64..100,
        look_every_ms in 1_000_u64..10_000,
        seed in any::<u64>(),
    ) {
        let look_every = Duration::from_millis(look_every_ms);
        let case = Case { look_every, ..case(block_ms, jitter_permille, epoch, window, seed) };
        let seen = watch(case);
        let block = Duration::from_millis(block_ms);
        prop_assert!(u64::from(seen.windows) + 2 >= case.epochs, "{seen:?} {case:?}");
        prop_assert!(seen.late_max <= block * 3 / 2 + ROUND_TRIP * 2, "{seen:?} {case:?}");
        let mean = seen.late_sum / seen.windows;
        prop_assert!(mean <= block * 2 / 5 + ROUND_TRIP * 2, "{mean:?} {seen:?} {case:?}");
        // by quarters of the way there, then half-hours, then the surroundings of the opening
        let epoch_s = block_ms * epoch / 1_000;
        let half_hours = u32::try_from(epoch_s / 1_800).unwrap();
        let quarters = (epoch_s * 1_000 / look_every_ms + 1).ilog2() / 2 + 1;
        let budget = half_hours + quarters + 14;
        // why: slower blocks are waited for as if they could come at the usual pace again
        let usual = block <= Duration::from_secs(6);
        let holds = seen.looks <= budget * (seen.windows + 2);
        prop_assert!(holds || !usual, "{budget} {seen:?} {case:?}");
    }
}
