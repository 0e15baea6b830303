//! Queries for closed nonces: their inferences and the network inference (protocol.md section 3.3).

use serde_json::{Value, json};

use crate::api::query_error::QueryError;
use crate::api::tx_json;
use crate::chain::message::{Api, Inference};
use crate::chain::state::State;
use crate::chain::topic::Topic;

/// Fields of the bundle that are always empty here.
const EMPTY: [&str; 5] = [
    "forecaster_values",
    "one_out_inferer_values",
    "one_out_forecaster_values",
    "one_in_forecaster_values",
    "one_out_inferer_forecaster_values",
];

/// The inferences of a closed nonce.
pub(crate) fn inferences(state: &State, list: &[Inference]) -> Value {
    let item = |inference: &Inference| {
        let mut out = tx_json::input_inference(inference, state.api);
        if state.api == Api::V10
            && let Some(fields) = out.as_object_mut()
        {
            fields.remove("value");
            let values = Topic::values_of(inference);
            let values: Vec<Value> = values.iter().map(|(_, v)| v.plain().into()).collect();
            fields.insert("values".to_owned(), values.into());
        }
        out
    };
    json!({"inferences": list.iter().map(item).collect::<Vec<_>>()})
}

/// The network inference of the last closed nonce. With several inferers it is simply the first
/// one's value, since nothing here depends on the combination.
///
/// # Errors
/// For topic 0. A topic that does not exist has an empty bundle.
pub(crate) fn latest(
    state: &State,
    topic: Option<&Topic>,
    topic_id: u64,
) -> Result<Value, QueryError> {
    if topic_id == 0 {
        let text = "codespace sdk code 29: invalid type: topic id cannot be zero";
        return Err(QueryError::new(2, text));
    }
    let last = topic.and_then(|t| t.network.last_key_value());
    let nonce = last.map_or(0, |(nonce, _)| *nonce).to_string();
    let list = last.map_or(&[][..], |(_, list)| list.as_slice());
    let mut out = match state.api {
        Api::V9 => plain_bundle(&nonce, list),
        Api::V10 => labelled_bundle(&nonce, list),
    };
    out["topic_id"] = topic_id.to_string().into();
    for name in EMPTY {
        out[name] = json!([]);
    }
    Ok(json!({"network_inferences": out, "inference_block_height": nonce}))
}

fn labelled_bundle(nonce: &str, list: &[Inference]) -> Value {
    let combined = list.first().map_or_else(|| json!([]), labelled);
    let of_one = |i: &Inference| json!({"worker": i.inferer, "values": labelled(i)});
    json!({
        "nonce": nonce, "combined_value": combined, "naive_value": combined,
        "inferer_values": list.iter().map(of_one).collect::<Vec<_>>(),
    })
}

fn labelled(inference: &Inference) -> Value {
    let mut out = Vec::new();
    for (index, (name, value)) in Topic::values_of(inference).iter().enumerate() {
        out.push(json!({"label_id": index + 1, "label_name": name, "value": value.plain()}));
    }
    out.into()
}

fn plain_bundle(nonce: &str, list: &[Inference]) -> Value {
    let combined = list
        .first()
        .map_or_else(|| "0".to_owned(), |i| i.value.plain());
    let of_one = |i: &Inference| json!({"worker": i.inferer, "value": i.value.plain()});
    json!({
        "reputer_request_nonce": {"reputer_nonce": {"block_height": nonce}},
        "reputer": "", "extra_data": null, "combined_value": combined, "naive_value": combined,
        "inferer_values": list.iter().map(of_one).collect::<Vec<_>>(),
    })
}
