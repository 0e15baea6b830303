//! How a nonce ended. A new outcome is a variant and its name, level and line here, and the place
//! that decides it; metrics, the JSON status and the summary follow from [`Outcome::NAMES`].

use log::Level;

use crate::status::miss::Miss;
use crate::text::cut;
use crate::values::amount;
use crate::values::units::{Height, Nonce, TopicId, TxHash, Uallo};

/// The log target of the lines that report outcomes: the log never leaves one of them out.
pub const TARGET: &str = "allora_worker::outcome";

/// The columns that the line of a served nonce fits, as a part of the log of a terminal.
pub const COLUMNS: usize = 120;
/// What the log writes before the text of such a line, less the topic's digits.
const BEFORE: &str = "2026-11-24 18:00:00 topic-: ";
/// A value is cut to these columns, as far as the line has room for them.
const VALUE_COLUMNS_MIN: usize = 7;
const VALUE_COLUMNS_MAX: usize = 24;

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
    /// How many labels it has; 0 for a number.
    pub label_count: usize,
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

    /// The line of the log: what became of this nonce. If it was served, the line has the value, cut
    /// so that it fits [`COLUMNS`].
    pub fn line(&self, topic: TopicId, nonce: Nonce) -> String {
        let inclusion = self.inclusion();
        let found = inclusion.and_then(|inclusion| Some((inclusion, inclusion.found.ok()?)));
        let Some((inclusion, found)) = found else {
            return format!("nonce {nonce}: {}", self.text(nonce));
        };
        let admitted = match self {
            Outcome::NotAdmitted(_) => ", not admitted",
            _ => "",
        };
        let (height, after) = (found.height, found.delay_blocks(nonce));
        let begin = format!("nonce {nonce}: included{admitted} in block {height} (+{after})");
        let fee = format!(", {}", amount::short_allo(found.fee));
        let hash = format!(", {}", found.hash.short());
        let before = BEFORE.len() + topic.to_string().len();
        let room = COLUMNS.saturating_sub(before + begin.len() + fee.len() + ", ".len());
        let (room, hash) = match room.checked_sub(hash.len()) {
            Some(left) if left >= VALUE_COLUMNS_MIN => (left, hash),
            _ => (room.max(VALUE_COLUMNS_MIN), String::new()),
        };
        let value = inclusion.sent.as_ref();
        let value = value.map(|sent| format!(", {}", sent.short(room.min(VALUE_COLUMNS_MAX))));
        begin + &value.unwrap_or_default() + &fee + &hash
    }

    /// All that its line leaves out, for `debug`.
    pub fn whole(&self, nonce: Nonce) -> Option<String> {
        let inclusion = self.inclusion()?;
        let InBlock { hash, fee, .. } = inclusion.found.ok()?;
        let value = inclusion.sent.as_ref().and_then(|sent| sent.value.as_ref());
        let value = value.map(|value| format!(", value {value}"));
        let value = value.unwrap_or_default();
        Some(format!(
            "nonce {nonce}: hash {hash}, fee {fee} uallo{value}"
        ))
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
        let fee = amount::allo(fee);
        format!("in block {height} (+{after}), fee {fee}, hash {hash}")
    }
}

impl Brief {
    /// At most this many columns, of which a forecast beside an inference takes some.
    fn short(&self, room: usize) -> String {
        let forecast = match (&self.value, self.forecast_count) {
            (_, 0) => String::new(),
            (None, count) => return format!("{count} forecasts"),
            (Some(_), count) => format!(" +{count}f"),
        };
        let value = self.value.as_deref().unwrap_or_default();
        let room = room.saturating_sub(forecast.len());
        let value = match self.label_count {
            0 => cut(value, room.max(VALUE_COLUMNS_MIN)),
            count => {
                let labels = format!("{count} labels");
                let with_first = format!("{labels}: {value}");
                if room < labels.len() + ": up 0.5\u{2026}".len() {
                    cut(&labels, room)
                } else {
                    cut(&with_first, room)
                }
            }
        };
        value + &forecast
    }
}

impl Unfound {
    fn text(self) -> &'static str {
        match self {
            Unfound::NoIndex => "the node has no transaction index",
            Unfound::Absent => "the node's index does not have it yet",
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
        let place = "in block 80 (+1), 0.0000000000025 ALLO, ABABABAB";
        assert_eq!(
            all().map(|outcome| outcome.line(TopicId(1), Nonce(79))),
            [
                format!("nonce 79: included {place}"),
                format!("nonce 79: included, not admitted {place}"),
                "nonce 79: already submitted".to_owned(),
                "nonce 79: missed: why".to_owned(),
                "nonce 79: refused: no".to_owned(),
                "nonce 79: skipped: guard".to_owned(),
                "nonce 79: disputed: only a".to_owned(),
            ]
        );
        for (why, text) in [
            (Unfound::NoIndex, "the node has no transaction index"),
            (Unfound::Absent, "the node's index does not have it yet"),
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
            let line = Outcome::Included(unseen).line(TopicId(1), Nonce(79));
            assert_eq!(line, format!("nonce 79: included by block 81 ({text})"));
        }
    }

    #[test]
    fn the_text_for_programs_and_for_debug_is_whole() {
        let [included, not_admitted, ..] = all();
        let hash = "AB".repeat(32);
        let place = format!("in block 80 (+1), fee 0.0000000000025 ALLO, hash {hash}");
        assert_eq!(included.text(Nonce(79)), format!("included {place}"));
        let text = not_admitted.text(Nonce(79));
        assert_eq!(text, format!("included, not admitted (no reward) {place}"));
        let whole = included.whole(Nonce(79)).unwrap();
        assert_eq!(whole, format!("nonce 79: hash {hash}, fee 2500000 uallo"));
    }

    #[test]
    fn what_was_sent_is_shown_in_short() {
        let short = |value: Option<&str>, label_count, forecast_count, room| {
            let value = value.map(str::to_owned);
            let brief = Brief {
                value,
                label_count,
                forecast_count,
            };
            let short = brief.short(room);
            assert!(short.chars().count() <= room, "{short}");
            short
        };
        let long = Some("0.00123456789012345");
        assert_eq!(short(Some("3021.57"), 0, 0, 11), "3021.57");
        assert_eq!(short(long, 0, 0, 11), "0.00123456\u{2026}");
        assert_eq!(short(Some("3021.57"), 0, 5, 11), "3021.57 +5f");
        assert_eq!(short(None, 0, 5, 11), "5 forecasts");
        let labels = Some("up 0.2, down 0.8");
        assert_eq!(short(labels, 2, 0, 11), "2 labels");
        assert_eq!(short(labels, 2, 0, 24), "2 labels: up 0.2, down \u{2026}");
    }
}
