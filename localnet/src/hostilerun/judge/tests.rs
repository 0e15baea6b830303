//! Tests of the judge with made-up runs: a good one passes, and each assertion can fail.

use super::*;
use crate::campaign::place::Exit;
use crate::chain::message::Api;
use crate::chain::report::PayloadReport;
use crate::hostilerun::plan::{Cast, FeeLimits};
use crate::play::lies::{Lie, LieSpan, Strategy};

const MS: Duration = Duration::from_millis(1);
const NONCES: [u64; 3] = [120, 160, 200];

/// A lie from 1 s to 5 s in a run of blocks of 100 ms.
fn plan(cast: Cast, lie: &str) -> Plan {
    Plan {
        seed: 1,
        cast,
        api: Api::V10,
        topics: 1,
        registered: true,
        limits: FeeLimits {
            transaction_uallo: 5_000_000,
            day_uallo: 20_000_000,
            are_defaults: false,
        },
        spans: vec![LieSpan {
            strategy: Strategy::of(vec![Lie::named(lie, 1).unwrap()]),
            from: 1_000 * MS,
            to: 5_000 * MS,
        }],
        lies_until: 5_000 * MS,
    }
}

fn honest() -> Plan {
    plan(Cast::HostileFirst, "price")
}

/// Windows from 2 s, 6 s and 10 s on, of 3 s each; all served.
fn evidence() -> Evidence {
    let mut report = Report::default();
    for (nonce, sequence) in NONCES.into_iter().zip(1..) {
        report.opened(1, nonce, nonce + 30);
        report.closed(1, nonce);
        let payload = PayloadReport {
            worker: "w".to_owned(),
            height: nonce + 1,
            txhash: format!("{sequence}"),
            fee_uallo: 2_000_000,
            value: "1".to_owned(),
            admitted: true,
        };
        report.served(1, nonce, payload);
    }
    let signed = NONCES.into_iter().zip(1..);
    let signed = signed.map(|(nonce, sequence)| Signed {
        hash: format!("{sequence}"),
        at: MS * u32::try_from(nonce - 100).unwrap() * 100,
        height: nonce,
        fee_uallo: 2_000_000,
        sequence,
        timeout_height: nonce + 6,
        payload: Some((1, nonce)),
        is_for_chain: true,
    });
    Evidence {
        report,
        moments: (101..=240)
            .map(|h| (h, MS * u32::try_from(h - 100).unwrap() * 100))
            .collect(),
        started: Duration::ZERO,
        ended: 14_000 * MS,
        signed: Ok(signed.collect()),
        log: "a line\nanother one\n".to_owned(),
        log_bytes: 19,
        memory: Memory {
            peak_kib: 8_000,
            ..Memory::default()
        },
        exit: Some((0, 10 * MS)),
    }
}

fn failures(plan: &Plan, change: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = evidence();
    change(&mut evidence);
    judge(plan, &evidence).failures
}

#[track_caller]
fn assert_failure(plan: &Plan, change: impl FnOnce(&mut Evidence), part: &str) {
    let failures = failures(plan, change);
    let found = failures.iter().filter(|text| text.contains(part)).count();
    assert_eq!((found, failures.len()), (1, 1), "{part}: {failures:?}");
}

/// Changes one signed transaction.
fn with(at: usize, change: impl FnOnce(&mut Signed)) -> impl FnOnce(&mut Evidence) {
    move |evidence| change(&mut evidence.signed.as_mut().unwrap()[at])
}

fn unserved(at: usize) -> impl FnOnce(&mut Evidence) {
    move |evidence| evidence.report.topics[0].windows[at].payload = None
}

#[test]
fn a_good_run_has_no_failures() {
    for cast in [Cast::Alone, Cast::HostileFirst, Cast::HonestFirst] {
        let verdict = judge(&plan(cast, "price"), &evidence());
        assert_eq!(verdict.failures, Vec::<String>::new());
        assert_eq!((verdict.windows, verdict.served), (3, 3));
        let asked = if cast == Cast::Alone { 0 } else { 3 };
        assert_eq!((verdict.asked, verdict.served_of_asked), (asked, asked));
        assert_eq!((verdict.cost_uallo, verdict.spent), (6_000_000, false));
    }
}

#[test]
fn a_fee_above_either_limit_is_a_failure() {
    let above = with(0, |tx| tx.fee_uallo = 5_000_001);
    assert_failure(&honest(), above, "the fee is 5000001, the limit is 5000000");
    let mut plan = honest();
    plan.limits.day_uallo = 5_999_999;
    assert_failure(&plan, |_| {}, "all signed fees are 6000000 uallo");
    let same = with(1, |tx| tx.sequence = 1);
    assert_eq!(
        failures(&plan, same),
        Vec::<String>::new(),
        "only one of them can be charged"
    );
}

#[test]
fn a_signature_for_another_chain_and_other_bytes_are_failures() {
    let other = with(1, |tx| tx.is_for_chain = false);
    assert_failure(&honest(), other, "not for this chain");
    let junk = |evidence: &mut Evidence| evidence.signed = Err("junk".to_owned());
    assert_failure(&honest(), junk, "the worker sent junk");
}

#[test]
fn a_transaction_that_lives_too_long_is_a_failure_beside_an_honest_node() {
    let long = || with(0, |tx| tx.timeout_height = 127);
    assert_failure(
        &honest(),
        long(),
        "the timeout height is 127, the chain is at 120",
    );
    let alone = plan(Cast::Alone, "height");
    assert!(failures(&alone, long()).is_empty());
    assert_failure(
        &alone,
        with(0, |tx| tx.timeout_height = 0),
        "timeout height is 0",
    );
}

#[test]
fn an_unserved_window_is_a_failure_beside_an_honest_node() {
    assert_failure(&honest(), unserved(0), "nonce 120: not served, although");
    assert_failure(&honest(), unserved(2), "nonce 200: not served, although");
    let alone = plan(Cast::Alone, "price");
    assert!(failures(&alone, unserved(0)).is_empty());
}

#[test]
fn a_window_is_excused_only_at_the_start_and_when_a_strategy_has_just_begun() {
    let mut late = honest();
    late.spans[0].from = 2_001 * MS;
    let asked = |plan: &Plan, change: fn(&mut Evidence)| {
        let mut evidence = evidence();
        change(&mut evidence);
        judge(plan, &evidence).asked
    };
    assert_eq!(asked(&honest(), |_| {}), 3);
    assert_eq!(asked(&late, |_| {}), 2, "the first window ends at 5 s");
    late.spans[0].from = 2_000 * MS;
    assert_eq!(asked(&late, |_| {}), 3);
    assert_eq!(
        asked(&honest(), |e| e.started = MS),
        2,
        "it opens 2 s after the start"
    );
}

#[test]
fn a_topic_that_is_not_served_after_the_lies_is_stuck() {
    let alone = plan(Cast::Alone, "price");
    let stuck = |evidence: &mut Evidence| {
        unserved(1)(evidence);
        unserved(2)(evidence);
    };
    assert_failure(&alone, stuck, "none of 2 windows after the lies is served");
    assert!(
        failures(&alone, unserved(1)).is_empty(),
        "the next one is served"
    );
    let mut spent = alone.clone();
    spent.limits.day_uallo = 9_999_999;
    assert!(
        failures(&spent, stuck).is_empty(),
        "no payload is allowed any more"
    );
    spent.limits.day_uallo = 10_000_000;
    assert_failure(&spent, stuck, "it is stuck");
}

#[test]
fn more_payloads_than_windows_are_a_failure() {
    let many = |evidence: &mut Evidence| {
        let one = evidence.signed.as_ref().unwrap()[0].clone();
        let more = (1_000..).take(7).map(|nonce| Signed {
            payload: Some((1, nonce)),
            fee_uallo: 1,
            ..one.clone()
        });
        evidence.signed.as_mut().unwrap().extend(more);
    };
    // 14 s are 7 epochs of 38 blocks of 50 ms.
    assert_failure(
        &honest(),
        many,
        "payloads for 10 nonces, the chain had at most 9 windows",
    );
    assert!(failures(&plan(Cast::HostileFirst, "topic"), many).is_empty());
    let again = |evidence: &mut Evidence| {
        let one = evidence.signed.as_ref().unwrap()[0].clone();
        let more = (4..6).map(|sequence| Signed {
            sequence,
            fee_uallo: 1,
            ..one.clone()
        });
        evidence.signed.as_mut().unwrap().extend(more);
        for tx in evidence.signed.as_mut().unwrap() {
            tx.payload = Some((1, 120));
        }
    };
    assert_failure(
        &honest(),
        again,
        "transactions with the sequences {1, 2, 3, 4, 5}",
    );
}

#[test]
fn the_end_of_the_process_its_memory_and_its_requests_are_judged() {
    let ends = |exit: Option<Exit>| move |evidence: &mut Evidence| evidence.exit = exit;
    assert_failure(&honest(), ends(None), "stopped by itself");
    assert_failure(&honest(), ends(Some((101, MS))), "exit code 101");
    assert_failure(&honest(), ends(Some((0, 7_001 * MS))), "in 7001 ms");
    let panic = |e: &mut Evidence| e.log = "thread 'x' panicked at src/x.rs:1".to_owned();
    assert_failure(&honest(), panic, "a panic: thread");
    assert_failure(
        &honest(),
        |e| e.memory.peak_kib = 32_769,
        "32769 KiB of memory",
    );
    let busy = |e: &mut Evidence| e.report.requests_per_second_max = 900;
    assert_failure(&honest(), busy, "900 requests within a second");
    let busy = |e: &mut Evidence| e.report.requests_per_minute_max = 50_000;
    assert_failure(&honest(), busy, "50000 requests within a minute");
}

#[test]
fn the_log_is_judged() {
    assert_failure(
        &honest(),
        |e| e.log_bytes = 1_000_001,
        "1000001 bytes of log",
    );
    let of = |text: &'static str| move |e: &mut Evidence| e.log = text.to_owned();
    assert_failure(&honest(), of("a \u{202e}b"), "U+202E");
    assert_failure(&honest(), of("a\u{1b}[2J"), "U+001B");
    let long = |e: &mut Evidence| e.log = "x".repeat(2_001);
    assert_failure(&honest(), long, "a line of 2001 characters");
    assert!(failures(&honest(), of("→ ✓ “ü” \n")).is_empty());
}
