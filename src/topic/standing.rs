//! When the chain is asked how good the worker is: one request for each nonce at most, after its
//! window is closed and while nothing is to be done. No payload depends on the answer.

use std::time::{Duration, Instant};

use super::Topic;
use super::window::Pace;
use crate::http::REQUEST_TIME_MIN;
use crate::status::beats;
use crate::values::topic::Arity;
use crate::values::units::Height;

/// Windows of many topics close in one block: the topics ask in up to as many blocks after it.
const SPREAD_BLOCKS: u64 = 8;
/// After questions without an answer, up to so many nonces pass before the next one.
const PAUSE_NONCES_MAX: u32 = 32;
/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StandingQuestion {
    LowestScore,
    NetworkInference,
}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct StandingMemory {
    /// The last block of the first window whose nonce ended since it was asked.
    window_end: Option<Height>,
    /// When it is this topic's turn, once that window is closed.
    turn_at: Option<Instant>,
    /// How many questions were asked, and how many of the last ones had no answer.
    asked: u32,
    unanswered: u32,
    /// So many nonces pass without a question.
    pause: u32,
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

    /// What to ask next.
    fn question(&self) -> StandingQuestion {
        if self.asked % 2 == 1 {
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
        let question = self.standing.question();
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
                        true
                    }
                }
            }
        };
        self.standing.asked(is_answered);
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
    }

    #[test]
    fn both_questions_are_asked_in_turn() {
        let mut standing = StandingMemory::default();
        let first = standing.question();
        standing.asked(true);
        assert_ne!(standing.question(), first);
        standing.asked(false);
        assert_eq!(standing.question(), first);
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
}
