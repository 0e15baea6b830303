//! The worker's state as JSON, for scripts and the page. Amounts are strings, because they exceed what most JSON
//! readers can hold. It holds no secret; endpoints are named without user and password.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::monitoring::health;
use crate::monitoring::view::{View, unix_seconds};
use crate::status::history::Ended;
use crate::status::miss::Miss;
use crate::status::outcome::Outcome;
use crate::status::standing::is_admitted;
use crate::status::waiting::{Scope, Waiting};
use crate::status::{FORMAT, TopicReport};
use crate::values::standing::Score;
use crate::values::topic::Window;
use crate::values::units::TopicId;

/// The text of `/status.json`.
pub fn text(view: &View) -> String {
    #[derive(Serialize)]
    struct State<'v> {
        #[serde(flatten)]
        about: Value,
        topics: Topics<'v>,
    }
    let (about, topics) = (about(view), Topics(view));
    // why: an object whose keys are texts always serialises
    serde_json::to_string(&State { about, topics }).unwrap_or_default() + "\n"
}

/// The topics, each made when it is written: with a thousand of them, all at once take much memory.
struct Topics<'v>(&'v View);

impl Serialize for Topics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let topics = self.0.board.topics.iter();
        serializer.collect_seq(topics.map(|(id, of)| topic(*id, of, self.0)))
    }
}

fn about(view: &View) -> Value {
    let not_ready = health::unready(view);
    let board = &view.board;
    // why: `json!` panics only for what JSON cannot hold, such as a map whose keys are lists
    json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "address": view.address,
        "sender": view.sender,
        "ready": not_ready.is_empty(),
        "not_ready": not_ready,
        "uptime_s": view.uptime.as_secs(),
        "chain_id": view.chain_id,
        "emissions": view.api.map(|api| api.to_string()),
        "endpoint": view.endpoint(),
        "endpoints": view.endpoints.iter().map(|(name, _)| name).collect::<Vec<_>>(),
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
        "waiting": waits(view, |_| true),
    })
}

fn topic(id: TopicId, report: &TopicReport, view: &View) -> Value {
    let status = report.polled.map(|polled| polled.status);
    let kind = |labelled| if labelled { "labelled" } else { "single" };
    let height = view.height();
    let window = |window: Window| {
        let blocks_left = window.end.0.saturating_sub(height.0);
        json!({"nonce": window.nonce.0, "last_block": window.end.0, "blocks_left": blocks_left})
    };
    let next = report.next_window(height);
    let mut topic = json!({
        "topic": id.0,
        "kind": report.polled.map(|polled| kind(polled.labelled)),
        "active": status.map(|status| status.is_topic_active),
        "whitelisted": status.map(|status| status.is_whitelisted),
        "registered": status.map(|status| status.is_registered),
        "polled_at_s": report.polled.map(|polled| unix_seconds(polled.at)),
        "epoch_blocks": report.polled.and_then(|polled| polled.epoch_blocks),
        "window": report.open_at(height).map(window),
        "next_window_height": next.map(|height| height.0),
        "next_window_in_s": next.and_then(|next| view.time_until(next)).map(|time| time.as_secs()),
        "unserved_before_start": report.unserved_before_start,
        "last": report.history.last().map(ended),
        "last_success": report.last_success.as_deref().map(ended),
        "history": report.history.iter().map(ended).collect::<Vec<_>>(),
        "standing": standing(report),
        "waiting": waits(view, |scope| scope.topic() == Some(id)),
    });
    for outcome in Outcome::NAMES {
        topic[outcome] = report.count(outcome).into();
    }
    for reason in Miss::REASONS {
        topic["missed_because"][reason] = report.missed_for(reason).into();
    }
    topic
}

/// How good the worker is in the topic. The numbers are texts: the chain's have up to 34 digits.
fn standing(report: &TopicReport) -> Value {
    let (standing, history) = (&report.standing, &report.history);
    let score = |score: &Score| json!({"nonce": score.nonce.0, "score": score.value.as_str()});
    let network = standing.network.as_ref();
    json!({
        "score": standing.score().map(score),
        "scores": standing.scores().map(score).collect::<Vec<_>>(),
        "lowest": standing.lowest.as_ref().map(score),
        "above_lowest": standing.above_lowest(),
        "admitted": is_admitted(history),
        "network": network.map(|network| {
            let own = standing.own_value(history);
            json!({"nonce": network.nonce.0, "value": network.text, "own_value": own})
        }),
    })
}

/// A nonce with all that is known of its end.
fn ended(ended: &Ended) -> Value {
    let mut facts = ended.facts().0;
    facts.insert("text".to_owned(), ended.text().into());
    facts.insert("at_s".to_owned(), unix_seconds(ended.at).into());
    facts.into()
}

/// What is waited for in the scopes that are chosen.
fn waits(view: &View, is_chosen: impl Fn(&Scope) -> bool) -> Vec<Value> {
    let waits = view.waits.iter();
    let waits = waits.filter(|(scope, _)| is_chosen(scope));
    let json = |(scope, waiting): &(Scope, Waiting)| {
        let (state, text) = (waiting.in_brief(), waiting.to_string());
        let topic = scope.topic().map(|topic| topic.0);
        json!({"scope": scope.to_string(), "topic": topic, "state": state, "text": text})
    };
    waits.map(json).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::monitoring::view::tests::view;
    use crate::status::outcome::{Brief, InBlock, Inclusion};
    use crate::values::units::{Height, Nonce, TxHash, Uallo};

    /// A nonce whose payload was included, and one that was missed.
    fn all_ended() -> [Ended; 2] {
        let found = InBlock {
            height: Height(80),
            hash: TxHash([0xAB; 32]),
            fee: Uallo(2_500_000),
        };
        let inclusion = Inclusion {
            found: Ok(found),
            by: Height(81),
            sent: Some(Brief {
                value: Some("3021.57".to_owned()),
                label_count: 0,
                forecast_count: 5,
            }),
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        let ended = |nonce, outcome| Ended {
            nonce,
            outcome,
            at,
            in_row: 0,
        };
        [
            ended(Nonce(79), Outcome::Included(inclusion)),
            ended(Nonce(99), Outcome::Missed("why".to_owned().into())),
        ]
    }

    #[test]
    fn a_thousand_topics_with_all_their_nonces_are_a_few_megabytes() {
        let mut view = view();
        let [ended, _] = all_ended();
        let ended = Arc::new(ended);
        for id in 1..=1_000 {
            let report = view.board.topics.entry(TopicId(id)).or_default();
            for _ in 0..100 {
                report.history.push(Arc::clone(&ended), 1_000);
            }
            report.last_success = Some(Arc::clone(&ended));
        }
        let bytes = text(&view).len();
        assert!((2_000_000..4_000_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn it_is_json_with_everything_in_its_place() {
        let mut view = view();
        let id = TopicId(1);
        view.block_time = Some(Duration::from_secs(5));
        let report = view.board.topics.get_mut(&id).unwrap();
        for ended in all_ended() {
            report.history.push(Arc::new(ended), 1);
        }
        view.waits.push((Scope::Model(id), Waiting::Inactive));
        view.waits.push((Scope::Blocks, Waiting::Syncing));
        let state: Value = serde_json::from_str(&text(&view)).unwrap();
        assert_eq!(state["ready"], true);
        assert_eq!(state["height"], 105);
        let topics = state["waiting"].as_array().unwrap().iter();
        let topics: Vec<&Value> = topics.map(|waits| &waits["topic"]).collect();
        assert_eq!(topics, [&json!(1), &Value::Null]);
        let topic = &state["topics"][0];
        assert_eq!(topic["kind"], "single");
        assert_eq!(topic["window"]["nonce"], 100);
        assert_eq!(topic["window"]["blocks_left"], 5);
        assert_eq!(topic["next_window_height"], 120);
        assert_eq!(topic["epoch_blocks"], 20);
        assert_eq!(
            topic["next_window_in_s"], 74,
            "15 blocks of 5 s, 1 s of which is over"
        );
        assert_eq!(topic["included"], 0);
        assert_eq!(topic["missed_because"]["no_answer"], 0);
        assert_eq!(topic["unserved_before_start"], 0);
        assert_eq!(topic["history"].as_array().unwrap().len(), 2);
        assert_eq!(topic["history"][1], topic["last"]);
        let hash = "AB".repeat(32);
        let included = json!({"nonce": 79, "outcome": "included", "reason": null, "in_a_row": null,
            "text": format!("included in block 80 (+1), fee 0.0000000000025 ALLO, hash {hash}"),
            "value": "3021.57", "forecast_count": 5, "height": 80, "delay_blocks": 1, "hash": hash,
            "fee_uallo": "2500000", "at_s": 7});
        assert_eq!(topic["history"][0], included);
        let missed = json!({"nonce": 99, "outcome": "missed", "reason": "seen", "in_a_row": null,
            "text": "missed: why", "value": null, "forecast_count": null, "height": null, "delay_blocks": null,
            "hash": null, "fee_uallo": null, "at_s": 7});
        assert_eq!(topic["last"], missed);
        assert_eq!(topic["waiting"][0]["scope"], "topic 1, model");
        assert_eq!(state["balance_uallo"], Value::Null, "not known yet");
    }
}
