//! When the chain is asked how good the worker is: one request for each nonce at most, after its
//! window is closed and while nothing is to be done. No payload depends on the answer.

use std::time::{Duration, Instant};

use log::debug;

use super::Topic;
use super::window::Pace;
use crate::http::REQUEST_TIME_MIN;
use crate::status::beats;
use crate::values::decimal::Decimal;
use crate::values::payload::Inference;
use crate::values::standing::NetworkInference;
use crate::values::topic::Arity;
use crate::values::units::{Height, Nonce};

/// Windows of many topics close in one block: the topics ask in up to as many blocks after it.
const SPREAD_BLOCKS: u64 = 8;
/// With a guard that needs the network inference, one question in `LOWEST_EVERY` is for the lowest
/// score.
const LOWEST_EVERY: u32 = 8;
/// After questions without an answer, up to `PAUSE_NONCES_MAX` nonces pass before the next one.
const PAUSE_NONCES_MAX: u32 = 32;
/// The pause before the next try if no turn is free.
const POSTPONED: Duration = Duration::from_secs(5);
/// An inference is compared with a network inference that is up to `EPOCHS_MAX` epochs old: an older
/// one says nothing about a current value. While a guard stops all payloads, there is no newer one.
const EPOCHS_MAX: u64 = 3;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StandingQuestion {
    LowestScore,
    NetworkInference,
}

/// What was asked, and what the network made of the inferences.
#[derive(Clone, Debug, Default)]
pub(super) struct StandingMemory {
    /// The last block of the first window whose nonce ended since it was asked.
    window_end: Option<Height>,
    /// When it is this topic's turn, once that window is closed.
    turn_at: Option<Instant>,
    /// How many questions were asked, and how many of the last ones had no answer.
    asked: u32,
    unanswered: u32,
    /// How many more nonces pass without a question.
    pause: u32,
    /// The last network inference that is one number, and its nonce. Labelled ones are not compared
    /// with.
    network: Option<(Nonce, Decimal)>,
}

impl StandingMemory {
    /// A nonce has ended, whose window ends with this block.
    pub(super) fn ended(&mut self, window_end: Height) {
        match self.pause.checked_sub(1) {
            Some(pause) => self.pause = pause,
            // why: the window of a later nonce may be open whenever that one has ended
            None => drop(self.window_end.get_or_insert(window_end)),
        }
    }

    /// Whether to ask now. `is_closed` tells of a window, by its last block, whether it is closed;
    /// `spread` is what this topic waits for after that.
    fn is_due(
        &mut self,
        now: Instant,
        spread: Duration,
        is_closed: impl Fn(Height) -> bool,
    ) -> bool {
        if !self.window_end.is_some_and(is_closed) {
            return false;
        }
        let turn_at = *self.turn_at.get_or_insert_with(|| now + spread);
        now >= turn_at
    }

    /// No turn is free: other topics have more urgent requests.
    pub(super) fn postpone(&mut self, now: Instant) {
        self.turn_at = Some(now + POSTPONED);
    }

    /// What to ask next.
    fn question(&self, has_guard: bool) -> StandingQuestion {
        let every = if has_guard { LOWEST_EVERY } else { 2 };
        if self.asked % every == 1 {
            StandingQuestion::LowestScore
        } else {
            StandingQuestion::NetworkInference
        }
    }

    fn asked(&mut self, is_answered: bool) {
        self.window_end = None;
        self.turn_at = None;
        self.asked = self.asked.wrapping_add(1);
        self.unanswered = if is_answered {
            0
        } else {
            self.unanswered.saturating_add(1)
        };
        // why: after one of the two kinds of questions, the other one may have an answer
        self.pause = match self.unanswered {
            0 | 1 => 0,
            count => 1_u32
                .checked_shl(count - 1)
                .unwrap_or(u32::MAX)
                .min(PAUSE_NONCES_MAX),
        };
    }

    /// The network's number for a nonce that is not long before this one.
    fn network_for(&self, nonce: Nonce, epoch_blocks: u64) -> Option<&Decimal> {
        let (heard_for, value) = self.network.as_ref()?;
        let age = nonce.0.checked_sub(heard_for.0)?;
        (age <= epoch_blocks.saturating_mul(EPOCHS_MAX)).then_some(value)
    }

    /// An endpoint named this network inference, or none.
    fn heard(&mut self, network: Option<NetworkInference>) {
        self.network = network.and_then(|network| match network.combined {
            Inference::Value(value) => Some((network.nonce, value)),
            Inference::Labelled(_) => None,
        });
    }
}

impl Topic {
    /// Whether to ask for the standing now: nothing is to be done for some blocks.
    pub(super) fn asks_standing_now(&mut self, pace: &Pace) -> bool {
        let blocks = u32::try_from(self.id.0 % SPREAD_BLOCKS).unwrap_or_default();
        let is_closed = |end: Height| pace.blocks_left(end) == 0;
        self.memory.is_quiet(pace)
            && self
                .standing
                .is_due(pace.now, pace.block_time * blocks, is_closed)
    }

    /// Asks how good the worker is. Without an answer nothing changes.
    pub(super) fn ask_standing(&mut self) {
        beats::reports_within(super::STEP_TIME_MAX);
        let Some(api) = self.context.chain.api_last_known() else {
            return self.standing.asked(false);
        };
        let lcd = self.context.chain.lcd.within(REQUEST_TIME_MIN);
        let board = &self.context.chain.board;
        let question = self
            .standing
            .question(self.config.guards.max_deviation.is_some());
        let is_answered = match question {
            StandingQuestion::LowestScore => match lcd.lowest_score(api, self.id) {
                None => false,
                Some(lowest) => {
                    board.lowest_score(self.id, lowest);
                    true
                }
            },
            StandingQuestion::NetworkInference => {
                let is_labelled = matches!(self.arity, Arity::Multi(_));
                match lcd.network_inference(api, self.id, is_labelled) {
                    None => false,
                    Some(heard) => {
                        heard
                            .iter()
                            .for_each(|heard| board.network_inference(self.id, heard));
                        self.standing.heard(heard);
                        true
                    }
                }
            }
        };
        self.standing.asked(is_answered);
    }

    /// What the guard `max_deviation` compares an inference for this nonce with.
    pub(super) fn network_for(&self, nonce: Nonce) -> Option<&Decimal> {
        self.config.guards.max_deviation.as_ref()?;
        let epoch_blocks = self.epoch_blocks(self.status_from).unwrap_or_default();
        let network = self.standing.network_for(nonce, epoch_blocks);
        if network.is_none() {
            debug!(
                "nonce {nonce}: guard max_deviation passes: no recent network inference is known"
            );
        }
        network
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_asked_once_for_a_nonce_after_its_window_at_the_topics_turn() {
        let (mut standing, now) = (StandingMemory::default(), Instant::now());
        assert!(!standing.is_due(now, S, |_| true), "no nonce has ended");
        standing.ended(Height(110));
        assert!(!standing.is_due(now, S, |_| false), "its window is open");
        assert!(!standing.is_due(now, S, |end| end == Height(110)));
        assert!(standing.is_due(now + S, S, |_| true));
        standing.asked(true);
        assert!(!standing.is_due(now + S, S, |_| true));
        standing.ended(Height(130));
        assert!(!standing.is_due(now + S, S, |_| true), "a turn of its own");
        // The time between two windows was too short for its turn.
        standing.ended(Height(150));
        assert!(standing.is_due(now + 2 * S, S, |_| true));
        standing.postpone(now + 2 * S);
        let later = now + 2 * S + POSTPONED;
        assert!(!standing.is_due(later - S, S, |_| true), "no turn was free");
        assert!(standing.is_due(later, S, |_| true));
    }

    #[test]
    fn both_questions_are_asked_and_that_of_the_guard_more_often() {
        let count = |has_guard: bool| {
            let mut standing = StandingMemory::default();
            let mut lowest = 0;
            for _ in 0..16 {
                lowest += u32::from(standing.question(has_guard) == StandingQuestion::LowestScore);
                standing.asked(true);
            }
            lowest
        };
        assert_eq!((count(false), count(true)), (8, 2));
    }

    #[test]
    fn who_does_not_answer_is_asked_ever_more_rarely() {
        let mut standing = StandingMemory::default();
        let now = Instant::now();
        let mut asked_at = Vec::new();
        for nonce in 0..100 {
            standing.ended(Height(nonce));
            if standing.is_due(now, Duration::ZERO, |_| true) {
                standing.asked(false);
                asked_at.push(nonce);
            }
        }
        assert_eq!(asked_at, [0, 1, 4, 9, 18, 35, 68]);
        for _ in 0..=PAUSE_NONCES_MAX {
            standing.ended(Height(200));
        }
        assert!(standing.is_due(now, Duration::ZERO, |_| true));
        standing.asked(true);
        standing.ended(Height(210));
        assert!(standing.is_due(now, Duration::ZERO, |_| true));
    }

    #[test]
    fn only_a_recent_number_is_compared_with() {
        let value = Decimal::parse("3000").unwrap();
        let heard = |combined: Inference| {
            let mut standing = StandingMemory::default();
            let nonce = Nonce(1_000);
            standing.heard(Some(NetworkInference { nonce, combined }));
            standing
        };
        let mut standing = heard(Inference::Value(value.clone()));
        for (nonce, known) in [(1_020, true), (1_060, true), (1_061, false), (999, false)] {
            let found = standing.network_for(Nonce(nonce), 20);
            assert_eq!(found, Some(&value).filter(|_| known), "{nonce}");
        }
        standing.heard(None);
        assert_eq!(standing.network_for(Nonce(1_020), 20), None);
        let labelled = heard(Inference::Labelled(Vec::new()));
        assert_eq!(labelled.network_for(Nonce(1_020), 20), None);
        assert_eq!(StandingMemory::default().network_for(Nonce(1), 20), None);
    }
}
