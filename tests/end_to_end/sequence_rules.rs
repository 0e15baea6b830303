//! The sequence rules R1 to R11 (see src/broadcaster/sequence.rs), as far as a fault shows them
//! from outside. A retry sends the same signed bytes, and two transactions for the same nonce never
//! have different sequences.

use std::time::{Duration, SystemTime};

use allora_localnet::chain::Chain;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::state::Price;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::Options;
use allora_localnet::play::rules::Rule;
use rustix::process::Signal;
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// Makes blocks again, and asserts that the topics are served by the bytes that are in flight.
fn assert_served_by_what_is_in_flight(scene: &Scene, worker: Worker, topics: &[u64]) {
    let report = make_blocks_until_served(scene, topics);
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    for &topic in topics {
        assert_same_bytes(&ended.stderr, &report, topic);
    }
    assert!(
        report.ante_failures.is_empty(),
        "{:?}",
        report.ante_failures
    );
}

/// R3, R4, R7
#[test]
fn sends_the_same_bytes_again_and_pays_once_when_the_answer_is_lost() {
    let mut scene = Scene::with(Api::V10, vec![one_window(1, START + 3)], manual_blocks);
    scene.register();
    scene.config["debug"] = json!(true);
    scene
        .net
        .fault(on_broadcast(Fault::IncludeButLoseAnswer).times(1));
    let worker = scene.start();
    scene.wait_for_polls(1);
    scene.net.blocks_until(START + 3);
    scene.wait_for("the same bytes", |r| {
        r.check_tx_refused.contains_key("sdk/19")
    });
    scene.net.set_block_time(Some(BLOCK_TIME));
    worker.wait_for_line("nonce 103: included in block 104");
    let ended = worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(report.check_tx_accepted, 1);
    assert!(assert_same_bytes(&ended.stderr, &report, 1) >= 2);
}

/// R1 (c), R4
#[test]
fn sends_the_same_bytes_again_when_the_request_did_not_arrive() {
    // why: a request that is closed on a kept connection is repeated at once, as one attempt
    let faults = [(Fault::Close, 2), (Fault::Status(502, None), 3)];
    side_by_side(faults, |(fault, attempts_min)| {
        let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
        scene.register();
        scene.config["debug"] = json!(true);
        scene.net.fault(on_broadcast(fault).times(2));
        let worker = scene.start();
        worker.wait_for_line("nonce 104: included in block");
        let ended = worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert_eq!(report.check_tx_accepted, 1);
        assert!(assert_same_bytes(&ended.stderr, &report, 1) >= attempts_min);
    });
}

/// R7
#[test]
fn sends_an_accepted_transaction_that_was_lost_again_after_two_blocks() {
    let mut scene = Scene::new(Api::V9, vec![one_window(1, START + 4)]);
    scene.register();
    scene.config["debug"] = json!(true);
    scene.net.fault(on_broadcast(Fault::AcceptAndDrop).times(1));
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(
        assert_same_bytes(&ended.stderr, &report, 1),
        2,
        "it was sent again more than once"
    );
    let height = report.windows(1)[0].payload.as_ref().unwrap().height;
    assert!((107..=109).contains(&height), "in block {height}");
}

/// R7: a node answers code 19 also for bytes that it once refused or has lost since.
#[test]
fn does_not_take_already_in_the_mempool_cache_as_accepted() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    scene.config["debug"] = json!(true);
    let answer = json!({"tx_response": {"height": "0", "txhash": "", "codespace": "sdk",
        "code": 19, "data": "", "raw_log": "", "logs": [], "info": "", "gas_wanted": "0",
        "gas_used": "0", "tx": null, "timestamp": "", "events": []}});
    let cached = Fault::Body(200, answer.to_string().into_bytes());
    scene.net.fault(on_broadcast(cached).times(1));
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(assert_same_bytes(&ended.stderr, &report, 1), 2);
}

/// R4, R7
#[test]
fn sends_everything_in_flight_again_when_the_mempool_is_lost() {
    let (scene, worker) = in_flight(3, |options| options);
    scene.net.restart_node(0);
    assert_served_by_what_is_in_flight(&scene, worker, &[2, 3, 4]);
}

/// R5: the simulation of a new payload shows that the node expects a lower sequence than ours.
#[test]
fn sends_what_is_in_flight_to_a_node_that_lacks_it_before_signing_anything_new() {
    let (scene, worker) = in_flight(2, |options| options);
    scene.net.restart_node(0);
    let height = scene.net.height();
    scene.net.with_chain(|chain| {
        let new = Topic::new(1, 100, 40, height + 1);
        let old = chain.state.topics.get_mut(&1).unwrap();
        old.epoch_last_ended = new.epoch_last_ended;
        old.unfulfilled.clear();
        old.active_set.clear();
        old.window = 40;
    });
    assert_served_by_what_is_in_flight(&scene, worker, &[2, 3]);
}

/// R11, R5
#[test]
fn sends_what_is_in_flight_in_order_first_after_changing_endpoints() {
    let new = Topic::new(9, 100, 40, LATER + 1);
    let (scene, worker) = in_flight(2, |options| {
        let mut options = two_nodes(options);
        options.topics.push(new);
        options
    });
    scene.net.register(9, &scene.address);
    scene.net.set_node_up(0, false);
    propose(&scene, 1);
    scene.net.block_now();
    let report = make_blocks_until_served(&scene, &[2, 3, 9]);
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    for topic in [2, 3] {
        assert!(assert_same_bytes(&ended.stderr, &report, topic) >= 2);
    }
    assert!(
        report.ante_failures.is_empty(),
        "{:?}",
        report.ante_failures
    );
    assert_eq!(
        report.check_tx_refused.get("sdk/32"),
        None,
        "not sent in order"
    );
}

/// R3, R7
#[test]
fn sends_again_until_a_full_mempool_has_room() {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 4)]);
    scene.register();
    scene.config["debug"] = json!(true);
    scene.net.with_chain(|chain| chain.nodes[0].full = true);
    let worker = scene.start();
    scene.wait_for("three refusals", |report| {
        report.check_tx_refused.get("sdk/20") >= Some(&3)
    });
    scene.net.with_chain(|chain| chain.nodes[0].full = false);
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    let sendings = sendings(&ended.stderr, 1);
    assert!(
        sendings.len() <= 12,
        "more than one broadcast per block: {}",
        sendings.len()
    );
}

/// R2, R7: the mempool drops the transaction; its replacement has the same sequence.
#[test]
fn pays_a_tenfold_gas_price_with_the_same_sequence() {
    let (scene, worker) = in_flight(2, |options| options);
    scene.net.set_gas_price(Price::from_uallo(100));
    let report = make_blocks_until_served(&scene, &[2, 3]);
    worker.wait_for_lines("signed anew with the same sequence", 2);
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    let anew = lines_with(&ended.stderr, "signed anew with the same sequence");
    for sequence in [1, 2] {
        let with = format!("sequence {sequence}");
        let lines = anew.iter().filter(|line| line.ends_with(&with)).count();
        assert_eq!(lines, 1, "{anew:?}");
    }
    for topic in [2, 3] {
        let payload = report.windows(topic)[0].payload.as_ref().unwrap();
        assert!(payload.fee_uallo > 15_000_000, "{payload:?}");
    }
}

/// R8
#[test]
fn treats_an_ante_handler_failure_in_a_block_as_not_sent() {
    let mut topics = vec![one_window(1, START + 3)];
    topics.extend((2..6).map(later));
    let mut scene = Scene::new(Api::V10, topics);
    scene.register();
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    worker.wait_for_line("included in block");
    for code in [13, 32, 11, 30] {
        scene
            .net
            .fault(on_broadcast(Fault::AnteFailureInBlock(code)).times(1));
    }
    let served = [2, 3, 4, 5];
    scene.wait_for_payloads(&served);
    let ended = worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    for code in [13, 32, 11, 30] {
        assert!(report.ante_failures.contains_key(&format!("sdk/{code}")));
    }
    for topic in served {
        assert_same_bytes(&ended.stderr, &report, topic);
    }
}

/// R6
#[test]
fn the_next_submission_takes_an_unused_sequence_and_those_behind_keep_their_bytes() {
    let mut topics = vec![
        one_window(1, START + 3),
        Topic::new(2, 100, 2, LATER),
        Topic::new(5, 100, 40, LATER + 3),
    ];
    topics.extend([later(3), later(4)]);
    let mut scene = Scene::new(Api::V10, topics);
    scene.register();
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    worker.wait_for_line("included in block");
    scene.net.set_block_time(None);
    scene.net.fault(on_broadcast(Fault::AcceptAndDrop).times(1));
    scene.net.blocks_until(LATER);
    scene.wait_for("three in flight", |report| report.check_tx_accepted == 4);
    scene.net.set_block_time(Some(BLOCK_TIME));
    let report = scene.wait_for_payloads(&[3, 4, 5]);
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    assert!(
        report.windows(2)[0].payload.is_none(),
        "its window had closed"
    );
    for topic in [3, 4, 5] {
        assert_same_bytes(&ended.stderr, &report, topic);
    }
    let height = report.windows(5)[0].payload.as_ref().unwrap().height;
    assert!(height <= LATER + 3 + 3, "too late: in block {height}");
}

/// R9
#[test]
fn ignores_answers_from_a_node_that_falls_behind() {
    let (scene, worker) = in_flight(2, |options| options);
    // The transactions in flight are included, while the node still answers from before that.
    scene.net.with_chain(|chain| chain.nodes[0].lag_blocks = 4);
    scene.net.set_block_time(Some(BLOCK_TIME));
    scene.wait_for("both payloads", |report| report.payloads_included == 3);
    let until = scene.net.height() + 4;
    scene.wait_for("answers from old heights", |report| report.height > until);
    scene.net.with_chain(|chain| chain.nodes[0].lag_blocks = 0);
    worker.wait_for_lines(&format!("nonce {LATER}: included in block"), 2);
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(
        report.check_tx_accepted, 3,
        "a transaction was signed a second time"
    );
}

/// R10, second half
#[test]
fn nothing_is_pipelined_before_the_first_transaction_is_settled() {
    let mut scene = Scene::new(Api::V9, vec![topic(1, START + 4), topic(2, START + 4)]);
    scene.register();
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1, 2], 2);
    worker.stop();
    assert_all_served(&report, &[1, 2]);
    let height = |id: u64, at: usize| {
        let window = &report.windows(id)[at];
        window.payload.as_ref().unwrap().height
    };
    assert_ne!(
        height(1, 0),
        height(2, 0),
        "the first transactions share a block"
    );
    assert_eq!(
        height(1, 1),
        height(2, 1),
        "later transactions are pipelined into one block"
    );
}

/// R10
#[test]
fn does_not_send_again_after_a_kill_what_is_in_a_mempool_through_any_endpoint() {
    side_by_side([0, 1], |next_node: usize| {
        let (mut scene, worker) = in_mempool(Api::V10, two_nodes);
        worker.end_by(Signal::KILL);
        let url = scene.net.node_url(next_node);
        scene.config["api_params"]["api_url"] = json!(url);
        assert_restart_sends_nothing(&mut scene);
    });
}

/// R5, `expected` above ours
#[test]
fn warns_once_about_another_process_with_the_key_and_holds_back() {
    // why: with quicker blocks, the shortest time between two reads of the account takes some
    let options = |options| Options {
        block_time: Some(Duration::from_millis(600)),
        ..options
    };
    let topics = vec![Topic::new(1, 16, 12, START + 4)];
    let mut scene = Scene::with(Api::V10, topics, options);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    scene.wait_for_blocks(6);
    let address = scene.address.clone();
    let is_sent_by_another = || {
        scene.net.with_chain(|chain| {
            let account = chain.state.accounts.get_mut(&address).unwrap();
            account.sequence += 1;
        });
    };
    is_sent_by_another();
    worker.wait_for_line("nonce 120: included in block");
    is_sent_by_another();
    worker.wait_for_line("nonce 136: included in block");
    let ended = worker.stop();
    let warnings = lines_with(&ended.stderr, "were not sent by this process");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let text = "1 transaction(s) of this account were not sent by this process; if another one";
    assert!(warnings[0].contains(text), "{warnings:?}");
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(report.payloads_included, 3);
    let block = report.windows(1)[1].payload.as_ref().unwrap().height;
    assert!(block <= 122, "one block later than usual, not {block}");
}

/// R5, R8: another process's transaction uses the sequence of the one in flight.
#[test]
fn loses_no_fee_and_no_window_to_another_process_that_used_the_sequence() {
    let (scene, worker) = in_flight(1, |options| options);
    let address = scene.address.clone();
    scene.net.with_chain(|chain| {
        let account = chain.state.accounts.get_mut(&address).unwrap();
        account.sequence += 1;
    });
    let report = make_blocks_until_served(&scene, &[2]);
    worker.wait_for_line(&format!("nonce {LATER}: included in block"));
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    let lost = lines_with(&ended.stderr, "its fee is lost");
    assert!(lost.is_empty(), "no fee was lost: {lost:?}");
    let warnings = lines_with(&ended.stderr, "another process runs with the same key");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

/// The second windows of topics 1 and 2 are open: the payload for topic 1 is in flight, in the
/// mempool of a chain that makes no block by itself, and the model of topic 2 does not answer.
fn second_windows_with_one_in_flight() -> (Scene, Worker, u64) {
    let topics = [1, 2].map(|id| Topic::new(id, 60, 54, START + 4));
    let nonce = START + 64;
    let mut scene = Scene::new(Api::V10, topics.into());
    scene.register();
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    worker.wait_for_lines("nonce 104: included in block", 2);
    let fault = Rule::new(Fault::Status(500, None));
    scene.net.fault(fault.on("MODEL /topic/2"));
    // why: slower blocks, so that this thread stops them in time
    scene.wait_for("the last blocks", |report| report.height >= nonce - 24);
    scene.net.set_block_time(Some(BLOCK_TIME * 3));
    scene.wait_for("the height before", |report| report.height >= nonce - 4);
    scene.net.set_block_time(None);
    scene.net.blocks_until(nonce);
    scene.wait_for("topic 1 in flight", |report| report.check_tx_accepted == 3);
    (scene, worker, nonce)
}

/// Another process has used the account's next sequence to serve topic 2.
fn serve_by_another_process(chain: &mut Chain, address: &str, nonce: u64) {
    let account = chain.state.accounts.get_mut(address).unwrap();
    account.sequence += 1;
    let topic = chain.state.topics.get_mut(&2).unwrap();
    topic.scores.get_mut(address).unwrap().height = nonce;
}

/// The model of topic 2 answers, and blocks are made again: its payload is not paid for.
fn assert_topic_2_is_already_submitted(scene: &Scene, worker: Worker, nonce: u64) {
    scene.net.clear_faults();
    scene.net.set_block_time(Some(BLOCK_TIME));
    worker.wait_for_line(&format!("nonce {nonce}: already submitted"));
    worker.wait_for_line(&format!("nonce {nonce}: included in block"));
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(report.payloads_included, 3, "topic 1 is served once more");
}

#[test]
fn does_not_pay_for_a_later_window_that_another_process_served_with_a_free_sequence() {
    let (scene, worker, nonce) = second_windows_with_one_in_flight();
    let address = scene.address.clone();
    // in one step: the account is read with both transactions or with none
    scene.net.with_chain(|chain| {
        chain.make_block(SystemTime::now());
        serve_by_another_process(chain, &address, nonce);
    });
    worker.wait_for_line("1 transaction(s) of this account were not sent by this process");
    assert_topic_2_is_already_submitted(&scene, worker, nonce);
}

#[test]
fn does_not_pay_for_a_later_window_that_another_process_served_with_a_sequence_in_flight() {
    let (scene, worker, nonce) = second_windows_with_one_in_flight();
    let address = scene.address.clone();
    scene.net.with_chain(|chain| {
        serve_by_another_process(chain, &address, nonce);
        chain.make_block(SystemTime::now());
    });
    worker.wait_for_line("another one of this account took its sequence");
    assert_topic_2_is_already_submitted(&scene, worker, nonce);
}
