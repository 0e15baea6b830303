//! Answers of nodes: what is decoded is within the bounds that the rest of the worker relies on, and
//! what is not becomes a message on one line.

use allora_worker::chain::allowance_answer;
use allora_worker::chain::answers;
use allora_worker::chain::error::ErrorKind;
use allora_worker::chain::tx_answers::{self, SimulateAnswer};
use allora_worker::http::Reply;
use allora_worker::text::Foreign;
use allora_worker::values::fee::{GasPrice, PLACES_MAX};
use allora_worker::values::topic::{Arity, Window};
use allora_worker::values::units::{
    AccountNumber, Gas, Height, Nonce, Sequence, TopicId, Uallo, is_chain_id,
};
use serde_json::Value;

use super::{chosen, input, split};
use crate::{Target, assert_message};

const FIXTURES: &str = include_str!("../../../tests/fixtures/lcd.jsonl");
/// The accounts of an allowance.
const GRANTER: &str = "allo1g";
const GRANTEE: &str = "allo1w";

pub(crate) const TARGET: Target = Target {
    name: "lcd",
    run,
    corpus,
    choice_bytes: 2,
};

type Decoder = fn(&Reply) -> Result<(), ErrorKind>;

/// What in a path names the route, and the route's decoder with its checks.
const DECODERS: [(&str, Decoder); 14] = [
    ("/worker_submission_window_status/", window_status),
    ("score_ema/", score_ema),
    ("/params", params),
    ("/topics/", topic),
    ("/node_info", node_info),
    ("/syncing", answers::caught_up),
    ("/node/v1beta1/status", node_status),
    ("/account_info/", account),
    ("/balances/", balance),
    ("/gas_price/", gas_price),
    ("/simulate", simulate),
    ("/txs/", tx),
    ("/txs", broadcast),
    ("/feegrant/", allowance),
];
/// The decoder of answers that no recording has.
const ACTIVE_WORKERS: Decoder = active_workers;
const STATUSES: [u16; 11] = [200, 400, 404, 429, 500, 501, 502, 503, 504, 301, 204];

/// Answers that the recordings lack: allowances and the workers of a window.
const MORE: [(usize, &str); 5] = [
    (
        13,
        r#"{"allowance": {"granter": "allo1g", "grantee": "allo1w", "allowance": {"@type":
        "/cosmos.feegrant.v1beta1.BasicAllowance", "spend_limit": [{"denom": "uallo", "amount": "500"}],
        "expiration": "2026-11-24T18:00:00Z"}}}"#,
    ),
    (
        13,
        r#"{"allowance": {"granter": "allo1g", "grantee": "allo1w", "allowance": {"@type":
        "/cosmos.feegrant.v1beta1.PeriodicAllowance", "basic": {"spend_limit": [], "expiration": null},
        "period": "3600s", "period_spend_limit": [{"denom": "uallo", "amount": "10000000"}],
        "period_can_spend": [{"denom": "uallo", "amount": "7500000"}],
        "period_reset": "2026-11-24T18:00:00.123456789Z"}}}"#,
    ),
    (
        13,
        r#"{"allowance": {"granter": "allo1g", "grantee": "allo1w", "allowance": {"@type":
        "/cosmos.feegrant.v1beta1.AllowedMsgAllowance", "allowed_messages": ["/emissions.v9.RegisterRequest"],
        "allowance": {"@type": "/cosmos.feegrant.v1beta1.BasicAllowance", "spend_limit": [],
        "expiration": null}}}}"#,
    ),
    (
        14,
        r#"{"inferences": {"inferences": [{"inferer": "a"}, {"inferer": "b"}]}}"#,
    ),
    (14, r#"{"inferences": {"inferences": []}}"#),
];

fn corpus() -> Vec<Vec<u8>> {
    let recorded = FIXTURES.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let path = line["path"].as_str()?;
        let route = DECODERS.iter().position(|(part, _)| path.contains(part))?;
        let status = line["status"].as_u64()?;
        let status = STATUSES.iter().position(|one| u64::from(*one) == status)?;
        let choice = [u8::try_from(route).ok()?, u8::try_from(status).ok()?];
        Some(input(&choice, &line["response"].to_string()))
    });
    let more = MORE.iter().filter_map(|(route, body)| {
        let choice = [u8::try_from(*route).ok()?, 0];
        Some(input(&choice, body))
    });
    let trouble = [
        "<html>502 Bad Gateway</html>",
        "",
        r#"{"code":13,"message":"x","details":[]}"#,
    ];
    let trouble = trouble.iter().map(|body| input(&[0, 6], body));
    recorded.chain(more).chain(trouble).collect()
}

fn run(bytes: &[u8]) -> bool {
    let Some(([route, status], body)) = split(bytes) else {
        return false;
    };
    let reply = Reply {
        status: *chosen(&STATUSES, status),
        height: None,
        retry_after: None,
        location: None,
        last_modified: None,
        repeated: false,
        body: body.to_vec(),
    };
    let decoders: Vec<Decoder> = DECODERS.iter().map(|(_, decoder)| *decoder).collect();
    let decoder = decoders.get(usize::from(route) % (decoders.len() + 1));
    match decoder.unwrap_or(&ACTIVE_WORKERS)(&reply) {
        Ok(()) => true,
        Err(error) => {
            assert_error(&error);
            false
        }
    }
}

fn assert_error(error: &ErrorKind) {
    assert_message(&error.to_string());
    if let ErrorKind::Chain(error) = error {
        assert!(error.status != 200, "a success is an error of the chain");
        let meanings = (error.meaning(), error.simulation_meaning());
        assert_message(&format!("{meanings:?}"));
    }
}

fn assert_window(window: Option<Window>) {
    if let Some(Window { nonce, end }) = window {
        assert!(
            nonce.0 > 0 && nonce <= Nonce::MAX && end <= Height::MAX,
            "{window:?}"
        );
    }
}

fn window_status(reply: &Reply) -> Result<(), ErrorKind> {
    let status = answers::window_status(reply)?;
    assert_window(status.open);
    assert_window(status.next);
    if let Some(open) = status.open {
        assert!(open.end > open.nonce.height(), "{open:?} is open");
    }
    Ok(())
}

fn score_ema(reply: &Reply) -> Result<(), ErrorKind> {
    let served = answers::score_ema(reply)?.served;
    assert!(served.is_none_or(|height| height.0 > 0 && height <= Height::MAX));
    Ok(())
}

fn active_workers(reply: &Reply) -> Result<(), ErrorKind> {
    let count = answers::active_workers(reply)?;
    assert!(count.is_none_or(|count| (1..=PLACES_MAX).contains(&count)));
    Ok(())
}

fn params(reply: &Reply) -> Result<(), ErrorKind> {
    let params = answers::params(reply)?;
    assert!(params.registration_fee <= Uallo::MAX && params.data_sending_fee <= Uallo::MAX);
    assert!(params.places <= PLACES_MAX);
    Ok(())
}

fn topic(reply: &Reply) -> Result<(), ErrorKind> {
    let topic = answers::topic(reply)?;
    assert!(topic.id <= TopicId::MAX);
    assert!(
        topic
            .last_nonce
            .is_none_or(|nonce| nonce.0 > 0 && nonce <= Nonce::MAX)
    );
    match topic.arity {
        Arity::Multi(rules) => {
            super::decimal::assert_canonical(&rules.unity_tolerance);
            super::decimal::assert_canonical(&rules.default_value);
            assert_message(&rules.listed().to_string());
        }
        Arity::Other(name) => assert_message(&name.to_string()),
        Arity::Single => {}
    }
    Ok(())
}

fn node_info(reply: &Reply) -> Result<(), ErrorKind> {
    let info = answers::node_info(reply)?;
    assert!(
        is_chain_id(&info.chain_id),
        "{:?} is a chain's id",
        info.chain_id
    );
    assert_message(&info.version.to_string());
    Ok(())
}

fn node_status(reply: &Reply) -> Result<(), ErrorKind> {
    let status = answers::node_status(reply)?;
    assert!(status.height <= Height::MAX);
    Ok(())
}

fn account(reply: &Reply) -> Result<(), ErrorKind> {
    if let Some(account) = answers::account(reply)? {
        assert!(account.number <= AccountNumber::MAX && account.sequence <= Sequence::MAX);
    }
    Ok(())
}

fn balance(reply: &Reply) -> Result<(), ErrorKind> {
    let amount = answers::balance(reply)?;
    assert!(amount <= Uallo::MAX);
    Ok(())
}

fn gas_price(reply: &Reply) -> Result<(), ErrorKind> {
    let text = answers::gas_price(reply)?;
    if let Err(error) = GasPrice::parse(&text) {
        assert_message(&error.to_string());
    }
    Ok(())
}

fn simulate(reply: &Reply) -> Result<(), ErrorKind> {
    match tx_answers::simulate(reply)? {
        SimulateAnswer::Gas(gas) => assert!(gas <= Gas::MAX),
        SimulateAnswer::Refused(error) => assert_error(&ErrorKind::Chain(error)),
    }
    Ok(())
}

/// Panics unless the texts of a transaction's result may be shown.
fn assert_shown(texts: &[&Foreign]) {
    for text in texts {
        assert_message(&text.to_string());
        assert_message(&format!("{text:?}"));
    }
}

fn broadcast(reply: &Reply) -> Result<(), ErrorKind> {
    let answer = tx_answers::broadcast(reply)?;
    assert_message(&format!("{:?}", answer.meaning()));
    assert_shown(&[&answer.codespace, &answer.raw_log, &answer.hash]);
    Ok(())
}

fn tx(reply: &Reply) -> Result<(), ErrorKind> {
    let Some(result) = tx_answers::tx(reply)? else {
        return Ok(());
    };
    assert!(result.height <= Height::MAX && result.gas_used <= Gas::MAX);
    assert!(
        !result.evicted || result.admitted,
        "evicted without being admitted"
    );
    let is_admitted = result.admitted || result.forecast_admitted;
    assert!(!is_admitted || result.code == 0, "admitted, but failed");
    assert!(
        !(result.code == 0 && result.failed_in_ante()),
        "it succeeded, and failed"
    );
    assert_message(&format!("{:?}", result.meaning()));
    assert_shown(&[&result.codespace, &result.raw_log]);
    Ok(())
}

fn allowance(reply: &Reply) -> Result<(), ErrorKind> {
    let found = allowance_answer::allowance(reply, GRANTER, GRANTEE)?;
    if let Some(messages) = found.and_then(|allowance| allowance.messages) {
        for message in messages {
            assert_message(&message.to_string());
        }
    }
    Ok(())
}
