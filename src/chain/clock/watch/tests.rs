//! Heights as answers report them, and the height and pace known from them.

use proptest::prelude::*;

use super::*;
use crate::chain::clock::FORGET_AFTER;

const S: Duration = Duration::from_secs(1);

/// A chain with a steady pace, polled every `poll`, for `polls` polls.
fn polled(block_time: Duration, poll: Duration, polls: u32, start: Instant) -> BlockWatch {
    let mut watch = BlockWatch::default();
    for i in 0..polls {
        let since = poll * i;
        let blocks = (since.as_nanos() / block_time.as_nanos()) as u64;
        watch.observe(Height(1_000 + blocks), start + since);
    }
    watch
}

#[test]
fn nothing_is_known_at_first() {
    let clock = ChainClock::default();
    let now = Instant::now();
    assert_eq!(clock.floor(now), None);
    assert_eq!(clock.height_age(now), None);
    assert_eq!(clock.time_of(Height(5)), None);
    assert_eq!(clock.block_time(), BLOCK_TIME_START);
    assert!(!clock.is_measured());
    let mut watch = BlockWatch::default();
    watch.observe(Height(1), now);
    let cautious = |age: u32| watch.clock().cautious_block_time(now + S * age);
    assert!(cautious(0) < S, "blocks may be quick");
    assert_eq!(cautious(60), BLOCK_TIME_START, "none comes");
}

#[test]
fn a_height_is_expected_by_the_pace_after_a_rest_only() {
    let start = Instant::now();
    let watch = polled(5 * S, S, 200, start);
    let expected = |second: u32| watch.clock().expected_after_rest(start + second * S);
    assert_eq!(expected(200 + 50), None);
    assert_eq!(ChainClock::default().expected_after_rest(start), None);
    let truth = Height(1_000 + (200 + 1_800) / 5);
    let expected = expected(200 + 1_800).unwrap();
    assert!(expected <= truth && truth < expected.plus(10), "{expected}");
}

#[test]
fn an_answer_from_behind_changes_nothing() {
    let start = Instant::now();
    let mut watch = polled(5 * S, S, 60, start);
    let before = (watch.clock().highest(), watch.clock().block_time());
    watch.observe(Height(3), start + 61 * S);
    assert_eq!(
        (watch.clock().highest(), watch.clock().block_time()),
        before
    );
}

#[test]
fn the_highest_height_is_forgotten_when_no_answer_reaches_it() {
    let start = Instant::now();
    let mut watch = BlockWatch::default();
    watch.observe(Height(100), start);
    watch.observe(Height(100), start + 10 * S);
    let last_moment = start + 10 * S + FORGET_AFTER - Duration::from_nanos(1);
    watch.observe(Height(90), last_moment);
    assert_eq!(
        watch.clock().floor(last_moment),
        Some(Height(100)),
        "behind, not reached"
    );
    let forgotten = start + 10 * S + FORGET_AFTER;
    assert_eq!(watch.clock().floor(forgotten), None);
    watch.observe(Height(90), forgotten);
    assert_eq!(watch.clock().floor(forgotten), Some(Height(90)));
}

#[test]
fn a_frozen_chain_that_still_answers_is_not_forgotten_but_ages() {
    let start = Instant::now();
    let mut watch = BlockWatch::default();
    for i in 0..1_000 {
        watch.observe(Height(28), start + i * S);
    }
    let now = start + 1_000 * S;
    assert_eq!(watch.clock().floor(now), Some(Height(28)));
    assert_eq!(watch.clock().height_age(now), Some(1_000 * S));
}

#[test]
fn a_halt_in_the_middle_hardly_moves_the_block_time() {
    let start = Instant::now();
    let mut watch = BlockWatch::default();
    for i in 0..20_u32 {
        let halt = if i >= 10 { 600 * S } else { Duration::ZERO };
        watch.observe(Height(u64::from(i) + 1), start + 5 * S * i + halt);
        if i >= 10 {
            // Keep the height known through the halt.
            assert_eq!(watch.clock().block_time().as_secs(), 5, "after block {i}");
        }
    }
}

#[test]
fn a_halt_right_after_the_start_is_not_measured_as_the_pace() {
    let start = Instant::now();
    let mut watch = BlockWatch::default();
    let heights = [(100, 0), (101, 1), (102, 61), (103, 62), (104, 63)];
    for (height, second) in heights {
        assert!(!watch.clock().is_measured(), "{height}");
        watch.observe(Height(height), start + S * second);
    }
    assert_eq!(watch.clock().block_time(), S);
    assert_eq!(
        watch.clock().quick_block_time(),
        None,
        "too little to wait far ahead"
    );
}

#[test]
fn a_slow_period_does_not_change_the_quick_pace() {
    let start = Instant::now();
    let mut watch = polled(S, S, 10, start);
    for i in 1..=10_u32 {
        watch.observe(Height(1_009 + u64::from(i)), start + S * 9 + S * 4 * i);
    }
    assert!(watch.clock().block_time() > S * 2);
    assert_eq!(watch.clock().quick_block_time(), Some(S));
    let slow = polled(S * 20, S * 20, 20, start);
    assert_eq!(slow.clock().block_time(), S * 20);
    assert_eq!(
        slow.clock().quick_block_time(),
        Some(BLOCK_TIME_START),
        "never slower"
    );
}

#[test]
fn a_node_that_catches_up_hardly_moves_the_block_time() {
    let start = Instant::now();
    let mut watch = polled(5 * S, 5 * S, 20, start);
    let caught_up = start + 100 * S;
    watch.observe(Height(5_000), caught_up);
    watch.observe(Height(9_000), caught_up + 5 * S);
    watch.observe(Height(9_001), caught_up + 10 * S);
    assert_eq!(watch.clock().block_time(), 5 * S);
}

#[test]
fn a_new_pace_is_learnt() {
    let start = Instant::now();
    let mut watch = polled(5 * S, 5 * S, 20, start);
    for i in 1..=40 {
        watch.observe(
            Height(1_019 + i),
            start + 95 * S + S * u32::try_from(i).unwrap(),
        );
    }
    assert_eq!(watch.clock().block_time(), S);
}

#[test]
fn a_later_height_is_expected_by_the_pace() {
    let start = Instant::now();
    let watch = polled(2 * S, S / 2, 100, start);
    let newest = watch.clock().highest().unwrap();
    let seen_at = start + 2 * S * u32::try_from(newest.0 - 1_000).unwrap();
    assert_eq!(watch.clock().block_time(), 2 * S);
    let expected = watch.clock().time_of(newest.plus(10)).unwrap();
    assert!(expected <= seen_at + 20 * S && expected + S / 2 > seen_at + 20 * S);
    assert_eq!(watch.clock().time_of(newest), None, "it is there");
}

proptest! {
    #[test]
    fn a_steady_pace_is_found_at_any_polling(
        block_ms in 50_u64..=60_000,
        poll_percent in 5_u64..=2_000,
    ) {
        let block_time = Duration::from_millis(block_ms);
        let poll = Duration::from_micros(block_ms * poll_percent * 10).min(FORGET_AFTER - S);
        // Enough polls for 40 blocks at any interval.
        let polls = u32::try_from(4_000 / poll_percent + 40).unwrap();
        let watch = polled(block_time, poll, polls, Instant::now());
        let (found, tenth) = (watch.clock().block_time(), block_time / 10);
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
        let mut watch = BlockWatch::default();
        for i in 0..60 {
            if i == late_at {
                watch.observe(Height(1 + i as u64), late_until);
            } else if i < late_at || due(i) > late_until {
                watch.observe(Height(1 + i as u64), due(i));
            }
            // Until five blocks are seen after it, what was late may count.
            let long_ago = due(i) > late_until + due(5).duration_since(start);
            if (4..late_at).contains(&i) || long_ago && i > 8 {
                let found = watch.clock().block_time().as_millis() * 100;
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
        let mut watch = BlockWatch::default();
        for (height, wait_ms) in answers {
            now += Duration::from_millis(wait_ms);
            let floor = watch.clock().floor(now);
            watch.observe(Height(height), now);
            prop_assert!(watch.clock().floor(now) >= floor, "never back within five minutes");
            prop_assert!(watch.clock().floor(now) >= Some(Height(height)));
            prop_assert!(watch.clock().block_time() >= BLOCK_TIME_MIN);
            prop_assert!(watch.clock().block_time() <= BLOCK_TIME_MAX);
            prop_assert!(watch.clock().time_of(Height(2_000)) >= watch.clock().reached_at());
        }
    }
}
