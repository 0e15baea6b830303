//! The emissions module's queries (protocol.md section 3.2).

use serde_json::{Value, json};

use crate::api::network;
use crate::api::params;
use crate::api::query_error::{QueryError, Reply, path_u64};
use crate::api::tx_json;
use crate::chain::bech32;
use crate::chain::message::Api;
use crate::chain::state::State;
use crate::chain::topic::{Score, Topic};
use crate::server::answer::Request;

/// The routes of [`set_up`].
const SET_UP: [&str; 7] = [
    "topics",
    "open_worker_submission_windows",
    "topic_exists",
    "is_topic_active",
    "next_churning_block_by_topic_id",
    "unfulfilled_worker_nonces",
    "is_topic_worker_whitelist_enabled",
];

/// Answers a path below `/emissions/{version}`.
///
/// # Errors
/// The gateway's or the module's error.
pub fn answer(state: &State, request: &Request, path: &[&str]) -> Reply {
    match path {
        ["params"] => Ok(params::params_json(&state.params, state.api)),
        ["next_topic_id"] => {
            let next = state.topics.keys().last().map_or(1, |id| id + 1);
            Ok(json!({"next_topic_id": next.to_string()}))
        }
        [name, id] => of_topic(state, request, name, id),
        [name, id, last] => of_topic_and(state, name, id, last),
        ["topics", id, "workers", worker, name] => stored_inference(state, id, worker, name),
        _ => Err(QueryError::not_implemented()),
    }
}

fn of_topic(state: &State, request: &Request, name: &str, id: &str) -> Reply {
    match name {
        "is_whitelisted_global_worker" => {
            let listed = state.params.global_workers.contains(address(id)?);
            Ok(json!({"is_whitelisted_global_worker": listed}))
        }
        "is_whitelisted_global_actor" => {
            let listed = state.params.global_actors.contains(address(id)?);
            Ok(json!({"is_whitelisted_global_actor": listed}))
        }
        "worker_submission_window_status" => {
            let topic = state.topics.get(&path_u64("topic_id", id)?);
            window_status(state, topic, request)
        }
        "latest_inferences"
        | "initial_inferer_ema_score"
        | "current_lowest_inferer_score"
        | "latest_network_inferences"
        | "latest_network_inferences_outlier_resistant" => scores_and_results(state, name, id),
        _ => set_up(state, name, id),
    }
}

/// Queries for a topic and its open nonces.
fn set_up(state: &State, name: &str, id: &str) -> Reply {
    // The gateway parses the id only on routes that exist.
    if !SET_UP.contains(&name) {
        return Err(QueryError::not_implemented());
    }
    let topic = state.topics.get(&path_u64("topic_id", id)?);
    Ok(match name {
        "topics" => params::topic_json(existing(topic, "error getting topic")?, state.api),
        "open_worker_submission_windows" => {
            let topic = existing(topic, &format!("error getting topic {id}"))?;
            nonces(
                &topic
                    .open_nonce(state.height)
                    .into_iter()
                    .collect::<Vec<u64>>(),
            )
        }
        "topic_exists" => json!({"exists": topic.is_some()}),
        "is_topic_active" => json!({"is_active": topic.is_some_and(|t| t.active)}),
        "next_churning_block_by_topic_id" => {
            let next = topic.and_then(Topic::next_open).unwrap_or(0);
            json!({"block_height": next.to_string()})
        }
        "unfulfilled_worker_nonces" => nonces(topic.map_or(&[][..], |t| t.unfulfilled.as_slice())),
        _ => {
            let enabled = topic.is_some_and(|t| t.whitelist.is_some());
            json!({"is_topic_worker_whitelist_enabled": enabled})
        }
    })
}

/// Queries for scores and for the results of closed nonces.
fn scores_and_results(state: &State, name: &str, id: &str) -> Reply {
    let topic_id = path_u64("topic_id", id)?;
    let topic = state.topics.get(&topic_id);
    match name {
        "latest_inferences" => {
            let last = found(topic, topic_id)?.network.last_key_value();
            let nonce = last.map_or(0, |(nonce, _)| *nonce);
            let list = last.map_or(&[][..], |(_, list)| list.as_slice());
            let list = network::inferences(state, list);
            Ok(json!({"inferences": list, "block_height": nonce.to_string()}))
        }
        "initial_inferer_ema_score" => {
            found(topic, topic_id)?;
            Ok(json!({"score": "0"}))
        }
        "current_lowest_inferer_score" => lowest(found(topic, topic_id)?, topic_id),
        _ => network::latest(state, topic, topic_id),
    }
}

fn of_topic_and(state: &State, name: &str, id: &str, last: &str) -> Reply {
    match name {
        "is_worker_nonce_unfulfilled" | "inferences" => of_nonce(state, name, id, last),
        "worker_registered"
        | "can_submit_worker_payload"
        | "is_whitelisted_topic_worker"
        | "inferer_score_ema"
        | "forecaster_score_ema" => of_worker(state, name, id, last),
        _ => Err(QueryError::not_implemented()),
    }
}

fn of_nonce(state: &State, name: &str, id: &str, nonce: &str) -> Reply {
    let topic_id = path_u64("topic_id", id)?;
    let nonce = path_u64("block_height", nonce)?;
    let topic = state.topics.get(&topic_id);
    if name == "inferences" {
        let list = found(topic, topic_id)?.network.get(&nonce);
        let list = list.map_or(&[][..], Vec::as_slice);
        return Ok(json!({"inferences": network::inferences(state, list)}));
    }
    let open = topic.is_some_and(|t| t.unfulfilled.contains(&nonce));
    Ok(json!({"is_worker_nonce_unfulfilled": open}))
}

fn of_worker(state: &State, name: &str, id: &str, worker: &str) -> Reply {
    let topic_id = path_u64("topic_id", id)?;
    let worker = address(worker)?;
    let topic = state.topics.get(&topic_id);
    let score = |score: Option<&Score>| {
        let score = score.copied().unwrap_or_default();
        json!({"score": score_json(topic_id, worker, score)})
    };
    match name {
        "worker_registered" => {
            let registered = found(topic, topic_id)?.workers.contains_key(worker);
            Ok(json!({"is_registered": registered}))
        }
        "can_submit_worker_payload" => {
            let can = state.can_submit(topic_id, worker);
            Ok(json!({"can_submit_worker_payload": can}))
        }
        "is_whitelisted_topic_worker" => {
            let list = topic.and_then(|t| t.whitelist.as_ref());
            let listed = list.is_some_and(|list| list.contains(worker));
            Ok(json!({"is_whitelisted_topic_worker": listed}))
        }
        "inferer_score_ema" => Ok(score(topic.and_then(|t| t.scores.get(worker)))),
        _ => Ok(score(topic.and_then(|t| t.forecast_scores.get(worker)))),
    }
}

/// The query that workers poll (protocol.md section 3.2).
fn window_status(state: &State, topic: Option<&Topic>, request: &Request) -> Reply {
    let worker = request.param("address").filter(|a| !a.is_empty());
    if worker.is_some_and(|w| bech32::decode(w).is_err()) {
        return Err(QueryError::new(
            2,
            "error validating actor id: invalid address format",
        ));
    }
    let topic = existing(topic, "error getting topic")?;
    let open = topic.open_nonce(state.height);
    let next = topic.next_open();
    let end_of = |start: Option<u64>| start.map_or(0, |s| s + topic.window).to_string();
    Ok(json!({
        "is_open": open.is_some(),
        "current_nonce_block_height": open.unwrap_or(0).to_string(),
        "window_start_block": open.unwrap_or(0).to_string(),
        "window_end_block": end_of(open),
        "next_window_start_block": next.unwrap_or(0).to_string(),
        "next_window_end_block": end_of(next),
        "is_registered": worker.is_some_and(|w| topic.workers.contains_key(w)),
        "is_whitelisted": worker.is_some_and(|w| state.can_submit(topic.id, w)),
        "is_topic_active": topic.active,
    }))
}

fn stored_inference(state: &State, id: &str, worker: &str, name: &str) -> Reply {
    let field = match state.api {
        Api::V9 => "latest_inference",
        Api::V10 => "latest_input_inference",
    };
    if name != field {
        return Err(QueryError::not_implemented());
    }
    let topic_id = path_u64("topic_id", id)?;
    let worker = address(worker)?;
    let topic = state.topics.get(&topic_id);
    if topic.is_none() && state.api == Api::V9 {
        found(topic, topic_id)?;
    }
    match (topic.and_then(|t| t.active_set.get(worker)), state.api) {
        (Some(inference), api) => Ok(json!({field: tx_json::input_inference(inference, api)})),
        (None, Api::V10) => {
            let text =
                format!("latest input inference not found for topic {topic_id} worker {worker}");
            Err(QueryError::new(5, text))
        }
        (None, Api::V9) => {
            let key = format!("key '(\"{topic_id}\", \"{worker}\")'");
            let kind = "github.com/cosmos/gogoproto/emissions.v3.Inference";
            Err(QueryError::new(
                2,
                format!("collections: not found: {key} of type {kind}"),
            ))
        }
    }
}

fn existing<'a>(topic: Option<&'a Topic>, what: &str) -> Result<&'a Topic, QueryError> {
    let text = format!("codespace emissions code 23: topic does not exist: {what}");
    topic.ok_or_else(|| QueryError::new(2, text))
}

fn found(topic: Option<&Topic>, topic_id: u64) -> Result<&Topic, QueryError> {
    topic.ok_or_else(|| QueryError::new(5, format!("topic {topic_id} not found")))
}

fn address(text: &str) -> Result<&str, QueryError> {
    match bech32::decode(text) {
        Ok(_) => Ok(text),
        Err(why) => Err(QueryError::new(
            2,
            format!("codespace sdk code 7: invalid address: {why}"),
        )),
    }
}

fn nonces(list: &[u64]) -> Value {
    let list: Vec<Value> = list
        .iter()
        .map(|n| json!({"block_height": n.to_string()}))
        .collect();
    json!({"nonces": {"nonces": list}})
}

fn score_json(topic_id: u64, worker: &str, score: Score) -> Value {
    json!({
        "topic_id": topic_id.to_string(), "block_height": score.height.to_string(),
        "address": worker, "score": score.score.to_string(),
    })
}

fn lowest(topic: &Topic, topic_id: u64) -> Reply {
    let (worker, score) = topic
        .lowest_score()
        .ok_or_else(|| QueryError::new(5, format!("lowest inferer score not found: {topic_id}")))?;
    Ok(json!({"score": score_json(topic_id, &worker, score)}))
}
