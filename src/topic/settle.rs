//! What became of a transaction: the chain's state says whether the nonce is served, the
//! transaction index only adds block, code and fee (R8). Included with a code is not success.

use std::time::Duration;

use log::warn;

use super::{Topic, Trail};
use crate::lcd::tx_answers::TxResult;
use crate::outcome::{Action, Meaning, WaitReason};
use crate::sequence::Settled;
use crate::tally::{Found, Inclusion, Outcome};
use crate::tx::TxHash;
use crate::units::{Gas, Nonce};

/// How often the index is asked for a transaction that the state proves to be in a block: it may
/// lag, or be off.
const INDEX_TRIES_MAX: u32 = 3;
/// How many transactions for one nonce may fail in a block, each at the price of its fee: the one
/// that fails, and one more with what was learnt from it.
const FAILED_IN_BLOCK_MAX: u32 = 2;

/// How often a nonce's number may be used up without a trace of ours. Where the node has no index,
/// each of these may have been a fee.
const NUMBERS_GONE_MAX: u32 = 4;

impl Topic {
    /// The state shows a payload of ours for the nonce.
    pub(super) fn served(&mut self, nonce: Nonce) {
        let Some(settled) = self.trail.settled.take() else {
            return self.end(nonce, &Outcome::AlreadySubmitted);
        };
        if !settled.consumed {
            return self.end(nonce, &Outcome::AlreadySubmitted);
        }
        let found = self.receipt(&settled);
        let outcome = match found {
            // why: a failed transaction of ours and a served nonce mean that another one served it
            Some((_, result)) if result.code != 0 => Outcome::AlreadySubmitted,
            Some((hash, result)) => {
                let found = Found {
                    height: result.height,
                    hash,
                    fee: result.fee,
                };
                let inclusion = Inclusion {
                    found: Some(found),
                    by: settled.height,
                };
                if result.admitted {
                    Outcome::Included(inclusion)
                } else {
                    Outcome::NotAdmitted(inclusion)
                }
            }
            None => Outcome::Included(Inclusion {
                found: None,
                by: settled.height,
            }),
        };
        self.end(nonce, &outcome);
    }

    /// The state shows nothing of ours for the nonce: on with it, unless a transaction just failed
    /// for a reason that stays.
    pub(super) fn not_served(&mut self, nonce: Nonce) {
        if let Some(attempt) = &mut self.memory.attempt {
            attempt.ask_served_from = None;
            attempt.sent = false;
        }
        let Some(settled) = self.trail.settled.take() else {
            return;
        };
        if !settled.consumed {
            return self.attempt_failed("its transaction got into no block in time".to_owned());
        }
        let Some((_, result)) = self.receipt(&settled) else {
            return self.number_gone(nonce);
        };
        let meaning = result.meaning();
        let text = format!(
            "{meaning} (in block {}, fee {} uallo)",
            result.height, result.fee
        );
        self.failed_in_block(nonce, text, Some((meaning, result.gas_used)));
    }

    /// The number is used and the index knows nothing of ours: most likely somebody else used it.
    fn number_gone(&mut self, nonce: Nonce) {
        self.trail.numbers_gone += 1;
        let text = "its number was used, the node knows no transaction of ours with it".to_owned();
        if self.trail.numbers_gone >= NUMBERS_GONE_MAX {
            return self.end(nonce, &Outcome::Refused(text));
        }
        self.attempt_failed(text);
    }

    /// A transaction for the nonce was included and failed; its fee is gone.
    fn failed_in_block(&mut self, nonce: Nonce, text: String, what: Option<(Meaning, Gas)>) {
        warn!("nonce {nonce}: a transaction failed in a block, its fee is lost: {text}");
        self.trail.failed_in_block += 1;
        let action = what.as_ref().map(|(meaning, _)| meaning.action());
        if let (Some(Action::MoreGas), Some((_, used))) = (action, what) {
            // why: gas used when it ran out is where it stopped, not what it would have needed
            self.gas_min = Some(Gas(used.0.saturating_mul(7) / 5));
        }
        self.trail.balance_doubtful = action == Some(Action::Wait(WaitReason::Unfunded));
        let for_good = matches!(action, Some(Action::Defect | Action::RereadTopic));
        if for_good || self.trail.failed_in_block >= FAILED_IN_BLOCK_MAX {
            return self.end(nonce, &Outcome::Refused(text));
        }
        self.attempt_failed(text);
    }

    /// What the index says about the number's transactions, if it says anything.
    pub(super) fn receipt(&self, settled: &Settled<TxHash>) -> Option<(TxHash, TxResult)> {
        let chain = &self.shared.chain;
        for attempt in 0..INDEX_TRIES_MAX {
            if attempt > 0 {
                let pause = chain.lcd.clock().block_time() / 2;
                if self.shared.stop.wait(pause.min(Duration::from_secs(3))) {
                    return None;
                }
            }
            if let Some((hash, result)) = self.used_the_number(settled) {
                self.shared.tally.answer(&result.meaning());
                self.shared.tally.paid(result.fee);
                return Some((hash, result));
            }
        }
        None
    }

    /// Of the transactions that carried the number, the one that used it: one that failed before
    /// its message, in a block too, cost nothing and left the number to another (R8).
    fn used_the_number(&self, settled: &Settled<TxHash>) -> Option<(TxHash, TxResult)> {
        let chain = &self.shared.chain;
        let found = settled.hashes.iter().rev().filter_map(|hash| {
            let answer = chain.heard(chain.lcd.tx(&hash.to_string()));
            Some((*hash, answer.ok()?.value?))
        });
        found
            .filter(|(_, result)| !result.failed_in_ante())
            .max_by_key(|(_, result)| result.code == 0)
    }

    /// Takes note of a settled number: what it did is asked at its height or later.
    pub(super) fn take_settled(&mut self, settled: Settled<TxHash>) {
        if let Some(attempt) = &mut self.memory.attempt {
            attempt.ask_served_from = Some(settled.height);
            attempt.sent = true;
        }
        self.trail = Trail {
            settled: Some(settled),
            ..std::mem::take(&mut self.trail)
        };
    }
}
