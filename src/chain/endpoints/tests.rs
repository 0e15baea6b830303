//! The rules of the choice of endpoints, and its invariants.

use proptest::prelude::*;

use super::*;

const A: EndpointId = EndpointId(0);
const B: EndpointId = EndpointId(1);
const S: Duration = Duration::from_secs(1);

impl Endpoints {
    fn identified(&mut self, id: EndpointId, now: Instant) -> Option<Change> {
        self.right_chain(id);
        self.answered(id, now)
    }
}

/// `count` endpoints, all identified and healthy.
fn healthy(count: usize, now: Instant) -> Endpoints {
    let mut endpoints = Endpoints::new(count, 7);
    for i in 0..count {
        assert_eq!(endpoints.identified(EndpointId(i), now), None);
    }
    endpoints
}

#[test]
fn an_endpoint_is_identified_before_its_first_use() {
    let now = Instant::now();
    let mut endpoints = Endpoints::new(2, 7);
    assert_eq!(endpoints.choose(now), Choice::Identify(A));
    assert_eq!(endpoints.identified(A, now), None);
    assert_eq!(endpoints.choose(now), Choice::Use(A));
    endpoints.failed(A, now, None);
    assert_eq!(endpoints.choose(now), Choice::Identify(B));
}

#[test]
fn a_failure_switches_to_the_next_endpoint_and_the_first_is_returned_to() {
    let now = Instant::now();
    let mut endpoints = healthy(2, now);
    endpoints.failed(A, now, None);
    assert_eq!(endpoints.choose(now), Choice::Use(B));
    assert_eq!(endpoints.answered(B, now), Some(Change { from: A, to: B }));
    let later = now + BACK_OFF_MIN;
    assert_eq!(endpoints.way_back(later), Some(A));
    endpoints.trying(A, later);
    assert_eq!(
        endpoints.choose(later),
        Choice::Use(B),
        "requests go on meanwhile"
    );
    assert_eq!(
        endpoints.identified(A, later),
        Some(Change { from: B, to: A })
    );
    assert_eq!(endpoints.choose(later), Choice::Use(A));
}

#[test]
fn a_better_endpoint_is_tried_at_most_every_half_minute() {
    let now = Instant::now();
    let mut endpoints = healthy(2, now);
    endpoints.failed(A, now, None);
    endpoints.answered(B, now);
    let mut tries = 0;
    for second in 1..=300 {
        let now = now + second * S;
        assert_eq!(endpoints.choose(now), Choice::Use(B));
        if endpoints.way_back(now) == Some(A) {
            tries += 1;
            endpoints.trying(A, now);
            endpoints.failed(A, now, None);
        }
    }
    assert!((9..=10).contains(&tries), "{tries}");
}

#[test]
fn one_that_fails_soon_after_each_return_is_returned_to_ever_more_rarely() {
    let mut now = Instant::now();
    let mut endpoints = healthy(2, now);
    endpoints.failed(A, now, None);
    endpoints.answered(B, now);
    let mut pauses = Vec::new();
    let mut last = now;
    while pauses.len() < 8 {
        now += S;
        if endpoints.way_back(now) == Some(A) {
            pauses.push(now.duration_since(last).as_secs());
            last = now;
            endpoints.trying(A, now);
            endpoints.identified(A, now);
            endpoints.failed(A, now + S, None);
            endpoints.answered(B, now + S);
        }
    }
    assert_eq!(pauses, [1, 60, 120, 240, 480, 600, 600, 600]);
    endpoints.trying(A, now);
    endpoints.identified(A, now);
    now += 2 * RETURN_EVERY;
    endpoints.failed(A, now, None);
    endpoints.answered(B, now);
    assert_eq!(
        endpoints.way_back(now + BACK_OFF_MIN),
        Some(A),
        "it worked for long"
    );
}

#[test]
fn a_late_answer_does_not_take_over() {
    let now = Instant::now();
    let mut endpoints = healthy(2, now);
    endpoints.failed(A, now, None);
    endpoints.answered(B, now);
    endpoints.identified(A, now + S);
    assert_eq!(endpoints.answered(B, now + S), None);
    assert_eq!(endpoints.current(), A);
}

#[test]
fn if_all_fail_the_one_whose_pause_ends_first_is_used() {
    let now = Instant::now();
    let mut endpoints = healthy(2, now);
    for _ in 0..5 {
        let paused_until = endpoints.list[0].paused_until.unwrap_or(now);
        endpoints.failed(A, paused_until, None);
    }
    let now = endpoints.list[0].paused_until.unwrap() - S;
    endpoints.failed(B, now, None);
    assert!(endpoints.list[1].paused_until > endpoints.list[0].paused_until.map(|at| at - S));
    let first = if endpoints.list[0].paused_until < endpoints.list[1].paused_until {
        A
    } else {
        B
    };
    assert!(matches!(endpoints.choose(now),
        Choice::Use(id) | Choice::Identify(id) if id == first));
}

#[test]
fn a_single_endpoint_is_always_asked_but_retry_after_is_respected() {
    let now = Instant::now();
    let mut endpoints = healthy(1, now);
    for _ in 0..20 {
        endpoints.failed(A, now, None);
        assert_eq!(endpoints.choose(now), Choice::Use(A));
    }
    endpoints.failed(A, now, Some(7 * S));
    assert_eq!(endpoints.choose(now), Choice::Wait(now + 7 * S));
    assert_eq!(endpoints.choose(now + 7 * S), Choice::Use(A));
    endpoints.failed(A, now, Some(3_600 * S));
    assert_eq!(endpoints.choose(now), Choice::Wait(now + RETRY_AFTER_MAX));
    endpoints.answered(A, now);
    assert_eq!(
        endpoints.choose(now),
        Choice::Use(A),
        "an answer ends every pause"
    );
}

#[test]
fn the_chain_is_asked_again_after_a_long_silence() {
    let now = Instant::now();
    let mut endpoints = healthy(1, now);
    endpoints.failed(A, now, None);
    assert_eq!(endpoints.choose(now + IDENTIFY_AFTER - S), Choice::Use(A));
    endpoints.failed(A, now + IDENTIFY_AFTER - S, None);
    assert_eq!(endpoints.choose(now + IDENTIFY_AFTER), Choice::Identify(A));
    endpoints.identified(A, now + IDENTIFY_AFTER);
    assert_eq!(endpoints.choose(now + IDENTIFY_AFTER), Choice::Use(A));
}

#[test]
fn an_endpoint_of_another_chain_is_not_asked_and_reported_once() {
    let now = Instant::now();
    let mut endpoints = healthy(2, now);
    assert!(endpoints.wrong_chain(A, now));
    assert!(!endpoints.wrong_chain(A, now));
    assert_eq!(endpoints.choose(now), Choice::Use(B));
    assert!(endpoints.wrong_chain(B, now));
    assert_eq!(endpoints.choose(now), Choice::Wait(now + 30 * S));
    assert_eq!(endpoints.choose(now + 30 * S), Choice::Identify(A));
}

#[test]
fn the_others_are_those_that_may_be_asked_with_the_failed_ones_at_the_end() {
    let now = Instant::now();
    let mut endpoints = healthy(4, now);
    let ids = |numbers: &[usize]| numbers.iter().map(|i| EndpointId(*i)).collect::<Vec<_>>();
    assert_eq!(endpoints.others(B, now), ids(&[0, 2, 3]));
    endpoints.failed(A, now, None);
    endpoints.wrong_chain(EndpointId(2), now);
    assert_eq!(endpoints.others(B, now), ids(&[3, 0]));
    endpoints.failed(EndpointId(3), now, Some(7 * S));
    assert_eq!(endpoints.others(B, now), ids(&[0]));
    assert!(healthy(1, now).others(A, now).is_empty());
}

#[test]
fn distrust_outlasts_good_answers_and_grows_with_each_relapse() {
    let mut now = Instant::now();
    let mut endpoints = healthy(2, now);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        endpoints.distrust(A, now);
        endpoints.distrust(A, now);
        let began = now;
        while endpoints.way_back(now).is_none() {
            assert_eq!(endpoints.choose(now), Choice::Use(B));
            endpoints.answered(A, now);
            endpoints.answered(B, now);
            now += S;
        }
        pauses.push(now.duration_since(began).as_secs());
        endpoints.identified(A, now);
        now += 60 * S;
    }
    assert_eq!(pauses, [60, 240, 960, 3_840, 14_400, 14_400, 14_400]);
    now += PAUSE.1 * (RELAPSE_PAUSES + 1);
    endpoints.distrust(A, now);
    assert!(!endpoints.is_avoided(A, now + PAUSE.0), "long ago");
}

#[test]
fn endpoints_that_are_not_believed_are_asked_if_no_other_one_answers() {
    let now = Instant::now();
    let mut alone = healthy(1, now);
    alone.distrust(A, now);
    assert_eq!(alone.choose(now), Choice::Use(A));
    let mut endpoints = healthy(2, now);
    endpoints.distrust(A, now);
    endpoints.answered(B, now);
    endpoints.failed(B, now, None);
    assert_eq!(endpoints.choose(now), Choice::Use(B), "it may answer soon");
    let later = now + DISTRUST_DOWN - S;
    endpoints.failed(B, later, None);
    assert_eq!(endpoints.choose(later), Choice::Use(B));
    let long_down = later + S;
    endpoints.distrust(A, long_down);
    endpoints.failed(B, long_down, None);
    assert_eq!(endpoints.choose(long_down), Choice::Use(A));
    let mut endpoints = healthy(2, now);
    endpoints.distrust(A, now);
    endpoints.distrust(B, now + S);
    assert_eq!(
        endpoints.choose(now + S),
        Choice::Use(A),
        "the first to end"
    );
}

#[test]
fn an_empty_list_waits() {
    let now = Instant::now();
    assert!(matches!(Endpoints::new(0, 0).choose(now), Choice::Wait(until) if until > now));
}

#[test]
fn several_failures_at_once_count_as_one() {
    let now = Instant::now();
    let mut endpoints = healthy(1, now);
    for _ in 0..100 {
        endpoints.failed(A, now, None);
    }
    assert_eq!(endpoints.list[0].failures, 1);
    assert!(endpoints.list[0].paused_until <= Some(now + BACK_OFF_MIN));
}

#[test]
fn a_node_is_behind_from_three_blocks_on() {
    let highest = Height(1_000);
    assert!(!is_behind(Height(1_001), highest));
    assert!(!is_behind(Height(998), highest));
    assert!(is_behind(Height(997), highest));
}

proptest! {
    #[test]
    fn pauses_grow_within_their_bounds(failures in 1_u32.., jitter: u8) {
        let pause = back_off(failures, jitter);
        prop_assert!(pause >= BACK_OFF_MIN / 2);
        prop_assert!(pause <= BACK_OFF_MAX);
        prop_assert!(failures > 5 || pause <= BACK_OFF_MIN * 2_u32.pow(failures - 1));
    }

    #[test]
    fn a_healthy_endpoint_is_used_after_any_events(
        events in proptest::collection::vec((0_usize..3, 0_u8..4, 0_u64..40_000), 0..100),
    ) {
        let mut now = Instant::now();
        let mut endpoints = healthy(3, now);
        for (i, event, wait_ms) in events {
            now += Duration::from_millis(wait_ms);
            match event {
                0 => endpoints.failed(EndpointId(i), now, None),
                1 => endpoints.failed(EndpointId(i), now, Some(5 * S)),
                2 => { endpoints.wrong_chain(EndpointId(i), now); }
                _ => { endpoints.identified(EndpointId(i), now); }
            }
            let any_healthy = endpoints.list.iter().any(|one| one.is_healthy(now));
            match endpoints.choose(now) {
                Choice::Wait(until) => prop_assert!(!any_healthy && until > now),
                Choice::Use(EndpointId(i)) | Choice::Identify(EndpointId(i)) => {
                    prop_assert!(!any_healthy || endpoints.list[i].is_healthy(now));
                }
            }
        }
    }
}

#[test]
fn a_contradicted_endpoint_is_set_aside_for_as_long_each_time() {
    let mut now = Instant::now();
    let mut endpoints = healthy(2, now);
    for _ in 0..3 {
        endpoints.set_aside(A, now);
        assert_eq!(endpoints.choose(now), Choice::Use(B));
        let _ = endpoints.answered(A, now);
        let _ = endpoints.answered(B, now);
        assert_eq!(endpoints.choose(now + ASIDE - S), Choice::Use(B));
        assert!(!endpoints.is_healthy(A, now) && endpoints.is_healthy(B, now));
        now += ASIDE;
        assert_eq!(endpoints.way_back(now), Some(A), "tried again");
        assert!(endpoints.identified(A, now).is_some());
    }
    endpoints.set_aside(A, now);
    endpoints.failed(B, now, None);
    endpoints.set_aside(B, now + S);
    assert_eq!(
        endpoints.choose(now + S),
        Choice::Use(A),
        "with all set aside, the one whose pause ends first"
    );
}

#[test]
fn the_chain_behind_an_address_is_checked_again_once_a_minute_while_it_is_far_below() {
    let start = Instant::now();
    let mut endpoints = Endpoints::new(1, 1);
    let id = EndpointId(0);
    endpoints.right_chain(id);
    endpoints.answered(id, start);
    assert_eq!(endpoints.choose(start), Choice::Use(id));
    endpoints.doubt_chain(id, ChainDoubt::Height, start);
    assert_eq!(endpoints.choose(start), Choice::Identify(id));
    endpoints.right_chain(id);
    endpoints.answered(id, start);
    endpoints.doubt_chain(id, ChainDoubt::Height, start + IDENTIFY_AFTER / 2);
    assert_eq!(endpoints.choose(start), Choice::Use(id), "a moment ago");
    endpoints.doubt_chain(id, ChainDoubt::Height, start + IDENTIFY_AFTER);
    assert_eq!(endpoints.choose(start), Choice::Identify(id));
    endpoints.wrong_chain(id, start);
    endpoints.doubt_chain(id, ChainDoubt::Height, start + IDENTIFY_AFTER * 3);
    let opens = start + WRONG_CHAIN_PAUSE;
    assert_eq!(
        endpoints.choose(start),
        Choice::Wait(opens),
        "it stays wrong"
    );
}

#[test]
fn what_an_account_shows_asks_the_chain_id_at_once_also_after_a_height_in_doubt() {
    let start = Instant::now();
    let mut endpoints = Endpoints::new(1, 1);
    let id = EndpointId(0);
    let mut asked = [0, 0];
    for second in 0..300 {
        let now = start + S * second;
        endpoints.right_chain(id);
        let doubts = [ChainDoubt::Height, ChainDoubt::Account];
        for (doubt, asked) in doubts.into_iter().zip(&mut asked) {
            let is_asked = endpoints.doubt_chain(id, doubt, now);
            assert_eq!(endpoints.is_unidentified(id, now), is_asked, "{doubt:?}");
            assert!(second > 0 || is_asked, "{doubt:?}");
            *asked += u32::from(is_asked);
            endpoints.right_chain(id);
        }
    }
    assert_eq!(asked, [5, 5], "once a minute each");
}

#[test]
fn an_endpoint_of_no_use_is_left_for_longer_with_each_relapse_and_still_has_a_say() {
    let start = Instant::now();
    let mut endpoints = healthy(2, start);
    let mut now = start;
    let mut lefts = 0;
    while now < start + Duration::from_secs(24 * 3600) {
        if endpoints.is_healthy(A, now) {
            endpoints.is_useless(A, now);
            lefts += 1;
            assert_eq!(endpoints.witnesses(B, now), [A]);
        }
        endpoints.answered(A, now);
        now += PAUSE.0 / 2;
    }
    assert!((5..=12).contains(&lefts), "{lefts}");
}

#[test]
fn one_that_is_only_set_aside_is_used_while_the_other_does_not_answer() {
    for leave in [Endpoints::set_aside, Endpoints::is_useless] {
        let now = Instant::now();
        let mut endpoints = Endpoints::new(2, 1);
        for id in [0, 1] {
            endpoints.right_chain(EndpointId(id));
            endpoints.answered(EndpointId(id), now);
        }
        leave(&mut endpoints, EndpointId(1), now);
        assert_eq!(endpoints.choose(now), Choice::Use(EndpointId(0)));
        endpoints.failed(EndpointId(0), now, None);
        assert_eq!(endpoints.choose(now), Choice::Use(EndpointId(1)));
    }
}

#[test]
fn an_endpoint_that_answers_no_comparison_is_asked_ever_more_rarely_for_all_topics() {
    let start = Instant::now();
    let mut endpoints = healthy(2, start);
    let mut asked = 0;
    for second in 0..3 * 3600 {
        // ten topics each second
        for _ in 0..10 {
            let now = start + S * second;
            if endpoints.comparable(A, now) == [B] {
                endpoints.heard_aside(B, false, now);
                asked += 1;
            }
        }
    }
    assert!((25..=30).contains(&asked), "{asked}");
    let now = start + 3 * 3600 * S;
    endpoints.heard_aside(B, true, now);
    assert_eq!(endpoints.comparable(A, now), [B]);
    endpoints.failed(B, now, None);
    assert!(endpoints.comparable(A, now).is_empty(), "it is paused");
}

#[test]
fn an_endpoint_that_lags_soon_after_each_return_is_tried_ever_more_rarely() {
    let (mut endpoints, mut now) = (Endpoints::new(2, 7), Instant::now());
    endpoints.right_chain(A);
    endpoints.right_chain(B);
    endpoints.answered(A, now);
    let mut away = Vec::new();
    for _ in 0..8 {
        endpoints.lags(A, now);
        assert_eq!(endpoints.choose(now), Choice::Use(B));
        endpoints.answered(B, now);
        let left_at = now;
        while endpoints.way_back(now).is_none() {
            now += S;
        }
        endpoints.trying(A, now);
        away.push(now.duration_since(left_at).as_secs());
        endpoints.answered(A, now);
        assert_eq!(endpoints.current(), A);
        now += 15 * S;
    }
    assert_eq!(away[0], 60, "{away:?}");
    assert!(away.is_sorted() && away[7] > 500, "{away:?}");
}

#[test]
fn an_endpoint_that_is_contradicted_again_at_once_is_noticed() {
    let now = Instant::now();
    let mut endpoints = healthy(2, now);
    assert!(!endpoints.is_just_set_aside(A, now));
    endpoints.set_aside(A, now);
    assert!(endpoints.is_just_set_aside(A, now + AGAIN / 2));
    assert!(!endpoints.is_just_set_aside(A, now + AGAIN), "a while ago");
}
