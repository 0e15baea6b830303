//! How good the worker is in a topic: its score and that of the lowest place of the active set, and
//! what the network made of all inferences.

use std::collections::VecDeque;

use crate::status::history::History;
use crate::status::outcome::Outcome;
use crate::values::exact::Exact;
use crate::values::payload::Inference;
use crate::values::standing::{NetworkInference, Score};
use crate::values::units::Nonce;

/// How many scores of a topic are kept; fewer if there are many topics.
const TOPIC_MAX: usize = 50;
/// How many scores of all topics are kept.
const ALL_MAX: usize = 2_500;

/// The worker's standing in a topic, as far as the chain was heard.
#[derive(Clone, Debug, Default)]
pub struct TopicStanding {
    /// The worker's own, oldest first, one for each nonce.
    scores: VecDeque<Score>,
    /// The lowest one in the active set.
    pub lowest: Option<Score>,
    pub network: Option<NetworkValue>,
}

/// The network inference for a nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkValue {
    pub nonce: Nonce,
    /// The number, or the labels with their values, cut to some length.
    pub text: String,
    pub is_number: bool,
}

impl TopicStanding {
    /// The worker has this score. `topics` is the number of topics that share the memory.
    pub fn has_score(&mut self, score: Score, topics: usize) {
        if self
            .scores
            .back()
            .is_some_and(|last| last.nonce >= score.nonce)
        {
            self.scores.pop_back();
        }
        let kept = (ALL_MAX / topics.max(1)).clamp(1, TOPIC_MAX);
        while self.scores.len() >= kept {
            self.scores.pop_front();
        }
        self.scores.push_back(score);
    }

    pub fn scores(&self) -> impl Iterator<Item = &Score> {
        self.scores.iter()
    }

    pub fn score(&self) -> Option<&Score> {
        self.scores.back()
    }

    /// How far the score is above the lowest one; negative if it is below.
    pub fn above_lowest(&self) -> Option<String> {
        let (own, lowest) = self.score().zip(self.lowest.as_ref())?;
        Some((&Exact::of(&own.value) - &Exact::of(&lowest.value)).text())
    }

    /// What was sent for the nonce of the network's value.
    pub fn own_value<'h>(&self, history: &'h History) -> Option<&'h str> {
        let nonce = self.network.as_ref()?.nonce;
        let ended = history.iter().find(|ended| ended.nonce == nonce)?;
        ended.outcome.inclusion()?.sent.as_ref()?.value.as_deref()
    }
}

/// Whether the last payload that is known to be in a block was admitted to the active set.
pub fn is_admitted(history: &History) -> Option<bool> {
    history.iter().rev().find_map(|ended| match ended.outcome {
        Outcome::Included(_) => Some(true),
        Outcome::NotAdmitted(_) => Some(false),
        _ => None,
    })
}

impl NetworkValue {
    pub fn of(heard: &NetworkInference) -> NetworkValue {
        NetworkValue {
            nonce: heard.nonce,
            text: heard.combined.to_string(),
            is_number: matches!(heard.combined, Inference::Value(_)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::status::history::Ended;
    use crate::status::outcome::{Brief, Inclusion, Unfound};
    use crate::values::decimal::Decimal;
    use crate::values::units::Height;

    fn score(nonce: u64, value: &str) -> Score {
        let value = Decimal::parse(value).unwrap();
        Score {
            nonce: Nonce(nonce),
            value,
        }
    }

    #[test]
    fn the_course_is_one_score_for_each_of_the_last_nonces() {
        let mut standing = TopicStanding::default();
        for nonce in 1..=100 {
            standing.has_score(score(nonce, "0.5"), 1);
        }
        standing.has_score(score(100, "0.25"), 1);
        let nonces: Vec<u64> = standing.scores().map(|score| score.nonce.0).collect();
        assert_eq!(nonces, (51..=100).collect::<Vec<u64>>());
        assert_eq!(standing.score(), Some(&score(100, "0.25")), "the newest");
        standing.has_score(score(110, "1"), 1_000);
        assert_eq!(standing.scores().count(), 2);
    }

    #[test]
    fn the_distance_is_exact_and_has_a_sign() {
        let mut standing = TopicStanding::default();
        assert_eq!(standing.above_lowest(), None);
        standing.has_score(score(1, "0.1"), 1);
        standing.lowest = Some(score(1, "0.3"));
        assert_eq!(standing.above_lowest().as_deref(), Some("-0.2"));
        standing.has_score(score(2, "0.30000000000000000000000000000000001"), 1);
        let above = standing.above_lowest().unwrap();
        assert_eq!(above, "1E-35");
    }

    #[test]
    fn the_own_value_is_that_of_the_same_nonce() {
        let mut history = History::default();
        let inclusion = |value: &str| Inclusion {
            found: Err(Unfound::NoIndex),
            by: Height(9),
            sent: Some(Brief {
                value: Some(value.to_owned()),
                label_count: 0,
                forecast_count: 0,
            }),
        };
        let at = SystemTime::UNIX_EPOCH;
        for (nonce, outcome) in [
            (7, Outcome::Included(inclusion("1.5"))),
            (8, Outcome::NotAdmitted(inclusion("2.5"))),
            (9, Outcome::AlreadySubmitted),
        ] {
            let nonce = Nonce(nonce);
            history.push(
                Arc::new(Ended {
                    nonce,
                    outcome,
                    at,
                    in_row: 0,
                }),
                1,
            );
        }
        assert_eq!(is_admitted(&history), Some(false));
        assert_eq!(is_admitted(&History::default()), None);
        let mut standing = TopicStanding::default();
        assert_eq!(standing.own_value(&history), None);
        for (nonce, own) in [(7, Some("1.5")), (8, Some("2.5")), (9, None), (10, None)] {
            let combined = Inference::Value(Decimal::parse("3").unwrap());
            let heard = NetworkInference {
                nonce: Nonce(nonce),
                combined,
            };
            standing.network = Some(NetworkValue::of(&heard));
            assert_eq!(standing.own_value(&history), own, "{nonce}");
        }
    }
}
