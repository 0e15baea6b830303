//! Sends a transaction to a node: posts it, signs it again at once if the node requires another
//! fee, gas limit or version, and reports the outcome. Every answer is recorded in the ledger
//! before anything else is signed.

use std::time::Instant;

use log::{Level, debug, log, warn};

use super::prepare::Back;
use super::price::Demand;
use super::purse::Draft;
use super::untaken::Attempt;
use super::{Broadcaster, say};
use crate::broadcaster::order::{SendTrouble, Submission, Word};
use crate::broadcaster::sequence::{Job, Verdict};
use crate::chain::endpoints::EndpointId;
use crate::chain::error::LcdError;
use crate::chain::meaning::{Action, Meaning};
use crate::chain::route::Route;
use crate::sign::tx::SignedTx;
use crate::text::Foreign;
use crate::values::amount;
use crate::values::fee;
use crate::values::units::{ApiVersion, Height, Sequence, TxHash, Uallo};

/// How often one attempt signs again with the same sequence after a refusal.
const CURES_MAX: u32 = 3;

/// A submission that has a transaction in flight.
#[derive(Debug)]
pub(super) struct Flying {
    pub(super) submission: Submission,
    /// The draft of its newest transaction.
    pub(super) draft: Draft,
    /// Whether the topic was sent `Accepted`.
    announced: bool,
    /// The endpoint that was asked last.
    asked: EndpointId,
    /// The first endpoint that may have it, or the last one that did not accept it.
    pub(super) trial: Option<Trial>,
    /// The last answer to it that did not accept it.
    pub(super) refusal: Option<String>,
    /// The chain's words in the last answer of CheckTx.
    words: Option<Foreign>,
}

/// An endpoint that was sent a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) endpoint: EndpointId,
    /// The height then.
    pub(super) at: Height,
    /// The last block that may include it.
    pub(super) timeout_height: Height,
    pub(super) did: Did,
}

/// What an endpoint did with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Accepted,
    /// It had no room for it.
    Full,
    /// It refused it, or gave no answer.
    NotAccept,
}

impl Trial {
    /// The one that counts, of this one and a later one: the first whose endpoint may have the
    /// transaction. If none may, the endpoint that was asked last counts, from its first refusal on.
    fn or(self, later: Trial) -> Trial {
        let is_again = later.did == Did::NotAccept && later.endpoint == self.endpoint;
        if self.did == Did::NotAccept && !is_again {
            later
        } else {
            self
        }
    }
}

impl Flying {
    /// Takes note of an answer to its bytes, which were sent at this height.
    fn answered(
        &mut self,
        answer: &Result<Meaning, LcdError>,
        verdict: Verdict,
        at: Height,
        timeout_height: Height,
    ) {
        let did = match verdict {
            Verdict::Accepted | Verdict::Cached => Some(Did::Accepted),
            Verdict::Full => Some(Did::Full),
            Verdict::Refused | Verdict::Expects(_) | Verdict::Unknown => Some(Did::NotAccept),
            // why: an endpoint that cannot be reached is another state
            Verdict::NeverLeft => None,
        };
        if let Some(did) = did {
            let error = answer.as_ref().err();
            let trial = Trial {
                endpoint: error.and_then(|it| it.endpoint_id).unwrap_or(self.asked),
                at,
                timeout_height,
                did,
            };
            self.trial = Some(self.trial.map_or(trial, |before| before.or(trial)));
        }
        match answer {
            Ok(Meaning::Success) => self.refusal = None,
            Ok(meaning) => self.refusal = Some(meaning.to_string()),
            Err(error) if error.never_left() => {}
            Err(error) => self.refusal = Some(error.line()),
        }
    }
}

impl Broadcaster {
    /// Makes one attempt at a submission that may carry this number.
    pub(super) fn attempt(&mut self, submission: Submission, sequence: Sequence) {
        let job = submission.job;
        let draft = match self.prepare(&submission, sequence) {
            Ok(draft) => draft,
            Err(Back::Word(word)) => return say(&submission, word),
            Err(Back::Queue) => return self.queue.push(submission),
        };
        // While the chain was asked for gas and price, the endpoint may have changed (R11).
        if self.number_for(job) != Some(sequence) {
            debug!("{job}: sequence {sequence} is out of date");
            return self.queue.push(submission);
        }
        match self.sign(&submission, &draft) {
            Ok(signed) => {
                self.purse.reserve(&draft);
                let flying = Flying {
                    submission,
                    draft,
                    announced: false,
                    asked: self.chain.lcd.current_endpoint(),
                    trial: None,
                    refusal: None,
                    words: None,
                };
                self.send(flying, signed);
            }
            Err(trouble) => say(&submission, Word::NotNow(trouble)),
        }
    }

    fn number_for(&self, job: Job) -> Option<Sequence> {
        let at = self.moment(Instant::now());
        self.ledger.number_for(job, at).ok()
    }

    /// Sends the same bytes again, as the sequence rules demand.
    pub(super) fn send_again(&mut self, job: Job, signed: SignedTx) {
        if let Some(flying) = self.take_flying(job) {
            debug!("{job}: sending {} again", signed.hash);
            self.send(flying, signed);
        }
    }

    pub(super) fn take_flying(&mut self, job: Job) -> Option<Flying> {
        let place = self.flying.iter().position(|f| f.draft.job == job)?;
        Some(self.flying.swap_remove(place))
    }

    /// Posts, and signs again with the same sequence after a refusal that says what to change.
    fn send(&mut self, mut flying: Flying, mut signed: SignedTx) {
        let mut cures = 0;
        // why: what was refused after each change before needs no second change now
        let cures_max = if self.untaken.is_repeated() {
            1
        } else {
            CURES_MAX
        };
        loop {
            let answer = self.post(&mut flying, &signed);
            let meaning = answer.as_ref().ok().filter(|_| cures < cures_max);
            match meaning.and_then(|meaning| self.cure(&mut flying, meaning)) {
                Some(again) => signed = again,
                None => return self.conclude(flying, signed.hash, answer),
            }
            cures += 1;
        }
    }

    fn post(&mut self, flying: &mut Flying, signed: &SignedTx) -> Result<Meaning, LcdError> {
        let submission = &flying.submission;
        let mut at = self.moment(Instant::now());
        let lcd = self.chain.lcd.within(self.time_left(submission, at.height));
        let result = self.chain.heard(lcd.broadcast(&signed.bytes));
        // Without an answer the delay counts for the endpoint that is in use from now on. That is
        // another one only after it has answered some request, so two endpoints that are both down
        // are not asked in a loop.
        let endpoint = result.as_ref().map(|answer| answer.endpoint);
        // why: another thread may have brought another endpoint into use meanwhile
        let asked = match &result {
            Ok(answer) => Some(answer.endpoint),
            Err(error) => error.endpoint_id,
        };
        at.endpoint = endpoint.unwrap_or_else(|_| lcd.current_endpoint()).0;
        at.now = Instant::now();
        flying.asked = asked.unwrap_or(EndpointId(at.endpoint));
        if result.as_ref().is_ok_and(|answer| answer.value.repeated) {
            // why: the node or one beside it may have the bytes of the first sending (R3)
            let verdict = Verdict::Unknown;
            debug!("{}: {} → {verdict:?}", submission.job, signed.hash);
            self.ledger.answered(signed.hash, verdict, at);
        }
        let words = result.as_ref().ok().map(|answer| &answer.value.raw_log);
        flying.words = words.filter(|words| !words.raw().is_empty()).cloned();
        let mut answer = result.map(|answer| answer.value.meaning());
        if answer.is_ok() {
            // The endpoint answers, so the delay of account reads after failures ends.
            self.account_answers();
        }
        if let Ok(Meaning::FeeTooLow {
            required: Some(required),
        }) = answer
        {
            answer = self.check_demand(required, &flying.draft, flying.asked);
        }
        let verdict = match &answer {
            Ok(meaning) => verdict_of(meaning),
            Err(error) if error.never_left() => Verdict::NeverLeft,
            Err(_) => Verdict::Unknown,
        };
        debug!("{}: {} → {verdict:?}", submission.job, signed.hash);
        self.ledger.answered(signed.hash, verdict, at);
        flying.answered(&answer, verdict, at.height, signed.timeout_height);
        let (endpoint, sequence) = (flying.asked, flying.draft.sequence);
        if matches!(answer, Ok(Meaning::Unauthorized)) {
            // why: a node of another chain refuses every signature with this code
            self.chain.lcd.doubt_account(endpoint);
        }
        self.note_untaken(Attempt::Broadcast, &answer, endpoint, sequence);
        answer
    }

    /// The refusal of a fee that is too low, by what is to be thought of the fee that the endpoint
    /// requires: it is named only if it may be paid.
    fn check_demand(
        &mut self,
        required: Uallo,
        draft: &Draft,
        demander: EndpointId,
    ) -> Result<Meaning, LcdError> {
        match self.purse.judge_demand(required, draft, demander) {
            Demand::Fits => Ok(Meaning::FeeTooLow {
                required: Some(required),
            }),
            Demand::Unverified => Ok(Meaning::FeeTooLow { required: None }),
            Demand::Lie => {
                // why: a node that lies about the fee may keep the bytes too (R3)
                let claim = format!("that a fee of {} is required", amount::allo(required));
                Err(self.chain.lcd.disbelieve(demander, Route::Broadcast, claim))
            }
        }
    }

    /// The next transaction with the same number, if the refusal says what to change.
    fn cure(&mut self, flying: &mut Flying, meaning: &Meaning) -> Option<SignedTx> {
        let mut draft = flying.draft;
        match cure_for(meaning)? {
            Cure::Fee(required) => draft.fee = required,
            Cure::Gas => {
                let most = fee::gas_limit_max(self.settings.gas_factor);
                if draft.gas_limit >= most {
                    return None;
                }
                draft.gas_limit = fee::more_gas(draft.gas_limit).min(most);
                draft.fee = self.purse.fee(&draft).ok()?;
            }
            Cure::OtherApi => draft.api = self.other_api(draft.api)?,
        }
        draft.sequence = self.number_for(draft.job)?;
        draft.fee = self.purse.within_limits(&draft).ok()?;
        self.purse.afford(&draft).ok()?;
        if !self.ledger.may_sign_again(draft.job) {
            return None;
        }
        let level = if self.untaken.is_repeated() {
            Level::Debug
        } else {
            Level::Info
        };
        log!(
            level,
            "{}: {meaning}; signed anew with the same sequence {}",
            draft.job,
            draft.sequence
        );
        let signed = self.sign(&flying.submission, &draft).ok()?;
        self.purse.reserve(&draft);
        flying.draft = draft;
        Some(signed)
    }

    /// The emissions version in force, asked if need be, if it is not the one that was refused.
    fn other_api(&self, refused: ApiVersion) -> Option<ApiVersion> {
        let is_other = |api: &ApiVersion| *api != refused;
        self.chain.api_last_known().filter(is_other).or_else(|| {
            self.chain.suspect_api();
            self.chain.api().filter(is_other)
        })
    }

    /// Ends the attempt: the submission stays in flight, waits in the queue, or returns to its
    /// topic.
    fn conclude(&mut self, mut flying: Flying, hash: TxHash, answer: Result<Meaning, LcdError>) {
        let draft = flying.draft;
        if self.ledger.alive(draft.job).is_some() {
            let is_accepted = matches!(answer, Ok(Meaning::Success));
            if is_accepted {
                self.granted(draft.job);
                self.opinions.remove(&draft.job.topic());
            }
            if is_accepted && !std::mem::replace(&mut flying.announced, true) {
                // why: bytes that were sent again do not show that what waits has its turn
                self.accepted_at = Some(Instant::now());
                let api = draft.api;
                say(&flying.submission, Word::Accepted { hash, api });
            }
            if let Ok(meaning) = &answer
                && !is_accepted
                && self.is_contradicted(&flying.submission, &draft, meaning, flying.asked)
            {
                // why: it stays alive (R1, R3), and the next endpoint gets the same bytes (R11)
                debug!("{}: {meaning}; its bytes go to another endpoint", draft.job);
            }
            return self.flying.push(flying);
        }
        self.purse.release(draft.job);
        let word = match answer {
            Ok(Meaning::Sequence { expected, .. }) if expected <= draft.sequence => {
                return self.queue.push(flying.submission);
            }
            Ok(Meaning::Sequence { .. }) => {
                let height = self.chain.height();
                self.chain.others_may_have_sent(height);
                Word::NotNow(SendTrouble::AskServedAbove(height))
            }
            Ok(meaning) if self.grant.is_some() && concerns_payer(&meaning) => {
                Word::NotNow(self.not_granted(&meaning, &draft, flying.asked))
            }
            Ok(meaning)
                if self.is_contradicted(&flying.submission, &draft, &meaning, flying.asked) =>
            {
                return self.queue.push(flying.submission);
            }
            Ok(Meaning::Unfunded) => {
                Word::NotNow(self.purse.short_of(&draft, flying.words.as_ref()))
            }
            Ok(meaning) => {
                if meaning == Meaning::Unauthorized {
                    warn!("{}: {meaning}; the account is read again", draft.job);
                    self.account.number = None;
                    self.ledger.forget_account();
                }
                Word::Refused(meaning)
            }
            Err(error) => Word::NotNow(error.into()),
        };
        say(&flying.submission, word);
    }
}

/// Whether a refusal in CheckTx, which executes no message, concerns the account that pays the fee.
fn concerns_payer(meaning: &Meaning) -> bool {
    matches!(
        meaning,
        Meaning::NotGranted { .. } | Meaning::Unfunded | Meaning::UnknownAccount
    )
}

/// What to change after a refusal in CheckTx, before the transaction is signed again at once with
/// the same sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cure {
    Fee(Uallo),
    Gas,
    OtherApi,
}

/// `None`: signing again would not help; the topic decides.
fn cure_for(meaning: &Meaning) -> Option<Cure> {
    match meaning.action() {
        Action::NewFee => match meaning {
            Meaning::FeeTooLow { required } => required.map(Cure::Fee),
            _ => None,
        },
        Action::MoreGas => Some(Cure::Gas),
        Action::ReprobeApi => Some(Cure::OtherApi),
        Action::GoOn
        | Action::Served
        | Action::Registered
        | Action::Skip
        | Action::Defect
        | Action::RereadTopic
        | Action::Wait(_)
        | Action::ReadAccount
        | Action::ReadState
        | Action::ResendSame
        | Action::Retry => None,
    }
}

/// What an answer to a broadcast says about the bytes that were sent.
fn verdict_of(meaning: &Meaning) -> Verdict {
    match meaning.action() {
        Action::GoOn => Verdict::Accepted,
        Action::ReadState => Verdict::Cached,
        Action::ResendSame => Verdict::Full,
        Action::ReadAccount => match meaning {
            Meaning::Sequence { expected, .. } => Verdict::Expects(*expected),
            _ => Verdict::Refused,
        },
        Action::Served
        | Action::Registered
        | Action::Skip
        | Action::Defect
        | Action::RereadTopic
        | Action::Wait(_)
        | Action::ReprobeApi
        | Action::MoreGas
        | Action::NewFee
        | Action::Retry => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::meaning::table::ROWS;

    #[test]
    fn the_first_endpoint_that_may_have_a_transaction_answers_for_it() {
        let trial = |endpoint, did| Trial {
            endpoint: EndpointId(endpoint),
            at: Height(100),
            timeout_height: Height(106),
            did,
        };
        let (refused, accepted) = (trial(0, Did::NotAccept), trial(1, Did::Accepted));
        let later = |endpoint| Trial {
            at: Height(102),
            ..trial(endpoint, Did::NotAccept)
        };
        assert_eq!(refused.or(later(0)), refused, "again");
        assert_eq!(refused.or(later(1)), later(1), "it was asked to the end");
        assert_eq!(refused.or(accepted), accepted);
        assert_eq!(accepted.or(trial(0, Did::Full)), accepted);
        assert_eq!(accepted.or(refused), accepted);
    }

    /// The codes of protocol.md section 4.3 that the sender acts upon itself; every other code of
    /// the table is a refusal whose meaning the topic receives.
    #[test]
    fn the_sender_does_what_the_action_of_each_row_says() {
        let text = "expected 4, got 7; got: 1uallo required: 9uallo";
        for row in ROWS {
            let meaning = row.meaning(text).unwrap();
            let did = (verdict_of(&meaning), cure_for(&meaning));
            let expected = match (row.codespace, row.code) {
                ("sdk", 2) if meaning == Meaning::BadPayload => (Verdict::Refused, None),
                ("sdk", 2 | 6) => (Verdict::Refused, Some(Cure::OtherApi)),
                ("sdk", 11) => (Verdict::Refused, Some(Cure::Gas)),
                ("sdk", 13) => (Verdict::Refused, Some(Cure::Fee(Uallo(9)))),
                ("sdk", 19) => (Verdict::Cached, None),
                ("sdk", 20) => (Verdict::Full, None),
                ("sdk", 32) => (Verdict::Expects(Sequence(4)), None),
                _ => (Verdict::Refused, None),
            };
            assert_eq!(did, expected, "{row:?}");
        }
        assert_eq!(verdict_of(&Meaning::Success), Verdict::Accepted);
        let without_fee = Meaning::FeeTooLow { required: None };
        assert_eq!(cure_for(&without_fee), None);
    }
}
