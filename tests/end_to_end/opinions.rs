//! A node that says "no", before an honest one in the list: the honest one is asked, and is used if
//! it says otherwise.

use allora_localnet::play::faults::Fault;
use allora_localnet::play::lies::{Lie, Strategy};
use allora_localnet::play::rules::{Rule, When};
use serde_json::{Value, json};

use crate::scenes::*;
use crate::support::*;

const STATUS: &str = "worker_submission_window_status";

/// A refusal in CheckTx with this code.
pub(crate) fn refusal(codespace: &str, code: u32, text: &str) -> Rule {
    let answer = json!({"tx_response": {
        "height": "0", "txhash": "AB".repeat(32), "codespace": codespace, "code": code, "data": "",
        "raw_log": text,
        "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0", "tx": null, "timestamp": "",
        "events": [],
    }});
    on_broadcast(Fault::Body(200, answer.to_string().into_bytes()))
}

fn claims(route: &'static str, claims: Vec<(&'static str, Value)>) -> Rule {
    Rule::new(Fault::Claims(claims)).on(route)
}

/// The first node answers by `lie`: every window is served all the same, and the log names what it
/// said.
fn is_served_despite(lie: Rule, said: &str) {
    let mut scene = two_gossiping(vec![topic(1, START + 8)]);
    scene.net.fault(lie.at_node(0));
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 3);
    let line = worker.wait_for_line("says otherwise and is used for a while");
    assert!(line.contains(said), "{line}");
    assert!(line.contains(&scene.net.node_url(0)), "{line}");
    assert!(line.contains(&scene.net.node_url(1)), "{line}");
    worker.stop();
    assert_all_served(&report, &[1]);
    for window in report.windows(1).iter().filter(|window| window.closed) {
        let block = window.payload.as_ref().map(|payload| payload.height);
        let last = window.nonce + 3;
        assert!(block.is_some_and(|block| block <= last), "{window:?}");
    }
}

/// The first node answers by `lie`: it is left with this line in the log, and every window is served.
fn is_left_for(lie: Rule, line: &str) {
    let mut scene = two_gossiping(vec![topic(1, START + 8)]);
    scene.net.fault(lie.at_node(0));
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 2);
    worker.wait_for_line(line);
    worker.stop();
    assert_all_served(&report, &[1]);
}

#[test]
fn a_status_that_another_endpoint_contradicts_is_not_believed() {
    let inactive = vec![
        ("/is_topic_active", json!(false)),
        ("/is_open", json!(false)),
    ];
    let cases = [
        (vec![("/is_whitelisted", json!(false))], "whitelist"),
        (inactive, "the topic is not active"),
        (vec![("/is_registered", json!(false))], "not registered"),
    ];
    side_by_side(cases, |(lies, said)| {
        is_served_despite(claims(STATUS, lies), said);
    });
}

#[test]
fn a_window_that_no_chain_has_is_not_believed() {
    let far = vec![
        ("/next_window_start_block", json!("1000000")),
        ("/next_window_end_block", json!("1000006")),
    ];
    let in_future = vec![
        ("/is_open", json!(true)),
        ("/current_nonce_block_height", json!("1000000")),
        ("/window_start_block", json!("1000000")),
        ("/window_end_block", json!("1000006")),
    ];
    let no_next = vec![
        ("/next_window_start_block", json!("0")),
        ("/next_window_end_block", json!("0")),
    ];
    let too_long = vec![("/next_window_end_block", json!("999999"))];
    let cases = [
        (far, "the next window is more than an epoch away"),
        (
            in_future,
            "a window is open that does not include this block",
        ),
        (
            too_long,
            "a window has another length than the topic's windows",
        ),
        (no_next, "the topic is active and has no next window"),
    ];
    side_by_side(cases, |(lies, said)| {
        is_served_despite(claims(STATUS, lies), said);
    });
}

#[test]
fn a_nonce_that_only_one_endpoint_calls_served_is_served() {
    let lie = |height: &'static str| {
        let score = vec![("/score/block_height", json!(height))];
        claims("inferer_score_ema", score).when(When::Heights(START + 8, START + 10))
    };
    is_served_despite(lie("108"), "topic 1, nonce 108: it was submitted before");
    is_left_for(lie("9000000"), "a score is of block 9000000, above its own");
}

#[test]
fn answers_without_heights_send_the_worker_to_another_endpoint() {
    let mute = Rule::new(Fault::HidesHeight).when(When::Heights(START + 4, START + 1_000));
    is_left_for(
        mute,
        "answers without the height of its blocks; another endpoint is used",
    );
}

#[test]
fn an_account_that_the_endpoint_itself_refuses_is_not_believed() {
    let cases = [
        ("/info/sequence", "7", "names sequence 7 and expects "),
        (
            "/info/sequence",
            "999999999999",
            "names sequence 999999999999 and expects ",
        ),
        (
            "/info/account_number",
            "4711",
            "names an account number and refuses a signature for it",
        ),
    ];
    side_by_side(cases, |(place, number, said)| {
        let mut scene = two_gossiping(vec![topic(1, START + 8)]);
        let lie = claims("account_info", vec![(place, json!(number))]);
        scene.net.fault(lie.at_node(0));
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 3);
        let line = worker.wait_for_line("; another endpoint is used for a while");
        assert!(line.contains(said), "{line}");
        worker.stop();
        assert_all_served(&report, &[1]);
    });
}

#[test]
fn a_balance_that_another_endpoint_contradicts_is_not_believed() {
    let lie = claims("by_denom", vec![("/balance/amount", json!("0"))]);
    is_served_despite(lie, "the balance is 0 ALLO");
}

#[test]
fn a_message_fee_and_a_kind_that_another_endpoint_contradicts_are_not_believed() {
    let fee = vec![("/params/data_sending_fee", json!("9".repeat(30)))];
    is_served_despite(claims("/params", fee), "ALLO are needed");
    let kind = vec![("/topic/output_arity", json!("TOPIC_OUTPUT_ARITY_OF_LIES"))];
    let lie = claims("/topics/", kind);
    is_served_despite(lie, "topic 1 is of a kind that this version does not know");
}

#[test]
fn a_message_fee_that_made_the_worker_wait_is_read_again() {
    let mut scene = two_gossiping(vec![topic(1, START + 8)]);
    let fee = vec![("/params/data_sending_fee", json!("9".repeat(30)))];
    let lie = claims("/params", fee).when(When::Heights(START, START + 6));
    scene.net.fault(lie);
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 2);
    worker.stop();
    assert_all_served(&report, &[1]);
}

#[test]
fn a_refusal_that_a_simulation_elsewhere_contradicts_is_not_believed() {
    let cases = [
        refusal("emissions", 75, "worker nonce window is not open"),
        refusal("sdk", 30, "tx timeout height"),
        refusal("liars", u32::MAX, "no"),
    ];
    side_by_side(cases, |lie| is_served_despite(lie, "topic 1, nonce 108: "));
}

/// The first sending gets no answer, so the transaction may be in a mempool; the same node refuses it
/// when it is sent again. It is not signed anew, and the other node gets it before it expires.
#[test]
fn a_refusal_of_a_transaction_that_may_be_alive_is_not_believed_either() {
    let mut scene = two_gossiping(vec![topic(1, START + 4)]);
    let unanswered = on_broadcast(Fault::Close).at_node(0).times(1);
    scene.net.fault(unanswered);
    let refused = refusal("emissions", 75, "worker nonce window is not open");
    scene.net.fault(refused.at_node(0));
    let worker = scene.start();
    worker.wait_for_line("nonce 104: included in block");
    let ended = worker.stop();
    let line = &lines_with(&ended.stderr, "says otherwise and is used for a while")[0];
    assert!(line.contains(&scene.net.node_url(0)), "{line}");
    let report = scene.net.report();
    assert_eq!(report.payloads_included, 1);
    assert_nothing_wasted(&report);
}

#[test]
fn a_no_of_all_endpoints_costs_few_requests() {
    let mut scene = two_gossiping(vec![topic(1, START + 4)]);
    scene.net.set_active(1, false);
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    worker.wait_for_line("waiting: topic 1: the topic is not active");
    scene.wait_for_blocks(50);
    let ended = worker.stop();
    assert!(lines_with(&ended.stderr, "says otherwise").is_empty());
    let asked = format!(" at {}: ", scene.net.node_url(1));
    let mut asked = lines_with(&ended.stderr, &asked);
    asked.retain(|line| line.contains(STATUS));
    // after 0, 1, 3 and 7 seconds, and 15 on a slow machine
    assert!((1..=5).contains(&asked.len()), "{asked:?}");
}

#[test]
fn gas_that_no_transaction_can_do_with_is_not_believed() {
    let lie = claims("simulate", vec![("/gas_info/gas_used", json!("0"))]);
    is_left_for(lie, "it claims that 0 gas are needed, which cannot be");
}

/// An invented schedule that contradicts nothing else that its node says, by the number of the lie:
/// windows two blocks late, one in a million blocks, one that slides, none although it is active, one
/// that is over.
#[test]
fn an_invented_schedule_costs_no_window_of_an_honest_endpoint() {
    let lies = (0..4).map(|number| ("schedule", number));
    let lies = lies.chain([("overdue", 0)]);
    let cases = lies.flat_map(|lie| [(lie, 0), (lie, 1)]);
    side_by_side(cases, |((name, number), node)| {
        let mut scene = two_gossiping(vec![topic(1, START + 8)]);
        let lie = Strategy::of(vec![Lie::named(name, number).unwrap()]);
        scene.net.fault(Rule::new(Fault::Lies(lie)).at_node(node));
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 4);
        worker.stop();
        assert_all_served(&report, &[1]);
    });
}

/// The number of the lie "height" that names this many blocks more.
fn leading_by(blocks: u64) -> u64 {
    let mut numbers = (blocks - 1) << 8..;
    numbers.find(|number| number % 12 == 3).unwrap_or_default()
}

/// Lies of a node that names a few blocks more than there are, so that every other answer is late
/// beside its own.
#[test]
fn a_lead_of_a_few_blocks_hides_no_lie() {
    let lies = [("schedule", 1), ("inactive", 0)];
    let cases = lies.into_iter().flat_map(|(name, number)| {
        [(1, 0), (4, 0), (1, 1), (4, 1)].map(|(lead, node)| (name, number, lead, node))
    });
    side_by_side(cases, |(name, number, lead, node)| {
        let mut scene = two_gossiping(vec![topic(1, START + 8)]);
        let lead = Lie::named("height", leading_by(lead)).unwrap();
        let lie = Strategy::of(vec![lead, Lie::named(name, number).unwrap()]);
        scene.net.fault(Rule::new(Fault::Lies(lie)).at_node(node));
        let worker = scene.start();
        let report = scene.wait_for_windows(&[1], 4);
        worker.stop();
        assert_all_served(&report, &[1]);
    });
}

/// The first node names windows in a million blocks, and the honest one gives no answer about windows
/// for more than an epoch: its silence is no agreement.
#[test]
fn an_honest_endpoint_that_is_silent_for_a_while_is_asked_again() {
    let mut scene = two_gossiping(vec![topic(1, START + 8)]);
    let lie = Strategy::of(vec![Lie::named("schedule", 1).unwrap()]);
    scene.net.fault(Rule::new(Fault::Lies(lie)).at_node(0));
    let silence = When::Heights(START + 10, START + 17);
    let silent = Rule::new(Fault::Status(503, None)).on(STATUS);
    scene.net.fault(silent.at_node(1).when(silence));
    let worker = scene.start();
    let report = scene.wait_for_windows(&[1], 4);
    let ended = worker.stop();
    assert_all_served(&report, &[1]);
    let agreed = lines_with(&ended.stderr, "name the same windows again");
    assert!(agreed.is_empty(), "{agreed:?}");
}

#[test]
fn an_endpoint_with_other_windows_is_named() {
    let mut scene = two_gossiping(vec![topic(1, START + 8)]);
    let lie = Strategy::of(vec![Lie::named("schedule", 1).unwrap()]);
    scene.net.fault(Rule::new(Fault::Lies(lie)).at_node(0));
    let worker = scene.start();
    let line = worker.wait_for_line("the windows of both are served until they agree");
    let (url, other) = (scene.net.node_url(0), scene.net.node_url(1));
    assert!(
        line.contains(&format!("{url} names window 1000000")),
        "{line}"
    );
    assert!(
        line.contains(&format!("{other} names window 108")),
        "{line}"
    );
    scene.net.clear_faults();
    worker.wait_for_line("all endpoints name the same windows again");
    worker.stop();
}

#[test]
fn honest_endpoints_are_compared_once_per_epoch() {
    let mut scene = two_gossiping(vec![topic(1, START + 4)]);
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    scene.wait_for_windows(&[1], 4);
    let ended = worker.stop();
    assert!(lines_with(&ended.stderr, "name the same windows").is_empty());
    assert!(lines_with(&ended.stderr, "until they agree").is_empty());
    let mut asked = lines_with(&ended.stderr, &format!(" at {}: ", scene.net.node_url(1)));
    asked.retain(|line| line.contains(STATUS));
    assert!((3..=6).contains(&asked.len()), "{asked:?}");
}
