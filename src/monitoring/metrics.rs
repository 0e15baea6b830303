//! The worker's state as metrics, in the text that Prometheus reads (OpenMetrics 1.0). A scrape
//! takes a view of the worker and encodes it; between scrapes nothing is kept here. A new metric is
//! counted on the board ([`crate::status`]), described in `DESCRIPTIONS` and encoded here.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, text,
};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::monitoring::view::{View, unix_seconds};
use crate::status::TopicReport;
use crate::status::miss::Miss;
use crate::status::outcome::Outcome;
use crate::status::standing::is_admitted;
use crate::status::waiting::{Scope, Waiting};
use crate::values::budget::Budget;
use crate::values::fee::GasPrice;
use crate::values::standing::Score;
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

/// All metrics without [`PREFIX`], each with its description.
const DESCRIPTIONS: &str = "\
build_info: 1, with the worker's version.
start_time_seconds: When the worker started, in seconds since 1970.
hanging_threads: Threads that are overdue by more than 30 s.
height: The highest block height known.
height_age_seconds: How long ago that height was first seen.
block_time_seconds: How long a block takes, as measured.
endpoint_in_use: 1 for the endpoint that is in use, 0 for the others.
gas_price_uallo: The gas price when it was last asked for.
balance_uallo: The account's balance when it was last asked for, less what was paid since.
granter_balance_uallo: The balance of the account that grants the fees, when it was last \
    asked for.
fees_offered_uallo: Fees of the transactions that were signed; no more can have been paid.
fees_confirmed_uallo: Fees that blocks took, as far as the node's index reports them.
fees_signed_24h_uallo: Fees of the transactions signed within 24 h.
max_fee_per_day_uallo: The limit of these, max_fee_per_day_uallo in the configuration.
unknown_answers: Answers of the chain that the worker has no meaning for.
requests: Requests to the chain, by route and result.
request_duration_seconds: How long requests to the chain took.
outcomes: What became of the nonces.
missed: Missed nonces, by what kept the worker from serving them.
unserved_before_start: Windows that ended unserved on the day before the worker started.
last_success_timestamp_seconds: When a payload was last known to be included, in \
    seconds since 1970; 0 before.
last_poll_timestamp_seconds: When a poll last gave a status, in seconds since 1970; 0 before.
window_open: 1 while the topic's submission window is open.
next_window_height: The block that opens the topic's next window, where it is known.
window_blocks_left_at_send: Blocks that were left of the window when a payload was \
    last accepted by a node.
takeovers: Payloads of a standby that a node accepted, because its primary had not served the nonce.
model_duration_seconds: How long the topic's model took to answer or to fail.
model_failures: Failures of the topic's model.
inclusion_delay_blocks: Blocks from the nonce to the block with the payload; 1 is the best there is.
score: The worker's score (EMA) in the topic, as last read.
lowest_score: The lowest score in the topic's active set, as last read.
admitted: 1 if the last payload that is known to be in a block was admitted to the active set, else 0.
network_value: The network's inference for the last nonce that was read, in topics of one number.
own_value: The value that was sent for that nonce.
topic_waiting: 1 while the topic waits for an operator, or for its model.
waiting: 1 for each state that is waited out, as the log and docs/troubleshooting.md name them.
";

impl Collector for View {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut scrape = Scrape {
            view: self,
            encoder,
        };
        scrape.of_process_and_chain()?;
        scrape.of_wallet()?;
        scrape.of_topics()?;
        scrape.of_standings()?;
        scrape.of_waits()
    }
}

/// A scrape at work.
struct Scrape<'v, 'e> {
    view: &'v View,
    encoder: DescriptorEncoder<'e>,
}

impl Scrape<'_, '_> {
    fn of_process_and_chain(&mut self) -> fmt::Result {
        let view = self.view;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.family("build_info", [(version, gauge(1))])?;
        let started = seconds(Some(view.started_at));
        self.single("start_time_seconds", Some(started))?;
        let hanging = gauge(view.hanging.len() as u64);
        self.single("hanging_threads", Some(hanging))?;
        let (height, age) = view.height.unzip();
        self.single("height", height.map(|height| gauge(height.0)))?;
        let seconds = |time: Duration| gauge(time.as_secs_f64());
        self.single("height_age_seconds", age.map(seconds))?;
        self.single("block_time_seconds", view.block_time.map(seconds))?;
        let endpoints = view.endpoints.iter();
        let endpoints = endpoints.map(|(name, in_use)| ([("endpoint", name)], flag(*in_use)));
        self.family("endpoint_in_use", endpoints)?;
        let requests = view.requests.iter().map(|count| {
            let labels = [
                ("route", count.route.name()),
                ("result", count.class.name()),
            ];
            (labels, ConstCounter::new(count.requests))
        });
        self.family("requests", requests)?;
        let durations = view.request_durations.0.clone();
        self.single("request_duration_seconds", Some(durations))
    }

    fn of_wallet(&mut self) -> fmt::Result {
        let board = &self.view.board;
        let price = |price: GasPrice| float(&price.to_string());
        let price = board.gas_price.map(price);
        self.single("gas_price_uallo", price.map(gauge))?;
        let limit = board.budget.as_ref().map(Budget::limit);
        for (name, amount) in [
            ("balance_uallo", board.balance),
            ("granter_balance_uallo", board.granter_balance),
            ("fees_signed_24h_uallo", self.view.fees_signed_24h()),
            ("max_fee_per_day_uallo", limit),
        ] {
            match amount.map(whole_or_float).transpose() {
                Ok(amount) => self.single(name, amount.map(gauge))?,
                Err(amount) => self.single(name, Some(gauge(amount)))?,
            }
        }
        for (name, fees) in [
            ("fees_offered_uallo", board.fees_offered),
            ("fees_confirmed_uallo", board.fees_confirmed),
        ] {
            match whole_or_float(fees) {
                Ok(fees) => self.single(name, Some(ConstCounter::new(fees)))?,
                Err(fees) => self.single(name, Some(ConstCounter::new(fees)))?,
            }
        }
        let unknown = ConstCounter::new(board.unknown_answers);
        self.single("unknown_answers", Some(unknown))
    }

    fn of_topics(&mut self) -> fmt::Result {
        let outcomes = self.view.board.topics.iter().flat_map(|(id, topic)| {
            Outcome::NAMES.map(|name| {
                let labels = (topic_label(*id), [("outcome", name)]);
                (labels, ConstCounter::new(topic.count(name)))
            })
        });
        self.family("outcomes", outcomes)?;
        let misses = self.view.board.topics.iter().flat_map(|(id, topic)| {
            Miss::REASONS.map(|reason| {
                let labels = (topic_label(*id), [("reason", reason)]);
                (labels, ConstCounter::new(topic.missed_for(reason)))
            })
        });
        self.family("missed", misses)?;
        self.topics("unserved_before_start", |topic| {
            Some(gauge(topic.unserved_before_start))
        })?;
        self.topics("last_success_timestamp_seconds", |topic| {
            Some(seconds(topic.last_success.as_ref().map(|last| last.at)))
        })?;
        self.topics("last_poll_timestamp_seconds", |topic| {
            Some(seconds(topic.polled.map(|polled| polled.at)))
        })?;
        let height = self.view.height();
        self.topics("window_open", |topic| {
            Some(flag(topic.open_at(height).is_some()))
        })?;
        self.topics("next_window_height", |topic| {
            topic.next_window(height).map(|next| gauge(next.0))
        })?;
        self.topics("window_blocks_left_at_send", |topic| {
            topic.blocks_left_at_send.map(gauge)
        })?;
        self.topics("takeovers", |topic| {
            Some(ConstCounter::new(topic.takeovers))
        })?;
        self.topics("model_duration_seconds", |topic| {
            Some(topic.model_durations.0.clone())
        })?;
        self.topics("model_failures", |topic| {
            Some(ConstCounter::new(topic.model_failures))
        })?;
        self.topics("inclusion_delay_blocks", |topic| {
            Some(topic.inclusion_delays.0.clone())
        })
    }

    fn of_standings(&mut self) -> fmt::Result {
        let of_score = |score: &Score| gauge(float(score.value.as_str()));
        self.topics("score", |topic| topic.standing.score().map(of_score))?;
        self.topics("lowest_score", |topic| {
            topic.standing.lowest.as_ref().map(of_score)
        })?;
        self.topics("admitted", |topic| is_admitted(&topic.history).map(flag))?;
        let network = |topic: &TopicReport| {
            let network = topic.standing.network.as_ref();
            network.filter(|network| network.is_number).cloned()
        };
        self.topics("network_value", |topic| {
            Some(gauge(float(&network(topic)?.text)))
        })?;
        self.topics("own_value", |topic| {
            network(topic)?;
            Some(gauge(float(topic.standing.own_value(&topic.history)?)))
        })
    }

    fn of_waits(&mut self) -> fmt::Result {
        let view = self.view;
        let waiting = view.board.topics.keys().map(|id| {
            let is_about = |(scope, _): &(Scope, Waiting)| scope.topic() == Some(*id);
            (topic_label(*id), flag(view.waits.iter().any(is_about)))
        });
        self.family("topic_waiting", waiting)?;
        let states = view.waits.iter();
        // why: several waiting states of a wallet have the same name
        let states: BTreeSet<_> = states
            .map(|(scope, waiting)| (scope.to_string(), waiting.name()))
            .collect();
        let states = states.into_iter();
        let states =
            states.map(|(scope, state)| (([("scope", scope)], [("state", state)]), gauge(1)));
        self.family("waiting", states)
    }

    fn describe<'a>(
        &'a mut self,
        name: &'a str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'a>, fmt::Error> {
        let of_name = |line: &'static str| line.strip_prefix(name)?.strip_prefix(": ");
        let description = DESCRIPTIONS.lines().find_map(of_name).unwrap_or_default();
        self.encoder
            .encode_descriptor(name, description, None, kind)
    }

    /// A metric without labels; it has no value where that is not known.
    fn single<M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        metric: Option<M>,
    ) -> fmt::Result {
        let encoder = self.describe(name, M::TYPE)?;
        metric.map_or(Ok(()), |metric| metric.encode(encoder))
    }

    /// A metric for each of several label sets.
    fn family<L: EncodeLabelSet, M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        metrics: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let mut family = self.describe(name, M::TYPE)?;
        for (labels, metric) in metrics {
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A metric for each topic; none where that is not known.
    fn topics<M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        of_topic: impl Fn(&TopicReport) -> Option<M>,
    ) -> fmt::Result {
        let topics = self.view.board.topics.iter();
        let metrics = topics.filter_map(|(id, topic)| Some((topic_label(*id), of_topic(topic)?)));
        self.family(name, metrics)
    }
}

fn topic_label(id: TopicId) -> [(&'static str, u64); 1] {
    [("topic", id.0)]
}

fn gauge<N>(value: N) -> ConstGauge<N> {
    ConstGauge::new(value)
}

/// A number's text as Prometheus knows it. Nothing is calculated with it.
fn float(number: &str) -> f64 {
    // why: all such texts are numbers, but for a value that was cut
    number.parse().unwrap_or(f64::NAN)
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

#[cfg(test)]
mod tests;
