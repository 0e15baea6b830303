//! Many topics whose windows open in one block: more than one wallet can serve in a window's time, and
//! some while the endpoint does not answer where the account is read.

use std::time::Duration;

use allora_localnet::Report;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::rules::{Rule, When};

use crate::support::*;

const TOPICS: u64 = 110;
/// The topic whose window opens first, so that the first transaction is settled when the others open.
const EARLY: u64 = TOPICS + 1;
const EPOCH_BLOCKS: u64 = 18;
const WINDOW_BLOCKS: u64 = 12;
/// A window takes 8.4 s: time for 84 requests, or for 42 payloads that are simulated.
const BLOCK_TIME: Duration = Duration::from_millis(700);
const DELAY: Duration = Duration::from_millis(100);
/// Served however busy the machine is.
const SERVED_MIN: usize = 50;

#[test]
fn what_waits_for_its_turn_is_neither_sent_back_nor_simulated() {
    let first = START + 7;
    let second = first + EPOCH_BLOCKS;
    let topic = |id, first| Topic::new(id, EPOCH_BLOCKS, WINDOW_BLOCKS, first);
    let mut topics: Vec<Topic> = (1..=TOPICS).map(|id| topic(id, first)).collect();
    topics.push(topic(EARLY, START + 3));
    let mut scene = Scene::with(Api::V10, topics, |mut options| {
        options.block_time = Some(BLOCK_TIME);
        options
    });
    scene.register();
    let late = Rule::new(Fault::Delay(DELAY)).when(When::Heights(second - 1, u64::MAX));
    scene.net.fault(late);
    let worker = scene.start();
    let simulations = |scene: &Scene| scene.net.report().requests_to("simulate");
    scene.wait_for("the second opening", |report| report.height >= second);
    let before = simulations(&scene);
    scene.wait_for("its end", |report| report.height > second + WINDOW_BLOCKS);
    let more = simulations(&scene) - before;
    worker.wait_for_line("the window ended before its turn came");
    let log = worker.stop().stderr;
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    let served = |nonce: u64| {
        let of = |id: &u64| report.windows(*id).iter().find(|w| w.nonce == nonce);
        let windows = (1..=TOPICS).filter_map(|id| of(&id));
        windows.filter(|window| window.payload.is_some()).count()
    };
    assert!(served(second) >= SERVED_MIN, "{} served", served(second));
    assert_eq!(more, 0, "simulations; {} known", served(first));
    let sent_back = lines_with(&log, "what is in flight has to be settled first");
    assert!(sent_back.is_empty(), "{sent_back:?}");
}

/// The topics that wait for their turn while the account cannot be read.
const UNREAD: u64 = 10;
const UNREAD_BLOCK_TIME: Duration = Duration::from_millis(400);
/// Of each broadcast: together they take more time than three blocks, after which the account is
/// overdue. A window takes 24 s, all broadcasts 3 s, and the reads of the account between them 4 s.
const UNREAD_DELAY: Duration = Duration::from_millis(300);

#[test]
fn an_account_route_that_hangs_does_not_keep_others_from_being_sent() {
    let first = START + 12;
    let mut topics: Vec<Topic> = (1..=UNREAD).map(|id| one_window(id, first)).collect();
    topics.push(one_window(UNREAD + 1, START + 3));
    let mut scene = Scene::with(Api::V10, topics, |mut options| {
        options.block_time = Some(UNREAD_BLOCK_TIME);
        options
    });
    scene.register();
    let later = When::Heights(first - 1, u64::MAX);
    let hangs = Rule::new(Fault::Hang(Duration::from_secs(60)));
    scene.net.fault(hangs.on("/auth/").when(later));
    let slow = Rule::new(Fault::Delay(UNREAD_DELAY)).on("POST /cosmos/tx/v1beta1/txs");
    scene.net.fault(slow.when(later));
    let _worker = scene.start();
    let served = |report: &Report| {
        let is_served = |id: &u64| report.windows(*id).iter().any(|w| w.payload.is_some());
        (1..=UNREAD).filter(is_served).count()
    };
    let report = scene.wait_for("payloads", |report| {
        served(report) == 10 || report.windows(1).iter().any(|window| window.closed)
    });
    assert_eq!(served(&report), 10);
    assert_nothing_wasted(&report);
    let lost = report.faults.get("hang");
    assert!(lost.is_some_and(|count| *count >= 1), "{:?}", report.faults);
}
