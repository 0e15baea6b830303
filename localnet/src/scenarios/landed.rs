//! Transactions of a signer in a node's index, read from their bytes.
//!
//! A node decodes only messages of its own version: after an upgrade, its REST API fails for the
//! transactions before it. The RPC API gives the bytes of each.

use std::io;

use serde_json::Value;

use super::rest::number;
use super::test_chain::{Landed, Payload, Place, Purpose};
use crate::chain::bytes;
use crate::chain::message::{Api, Message};
use crate::chain::tx::Tx;

/// The attribute of events with the workers whose scores were set.
pub(super) const SCORED: &str = "addresses";

/// The path of a page of the transactions that an account signed, with the number of each page's
/// transactions.
pub(super) fn path(address: &str, page: usize, per_page: usize) -> String {
    // Other than `message.sender`, this event is there when another account pays the fee.
    let query = format!("%22tx.acc_seq%20CONTAINS%20%27{address}%2F%27%22");
    format!("tx_search?query={query}&page={page}&per_page={per_page}&order_by=%22asc%22")
}

/// Decodes a page of transactions; also returns how many there are on all pages.
pub(super) fn page(answer: &Value) -> io::Result<(Vec<Landed>, u64)> {
    let result = &answer["result"];
    let txs = result["txs"].as_array();
    let txs = txs.ok_or_else(|| io::Error::other(format!("no transactions in {answer}")))?;
    let all: io::Result<Vec<Landed>> = txs.iter().map(landed).collect();
    Ok((all?, number(&result["total_count"])?))
}

fn landed(found: &Value) -> io::Result<Landed> {
    let wrong = |what: &str| io::Error::other(format!("{what} in {found}"));
    let raw = found["tx"].as_str().and_then(bytes::unbase64);
    let raw = raw.ok_or_else(|| wrong("no bytes"))?;
    let mut versions = [Api::V10, Api::V9].into_iter();
    let tx = versions.find_map(|api| Tx::decode(&raw, api).ok());
    let tx = tx.ok_or_else(|| wrong("no known message"))?;
    let result = &found["tx_result"];
    let code = result["code"].as_u64();
    let code = code.and_then(|code| u32::try_from(code).ok());
    Ok(Landed {
        height: number(&found["height"])?,
        codespace: result["codespace"].as_str().unwrap_or_default().to_owned(),
        code: code.ok_or_else(|| wrong("no code"))?,
        gas_wanted: number(&result["gas_wanted"])?,
        gas_used: number(&result["gas_used"])?,
        fee_uallo: tx.fee.iter().map(|(_, amount)| amount).sum(),
        purpose: purpose(&tx).ok_or_else(|| wrong("no payload"))?,
        place: place_of(&tx.signer, &result["events"]),
    })
}

fn place_of(signer: &str, events: &Value) -> Place {
    let of = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let events = of(events);
    let kinds = events.iter().filter_map(|event| event["type"].as_str());
    let attributes = events.iter().flat_map(|event| of(&event["attributes"]));
    let mut scored = attributes.filter(|attribute| attribute["key"] == SCORED);
    let scored = scored.find_map(|attribute| attribute["value"].as_str().map(str::to_owned));
    place(signer, kinds, scored.as_deref())
}

/// The place of a signer's inference by its events' kinds, and by whose score was set, if any was:
/// a worker has its score set at once if it has no place.
pub(super) fn place<'a>(
    signer: &str,
    mut kinds: impl Iterator<Item = &'a str>,
    scored: Option<&str>,
) -> Place {
    match scored {
        Some(addresses) if addresses.contains(signer) => Place::None,
        Some(_) => Place::OfAnother,
        None if kinds.any(|kind| kind.ends_with(".EventInsertInfererPayload")) => Place::Free,
        // A new worker without a place; v9 has the event for it all the same.
        None => Place::None,
    }
}

/// What a transaction is for; `None` for a payload without its content.
pub(super) fn purpose(tx: &Tx) -> Option<Purpose> {
    Some(match tx.messages.first() {
        Some((_, Message::Insert(insert))) => {
            let bundle = insert.bundle.as_ref()?;
            let content = bundle.content.as_ref()?;
            let inference = content.inference.as_ref();
            let labels = inference.map_or(0, |inference| inference.values.len());
            Purpose::Payload(Payload {
                topic: bundle.topic_id,
                nonce: u64::try_from(bundle.nonce?).ok()?,
                value: inference.filter(|_| labels == 0).map(|i| i.value.clone()),
                labels,
                forecast: content.forecast.as_ref().map(|f| f.elements.len()),
            })
        }
        Some((_, Message::Register(_))) => Purpose::Registration,
        _ => Purpose::Other,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::chain::decimal::Decimal;

    /// A recorded transaction, as an RPC answer has it: the bytes that were sent, and the result.
    fn recorded(case: &str) -> Landed {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lcd.jsonl");
        let text = fs::read_to_string(path).unwrap();
        let all: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |step: &str| {
            let case = format!("{case}/{step}");
            let mut all = all.iter();
            all.find(|answer| answer["chain"] == "v0.17" && answer["case"] == case.as_str())
                .unwrap()
        };
        let result = &of("tx-final")["response"]["tx_response"];
        let found = json!({"height": result["height"], "tx_result": result,
            "tx": of("broadcast")["request"]["tx_bytes"]});
        let answer = json!({"result": {"txs": [found], "total_count": "7"}});
        let (mut landed, total) = page(&answer).unwrap();
        assert_eq!(total, 7);
        landed.remove(0)
    }

    fn payload(landed: &Landed) -> &Payload {
        match &landed.purpose {
            Purpose::Payload(payload) => payload,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn transactions_recorded_from_a_released_node_are_read() {
        let single = recorded("insert-ok");
        assert_eq!((single.height, single.code), (80, 0));
        assert_eq!(single.fee_uallo, 8_000_000);
        assert_eq!((single.gas_used, single.gas_wanted), (145_180, 400_000));
        assert_eq!((payload(&single).topic, payload(&single).nonce), (1, 79));
        assert_eq!(payload(&single).value, Decimal::parse("1234.5678").ok());
        assert_eq!(payload(&single).kind(single.place), "inference");

        let labelled = recorded("labels-ok-final");
        assert_eq!(payload(&labelled).labels, 3);
        assert_eq!(
            payload(&labelled).kind(labelled.place),
            "labelled inference"
        );

        let failed = recorded("out-of-gas-deliver");
        assert_eq!((failed.codespace.as_str(), failed.code), ("sdk", 11));
        assert_eq!(recorded("register").purpose, Purpose::Registration);
    }

    #[test]
    fn the_place_is_told_by_whose_score_was_set() {
        assert_eq!(recorded("admitted/insert-ok").place, Place::Free);
        assert_eq!(recorded("not-admitted/insert-ok").place, Place::None);
        let scored = "[\"allo1b\"]";
        let place = |signer| place(signer, [].into_iter(), Some(scored));
        assert_eq!(place("allo1a"), Place::OfAnother);
        assert_eq!(place("allo1b"), Place::None);
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_an_error() {
        assert!(page(&json!({"error": {"code": -32603}})).is_err());
        let found = json!({"height": "1", "tx": "AAAA", "tx_result": {"code": 0}});
        let answer = json!({"result": {"txs": [found], "total_count": "1"}});
        assert!(page(&answer).is_err());
    }
}
