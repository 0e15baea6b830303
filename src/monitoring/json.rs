//! The worker's state as JSON, for scripts. Amounts are strings, because they exceed what most JSON
//! readers can hold. It holds no secret; endpoints are named without user and password.

use serde::{Serialize, Serializer};

use crate::monitoring::health;
use crate::monitoring::view::{View, unix_seconds};
use crate::status::outcome::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::status::{LastOutcome, TopicReport};
use crate::values::topic::Window;
use crate::values::units::TopicId;

#[derive(Serialize)]
struct StatusJson<'a> {
    version: &'a str,
    address: &'a str,
    ready: bool,
    not_ready: Vec<String>,
    uptime_s: u64,
    chain_id: Option<&'a str>,
    emissions: Option<String>,
    endpoint: &'a str,
    height: Option<u64>,
    height_age_s: Option<u64>,
    block_time_ms: Option<u128>,
    gas_price_uallo: Option<String>,
    balance_uallo: Option<String>,
    fees_paid_uallo: String,
    requests: u64,
    waiting: Vec<WaitJson>,
    topics: Vec<TopicJson<'a>>,
}

#[derive(Serialize)]
struct WaitJson {
    scope: String,
    state: &'static str,
    text: String,
}

#[derive(Serialize)]
struct TopicJson<'a> {
    topic: u64,
    kind: Option<&'static str>,
    active: Option<bool>,
    whitelisted: Option<bool>,
    registered: Option<bool>,
    polled_at_s: Option<u64>,
    window: Option<WindowJson>,
    next_window_height: Option<u64>,
    last: Option<LastJson>,
    last_success: Option<LastJson>,
    waiting: Vec<WaitJson>,
    #[serde(flatten, serialize_with = "counts")]
    counts: &'a TopicReport,
}

#[derive(Serialize)]
struct WindowJson {
    nonce: u64,
    last_block: u64,
}

#[derive(Serialize)]
struct LastJson {
    nonce: u64,
    outcome: &'static str,
    at_s: u64,
}

/// The text of `/status.json`, on several lines.
///
/// # Errors
/// The library's; none is known.
pub fn text(view: &View) -> Result<String, serde_json::Error> {
    let not_ready = health::unready(view);
    let topics = &view.board.topics;
    let status = StatusJson {
        version: env!("CARGO_PKG_VERSION"),
        address: &view.address,
        ready: not_ready.is_empty(),
        not_ready,
        uptime_s: view.uptime.as_secs(),
        chain_id: view.chain_id.as_deref(),
        emissions: view.api.map(|api| api.to_string()),
        endpoint: view.endpoint(),
        height: view.height.map(|(height, _)| height.0),
        height_age_s: view.height.map(|(_, age)| age.as_secs()),
        block_time_ms: view.block_time.map(|time| time.as_millis()),
        gas_price_uallo: view.board.gas_price.map(|price| price.to_string()),
        balance_uallo: view.board.balance.map(|balance| balance.to_string()),
        fees_paid_uallo: view.board.fees_paid.to_string(),
        requests: view.requests_sum(),
        waiting: waits(view, None),
        topics: topics.iter().map(|(id, of)| topic(*id, of, view)).collect(),
    };
    serde_json::to_string_pretty(&status).map(|text| text + "\n")
}

fn topic<'a>(id: TopicId, report: &'a TopicReport, view: &View) -> TopicJson<'a> {
    let status = report.polled.map(|polled| polled.status);
    let height = view.height();
    let window = |window: Window| WindowJson {
        nonce: window.nonce.0,
        last_block: window.end.0,
    };
    let last = |last: LastOutcome| LastJson {
        nonce: last.nonce.0,
        outcome: last.outcome,
        at_s: unix_seconds(last.at),
    };
    TopicJson {
        topic: id.0,
        kind: report
            .labelled
            .map(|labelled| if labelled { "labelled" } else { "single" }),
        active: status.map(|status| status.is_topic_active),
        whitelisted: status.map(|status| status.is_whitelisted),
        registered: status.map(|status| status.is_registered),
        polled_at_s: report.polled.map(|polled| unix_seconds(polled.at)),
        window: report.open_at(height).map(window),
        next_window_height: report.next_window(height).map(|height| height.0),
        last: report.last.map(last),
        last_success: report.last_success.map(last),
        waiting: waits(view, Some(id)),
        counts: report,
    }
}

/// How often each outcome came, a key for each.
fn counts<S: Serializer>(report: &&TopicReport, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Outcome::NAMES.map(|name| (name, report.count(name))))
}

/// What this topic waits for; without a topic, what all of them wait for.
fn waits(view: &View, topic: Option<TopicId>) -> Vec<WaitJson> {
    let json = |(scope, waiting): &(Scope, Waiting)| WaitJson {
        scope: scope.to_string(),
        state: waiting.in_brief(),
        text: waiting.to_string(),
    };
    let waits = view.waits.iter();
    waits
        .filter(|(scope, _)| scope.topic() == topic)
        .map(json)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::monitoring::view::tests::view;

    #[test]
    fn it_is_json_with_everything_in_its_place() {
        let mut view = view();
        let id = TopicId(1);
        view.waits.push((Scope::Model(id), Waiting::Inactive));
        view.waits.push((Scope::Blocks, Waiting::Syncing));
        let state: Value = serde_json::from_str(&text(&view).unwrap()).unwrap();
        assert_eq!(state["ready"], true);
        assert_eq!(state["height"], 105);
        assert_eq!(state["waiting"].as_array().unwrap().len(), 1);
        let topic = &state["topics"][0];
        assert_eq!(topic["kind"], "single");
        assert_eq!(topic["window"]["nonce"], 100);
        assert_eq!(topic["next_window_height"], 120);
        assert_eq!(topic["included"], 0);
        assert_eq!(topic["waiting"][0]["scope"], "topic 1, model");
        assert_eq!(state["balance_uallo"], Value::Null, "not known yet");
    }
}
