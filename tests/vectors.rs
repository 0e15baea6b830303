//! Golden vectors: transactions and decimals made by the chain's own code, which the worker must
//! reproduce byte for byte. Besides the recorded files, every `signed-tx*.jsonl` and
//! `decimal*.jsonl` in the folder `ALLORA_VECTORS_DIR` is read.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic that says where"
)]

use std::fmt::{Debug, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use allora_worker::sign::messages;
use allora_worker::sign::seed_phrase::SeedPhrase;
use allora_worker::sign::signers::Signers;
use allora_worker::sign::tx::{self, Envelope, Message, SignedTx};
use allora_worker::sign::wallet::Wallet;
use allora_worker::values::decimal::Decimal;
use allora_worker::values::payload::{ForecastElement, Inference, LabelledValue, Payload};
use allora_worker::values::units::{
    AccountNumber, ApiVersion, Gas, Height, Nonce, Sequence, TopicId, Uallo,
};
use cosmrs::proto::cosmos::tx::v1beta1::{SignDoc, TxRaw};
use cosmrs::tendermint::crypto::{Sha256 as _, default::Sha256};
use prost::Message as _;
use serde_json::Value;

/// The number of recorded lines; if fewer are read, a test has lost its data.
const SIGNED_TX_LINES_MIN: usize = 60;
const DECIMAL_LINES_MIN: usize = 388;

/// One line of a vector file and the mismatches found in it.
struct Line {
    place: String,
    value: Value,
    failures: Vec<String>,
}

impl Line {
    fn text(&self, field: &str) -> &str {
        let place = &self.place;
        self.value[field]
            .as_str()
            .unwrap_or_else(|| panic!("{place}: {field}: not a text"))
    }

    fn has(&self, field: &str) -> bool {
        self.value.get(field).is_some_and(|value| !value.is_null())
    }

    /// A field that the files write as a JSON number or as text.
    fn number<T: std::str::FromStr>(&self, field: &str) -> T {
        let text = match &self.value[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let place = &self.place;
        text.parse()
            .unwrap_or_else(|_| panic!("{place}: {field}: `{text}` is not a valid number"))
    }

    fn expect<T: PartialEq + Debug>(&mut self, field: &str, ours: T, theirs: T) {
        if ours != theirs {
            let place = &self.place;
            self.failures.push(format!(
                "{place}: {field}: ours {ours:?}, the chain's {theirs:?}"
            ));
        }
    }

    fn expect_hex(&mut self, field: &str, ours: &[u8]) {
        let theirs = self.text(field).to_lowercase();
        self.expect(field, hex(ours), theirs);
    }
}

/// Checks every line of the recorded and the additional files whose name starts with `kind`.
fn check_all(kind: &str, lines_min: usize, check: impl Fn(&mut Line)) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut read = 0;
    let mut failures = Vec::new();
    for path in vector_files(&own, kind) {
        read += check_file(&path, &check, &mut failures);
    }
    assert!(
        read >= lines_min,
        "only {read} lines of {kind} in {}",
        own.display()
    );
    if let Some(folder) = std::env::var_os("ALLORA_VECTORS_DIR") {
        for path in vector_files(Path::new(&folder), kind) {
            read += check_file(&path, &check, &mut failures);
        }
    }
    println!("{kind}: {read} lines read");
    let shown = failures
        .iter()
        .take(20)
        .map(|failure| format!("\n  {failure}"));
    let shown: String = shown.collect();
    assert!(
        failures.is_empty(),
        "{} of {read} checks of {kind} failed:{shown}",
        failures.len()
    );
}

fn check_file(path: &Path, check: impl Fn(&mut Line), failures: &mut Vec<String>) -> usize {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut read = 0;
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let place = format!("{}:{}", path.display(), index + 1);
        let value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{place}: {e}"));
        let mut line = Line {
            place,
            value,
            failures: Vec::new(),
        };
        check(&mut line);
        failures.append(&mut line.failures);
        read += 1;
    }
    read
}

fn vector_files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.starts_with(kind) && name.ends_with(".jsonl")
        })
        .collect();
    files.sort();
    files
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn parses_every_recorded_decimal_as_the_chain_does() {
    check_all("decimal", DECIMAL_LINES_MIN, |line| {
        let input = line.text("input").to_owned();
        let ours = Decimal::parse(&input)
            .ok()
            .map(|decimal| decimal.to_string());
        // The chain reads an empty text as 0; the worker rejects it, since no model means 0 by it.
        let theirs = line.value["canonical"]
            .as_str()
            .filter(|_| !input.is_empty());
        line.expect("canonical", ours, theirs.map(str::to_owned));
    });
}

#[test]
fn signs_every_recorded_transaction_as_the_chain_does() {
    check_all("signed-tx", SIGNED_TX_LINES_MIN, |line| {
        let wallet = Wallet::new(&SeedPhrase::parse(line.text("mnemonic")).unwrap()).unwrap();
        let signers = Signers::from(wallet);
        let wallet = signers.worker();
        line.expect(
            "address",
            wallet.address().to_owned(),
            line.text("address").to_owned(),
        );
        line.expect_hex("pubkey_hex", &wallet.public_key());

        let topic = TopicId(line.number("topic_id"));
        let payload = payload(line);
        let nonce = payload.as_ref().map(|_| Nonce(line.number("nonce")));
        let message = match (&payload, nonce) {
            (Some(payload), Some(nonce)) => Message::Payload {
                topic,
                nonce,
                payload,
            },
            _ => Message::Register { topic },
        };
        if let (Some(payload), Some(nonce)) = (&payload, nonce) {
            let bundle = messages::bundle_bytes(wallet.address(), topic, nonce, payload);
            line.expect_hex("bundle_hex", &bundle);
            line.expect_hex("bundle_signature_hex", &wallet.sign(&bundle));
        }
        let signed = sign(line, &signers, &message);
        line.expect_hex("sign_doc_sha256", &sign_doc_hash(line, &signed));
        line.expect_hex("tx_bytes_hex", &signed.bytes);
        line.expect(
            "txhash",
            signed.hash.to_string(),
            line.text("txhash").to_owned(),
        );
    });
}

/// The payload that the line submits; `None` for a registration.
fn payload(line: &Line) -> Option<Payload> {
    let decimal = |text: &str| {
        Decimal::parse(text).unwrap_or_else(|e| panic!("{}: value: `{text}`: {e}", line.place))
    };
    let pairs = |field: &str| -> Vec<(String, Decimal)> {
        let list = line.value[field]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let text = |pair: &Value, key: &str| pair[key].as_str().unwrap().to_owned();
        list.iter()
            .map(|pair| (text(pair, "label"), decimal(&text(pair, "value"))))
            .collect()
    };
    let kind = line.text("kind");
    let inference = match kind {
        "register" => return None,
        "labelled" => {
            let values = pairs("values").into_iter();
            let values = values.map(|(label, value)| LabelledValue {
                label: label.into(),
                value,
            });
            Some(Inference::Labelled(values.collect()))
        }
        "inference" | "inference+forecast" | "forecast" => line
            .has("value")
            .then(|| Inference::Value(decimal(line.text("value")))),
        other => panic!("{}: kind: unknown kind `{other}`", line.place),
    };
    let forecast = pairs("forecast").into_iter();
    let forecast = forecast.map(|(inferer, value)| ForecastElement { inferer, value });
    Some(Payload::new(inference, forecast.collect()).unwrap())
}

fn sign(line: &Line, signers: &Signers, message: &Message<'_>) -> SignedTx {
    let api = match line.text("api") {
        "v9" => ApiVersion::V9,
        "v10" => ApiVersion::V10,
        other => panic!("{}: api: unknown version `{other}`", line.place),
    };
    let envelope = Envelope {
        granter: None,
        api,
        chain_id: line.text("chain_id"),
        account_number: AccountNumber(line.number("account_number")),
        sequence: Sequence(line.number("sequence")),
        gas_limit: Gas(line.number("gas_limit")),
        fee: Uallo(line.number("fee_uallo")),
        timeout_height: Height(line.number("timeout_height")),
        memo: line.text("memo"),
    };
    tx::sign(signers, message, &envelope)
}

/// The SHA-256 of the document that the transaction's signature covers, rebuilt from its parts.
fn sign_doc_hash(line: &Line, signed: &SignedTx) -> [u8; 32] {
    let raw = TxRaw::decode(signed.bytes.as_slice()).unwrap();
    let document = SignDoc {
        body_bytes: raw.body_bytes,
        auth_info_bytes: raw.auth_info_bytes,
        chain_id: line.text("chain_id").to_owned(),
        account_number: line.number("account_number"),
    };
    Sha256::digest(document.encode_to_vec())
}
