//! Asks for the effect of a transaction: the chain's state says whether the nonce is served, the
//! transaction index only adds block, code and fee (R8). Included with a code is not success.

use std::time::Duration;

use log::warn;

use super::nonce::Sent;
use super::{After, Topic};
use crate::broadcaster::order::Offer;
use crate::broadcaster::sequence::Settled;
use crate::chain::answers::ScoreEma;
use crate::chain::lcd::{Answer, Lcd};
use crate::chain::meaning::{Action, Stage};
use crate::chain::route::Route;
use crate::chain::tx_answers::TxResult;
use crate::status::outcome::{Brief, InBlock, Inclusion, Outcome, Unfound};
use crate::text::cut;
use crate::topic::gas::{GasMemory, Included, labels_of};
use crate::values::amount;
use crate::values::payload::{Inference, Payload};
use crate::values::standing::Score;
use crate::values::units::{ApiVersion, Gas, Height, Nonce, TxHash};

/// How often the index is asked for a transaction that the state proves to be in a block: it may
/// lag, or be off.
const INDEX_TRIES_MAX: u32 = 3;

/// How often it is asked again at once because the node that answered was below that block: a load
/// balancer may ask another one.
const INDEX_BEHIND_MAX: u32 = 8;

/// How long the value of a payload may be in the status and the log: one number may have thousands of
/// digits, and many nonces are kept.
const VALUE_CHARS_MAX: usize = 100;

/// The longest pause between two such requests, and the pause while the pace of blocks is unknown.
const INDEX_PAUSE_MAX: Duration = Duration::from_secs(3);
const INDEX_PAUSE_UNMEASURED: Duration = Duration::from_millis(300);

/// The pause after so many tries, if the index is asked once more. A node that does not answer at all
/// may be restarting: it gets one try more, after twice the pause.
fn pause_after(tries: u32, is_silent: bool, pause: Duration) -> Option<Duration> {
    match tries {
        ..INDEX_TRIES_MAX => Some(pause),
        INDEX_TRIES_MAX => is_silent.then_some(pause * 2),
        _ => None,
    }
}

/// What the index says about the transactions of one sequence.
pub(super) enum Receipt {
    /// One of them is in a block.
    Found(TxHash, TxResult),
    /// It knows none of them.
    Absent,
    /// The node said that there is none.
    NoIndex,
    /// It gave no answer.
    NoAnswer,
}

impl Topic {
    /// Asks the chain whether the nonce is served; only an answer from the height `from` or later
    /// counts.
    pub(super) fn ask_served(&mut self, nonce: Nonce, from: Height) -> Result<After, String> {
        let api = self.api()?;
        let turn = self.turn();
        let (address, by_inference) = (&self.context.chain.address, self.is_for_inference());
        let route = if by_inference {
            Route::InfererScoreEma
        } else {
            Route::ForecasterScoreEma
        };
        let answer = self.ask_chain(|lcd| lcd.score_ema(route, api, self.id, address));
        drop(turn);
        let answer = answer?;
        let counts = |height: &Height| answer.fresh && *height >= from;
        let Some(height) = answer.height.filter(counts) else {
            return Ok(After::Behind(from));
        };
        let ScoreEma { served, score } = answer.value;
        if let Some(served) = served.filter(|served| *served > height) {
            let claim = format!("that a score is of block {served}, above its own {height}");
            let lcd = &self.context.chain.lcd;
            return Err(lcd.disbelieve(answer.endpoint, route, claim).line());
        }
        let serves =
            |served: &Option<Height>| served.is_some_and(|served| served >= nonce.height());
        let is_served = serves(&served);
        if let Some(no) = self.surprise(nonce, is_served) {
            let (lcd, topic) = (&self.context.chain.lcd, self.id);
            let no = format!("topic {topic}, nonce {nonce}: {no}");
            let ask = |lcd: &Lcd| lcd.score_ema(route, api, topic, address);
            // why: a served nonce stays served, so a "no" of an earlier block contradicts no "yes"
            let is_earlier = |other: &Answer<ScoreEma>| other.height < Some(height);
            let differs = |other: &Answer<ScoreEma>| {
                serves(&other.value.served) != is_served && !(is_served && is_earlier(other))
            };
            if lcd.contradicted(answer.endpoint, &no, ask, differs) {
                return Ok(After::Behind(from));
            }
        }
        if let Some((served, value)) = served.zip(score) {
            let nonce = Nonce(served.0);
            self.context
                .chain
                .board
                .score(self.id, Score { nonce, value });
        }
        self.report_before_start(served);
        let not_served_at = (by_inference && !is_served).then_some(height);
        let open = self.memory.nonce.as_mut();
        let sent = open.and_then(|open| open.served_is_known(not_served_at));
        if !is_served {
            self.note_take_over(height);
        }
        match (is_served, sent) {
            (true, sent) => Ok(After::End(self.served(sent))),
            (false, Some(sent)) => self.had_no_effect(nonce, &sent),
            (false, None) => Ok(After::Step),
        }
    }

    /// What is surprising about a nonce that is, or is not, served, so that another endpoint is asked:
    /// an earlier run cannot have served a window that opened after this start, and a transaction
    /// that used its sequence usually has an effect.
    fn surprise(&self, nonce: Nonce, is_served: bool) -> Option<&'static str> {
        let sent = self.open()?.sent.as_ref();
        let started_at = self.context.chain.first_height();
        let opened_since = started_at.is_some_and(|height| height < nonce.height());
        if self.open()?.proof_from.is_some() && sent.is_none() {
            // why: one endpoint alone neither keeps a standby from serving nor makes it pay
            Some(if is_served {
                "the primary has served it"
            } else {
                "the primary has not served it"
            })
        } else if is_served {
            (sent.is_none() && opened_since).then_some("it was submitted before")
        } else {
            let is_consumed = sent.is_some_and(|sent| sent.settled.consumed);
            is_consumed.then_some("its transaction had no effect")
        }
    }

    /// Delays the next step until an answer of this height can be expected; the delays grow while
    /// no block comes.
    pub(super) fn wait_for_height(&mut self, height: Height) {
        let clock = self.context.chain.lcd.clock();
        let pace = self.pace();
        let soon = pace.now + self.memory.behind_delay(&pace);
        let expected = clock.time_of(height).filter(|_| clock.is_measured());
        if let Some(open) = &mut self.memory.nonce {
            open.not_before = Some(expected.map_or(soon, |expected| expected.max(soon)));
            open.asked_in_vain += u32::from(pace.height >= open.last_block);
        }
    }

    /// Whether an inference serves the nonce, or a forecast alone: by the payload that is ready, or
    /// else by the configuration.
    fn is_for_inference(&self) -> bool {
        match self.payload() {
            Some(payload) => payload.inference().is_some(),
            None => self.config.inference.is_some(),
        }
    }

    /// The payload that is ready for the nonce.
    pub(super) fn payload(&self) -> Option<&Payload> {
        self.open()?.payload()
    }

    /// The state shows a payload of this worker for the nonce.
    fn served(&mut self, sent: Option<Sent>) -> Outcome {
        let Some(sent) = sent.filter(|sent| sent.settled.consumed) else {
            return Outcome::AlreadySubmitted;
        };
        let found = match self.receipt(&sent.settled, sent.offered) {
            Receipt::Found(hash, result) => Ok((hash, result)),
            Receipt::Absent => Err(Unfound::Absent),
            Receipt::NoIndex => Err(Unfound::NoIndex),
            Receipt::NoAnswer => Err(Unfound::NoAnswer),
        };
        let (hash, result) = match found {
            Ok(found) => found,
            Err(why) => {
                self.gas_of_payload().forget();
                return Outcome::Included(self.inclusion(&sent.settled, Err(why)));
            }
        };
        self.learn_gas(sent.api, &result);
        // why: a failed transaction and a served nonce mean that another transaction served it
        if result.code != 0 {
            self.others_have_sent();
            let fee = amount::allo(result.fee);
            warn!(
                "nonce {}: another process with this worker's key served it first, and this one's \
                 transaction failed in block {}, its fee of {fee} is lost; if two machines share the \
                 worker, compare `standby` in their configurations",
                self.open().map_or(Nonce(0), |open| open.id),
                result.height
            );
            return Outcome::AlreadySubmitted;
        }
        let inclusion = self.inclusion(&sent.settled, Ok((hash, &result)));
        if self.is_admitted(&result) {
            Outcome::Included(inclusion)
        } else {
            Outcome::NotAdmitted(inclusion)
        }
    }

    fn inclusion(
        &self,
        settled: &Settled,
        found: Result<(TxHash, &TxResult), Unfound>,
    ) -> Inclusion {
        let found = found.map(|(hash, result)| InBlock {
            height: result.height,
            hash,
            fee: result.fee,
        });
        Inclusion {
            found,
            by: settled.height,
            sent: self.payload().map(|payload| self.in_brief(payload)),
        }
    }

    fn in_brief(&self, payload: &Payload) -> Brief {
        let model = self.config.inference.as_ref();
        let shown = |inference| match model {
            Some(model) => model.hide_in(inference),
            None => inference.to_string(),
        };
        Brief {
            value: payload
                .inference()
                .map(|inference| cut(&shown(inference), VALUE_CHARS_MAX)),
            label_count: match payload.inference() {
                Some(Inference::Labelled(values)) => values.len(),
                Some(Inference::Value(_)) | None => 0,
            },
            forecast_count: payload.forecast().len(),
        }
    }

    fn is_admitted(&self, result: &TxResult) -> bool {
        if self.is_for_inference() {
            result.admitted
        } else {
            result.forecast_admitted
        }
    }

    /// Remembers the gas that the payload used, and whether it shows that the active set was full.
    /// After one that failed the next one is simulated; one that was not admitted did less, and only
    /// shows that no more gas is needed.
    fn learn_gas(&mut self, api: Option<ApiVersion>, result: &TxResult) {
        let is_admitted = self.is_admitted(result);
        if result.code == 0 && self.is_for_inference() && (!is_admitted || result.evicted) {
            self.crowd.seen_full();
        }
        let included = Included {
            labels: labels_of(self.payload().and_then(Payload::inference)),
            used: result.gas_used,
            evicted: result.evicted,
        };
        match api.filter(|_| result.code == 0) {
            Some(api) if is_admitted => self.gas_of_payload().included(api, included),
            Some(_) => self.gas_of_payload().succeeded(),
            None => self.gas_of_payload().forget(),
        }
    }

    /// What is known of the gas of payloads like the one that is ready: one with a forecast does
    /// other work.
    pub(super) fn gas_of_payload(&mut self) -> &mut GasMemory {
        let has_forecast = |payload: &Payload| !payload.forecast().is_empty();
        if self.payload().is_some_and(has_forecast) {
            &mut self.forecast_gas
        } else {
            &mut self.gas
        }
    }

    /// The nonce is not served although its transaction is settled.
    fn had_no_effect(&mut self, nonce: Nonce, sent: &Sent) -> Result<After, String> {
        let settled = &sent.settled;
        if !settled.consumed {
            return Err(in_no_block(sent.refusal.as_deref()));
        }
        // why: another process may have used the sequence, to serve another topic; the index may be
        // late or off
        let chain = &self.context.chain;
        chain.others_may_have_sent(chain.height());
        match self.receipt(settled, sent.offered) {
            Receipt::Found(hash, result) if result.code == 0 => {
                self.gas_of_payload().forget();
                // why: a forecast of which no element counted (protocol.md section 4.1, step 15);
                // another one would be paid for with the same result
                if !self.is_for_inference() {
                    warn!(
                        "nonce {nonce}: the chain took nothing of the forecast; it counts for the \
                         topic's active inferers only"
                    );
                }
                let inclusion = self.inclusion(settled, Ok((hash, &result)));
                Ok(After::End(Outcome::NotAdmitted(inclusion)))
            }
            Receipt::Found(_, result) => {
                let meaning = result.meaning();
                let (height, fee) = (result.height, amount::allo(result.fee));
                let text = format!("{meaning} (in block {height}, fee {fee})");
                self.failed_in_block(nonce, text, meaning.action(), Some(result.gas_used))
            }
            Receipt::Absent => self.sequence_taken(nonce, settled),
            Receipt::NoIndex | Receipt::NoAnswer => {
                let text = "its transaction had no effect".to_owned();
                self.failed_in_block(nonce, text, Action::Retry, None)
            }
        }
    }

    /// Another process with the key has sent something, up to now.
    pub(super) fn others_have_sent(&self) {
        let chain = &self.context.chain;
        chain.others_have_sent(chain.height());
    }

    /// The sequence is used, by none of this process's transactions: nothing was paid.
    fn sequence_taken(&mut self, nonce: Nonce, settled: &Settled) -> Result<After, String> {
        let sequence = settled.sequence;
        self.others_have_sent();
        warn!(
            "nonce {nonce}: its transaction is in no block, another one of this account took its \
             sequence {sequence}; if another process runs with the same key, stop it: two of them \
             pay twice. Trying again"
        );
        let text = format!("another transaction took its sequence {sequence}");
        let open = self.memory.nonce.as_mut();
        if open.is_some_and(|open| open.sequence_taken()) {
            Ok(After::End(Outcome::Missed(text.into())))
        } else {
            Err(text)
        }
    }

    /// A transaction for the nonce was included and failed; its fee is lost.
    fn failed_in_block(
        &mut self,
        nonce: Nonce,
        text: String,
        action: Action,
        used: Option<Gas>,
    ) -> Result<After, String> {
        warn!("nonce {nonce}: a transaction failed in a block, its fee is lost: {text}");
        match used.filter(|_| action == Action::MoreGas) {
            Some(used) => {
                self.gas_of_payload().ran_out(used);
                self.crowd.seen_full();
            }
            None => self.gas_of_payload().forget(),
        }
        if let Some(open) = &mut self.memory.nonce {
            open.failed_in_block(action);
        }
        self.follow_refusal(nonce, text, action, Stage::Block)
    }

    /// What the index says about the transactions of a sequence that was used.
    pub(super) fn receipt(&self, settled: &Settled, offered: Offer) -> Receipt {
        let mut receipt = self.look_up(settled);
        if let Receipt::Found(_, result) = &mut receipt {
            // why: the index may claim more than was offered, and the next gas limit depends on it
            result.gas_used = result.gas_used.min(offered.gas_limit);
            result.fee = result.fee.min(offered.fee);
            self.note(&result.meaning());
            self.context.chain.board.confirmed(result.fee);
        }
        receipt
    }

    /// Asks the index, up to [`INDEX_TRIES_MAX`] times, and once more if it never answers.
    fn look_up(&self, settled: &Settled) -> Receipt {
        let clock = self.context.chain.lcd.clock();
        let pause = if clock.is_measured() {
            (clock.block_time() / 2).min(INDEX_PAUSE_MAX)
        } else {
            INDEX_PAUSE_UNMEASURED
        };
        let mut known = Receipt::NoAnswer;
        let (mut tries, mut behind) = (0, 0);
        loop {
            let (receipt, is_behind) = self.ask_index(settled);
            match receipt {
                found @ Receipt::Found(..) => return found,
                Receipt::Absent => known = Receipt::Absent,
                Receipt::NoIndex if !matches!(known, Receipt::Absent) => known = Receipt::NoIndex,
                Receipt::NoIndex | Receipt::NoAnswer => {}
            }
            let pause = if is_behind && behind < INDEX_BEHIND_MAX {
                behind += 1;
                self.memory.behind_delay(&self.pace()).min(pause)
            } else {
                tries += 1;
                let is_silent = matches!(known, Receipt::NoAnswer);
                match pause_after(tries, is_silent, pause) {
                    Some(pause) => pause,
                    None => return known,
                }
            };
            if self.context.stop.wait(pause) {
                return known;
            }
        }
    }

    /// The transaction that used the sequence, of those that carried it. One that failed before its
    /// message, in a block too, cost nothing and left the sequence to another one (R8). Also whether a
    /// node answered that is below the block in which it was settled.
    fn ask_index(&self, settled: &Settled) -> (Receipt, bool) {
        let chain = &self.context.chain;
        let _turn = self.turn();
        let ask = |hash: &TxHash| (*hash, chain.heard(self.lcd().tx(&hash.to_string())));
        let answers: Vec<_> = settled.hashes.iter().rev().map(ask).collect();
        let heights = answers
            .iter()
            .filter_map(|(_, answer)| answer.as_ref().ok()?.height);
        let is_behind = heights.min().is_some_and(|height| height < settled.height);
        let errors = answers
            .iter()
            .filter_map(|(_, answer)| answer.as_ref().err());
        let no_answer = errors.fold(None, |known, error| match known {
            Some(Receipt::NoIndex) => known,
            _ if error.is_no_index() => Some(Receipt::NoIndex),
            _ => Some(Receipt::NoAnswer),
        });
        let found = answers
            .into_iter()
            .filter_map(|(hash, answer)| Some((hash, answer.ok()?.value?)));
        let used = found.filter(|(_, result)| !result.failed_in_ante());
        let receipt = match used.max_by_key(|(_, result)| result.code == 0) {
            Some((hash, result)) => Receipt::Found(hash, result),
            None => no_answer.unwrap_or(Receipt::Absent),
        };
        (receipt, is_behind)
    }
}

/// Why a transaction whose sequence was not used had no effect; with the last answer to it, if no
/// node accepted it.
pub(super) fn in_no_block(refusal: Option<&str>) -> String {
    let why = "its transaction got into no block in time";
    refusal.map_or_else(|| why.to_owned(), |answer| format!("{why}: {answer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_answer_is_asked_for_a_transaction_once_more() {
        let pause = Duration::from_secs(1);
        for tries in 1..INDEX_TRIES_MAX {
            assert_eq!(pause_after(tries, true, pause), Some(pause));
            assert_eq!(pause_after(tries, false, pause), Some(pause));
        }
        assert_eq!(pause_after(INDEX_TRIES_MAX, false, pause), None);
        assert_eq!(pause_after(INDEX_TRIES_MAX, true, pause), Some(pause * 2));
        assert_eq!(pause_after(INDEX_TRIES_MAX + 1, true, pause), None);
    }
}
