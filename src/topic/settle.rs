//! What became of a transaction: the chain's state says whether the nonce is served, the
//! transaction index only adds block, code and fee (R8). Included with a code is not success.

use std::time::Duration;

use log::warn;

use super::submit::{blames_all, ends_nonce};
use super::{Topic, Trail};
use crate::broadcaster::sequence::Settled;
use crate::chain::meaning::{Action, Meaning, WaitReason};
use crate::chain::tx_answers::TxResult;
use crate::status::outcome::{InBlock, Inclusion, Outcome};
use crate::topic::gas::{GasMemory, Labels};
use crate::values::payload::Payload;
use crate::values::units::TxHash;
use crate::values::units::{Gas, Nonce, Uallo};

/// How often the index is asked for a transaction that the state proves to be in a block: it may
/// lag, or be off.
const INDEX_TRIES_MAX: u32 = 3;

/// The longest time between two such questions, and that while the pace of blocks is not measured.
const INDEX_PAUSE_MAX: Duration = Duration::from_secs(3);
const INDEX_PAUSE_UNMEASURED: Duration = Duration::from_millis(300);

/// What the index says about a number's transactions.
pub(super) enum Receipt {
    /// One of them is in a block.
    Found(TxHash, TxResult),
    /// It knows none of them.
    Absent,
    /// It gave no answer, or there is none.
    Unknown,
}

/// How many transactions for one nonce may fail in a block, each at the price of its fee: the one
/// that fails, and one more with what was learnt from it.
const FAILED_IN_BLOCK_MAX: u32 = 2;

/// How often a nonce is tried again after another transaction used its number: two processes with
/// one key must not fight, and an index that is very late looks the same.
const TAKEN_MAX: u32 = 3;

impl Topic {
    /// The state shows a payload of ours for the nonce.
    pub(super) fn served(&mut self, nonce: Nonce) {
        let settled = self.trail.settled.take();
        let Some(settled) = settled.filter(|settled| settled.consumed) else {
            return self.end(nonce, &Outcome::AlreadySubmitted);
        };
        let found = self.receipt(&settled, self.trail.offered).found();
        let is_for_inference = self.is_for_inference();
        self.learn_gas(found.as_ref().map(|(_, result)| result));
        let outcome = match found {
            // why: a failed transaction of ours and a served nonce mean that another one served it
            Some((_, result)) if result.code != 0 => Outcome::AlreadySubmitted,
            Some((hash, result)) => {
                let inclusion = inclusion(&settled, hash, &result);
                let admitted = match is_for_inference {
                    true => result.admitted,
                    false => result.forecast_admitted,
                };
                if admitted {
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

    /// What the payload took is what the next one may take. One that failed, that no index tells of,
    /// or that was not admitted, and so did less, tells nothing.
    fn learn_gas(&mut self, found: Option<&TxResult>) {
        let took = found.filter(|result| result.code == 0);
        let is_for_inference = self.is_for_inference();
        let took = took.filter(|result| match is_for_inference {
            true => result.admitted,
            false => result.forecast_admitted,
        });
        let labels = Labels::of(self.ready_payload().and_then(Payload::inference));
        let (api, gas) = (self.trail.api, self.gas_of_ready());
        match (took, api) {
            (Some(result), Some(api)) => gas.included(api, labels, result.gas_used),
            _ => gas.forget(),
        }
    }

    /// What is known of the gas of payloads like the one at work: one with a forecast does more, or
    /// something else.
    pub(super) fn gas_of_ready(&mut self) -> &mut GasMemory {
        let has_forecast = |payload: &Payload| !payload.forecast().is_empty();
        match self.ready_payload().is_some_and(has_forecast) {
            true => &mut self.forecast_gas,
            false => &mut self.gas,
        }
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
        let result = match self.receipt(&settled, self.trail.offered) {
            Receipt::Found(hash, result) if result.code == 0 => {
                return self.without_effect(nonce, &inclusion(&settled, hash, &result));
            }
            Receipt::Found(_, result) => result,
            Receipt::Absent => return self.number_taken(nonce, &settled),
            Receipt::Unknown => {
                return self.failed_in_block(nonce, "its transaction had no effect".into(), None);
            }
        };
        let meaning = result.meaning();
        let text = format!(
            "{meaning} (in block {}, fee {} uallo)",
            result.height, result.fee
        );
        self.failed_in_block(nonce, text, Some((meaning, result.gas_used)));
    }

    /// The transaction is in a block with success, and the nonce is not served: such is a forecast
    /// of which no element counted (protocol.md section 4.1, step 15). Another one would be paid for
    /// and come to the same.
    fn without_effect(&mut self, nonce: Nonce, inclusion: &Inclusion) {
        if !self.is_for_inference() {
            warn!(
                "nonce {nonce}: the chain took nothing of the forecast; it counts for the topic's \
                 active inferers only"
            );
        }
        self.learn_gas(None);
        self.end(nonce, &Outcome::NotAdmitted(inclusion.clone()));
    }

    /// The number is used, and by none of our transactions: nothing of ours was paid for.
    fn number_taken(&mut self, nonce: Nonce, settled: &Settled) {
        let sequence = settled.sequence;
        warn!(
            "nonce {nonce}: its transaction is in no block, another one of this account took its \
             sequence {sequence}; if another process runs with the same key, stop it: two of them \
             pay twice. Trying again"
        );
        let text = format!("another transaction took its sequence {sequence}");
        self.trail.taken += 1;
        if self.trail.taken >= TAKEN_MAX {
            return self.end(nonce, &Outcome::Missed(text));
        }
        self.attempt_failed(text);
    }

    /// A transaction for the nonce was included and failed; its fee is gone.
    fn failed_in_block(&mut self, nonce: Nonce, text: String, what: Option<(Meaning, Gas)>) {
        warn!("nonce {nonce}: a transaction failed in a block, its fee is lost: {text}");
        self.trail.failed_in_block += 1;
        let action = what.as_ref().map(|(meaning, _)| meaning.action());
        match (action, what) {
            (Some(Action::MoreGas), Some((_, used))) => self.gas_of_ready().ran_out(used),
            _ => self.gas_of_ready().forget(),
        }
        self.trail.balance_doubtful = action == Some(Action::Wait(WaitReason::Unfunded));
        let for_good = action.is_some_and(ends_nonce);
        if action == Some(Action::RereadTopic) {
            self.forget_rules();
        }
        if action.is_some_and(blames_all) && self.drop_forecast(nonce, &text) {
            return self.attempt_failed(text);
        }
        if for_good || self.trail.failed_in_block >= FAILED_IN_BLOCK_MAX {
            return self.end(nonce, &Outcome::Refused(text));
        }
        self.attempt_failed(text);
    }

    /// What the index says about the transactions of a number that was used. Where it says nothing
    /// the fee that was offered counts as paid: an account that empties must not look untouched.
    pub(super) fn receipt(&self, settled: &Settled, offered: Uallo) -> Receipt {
        let receipt = self.look_up(settled);
        match &receipt {
            Receipt::Found(_, result) => {
                self.tell_answer(&result.meaning());
                self.shared.chain.board.paid(result.fee);
            }
            Receipt::Unknown => self.shared.chain.board.paid(offered),
            Receipt::Absent => {}
        }
        receipt
    }

    /// Asks the index, and gives it some time to catch up.
    fn look_up(&self, settled: &Settled) -> Receipt {
        let chain = &self.shared.chain;
        let mut known = Receipt::Unknown;
        for attempt in 0..INDEX_TRIES_MAX {
            if attempt > 0 {
                let clock = chain.lcd.clock();
                let pause = match clock.is_measured() {
                    true => (clock.block_time() / 2).min(INDEX_PAUSE_MAX),
                    false => INDEX_PAUSE_UNMEASURED,
                };
                if self.shared.stop.wait(pause) {
                    return known;
                }
            }
            match self.ask_index(settled) {
                found @ Receipt::Found(..) => return found,
                Receipt::Absent => known = Receipt::Absent,
                Receipt::Unknown => {}
            }
        }
        known
    }

    /// Of the transactions that carried the number, the one that used it: one that failed before
    /// its message, in a block too, cost nothing and left the number to another (R8).
    fn ask_index(&self, settled: &Settled) -> Receipt {
        let chain = &self.shared.chain;
        let _turn = Topic::turn(&self.shared.turns, &self.shared.stop);
        let ask = |hash: &TxHash| (*hash, chain.heard(self.lcd().tx(&hash.to_string())));
        let answers: Vec<_> = settled.hashes.iter().rev().map(ask).collect();
        let is_unknown = answers.iter().any(|(_, answer)| answer.is_err());
        let found = answers
            .into_iter()
            .filter_map(|(hash, answer)| Some((hash, answer.ok()?.value?)));
        let used = found.filter(|(_, result)| !result.failed_in_ante());
        match used.max_by_key(|(_, result)| result.code == 0) {
            Some((hash, result)) => Receipt::Found(hash, result),
            None if is_unknown => Receipt::Unknown,
            None => Receipt::Absent,
        }
    }

    /// Takes note of a settled number: what it did is asked at its height or later.
    pub(super) fn take_settled(&mut self, settled: Settled, offered: Uallo) {
        if let Some(attempt) = &mut self.memory.attempt {
            attempt.ask_served_from = Some(settled.height);
            attempt.sent = true;
        }
        self.trail = Trail {
            settled: Some(settled),
            offered,
            ..std::mem::take(&mut self.trail)
        };
    }
}

/// Where a transaction is, as the index has it.
fn inclusion(settled: &Settled, hash: TxHash, result: &TxResult) -> Inclusion {
    let found = InBlock {
        height: result.height,
        hash,
        fee: result.fee,
    };
    Inclusion {
        found: Some(found),
        by: settled.height,
    }
}

impl Receipt {
    /// The transaction that is in a block, if that is known.
    pub(super) fn found(self) -> Option<(TxHash, TxResult)> {
        match self {
            Receipt::Found(hash, result) => Some((hash, result)),
            Receipt::Absent | Receipt::Unknown => None,
        }
    }
}
