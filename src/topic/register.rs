//! Registers the worker in the topic, by the same rules as a payload is sent.

use std::time::Instant;

use crossbeam_channel::bounded;
use log::{debug, info, warn};

use super::Topic;
use super::settle::Receipt;
use crate::broadcaster::order::{Submission, WORDS_MAX, Word};
use crate::broadcaster::sequence::{Job, Settled};
use crate::chain::meaning::{Action, Meaning, WaitReason};
use crate::values::units::Uallo;

/// What became of a try to register.
enum Tried {
    /// The worker is registered.
    Registered,
    /// It is not; nothing was paid.
    Failed(String),
    /// It is not, and the fee is lost.
    Paid(String),
    /// Its sequence is used: the topic's status will show the effect.
    Unproven,
    /// The process is stopping.
    Stopped,
}

/// What a topic does after its registration was refused, or was in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextTry {
    /// Nothing more: the worker is registered.
    Done,
    /// Begin the waiting state, and try again.
    Wait(WaitReason),
    /// Determine the emissions version, and try again.
    ReprobeApi,
    /// Try again with more gas.
    MoreGas,
    /// Try again.
    Retry,
}

fn after(action: Action) -> NextTry {
    match action {
        Action::GoOn | Action::Registered => NextTry::Done,
        Action::Wait(reason) => NextTry::Wait(reason),
        Action::ReprobeApi => NextTry::ReprobeApi,
        Action::MoreGas => NextTry::MoreGas,
        // why: what these ask for is of a payload
        Action::Served | Action::Skip | Action::Defect | Action::RereadTopic => NextTry::Retry,
        // why: what these ask for is the sender's part, which did not help
        Action::NewFee | Action::ReadAccount | Action::ReadState | Action::ResendSame => {
            NextTry::Retry
        }
        Action::Retry => NextTry::Retry,
    }
}

impl Topic {
    pub(super) fn register(&mut self) {
        let tried = self.try_to_register();
        let pace = self.pace();
        let (failures, error) = match tried {
            Tried::Stopped => return,
            Tried::Registered => return self.memory.registered(pace.now),
            Tried::Unproven => {
                self.registration_unproven = true;
                return self.memory.look_afresh(pace.now);
            }
            Tried::Failed(error) => (self.memory.registration_failed(&pace), error),
            Tried::Paid(error) => (self.memory.registration_cost(&pace), error),
        };
        if let Some(open) = &mut self.memory.nonce {
            open.trouble = Some(format!("not registered: {error}"));
        }
        // why: what keeps failing is a waiting state by then, which has been reported
        match failures {
            1 => warn!("topic {}: not registered yet, trying on: {error}", self.id),
            _ => debug!("topic {}: not registered yet: {error}", self.id),
        }
    }

    fn try_to_register(&mut self) -> Tried {
        if std::mem::take(&mut self.registration_unproven) {
            let error = "its transaction had no effect, and the node has no index to tell why";
            return Tried::Paid(error.to_owned());
        }
        let (reply, words) = bounded(WORDS_MAX);
        let submission = Submission {
            job: Job::Registration { topic: self.id },
            payload: None,
            last_block: None,
            vouched: None,
            gas_min: self.registration_gas.at_least(),
            balance_doubtful: false,
            at: Instant::now(),
            reply,
        };
        debug!("topic {}: not registered, registering", self.id);
        match self.hand_over(submission, &words) {
            None => Tried::Stopped,
            Some((Word::Settled(settled, fee), _)) => self.registration_settled(&settled, fee),
            Some((Word::Refused(meaning), _)) => {
                self.note(&meaning);
                match self.follow_registration(&meaning) {
                    NextTry::Done => Tried::Registered,
                    _ => Tried::Failed(meaning.to_string()),
                }
            }
            Some((Word::NotNow(trouble), _)) => Tried::Failed(trouble.to_string()),
            Some((Word::Accepted { .. }, _)) => Tried::Registered,
        }
    }

    fn follow_registration(&self, meaning: &Meaning) -> NextTry {
        let next = after(meaning.action());
        match next {
            NextTry::Wait(reason) => self.wait_for(reason),
            NextTry::ReprobeApi => self.context.chain.suspect_api(),
            NextTry::Done | NextTry::MoreGas | NextTry::Retry => {}
        }
        next
    }

    /// A registration's sequence is settled: registered, not included, or failed in a block.
    fn registration_settled(&mut self, settled: &Settled, fee: Uallo) -> Tried {
        if !settled.consumed {
            return Tried::Failed("its transaction got into no block in time".to_owned());
        }
        let (hash, result) = match self.receipt(settled, fee) {
            Receipt::Found(hash, result) => (hash, result),
            Receipt::Absent => {
                return Tried::Failed("another transaction took its sequence".to_owned());
            }
            Receipt::Unknown => return Tried::Unproven,
        };
        let meaning = result.meaning();
        match self.follow_registration(&meaning) {
            NextTry::Done => {
                if meaning == Meaning::Success {
                    let (height, fee) = (result.height, result.fee);
                    info!("registered in block {height}, hash {hash}, fee {fee} uallo");
                }
                return Tried::Registered;
            }
            NextTry::MoreGas => self.registration_gas.ran_out(result.gas_used),
            NextTry::Wait(_) | NextTry::ReprobeApi | NextTry::Retry => {}
        }
        let topic = self.id;
        warn!("topic {topic}: the registration failed in a block, its fee is lost: {meaning}");
        Tried::Paid(meaning.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::meaning::table::ROWS;

    /// Section 4.2 of protocol.md; what only a payload can be refused for is tried again.
    #[test]
    fn a_registration_does_what_the_action_of_each_row_says() {
        for row in ROWS {
            let action = row.meaning("expected 4, got 7").unwrap().action();
            let expected = match (row.codespace, row.code, row.hint) {
                ("emissions", 8, _) => NextTry::Done,
                ("emissions", 6 | 23, _) => NextTry::Wait(WaitReason::UnknownTopic),
                ("emissions", 83, _) => NextTry::Wait(WaitReason::NotWhitelisted),
                ("emissions", 73, _) | ("sdk", 5, _) => NextTry::Wait(WaitReason::Unfunded),
                ("sdk", 9, _) => NextTry::Wait(WaitReason::UnknownAccount),
                ("undefined", 1, "tx type not allowed" | "circuit breaker disables") => {
                    NextTry::Wait(WaitReason::ChainPaused)
                }
                ("sdk", 2, "value is out of range" | "parse mantissa" | "parse exponent") => {
                    NextTry::Retry
                }
                ("sdk", 2 | 6, _) => NextTry::ReprobeApi,
                ("sdk", 11, _) => NextTry::MoreGas,
                _ => NextTry::Retry,
            };
            assert_eq!(after(action), expected, "{row:?}");
        }
        assert_eq!(after(Meaning::Success.action()), NextTry::Done);
    }
}
