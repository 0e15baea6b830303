//! The runner of the official Python SDK: `wallet`, `network`, and a list `workers` with a role each.

use serde_json::Value;

use super::{ForeignSection, ImportDraft, network_of};
use crate::values::units::TopicId;

/// Settings of a worker that are not needed: windows are predicted, and fees follow from the chain's
/// prices.
const NOT_NEEDED: [&str; 4] = [
    "fee_tier",
    "polling_interval",
    "max_unfulfilled_nonces",
    "debug",
];

/// A model of a topic: the names of its settings there and here.
struct ModelNames {
    name: &'static str,
    source: &'static str,
    url: &'static str,
    pointer: &'static str,
    body: &'static str,
}

const INFERENCE: ModelNames = ModelNames {
    name: "inference",
    source: "inference_source",
    url: "inference_url",
    pointer: "value_pointer",
    body: "inference_body",
};
const FORECAST: ModelNames = ModelNames {
    name: "forecast",
    source: "forecast_source",
    url: "forecast_url",
    pointer: "forecast_pointer",
    body: "forecast_body",
};

pub(super) fn import(mut file: ForeignSection) -> ImportDraft {
    let mut draft = ImportDraft::new("the Python SDK's runner");
    let mut network = file.section("network");
    read_network(&mut network, &mut draft);
    let mut wallet = file.section("wallet");
    read_wallet(&mut wallet, &mut draft);
    for mut worker in file.sections("workers") {
        let role = worker.text("role").unwrap_or_default();
        let Some(id) = worker.topic("topic_id") else {
            let place = worker.place.trim_end_matches('.');
            draft.note(format!("{place} has no topic_id and is left out"));
            continue;
        };
        match role.as_str() {
            "inferer" => read_model(worker, id, &INFERENCE, &mut draft),
            "forecaster" => read_model(worker, id, &FORECAST, &mut draft),
            "reputer" => draft.note(format!("reputers are not served: topic {id}")),
            _ => draft.note(format!(
                "a worker of topic {id} has no role that is known, and is left out"
            )),
        }
    }
    for section in [&network, &wallet, &file] {
        draft.note_rest(section);
    }
    draft
}

fn read_network(network: &mut ForeignSection, draft: &mut ImportDraft) {
    let chain_id = network.text("chain_id").unwrap_or_default();
    let url = network.text("url").unwrap_or_default();
    network.drop_all(&["websocket_url", "faucet_url", "fee_denom"]);
    if let Some(name) = network_of(&chain_id).or_else(|| network_of(&url)) {
        return draft.set("network", name);
    }
    if !chain_id.is_empty() {
        draft.set("chain_id", chain_id);
    }
    // The SDK names the kind of the address in front of its scheme.
    match url.strip_prefix("rest+") {
        Some(url) => draft.set("api_params", serde_json::json!({"api_url": url})),
        None => draft.note(
            "network.url is not a REST address; set api_params.api_url to the node's API (LCD)",
        ),
    }
}

/// Where the key comes from. The secrets are not read, only whether they are there.
fn read_wallet(wallet: &mut ForeignSection, draft: &mut ImportDraft) {
    let (words, key) = (wallet.text("mnemonic"), wallet.text("private_key"));
    if let Some(file) = wallet.text("mnemonic_file") {
        draft.set("seed_phrase_file", file);
        draft
            .note("the file of wallet.mnemonic_file must be readable by its owner only: chmod 600");
    } else if words.is_some() {
        draft.set("seed_phrase_file", "seed_phrase");
        draft.note(
            "write the seed phrase of wallet.mnemonic into the file seed_phrase beside the new \
             configuration, and type: chmod 600 seed_phrase",
        );
    } else if key.is_some() {
        draft.set("private_key_file", "private_key");
        draft.note(
            "write the private key of wallet.private_key into the file private_key beside the new \
             configuration, and type: chmod 600 private_key",
        );
    } else {
        draft.note("no key is named; set seed_phrase_file or private_key_file");
    }
}

fn read_model(mut worker: ForeignSection, id: TopicId, kind: &ModelNames, draft: &mut ImportDraft) {
    let mut source = worker.section(kind.source);
    let is_function = worker.text("run_ref").is_some() || source.text("ref").is_some();
    let type_is_api = source.text("type").is_none_or(|name| name == "api");
    let url = source.text("url").filter(|_| type_is_api);
    let mut members = Vec::new();
    match url {
        Some(url) => {
            let url = url.replace("{nonce}", "{block_height}");
            members.push((kind.url, Value::from(url)));
        }
        None => {
            let why = if is_function {
                "made by a Python function"
            } else {
                "not asked at a URL"
            };
            let why = format!("its {} is {why}", kind.name);
            members.push((kind.url, draft.placeholder(id, &why)));
        }
    }
    if let Some(field) = source.text("response_field") {
        let pointer = format!("/{}", field.replace('.', "/"));
        members.push((kind.pointer, Value::from(pointer)));
    }
    let is_post = source
        .text("method")
        .is_some_and(|method| method.eq_ignore_ascii_case("POST"));
    if is_post {
        let body = source.take("payload_template").filter(Value::is_object);
        members.push((kind.body, body.unwrap_or(Value::Object(Default::default()))));
        draft.note(format!(
            "topic {id}: look at {}: its places in braces are {{topic_id}} and {{block_height}}",
            kind.body
        ));
    }
    draft.add(id, members);
    worker.drop_all(&NOT_NEEDED);
    draft.note_rest(&source);
    draft.note_rest(&worker);
}
