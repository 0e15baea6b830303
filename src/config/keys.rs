//! What an unknown key may mean: a setting of another section, one of another worker of this network,
//! or a mistyped one.

use crate::text::nearest::nearest;

/// The settings that are not about one topic.
pub(super) const TOP: &[&str] = &[
    "$schema",
    "seed_phrase",
    "seed_phrase_file",
    "private_key_file",
    "fee_seed_phrase_file",
    "standby",
    "debug",
    "gas_adjustment",
    "max_fee_uallo",
    "max_fee_per_day_uallo",
    "fee_granter",
    "metrics_listen",
    "webhook_url",
    "webhook_headers",
    "webhook_after_misses",
    "log_format",
    "log_dir",
    "log_bytes_max",
    "log_files_kept",
    "network",
    "chain_id",
    "api_params",
    "topics",
];
pub(super) const STANDBY: &[&str] = &["role", "after_blocks"];
pub(super) const API_PARAMS: &[&str] = &[
    "api_url",
    "headers",
    "proxy",
    "tx_check_retries",
    "tx_check_freq",
];
pub(super) const TOPIC: &[&str] = &[
    "topic_id",
    "inference_url",
    "inference_headers",
    "inference_body",
    "value_pointer",
    "forecast_url",
    "forecast_headers",
    "forecast_body",
    "forecast_pointer",
    "inference_timeout",
    "nonce_fetch_freq",
    "inference_fetch_retries",
    "inference_fetch_retry_freq",
    "min",
    "max",
    "max_change",
    "max_deviation",
    "max_age",
    "time_pointer",
    "on_guard",
];

/// Settings of the official Go node.
const GO_NODE: [&str; 15] = [
    "wallet",
    "worker",
    "reputer",
    "topicId",
    "inferenceEntrypointName",
    "forecastEntrypointName",
    "loopSeconds",
    "parameters",
    "addressKeyName",
    "addressRestoreMnemonic",
    "alloraHomeDir",
    "nodeRpc",
    "nodeRPCs",
    "gasAdjustment",
    "submitTx",
];
/// Parameters of the official Python SDK.
const PYTHON_SDK: [&str; 8] = [
    "mnemonic",
    "mnemonic_file",
    "private_key",
    "wallet",
    "network_config",
    "websocket_url",
    "fee_minimum_gas_price",
    "inference_fn",
];

/// What is wrong with a key that the section does not know, and how to fix it.
pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    let sections = [
        (TOP, "at the top level of the file"),
        (API_PARAMS, "inside `api_params`"),
        (TOPIC, "inside a topic, in the list `topics`"),
    ];
    if let Some((_, place)) = sections.iter().find(|(keys, _)| keys.contains(&key)) {
        return format!("does not belong here; move it: it stands {place}");
    }
    let others = [(&GO_NODE[..], "Go node"), (&PYTHON_SDK, "Python SDK")];
    if let Some((_, worker)) = others.iter().find(|(keys, _)| keys.contains(&key)) {
        return format!(
            "unknown key; it is one of the official {worker}, whose settings have other names and \
             places here: type allora-worker import FILE, or see docs/migrating.md"
        );
    }
    match nearest(key, known.iter().copied()) {
        Some(name) => format!("unknown key; did you mean `{name}`?"),
        None => "unknown key; docs/configuration.md lists those that there are".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_gets_the_advice_that_fits() {
        for (key, known, advice) in [
            ("gas_adjustmnt", TOP, "did you mean `gas_adjustment`?"),
            ("api_url", TOP, "it stands inside `api_params`"),
            ("topic_id", TOP, "it stands inside a topic"),
            ("seed_phrase", API_PARAMS, "at the top level"),
            ("debug", TOPIC, "at the top level"),
            ("worker", TOP, "one of the official Go node"),
            ("topicId", TOPIC, "one of the official Go node"),
            ("mnemonic", TOP, "one of the official Python SDK"),
            ("xyz", TOP, "docs/configuration.md lists"),
        ] {
            let text = unknown(key, known);
            assert!(text.contains(advice), "{key}: {text}");
        }
    }
}
