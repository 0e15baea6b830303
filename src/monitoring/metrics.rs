//! The worker's state as metrics, in the text that Prometheus reads (OpenMetrics 1.0). A scrape
//! takes a view of the worker and encodes it; between scrapes nothing is kept here. A new metric is
//! counted on the board ([`crate::status`]) and listed here.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    CounterValueEncoder, DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet,
    EncodeMetric, GaugeValueEncoder, text,
};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::monitoring::view::{View, unix_seconds};
use crate::status::TopicReport;
use crate::status::outcome::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::values::units::{TopicId, Uallo};

/// The prefix of all names.
pub const PREFIX: &str = "allora_worker";
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes all metrics as they are in the view.
///
/// # Errors
/// The writer's.
pub fn write(view: View, writer: &mut impl fmt::Write) -> fmt::Result {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(view));
    text::encode(writer, &registry)
}

/// All metrics as one text, for tests.
#[must_use]
pub fn text(view: View) -> String {
    let mut text = String::new();
    // why: a String takes everything
    let _ = write(view, &mut text);
    text
}

impl Collector for View {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut scrape = Scrape {
            view: self,
            encoder,
        };
        scrape.of_process()?;
        scrape.of_chain()?;
        scrape.of_wallet()?;
        scrape.of_requests()?;
        scrape.of_outcomes()?;
        scrape.of_windows()?;
        scrape.of_models()?;
        scrape.of_waits()
    }
}

/// A value that knows its kind.
trait Metric: EncodeMetric + TypedMetric {}

impl<M: EncodeMetric + TypedMetric> Metric for M {}

/// A scrape at work.
struct Scrape<'v, 'e> {
    view: &'v View,
    encoder: DescriptorEncoder<'e>,
}

impl Scrape<'_, '_> {
    fn of_process(&mut self) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.family(
            "build_info",
            "1, with the worker's version.",
            [(version, gauge(1))],
        )?;
        self.single(
            "start_time_seconds",
            "When the worker started, in seconds since 1970.",
            Some(seconds(Some(self.view.started_at))),
        )?;
        self.single(
            "hanging_threads",
            "Threads that are overdue by more than 30 s.",
            Some(gauge(self.view.hanging.len() as u64)),
        )
    }

    fn of_chain(&mut self) -> fmt::Result {
        let view = self.view;
        self.single(
            "height",
            "The highest block height known.",
            view.height.map(|(height, _)| gauge(height.0)),
        )?;
        self.single(
            "height_age_seconds",
            "How long ago that height was first seen.",
            view.height.map(|(_, age)| gauge(age.as_secs_f64())),
        )?;
        self.single(
            "block_time_seconds",
            "How long a block takes, as measured.",
            view.block_time.map(|time| gauge(time.as_secs_f64())),
        )?;
        let endpoints = view.endpoints.iter();
        self.family(
            "endpoint_in_use",
            "1 for the endpoint that is in use, 0 for the others.",
            endpoints.map(|(name, in_use)| ([("endpoint", name)], flag(*in_use))),
        )
    }

    fn of_wallet(&mut self) -> fmt::Result {
        let board = &self.view.board;
        self.single(
            "gas_price_uallo",
            "The gas price when it was last asked for.",
            // why: the text of a price is always a number
            board
                .gas_price
                .map(|price| gauge(price.to_string().parse::<f64>().unwrap_or_default())),
        )?;
        self.single(
            "balance_uallo",
            "The account's balance when it was last asked for, less what was paid since.",
            board.balance.map(gauge),
        )?;
        self.single(
            "fees_paid_uallo",
            "Transaction fees that blocks took; what was offered where the node has no index.",
            Some(ConstCounter::new(board.fees_paid)),
        )?;
        self.single(
            "unknown_answers",
            "Answers of the chain that the worker has no meaning for.",
            Some(ConstCounter::new(board.unknown_answers)),
        )
    }

    fn of_requests(&mut self) -> fmt::Result {
        let requests = self.view.requests.iter().map(|count| {
            let labels = [
                ("route", count.route.name()),
                ("result", count.class.name()),
            ];
            (labels, ConstCounter::new(count.requests))
        });
        self.family(
            "requests",
            "Requests to the chain, by route and result.",
            requests,
        )?;
        self.single(
            "request_duration_seconds",
            "How long requests to the chain took.",
            Some(self.view.request_durations.clone()),
        )
    }

    fn of_outcomes(&mut self) -> fmt::Result {
        let outcomes = self.view.board.topics.iter().flat_map(|(id, topic)| {
            Outcome::NAMES.map(|name| {
                let labels = (topic_label(*id), [("outcome", name)]);
                (labels, ConstCounter::new(topic.count(name)))
            })
        });
        self.family("outcomes", "What became of the nonces.", outcomes)?;
        self.topics(
            "last_success_timestamp_seconds",
            "When a payload was last known to be included, in seconds since 1970; 0 before.",
            |topic| Some(seconds(topic.last_success.map(|last| last.at))),
        )?;
        self.topics(
            "last_poll_timestamp_seconds",
            "When a poll last told something, in seconds since 1970; 0 before.",
            |topic| Some(seconds(topic.polled.map(|polled| polled.at))),
        )
    }

    fn of_windows(&mut self) -> fmt::Result {
        let height = self.view.height();
        self.topics(
            "window_open",
            "1 while the topic's submission window is open.",
            |topic| Some(flag(topic.open_at(height).is_some())),
        )?;
        self.topics(
            "next_window_height",
            "The block that opens the topic's next window, where it is known.",
            |topic| topic.next_window(height).map(|next| gauge(next.0)),
        )?;
        self.topics(
            "window_blocks_left_at_send",
            "Blocks that were left of the window when a payload was last accepted by a node.",
            |topic| topic.blocks_left_at_send.map(gauge),
        )
    }

    fn of_models(&mut self) -> fmt::Result {
        self.topics(
            "model_duration_seconds",
            "How long the topic's model took to answer or to fail.",
            |topic| Some(topic.model_durations.clone()),
        )?;
        self.topics(
            "model_failures",
            "Failures of the topic's model.",
            |topic| Some(ConstCounter::new(topic.model_failures)),
        )?;
        self.topics(
            "inclusion_delay_blocks",
            "Blocks from the nonce to the block with the payload; 1 is the best there is.",
            |topic| Some(topic.inclusion_delays.clone()),
        )
    }

    fn of_waits(&mut self) -> fmt::Result {
        let view = self.view;
        let waiting = view.board.topics.keys().map(|id| {
            let is_about = |(scope, _): &(Scope, Waiting)| scope.topic() == Some(*id);
            (topic_label(*id), flag(view.waits.iter().any(is_about)))
        });
        self.family(
            "topic_waiting",
            "1 while the topic waits for somebody's hand, or for its model.",
            waiting,
        )?;
        // why: a wallet may wait in several ways that have one name
        let states: BTreeSet<_> = view
            .waits
            .iter()
            .map(|(scope, waiting)| (scope.to_string(), waiting.name()))
            .collect();
        let states = states.into_iter().map(|(scope, state)| {
            let labels = ([("scope", scope)], [("state", state)]);
            (labels, gauge(1))
        });
        self.family(
            "waiting",
            "1 for each state that is waited out, as the log and the README name them.",
            states,
        )
    }

    /// A metric without labels; it has no value where that is not known.
    fn single<M: Metric>(&mut self, name: &str, help: &str, metric: Option<M>) -> fmt::Result {
        let descriptor = self.encoder.encode_descriptor(name, help, None, M::TYPE)?;
        metric.map_or(Ok(()), |metric| metric.encode(descriptor))
    }

    /// A metric for each of several label sets.
    fn family<L: EncodeLabelSet, M: Metric>(
        &mut self,
        name: &str,
        help: &str,
        metrics: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, M::TYPE)?;
        for (labels, metric) in metrics {
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A metric for each topic; none where that is not known.
    fn topics<M: Metric>(
        &mut self,
        name: &str,
        help: &str,
        of_topic: impl Fn(&TopicReport) -> Option<M>,
    ) -> fmt::Result {
        let topics = self.view.board.topics.iter();
        let metrics = topics.filter_map(|(id, topic)| Some((topic_label(*id), of_topic(topic)?)));
        self.family(name, help, metrics)
    }
}

fn topic_label(id: TopicId) -> [(&'static str, u64); 1] {
    [("topic", id.0)]
}

fn gauge<N>(value: N) -> ConstGauge<N> {
    ConstGauge::new(value)
}

/// Seconds since 1970; 0 for what has not happened yet.
fn seconds(at: Option<SystemTime>) -> ConstGauge<u64> {
    gauge(at.map_or(0, unix_seconds))
}

fn flag(is_on: bool) -> ConstGauge<u64> {
    gauge(u64::from(is_on))
}

/// An amount as Prometheus knows it: beyond 64 bits, as floating point. Nothing is calculated with
/// it.
fn whole_or_float(amount: Uallo) -> Result<u64, f64> {
    u64::try_from(amount.0).map_err(|_| amount.0 as f64)
}

impl EncodeGaugeValue for Uallo {
    fn encode(&self, encoder: &mut GaugeValueEncoder<'_>) -> fmt::Result {
        match whole_or_float(*self) {
            Ok(whole) => EncodeGaugeValue::encode(&whole, encoder),
            Err(float) => EncodeGaugeValue::encode(&float, encoder),
        }
    }
}

impl EncodeCounterValue for Uallo {
    fn encode(&self, encoder: &mut CounterValueEncoder<'_>) -> fmt::Result {
        match whole_or_float(*self) {
            Ok(whole) => EncodeCounterValue::encode(&whole, encoder),
            Err(float) => EncodeCounterValue::encode(&float, encoder),
        }
    }
}

#[cfg(test)]
mod tests;
