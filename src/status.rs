//! What the worker is doing, for those who watch it: metrics, health, the service manager. The
//! threads tell it facts in passing, each a short moment under one lock; whoever asks gets a copy
//! and does the rest on his own time, so that no send waits for a reader. Nothing in here decides
//! anything.

pub mod beats;
pub mod histogram;
pub mod introduction;
pub mod tally;
pub mod waiting;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::status::beats::Beats;
use crate::status::tally::Outcome;
use crate::topic::window::LOOK_DELAY_MAX;
use crate::values::fee::GasPrice;
use crate::values::topic::{Window, WindowStatus};
use crate::values::units::{Height, Nonce, TopicId, Uallo};

use histogram::{DELAY_BOUNDS_BLOCKS, Histogram, TIME_BOUNDS_US, micros};

/// At rest a topic is polled every [`LOOK_DELAY_MAX`] at least, give or take some blocks and
/// whatever a request takes; monitoring/alerts.yml has the same 45 minutes.
const REST_MAX: Duration = LOOK_DELAY_MAX.saturating_add(Duration::from_secs(15 * 60));

/// What is known, shared by all threads.
#[derive(Debug)]
pub struct Status {
    /// Whether the threads still move.
    pub beats: Beats,
    started: Instant,
    started_at: SystemTime,
    facts: Mutex<Facts>,
}

/// Everything that the threads told.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By topic; every configured one from the start.
    pub topics: BTreeMap<TopicId, TopicFacts>,
    /// The gas price last asked for.
    pub gas_price: Option<GasPrice>,
    /// The account's balance when it was last asked for, less what was paid since.
    pub balance: Option<Uallo>,
}

/// What is known of a topic.
#[derive(Clone, Debug)]
pub struct TopicFacts {
    /// The last poll that told something.
    pub polled: Option<Polled>,
    /// When the last poll was answered, whatever it told.
    pub answered: Option<Instant>,
    /// The longest time between two polls of a worker that moves, requests that fail aside.
    pub rest_max: Duration,
    /// The last poll told that the chain does not know the topic.
    pub absent: bool,
    /// Since when every poll has failed.
    pub failing_since: Option<Instant>,
    /// Whether the topic takes labelled values.
    pub labelled: Option<bool>,
    /// How many blocks of its window were left when a payload was last accepted by a node.
    pub blocks_left_at_send: Option<u64>,
    /// How long the model took, in microseconds, failures included.
    pub model_us: Histogram<{ TIME_BOUNDS_US.len() }>,
    /// How often the model failed.
    pub model_failures: u64,
    /// In which block after the nonce its payload was, where that is known.
    pub inclusion_blocks: Histogram<{ DELAY_BOUNDS_BLOCKS.len() }>,
    /// What became of the last nonce.
    pub last: Option<LastOutcome>,
    /// The last nonce whose payload was included and counts.
    pub last_success: Option<LastOutcome>,
}

/// An answer to a poll.
#[derive(Clone, Copy, Debug)]
pub struct Polled {
    /// When it came, by the wall clock.
    pub at: SystemTime,
    /// What it said.
    pub status: WindowStatus,
}

/// What became of a nonce, and when that was known.
#[derive(Clone, Copy, Debug)]
pub struct LastOutcome {
    /// The nonce.
    pub nonce: Nonce,
    /// The outcome's name.
    pub outcome: &'static str,
    /// When it was known, by the wall clock.
    pub at: SystemTime,
}

impl Default for TopicFacts {
    fn default() -> TopicFacts {
        TopicFacts {
            polled: None,
            answered: None,
            rest_max: REST_MAX,
            absent: false,
            failing_since: None,
            labelled: None,
            blocks_left_at_send: None,
            model_us: Histogram::new(&TIME_BOUNDS_US),
            model_failures: 0,
            inclusion_blocks: Histogram::new(&DELAY_BOUNDS_BLOCKS),
            last: None,
            last_success: None,
        }
    }
}

impl Default for Status {
    fn default() -> Status {
        Status {
            beats: Beats::default(),
            started: Instant::now(),
            started_at: SystemTime::now(),
            facts: Mutex::default(),
        }
    }
}

impl Status {
    /// A topic that is served, and its `nonce_fetch_freq`, which may be longer than the longest
    /// time between two polls otherwise is.
    pub fn topic(&self, topic: TopicId, poll_every: Duration) {
        let rest_max = REST_MAX.saturating_add(poll_every.saturating_mul(2));
        self.change(topic, |facts| facts.rest_max = rest_max);
    }

    /// A poll told something.
    pub fn polled(&self, topic: TopicId, status: WindowStatus, labelled: bool) {
        self.change(topic, |facts| {
            let at = SystemTime::now();
            facts.polled = Some(Polled { at, status });
            facts.answered = Some(Instant::now());
            facts.absent = false;
            facts.failing_since = None;
            facts.labelled = Some(labelled);
        });
    }

    /// A poll told that there is no such topic: an answer, if not one to work with.
    pub fn absent(&self, topic: TopicId) {
        self.change(topic, |facts| {
            facts.absent = true;
            facts.answered = Some(Instant::now());
            facts.failing_since = None;
        });
    }

    /// A poll failed.
    pub fn poll_failed(&self, topic: TopicId) {
        self.change(topic, |facts| {
            facts.failing_since.get_or_insert_with(Instant::now);
        });
    }

    /// The model was asked.
    pub fn model_asked(&self, topic: TopicId, took: Duration, failed: bool) {
        self.change(topic, |facts| {
            facts.model_us.observe(micros(took));
            facts.model_failures = facts.model_failures.saturating_add(u64::from(failed));
        });
    }

    /// A node accepted a payload, so many blocks before its window's end.
    pub fn accepted(&self, topic: TopicId, blocks_left: u64) {
        self.change(topic, |facts| facts.blocks_left_at_send = Some(blocks_left));
    }

    /// A nonce is over.
    pub fn ended(&self, topic: TopicId, nonce: Nonce, outcome: &Outcome) {
        self.change(topic, |facts| {
            let last = LastOutcome {
                nonce,
                outcome: outcome.name(),
                at: SystemTime::now(),
            };
            facts.last = Some(last);
            if let Outcome::Included(inclusion) = outcome {
                facts.last_success = Some(last);
                if let Some(found) = &inclusion.found {
                    let blocks = found.height.0.saturating_sub(nonce.0);
                    facts.inclusion_blocks.observe(blocks);
                }
            }
        });
    }

    /// The chain told its gas price.
    pub fn gas_price(&self, price: GasPrice) {
        self.lock().gas_price = Some(price);
    }

    /// The account's balance, each time that the purse's changes.
    pub fn balance(&self, balance: Uallo) {
        self.lock().balance = Some(balance);
    }

    /// A copy of everything.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.lock().clone()
    }

    /// When the process began, and that by the wall clock.
    #[must_use]
    pub fn started(&self) -> (Instant, SystemTime) {
        (self.started, self.started_at)
    }

    fn change(&self, topic: TopicId, change: impl FnOnce(&mut TopicFacts)) {
        change(self.lock().topics.entry(topic).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        // why: a panic ends the process; until then the facts are as good as before
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TopicFacts {
    /// The window that is open at this height, as far as the last poll told.
    #[must_use]
    pub fn open_at(&self, height: Height) -> Option<Window> {
        let status = &self.polled.as_ref()?.status;
        let mut windows = [status.open, status.next].into_iter().flatten();
        let is_open = |window: &Window| window.nonce.height() <= height && height < window.end;
        windows.rfind(is_open)
    }

    /// The height that opens the next window, as far as the last poll told.
    #[must_use]
    pub fn next_window(&self, height: Height) -> Option<Height> {
        let next = self.polled.as_ref()?.status.next?.nonce.height();
        Some(next).filter(|next| *next > height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tally::Inclusion;

    const TOPIC: TopicId = TopicId(1);

    fn window(nonce: u64, end: u64) -> Option<Window> {
        Some(Window {
            nonce: Nonce(nonce),
            end: Height(end),
        })
    }

    fn status(open: Option<Window>, next: Option<Window>) -> WindowStatus {
        WindowStatus {
            open,
            next,
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: true,
        }
    }

    #[test]
    fn a_window_is_open_from_its_nonce_to_before_its_end() {
        let known = Status::default();
        known.polled(TOPIC, status(window(100, 110), window(120, 130)), false);
        let facts = known.facts().topics[&TOPIC].clone();
        let open = |height: u64| facts.open_at(Height(height)).map(|window| window.nonce.0);
        assert_eq!(open(99), None);
        assert_eq!(open(100), Some(100));
        assert_eq!(open(109), Some(100));
        assert_eq!(open(110), None, "its last block is there");
        assert_eq!(open(120), Some(120), "it has opened since the last poll");
        assert_eq!(facts.next_window(Height(119)), Some(Height(120)));
        assert_eq!(facts.next_window(Height(120)), None);
    }

    #[test]
    fn polls_that_fail_count_from_the_first_one() {
        let known = Status::default();
        known.poll_failed(TOPIC);
        let since = known.facts().topics[&TOPIC].failing_since;
        known.poll_failed(TOPIC);
        assert!(since.is_some());
        assert_eq!(known.facts().topics[&TOPIC].failing_since, since);
        known.polled(TOPIC, status(None, None), false);
        assert_eq!(known.facts().topics[&TOPIC].failing_since, None);
    }

    #[test]
    fn only_what_is_included_and_counts_is_a_success() {
        let known = Status::default();
        let unseen = Inclusion {
            found: None,
            by: Height(9),
        };
        known.ended(TOPIC, Nonce(7), &Outcome::Included(unseen.clone()));
        known.ended(TOPIC, Nonce(8), &Outcome::NotAdmitted(unseen));
        let facts = known.facts().topics[&TOPIC].clone();
        assert_eq!(facts.last_success.unwrap().nonce, Nonce(7));
        assert_eq!(facts.last.unwrap().outcome, "not_admitted");
        assert_eq!(facts.inclusion_blocks.count(), 0, "the block is not known");
    }
}
