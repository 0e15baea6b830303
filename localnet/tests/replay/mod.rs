//! Reads recorded answers, sends the same requests to a simulated chain, and compares.

use std::path::Path;
use std::time::SystemTime;

use allora_localnet::api::routes::{self, Twist};
use allora_localnet::chain::Chain;
use allora_localnet::chain::bytes;
use allora_localnet::chain::tx;
use allora_localnet::chain::wire;
use allora_localnet::server::answer::Request;
use serde_json::Value;

/// Values that depend on the recorded chain: only their presence and type are compared.
const OWN_VALUES: &[&str] = &[
    "app_hash",
    "channels",
    "consensus_hash",
    "creator",
    "data_hash",
    "default_node_id",
    "effective_revenue",
    "evidence_hash",
    "go_version",
    "ground_truth_lag",
    "hash",
    "last_commit_hash",
    "last_results_hash",
    "listen_addr",
    "metadata",
    "moniker",
    "next_validators_hash",
    "proposer_address",
    "rpc_address",
    "signature",
    "time",
    "timestamp",
    "topic_stake",
    "validator_address",
    "validator_hash",
    "validators_hash",
    "weight",
];
/// Attributes of events that depend on the recorded chain's gas or proposer.
const OWN_ATTRIBUTES: &[&str] = &["amount", "fee", "tip", "tip_payee", "receiver", "recipient"];

/// One recorded request and its answer.
pub(crate) struct Case {
    pub name: String,
    method: String,
    path: String,
    request: Value,
    status: u64,
    height: Option<u64>,
    pub response: Value,
}

impl Case {
    /// The transaction in the request.
    pub(crate) fn request_tx(&self) -> Vec<u8> {
        bytes::unbase64(self.request["tx_bytes"].as_str().unwrap()).unwrap()
    }

    fn request(&self) -> Request {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        Request {
            method: self.method.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            height: None,
            head: String::new(),
            body: if self.request.is_null() {
                Vec::new()
            } else {
                self.request.to_string().into()
            },
        }
    }
}

/// All recorded cases, in the order of the file.
pub(crate) fn cases() -> Vec<Case> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lcd.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| case(&serde_json::from_str(line).unwrap()))
        .collect()
}

fn case(line: &Value) -> Case {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    Case {
        name: text("case"),
        method: text("method"),
        path: text("path"),
        request: line["request"].clone(),
        status: line["status"].as_u64().unwrap(),
        height: line["height_header"].as_str().map(|h| h.parse().unwrap()),
        response: line["response"].clone(),
    }
}

/// Replays every case, each after the same number of blocks as on the recorded chain.
pub(crate) fn replay(chain: &mut Chain, cases: &[Case]) {
    for (index, case) in cases.iter().enumerate() {
        // An answer without a height belongs to the height of the next answer that has one.
        let height = cases[index..]
            .iter()
            .find_map(|later| later.height)
            .unwrap_or(0);
        while chain.state.height < height {
            chain.make_block(SystemTime::now());
        }
        let answer = routes::answer(chain, 0, &case.request(), Twist::default());
        let name = &case.name;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(u64::from(answer.status), case.status, "{name}: {body}");
        assert_eq!(answer.height, case.height, "{name}: height header");
        if let Err(difference) = compare("", &case.response, &body) {
            panic!(
                "{name}: {difference}\nrecorded: {}\nhere: {body}",
                case.response
            );
        }
    }
}

/// Compares a recorded value with the simulated chain's.
pub(crate) fn compare(path: &str, recorded: &Value, ours: &Value) -> Result<(), String> {
    let key = path.rsplit('.').next().unwrap_or_default();
    match (recorded, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let (keys, others): (Vec<_>, Vec<_>) = (a.keys().collect(), b.keys().collect());
            if keys != others {
                return Err(format!("{path}: keys {keys:?} here {others:?}"));
            }
            let own = a.get("key").and_then(Value::as_str);
            if own.is_some_and(|key| OWN_ATTRIBUTES.contains(&key)) {
                return compare(&format!("{path}.key"), &a["key"], &b["key"]);
            }
            a.iter()
                .try_for_each(|(k, v)| compare(&format!("{path}.{k}"), v, &b[k]))
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Err(format!("{path}: {} entries, here {}", a.len(), b.len()));
            }
            a.iter()
                .zip(b)
                .try_for_each(|(a, b)| compare(&format!("{path}[]"), a, b))
        }
        (Value::String(_), Value::String(_)) if OWN_VALUES.contains(&key) => Ok(()),
        (Value::String(a), Value::String(b)) if key == "gas_used" => near(path, a, b),
        (Value::String(a), Value::String(b)) if without_gas(a) == without_gas(b) => Ok(()),
        (a, b) if a == b => Ok(()),
        (a, b) => Err(format!("{path}: {a} here {b}")),
    }
}

/// Gas may differ by 2 %, because the recorded chain's gas depends on more of its state.
fn near(path: &str, a: &str, b: &str) -> Result<(), String> {
    let (x, y): (u64, u64) = (a.parse().unwrap(), b.parse().unwrap());
    if x.abs_diff(y) * 50 <= x {
        return Ok(());
    }
    Err(format!("{path}: gas {x} here {y}"))
}

/// A text without the gas that it names at its end or, for a fee, in its middle.
fn without_gas(text: &str) -> String {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut out = text.to_owned();
    for mark in ["with gas used: '", "gasUsed: ", ", gas: "] {
        if let Some(at) = out.find(mark) {
            let start = at + mark.len();
            let end = start + digits(&out[start..]);
            out.replace_range(start..end, "N");
        }
    }
    // Where the gas ran out is an internal detail of the chain.
    out
}

/// A transaction's bytes, rebuilt from its JSON. The recorded hash confirms them.
pub(crate) fn raw_tx(json: &Value) -> Vec<u8> {
    let (body, auth) = (&json["body"], &json["auth_info"]);
    let number = |v: &Value| v.as_str().unwrap().parse::<u64>().unwrap();
    let mut body_bytes = Vec::new();
    wire::put_always(&mut body_bytes, 1, &any_message(&body["messages"][0]));
    wire::put_bytes(
        &mut body_bytes,
        2,
        body["memo"].as_str().unwrap().as_bytes(),
    );
    wire::put_u64(&mut body_bytes, 3, number(&body["timeout_height"]));

    let signer = &auth["signer_infos"][0];
    let key = bytes::unbase64(signer["public_key"]["key"].as_str().unwrap()).unwrap();
    let key = message(|out| wire::put_bytes(out, 1, &key));
    let any = any("/cosmos.crypto.secp256k1.PubKey", &key);
    let direct = message(|out| wire::put_u64(out, 1, 1));
    let mode = message(|out| wire::put_always(out, 1, &direct));
    let signer_info = message(|out| {
        wire::put_always(out, 1, &any);
        wire::put_always(out, 2, &mode);
        wire::put_u64(out, 3, number(&signer["sequence"]));
    });
    let coin = message(|out| {
        wire::put_bytes(out, 1, b"uallo");
        wire::put_bytes(
            out,
            2,
            auth["fee"]["amount"][0]["amount"]
                .as_str()
                .unwrap()
                .as_bytes(),
        );
    });
    let fee = message(|out| {
        wire::put_always(out, 1, &coin);
        wire::put_u64(out, 2, number(&auth["fee"]["gas_limit"]));
    });
    let auth_bytes = message(|out| {
        wire::put_always(out, 1, &signer_info);
        wire::put_always(out, 2, &fee);
    });
    let signature = bytes::unbase64(json["signatures"][0].as_str().unwrap()).unwrap();
    message(|out| {
        wire::put_always(out, 1, &body_bytes);
        wire::put_always(out, 2, &auth_bytes);
        wire::put_always(out, 3, &signature);
    })
}

fn message(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    fill(&mut out);
    out
}

fn any(url: &str, value: &[u8]) -> Vec<u8> {
    message(|out| {
        wire::put_bytes(out, 1, url.as_bytes());
        wire::put_bytes(out, 2, value);
    })
}

fn any_message(json: &Value) -> Vec<u8> {
    let text = |name: &str| json[name].as_str().unwrap().as_bytes().to_vec();
    let number = |v: &Value| v.as_str().unwrap().parse::<u64>().unwrap();
    let value = if json["owner"].is_string() {
        message(|out| {
            wire::put_bytes(out, 1, &text("sender"));
            wire::put_u64(out, 4, number(&json["topic_id"]));
            wire::put_bytes(out, 5, &text("owner"));
        })
    } else {
        let bundle = &json["worker_data_bundle"];
        let inference = &bundle["inference_forecasts_bundle"]["inference"];
        let signature = bundle["inferences_forecasts_bundle_signature"]
            .as_str()
            .unwrap();
        let nonce = message(|out| wire::put_u64(out, 1, number(&bundle["nonce"]["block_height"])));
        let inner = message(|out| {
            wire::put_u64(out, 1, number(&inference["topic_id"]));
            wire::put_u64(out, 2, number(&inference["block_height"]));
            wire::put_bytes(out, 3, inference["inferer"].as_str().unwrap().as_bytes());
            wire::put_bytes(out, 4, inference["value"].as_str().unwrap().as_bytes());
        });
        let content = message(|out| wire::put_always(out, 1, &inner));
        let bundle = message(|out| {
            wire::put_bytes(out, 1, bundle["worker"].as_str().unwrap().as_bytes());
            wire::put_always(out, 2, &nonce);
            wire::put_u64(out, 3, number(&bundle["topic_id"]));
            wire::put_always(out, 4, &content);
            wire::put_bytes(out, 5, &bytes::unbase64(signature).unwrap());
            wire::put_bytes(out, 6, bundle["pubkey"].as_str().unwrap().as_bytes());
        });
        message(|out| {
            wire::put_bytes(out, 1, &text("sender"));
            wire::put_always(out, 2, &bundle);
        })
    };
    any(json["@type"].as_str().unwrap(), &value)
}

#[test]
fn rebuilt_transactions_have_their_recorded_hash() {
    for case in cases().iter().filter(|c| c.response["tx"].is_object()) {
        let message = &case.response["tx"]["body"]["messages"][0];
        let bundle = &message["worker_data_bundle"]["inference_forecasts_bundle"];
        let values = &bundle["inference"]["values"];
        if values.as_array().is_none_or(Vec::is_empty) {
            let hash = tx::hash(&raw_tx(&case.response["tx"]));
            assert_eq!(
                case.response["tx_response"]["txhash"], hash,
                "{}",
                case.name
            );
        }
    }
}
