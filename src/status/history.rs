//! The last nonces of a topic with their outcomes, oldest first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use crate::status::outcome::Outcome;
use crate::values::units::Nonce;

/// How many nonces of a topic are kept: the most, and the fewest with many topics.
const TOPIC_MAX: usize = 100;
const TOPIC_MIN: usize = 20;
/// How many nonces of all topics are kept before each topic gets fewer.
const ALL_MAX: usize = 5_000;

/// How a nonce ended, and when that was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub nonce: Nonce,
    pub outcome: Outcome,
    pub at: SystemTime,
}

/// The last nonces. A copy shares them.
#[derive(Clone, Debug, Default)]
pub struct History(VecDeque<Arc<Ended>>);

impl History {
    /// Appends a nonce. `topics` is the number of topics that share the memory.
    pub fn push(&mut self, ended: Arc<Ended>, topics: usize) {
        let kept = (ALL_MAX / topics.max(1)).clamp(TOPIC_MIN, TOPIC_MAX);
        while self.0.len() >= kept {
            self.0.pop_front();
        }
        self.0.push_back(ended);
    }

    pub fn last(&self) -> Option<&Ended> {
        self.0.back().map(Arc::as_ref)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Ended> {
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
            (999, 180),
        ] {
            let expected: Vec<u64> = (first..200).collect();
            assert_eq!(nonces(topics), expected, "{topics} topics");
        }
    }
}
