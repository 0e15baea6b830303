//! How a nonce ended. A new outcome is a variant and its name, level and line here, and the place
//! that decides it; metrics, the JSON status and the summary follow from [`Outcome::NAMES`].

use log::Level;

use crate::status::miss::Miss;
use crate::values::units::{Height, Nonce, TxHash, Uallo};

/// The log target of the lines that report outcomes: the log never leaves one of them out.
pub const TARGET: &str = "allora_worker::outcome";

/// How a nonce ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The payload is in a block and counts.
    Included(Inclusion),
    /// The payload is in a block, but was not admitted to the active set: no reward (v10).
    NotAdmitted(Inclusion),
    /// The chain had a payload of this worker before this process came to the nonce.
    AlreadySubmitted,
    /// The window ended without a payload of this worker in a block.
    Missed(Miss),
    /// According to the chain's answer, this payload can never be accepted.
    Refused(String),
    /// One of the topic's guards rejected the inference.
    Skipped(String),
    /// Endpoints name different windows; this one was named by a single endpoint, in none of whose
    /// windows a payload was included: it is not known whether the chain had it.
    Disputed(String),
}

/// Where a payload was included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The transaction as the index has it, or why it is not known: then the state alone proves the
    /// inclusion.
    pub found: Result<InBlock, Unfound>,
    /// The payload is in this block at the latest.
    pub by: Height,
    /// What was sent; `None` if it was given up since.
    pub sent: Option<Brief>,
}

/// A payload in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// The number, or the labels with their values, cut to some length; `None` without an inference.
    pub value: Option<String>,
    /// How many workers are forecast.
    pub forecast_count: usize,
}

/// Why the index named no transaction that the state proves to be in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfound {
    /// The node said that it has no index.
    NoIndex,
    /// The index does not have it, or not yet.
    Absent,
    /// The question got no answer.
    NoAnswer,
}

/// A transaction in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InBlock {
    pub height: Height,
    pub hash: TxHash,
    pub fee: Uallo,
}

impl InBlock {
    /// How many blocks after the nonce; 1 is the best there is.
    pub fn delay_blocks(&self, nonce: Nonce) -> u64 {
        self.height.0.saturating_sub(nonce.0)
    }
}

impl Outcome {
    /// The names of all outcomes. They are labels of metrics and keys of the JSON status:
    /// dashboards depend on them.
    pub const NAMES: [&'static str; 7] = [
        "included",
        "not_admitted",
        "already_submitted",
        "missed",
        "refused",
        "skipped",
        "disputed",
    ];

    /// Its name among [`Outcome::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Included(_) => "included",
            Outcome::NotAdmitted(_) => "not_admitted",
            Outcome::AlreadySubmitted => "already_submitted",
            Outcome::Missed(_) => "missed",
            Outcome::Refused(_) => "refused",
            Outcome::Skipped(_) => "skipped",
            Outcome::Disputed(_) => "disputed",
        }
    }

    /// Its reason among [`Miss::REASONS`], if it is missed.
    pub fn miss_reason(&self) -> Option<&'static str> {
        match self {
            Outcome::Missed(miss) => Some(miss.reason()),
            Outcome::Included(_)
            | Outcome::NotAdmitted(_)
            | Outcome::AlreadySubmitted
            | Outcome::Refused(_)
            | Outcome::Skipped(_)
            | Outcome::Disputed(_) => None,
        }
    }

    /// Where its payload was included.
    pub fn inclusion(&self) -> Option<&Inclusion> {
        match self {
            Outcome::Included(inclusion) | Outcome::NotAdmitted(inclusion) => Some(inclusion),
            Outcome::AlreadySubmitted
            | Outcome::Missed(_)
            | Outcome::Refused(_)
            | Outcome::Skipped(_)
            | Outcome::Disputed(_) => None,
        }
    }

    /// The level of its line in the log.
    pub fn level(&self) -> Level {
        match self {
            Outcome::Missed(_) | Outcome::Refused(_) | Outcome::Skipped(_) => Level::Warn,
            _ => Level::Info,
        }
    }

    /// The line of the log: what became of this nonce.
    pub fn line(&self, nonce: Nonce) -> String {
        format!("nonce {nonce}: {}", self.text(nonce))
    }

    /// What became of this nonce.
    pub fn text(&self, nonce: Nonce) -> String {
        match self {
            Outcome::Included(inclusion) => format!("included {}", inclusion.text(nonce)),
            Outcome::NotAdmitted(inclusion) => {
                let place = inclusion.text(nonce);
                format!("included, not admitted (no reward) {place}")
            }
            Outcome::AlreadySubmitted => "already submitted".to_owned(),
            Outcome::Missed(why) => format!("missed: {why}"),
            Outcome::Refused(why) => format!("refused: {why}"),
            Outcome::Skipped(why) => format!("skipped: {why}"),
            Outcome::Disputed(why) => format!("disputed: {why}"),
        }
    }
}

impl Inclusion {
    fn text(&self, nonce: Nonce) -> String {
        let found = match self.found {
            Ok(found) => found,
            Err(why) => return format!("by block {} ({})", self.by, why.text()),
        };
        let InBlock { height, hash, fee } = found;
        let after = found.delay_blocks(nonce);
        format!("in block {height} (+{after}), hash {hash}, fee {fee} uallo")
    }
}

impl Unfound {
    fn text(self) -> &'static str {
        match self {
            Unfound::NoIndex => "the node has no transaction index",
            Unfound::Absent => "the node's transaction index does not have it yet",
            Unfound::NoAnswer => "the node's transaction index did not answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind, in the order of [`Outcome::NAMES`].
    fn all() -> [Outcome; Outcome::NAMES.len()] {
        let found = InBlock {
            height: Height(80),
            hash: TxHash([0xAB; 32]),
            fee: Uallo(2_500_000),
        };
        let inclusion = Inclusion {
            found: Ok(found),
            by: Height(81),
            sent: None,
        };
        [
            Outcome::Included(inclusion.clone()),
            Outcome::NotAdmitted(inclusion),
            Outcome::AlreadySubmitted,
            Outcome::Missed("why".to_owned().into()),
            Outcome::Refused("no".to_owned()),
            Outcome::Skipped("guard".to_owned()),
            Outcome::Disputed("only a".to_owned()),
        ]
    }

    #[test]
    fn names_are_fixed() {
        let names = all().map(|outcome| outcome.name());
        assert_eq!(names, Outcome::NAMES);
        assert_eq!(
            names.join(" "),
            "included not_admitted already_submitted missed refused skipped disputed"
        );
    }

    #[test]
    fn a_nonce_without_a_payload_in_a_block_is_a_warning() {
        use Level::{Info, Warn};
        let levels = all().map(|outcome| outcome.level());
        assert_eq!(levels, [Info, Info, Info, Warn, Warn, Warn, Info]);
    }

    #[test]
    fn each_outcome_has_its_line() {
        let hash = "AB".repeat(32);
        let place = format!("in block 80 (+1), hash {hash}, fee 2500000 uallo");
        assert_eq!(
            all().map(|outcome| outcome.line(Nonce(79))),
            [
                format!("nonce 79: included {place}"),
                format!("nonce 79: included, not admitted (no reward) {place}"),
                "nonce 79: already submitted".to_owned(),
                "nonce 79: missed: why".to_owned(),
                "nonce 79: refused: no".to_owned(),
                "nonce 79: skipped: guard".to_owned(),
                "nonce 79: disputed: only a".to_owned(),
            ]
        );
        for (why, text) in [
            (Unfound::NoIndex, "the node has no transaction index"),
            (
                Unfound::Absent,
                "the node's transaction index does not have it yet",
            ),
            (
                Unfound::NoAnswer,
                "the node's transaction index did not answer",
            ),
        ] {
            let unseen = Inclusion {
                found: Err(why),
                by: Height(81),
                sent: None,
            };
            let line = Outcome::Included(unseen).line(Nonce(79));
            assert_eq!(line, format!("nonce 79: included by block 81 ({text})"));
        }
    }
}
