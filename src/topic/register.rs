//! Registers the worker in the topic, by the same rules as a payload is sent.

use std::time::Instant;

use log::{debug, info, warn};

use super::Topic;
use super::nonce::Next;
use super::settle::{Receipt, in_no_block};
use crate::broadcaster::order::{Offer, SendTrouble, Word};
use crate::broadcaster::sequence::{Job, Settled};
use crate::chain::meaning::{Action, Meaning};
use crate::values::amount;

/// What a topic does after its registration was refused, or was in a block; `None`: the worker is
/// registered.
fn after(action: Action) -> Option<Next> {
    match action {
        Action::GoOn | Action::Registered => None,
        other => Some(Next::again(other)),
    }
}

impl Topic {
    pub(super) fn register(&mut self) {
        if std::mem::take(&mut self.registration_unproven) {
            let error = "its transaction had no effect, and the node's index does not tell why";
            return self.not_registered(error);
        }
        let chain = &self.context.chain;
        if chain.sender != chain.address {
            return self.not_registered(
                "this process does not register, because its transactions are sent by another account: \
                 start a worker once without fee_seed_phrase_file, for example the primary",
            );
        }
        debug!("topic {}: not registered, registering", self.id);
        let job = Job::Registration { topic: self.id };
        let gas = self.registration_gas.clone();
        let last_word = self.hand_over(job, &gas);
        match last_word.map(|(word, _)| word) {
            Some(Word::Settled(settled, offered, refusal)) => {
                self.registration_settled(&settled, offered, refusal.as_deref());
            }
            Some(Word::Refused(meaning)) => {
                self.note(&meaning);
                if !self.follow_registration(&meaning) {
                    self.not_registered(&meaning.to_string());
                }
            }
            Some(Word::NotNow(trouble @ SendTrouble::Unfunded { .. })) => {
                // why: the wallet's waiting state reports it, once for all topics
                self.try_later(&trouble.to_string());
            }
            Some(Word::NotNow(trouble)) => self.not_registered(&trouble.to_string()),
            Some(Word::Accepted { .. }) | None => {}
        }
    }

    /// The registration failed. Returns how often it has.
    fn try_later(&mut self, error: &str) -> u32 {
        if let Some(open) = &mut self.memory.nonce {
            open.trouble = Some(format!("not registered: {error}"));
        }
        self.memory.registration_tried(&self.pace())
    }

    /// The registration failed, for a reason that is reported.
    fn not_registered(&mut self, error: &str) {
        let failures = self.try_later(error);
        // why: what keeps failing is a waiting state by then, which has been reported
        match failures {
            1 => warn!("topic {}: not registered yet, trying on: {error}", self.id),
            _ => debug!("topic {}: not registered yet: {error}", self.id),
        }
    }

    /// Does what the answer to a registration asks for. Gives whether the worker is registered.
    fn follow_registration(&mut self, meaning: &Meaning) -> bool {
        let next = after(meaning.action());
        match next {
            None => {
                self.memory.registration_tried(&self.pace());
            }
            Some(Next::Wait(reason)) => self.wait_for(reason),
            Some(Next::ReprobeApi) => self.context.chain.suspect_api(),
            Some(_) => {}
        }
        next.is_none()
    }

    /// A registration's sequence is settled: registered, not included, or failed in a block.
    fn registration_settled(&mut self, settled: &Settled, offered: Offer, refusal: Option<&str>) {
        self.memory
            .registration_settled(settled.sequence, settled.consumed, Instant::now());
        if !settled.consumed {
            return self.not_registered(&in_no_block(refusal));
        }
        let (hash, result) = match self.receipt(settled, offered) {
            Receipt::Found(hash, result) => (hash, result),
            Receipt::Absent => {
                self.others_have_sent();
                return self.not_registered("another transaction took its sequence");
            }
            Receipt::NoIndex | Receipt::NoAnswer => {
                // why: the topic's status will show the effect
                self.registration_unproven = true;
                return self.memory.look_afresh(Instant::now());
            }
        };
        let meaning = result.meaning();
        if self.follow_registration(&meaning) {
            if meaning == Meaning::Success {
                let (height, fee) = (result.height, amount::allo(result.fee));
                info!(
                    "registered in block {height}, fee {fee}, hash {}",
                    hash.short()
                );
            }
            return;
        }
        if meaning.action() == Action::MoreGas {
            self.registration_gas.ran_out(result.gas_used);
        }
        let topic = self.id;
        warn!("topic {topic}: the registration failed in a block, its fee is lost: {meaning}");
        self.not_registered(&meaning.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::meaning::WaitReason;
    use crate::chain::meaning::table::ROWS;

    /// Section 4.2 of protocol.md; what only a payload can be refused for is tried again.
    #[test]
    fn a_registration_does_what_the_action_of_each_row_says() {
        for row in ROWS {
            let action = row.meaning("expected 4, got 7").unwrap().action();
            let expected = match (row.codespace, row.code, row.hint) {
                ("emissions", 8, _) => None,
                ("emissions", 6 | 23, _) => Some(Next::Wait(WaitReason::UnknownTopic)),
                ("emissions", 83, _) => Some(Next::Wait(WaitReason::NotWhitelisted)),
                ("emissions", 73, _) | ("sdk", 5, _) => Some(Next::Wait(WaitReason::Unfunded)),
                ("sdk", 9, _) => Some(Next::Wait(WaitReason::UnknownAccount)),
                ("sdk", 38, _) | ("feegrant", ..) => Some(Next::Wait(WaitReason::NotGranted)),
                ("undefined", 1, "tx type not allowed" | "circuit breaker disables") => {
                    Some(Next::Wait(WaitReason::ChainPaused))
                }
                ("sdk", 2, "value is out of range" | "parse mantissa" | "parse exponent") => {
                    Some(Next::Retry)
                }
                ("sdk", 2 | 6, _) => Some(Next::ReprobeApi),
                _ => Some(Next::Retry),
            };
            assert_eq!(after(action), expected, "{row:?}");
            let wants_gas = (row.codespace, row.code) == ("sdk", 11);
            assert_eq!(action == Action::MoreGas, wants_gas, "{row:?}");
        }
        assert_eq!(after(Meaning::Success.action()), None);
    }
}
