//! A topic: its submission windows (protocol.md section 5), its workers and what it has stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::decimal::Decimal;
use crate::chain::labels::Labels;
use crate::chain::message::{Forecast, Inference};

/// Number of nonces whose inferences are kept.
const NETWORK_KEPT: usize = 32;

/// What a topic asks for.
#[derive(Clone, Debug)]
pub enum Arity {
    /// One number.
    Single,
    /// Labelled numbers that follow these rules (v10).
    Multi(Labels),
}

/// A worker's score (an exponential moving average).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// The last nonce for which the worker was processed.
    pub height: u64,
    /// The score; whole numbers are enough to order workers.
    pub score: i64,
}

#[derive(Clone, Debug)]
pub struct Topic {
    /// Starts at 1.
    pub id: u64,
    /// Blocks from one nonce to the next.
    pub epoch_length: u64,
    /// Length of a submission window, in blocks.
    pub window: u64,
    /// Height of the last nonce, or of the activation.
    pub epoch_last_ended: u64,
    /// Whether new windows open.
    pub active: bool,
    pub arity: Arity,
    /// Admits no worker: payloads succeed, but nothing is stored (protocol.md section 4.1, 13).
    pub passive: bool,
    /// Open nonces, newest first.
    pub unfulfilled: Vec<u64>,
    /// Those of them that an internal failure has left: nothing closes them.
    pub stale: BTreeSet<u64>,
    /// Registered workers and their owners.
    pub workers: BTreeMap<String, String>,
    /// Registered reputers.
    pub reputers: BTreeSet<String>,
    /// Workers that may submit; `None` if the topic's whitelist is off.
    pub whitelist: Option<BTreeSet<String>>,
    /// Admitted inferences of the open nonce, as submitted.
    pub active_set: BTreeMap<String, Inference>,
    /// Inferences of other workers, with their scores, that are the first ones in the first block
    /// of each window: a simulation at the nonce does not see them.
    pub early: Vec<(Inference, i64)>,
    /// Additional workers that forecasts may be for, in every window.
    pub top_inferers: BTreeSet<String>,
    /// The labels that the open nonce has registered, those of evicted workers too.
    pub labels: BTreeSet<String>,
    /// Stored forecasts of the open nonce.
    pub forecasts: BTreeMap<String, Forecast>,
    /// Scores of inferers.
    pub scores: BTreeMap<String, Score>,
    /// Scores of forecasters.
    pub forecast_scores: BTreeMap<String, Score>,
    /// The worker with the lowest score in the set of the last closed nonce that had one.
    pub last_lowest: Option<(String, Score)>,
    /// Inferences of closed nonces.
    pub network: BTreeMap<u64, Vec<Inference>>,
}

/// What happened to a topic at the end of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The nonce whose window closed.
    pub closed: Option<u64>,
    /// The nonce whose window opened.
    pub opened: Option<u64>,
}

impl Topic {
    /// A topic whose first window opens at the end of block `first`.
    #[must_use]
    pub fn new(id: u64, epoch_length: u64, window: u64, first: u64) -> Topic {
        Topic {
            id,
            epoch_length,
            window,
            epoch_last_ended: first.saturating_sub(epoch_length),
            active: true,
            arity: Arity::Single,
            passive: false,
            unfulfilled: Vec::new(),
            stale: BTreeSet::new(),
            workers: BTreeMap::new(),
            reputers: BTreeSet::new(),
            whitelist: None,
            active_set: BTreeMap::new(),
            early: Vec::new(),
            top_inferers: BTreeSet::new(),
            labels: BTreeSet::new(),
            forecasts: BTreeMap::new(),
            scores: BTreeMap::new(),
            forecast_scores: BTreeMap::new(),
            last_lowest: None,
            network: BTreeMap::new(),
        }
    }

    /// The next nonce, while the topic is active.
    #[must_use]
    pub fn next_open(&self) -> Option<u64> {
        self.active
            .then_some(self.epoch_last_ended + self.epoch_length)
    }

    /// The nonce whose window is open after block `height`.
    #[must_use]
    pub fn open_nonce(&self, height: u64) -> Option<u64> {
        self.unfulfilled
            .iter()
            .copied()
            .find(|&n| n <= height && height <= n + self.window)
    }

    /// Activates or deactivates the topic. After an activation at block `height`, the next nonce
    /// is one epoch away.
    pub fn set_active(&mut self, active: bool, height: u64) {
        if active && !self.active {
            self.epoch_last_ended = height;
        }
        self.active = active;
    }

    /// Admits the early workers, up to `places`, in the first block of a window.
    pub fn begin_block(&mut self, height: u64, places: usize) {
        let Some(nonce) = self.open_nonce(height).filter(|nonce| nonce + 1 == height) else {
            return;
        };
        for (inference, score) in self.early.iter().take(places) {
            let (worker, score) = (inference.inferer.clone(), *score);
            let inference = Inference {
                block_height: i64::try_from(nonce).unwrap_or(i64::MAX),
                ..inference.clone()
            };
            let height = nonce;
            self.scores.insert(worker.clone(), Score { height, score });
            self.active_set.insert(worker, inference);
        }
    }

    /// Leaves a nonce unfulfilled for ever, although its window is over.
    pub fn leave_stale(&mut self, nonce: u64) {
        self.unfulfilled.push(nonce);
        self.stale.insert(nonce);
    }

    /// Closes windows, then opens windows, at the end of block `height`.
    pub fn end_block(&mut self, height: u64) -> Turn {
        let mut turn = Turn::default();
        if let Some(index) = self
            .unfulfilled
            .iter()
            .position(|n| n + self.window <= height && !self.stale.contains(n))
        {
            let nonce = self.unfulfilled.remove(index);
            self.close(nonce);
            turn.closed = Some(nonce);
        }
        if self.next_open().is_some_and(|next| next <= height) {
            self.epoch_last_ended = height;
            self.unfulfilled.insert(0, height);
            turn.opened = Some(height);
        }
        turn
    }

    fn close(&mut self, nonce: u64) {
        self.last_lowest = self.lowest_score();
        let stored: Vec<Inference> = std::mem::take(&mut self.active_set).into_values().collect();
        self.forecasts.clear();
        self.labels.clear();
        if !stored.is_empty() {
            self.network.insert(nonce, stored);
        }
        while self.network.len() > NETWORK_KEPT {
            self.network.pop_first();
        }
    }

    /// Whether one of an inference's labels is new in the open window. One number has a label too.
    #[must_use]
    pub fn has_new_label(&self, inference: &Inference) -> bool {
        if inference.values.is_empty() {
            return self.active_set.is_empty();
        }
        let mut labels = inference.values.iter().map(|(label, _)| label);
        labels.any(|label| !self.labels.contains(label))
    }

    /// Whether forecasts may be for this worker.
    #[must_use]
    pub fn is_top_inferer(&self, worker: &str) -> bool {
        self.active_set.contains_key(worker) || self.top_inferers.contains(worker)
    }

    /// The admitted worker with the lowest score.
    #[must_use]
    pub fn lowest(&self) -> Option<(String, i64)> {
        let score = |worker: &String| self.scores.get(worker).map_or(0, |s| s.score);
        self.active_set
            .keys()
            .map(|w| (w.clone(), score(w)))
            .min_by_key(|(_, score)| *score)
    }

    /// The worker with the lowest score and that score; until a window has an inference, that of an
    /// earlier one.
    #[must_use]
    pub fn lowest_score(&self) -> Option<(String, Score)> {
        let Some((worker, _)) = self.lowest() else {
            return self.last_lowest.clone();
        };
        let score = self.scores.get(&worker).copied().unwrap_or_default();
        Some((worker, score))
    }

    /// The values of a stored inference, in the form of v10's `values`.
    #[must_use]
    pub fn values_of(inference: &Inference) -> Vec<(String, Decimal)> {
        if inference.values.is_empty() {
            vec![("y".to_owned(), inference.value.clone())]
        } else {
            inference.values.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_at_its_nonce_and_closes_at_its_last_block() {
        let mut topic = Topic::new(1, 20, 10, 26);
        assert_eq!(topic.next_open(), Some(26));
        assert_eq!(topic.end_block(25), Turn::default());
        assert_eq!(
            topic.end_block(26),
            Turn {
                closed: None,
                opened: Some(26)
            }
        );
        assert_eq!(topic.open_nonce(26), Some(26));
        for height in 27..36 {
            assert_eq!(topic.end_block(height), Turn::default());
            assert_eq!(topic.open_nonce(height), Some(26));
        }
        assert_eq!(
            topic.end_block(36),
            Turn {
                closed: Some(26),
                opened: None
            }
        );
        assert_eq!(topic.open_nonce(36), None);
        assert_eq!(topic.next_open(), Some(46));
    }

    #[test]
    fn a_window_as_long_as_the_epoch_closes_where_the_next_one_opens() {
        let mut topic = Topic::new(1, 10, 10, 20);
        topic.end_block(20);
        assert_eq!(
            topic.end_block(30),
            Turn {
                closed: Some(20),
                opened: Some(30)
            }
        );
        assert_eq!(topic.unfulfilled, [30]);
    }

    #[test]
    fn a_reactivated_topic_opens_one_epoch_later() {
        let mut topic = Topic::new(1, 20, 10, 26);
        topic.set_active(false, 24);
        assert_eq!(topic.end_block(26), Turn::default());
        assert_eq!(topic.next_open(), None);
        topic.set_active(true, 31);
        assert_eq!(topic.next_open(), Some(51));
    }
}
