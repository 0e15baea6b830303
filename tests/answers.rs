//! Every answer recorded from real nodes of both chain versions (fixtures/lcd.jsonl), decoded by
//! the function of its route and classified as docs/protocol.md says. A recorded line that no
//! function here handles fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of this file is a test, its helpers too"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use allora_worker::chain::answers::{self, Account, NodeInfo, Params};
use allora_worker::chain::error::{ChainError, ErrorKind};
use allora_worker::chain::meaning::{Action, Meaning, WaitReason};
use allora_worker::chain::tx_answers::{self, SimulateAnswer};
use allora_worker::http::Reply;
use allora_worker::values::decimal::Decimal;
use allora_worker::values::fee::PLACES_MAX;
use allora_worker::values::labels::LabelRules;
use allora_worker::values::payload::Inference;
use allora_worker::values::topic::{Arity, TopicLengths, Window};
use allora_worker::values::units::{AccountNumber, Gas, Height, Nonce, Sequence, TopicId, Uallo};
use serde_json::{Value, json};

struct Recorded {
    chain: String,
    case: String,
    path: String,
    is_post: bool,
    reply: Reply,
}

fn recorded() -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lcd.jsonl");
    let lines = fs::read_to_string(path).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parse = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let height = line.get("height_header").map(|v| match v {
            Value::String(text) => text.parse().unwrap(),
            other => other.as_u64().unwrap(),
        });
        Recorded {
            chain: text(&line["chain"]),
            case: text(&line["case"]),
            path: text(&line["path"]),
            is_post: line["method"] == "POST",
            reply: Reply {
                status: line["status"].as_u64().unwrap().try_into().unwrap(),
                height: height.map(Height),
                retry_after: None::<Duration>,
                location: None,
                last_modified: None,
                repeated: false,
                body: serde_json::to_vec(&line["response"]).unwrap(),
            },
        }
    };
    lines.lines().map(parse).collect()
}

fn case(name: &str) -> Recorded {
    named(None, name)
}

fn named(chain: Option<&str>, name: &str) -> Recorded {
    let is_it = |r: &Recorded| r.case == name && chain.is_none_or(|chain| r.chain == chain);
    recorded()
        .into_iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("no case {name}"))
}

fn chain_error<T: std::fmt::Debug>(result: Result<T, ErrorKind>) -> ChainError {
    match result {
        Err(ErrorKind::Chain(error)) => error,
        other => panic!("not an error from the chain: {other:?}"),
    }
}

/// Routes that the worker never requests; only their errors are decoded here.
const NOT_REQUESTED: &[&str] = &[
    "/blocks/latest",
    "/module_versions",
    "/current_plan",
    "/is_topic_active/",
    "/can_submit_worker_payload/",
    "/worker_registered/",
    "/unfulfilled_worker_nonces/",
    "/open_worker_submission_windows/",
    "/latest_inference",
    "/latest_input_inference",
    "/next_churning_block_by_topic_id/",
    "/emissions/v10/inferences/",
];

/// Decodes an answer by the function of its route and returns the result's debug text.
fn decode(recorded: &Recorded) -> Result<String, ErrorKind> {
    let Recorded {
        path,
        reply,
        is_post,
        ..
    } = recorded;
    let has = |part: &str| path.contains(part);
    fn shown<T: std::fmt::Debug>(result: Result<T, ErrorKind>) -> Result<String, ErrorKind> {
        result.map(|value| format!("{value:?}"))
    }
    if has("/worker_submission_window_status/") {
        shown(answers::window_status(reply))
    } else if has("/inferer_score_ema/") || has("/forecaster_score_ema/") {
        shown(answers::score_ema(reply))
    } else if has("/latest_network_inferences/") {
        shown(answers::network_inference(reply, false))
    } else if has("/emissions/") && has("/params") {
        shown(answers::params(reply))
    } else if has("/topics/") && !has("/workers/") {
        shown(answers::topic(reply))
    } else if has("/node_info") {
        shown(answers::node_info(reply))
    } else if has("/syncing") {
        shown(answers::caught_up(reply))
    } else if has("/base/node/v1beta1/status") {
        shown(answers::node_status(reply))
    } else if has("/account_info/") {
        shown(answers::account(reply))
    } else if has("balances/") {
        shown(answers::balance(reply))
    } else if has("/gas_price/") {
        shown(answers::gas_price(reply))
    } else if has("/simulate") {
        shown(tx_answers::simulate(reply))
    } else if has("/txs") && *is_post {
        shown(tx_answers::broadcast(reply))
    } else if has("/txs/") {
        shown(tx_answers::tx(reply))
    } else if NOT_REQUESTED.iter().any(|part| has(part)) {
        // An error is decoded in the same way on every route.
        match reply.status {
            200 => Ok("not requested".to_owned()),
            _ => shown(answers::caught_up(reply)),
        }
    } else {
        panic!("no decoder for {path}");
    }
}

/// The expected meaning of a query's recorded error, by case; `None` for success.
fn query_meaning(case: &str) -> Option<Meaning> {
    Some(match case {
        "params-wrong-version" => Meaning::NotServed,
        "topic-unknown" | "window-status-unknown-topic" | "worker-registered-unknown-topic" => {
            Meaning::UnknownTopic
        }
        "topic-not-a-number" => Meaning::InvalidRequest,
        "account-info-bad-checksum" | "balance-bad-checksum" | "window-status-bad-address" => {
            Meaning::InvalidAddress
        }
        "latest-inference-window-closed"
        | "latest-inference-none"
        | "latest-input-inference"
        | "latest-input-inference-none"
        | "not-admitted/latest-input" => Meaning::NotFound,
        _ => return None,
    })
}

#[test]
fn decodes_every_recorded_answer() {
    let all = recorded();
    assert_eq!(
        all.len(),
        194,
        "the recording has changed: compare docs/protocol.md with it"
    );
    for recorded in &all {
        let name = format!("{} {}", recorded.chain, recorded.case);
        match (decode(recorded), query_meaning(&recorded.case)) {
            (Ok(_), None) => {}
            (Err(ErrorKind::Chain(error)), Some(meaning)) => {
                assert_eq!(error.meaning(), Some(meaning), "{name}");
                assert_eq!(error.height, recorded.reply.height, "{name}");
            }
            (decoded, expected) => panic!("{name}: {decoded:?}, expected {expected:?}"),
        }
    }
}

/// The expected meaning of a transaction in simulate, CheckTx and the block, by the beginning of
/// its case name; `None` for success.
const MEANINGS: &[(&str, Option<Meaning>)] = &[
    ("register-again/", Some(Meaning::AlreadyRegistered)),
    ("register/", None),
    ("insert-ok/", None),
    ("admitted/insert-ok/", None),
    ("not-admitted/insert-ok/", None),
    ("insert-duplicate/", Some(Meaning::AlreadySubmitted)),
    (
        "admitted/insert-duplicate/",
        Some(Meaning::AlreadySubmitted),
    ),
    (
        "not-admitted/insert-duplicate/",
        Some(Meaning::AlreadySubmitted),
    ),
    ("sequence-too-high/", Some(sequence(4, 7))),
    ("sequence-too-low/", Some(sequence(4, 3))),
    ("insufficient-fee/simulate", None),
    (
        "insufficient-fee/",
        Some(Meaning::FeeTooLow {
            required: Some(Uallo(400_000)),
        }),
    ),
    ("out-of-gas-ante/simulate", None),
    ("out-of-gas-ante/", Some(out_of_gas(30_000, 30_536))),
    ("out-of-gas-deliver/broadcast", None),
    ("out-of-gas-deliver/", Some(out_of_gas(90_000, 90_223))),
    ("timeout-height-passed/", Some(Meaning::TimeoutHeight)),
    ("wrong-chain-id/simulate", None),
    ("wrong-chain-id/", Some(Meaning::Unauthorized)),
    ("unknown-type-url/", Some(Meaning::WrongApi)),
    ("v9-type-url/", Some(Meaning::WrongApi)),
    ("garbage/", Some(Meaning::Undecodable)),
    ("bad-bundle-signature/", Some(Meaning::BundleSignature)),
    ("wrong-nonce/", Some(Meaning::WindowClosed)),
    ("closed-window/", Some(Meaning::WindowClosed)),
    ("topic-missing/", Some(Meaning::UnknownTopic)),
    (
        "not-registered-or-whitelisted-topic2/",
        Some(Meaning::NotWhitelisted),
    ),
    ("same-bytes-1/", None),
    ("same-bytes-2/", Some(Meaning::InCache)),
    ("same-bytes-after-inclusion/", Some(Meaning::InCache)),
    ("same-bytes/", None),
    ("pipelined-next-sequence/broadcast", None),
    ("pipelined-next-sequence/", Some(Meaning::AlreadySubmitted)),
    // "Already submitted" means that the signature was accepted, so the text was canonical.
    ("value ", Some(Meaning::AlreadySubmitted)),
    ("labels-ok", None),
    ("labels-order/", None),
    ("labels-missing-one/", None),
    ("labels-space/", None),
    ("labels-not-unity/", Some(Meaning::InvalidRequest)),
    ("labels-none/", Some(Meaning::InvalidRequest)),
    ("value-on-multi-topic/", Some(Meaning::InvalidRequest)),
    ("label-on-single-topic/", Some(Meaning::InvalidRequest)),
    (
        "label-default-on-single-topic/",
        Some(Meaning::InvalidRequest),
    ),
    ("labels-unknown/", Some(Meaning::LabelNotListed)),
    ("labels-case/", Some(Meaning::LabelNotListed)),
    ("labels-dup/", Some(Meaning::InvalidLabel)),
    ("label-empty-on-single-topic/", Some(Meaning::InvalidLabel)),
    ("tx-register", None),
    ("tx-insert", None),
];

const fn sequence(expected: u64, got: u64) -> Meaning {
    Meaning::Sequence {
        expected: Sequence(expected),
        got: Sequence(got),
    }
}

const fn out_of_gas(wanted: u64, used: u64) -> Meaning {
    Meaning::OutOfGas {
        wanted: Some(Gas(wanted)),
        used: Some(Gas(used)),
    }
}

/// The expected meaning of a raw value text: canonical, not canonical, or not a number.
fn raw_value_meaning(case: &str) -> Option<Meaning> {
    let value = case.strip_prefix("rawvalue ")?.strip_suffix("/simulate")?;
    Some(match value {
        "" | "+1" | "1." | ".5" | "1e5" | "00012" | "1e+5" => Meaning::BundleSignature,
        "111111111111111111111111111111111111111" => Meaning::AlreadySubmitted,
        "12345678901234567890123456789012345.123456789" => Meaning::AlreadySubmitted,
        _ => Meaning::BadPayload,
    })
}

/// The meaning of a transaction's recorded answer; `None` if it is not about a transaction.
fn tx_meaning(recorded: &Recorded) -> Option<Meaning> {
    if recorded.path.ends_with("/simulate") {
        return Some(match tx_answers::simulate(&recorded.reply).unwrap() {
            SimulateAnswer::Gas(gas) => {
                assert!(gas > Gas(100_000), "{gas}");
                Meaning::Success
            }
            SimulateAnswer::Refused(error) => error.simulation_meaning(),
        });
    }
    if recorded.path.ends_with("/txs") {
        return Some(tx_answers::broadcast(&recorded.reply).unwrap().meaning());
    }
    if recorded.path.contains("/txs/") {
        return tx_answers::tx(&recorded.reply)
            .unwrap()
            .map(|result| result.meaning());
    }
    None
}

#[test]
fn classifies_every_transaction_as_the_protocol_says() {
    let mut used = BTreeMap::new();
    for recorded in recorded() {
        let Some(meaning) = tx_meaning(&recorded) else {
            continue;
        };
        let case = recorded.case.as_str();
        if let Some(expected) = raw_value_meaning(case) {
            assert_eq!(meaning, expected, "{case}");
            continue;
        }
        let row = MEANINGS.iter().find(|(start, _)| case.starts_with(start));
        let (start, expected) = row.unwrap_or_else(|| panic!("no row for {case}"));
        *used.entry(start).or_insert(0) += 1;
        // CheckTx does not execute messages, so it accepts a message that will fail in the block.
        let is_message_error =
            recorded.path.ends_with("/txs") && expected.as_ref().is_some_and(meaning_needs_a_block);
        let expected = if is_message_error { &None } else { expected };
        assert_eq!(
            meaning,
            expected.clone().unwrap_or(Meaning::Success),
            "{case}"
        );
    }
    assert_eq!(
        used.len(),
        MEANINGS.len(),
        "rows that match no recorded case"
    );
}

fn meaning_needs_a_block(meaning: &Meaning) -> bool {
    matches!(
        meaning,
        Meaning::AlreadyRegistered
            | Meaning::AlreadySubmitted
            | Meaning::BundleSignature
            | Meaning::WindowClosed
            | Meaning::UnknownTopic
            | Meaning::NotWhitelisted
    )
}

#[test]
fn a_poll_returns_the_window() {
    let open = answers::window_status(&case("status-open").reply).unwrap();
    let window = |nonce, end| {
        Some(Window {
            nonce: Nonce(nonce),
            end: Height(end),
        })
    };
    assert_eq!((open.open, open.next), (window(79, 89), window(99, 109)));
    assert!(open.is_registered && open.is_whitelisted && open.is_topic_active);
    let closed = named(Some("v0.16"), "window-status-other-address");
    let closed = answers::window_status(&closed.reply).unwrap();
    assert_eq!((closed.open, closed.next), (None, window(189, 199)));
    assert!(!closed.is_registered && closed.is_whitelisted);
}

/// The topics of the recorded chains have an epoch of 20 blocks and a window of 10.
#[test]
fn no_recorded_poll_contradicts_the_lengths_of_its_topic() {
    let lengths = TopicLengths {
        epoch_blocks: 20,
        window_blocks: 10,
    };
    let mut polls = 0;
    for recorded in recorded() {
        let is_poll = recorded.path.contains("worker_submission_window_status");
        let status = is_poll.then(|| answers::window_status(&recorded.reply).ok());
        if let Some((status, height)) = status.flatten().zip(recorded.reply.height) {
            polls += 1;
            let case = recorded.case;
            assert_eq!(status.contradiction(height, lengths), None, "{case}");
        }
    }
    assert!(polls > 5, "{polls}");
}

#[test]
fn a_topic_answer_returns_its_kind() {
    let v9 = answers::topic(&named(Some("v0.16"), "topic").reply).unwrap();
    assert_eq!((v9.id, v9.arity), (TopicId(1), Arity::Single));
    assert_eq!(
        (v9.lengths.epoch_blocks, v9.lengths.window_blocks),
        (20, 10)
    );
    assert_eq!(v9.last_nonce, Some(Nonce(169)));
    assert_eq!(
        answers::topic(&case("topic-single").reply).unwrap().arity,
        Arity::Single
    );
    assert_eq!(
        answers::topic(&case("topic-multi").reply).unwrap().arity,
        Arity::Multi(LabelRules {
            whitelist: ["up", "down", "flat"].map(Into::into).to_vec(),
            count_max: 8,
            case_sensitive: true,
            require_unity: true,
            unity_tolerance: Decimal::parse("0.01").unwrap(),
            default_value: Decimal::parse("0").unwrap(),
        })
    );
}

#[test]
fn the_score_shows_whether_a_nonce_is_served() {
    let score = |name| answers::score_ema(&case(name).reply).unwrap();
    let served = score("inferer-score-ema-served");
    assert_eq!(served.served, Some(Height(169)));
    assert_eq!(served.score, Decimal::parse("0").ok());
    assert_eq!(score("inferer-score-ema-none").served, None);
}

/// An answer with this body at block 240.
fn at_240(body: Value) -> Reply {
    let mut reply = case("latest-network-inferences").reply;
    (reply.height, reply.body) = (Some(Height(240)), serde_json::to_vec(&body).unwrap());
    reply
}

#[test]
fn a_score_that_is_no_number_leaves_the_nonce_known() {
    let long = "1".repeat(101);
    for score in ["NaN", "", "many", &long] {
        let body = json!({"score": {"topic_id": "1", "block_height": "239", "score": score}});
        let answer = answers::score_ema(&at_240(body)).unwrap();
        assert_eq!(
            (answer.served, answer.score),
            (Some(Height(239)), None),
            "{score}"
        );
    }
}

#[test]
fn the_lowest_score_is_a_number_of_a_nonce_that_was() {
    let lowest = |height: &str, score: &str| {
        answers::lowest_score(&at_240(json!({"score":
            {"topic_id": "1", "block_height": height, "address": "allo1x", "score": score}})))
    };
    let score = lowest("240", "-0.0021").unwrap();
    assert_eq!((score.nonce, score.value.as_str()), (Nonce(240), "-0.0021"));
    for (height, score) in [
        ("241", "1"),
        ("100000000001", "1"),
        ("-1", "1"),
        ("240", "NaN"),
        ("240", "1e41"),
        ("240", &"1".repeat(101)),
    ] {
        let error = lowest(height, score).unwrap_err();
        assert!(
            matches!(error, ErrorKind::Shape { .. }),
            "{height} {score}: {error:?}"
        );
    }
}

#[test]
fn the_network_inference_is_that_of_the_topics_kind() {
    let recorded = named(Some("v0.17"), "latest-network-inferences").reply;
    let heard = answers::network_inference(&recorded, false)
        .unwrap()
        .unwrap();
    let value = Inference::Value(Decimal::parse("3000.6024575015053").unwrap());
    assert_eq!((heard.nonce, heard.combined), (Nonce(239), value));
    let bundle = |nonce: &str, combined: Value| {
        at_240(
            json!({"network_inferences": {"topic_id": "1", "combined_value": combined,
            "inferer_values": [{"worker": "allo1x", "value": "1"}]}, "inference_block_height": nonce}),
        )
    };
    let label =
        |name: &str, value: &str| json!({"label_id": 1, "label_name": name, "value": value});
    let v9 = answers::network_inference(&bundle("239", json!("2605.5")), false);
    assert_eq!(v9.unwrap().unwrap().combined.to_string(), "2605.5");
    let two = json!([label("up", "0.25"), label("down", "0.75")]);
    let labelled = answers::network_inference(&bundle("239", two.clone()), true);
    assert_eq!(
        labelled.unwrap().unwrap().combined.to_string(),
        "up 0.25, down 0.75"
    );
    let none = answers::network_inference(&bundle("0", json!([])), false);
    assert_eq!(none.unwrap(), None, "no window is closed yet");
    for (what, reply, is_labelled) in [
        ("of the future", bundle("241", json!("1")), false),
        ("no number", bundle("239", json!("NaN")), false),
        ("too long", bundle("239", json!("1".repeat(101))), false),
        ("two of one", bundle("239", two), false),
        ("no label", bundle("239", json!([])), true),
        ("one for labels", bundle("239", json!("1")), true),
        (
            "one is no number",
            bundle("239", json!([label("up", "x")])),
            true,
        ),
        ("a list of lists", bundle("239", json!([[1]])), true),
        (
            "of no height",
            Reply {
                height: None,
                ..bundle("239", json!("1"))
            },
            false,
        ),
    ] {
        let error = answers::network_inference(&reply, is_labelled).unwrap_err();
        assert!(
            matches!(error, ErrorKind::Shape { .. }),
            "{what}: {error:?}"
        );
    }
}

#[test]
fn decodes_accounts_balances_prices_and_parameters() {
    let account = answers::account(&case("account-info").reply).unwrap();
    let (number, sequence) = (AccountNumber(2), Sequence(16));
    assert_eq!(account, Some(Account { number, sequence }));
    let unknown = case("account-info-unfunded");
    assert_eq!(
        answers::account(&unknown.reply).unwrap(),
        None,
        "an unfunded account is a definite answer, not an error"
    );
    assert_eq!(unknown.reply.height, Some(Height(317)));
    let balance = |name| answers::balance(&case(name).reply).unwrap();
    assert_eq!(
        balance("balance"),
        Uallo(99_999_999_999_999_999_997_134_756),
        "beyond 64 bits"
    );
    assert_eq!(balance("balance-unfunded"), Uallo(0));
    assert_eq!(
        answers::gas_price(&case("gas-price").reply).unwrap(),
        "1.000000000000000000"
    );
    let params = answers::params(&case("params").reply).unwrap();
    let (registration_fee, data_sending_fee) = (Uallo(200), Uallo(10));
    assert_eq!(
        params,
        Params {
            places: 32,
            label_bytes_max: 64,
            registration_fee,
            data_sending_fee
        }
    );
}

/// Neither a long list nor a large number makes a payload's gas limit larger than is believed.
#[test]
fn workers_and_places_are_counted_up_to_a_limit() {
    let reply = |body: Value| Reply {
        body: serde_json::to_vec(&body).unwrap(),
        ..case("params").reply
    };
    let workers = |count: usize| {
        let list = vec![json!({"topic_id": "1"}); count];
        answers::active_workers(&reply(json!({"inferences": {"inferences": list}})))
    };
    assert_eq!(workers(0), Ok(None));
    assert_eq!(workers(32), Ok(Some(32)));
    assert_eq!(workers(PLACES_MAX + 1), Ok(Some(PLACES_MAX)));
    assert!(answers::active_workers(&reply(json!({"inferences": 7}))).is_err());
    let mut params: Value = serde_json::from_slice(&case("params").reply.body).unwrap();
    for (claim, believed) in [("1", 1), ("18446744073709551615", PLACES_MAX)] {
        params["params"]["max_top_inferers_to_reward"] = claim.into();
        let params = answers::params(&reply(params.clone())).unwrap();
        assert_eq!(params.places, believed);
    }
}

#[test]
fn a_node_returns_the_time_of_its_newest_block() {
    let status = answers::node_status(&case("node-status").reply).unwrap();
    assert_eq!(status.height, Height(317));
    let since_1970 = status.time.duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(since_1970, Duration::new(1_795_401_847, 426_103_661));
}

#[test]
fn a_node_returns_its_chain_id() {
    let NodeInfo {
        chain_id, tx_index, ..
    } = answers::node_info(&case("node-info").reply).unwrap();
    assert_eq!((chain_id.as_str(), tx_index), ("localnet", true));
    answers::caught_up(&case("syncing").reply).unwrap();
}

#[test]
fn the_other_emissions_version_is_answered_as_not_served() {
    for chain in ["v0.16", "v0.17"] {
        let reply = named(Some(chain), "params-wrong-version").reply;
        let error = chain_error(answers::params(&reply));
        assert_eq!(
            (error.status, error.grpc_code, error.height),
            (501, 12, None)
        );
        assert_eq!(error.meaning(), Some(Meaning::NotServed));
    }
}

#[test]
fn an_unknown_topic_is_an_error_from_the_chain_with_its_height() {
    let reply = named(Some("v0.17"), "window-status-unknown-topic").reply;
    let error = chain_error(answers::window_status(&reply));
    assert_eq!(error.registered, Some(("emissions".into(), 23)));
    assert_eq!(
        (error.status, error.grpc_code, error.height),
        (500, 2, Some(Height(253)))
    );
    let action = error.meaning().unwrap().action();
    assert_eq!(action, Action::Wait(WaitReason::UnknownTopic));
}

#[test]
fn an_included_payload_shows_whether_it_was_admitted() {
    let tx = |name| tx_answers::tx(&case(name).reply).unwrap().unwrap();
    let admitted = tx("admitted/insert-ok/tx-final");
    assert_eq!((admitted.code, admitted.admitted), (0, true));
    assert_eq!(
        (admitted.height, admitted.fee),
        (Height(27), Uallo(8_000_000))
    );
    let passive = tx("not-admitted/insert-ok/tx-final");
    assert_eq!((passive.code, passive.admitted), (0, false));
    let on_v9 = tx("tx-insert");
    assert_eq!((on_v9.code, on_v9.admitted), (0, true));
    let included = tx("insert-ok/tx-final");
    assert_eq!(
        (included.gas_wanted, included.gas_used),
        (Gas(400_000), Gas(145_180))
    );
    let failed = tx("closed-window/tx-final");
    assert_eq!(
        (failed.codespace.raw(), failed.code, failed.admitted),
        ("emissions", 75, false)
    );
    assert_eq!(
        tx_answers::tx(&case("insert-ok/tx-pending").reply).unwrap(),
        None
    );
}

#[test]
fn a_missing_field_is_an_error_and_an_additional_one_is_not() {
    let recorded = case("account-info");
    let json: Value = serde_json::from_slice(&recorded.reply.body).unwrap();
    let with = |json: &Value| {
        let body = serde_json::to_vec(json).unwrap();
        answers::account(&Reply {
            body,
            ..recorded.reply.clone()
        })
    };
    let mut more = json.clone();
    more["info"]["new_field"] = Value::from(1);
    assert_eq!(with(&more), with(&json));
    for (field, value) in [
        ("sequence", Value::Null),
        ("account_number", Value::from(2)),
    ] {
        let mut other = json.clone();
        other["info"][field] = value;
        assert!(
            matches!(with(&other), Err(ErrorKind::Shape { .. })),
            "{field}"
        );
    }
    let mut less = json.clone();
    less["info"].as_object_mut().unwrap().remove("sequence");
    assert!(matches!(with(&less), Err(ErrorKind::Shape { .. })));
}
