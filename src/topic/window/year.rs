//! Simulates a year of blocks in moments: topics' memories and the chain's clock against a chain
//! that has any epoch, window, block time, jitter and start. What is promised: every window is
//! noticed in time, looks are few while the window is far, and none is closer to the one before
//! than it may be.

use proptest::prelude::*;

use super::*;
use crate::chain::clock::watch::BlockWatch;
use crate::values::topic::Window;

/// The length of an invented epoch.
const FAR_BLOCKS: u64 = 1_000_000;

/// From the request to the answer.
const ROUND_TRIP: Duration = Duration::from_millis(60);

/// A chain whose block `h` is made at a moment that can be computed for any `h` directly.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    start: Instant,
    block_ms: u64,
    /// By how much a block may be late, in thousandths of the block time.
    jitter_permille: u64,
    seed: u64,
}

impl Blocks {
    fn made_at(&self, height: u64) -> Instant {
        let noise = Jitter::new(self.seed ^ height.wrapping_mul(0x9E37_79B9_7F4A_7C15)).number();
        let late_us = noise % (self.block_ms * self.jitter_permille + 1);
        self.start + Duration::from_micros(height * self.block_ms * 1_000 + late_us)
    }

    /// The newest block at `at`.
    fn height(&self, at: Instant) -> u64 {
        let since_ms = at.saturating_duration_since(self.start).as_millis();
        let guess = u64::try_from(since_ms).unwrap() / self.block_ms + 1;
        let back = 2 + self.jitter_permille / 1_000;
        let made = |height: &u64| self.made_at(*height) <= at;
        let newest = (guess.saturating_sub(back)..=guess).rev().find(made);
        newest.unwrap_or(0)
    }
}

/// A topic whose windows open at every `epoch`th block, counted from `offset`.
#[derive(Clone, Copy, Debug)]
struct Plan {
    epoch: u64,
    window: u64,
    offset: u64,
}

#[derive(Clone, Debug)]
struct Case {
    blocks: Blocks,
    topics: Vec<Plan>,
    look_every: Duration,
    first_height: u64,
    /// How many epochs of the first topic are simulated.
    epochs: u64,
}

/// What became of one topic, from when the pace is measured.
#[derive(Clone, Debug, Default)]
struct Seen {
    windows: u32,
    looks: u32,
    /// From the block that opened a window until the answer that shows it.
    late_max: Duration,
    late_sum: Duration,
    /// Looks far from an opening and less than `look_every` after the one before.
    too_close: u32,
    /// The longest time without a look.
    unseen_max: Duration,
}

struct Watcher {
    /// By how many blocks the node is late at the first look after a rest.
    late_blocks: u64,
    /// Until then the node names a next window that is a million blocks away, in epochs as long.
    lies_until: Option<Instant>,
    plan: Plan,
    memory: Memory,
    announced: Option<Nonce>,
    wakes: Instant,
    last_look: Option<Instant>,
    seen: Seen,
}

impl Watcher {
    fn new(plan: Plan, now: Instant, seed: u64) -> Watcher {
        Watcher {
            late_blocks: 0,
            lies_until: None,
            plan,
            memory: Memory::new(now, Jitter::new(seed)),
            announced: None,
            wakes: now,
            last_look: None,
            seen: Seen::default(),
        }
    }

    /// An announced opening delays the first close look, although nobody reads the account here.
    fn look(&mut self, case: &Case, clock: &mut BlockWatch, counts: bool) {
        let (blocks, now) = (&case.blocks, self.wakes);
        let pace = Pace::of(&clock.clock(), case.look_every, now);
        let opening = self.memory.near_opening(&pace);
        if opening.is_some() && opening != self.announced {
            self.announced = opening;
            self.memory.account_is_read(&pace);
            if self.memory.next(&pace) != Step::Look {
                return;
            }
        }
        let since = self
            .last_look
            .map(|last| now.saturating_duration_since(last));
        self.last_look = Some(now);
        let Plan {
            epoch,
            window,
            offset,
        } = self.plan;
        let nonce_at = |height: u64| (height - offset) / epoch * epoch + offset;
        if counts {
            self.seen.looks += 1;
            self.seen.unseen_max = self.seen.unseen_max.max(since.unwrap_or_default());
            let height = blocks.height(now);
            let near_ms = blocks.block_ms * (1_300 + 2 * blocks.jitter_permille) / 1_000;
            let next = blocks.made_at(nonce_at(height) + epoch);
            let far = next > now + Duration::from_millis(near_ms);
            let just_opened = height - nonce_at(height) < 2;
            let soon = since.is_some_and(|since| since < case.look_every);
            self.seen.too_close += u32::from(far && soon && !just_opened);
        }
        let before = Pace::of(&clock.clock(), case.look_every, now);
        let late = before.expected.map_or(0, |_| self.late_blocks);
        let height = blocks.height(now + ROUND_TRIP / 2) - late;
        let now = now + ROUND_TRIP;
        clock.observe(Height(height), now);
        let nonce = nonce_at(height);
        let of = |nonce: u64| Window {
            nonce: Nonce(nonce),
            end: Height(nonce + window),
        };
        let lies = self.lies_until.is_some_and(|until| now < until);
        let far = nonce / FAR_BLOCKS * FAR_BLOCKS + FAR_BLOCKS;
        let status = WindowStatus {
            open: (height < nonce + window && !lies).then(|| of(nonce)),
            next: Some(of(if lies { far } else { nonce + epoch })),
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: true,
        };
        self.memory.epoch_blocks = Some(if lies { FAR_BLOCKS } else { epoch });
        self.wakes = now;
        if self.memory.looks_again(Height(height), &before, now) {
            return;
        }
        let pace = Pace::of(&clock.clock(), case.look_every, now);
        self.memory.saw(status, Height(height), &pace);
    }

    fn served(&mut self, nonce: Nonce, case: &Case, pace: &Pace, counts: bool) {
        if counts {
            let late = self
                .wakes
                .saturating_duration_since(case.blocks.made_at(nonce.0));
            self.seen.windows += 1;
            self.seen.late_max = self.seen.late_max.max(late);
            self.seen.late_sum += late;
        }
        self.memory.finish();
        self.memory.rest(pace);
    }
}

/// Lets topics look at their windows, with nothing else going on.
fn watch(case: &Case) -> Vec<Seen> {
    let start = case.blocks.made_at(case.first_height);
    let seed = case.blocks.seed;
    let plans = case.topics.iter();
    let mut watchers: Vec<_> = plans.map(|plan| Watcher::new(*plan, start, seed)).collect();
    // why: the pace is measured first
    let to_measure = u64::try_from((case.look_every * 12).as_millis()).unwrap();
    let epoch = case.topics[0].epoch;
    let counts_from = case.first_height + epoch.max(60) + to_measure / case.blocks.block_ms;
    let last_height = counts_from + case.epochs * epoch;
    let mut clock = BlockWatch::default();
    loop {
        let next = watchers
            .iter_mut()
            .min_by_key(|watcher| watcher.wakes)
            .unwrap();
        let now = next.wakes;
        let pace = Pace::of(&clock.clock(), case.look_every, now);
        if pace.height.0 > last_height {
            return watchers.into_iter().map(|watcher| watcher.seen).collect();
        }
        let counts = pace.height.0 >= counts_from;
        match next.memory.next(&pace) {
            Step::Sleep(until) => next.wakes = now.max(until),
            Step::Look => next.look(case, &mut clock, counts),
            Step::AskServed(nonce, _) => next.served(nonce, case, &pace, nonce.0 >= counts_from),
            other => panic!("{other:?} in {case:?}"),
        }
    }
}

fn case(block_ms: u64, jitter_permille: u64, topics: &[(u64, u64, u64)], epochs: u64) -> Case {
    let plan = |(epoch, window, offset): &(u64, u64, u64)| Plan {
        epoch: *epoch,
        window: *window.min(epoch),
        offset: *offset,
    };
    Case {
        blocks: Blocks {
            start: Instant::now(),
            block_ms,
            jitter_permille,
            seed: 7,
        },
        topics: topics.iter().map(plan).collect(),
        look_every: Duration::from_secs(5),
        first_height: 10_007,
        epochs,
    }
}

fn late_mean(seen: &Seen) -> Duration {
    seen.late_sum / seen.windows.max(1)
}

#[test]
fn a_year_of_hourly_windows() {
    let seen = &watch(&case(5_000, 200, &[(720, 60, 0)], 8_760))[0];
    assert!(seen.windows >= 8_758, "{seen:?}");
    assert!(late_mean(seen) <= Duration::from_secs(1), "{seen:?}");
    assert!(seen.looks <= 8 * seen.windows, "{seen:?}");
    assert_eq!(seen.too_close, 0, "{seen:?}");
}

#[test]
fn a_node_that_is_late_at_the_look_after_each_rest_costs_no_window() {
    let case = case(5_000, 200, &[(720, 6, 0)], 200);
    let start = case.blocks.made_at(case.first_height);
    let mut clock = BlockWatch::default();
    let mut watcher = Watcher::new(case.topics[0], start, 7);
    watcher.late_blocks = 16;
    let mut served = 0;
    while watcher.wakes < start + Duration::from_secs(5 * 720 * 200) {
        let pace = Pace::of(&clock.clock(), case.look_every, watcher.wakes);
        match watcher.memory.next(&pace) {
            Step::Sleep(until) => watcher.wakes = watcher.wakes.max(until),
            Step::Look => watcher.look(&case, &mut clock, false),
            Step::AskServed(nonce, _) => {
                served += 1;
                watcher.served(nonce, &case, &pace, false);
            }
            other => panic!("{other:?} after {served} windows"),
        }
    }
    assert!(served >= 199, "{served}");
}

/// The node is the only one.
#[test]
fn a_schedule_that_was_a_lie_is_slept_on_for_at_most_as_long_as_it_was_told() {
    for lie_s in [1, 7, 40, 200, 1_000, 4_000] {
        let case = case(5_000, 200, &[(20, 10, 0)], 200);
        let start = case.blocks.made_at(case.first_height);
        let lie = Duration::from_secs(lie_s);
        let mut clock = BlockWatch::default();
        let mut watcher = Watcher::new(case.topics[0], start, 7);
        // the pace is measured, and windows of another schedule have opened
        let begins = start + Duration::from_secs(600);
        let ends = begins + lie;
        let mut sees = None;
        while sees.is_none() {
            let is_lie = (begins..ends).contains(&watcher.wakes);
            watcher.lies_until = is_lie.then_some(ends);
            let pace = Pace::of(&clock.clock(), case.look_every, watcher.wakes);
            match watcher.memory.next(&pace) {
                Step::Sleep(until) => watcher.wakes = watcher.wakes.max(until),
                Step::Look => watcher.look(&case, &mut clock, false),
                Step::AskServed(nonce, _) if watcher.wakes > ends => sees = Some(nonce),
                Step::AskServed(nonce, _) => watcher.served(nonce, &case, &pace, false),
                Step::Over(_) => drop(watcher.memory.finish()),
                other => panic!("{other:?} with a lie of {lie:?}"),
            }
        }
        let opened = case.blocks.made_at(sees.unwrap().0);
        let most = lie.min(LOOK_DELAY_MAX) + Duration::from_secs(20 * 5);
        assert!(
            opened < ends + most,
            "{lie:?}: {:?} after it",
            opened - ends
        );
        let is_noticed = watcher.wakes < opened + Duration::from_secs(2 * 5);
        assert!(is_noticed || opened < ends + lie, "{lie:?}");
    }
}

/// As many topics as one worker serves, whose first looks come as quickly as they take turns: 12 at a
/// time, for which a look takes 150 ms.
#[test]
fn a_thousand_topics_that_start_together_do_not_look_together() {
    const TOPICS: u32 = 1_000;
    let topics: Vec<_> = (0..1_000).map(|of| (10_000, 10, 9_000 + of)).collect();
    let case = case(5_000, 200, &topics, 1);
    let start = case.blocks.made_at(case.first_height + 1_000);
    let mut clock = BlockWatch::default();
    let first_look = |at: u32| start + Duration::from_millis(150) * at / 12;
    let watchers = case.topics.iter().zip(0..TOPICS);
    let mut watchers: Vec<_> = watchers
        .map(|(plan, at)| Watcher::new(*plan, first_look(at), u64::from(at)))
        .collect();
    let mut looks = [0_u32; 1_800];
    loop {
        let next = watchers.iter_mut().min_by_key(|watcher| watcher.wakes);
        let next = next.unwrap();
        let since = next.wakes.saturating_duration_since(start);
        let Some(count) = looks.get_mut(usize::try_from(since.as_secs()).unwrap()) else {
            break;
        };
        let pace = Pace::of(&clock.clock(), case.look_every, next.wakes);
        match next.memory.next(&pace) {
            Step::Sleep(until) => next.wakes = next.wakes.max(until),
            Step::Look => {
                *count += 1;
                next.look(&case, &mut clock, false);
            }
            other => panic!("{other:?}"),
        }
    }
    let most = |from: usize, to: usize| looks[from..to].iter().copied().max().unwrap();
    let (first, later) = (most(0, 15), [most(15, 60), most(60, 300), most(300, 1_800)]);
    assert!(first >= 70, "the first looks: {first}");
    // a look after the first one is one request of three
    assert!(later[0] <= first * 3 / 2, "{first}, then {later:?}");
    assert!(later[1] <= TOPICS / 10, "{first}, then {later:?}");
    assert!(later[2] <= TOPICS / 25, "{first}, then {later:?}");
    let looks_of_one = looks.iter().sum::<u32>() / TOPICS;
    assert!(looks_of_one <= 12, "{looks_of_one}");
}

#[test]
fn a_topic_of_its_own_with_short_epochs() {
    let seen = &watch(&case(5_000, 100, &[(20, 10, 0)], 5_000))[0];
    assert!(seen.windows >= 4_998, "{seen:?}");
    assert!(late_mean(seen) <= Duration::from_secs(1), "{seen:?}");
    assert!(seen.looks <= 4 * seen.windows, "{seen:?}");
}

#[test]
fn a_slow_chain_is_asked_little_more_often_than_a_usual_one() {
    for (epoch, window, looks) in [(720, 60, 12), (20, 10, 8)] {
        for block_ms in [8_000, 12_000, 20_000] {
            let seen = &watch(&case(block_ms, 100, &[(epoch, window, 0)], 500))[0];
            let half_hours = u32::try_from(block_ms * epoch / 1_800_000).unwrap();
            assert!(seen.windows >= 498, "{seen:?}");
            let looks = looks + half_hours;
            assert!(seen.looks <= looks * seen.windows, "{block_ms}: {seen:?}");
        }
    }
}

#[test]
fn four_topics_share_the_height() {
    let topics = [(20, 10, 0), (20, 10, 5), (20, 10, 10), (20, 10, 15)];
    for seen in watch(&case(5_000, 100, &topics, 2_000)) {
        assert!(seen.windows >= 1_998, "{seen:?}");
        assert!(late_mean(&seen) <= Duration::from_secs(1), "{seen:?}");
        assert!(seen.looks <= 5 * seen.windows / 2, "{seen:?}");
    }
}

#[test]
fn a_topic_of_days_is_looked_at_beside_one_of_minutes() {
    let day = 17_280;
    let seen = watch(&case(5_000, 100, &[(day, 60, 11), (20, 10, 0)], 5));
    let slack = Duration::from_secs(15);
    assert!(seen[0].windows >= 4, "{:?}", seen[0]);
    assert!(
        seen[0].unseen_max <= LOOK_DELAY_MAX + slack,
        "{:?}",
        seen[0]
    );
    assert!(seen[0].looks <= 75 * seen[0].windows, "{:?}", seen[0]);
}

#[test]
fn a_chain_that_becomes_quicker_loses_no_window_of_long_epochs() {
    let slow = case(5_000, 100, &[(720, 10, 0)], 3);
    let mut clock = BlockWatch::default();
    let mut watcher = Watcher::new(slow.topics[0], slow.blocks.made_at(slow.first_height), 7);
    let mut seen = 0;
    // the same heights on, at another pace
    let changes_at = slow.first_height + 3 * 720;
    let changed = slow.blocks.made_at(changes_at);
    let quick = Case {
        blocks: Blocks {
            start: changed - Duration::from_millis(changes_at * 3_000),
            block_ms: 3_000,
            ..slow.blocks
        },
        ..slow.clone()
    };
    while watcher.wakes < changed + Duration::from_secs(3_000 * 720 * 10 / 1_000) {
        let case = if watcher.wakes < changed {
            &slow
        } else {
            &quick
        };
        let pace = Pace::of(&clock.clock(), case.look_every, watcher.wakes);
        match watcher.memory.next(&pace) {
            Step::Sleep(until) => watcher.wakes = watcher.wakes.max(until),
            Step::Look => watcher.look(case, &mut clock, false),
            Step::AskServed(nonce, _) => {
                seen += u64::from(nonce.0 > changes_at);
                watcher.served(nonce, case, &pace, false);
            }
            Step::Over(_) => panic!("not looked at in time"),
            other => panic!("{other:?}"),
        }
    }
    assert!(
        seen >= 8,
        "one may be missed while the new pace is learnt: {seen}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// At any pace of the chain, a window is noticed within a block of its opening, and the looks
    /// of an epoch are bounded by its length on a logarithmic scale; other topics beside it change
    /// nothing about that.
    #[test]
    fn every_window_is_noticed_in_time_and_the_budget_holds(
        block_ms in 500_u64..20_000,
        jitter_permille in 0_u64..400,
        epoch in 6_u64..5_000,
        window in 3_u64..100,
        beside in proptest::collection::vec((6_u64..2_000, 3_u64..100, 0_u64..6), 0..3),
        look_every_ms in 1_000_u64..10_000,
        first_height in 5_000_u64..100_000,
        seed in any::<u64>(),
    ) {
        let mut topics = vec![(epoch, window, 0)];
        topics.extend(beside);
        let mut case = case(block_ms, jitter_permille, &topics, 40);
        case.look_every = Duration::from_millis(look_every_ms);
        case.first_height = first_height;
        case.blocks.seed = seed;
        let seen = &watch(&case)[0];
        let block = Duration::from_millis(block_ms);
        prop_assert!(u64::from(seen.windows) + 2 >= case.epochs, "{seen:?} {case:?}");
        prop_assert!(seen.late_max <= block * 3 / 2 + ROUND_TRIP * 2, "{seen:?} {case:?}");
        prop_assert!(late_mean(seen) <= block * 2 / 5 + ROUND_TRIP * 2, "{seen:?} {case:?}");
        let longest = LOOK_DELAY_MAX + case.look_every * 2 + block * 8;
        prop_assert!(seen.unseen_max <= longest, "{seen:?} {case:?}");
        // by quarters of the way there, then half-hours, then the surroundings of the opening
        let half_hours = u32::try_from(block_ms * epoch / 1_800_000).unwrap();
        let quarters = (block_ms * epoch / look_every_ms + 1).ilog2() / 2 + 1;
        // why: on a slow chain it is halves of the way, in case it becomes quicker
        let parts = if block <= Duration::from_secs(5) { quarters } else { quarters * 2 };
        let budget = half_hours + parts + 14;
        let holds = seen.looks <= budget * (seen.windows + 2);
        prop_assert!(holds, "{budget} {seen:?} {case:?}");
    }
}
