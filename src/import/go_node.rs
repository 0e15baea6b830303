//! The official Go node: `wallet`, and a list `worker`. Names are in any case, as it reads them.

use serde_json::Value;

use super::{ForeignSection, ImportDraft, network_of};
use crate::http;
use crate::text::secret::{is_secret, unless_secret};
use crate::values::units::TopicId;

/// Settings of `wallet` that are not needed: windows are predicted, retries and delays follow from
/// them, and fees from the chain's prices.
const NOT_NEEDED: [&str; 7] = [
    "address",
    "alloraHomeDir",
    "gas",
    "maxRetries",
    "delay",
    "retryDelay",
    "accountSequenceRetryDelay",
];
/// The port of the API where that of the RPC is the usual one.
const PORTS: (&str, &str) = (":26657", ":1317");

pub(super) fn import(mut file: ForeignSection) -> ImportDraft {
    let mut draft = ImportDraft::new("the Go node");
    let mut wallet = file.section("wallet");
    read_node(&mut wallet, &mut draft);
    read_key(&mut wallet, &mut draft);
    if let Some(factor @ Value::Number(_)) = wallet.take("gasAdjustment") {
        draft.set("gas_adjustment", factor);
    }
    let fee = wallet.take("maxFees").and_then(|fee| fee.as_u64());
    if let Some(fee) = fee.filter(|fee| *fee > 0) {
        draft.set("max_fee_uallo", fee);
    }
    if wallet.take("submitTx") == Some(Value::Bool(false)) {
        draft.note("wallet.submitTx is false: the dry run here is `allora-worker check`");
    }
    wallet.drop_all(&NOT_NEEDED);
    draft.note_rest(&wallet);
    for worker in file.sections("worker") {
        read_worker(worker, &mut draft);
    }
    let reputers = file.sections("reputer").into_iter();
    for id in reputers.filter_map(|mut reputer| reputer.topic("topicId")) {
        draft.note(format!("reputers are not served: topic {id}"));
    }
    draft.note_rest(&file);
    draft
}

/// The network of the node, or the address of its API.
fn read_node(wallet: &mut ForeignSection, draft: &mut ImportDraft) {
    let first = |value: Value| match value {
        Value::Array(nodes) => nodes.into_iter().next(),
        node => Some(node),
    };
    let one = wallet.text("nodeRpc");
    let more = wallet.take("nodeRPCs").and_then(first);
    let node = one.or(more.and_then(|node| node.as_str().map(str::to_owned)));
    let Some(node) = node else {
        return draft.note("no node is named; set network or api_params.api_url");
    };
    if let Some(network) = network_of(&node) {
        return draft.set("network", network);
    }
    let (rpc, api) = PORTS;
    let url = node.trim_end_matches('/').replace(rpc, api);
    // why: user, password, path and query of a URL may be keys
    let shown = unless_secret(&http::origin(&url)).to_owned();
    draft.note(format!(
        "api_params.api_url is a guess ({shown}): the node's API (LCD) is needed, not its RPC; set \
         chain_id, so that nothing is signed for another chain"
    ));
    draft.set("api_params", serde_json::json!({"api_url": url}));
}

/// Where the key comes from. The seed phrase is not read, only whether there is one.
fn read_key(wallet: &mut ForeignSection, draft: &mut ImportDraft) {
    let name = wallet.text("addressKeyName");
    if wallet.text("addressRestoreMnemonic").is_some() {
        draft.set("seed_phrase_file", "seed_phrase");
        return draft.note(
            "write the seed phrase of wallet.addressRestoreMnemonic into the file seed_phrase beside the new \
             configuration, and type: chmod 600 seed_phrase",
        );
    }
    let is_plain = |name: &String| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            && !is_secret(name)
    };
    let name = name.filter(is_plain).unwrap_or("NAME".to_owned());
    draft.set("private_key_file", "private_key");
    draft.note(format!(
        "there is no mnemonic, so the key is in the node's keyring; write what `allorad keys export {name} \
         --unarmored-hex --unsafe` prints into the file private_key beside the new configuration, and \
         type: chmod 600 private_key"
    ));
}

fn read_worker(mut worker: ForeignSection, draft: &mut ImportDraft) {
    let Some(id) = worker.topic("topicId") else {
        let place = worker.place.trim_end_matches('.');
        return draft.note(format!("{place} has no topicId and is left out"));
    };
    let mut parameters = worker.section("parameters");
    let inference = parameters.text("InferenceEndpoint");
    let forecast = parameters.text("ForecastEndpoint");
    let mut members = Vec::new();
    let has_inferences = inference.is_some() || forecast.is_none();
    if has_inferences {
        let url = match inference {
            Some(url) => Value::from(filled(url, &mut parameters, id, draft)),
            None => draft.placeholder(id, "its adapter has no InferenceEndpoint"),
        };
        members.push(("inference_url", url));
    }
    if let Some(url) = forecast {
        let url = filled(url, &mut parameters, id, draft);
        members.push(("forecast_url", Value::from(url)));
    }
    draft.add(id, members);
    worker.drop_all(&[
        "inferenceEntrypointName",
        "forecastEntrypointName",
        "loopSeconds",
    ]);
    parameters.drop_all(&["Token"]);
    draft.note_rest(&parameters);
    draft.note_rest(&worker);
}

/// A URL with the parameters in their places. A parameter stays for the other URL.
fn filled(
    mut url: String,
    parameters: &mut ForeignSection,
    id: TopicId,
    draft: &mut ImportDraft,
) -> String {
    let own = [
        ("{TopicId}", "{topic_id}"),
        ("{BlockHeight}", "{block_height}"),
    ];
    for (theirs, ours) in own {
        url = url.replace(theirs, ours);
    }
    for (name, value) in &parameters.members {
        let text = match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        url = url.replace(&format!("{{{name}}}"), &text);
    }
    let rest = own
        .iter()
        .fold(url.clone(), |rest, (_, ours)| rest.replace(ours, ""));
    if rest.contains('{') {
        draft.note(format!(
            "topic {id}: a place in braces has no parameter; write it out"
        ));
    }
    url
}
