//! The next step of a topic, case by case.

use super::*;
use crate::chain::meaning::Action;
use crate::topic::nonce::Sent;
use crate::values::decimal::Decimal;
use crate::values::payload::{Inference, Payload};
use crate::values::topic::Window;
use crate::values::units::Sequence;

const BLOCK: Duration = Duration::from_secs(5);

fn pace(height: u64, now: Instant) -> Pace {
    Pace {
        now,
        height: Height(height),
        block_time: BLOCK,
        quick: Some(BLOCK),
        cautious: BLOCK,
        height_age: Duration::ZERO,
        seen_at: now,
        reached_at: now,
        next_block: (now + BLOCK, now + BLOCK),
        expected: None,
        look_every: Duration::from_secs(5),
    }
}

fn status(open: Option<(u64, u64)>, next: Option<(u64, u64)>) -> WindowStatus {
    WindowStatus::serving(open, next)
}

fn memory(now: Instant) -> Memory {
    Memory::new(now, Jitter::new(1))
}

fn open_at_100(now: Instant) -> Memory {
    let mut memory = memory(now);
    memory.saw(
        status(Some((100, 110)), Some((200, 210))),
        Height(100),
        &pace(100, now),
    );
    memory
}

/// Notes a status that names the same schedule as half an hour before.
fn saw_again(memory: &mut Memory, status: WindowStatus, pace: &Pace) {
    let before = Pace {
        now: pace.now - LOOK_DELAY_MAX,
        ..*pace
    };
    memory.saw(status, pace.height, &before);
    memory.saw(status, pace.height, pace);
}

fn open(memory: &mut Memory) -> &mut OpenNonce {
    memory.nonce.as_mut().unwrap()
}

fn make_ready(memory: &mut Memory, at: Instant, old_from: Option<Instant>) {
    let payload = Payload::from_value(Decimal::parse("1.5").unwrap());
    open(memory).made_ready(payload, at, old_from);
}

fn slept(step: Step, now: Instant) -> Duration {
    match step {
        Step::Sleep(until) => until.saturating_duration_since(now),
        other => panic!("{other:?} instead of sleeping"),
    }
}

#[test]
fn the_steps_of_a_nonce() {
    let now = Instant::now();
    let mut memory = memory(now);
    assert_eq!(memory.next(&pace(0, now)), Step::Look);
    memory.saw(status(Some((100, 110)), None), Height(100), &pace(100, now));
    assert_eq!(
        memory.next(&pace(100, now)),
        Step::AskServed(Nonce(100), Height(100))
    );
    open(&mut memory).served_is_known(Some(Height(100)));
    assert_eq!(memory.next(&pace(100, now)), Step::Infer(Nonce(100)));
    make_ready(&mut memory, now, None);
    assert_eq!(memory.next(&pace(100, now)), Step::Submit(Nonce(100)));
    memory.finish();
    memory.rest(&pace(101, now));
    assert!(matches!(memory.next(&pace(101, now)), Step::Sleep(_)));
    // the same window, still open, is not served again
    memory.saw(
        status(Some((100, 110)), Some((200, 210))),
        Height(102),
        &pace(102, now),
    );
    assert!(memory.nonce.is_none());
}

#[test]
fn the_last_block_of_a_window_is_its_end() {
    let now = Instant::now();
    let memory = open_at_100(now);
    assert_eq!(
        memory.next(&pace(109, now)),
        Step::AskServed(Nonce(100), Height(100))
    );
    assert_eq!(memory.next(&pace(110, now)), Step::Over(Nonce(100)));
    // a status from the last block opens nothing any more: what is sent now comes too late
    let mut late = Memory::new(now, Jitter::new(1));
    late.saw(status(Some((100, 110)), None), Height(110), &pace(110, now));
    assert!(late.nonce.is_none());
}

#[test]
fn a_nonce_that_another_process_may_have_served_is_asked_about_before_it_is_over() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    open(&mut memory).ask_served_from = Some(Height(110));
    let asks = Step::AskServed(Nonce(100), Height(110));
    assert_eq!(memory.next(&pace(110, now)), asks);
    open(&mut memory).not_before = Some(now + BLOCK);
    assert_eq!(memory.next(&pace(110, now)), Step::Sleep(now + BLOCK));
    open(&mut memory).served_is_known(Some(Height(110)));
    assert_eq!(memory.next(&pace(110, now)), Step::Over(Nonce(100)));
}

#[test]
fn a_nonce_with_a_transaction_out_is_not_over_before_its_effect_is_known() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    open(&mut memory).settled(Sent::used_at(Height(110)));
    assert_eq!(
        memory.next(&pace(111, now)),
        Step::AskServed(Nonce(100), Height(110))
    );
    let over = memory.saw(status(None, Some((200, 210))), Height(111), &pace(111, now));
    assert!(over.is_none());
    open(&mut memory).served_is_known(Some(Height(111)));
    assert_eq!(memory.next(&pace(111, now)), Step::Over(Nonce(100)));
}

#[test]
fn a_status_that_closes_the_window_ends_the_nonce() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    let over = memory.saw(status(None, Some((200, 210))), Height(111), &pace(111, now));
    assert_eq!(over.unwrap().id, Nonce(100));
    assert!(memory.nonce.is_none());
}

#[test]
fn an_inference_older_than_max_age_is_asked_for_again() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    open(&mut memory).served_is_known(None);
    make_ready(&mut memory, now, Some(now + BLOCK));
    let just_before = now + BLOCK - Duration::from_millis(1);
    let next = |at| memory.next(&pace(100, at));
    assert_eq!(next(just_before), Step::Submit(Nonce(100)));
    assert_eq!(next(now + BLOCK), Step::Infer(Nonce(100)));
}

#[test]
fn a_forecast_gets_an_eighth_of_the_remaining_window_and_at_least_two_seconds() {
    let half = Duration::from_secs(60);
    assert_eq!(forecast_time(half), Duration::from_secs(15));
    assert_eq!(
        forecast_time(Duration::from_secs(3)),
        Duration::from_secs(2)
    );
}

#[test]
fn an_old_inference_or_an_old_status_is_asked_for_again() {
    let now = Instant::now();
    let mut memory = memory(now);
    memory.saw(status(Some((100, 130)), None), Height(100), &pace(100, now));
    open(&mut memory).served_is_known(None);
    make_ready(&mut memory, now, None);
    let later = now + BLOCK * 4;
    assert_eq!(memory.next(&pace(104, later)), Step::Look);
    let later = now + BLOCK * 11;
    memory.saw(
        status(Some((100, 130)), None),
        Height(111),
        &pace(111, later),
    );
    assert_eq!(memory.next(&pace(111, later)), Step::Infer(Nonce(100)));
}

#[test]
fn only_an_active_whitelisted_topic_of_a_known_kind_is_registered_in() {
    let now = Instant::now();
    let step = |whitelisted, active, unserved| {
        let mut memory = memory(now);
        let mut status = status(None, Some((200, 210)));
        status.is_registered = false;
        status.is_whitelisted = whitelisted;
        status.is_topic_active = active;
        memory.unserved = unserved;
        memory.saw(status, Height(100), &pace(100, now));
        memory.next(&pace(100, now))
    };
    assert_eq!(step(true, true, false), Step::Register);
    for (whitelisted, active, unserved) in [
        (false, true, false),
        (true, false, false),
        (true, true, true),
    ] {
        assert!(matches!(
            step(whitelisted, active, unserved),
            Step::Sleep(_)
        ));
    }
}

#[test]
fn a_failed_look_changes_only_the_time_of_the_next_look() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    memory.look_failed(&pace(101, now), "cut".into());
    assert_eq!(open(&mut memory).id, Nonce(100));
    let delay = slept(memory.next(&pace(101, now)), now);
    assert!(
        delay >= FAILURE_DELAY_MIN && delay <= BLOCK * 10,
        "{delay:?}"
    );
    for _ in 0..50 {
        memory.look_failed(&pace(101, now), "cut".into());
        let delay = slept(memory.next(&pace(101, now)), now);
        assert!(
            delay <= BLOCK * 10 / 4,
            "never longer than part of the window: {delay:?}"
        );
    }
}

#[test]
fn the_model_is_asked_quickly_first_and_then_ever_more_slowly_within_the_window() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    open(&mut memory).served_is_known(None);
    let every = Duration::from_secs(3);
    for _ in 0..3 {
        memory.model_failed(&pace(100, now), "NaN".into(), 3, every);
        assert_eq!(slept(memory.next(&pace(100, now)), now), every);
    }
    for _ in 0..40 {
        memory.model_failed(&pace(107, now), "NaN".into(), 3, every);
        let delay = slept(memory.next(&pace(107, now)), now);
        assert!(delay <= BLOCK * 3 / 4, "{delay:?}");
    }
    assert_eq!(open(&mut memory).trouble.as_deref(), Some("NaN"));
}

#[test]
fn looks_are_rare_far_from_an_opening_and_frequent_near_it() {
    let now = Instant::now() + LOOK_DELAY_MAX;
    let until = |blocks: u64| {
        let mut memory = memory(now);
        let next = Some((100 + blocks, 200 + blocks));
        saw_again(&mut memory, status(None, next), &pace(100, now));
        memory.look_due(&pace(100, now)) - now
    };
    // from a tenth of a block before the opening on
    assert_eq!(until(1), BLOCK / 10 * 9);
    assert_eq!(until(3), BLOCK * 3 - BLOCK / 10);
    // further away where a block is expected, to learn when they are made
    assert_eq!(until(5), BLOCK * 3);
    assert!(until(100) > Duration::from_secs(300));
    assert_eq!(until(100_000), LOOK_DELAY_MAX);
    for blocks in 2..10_000 {
        let delay = until(blocks);
        let opening = BLOCK * u32::try_from(blocks).unwrap();
        assert!(delay < opening, "{blocks} blocks before: {delay:?}");
    }
}

#[test]
fn a_schedule_that_was_just_named_is_looked_at_again_within_its_window() {
    let now = Instant::now();
    let until = |window_blocks: u64, block_time: Duration| {
        let mut memory = memory(now);
        let pace = Pace {
            block_time,
            quick: Some(block_time),
            ..pace(100, now)
        };
        let next = Some((1_000_000, 1_000_000 + window_blocks));
        memory.saw(status(None, next), Height(100), &pace);
        memory.look_due(&pace) - now
    };
    let fifth_more = |time: Duration| time..=time + time / 5;
    for (window_blocks, least) in [(10, BLOCK * 5), (24, BLOCK * 12), (60, WAITING_DELAY_MAX)] {
        let due = until(window_blocks, BLOCK);
        assert!(fifth_more(least).contains(&due), "{window_blocks}: {due:?}");
    }
    // nonce_fetch_freq is the least
    let due = until(10, BLOCK / 25);
    assert!(fifth_more(Duration::from_secs(5)).contains(&due), "{due:?}");
    // what cannot be is no overflow
    let due = until(u64::MAX - 1_000_000, Duration::from_secs(60));
    assert!(fifth_more(WAITING_DELAY_MAX).contains(&due), "{due:?}");
}

#[test]
fn answers_to_other_topics_move_the_next_look() {
    let now = Instant::now() + LOOK_DELAY_MAX;
    let mut memory = memory(now);
    let next = status(None, Some((120, 130)));
    saw_again(&mut memory, next, &pace(100, now));
    let first = memory.look_due(&pace(100, now));
    // known again half the way there, by another topic's answer
    let later = now + BLOCK * 10;
    let put_off = memory.look_due(&pace(110, later));
    assert!(put_off > first + BLOCK);
    // the chain was quicker than predicted: the window is open
    assert_eq!(memory.next(&pace(120, later)), Step::Look);
}

#[test]
fn an_overdue_opening_is_asked_for_ever_more_slowly() {
    let now = Instant::now();
    let mut memory = memory(now);
    memory.saw(status(None, Some((101, 121))), Height(100), &pace(100, now));
    let due_in = |age: Duration| {
        let at = now + age;
        let standing = Pace {
            height_age: age,
            seen_at: now,
            next_block: (at, at),
            ..pace(100, at)
        };
        memory.look_due(&standing) - at
    };
    assert_eq!(due_in(BLOCK), BLOCK / 5);
    assert_eq!(
        due_in(BLOCK * 3),
        Duration::from_secs(5),
        "nonce_fetch_freq"
    );
    assert_eq!(due_in(BLOCK * 24), BLOCK * 3);
    assert_eq!(
        due_in(BLOCK * 10_000),
        BLOCK * 20 / 4,
        "never a whole window"
    );
}

#[test]
fn looks_while_waiting_for_an_operator_slow_down_but_miss_no_window() {
    let now = Instant::now();
    let mut memory = memory(now);
    let mut waiting = status(None, Some((200, 240)));
    waiting.is_whitelisted = false;
    let mut longest = Duration::ZERO;
    for _ in 0..60 {
        memory.saw(waiting, Height(100), &pace(100, now));
        longest = longest.max(memory.look_due(&pace(100, now)) - now);
    }
    assert!(
        longest > Duration::from_secs(10) && longest <= BLOCK * 40 / 4,
        "{longest:?}"
    );
}

fn unregistered() -> WindowStatus {
    WindowStatus {
        is_registered: false,
        ..status(Some((100, 110)), Some((200, 210)))
    }
}

#[test]
fn after_a_registration_the_status_is_read_before_another_one() {
    let now = Instant::now();
    let mut memory = memory(now);
    memory.saw(unregistered(), Height(100), &pace(100, now));
    assert_eq!(memory.next(&pace(100, now)), Step::Register);
    memory.registration_settled(Sequence(1), true, now);
    memory.registration_tried(&pace(101, now));
    assert_eq!(memory.next(&pace(101, now)), Step::Look);
    memory.saw(unregistered(), Height(101), &pace(101, now));
    assert_ne!(
        memory.next(&pace(101, now)),
        Step::Register,
        "no loop without a delay"
    );
    assert_eq!(memory.next(&pace(101, now + BLOCK * 10)), Step::Register);
    memory.saw(status(Some((100, 110)), None), Height(103), &pace(103, now));
    assert!(matches!(memory.next(&pace(103, now)), Step::AskServed(..)));
}

/// A node that says "not registered" for ever, or now and then, and each time that the registration
/// succeeded, or that it got into no block while its sequence is used all the same.
#[test]
fn registrations_that_are_paid_for_come_ever_more_rarely() {
    for (says_registered_in_between, consumed) in [(false, true), (true, true), (false, false)] {
        let start = Instant::now();
        let mut memory = memory(start);
        let day = Duration::from_secs(24 * 3600);
        let mut paid = Vec::new();
        for seconds in 0..day.as_secs() {
            let now = start + Duration::from_secs(seconds);
            let pace = pace(100, now);
            if says_registered_in_between {
                let registered = status(Some((100, 110)), Some((200, 210)));
                memory.saw(registered, Height(100), &pace);
            }
            memory.saw(unregistered(), Height(100), &pace);
            if memory.next(&pace) == Step::Register {
                let sequence = Sequence(u64::try_from(paid.len()).unwrap());
                memory.registration_settled(sequence, consumed, now);
                memory.registration_tried(&pace);
                paid.push(now);
            }
        }
        let pause = paid[paid.len() - 1] - paid[paid.len() - 2];
        assert!(pause >= PAID_PAUSE_MAX, "{pause:?}");
        assert!(paid.len() <= 31, "{}", paid.len());
        // the pauses end: what was long ago delays nothing
        memory.registration_settled(Sequence(1_000), true, start + day * 3);
        memory.saw(unregistered(), Height(100), &pace(100, start + day * 3));
        let next = memory.next(&pace(100, start + day * 3));
        assert_eq!(next, Step::Register);
    }
}

#[test]
fn a_forecast_waits_for_its_inference_while_that_may_still_come() {
    assert!(!forecast_goes_alone(0, 5, 10));
    assert!(!forecast_goes_alone(4, 5, 3));
    assert!(
        forecast_goes_alone(5, 5, 10),
        "the quick retries are used up"
    );
    assert!(forecast_goes_alone(0, 5, 2), "the window is all but over");
}

#[test]
fn served_is_not_asked_from_a_height_that_is_not_believed_any_more() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    open(&mut memory).settled(Sent::used_at(Height(1_000_000_000)));
    let asked = memory.next(&pace(105, now));
    assert_eq!(asked, Step::AskServed(Nonce(100), Height(106)));
    let at_end = memory.next(&pace(110, now));
    assert_eq!(at_end, Step::AskServed(Nonce(100), Height(111)));
    let unknown = memory.next(&pace(0, now));
    assert_eq!(unknown, Step::AskServed(Nonce(100), Height(1_000_000_000)));
}

#[test]
fn a_next_window_that_is_more_than_an_epoch_away_puts_no_topic_to_sleep() {
    let now = Instant::now() + LOOK_DELAY_MAX;
    let pace = pace(100, now);
    let due_after = |next: u64, epoch: Option<u64>| {
        let mut memory = memory(now);
        memory.epoch_blocks = epoch;
        let status = status(None, Some((next, next + 10)));
        saw_again(&mut memory, status, &pace);
        memory.look_due(&pace).saturating_duration_since(now)
    };
    let lie = 1_000_100;
    assert_eq!(due_after(lie, None), LOOK_DELAY_MAX);
    let most = due_after(300, Some(200));
    assert_eq!(due_after(lie, Some(200)), most, "as if it opened then");
    assert_eq!(due_after(301, Some(200)), most);
    let shortest = due_after(lie, Some(1));
    assert!(shortest < BLOCK, "{shortest:?}: a look per block");
    let wait = due_after(300, Some(200));
    assert!(wait > 100 * BLOCK, "{wait:?}");
}

#[test]
fn a_registration_that_expired_and_is_tried_with_its_sequence_again_delays_nothing() {
    let now = Instant::now();
    let mut memory = memory(now);
    for tries in 1..=5 {
        let now = now + BLOCK * 20 * tries;
        memory.registration_settled(Sequence(7), false, now);
        memory.saw(unregistered(), Height(100), &pace(100, now));
        assert_eq!(memory.next(&pace(100, now)), Step::Register, "{tries}");
    }
}

/// Two endpoints name different windows.
#[test]
fn of_two_open_windows_the_other_one_is_served_once_one_fails() {
    let window = |nonce: u64, end: u64| Window {
        nonce: Nonce(nonce),
        end: Height(end),
    };
    let (long, short) = (window(100, 130), window(103, 113));
    let both = [long, short];
    let now = Instant::now();
    let mut memory = memory(now);
    let serve = |memory: &mut Memory, window: Window| {
        let status = WindowStatus {
            open: Some(window),
            ..status(None, Some((200, 210)))
        };
        memory.saw(status, Height(105), &pace(105, now))
    };
    assert_eq!(memory.choose(&both), Some(short), "it ends first");
    assert!(serve(&mut memory, short).is_none());
    assert_eq!(memory.choose(&both), Some(short), "nothing failed for it");
    memory.nonce_failed(&pace(105, now), "refused".to_owned());
    assert_eq!(memory.choose(&both), Some(long));
    assert!(
        serve(&mut memory, long).is_none(),
        "the other one is not over"
    );
    let every = Duration::from_secs(1);
    memory.model_failed(&pace(105, now), "NaN".to_owned(), 3, every);
    assert_eq!(memory.choose(&both), Some(short), "it is tried again");
    serve(&mut memory, short);
    memory.finish();
    assert_eq!(memory.choose(&both), Some(long), "also after a newer one");
    serve(&mut memory, long);
    open(&mut memory).failed_in_block(Action::Retry);
    memory.nonce_failed(&pace(105, now), "failed".to_owned());
    let third = window(104, 140);
    assert_eq!(memory.choose(&[long, third]), Some(third));
    assert!(serve(&mut memory, third).is_some(), "it has cost a fee");
    assert_eq!(memory.choose(&both), None);
}

#[test]
fn a_nonce_that_gave_way_ends_once_its_window_is_over() {
    let window = |nonce, end| Window {
        nonce: Nonce(nonce),
        end: Height(end),
    };
    let (long, short) = (window(100, 130), window(103, 113));
    let now = Instant::now();
    let mut memory = memory(now);
    let serve = |memory: &mut Memory, height| {
        let open = memory.choose(&[long, short]);
        let status = WindowStatus {
            open,
            ..status(None, Some((200, 210)))
        };
        memory.saw(status, Height(height), &pace(height, now));
        open.unwrap().nonce
    };
    assert_eq!(serve(&mut memory, 105), short.nonce);
    memory.nonce_failed(&pace(105, now), "refused".to_owned());
    assert_eq!(serve(&mut memory, 106), long.nonce);
    assert!(memory.knows(short.nonce) && memory.knows(long.nonce));
    assert!(memory.given_way_until(Height(112)).is_empty(), "not over");
    let over = memory.given_way_until(Height(113));
    let over: Vec<_> = over.into_iter().map(|of| (of.id, of.trouble)).collect();
    assert_eq!(over, [(short.nonce, Some("refused".to_owned()))]);
    assert!(memory.given_way_until(Height(113)).is_empty(), "once");
    assert!(memory.is_done(short.nonce) && memory.knows(short.nonce));
}

#[test]
fn a_nonce_that_gave_way_keeps_its_payload_and_its_pause() {
    let now = Instant::now();
    let mut memory = memory(now);
    let windows = [(100, 130), (103, 113)].map(|(nonce, end)| Window {
        nonce: Nonce(nonce),
        end: Height(end),
    });
    let serve = |memory: &mut Memory| {
        let status = WindowStatus {
            open: memory.choose(&windows),
            ..status(None, Some((200, 210)))
        };
        memory.saw(status, Height(105), &pace(105, now));
        memory.nonce.as_ref().unwrap().id
    };
    let value = Inference::Value(Decimal::parse("1.5").unwrap());
    let payload = Payload::new(Some(value), Vec::new()).unwrap();
    for _ in 0..3 {
        assert_eq!(serve(&mut memory), Nonce(103));
        let nonce = open(&mut memory);
        nonce.served_is_known(Some(Height(105)));
        nonce.made_ready(payload.clone(), now, None);
        memory.nonce_failed(&pace(105, now), "refused".to_owned());
        assert_eq!(serve(&mut memory), Nonce(100));
        memory.nonce_failed(&pace(105, now), "refused".to_owned());
        assert_eq!(serve(&mut memory), Nonce(103));
        let nonce = open(&mut memory);
        assert!(nonce.payload().is_some() && nonce.ask_served_from.is_none());
        assert!(nonce.not_before.is_some_and(|until| until > now));
        assert_eq!(serve(&mut memory), Nonce(103), "nothing failed since");
        assert_eq!(memory.vouched_at(), None, "it is simulated");
    }
}

#[test]
fn a_nonce_that_gave_way_and_is_served_again_ends_as_usual() {
    let now = Instant::now();
    let mut memory = memory(now);
    let windows = [(100, 130), (103, 113)].map(|(nonce, end)| Window {
        nonce: Nonce(nonce),
        end: Height(end),
    });
    for height in 105..108 {
        let status = WindowStatus {
            open: memory.choose(&windows),
            ..status(None, Some((200, 210)))
        };
        memory.saw(status, Height(height), &pace(height, now));
        memory.nonce_failed(&pace(height, now), "refused".to_owned());
    }
    assert_eq!(open(&mut memory).id, Nonce(103));
    let over = memory.given_way_until(Height(130));
    assert_eq!(
        over.iter().map(|of| of.id).collect::<Vec<_>>(),
        [Nonce(100)]
    );
}

#[test]
fn a_height_near_an_opening_and_the_end_of_a_window_end_a_sleep() {
    let now = Instant::now();
    let mut waiting = memory(now);
    assert_eq!(waiting.wakes_at(&pace(0, now)), Height(u64::MAX));
    waiting.saw(status(None, Some((200, 210))), Height(150), &pace(150, now));
    assert_eq!(waiting.wakes_at(&pace(150, now)), Height(196));
    assert_eq!(waiting.wakes_at(&pace(197, now)), Height(198));
    let serving = open_at_100(now);
    assert_eq!(serving.wakes_at(&pace(103, now)), Height(110));
    assert_eq!(serving.wakes_at(&pace(110, now)), Height(u64::MAX));
}

#[test]
fn a_node_that_is_behind_delays_the_next_look_by_a_part_of_a_block() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    for _ in 0..20 {
        memory.look_was_behind(&pace(101, now), "behind".to_owned());
        let delay = slept(memory.next(&pace(101, now)), now);
        assert!(delay <= BLOCK / 10, "{delay:?}");
    }
    // no block comes: the highest height may be a wrong one
    let halted = Pace {
        height_age: Duration::from_secs(80),
        ..pace(101, now)
    };
    memory.look_was_behind(&halted, "behind".to_owned());
    let delay = slept(memory.next(&halted), now);
    assert!(delay > BLOCK, "{delay:?}");
}

#[test]
fn behind_nodes_that_lag_the_close_looks_begin_as_many_blocks_earlier() {
    let now = Instant::now();
    let mut memory = memory(now);
    memory.saw(status(None, Some((200, 210))), Height(197), &pace(197, now));
    let due = |memory: &Memory| memory.look_due(&pace(197, now)) - now;
    let usual = due(&memory);
    memory.answered_at(Height(196), &pace(197, now));
    assert_eq!(usual - due(&memory), BLOCK);
    memory.answered_at(Height(5), &pace(197, now));
    assert_eq!(
        due(&memory),
        BLOCK / 5,
        "three blocks before, however low it is"
    );
    for nonce in [200, 300, 400] {
        let window = Some((nonce, nonce + 10));
        memory.saw(status(window, None), Height(nonce), &pace(nonce, now));
        memory.finish();
    }
    memory.saw(status(None, Some((500, 510))), Height(497), &pace(497, now));
    assert_eq!(
        memory.look_due(&pace(497, now)) - now,
        usual,
        "all answers were up to date"
    );
}

#[test]
fn a_window_that_another_endpoint_names_is_noticed_while_a_nonce_backs_off() {
    let now = Instant::now();
    let mut memory = memory(now);
    // an invented window that never ends, and the next real one
    let invented = Some((100, 100_000));
    memory.saw(
        status(invented, Some((104, 114))),
        Height(103),
        &pace(103, now),
    );
    for _ in 0..12 {
        memory.nonce_failed(&pace(103, now), "refused".to_owned());
    }
    let long = open(&mut memory).not_before.unwrap();
    assert!(long > now + BLOCK, "{:?}", long - now);
    let delay = slept(memory.next(&pace(103, now)), now);
    assert!(delay < BLOCK, "{delay:?}");
    let opened = now + BLOCK;
    assert_eq!(memory.next(&pace(104, opened)), Step::Look);
    memory.saw(
        status(invented, Some((124, 134))),
        Height(104),
        &pace(104, opened),
    );
    assert_eq!(open(&mut memory).not_before, Some(long), "it goes on");
}

#[test]
fn a_status_that_leaves_out_the_window_being_served_is_noticed() {
    let now = Instant::now();
    let memory = open_at_100(now);
    let left_out = |open, height| memory.is_left_out(&status(open, None), Height(height));
    assert!(left_out(None, 101) && left_out(Some((103, 113)), 105));
    assert!(!left_out(Some((100, 110)), 105));
    assert!(!left_out(None, 110), "it is over");
}

#[test]
fn an_endpoint_that_is_a_block_late_does_not_end_a_nonce() {
    let now = Instant::now();
    let mut memory = open_at_100(now);
    // The one that showed the window was left, and with it the height that only it named.
    let late = status(None, Some((100, 110)));
    assert!(memory.saw(late, Height(99), &pace(99, now)).is_none());
    assert_eq!(open(&mut memory).id, Nonce(100));
    let again = status(Some((100, 110)), Some((200, 210)));
    assert!(memory.saw(again, Height(100), &pace(100, now)).is_none());
    let over = status(None, Some((200, 210)));
    let ended = memory.saw(over, Height(110), &pace(110, now));
    assert_eq!(ended.map(|nonce| nonce.id), Some(Nonce(100)));
}
