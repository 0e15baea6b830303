//! The worker's state as JSON, for scripts. Amounts are texts, as they exceed what most readers of
//! JSON can hold; no secret is in it, and endpoints are named without user or password.

use serde::Serialize;

use crate::monitoring::health;
use crate::monitoring::view::{View, unix_seconds};
use crate::status::tally::Counts;
use crate::status::waiting::{Scope, Waiting};
use crate::status::{LastOutcome, TopicFacts};
use crate::values::topic::Window;
use crate::values::units::TopicId;

#[derive(Serialize)]
struct State<'a> {
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
    waiting: Vec<Wait>,
    topics: Vec<Topic>,
}

#[derive(Serialize)]
struct Wait {
    scope: String,
    state: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Topic {
    topic: u64,
    kind: Option<&'static str>,
    active: Option<bool>,
    whitelisted: Option<bool>,
    registered: Option<bool>,
    polled_at_s: Option<u64>,
    window: Option<Span>,
    next_window_height: Option<u64>,
    last: Option<Last>,
    last_success: Option<Last>,
    waiting: Vec<Wait>,
    included: u64,
    not_admitted: u64,
    already_submitted: u64,
    missed: u64,
    refused: u64,
    skipped: u64,
}

#[derive(Serialize)]
struct Span {
    nonce: u64,
    last_block: u64,
}

#[derive(Serialize)]
struct Last {
    nonce: u64,
    outcome: &'static str,
    at_s: u64,
}

/// The text of `/status.json`, on several lines.
///
/// # Errors
/// None that is known: the library's.
pub fn text(view: &View) -> Result<String, serde_json::Error> {
    let not_ready = health::unready(view);
    let waits = |wanted: &dyn Fn(Scope) -> bool| -> Vec<Wait> {
        let waits = view.waits.iter().filter(|(scope, _)| wanted(*scope));
        waits
            .map(|(scope, waiting)| wait(*scope, waiting))
            .collect()
    };
    let topics = view.facts.topics.iter().map(|(id, facts)| {
        let counts = view.totals.topics.get(id).copied().unwrap_or_default();
        let waiting = waits(&|scope| scope.topic() == Some(*id));
        topic(*id, facts, counts, waiting, view)
    });
    let state = State {
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
        gas_price_uallo: view.facts.gas_price.map(|price| price.to_string()),
        balance_uallo: view.facts.balance.map(|balance| balance.to_string()),
        fees_paid_uallo: view.totals.fees.to_string(),
        requests: view.requests.iter().map(|count| count.requests).sum(),
        waiting: waits(&|scope| scope.topic().is_none()),
        topics: topics.collect(),
    };
    serde_json::to_string_pretty(&state).map(|text| text + "\n")
}

fn topic(
    id: TopicId,
    facts: &TopicFacts,
    counts: Counts,
    waiting: Vec<Wait>,
    view: &View,
) -> Topic {
    let status = facts.polled.map(|polled| polled.status);
    let height = view.height();
    Topic {
        topic: id.0,
        kind: facts.labelled.map(|labelled| match labelled {
            true => "labelled",
            false => "single",
        }),
        active: status.map(|status| status.is_topic_active),
        whitelisted: status.map(|status| status.is_whitelisted),
        registered: status.map(|status| status.is_registered),
        polled_at_s: facts.polled.map(|polled| unix_seconds(polled.at)),
        window: facts.open_at(height).map(span),
        next_window_height: facts.next_window(height).map(|height| height.0),
        last: facts.last.map(last),
        last_success: facts.last_success.map(last),
        waiting,
        included: counts.included,
        not_admitted: counts.not_admitted,
        already_submitted: counts.already_submitted,
        missed: counts.missed,
        refused: counts.refused,
        skipped: counts.skipped,
    }
}

fn wait(scope: Scope, waiting: &Waiting) -> Wait {
    Wait {
        scope: scope.to_string(),
        state: waiting.in_brief(),
        text: waiting.to_string(),
    }
}

fn span(window: Window) -> Span {
    Span {
        nonce: window.nonce.0,
        last_block: window.end.0,
    }
}

fn last(last: LastOutcome) -> Last {
    Last {
        nonce: last.nonce.0,
        outcome: last.outcome,
        at_s: unix_seconds(last.at),
    }
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
