//! The worker's state as a table of 100 columns, for people; only a word that is longer takes more.
//! The state is that of `/status.json`; what the worker does not tell is left out.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::cli::help::wrapped;
use crate::text::{cut, escaped};
use crate::values::amount::{allo, apart, grouped, span};
use crate::values::funding::{Spending, windows_in_four_weeks};
use crate::values::units::Uallo;

const COLUMNS: usize = 100;
/// The widths of the columns of the table of topics.
const WINDOW_COLUMNS: usize = 33;
const VALUE_COLUMNS: usize = 20;
/// How many of a topic's last nonces are shown.
const CELLS: usize = 20;
/// Columns before the text that belongs to a topic, and after the names in front of the table.
const INDENT: usize = 8;
const NAME_COLUMNS: usize = 10;

/// What the cells mean.
const LEGEND: &str = "\
the newest nonce on the right: \u{25cf} served  \u{25cb} not admitted  \u{d7} missed or refused  \
\u{2013} skipped or disputed";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShownState {
    version: String,
    address: String,
    sender: Option<String>,
    ready: bool,
    not_ready: Vec<String>,
    uptime_s: u64,
    chain_id: Option<String>,
    emissions: Option<String>,
    endpoint: String,
    endpoints: Vec<String>,
    height: Option<u64>,
    height_age_s: Option<u64>,
    block_time_ms: Option<u64>,
    balance_uallo: Option<String>,
    granter_balance_uallo: Option<String>,
    fees_signed_24h_uallo: Option<String>,
    max_fee_per_day_uallo: Option<String>,
    waiting: Vec<ShownWait>,
    topics: Vec<ShownTopic>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownWait {
    scope: String,
    topic: Option<u64>,
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownTopic {
    topic: u64,
    active: Option<bool>,
    epoch_blocks: Option<u64>,
    window: Option<ShownWindow>,
    next_window_height: Option<u64>,
    next_window_in_s: Option<u64>,
    history: Vec<ShownNonce>,
    standing: ShownStanding,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownStanding {
    score: Option<ShownScore>,
    lowest: Option<ShownScore>,
    admitted: Option<bool>,
    network: Option<ShownNetwork>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownScore {
    score: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownNetwork {
    nonce: u64,
    value: String,
    own_value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownWindow {
    nonce: u64,
    blocks_left: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownNonce {
    nonce: u64,
    outcome: String,
    text: String,
    value: Option<String>,
    forecast_count: Option<u64>,
    fee_uallo: Option<String>,
    at_s: u64,
}

/// The state at this moment.
pub(super) fn table(state: &ShownState, now: SystemTime) -> String {
    let mut text = String::new();
    for (name, line) in about(state) {
        let name = format!("{name:NAME_COLUMNS$}");
        text += &(name + &wrapped(&escaped(&line), NAME_COLUMNS, COLUMNS));
    }
    text += &format!(
        "\n topic  {:WINDOW_COLUMNS$}{:VALUE_COLUMNS$}{:CELLS$}  last\n",
        "window", "last value", "last nonces"
    );
    for topic in &state.topics {
        text += &row(topic, now);
        let waits = state.waiting.iter();
        let waits = waits.filter(|waits| waits.topic == Some(topic.topic));
        let waits = waits.map(|waits| format!("waiting: {}", waits.text));
        let unserved = topic.history.last().filter(|last| cell(last) == UNSERVED);
        let unserved = unserved.map(|last| format!("nonce {}: {}", last.nonce, last.text));
        for line in standing(&topic.standing)
            .into_iter()
            .chain(waits)
            .chain(unserved)
        {
            let line = wrapped(&escaped(&line), INDENT, COLUMNS);
            text += &format!("{:INDENT$}{line}", "");
        }
    }
    text + "\n" + &wrapped(LEGEND, 0, COLUMNS)
}

/// What concerns all topics: names and texts.
fn about(state: &ShownState) -> Vec<(&'static str, String)> {
    let up = seconds(state.uptime_s);
    let ready = if state.ready { "ready" } else { "NOT READY" };
    let mut lines = vec![(
        "worker",
        format!("version {}, up {up}, {ready}", state.version),
    )];
    lines.extend(state.not_ready.iter().map(|why| ("", why.clone())));
    lines.push(("chain", chain(state)));
    let others = match state.endpoints.len() {
        0 | 1 => String::new(),
        count => format!(", one of {count}"),
    };
    lines.push(("endpoint", state.endpoint.clone() + &others));
    lines.push(("wallet", wallet(state)));
    let fees = (&state.fees_signed_24h_uallo, &state.max_fee_per_day_uallo);
    if let (Some(signed), Some(limit)) = fees {
        let both = uallo(signed).zip(uallo(limit));
        let both = both.map(|(signed, limit)| apart(Uallo(signed), Uallo(limit)));
        let [signed, limit] = both.unwrap_or_else(|| [amount(signed), amount(limit)]);
        let fees = format!("{signed} signed within 24 h, of at most {limit}");
        lines.push(("fees", fees));
    }
    let waits = state.waiting.iter().filter(|waits| waits.topic.is_none());
    lines.extend(waits.map(|waits| ("waiting", format!("{}: {}", waits.scope, waits.text))));
    lines
}

fn chain(state: &ShownState) -> String {
    let mut parts = vec![
        state
            .chain_id
            .clone()
            .unwrap_or_else(|| "not known yet".to_owned()),
    ];
    parts.extend(
        state
            .emissions
            .as_ref()
            .map(|api| format!("emissions {api}")),
    );
    parts.extend(
        state
            .height
            .map(|height| format!("block {}", grouped(height.into()))),
    );
    let age = state.height_age_s.map(seconds);
    parts.extend(age.map(|age| format!("seen {age} ago")));
    let tenths = state.block_time_ms.map(|time| time / 100);
    parts.extend(tenths.map(|tenths| format!("a block every {}.{} s", tenths / 10, tenths % 10)));
    parts.join(", ")
}

/// The wallet with its balance, and what that is enough for, by the highest of the last fees.
fn wallet(state: &ShownState) -> String {
    let mut text = state.address.clone();
    if let Some(sender) = state
        .sender
        .as_ref()
        .filter(|sender| **sender != state.address)
    {
        text += &format!("; fees from {sender}");
    }
    if let Some(balance) = &state.balance_uallo {
        text += &format!(", {}", amount(balance));
    }
    if let Some(balance) = &state.granter_balance_uallo {
        text += &format!("; the fee granter has {}", amount(balance));
    }
    let pays = state
        .granter_balance_uallo
        .as_ref()
        .or(state.balance_uallo.as_ref());
    let enough = pays.and_then(|balance| spending(state)?.enough(Uallo(uallo(balance)?)));
    let enough = enough.map(|enough| format!(", enough for {enough}"));
    text + &enough.unwrap_or_default()
}

/// What payloads cost, by the highest of the last fees.
fn spending(state: &ShownState) -> Option<Spending> {
    let ended = state.topics.iter().flat_map(|topic| &topic.history);
    let fees = ended.filter_map(|ended| uallo(ended.fee_uallo.as_ref()?));
    let epochs: Option<Vec<u64>> = state
        .topics
        .iter()
        .map(|topic| topic.epoch_blocks)
        .collect();
    let in_four_weeks = |block_ms| {
        let block_time = Duration::from_millis(block_ms);
        Some(windows_in_four_weeks(epochs?.into_iter(), block_time)).filter(|count| *count > 0)
    };
    Some(Spending {
        payload: Uallo(fees.max()?),
        in_four_weeks: state.block_time_ms.and_then(in_four_weeks),
        is_granted: state.granter_balance_uallo.is_some(),
    })
}

fn uallo(text: &str) -> Option<u128> {
    text.parse().ok()
}

fn amount(text: &str) -> String {
    uallo(text).map_or_else(|| "?".to_owned(), |amount| allo(Uallo(amount)))
}

fn row(topic: &ShownTopic, now: SystemTime) -> String {
    let value = topic.history.iter().rev().find_map(sent);
    let value = value.unwrap_or_else(|| "\u{2013}".to_owned());
    let value = cut(&escaped(&value), VALUE_COLUMNS - 2);
    let newest = &topic.history[topic.history.len().saturating_sub(CELLS)..];
    let cells: String = newest.iter().map(cell).collect();
    let ago = topic.history.last().map_or_else(String::new, |last| {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(last.at_s));
        let age = at
            .and_then(|at| now.duration_since(at).ok())
            .unwrap_or_default();
        format!("{} ago", seconds(age.as_secs()))
    });
    let line = format!(
        "{:6}  {:WINDOW_COLUMNS$}{value:VALUE_COLUMNS$}{cells:CELLS$}  {ago}",
        topic.topic,
        window(topic)
    );
    line.trim_end().to_owned() + "\n"
}

/// How good the worker is in a topic, if anything of it is known.
fn standing(of: &ShownStanding) -> Option<String> {
    let number = |text: &str| cut(text, VALUE_COLUMNS - 2);
    let score = of.score.as_ref().map(|own| {
        let lowest = of.lowest.as_ref();
        let lowest = lowest.map(|lowest| format!(" (lowest place {})", number(&lowest.score)));
        format!("score {}{}", number(&own.score), lowest.unwrap_or_default())
    });
    let admitted = of.admitted.map(|admitted| {
        let text = if admitted { "admitted" } else { "not admitted" };
        text.to_owned()
    });
    let network = of.network.as_ref().map(|network| {
        let own = network.own_value.as_ref();
        let own = own.map(|own| format!(", own {}", number(own)));
        let (nonce, value) = (network.nonce, number(&network.value));
        format!(
            "network {value} for nonce {nonce}{}",
            own.unwrap_or_default()
        )
    });
    let parts: Vec<String> = [score, admitted, network].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What was sent for a nonce, if that is known.
fn sent(ended: &ShownNonce) -> Option<String> {
    let forecast = ended.forecast_count.filter(|count| *count > 0);
    let forecast = || forecast.map(|count| format!("forecast of {count}"));
    ended.value.clone().or_else(forecast)
}

fn window(topic: &ShownTopic) -> String {
    match topic {
        ShownTopic {
            window: Some(ShownWindow { nonce, blocks_left }),
            ..
        } => {
            let plural = if *blocks_left == 1 { "" } else { "s" };
            format!("{nonce} open, {blocks_left} block{plural} left")
        }
        ShownTopic { active: None, .. } => "not known yet".to_owned(),
        ShownTopic {
            active: Some(false),
            ..
        } => "not active".to_owned(),
        ShownTopic {
            next_window_in_s: Some(0),
            ..
        } => "is due".to_owned(),
        ShownTopic {
            next_window_in_s: Some(time_s),
            ..
        } => format!("opens in {}", seconds(*time_s)),
        ShownTopic {
            next_window_height: Some(height),
            ..
        } => format!("opens with block {height}"),
        ShownTopic { .. } => "closed".to_owned(),
    }
}

/// The cell of an outcome that only other versions have.
const UNKNOWN: char = '?';
/// The cell of a nonce that was not served although it should have been.
const UNSERVED: char = '\u{d7}';

fn cell(ended: &ShownNonce) -> char {
    match ended.outcome.as_str() {
        "included" | "already_submitted" => '\u{25cf}',
        "not_admitted" => '\u{25cb}',
        "missed" | "refused" => UNSERVED,
        "skipped" | "disputed" => '\u{2013}',
        _ => UNKNOWN,
    }
}

fn seconds(time_s: u64) -> String {
    match time_s {
        0 => "0 s".to_owned(),
        _ => span(Duration::from_secs(time_s)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::status::miss::Miss;
    use crate::status::outcome::Outcome;

    fn shown(state: Value) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        table(&serde_json::from_value(state).unwrap(), now)
    }

    /// A nonce with this outcome, which ended 12 s ago.
    fn ended(outcome: &str, value: Option<&str>) -> Value {
        json!({"nonce": 79, "outcome": outcome, "text": format!("{outcome}: the reason"),
            "value": value, "fee_uallo": value.map(|_| "2500000"), "at_s": 988})
    }

    #[test]
    fn a_row_for_each_topic_with_its_troubles_below() {
        let served = ended("included", Some("3021.57"));
        let mut forecast = ended("included", None);
        forecast["forecast_count"] = json!(5);
        let all = [
            "not_admitted",
            "refused",
            "skipped",
            "disputed",
            "already_submitted",
        ];
        let all = all.map(|outcome| ended(outcome, None));
        let all = [
            vec![served.clone(); 18],
            all.to_vec(),
            vec![ended("missed", None)],
        ]
        .concat();
        let state = json!({
            "format": 1, "version": "0.1.0", "address": "allo1abc", "ready": true,
            "uptime_s": 93_784, "chain_id": "allora-testnet-1", "emissions": "v10",
            "endpoint": "https://a.example", "endpoints": ["https://a.example", "https://b.example"],
            "height": 1_234_567, "height_age_s": 3, "block_time_ms": 5_240,
            "balance_uallo": "102500000000", "granter_balance_uallo": null,
            "fees_signed_24h_uallo": "187141", "max_fee_per_day_uallo": "60000000000000000",
            "waiting": [
                {"scope": "chain", "topic": null, "state": "s", "text": "the chain has halted"},
                {"scope": "topic 2", "topic": 2, "state": "s", "text": "not whitelisted. ".repeat(8).trim()},
            ],
            "topics": [
                {"topic": 1, "active": true, "epoch_blocks": 60, "window": {"nonce": 12_345_678, "blocks_left": 120},
                 "history": all, "standing": {
                    "score": {"nonce": 79, "score": "0.0734512"},
                    "lowest": {"nonce": 79, "score": "0.0021"}, "admitted": true,
                    "network": {"nonce": 79, "value": "3019.2012345678901234", "own_value": "3021.57"}}},
                {"topic": 2, "active": true, "epoch_blocks": 10_000, "next_window_height": 9, "next_window_in_s": 200,
                 "history": [forecast]},
                {"topic": 3, "active": true, "epoch_blocks": 10_000, "next_window_height": 1_234_999},
                {"topic": 4, "active": false, "epoch_blocks": 10_000}, {"topic": 5, "epoch_blocks": 10_000}],
        });
        let expected = "\
worker    version 0.1.0, up 1 d 2 h, ready
chain     allora-testnet-1, emissions v10, block 1,234,567, seen 3 s ago, a block every 5.2 s
endpoint  https://a.example, one of 2
wallet    allo1abc, 0.000000102 ALLO, enough for about 41,000 payloads, about 140 days
fees      0.000000000000187 ALLO signed within 24 h, of at most 0.06 ALLO
waiting   chain: the chain has halted

 topic  window                           last value          last nonces           last
     1  12345678 open, 120 blocks left   3021.57             ●●●●●●●●●●●●●●○×––●×  12 s ago
        score 0.0734512 (lowest place 0.0021), admitted, network 3019.201234567890… for nonce 79,
        own 3021.57
        nonce 79: missed: the reason
     2  opens in 3 min                   forecast of 5       ●                     12 s ago
        waiting: not whitelisted. not whitelisted. not whitelisted. not whitelisted. not
        whitelisted. not whitelisted. not whitelisted. not whitelisted.
     3  opens with block 1234999         –
     4  not active                       –
     5  not known yet                    –

the newest nonce on the right: ● served  ○ not admitted  × missed or refused  – skipped or disputed
";
        let text = shown(state);
        assert_eq!(text, expected, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
        let docs = include_str!("../../../docs/monitoring.md");
        let sample = docs.split("```").nth(1).unwrap();
        assert!(sample.contains("worker    version"), "{sample}");
        for line in sample.lines() {
            assert!(
                text.lines().any(|shown| shown == line),
                "docs/monitoring.md: {line}"
            );
        }
    }

    #[test]
    fn every_outcome_and_reason_is_shown_by_all_that_show_them() {
        let page = include_str!("../../monitoring/page.html");
        let schema = include_str!("../../../docs/status.schema.json");
        for name in Outcome::NAMES {
            let nonce = serde_json::from_value(ended(name, None)).unwrap();
            assert_ne!(cell(&nonce), UNKNOWN, "{name}");
            assert!(page.contains(&format!("{name}: \"")), "{name} on the page");
            assert!(
                schema.contains(&format!("\"{name}\"")),
                "{name} in the schema"
            );
        }
        for reason in Miss::REASONS {
            assert!(schema.contains(&format!("\"{reason}\"")), "{reason}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let text = shown(json!({"version": "9", "not_ready": ["topic-1: hangs"], "new": [1]}));
        let begin = "worker    version 9, up 0 s, NOT READY\n          topic-1: hangs\nchain     not known yet\n";
        assert!(text.starts_with(begin), "{text}");
        let no_balance = shown(json!({"address": "allo1abc", "balance_uallo": "many"}));
        assert!(
            no_balance.contains("wallet    allo1abc, ?\n"),
            "{no_balance}"
        );
    }

    #[test]
    fn no_text_reaches_the_terminal_as_it_is() {
        let hostile = "\u{1b}[2J\u{202e}\n".repeat(90);
        let mut last = ended("missed", Some(&hostile));
        last["text"] = hostile.clone().into();
        let text = shown(json!({"endpoint": hostile, "chain_id": hostile,
            "waiting": [{"topic": 1, "text": hostile}], "topics": [{"topic": 1, "history": [last]}]}));
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(text.contains("\u{2026}"), "a long value is cut: {text}");
    }
}
