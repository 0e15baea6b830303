//! The sequence rules (src/broadcaster/sequence.rs names them), as far as a fault shows them from outside:
//! signed bytes are the unit of retry, and two transactions for the same nonce never have two
//! different numbers.

use allora_localnet::chain::message::Api;
use allora_localnet::chain::state::Price;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use rustix::process::Signal;
use serde_json::json;

use crate::scenes::*;
use crate::support::*;

/// R3, R4, R7
#[test]
fn a_broadcast_whose_answer_is_lost_is_sent_again_and_paid_once() {
    let mut scene = Scene::with(Api::V10, vec![one_window(1, START + 3)], by_hand);
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
fn a_request_that_was_cut_before_it_arrived_is_sent_again_with_the_same_bytes() {
    side_by_side([Fault::Close, Fault::Status(502, None)], |fault| {
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
        assert!(assert_same_bytes(&ended.stderr, &report, 1) >= 3);
    });
}

/// R7
#[test]
fn what_was_accepted_and_lost_is_sent_again_after_two_blocks() {
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
        "not more often"
    );
    let height = report.windows(1)[0].payload.as_ref().unwrap().height;
    assert!((107..=109).contains(&height), "in block {height}");
}

/// R7: code 19 for bytes that the node once refused, or has lost since.
#[test]
fn already_in_the_cache_proves_nothing() {
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
fn a_mempool_that_is_lost_with_several_in_flight_gets_them_all_again() {
    let (scene, worker) = in_flight(3, |options| options);
    scene.net.restart_node(0);
    let report = go_on_until_served(&scene, &[2, 3, 4]);
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    for topic in [2, 3, 4] {
        assert_same_bytes(&ended.stderr, &report, topic);
    }
    assert!(
        report.ante_failures.is_empty(),
        "{:?}",
        report.ante_failures
    );
}

/// R5: the node expects less than ours, told by the simulation of something new.
#[test]
fn a_node_that_lacks_what_is_in_flight_gets_it_before_anything_new_is_signed() {
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
    let report = go_on_until_served(&scene, &[2, 3]);
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    for topic in [2, 3] {
        assert_same_bytes(&ended.stderr, &report, topic);
    }
    assert!(
        report.ante_failures.is_empty(),
        "{:?}",
        report.ante_failures
    );
}

/// R11, R5
#[test]
fn another_endpoint_first_gets_what_is_in_flight_in_order() {
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
    let report = go_on_until_served(&scene, &[2, 3, 9]);
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
    assert_eq!(report.check_tx_refused.get("sdk/32"), None, "in order");
}

/// R3, R7
#[test]
fn a_full_mempool_is_waited_for_with_the_same_bytes() {
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
    assert!(sendings.len() <= 12, "one per block: {}", sendings.len());
}

/// R2, R7: it is dropped from the mempool, and what replaces it has the same number.
#[test]
fn a_price_that_rises_tenfold_in_flight_is_paid_with_the_same_number() {
    let (scene, worker) = in_flight(2, |options| options);
    scene.net.set_gas_price(Price::from_uallo(100));
    let report = go_on_until_served(&scene, &[2, 3]);
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
fn a_failure_of_the_ante_handler_in_a_block_counts_as_not_sent() {
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
    scene.wait_for("payloads for all", |report| {
        let served_one = |id: &u64| report.windows(*id).iter().any(|w| w.payload.is_some());
        served.iter().all(served_one)
    });
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
fn a_number_that_died_unused_goes_to_the_next_submission_and_those_behind_keep_their_bytes() {
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
    let report = scene.wait_for("payloads for all", |report| {
        let is_served = |id| report.windows(id).iter().any(|w| w.payload.is_some());
        is_served(3) && is_served(4) && is_served(5)
    });
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    assert!(
        report.windows(2)[0].payload.is_none(),
        "its window was over"
    );
    for topic in [3, 4, 5] {
        assert_same_bytes(&ended.stderr, &report, topic);
    }
    let height = report.windows(5)[0].payload.as_ref().unwrap().height;
    assert!(height <= LATER + 3 + 3, "at once: in block {height}");
}

/// R9
#[test]
fn a_node_that_falls_behind_is_not_believed() {
    let (scene, worker) = in_flight(2, |options| options);
    // What is in flight is included, and the node speaks of before.
    scene.net.with_chain(|chain| chain.nodes[0].lag_blocks = 4);
    scene.net.set_block_time(Some(BLOCK_TIME));
    scene.wait_for("both payloads", |report| report.payloads_included == 3);
    let until = scene.net.height() + 4;
    scene.wait_for("the old heights", |report| report.height > until);
    scene.net.with_chain(|chain| chain.nodes[0].lag_blocks = 0);
    worker.wait_for_lines(&format!("nonce {LATER}: included in block"), 2);
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(
        report.check_tx_accepted, 3,
        "nothing was signed for a second time"
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
    assert_ne!(height(1, 0), height(2, 0), "one after the other at first");
    assert_eq!(height(1, 1), height(2, 1), "in one block from then on");
}

/// R10
#[test]
fn killed_with_a_payload_in_the_mempool_it_is_not_sent_twice_through_any_endpoint() {
    side_by_side([0, 1], |next_node: usize| {
        let mut scene = Scene::with(Api::V10, vec![one_window(1, START + 3)], |options| {
            by_hand(two_nodes(options))
        });
        scene.register();
        let worker = scene.start();
        scene.wait_for_polls(1);
        scene.net.blocks_until(START + 3);
        scene.wait_for("the broadcast", |report| report.check_tx_accepted == 1);
        worker.end_by(Signal::KILL);

        let url = scene.net.node_url(next_node);
        scene.config["api_params"]["api_url"] = json!(url);
        let asked = |report: &allora_localnet::Report| report.requests_to("inferer_score_ema");
        let before = asked(&scene.net.report());
        let worker = scene.start();
        scene.wait_for("the question whether it is served", |r| asked(r) > before);
        scene.net.set_block_time(Some(BLOCK_TIME));
        worker.wait_for_line("nonce 103: already submitted");
        worker.stop();
        let report = scene.net.report();
        assert_nothing_wasted(&report);
        assert_eq!((report.payloads_included, report.check_tx_accepted), (1, 1));
    });
}

/// R5, `expected` above ours
#[test]
fn another_process_with_the_key_is_told_once_and_not_fought() {
    let mut scene = Scene::new(Api::V10, vec![Topic::new(1, 16, 12, START + 4)]);
    scene.register();
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    scene.wait_for_blocks(6);
    let address = scene.address.clone();
    scene.net.with_chain(|chain| {
        let account = chain.state.accounts.get_mut(&address).unwrap();
        account.sequence += 1;
    });
    worker.wait_for_line("nonce 120: included in block");
    let ended = worker.stop();
    let told = lines_with(&ended.stderr, "were not sent by this process");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("1 transaction(s)") && told[0].contains("Holding back"));
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!(report.payloads_included, 2);
}

/// R5, R8: the number of what is in flight is used up by somebody else's transaction.
#[test]
fn a_number_that_another_process_took_costs_no_fee_and_no_window() {
    let (scene, worker) = in_flight(1, |options| options);
    let address = scene.address.clone();
    scene.net.with_chain(|chain| {
        let account = chain.state.accounts.get_mut(&address).unwrap();
        account.sequence += 1;
    });
    let report = go_on_until_served(&scene, &[2]);
    worker.wait_for_line(&format!("nonce {LATER}: included in block"));
    let ended = worker.stop();
    assert_nothing_wasted(&report);
    let lost = lines_with(&ended.stderr, "its fee is lost");
    assert!(lost.is_empty(), "no fee was lost: {lost:?}");
    let told = lines_with(&ended.stderr, "another process runs with the same key");
    assert_eq!(told.len(), 1, "{told:?}");
}
