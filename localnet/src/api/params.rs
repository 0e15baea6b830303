//! The emissions module's parameters and topics as JSON (protocol.md section 3.4).

use serde_json::{Value, json};

use crate::chain::message::Api;
use crate::chain::state::Params;
use crate::chain::topic::{Arity, Topic};

/// The creator of every topic.
const CREATOR: &str = "allo1s8ep8425y5nqdjj3t5w8mm3kdsvkkt2afzu92v";

/// Parameters without effect here, with their defaults.
const FIXED: &[(&str, &str)] = &[
    ("version", "v10"),
    ("min_topic_weight", "100"),
    ("required_minimum_stake", "10000"),
    ("remove_stake_delay_window", "604800"),
    ("min_epoch_length", "12"),
    ("beta_entropy", "0.25"),
    ("learning_rate", "0.05"),
    ("max_gradient_threshold", "0.001"),
    ("min_stake_fraction", "0.5"),
    ("max_unfulfilled_worker_requests", "100"),
    ("max_unfulfilled_reputer_requests", "100"),
    ("topic_reward_stake_importance", "0.5"),
    ("topic_reward_fee_revenue_importance", "0.5"),
    ("topic_reward_alpha", "0.5"),
    ("task_reward_alpha", "0.1"),
    ("validators_vs_allora_percent_reward", "0.25"),
    ("max_samples_to_scale_scores", "10"),
    ("max_top_reputers_to_reward", "6"),
    ("create_topic_fee", "75000"),
    ("gradient_descent_max_iters", "10"),
    ("default_page_limit", "100"),
    ("max_page_limit", "1000"),
    ("min_epoch_length_record_limit", "3"),
    ("blocks_per_month", "864000"),
    ("p_reward_inference", "3"),
    ("p_reward_forecast", "3"),
    ("p_reward_reputer", "1"),
    ("c_reward_inference", "0.75"),
    ("c_reward_forecast", "0.75"),
    ("c_norm", "0.75"),
    ("epsilon_reputer", "0.01"),
    ("half_max_process_stake_removals_end_block", "40"),
    ("epsilon_safe_div", "0.0000001"),
    ("max_elements_per_forecast", "12"),
    ("max_active_topics_per_block", "1"),
    ("max_string_length", "255"),
    ("initial_regret_quantile", "0.25"),
    ("p_norm_safe_div", "8.25"),
    ("min_experienced_worker_regrets", "10"),
    ("inference_outlier_detection_threshold", "11"),
    ("inference_outlier_detection_alpha", "0.2"),
    ("lambda_initial_score", "2"),
    ("max_whitelist_input_array_length", "2000"),
    ("min_weight_threshold_for_stdnorm", "0.000001"),
];

/// Switches without effect here, which are on.
const FIXED_ON: &[&str] = &[
    "topic_creator_whitelist_enabled",
    "global_reputer_whitelist_enabled",
    "global_admin_whitelist_appended",
];

/// The answer to `/params`.
#[must_use]
pub fn params_json(params: &Params, api: Api) -> Value {
    let mut out = json!({});
    for (name, value) in FIXED {
        out[*name] = (*value).into();
    }
    for name in FIXED_ON {
        out[*name] = true.into();
    }
    let live = [
        (
            "registration_fee",
            params.registration_fee_uallo.to_string(),
        ),
        (
            "data_sending_fee",
            params.data_sending_fee_uallo.to_string(),
        ),
        (
            "max_top_inferers_to_reward",
            params.max_top_inferers.to_string(),
        ),
        (
            "max_top_forecasters_to_reward",
            params.max_top_forecasters.to_string(),
        ),
        (
            "max_serialized_msg_length",
            params.max_serialized_msg_bytes.to_string(),
        ),
    ];
    for (name, value) in live {
        out[name] = value.into();
    }
    out["global_whitelist_enabled"] = params.global_whitelist_enabled.into();
    out["global_worker_whitelist_enabled"] = params.global_worker_whitelist_enabled.into();
    if api == Api::V10 {
        out["max_canonical_label_byte_length"] = "64".into();
        out["max_topic_label_whitelist_size"] = "256".into();
        out["max_epoch_label_registry_size"] = params.max_epoch_labels.to_string().into();
    }
    json!({"params": out})
}

/// The answer to `/topics/{topic}`.
#[must_use]
pub fn topic_json(topic: &Topic, api: Api) -> Value {
    let mut out = json!({
        "id": topic.id.to_string(), "creator": CREATOR,
        "metadata": format!("topic {}", topic.id), "loss_method": "mse",
        "epoch_last_ended": topic.epoch_last_ended.to_string(),
        "epoch_length": topic.epoch_length.to_string(),
        "ground_truth_lag": topic.epoch_length.to_string(), "p_norm": "3", "alpha_regret": "0.1",
        "allow_negative": true, "epsilon": "0.01", "initial_regret": "0",
        "worker_submission_window": topic.window.to_string(), "merit_sortition_alpha": "0.1",
        "active_inferer_quantile": "0.25", "active_forecaster_quantile": "0.25",
        "active_reputer_quantile": "0.25", "c_norm": "0.75",
    });
    if api == Api::V10 {
        for (name, value) in arity_json(&topic.arity) {
            out[name] = value;
        }
    }
    json!({
        "topic": out, "weight": "31622769299261.198871303035618818970939",
        "effective_revenue": "99889419122939", "topic_stake": "10000000000000",
    })
}

fn arity_json(arity: &Arity) -> Vec<(&'static str, Value)> {
    let names = [
        "topic_type",
        "output_arity",
        "require_unity",
        "unity_tolerance",
        "max_labels_per_submission",
        "label_whitelist",
        "label_default_value",
        "label_case_sensitive",
    ];
    let values = match arity {
        Arity::Single => [
            json!("TOPIC_TYPE_REGRESSION"),
            json!("TOPIC_OUTPUT_ARITY_SINGLE"),
            json!(false),
            json!("0"),
            json!("100"),
            json!([]),
            json!("0"),
            json!(true),
        ],
        Arity::Multi(labels) => [
            json!("TOPIC_TYPE_CLASSIFICATION"),
            json!("TOPIC_OUTPUT_ARITY_MULTI"),
            json!(labels.require_unity),
            json!(labels.unity_tolerance.plain()),
            json!(labels.count_max.to_string()),
            json!(labels.whitelist),
            json!(labels.default_value.plain()),
            json!(labels.case_sensitive),
        ],
    };
    names.into_iter().zip(values).collect()
}
