//! The last nonces of a topic with their outcomes, oldest first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use log::kv::{self, Key, VisitSource};
use log::{Level, Record, debug};
use serde_json::{Map, Value, json};

use crate::status::outcome::{self, Outcome};
use crate::values::units::{Nonce, TopicId};

/// How many nonces of a topic are kept; fewer if there are many topics.
const TOPIC_MAX: usize = 100;
/// How many nonces of all topics are kept.
const ALL_MAX: usize = 5_000;

/// How a nonce ended, and when that was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub nonce: Nonce,
    pub outcome: Outcome,
    pub at: SystemTime,
    /// How many nonces in a row were missed for its cause; 0 if it was not missed.
    pub in_row: u64,
}

/// What is known of a nonce that has ended, with the names that JSON has for it: in `/status.json`,
/// and in the log as JSON.
#[derive(Clone, Debug)]
pub struct Facts(pub Map<String, Value>);

impl Ended {
    pub fn facts(&self) -> Facts {
        let (nonce, outcome) = (self.nonce, &self.outcome);
        let inclusion = outcome.inclusion();
        let found = inclusion.and_then(|inclusion| inclusion.found.ok());
        let sent = inclusion.and_then(|inclusion| inclusion.sent.as_ref());
        let facts = [
            ("nonce", json!(nonce.0)),
            ("outcome", outcome.name().into()),
            ("reason", outcome.miss_reason().into()),
            (
                "in_a_row",
                json!(Some(self.in_row).filter(|count| *count > 0)),
            ),
            ("value", json!(sent.and_then(|sent| sent.value.as_deref()))),
            (
                "forecast_count",
                json!(sent.map(|sent| sent.forecast_count)),
            ),
            ("height", json!(found.map(|found| found.height.0))),
            (
                "delay_blocks",
                json!(found.map(|found| found.delay_blocks(nonce))),
            ),
            ("hash", json!(found.map(|found| found.hash.to_string()))),
            ("fee_uallo", json!(found.map(|found| found.fee.to_string()))),
        ];
        Facts(
            facts
                .map(|(name, fact)| (name.to_owned(), fact))
                .into_iter()
                .collect(),
        )
    }

    /// Writes the line of this nonce into the log, with its facts.
    pub fn log(&self, topic: TopicId, level: Level) {
        let mut facts = self.facts();
        facts.0.insert("topic".to_owned(), topic.0.into());
        let mut record = Record::builder();
        let record = record
            .target(outcome::TARGET)
            .level(level)
            .key_values(&facts);
        let line = self.outcome.line(topic, self.nonce) + &self.in_a_row();
        log::logger().log(&record.args(format_args!("{line}")).build());
        if let Some(whole) = self.outcome.whole(self.nonce) {
            debug!("{whole}");
        }
    }

    /// What became of the nonce, with the count of the misses.
    pub fn text(&self) -> String {
        self.outcome.text(self.nonce) + &self.in_a_row()
    }

    fn in_a_row(&self) -> String {
        match self.in_row {
            0 | 1 => String::new(),
            count => format!(", {count} in a row"),
        }
    }
}

impl kv::Source for Facts {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        for (name, fact) in &self.0 {
            let fact = match fact {
                Value::String(text) => kv::Value::from(text.as_str()),
                Value::Number(number) => number.as_u64().map_or(kv::Value::null(), kv::Value::from),
                _ => kv::Value::null(),
            };
            visitor.visit_pair(Key::from_str(name), fact)?;
        }
        Ok(())
    }
}

/// The last nonces. A copy shares them.
#[derive(Clone, Debug, Default)]
pub struct History(VecDeque<Arc<Ended>>);

impl History {
    /// Appends a nonce. `topics` is the number of topics that share the memory.
    pub fn push(&mut self, ended: Arc<Ended>, topics: usize) {
        let kept = (ALL_MAX / topics.max(1)).clamp(1, TOPIC_MAX);
        while self.0.len() >= kept {
            self.0.pop_front();
        }
        self.0.push_back(ended);
    }

    pub fn last(&self) -> Option<&Ended> {
        self.0.back().map(Arc::as_ref)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Ended> {
        self.0.iter().map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(topics: usize) -> Vec<u64> {
        let mut history = History::default();
        for nonce in 0..200 {
            let ended = Ended {
                nonce: Nonce(nonce),
                outcome: Outcome::AlreadySubmitted,
                at: SystemTime::UNIX_EPOCH,
                in_row: 0,
            };
            history.push(Arc::new(ended), topics);
        }
        assert_eq!(history.last().map(|last| last.nonce), Some(Nonce(199)));
        history.iter().map(|ended| ended.nonce.0).collect()
    }

    #[test]
    fn the_last_nonces_are_kept_and_fewer_of_each_of_many_topics() {
        for (topics, first) in [
            (0, 100),
            (1, 100),
            (50, 100),
            (100, 150),
            (250, 180),
            (999, 195),
        ] {
            let expected: Vec<u64> = (first..200).collect();
            assert_eq!(nonces(topics), expected, "{topics} topics");
        }
    }
}
