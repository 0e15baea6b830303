//! What became of the nonces, counted per topic: for the outcome lines, for the summary at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use log::warn;

use crate::chain::meaning::Meaning;
use crate::values::units::TxHash;
use crate::values::units::{Height, Nonce, TopicId, Uallo};

/// How a nonce ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The payload is in a block and counts.
    Included(Inclusion),
    /// The payload is in a block, but was not admitted to the active set: no reward (v10).
    NotAdmitted(Inclusion),
    /// The chain had a payload of ours already.
    AlreadySubmitted,
    /// The window ended without a payload of ours in a block.
    Missed(String),
    /// The chain said that this payload can never pass.
    Refused(String),
    /// A guard of the topic's own kept it back.
    Skipped(String),
}

/// Where a payload was included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// What the transaction index says; `None` if it said nothing: the state alone proves the
    /// inclusion then.
    pub found: Option<Found>,
    /// The payload is in this block at the latest.
    pub by: Height,
}

/// A transaction as the index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its block.
    pub height: Height,
    /// Its hash.
    pub hash: TxHash,
    /// What it cost.
    pub fee: Uallo,
}

impl Outcome {
    /// The names of all outcomes, for metrics.
    pub const NAMES: [&'static str; 6] = [
        "included",
        "not_admitted",
        "already_submitted",
        "missed",
        "refused",
        "skipped",
    ];

    /// A short name, for metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let [
            included,
            not_admitted,
            already_submitted,
            missed,
            refused,
            skipped,
        ] = Outcome::NAMES;
        match self {
            Outcome::Included(_) => included,
            Outcome::NotAdmitted(_) => not_admitted,
            Outcome::AlreadySubmitted => already_submitted,
            Outcome::Missed(_) => missed,
            Outcome::Refused(_) => refused,
            Outcome::Skipped(_) => skipped,
        }
    }
}

/// An outcome with the nonce that it belongs to, as it is written to the log.
pub struct Line<'a>(pub Nonce, pub &'a Outcome);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line(nonce, outcome) = self;
        write!(f, "nonce {nonce}: ")?;
        match outcome {
            Outcome::Included(inclusion) => {
                f.write_str("included ")?;
                inclusion.describe(*nonce, f)
            }
            Outcome::NotAdmitted(inclusion) => {
                f.write_str("included, not admitted (no reward) ")?;
                inclusion.describe(*nonce, f)
            }
            Outcome::AlreadySubmitted => f.write_str("already submitted"),
            Outcome::Missed(why) => write!(f, "missed: {why}"),
            Outcome::Refused(why) => write!(f, "refused: {why}"),
            Outcome::Skipped(why) => write!(f, "skipped: {why}"),
        }
    }
}

impl Inclusion {
    fn describe(&self, nonce: Nonce, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(found) = &self.found else {
            return write!(
                f,
                "by block {} (the node has no transaction index)",
                self.by
            );
        };
        let after = found.height.0.saturating_sub(nonce.0);
        let Found { height, hash, fee } = found;
        write!(
            f,
            "in block {height} (+{after}), hash {hash}, fee {fee} uallo"
        )
    }
}

/// One topic's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payloads included.
    pub included: u64,
    /// Payloads included without being admitted.
    pub not_admitted: u64,
    /// Nonces that were served before this process came to them.
    pub already_submitted: u64,
    /// Nonces missed.
    pub missed: u64,
    /// Nonces whose payload was refused for good.
    pub refused: u64,
    /// Nonces for which a guard kept the payload back.
    pub skipped: u64,
}

impl Counts {
    /// Each count with the name of its outcome.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 6] {
        let [
            included,
            not_admitted,
            already_submitted,
            missed,
            refused,
            skipped,
        ] = Outcome::NAMES;
        [
            (included, self.included),
            (not_admitted, self.not_admitted),
            (already_submitted, self.already_submitted),
            (missed, self.missed),
            (refused, self.refused),
            (skipped, self.skipped),
        ]
    }
}

/// A copy of what was counted.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// The outcomes of the topics that have had one.
    pub topics: BTreeMap<TopicId, Counts>,
    /// The fees that blocks took.
    pub fees: Uallo,
    /// Answers that the table of meanings does not know.
    pub unknown_answers: u64,
}

/// The counts of all topics, shared by their threads.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Totals>);

impl Tally {
    /// Counts an outcome.
    pub fn count(&self, topic: TopicId, outcome: &Outcome) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = inner.topics.entry(topic).or_default();
        match outcome {
            Outcome::Included(_) => counts.included += 1,
            Outcome::NotAdmitted(_) => counts.not_admitted += 1,
            Outcome::AlreadySubmitted => counts.already_submitted += 1,
            Outcome::Missed(_) => counts.missed += 1,
            Outcome::Refused(_) => counts.refused += 1,
            Outcome::Skipped(_) => counts.skipped += 1,
        }
    }

    /// Counts a fee that a block took.
    pub fn paid(&self, fee: Uallo) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.fees = Uallo(inner.fees.0.saturating_add(fee.0));
    }

    /// Counts and tells an answer that the table of meanings does not know; others are nothing
    /// new.
    pub fn answer(&self, meaning: &Meaning) {
        if let Meaning::Unknown { .. } = meaning {
            warn!("{meaning}");
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            inner.unknown_answers += 1;
        }
    }

    /// A copy of everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clone()
    }

    /// One line with everything, for the end.
    #[must_use]
    pub fn summary(&self) -> String {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |of: fn(&Counts) -> u64| inner.topics.values().map(of).sum::<u64>();
        let unknown = match inner.unknown_answers {
            0 => String::new(),
            count => format!("; {count} answers of a kind that is not known, see above"),
        };
        format!(
            "{} included, {} not admitted, {} already submitted, {} missed, {} refused, \
             {} skipped; fees {} uallo",
            sum(|c| c.included),
            sum(|c| c.not_admitted),
            sum(|c| c.already_submitted),
            sum(|c| c.missed),
            sum(|c| c.refused),
            sum(|c| c.skipped),
            inner.fees
        ) + &unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_lines_read_as_promised() {
        let found = Found {
            height: Height(80),
            hash: TxHash([0xAB; 32]),
            fee: Uallo(2_500_000),
        };
        let inclusion = Inclusion {
            found: Some(found),
            by: Height(81),
        };
        let line = |outcome: &Outcome| Line(Nonce(79), outcome).to_string();
        assert_eq!(
            line(&Outcome::Included(inclusion.clone())),
            format!(
                "nonce 79: included in block 80 (+1), hash {}, fee 2500000 uallo",
                "AB".repeat(32)
            )
        );
        assert!(line(&Outcome::NotAdmitted(inclusion)).contains("included, not admitted"));
        let unseen = Inclusion {
            found: None,
            by: Height(81),
        };
        assert!(line(&Outcome::Included(unseen)).starts_with("nonce 79: included by block 81"));
        assert_eq!(
            line(&Outcome::AlreadySubmitted),
            "nonce 79: already submitted"
        );
        assert_eq!(
            line(&Outcome::Missed("why".into())),
            "nonce 79: missed: why"
        );
        assert_eq!(
            line(&Outcome::Skipped("guard".into())),
            "nonce 79: skipped: guard"
        );
    }

    #[test]
    fn the_summary_adds_up_topics_and_fees() {
        let tally = Tally::default();
        tally.count(TopicId(1), &Outcome::AlreadySubmitted);
        tally.count(TopicId(2), &Outcome::AlreadySubmitted);
        tally.count(TopicId(2), &Outcome::Missed(String::new()));
        tally.paid(Uallo(7));
        tally.paid(Uallo(5));
        tally.answer(&Meaning::WindowClosed);
        let summary = tally.summary();
        assert!(
            summary.contains("2 already submitted, 1 missed"),
            "{summary}"
        );
        assert!(summary.ends_with("fees 12 uallo"), "{summary}");
        tally.answer(&Meaning::of_simulate(None, "something new"));
        assert!(
            tally.summary().contains("; 1 answers of a kind"),
            "{}",
            tally.summary()
        );
    }
}
