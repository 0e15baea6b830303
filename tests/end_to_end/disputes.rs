//! Endpoints that name different windows: every window that one of them names has one outcome, and
//! only what more than the word of one endpoint tells of is missed. And an endpoint that names others
//! for a while, with none beside it.

use allora_localnet::Report;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::lies::{Lie, Strategy};
use allora_localnet::play::rules::{Rule, When};

use crate::scenes::*;
use crate::support::*;

/// The number of the lie "schedule" that names windows of 12 blocks every 20 blocks, from block 100 on.
const EVERY_20_BLOCKS: u64 = 10 << 8;
/// The number of the one that names the next window a million blocks away.
const FAR: u64 = 1;

/// The outcome of a nonce, which it has once.
fn outcome(worker: &Worker, nonce: u64) -> String {
    let line = worker.wait_for_line(&format!("nonce {nonce}: "));
    let outcomes = ["included", "already", "missed", "refused", "disputed"];
    let is_outcome = |line: &String| {
        let begins = |word: &&str| line.contains(&format!("nonce {nonce}: {word}"));
        outcomes.iter().any(begins)
    };
    let mut lines = worker.lines_with(&format!("nonce {nonce}: "));
    lines.retain(is_outcome);
    assert_eq!(lines.len(), 1, "{line}: {lines:?}");
    lines.remove(0)
}

/// The honest node names windows at 108, 128 and so on, the other one at 120, 140 and so on; then the
/// honest one does not answer for 40 blocks.
#[test]
fn every_window_of_a_dispute_has_one_outcome_also_in_an_outage() {
    side_by_side([0, 1], |liar| {
        let mut scene = two_gossiping(vec![Topic::new(1, 20, 6, START + 8)]);
        let lie = Strategy::of(vec![Lie::named("schedule", EVERY_20_BLOCKS).unwrap()]);
        scene.net.fault(Rule::new(Fault::Lies(lie)).at_node(liar));
        let down = When::Heights(START + 55, START + 95);
        scene
            .net
            .fault(Rule::new(Fault::Status(503, None)).when(down));
        let worker = scene.start();
        worker.wait_for_line("the windows of both are served until they agree");
        scene.wait_for("the end of the outage", |report| {
            report.height > START + 130
        });
        let (url, other) = (scene.net.node_url(liar), scene.net.node_url(1 - liar));
        for nonce in [108, 128, 148] {
            let line = outcome(&worker, nonce);
            assert!(line.contains("included"), "{line}");
        }
        for nonce in [120, 140, 160, 180] {
            let line = outcome(&worker, nonce);
            let only = format!("disputed: only {url} names this window, not {other} (");
            assert!(line.contains(&only), "{line}");
        }
        for nonce in [168, 188] {
            let line = outcome(&worker, nonce);
            assert!(line.contains("missed: "), "{line}");
            assert!(!line.contains("no look was answered"), "{line}");
        }
        let ended = worker.stop();
        let missed = lines_with(&ended.stderr, ": missed: ").len();
        let summary = format!(" {missed} missed, ");
        assert!(missed >= 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(&summary), "{}", ended.stderr);
    });
}

/// All endpoints name a window of block 20 as the next one until block 112; the topic's first one is
/// that of block 120.
#[test]
fn a_next_window_that_is_over_already_adds_no_missed_ones() {
    let mut scene = two_gossiping(vec![Topic::new(1, 20, 12, START + 20)]);
    let lie = Strategy::of(vec![Lie::named("overdue", EVERY_20_BLOCKS).unwrap()]);
    let before = When::Heights(0, START + 12);
    scene.net.fault(Rule::new(Fault::Lies(lie)).when(before));
    let worker = scene.start();
    for nonce in [120, 140] {
        let line = outcome(&worker, nonce);
        assert!(line.contains("included"), "{line}");
    }
    let ended = worker.stop();
    let is_over = lines_with(&ended.stderr, "the next window is over already");
    assert!(!is_over.is_empty(), "{}", ended.stderr);
    assert!(ended.stderr.contains(" 0 missed, "), "{}", ended.stderr);
}

/// The only endpoint names a window a million blocks away, in epochs as long, for 60 blocks (12 s).
#[test]
fn a_schedule_that_a_lone_endpoint_named_for_a_while_is_slept_on_for_at_most_as_long() {
    const LIE_BLOCKS: u64 = 60;
    side_by_side([0, 50], |true_blocks| {
        let begins = START + true_blocks;
        let ends = begins + LIE_BLOCKS;
        let mut scene = Scene::new(Api::V10, vec![Topic::new(1, 20, 12, START + 8)]);
        scene.register();
        let lie = Strategy::of(vec![Lie::named("schedule", FAR).unwrap()]);
        let lie = Rule::new(Fault::Lies(lie)).when(When::Heights(begins, ends));
        scene.net.fault(lie);
        let worker = scene.start();
        let is_served = |report: &Report, after: u64| {
            let mut windows = report.windows(1).iter();
            windows.any(|window| window.nonce > after && window.payload.is_some())
        };
        let report = scene.wait_for("a window that is served after the lie", |report| {
            is_served(report, ends) || report.height > ends + LIE_BLOCKS + 60
        });
        assert!(report.faults.values().sum::<u64>() > 0, "the lie was told");
        let windows = report.windows(1);
        let first = windows.iter().find(|w| w.nonce >= ends + LIE_BLOCKS);
        let is_missed = first.is_some_and(|window| window.payload.is_none() && window.closed);
        assert!(!is_missed, "{windows:?}");
        assert!(is_served(&report, ends), "{windows:?}");
        worker.stop();
        assert_nothing_wasted(&scene.net.report());
    });
}
