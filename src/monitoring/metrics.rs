//! The worker's state as metrics, in the text that Prometheus reads (OpenMetrics 1.0). Nothing is
//! kept here: a scrape takes a view of the worker and writes it down, so that nobody who does not
//! ask pays for it.

mod number;
mod writer;

use std::collections::BTreeSet;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType::{Counter, Gauge, Histogram};
use prometheus_client::registry::Registry;

use crate::monitoring::view::{Source, View, unix_seconds};
use crate::status::waiting::{Scope, Waiting};
use crate::values::units::TopicId;
use writer::Writer;

/// What all names begin with.
pub const PREFIX: &str = "allora_worker";
/// What the text is, for its reader.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes all metrics, as they are now, down to the line that says that it is all.
///
/// # Errors
/// The writer's.
pub fn write(view: View, writer: &mut impl fmt::Write) -> fmt::Result {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Snapshot(view)));
    text::encode(writer, &registry)
}

/// All metrics of a source, as one text: for tests and small readers.
#[must_use]
pub fn text(source: &Source) -> String {
    let mut text = String::new();
    // why: a String takes everything
    let _ = write(source.view(), &mut text);
    text
}

#[derive(Debug)]
struct Snapshot(View);

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (mut writer, view) = (Writer(encoder), &self.0);
        process(&mut writer, view)?;
        chain(&mut writer, view)?;
        wallet(&mut writer, view)?;
        requests(&mut writer, view)?;
        outcomes(&mut writer, view)?;
        windows(&mut writer, view)?;
        durations(&mut writer, view)?;
        waits(&mut writer, view)
    }
}

fn process(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    let help = "1, with the worker's version.";
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    let mut family = writer.family("build_info", help, Gauge)?;
    family.level(&version, 1)?;
    writer.gauge(
        "start_time_seconds",
        "When the worker started, in seconds since 1970.",
        unix_seconds(view.started_at),
    )?;
    writer.gauge(
        "hanging_threads",
        "Threads that are overdue by more than 30 s.",
        view.hanging.len() as u64,
    )
}

fn chain(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    writer.gauge_if(
        "height",
        "The highest block height known.",
        view.height.map(|(height, _)| height.0),
    )?;
    writer.gauge_if(
        "height_age_seconds",
        "How long ago that height was first seen.",
        view.height.map(|(_, age)| age),
    )?;
    writer.gauge_if(
        "block_time_seconds",
        "How long a block takes, as measured.",
        view.block_time,
    )?;
    let help = "1 for the endpoint that is in use, 0 for the others.";
    let mut family = writer.family("endpoint_in_use", help, Gauge)?;
    for (endpoint, in_use) in &view.endpoints {
        let labels = [("endpoint", endpoint.as_str())];
        family.level(&labels, *in_use)?;
    }
    Ok(())
}

fn wallet(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    writer.gauge_if(
        "gas_price_uallo",
        "The gas price when it was last asked for.",
        view.facts.gas_price,
    )?;
    writer.gauge_if(
        "balance_uallo",
        "The account's balance when it was last asked for, less what was paid since.",
        view.facts.balance,
    )?;
    writer.counter(
        "fees_paid_uallo",
        "Transaction fees that blocks took; what was offered where the node has no index.",
        view.totals.fees,
    )?;
    writer.counter(
        "unknown_answers",
        "Answers of the chain that the worker has no meaning for.",
        view.totals.unknown_answers,
    )
}

fn requests(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    let help = "Requests to the chain, by route and result.";
    let mut family = writer.family("requests", help, Counter)?;
    for count in &view.requests {
        let labels = [
            ("route", count.route.name()),
            ("result", count.class.name()),
        ];
        family.counted(&labels, count.requests)?;
    }
    let help = "How long requests to the chain took.";
    let mut family = writer.family("request_duration_seconds", help, Histogram)?;
    family.times_alone(&view.request_us)
}

fn topic_label(id: TopicId) -> [(&'static str, u64); 1] {
    [("topic", id.0)]
}

fn outcomes(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    let help = "What became of the nonces.";
    let mut family = writer.family("outcomes", help, Counter)?;
    for id in view.facts.topics.keys() {
        let counts = view.totals.topics.get(id).copied().unwrap_or_default();
        for (outcome, count) in counts.named() {
            let labels = (topic_label(*id), [("outcome", outcome)]);
            family.counted(&labels, count)?;
        }
    }
    let help = "When a payload was last known to be included, in seconds since 1970; 0 before.";
    let mut family = writer.family("last_success_timestamp_seconds", help, Gauge)?;
    for (id, facts) in &view.facts.topics {
        let at = facts.last_success.map_or(0, |last| unix_seconds(last.at));
        family.level(&topic_label(*id), at)?;
    }
    let help = "When a poll last told something, in seconds since 1970; 0 before.";
    let mut family = writer.family("last_poll_timestamp_seconds", help, Gauge)?;
    for (id, facts) in &view.facts.topics {
        let at = facts.polled.map_or(0, |polled| unix_seconds(polled.at));
        family.level(&topic_label(*id), at)?;
    }
    Ok(())
}

fn windows(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    let height = view.height();
    let help = "1 while the topic's submission window is open.";
    let mut family = writer.family("window_open", help, Gauge)?;
    for (id, facts) in &view.facts.topics {
        let is_open = facts.open_at(height).is_some();
        family.level(&topic_label(*id), is_open)?;
    }
    let help = "The block that opens the topic's next window, where it is known.";
    let mut family = writer.family("next_window_height", help, Gauge)?;
    for (id, facts) in &view.facts.topics {
        if let Some(next) = facts.next_window(height) {
            family.level(&topic_label(*id), next.0)?;
        }
    }
    let help = "Blocks that were left of the window when a payload was last accepted by a node.";
    let mut family = writer.family("window_blocks_left_at_send", help, Gauge)?;
    for (id, facts) in &view.facts.topics {
        if let Some(left) = facts.blocks_left_at_send {
            family.level(&topic_label(*id), left)?;
        }
    }
    Ok(())
}

fn durations(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    let help = "How long the topic's model took to answer or to fail.";
    let mut family = writer.family("model_duration_seconds", help, Histogram)?;
    for (id, facts) in &view.facts.topics {
        family.times(&topic_label(*id), &facts.model_us)?;
    }
    let help = "Failures of the topic's model.";
    let mut family = writer.family("model_failures", help, Counter)?;
    for (id, facts) in &view.facts.topics {
        family.counted(&topic_label(*id), facts.model_failures)?;
    }
    let help = "Blocks from the nonce to the block with the payload; 1 is the best there is.";
    let mut family = writer.family("inclusion_delay_blocks", help, Histogram)?;
    for (id, facts) in &view.facts.topics {
        family.sizes(&topic_label(*id), &facts.inclusion_blocks)?;
    }
    Ok(())
}

fn waits(writer: &mut Writer<'_>, view: &View) -> fmt::Result {
    let help = "1 while the topic waits for somebody's hand, or for its model.";
    let mut family = writer.family("topic_waiting", help, Gauge)?;
    for id in view.facts.topics.keys() {
        let about = |(scope, _): &(Scope, Waiting)| scope.topic() == Some(*id);
        let waits = view.waits.iter().any(about);
        family.level(&topic_label(*id), waits)?;
    }
    let help = "1 for each state that is waited out, as the log and the README name them.";
    let mut family = writer.family("waiting", help, Gauge)?;
    let label = |(scope, waiting): &(Scope, Waiting)| {
        let state = waiting.in_brief().to_lowercase().replace(' ', "_");
        (scope.to_string(), state)
    };
    // why: a wallet may wait in several ways that have one name
    let states: BTreeSet<_> = view.waits.iter().map(label).collect();
    for (scope, state) in states {
        family.level(&[("scope", scope), ("state", state)], 1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
