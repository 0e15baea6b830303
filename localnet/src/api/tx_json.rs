//! A transaction and its result in the JSON of `/cosmos/tx/v1beta1/txs` and `simulate`.

use serde_json::{Value, json};

use crate::api::timestamp;
use crate::chain::bytes;
use crate::chain::events;
use crate::chain::included::Included;
use crate::chain::message::{Api, Bundle, Forecast, Inference, Insert, Message};
use crate::chain::tx::Tx;
use crate::chain::wire;

/// Base64, or null if there are no bytes.
fn bytes_or_null(data: &[u8]) -> Value {
    if data.is_empty() {
        Value::Null
    } else {
        bytes::base64(data).into()
    }
}

fn inference_json(inference: &Inference, api: Api) -> Value {
    let mut out = json!({
        "topic_id": inference.topic_id.to_string(),
        "block_height": inference.block_height.to_string(),
        "inferer": inference.inferer,
        "value": inference.value.plain(),
        "extra_data": bytes_or_null(&inference.extra_data),
        "proof": inference.proof,
    });
    if api == Api::V10 {
        out["values"] = events::labelled(&inference.values);
    }
    out
}

/// An inference as submitted.
#[must_use]
pub fn input_inference(inference: &Inference, api: Api) -> Value {
    inference_json(inference, api)
}

fn forecast_json(forecast: &Forecast) -> Value {
    let elements: Vec<Value> = forecast
        .elements
        .iter()
        .map(|(inferer, value)| json!({"inferer": inferer, "value": value.plain()}))
        .collect();
    json!({
        "topic_id": forecast.topic_id.to_string(),
        "block_height": forecast.block_height.to_string(),
        "forecaster": forecast.forecaster,
        "forecast_elements": elements,
        "extra_data": bytes_or_null(&forecast.extra_data),
    })
}

fn bundle_json(bundle: &Bundle, api: Api) -> Value {
    json!({
        "inference": bundle.inference.as_ref().map(|i| inference_json(i, api)),
        "forecast": bundle.forecast.as_ref().map(forecast_json),
    })
}

fn insert_json(url: &str, insert: &Insert, api: Api) -> Value {
    let bundle = insert.bundle.as_ref().map(|bundle| {
        json!({
            "worker": bundle.worker,
            "nonce": bundle.nonce.map(|n| json!({"block_height": n.to_string()})),
            "topic_id": bundle.topic_id.to_string(),
            "inference_forecasts_bundle": bundle.content.as_ref().map(|b| bundle_json(b, api)),
            "inferences_forecasts_bundle_signature": bytes_or_null(&bundle.signature),
            "pubkey": bundle.pubkey,
        })
    });
    json!({"@type": url, "sender": insert.sender, "worker_data_bundle": bundle})
}

fn message_json(url: &str, message: &Message, api: Api) -> Value {
    match message {
        Message::Insert(insert) => insert_json(url, insert, api),
        Message::Register(m) => json!({
            "@type": url, "sender": m.sender, "topic_id": m.topic_id.to_string(),
            "owner": m.owner, "is_reputer": m.is_reputer,
        }),
        Message::RemoveRegistration(m) => json!({
            "@type": url, "sender": m.sender, "topic_id": m.topic_id.to_string(),
            "is_reputer": m.is_reputer,
        }),
        Message::Send(m) => json!({
            "@type": url, "from_address": m.from, "to_address": m.to, "amount": coins_json(&m.coins),
        }),
    }
}

fn coins_json(coins: &[(String, u128)]) -> Vec<Value> {
    coins
        .iter()
        .map(|(denom, amount)| json!({"denom": denom, "amount": amount.to_string()}))
        .collect()
}

/// A public key in the JSON of accounts and transactions.
#[must_use]
pub fn pubkey_json(key: Option<&[u8]>) -> Value {
    key.map_or(
        Value::Null,
        |key| json!({"@type": "/cosmos.crypto.secp256k1.PubKey", "key": bytes::base64(key)}),
    )
}

fn tx_json(tx: &Tx) -> Value {
    let api_of = |url: &str| {
        if url.starts_with("/emissions.v9.") {
            Api::V9
        } else {
            Api::V10
        }
    };
    let messages: Vec<Value> = tx
        .messages
        .iter()
        .map(|(url, m)| message_json(url, m, api_of(url)))
        .collect();
    json!({
        "body": {
            "messages": messages,
            "memo": tx.memo,
            "timeout_height": tx.timeout_height.to_string(),
            "extension_options": [],
            "non_critical_extension_options": [],
        },
        "auth_info": {
            "signer_infos": [{
                "public_key": pubkey_json(tx.pubkey.as_deref()),
                "mode_info": {"single": {"mode": "SIGN_MODE_DIRECT"}},
                "sequence": tx.sequence.to_string(),
            }],
            "fee": {
                "amount": coins_json(&tx.fee),
                "gas_limit": tx.gas_limit.to_string(),
                "payer": "",
                "granter": tx.granter.as_deref().unwrap_or_default(),
            },
            "tip": null,
        },
        "signatures": [bytes::base64(&tx.signature)],
    })
}

/// The encoded responses to a transaction's messages (`TxMsgData`).
#[must_use]
pub fn message_data(tx: &Tx) -> Vec<u8> {
    let mut out = Vec::new();
    for url in response_urls(tx) {
        let mut any = Vec::new();
        wire::put_bytes(&mut any, 1, url.as_bytes());
        wire::put_always(&mut out, 2, &any);
    }
    out
}

fn response_urls(tx: &Tx) -> impl Iterator<Item = String> + '_ {
    tx.messages
        .iter()
        .map(|(url, _)| format!("{}Response", url.strip_suffix("Request").unwrap_or(url)))
}

/// The decoded responses to a transaction's messages.
#[must_use]
pub fn message_responses(tx: &Tx) -> Vec<Value> {
    let responses = response_urls(tx).zip(&tx.messages);
    responses
        .map(|(url, (_, message))| match message {
            Message::Register(_) | Message::RemoveRegistration(_) => {
                json!({"@type": url, "success": false, "message": ""})
            }
            Message::Insert(_) | Message::Send(_) => json!({"@type": url}),
        })
        .collect()
}

/// The answer to `GET /cosmos/tx/v1beta1/txs/{hash}`.
#[must_use]
pub fn included_json(included: &Included) -> Value {
    let tx = included.tx.as_ref();
    let body = tx.map(tx_json).unwrap_or_default();
    let mut typed = body.clone();
    if typed.is_object() {
        typed["@type"] = "/cosmos.tx.v1beta1.Tx".into();
    }
    let data = tx
        .filter(|_| included.code == 0)
        .map(message_data)
        .unwrap_or_default();
    let events: Vec<Value> = included.events.iter().map(|e| e.json(true)).collect();
    json!({
        "tx": body,
        "tx_response": {
            "height": included.height.to_string(),
            "txhash": included.hash,
            "codespace": included.codespace,
            "code": included.code,
            "data": bytes::hex_upper(&data),
            "raw_log": included.raw_log,
            "logs": [],
            "info": "",
            "gas_wanted": tx.map_or(0, |t| t.gas_limit).to_string(),
            "gas_used": included.gas_used.to_string(),
            "tx": typed,
            "timestamp": timestamp::seconds(included.time),
            "events": events,
        },
    })
}

/// The answer to a broadcast (protocol.md section 3.5).
#[must_use]
pub fn broadcast_json(hash: &str, codespace: &str, code: u32, raw_log: &str) -> Value {
    json!({
        "tx_response": {
            "height": "0", "txhash": hash, "codespace": codespace, "code": code, "data": "",
            "raw_log": raw_log, "logs": [], "info": "", "gas_wanted": "0", "gas_used": "0",
            "tx": null, "timestamp": "", "events": [],
        },
    })
}
