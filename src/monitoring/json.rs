//! The worker's state as JSON, for scripts. Amounts are strings, because they exceed what most JSON
//! readers can hold. It holds no secret; endpoints are named without user and password.

use serde_json::{Value, json};

use crate::monitoring::health;
use crate::monitoring::view::{View, unix_seconds};
use crate::status::miss::Miss;
use crate::status::outcome::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::status::{LastOutcome, TopicReport};
use crate::values::topic::Window;
use crate::values::units::TopicId;

/// The text of `/status.json`, on several lines.
pub fn text(view: &View) -> String {
    let not_ready = health::unready(view);
    let board = &view.board;
    let topics = board.topics.iter();
    let topics: Vec<Value> = topics.map(|(id, of)| topic(*id, of, view)).collect();
    // why: `json!` panics only for what JSON cannot hold, such as a map whose keys are lists
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "address": view.address,
        "ready": not_ready.is_empty(),
        "not_ready": not_ready,
        "uptime_s": view.uptime.as_secs(),
        "chain_id": view.chain_id,
        "emissions": view.api.map(|api| api.to_string()),
        "endpoint": view.endpoint(),
        "height": view.height.map(|(height, _)| height.0),
        "height_age_s": view.height.map(|(_, age)| age.as_secs()),
        "block_time_ms": view.block_time.map(|time| time.as_millis()),
        "gas_price_uallo": board.gas_price.map(|price| price.to_string()),
        "balance_uallo": board.balance.map(|balance| balance.to_string()),
        "granter_balance_uallo": board.granter_balance.map(|balance| balance.to_string()),
        "fees_offered_uallo": board.fees_offered.to_string(),
        "fees_confirmed_uallo": board.fees_confirmed.to_string(),
        "fees_signed_24h_uallo": view.fees_signed_24h().map(|fees| fees.to_string()),
        "max_fee_per_day_uallo": board.budget.as_ref().map(|budget| budget.limit().to_string()),
        "requests": view.requests_sum(),
        "waiting": waits(view, None),
        "topics": topics,
    });
    format!("{status:#}\n")
}

fn topic(id: TopicId, report: &TopicReport, view: &View) -> Value {
    let status = report.polled.map(|polled| polled.status);
    let kind = |labelled| if labelled { "labelled" } else { "single" };
    let height = view.height();
    let window = |window: Window| json!({"nonce": window.nonce.0, "last_block": window.end.0});
    let last = |last: LastOutcome| {
        let at_s = unix_seconds(last.at);
        let (outcome, reason) = (last.outcome, last.reason);
        json!({"nonce": last.nonce.0, "outcome": outcome, "reason": reason, "at_s": at_s})
    };
    let mut topic = json!({
        "topic": id.0,
        "kind": report.polled.map(|polled| kind(polled.labelled)),
        "active": status.map(|status| status.is_topic_active),
        "whitelisted": status.map(|status| status.is_whitelisted),
        "registered": status.map(|status| status.is_registered),
        "polled_at_s": report.polled.map(|polled| unix_seconds(polled.at)),
        "window": report.open_at(height).map(window),
        "next_window_height": report.next_window(height).map(|height| height.0),
        "unserved_before_start": report.unserved_before_start,
        "last": report.last.map(last),
        "last_success": report.last_success.map(last),
        "waiting": waits(view, Some(id)),
    });
    for outcome in Outcome::NAMES {
        topic[outcome] = report.count(outcome).into();
    }
    for reason in Miss::REASONS {
        topic["missed_because"][reason] = report.missed_for(reason).into();
    }
    topic
}

/// What this topic waits for; without a topic, what all of them wait for.
fn waits(view: &View, topic: Option<TopicId>) -> Vec<Value> {
    let waits = view.waits.iter();
    let waits = waits.filter(|(scope, _)| scope.topic() == topic);
    let json = |(scope, waiting): &(Scope, Waiting)| {
        let (state, text) = (waiting.in_brief(), waiting.to_string());
        json!({"scope": scope.to_string(), "state": state, "text": text})
    };
    waits.map(json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::view::tests::view;

    #[test]
    fn it_is_json_with_everything_in_its_place() {
        let mut view = view();
        let id = TopicId(1);
        view.waits.push((Scope::Model(id), Waiting::Inactive));
        view.waits.push((Scope::Blocks, Waiting::Syncing));
        let state: Value = serde_json::from_str(&text(&view)).unwrap();
        assert_eq!(state["ready"], true);
        assert_eq!(state["height"], 105);
        assert_eq!(state["waiting"].as_array().unwrap().len(), 1);
        let topic = &state["topics"][0];
        assert_eq!(topic["kind"], "single");
        assert_eq!(topic["window"]["nonce"], 100);
        assert_eq!(topic["next_window_height"], 120);
        assert_eq!(topic["included"], 0);
        assert_eq!(topic["missed_because"]["no_answer"], 0);
        assert_eq!(topic["unserved_before_start"], 0);
        assert_eq!(topic["waiting"][0]["scope"], "topic 1, model");
        assert_eq!(state["balance_uallo"], Value::Null, "not known yet");
    }
}
