//! Tests of the judge: which windows are servable, and that each failure is found.

use super::*;
use crate::chain::report::PayloadReport;
use crate::faultrun::kind::Kind;
use crate::faultrun::plan::Span;

const MS: Duration = Duration::from_millis(1);

/// A plan of at least three topics with one span, or without faults.
fn plan(span: Option<(Kind, u64, u64)>) -> Plan {
    let mut plan = Plan::of_kills(1, 0);
    plan.spans = span
        .map(|(kind, from_ms, to_ms)| Span {
            kind,
            from: Duration::from_millis(from_ms),
            to: Duration::from_millis(to_ms),
            route: "",
            node: None,
            topic: 1,
            per_mille: 1000,
            number: 0,
        })
        .into_iter()
        .collect();
    plan
}

/// Blocks of 100 ms from 101 on, one window of each topic from 120 to 160, all served.
fn evidence(plan: &Plan) -> Evidence {
    let mut report = Report::default();
    for topic in 1..=plan.topics {
        report.opened(topic, 120, 160);
        report.closed(topic, 120);
        let payload = PayloadReport {
            worker: "w".to_owned(),
            height: 121,
            txhash: String::new(),
            fee_uallo: 1,
            value: "1".to_owned(),
            admitted: true,
        };
        report.served(topic, 120, payload);
    }
    let threads = (1..=plan.topics)
        .map(|id| format!("topic-{id}"))
        .chain(["allora-worker", "broadcaster", "signals"].map(str::to_owned))
        .collect();
    Evidence {
        report,
        moments: (101..=170)
            .map(|h| (h, MS * u32::try_from(h - 100).unwrap() * 100))
            .collect(),
        started: MS,
        kills: Vec::new(),
        quiet_from: MS * 1_000,
        ended: MS * 7_000,
        threads,
        memory: (Memory::default(), Memory::default()),
        exit: Some((0, MS)),
    }
}

#[track_caller]
fn assert_failure(plan: &Plan, evidence: &Evidence, part: &str) {
    let failures = judge(plan, evidence).failures;
    assert!(
        failures.iter().any(|text| text.contains(part)),
        "{part}: {failures:?}"
    );
}

#[test]
fn a_successful_run_has_no_failures() {
    let plan = plan(None);
    let verdict = judge(&plan, &evidence(&plan));
    assert_eq!(verdict.failures, Vec::<String>::new());
    let windows = usize::try_from(plan.topics).unwrap();
    assert_eq!((verdict.windows, verdict.asked), (windows, windows));
    assert_eq!(verdict.served_of_asked, windows);
}

#[test]
fn a_window_is_servable_without_a_fault_for_the_margin_before_its_last_block() {
    let faults = [(MS * 1_000, MS * 2_000), (MS * 9_000, MS * 9_500)];
    let quiet = |end_ms, margin_ms| is_quiet_before(&faults, MS * end_ms, MS * margin_ms);
    assert!(quiet(4_000, 2_000), "exactly until the fault");
    assert!(!quiet(3_999, 2_000));
    assert!(quiet(9_000, 3_000), "a later fault does not matter");
    assert!(!quiet(9_001, 3_000));
    assert!(!quiet(1_500, 100), "during a fault");
    assert!(!quiet(900, 1_000), "before the worker was started");
    assert!(quiet(20_000, 10_500) && !quiet(20_000, 10_501));
}

#[test]
fn only_a_servable_window_that_is_not_served_is_a_failure() {
    let quiet = plan(None);
    let mut unserved = evidence(&quiet);
    unserved.report.topics[0].windows[0].payload = None;
    assert_failure(&quiet, &unserved, "servable but not served");
    assert_failure(&quiet, &unserved, "the first whole window after the faults");
    let disturbed = plan(Some((Kind::named("halt"), 5_000, 5_900)));
    let verdict = judge(&disturbed, &unserved);
    assert_eq!(verdict.asked, 0);
    assert!(
        !verdict
            .failures
            .iter()
            .any(|text| text.contains("servable but not served"))
    );
    assert_failure(&disturbed, &unserved, "which are too few");
    unserved.report.topics[0].windows.clear();
    assert_failure(&quiet, &unserved, "no whole window");
}

#[test]
fn kills_count_as_faults() {
    let plan = plan(None);
    let mut evidence = evidence(&plan);
    evidence.kills = vec![(MS * 5_000, MS * 5_100)];
    assert_eq!(judge(&plan, &evidence).asked, 0);
}

#[test]
fn a_lost_fee_is_a_failure_unless_a_fault_explains_it() {
    let quiet = plan(None);
    let mut lost = evidence(&quiet);
    lost.report.fee_lost.insert("sdk/5".to_owned(), 1);
    assert_failure(&quiet, &lost, "fees were lost 1 times with sdk/5");
    let explained = plan(Some((Kind::named("balance_gone"), 100, 200)));
    assert!(judge(&explained, &lost).failures.is_empty());
    lost.report.fee_lost.insert("emissions/83".to_owned(), 1);
    assert_failure(&explained, &lost, "emissions/83");
    lost.report.paid_twice = 1;
    assert_failure(&explained, &lost, "paid_twice is 1");
}

#[test]
fn threads_exit_code_requests_and_memory_are_judged() {
    let plan = plan(None);
    let wrong = |change: fn(&mut Evidence), part| {
        let mut evidence = evidence(&plan);
        change(&mut evidence);
        assert_failure(&plan, &evidence, part);
    };
    wrong(
        |e| assert!(e.threads.remove("topic-2")),
        "topic-2 has ended",
    );
    wrong(|e| e.exit = None, "stopped by itself");
    wrong(|e| e.exit = Some((1, MS)), "exit code 1");
    wrong(|e| e.exit = Some((0, MS * 7_001)), "exit code 0 in 7001 ms");
    wrong(
        |e| e.report.requests_per_minute_max = 50_000,
        "within a minute",
    );
    wrong(
        |e| e.report.requests_per_second_max = 900,
        "within a second",
    );
    wrong(|e| e.memory.1.now_kib = 2_049, "the memory grew");
}
