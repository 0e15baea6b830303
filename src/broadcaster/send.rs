//! Making a transaction and getting it to a node: simulate, price, sign, post, and the immediate
//! answer to a fee, a gas limit or a version that the node names. Every answer goes through the
//! ledger before anything else is signed.

use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::{Broadcaster, purse::lcd_trouble, say};
use crate::broadcaster::order::{Submission, Trouble, Word};
use crate::broadcaster::sequence::{Job, Signed, Standing, Verdict};
use crate::chain::lcd::{Answer, LcdError};
use crate::chain::meaning::{Action, Meaning, WaitReason};
use crate::chain::tx_answers::{CheckTx, SimulateAnswer};
use crate::sign::tx::{self, Envelope, FEE_FOR_SIMULATION, GAS_FOR_SIMULATION, MEMO};
use crate::values::fee;
use crate::values::units::TxHash;
use crate::values::units::{ApiVersion, Gas, Height, Sequence, Uallo};

/// How many blocks a transaction is given at most: expiry is free, doubt is not.
pub(super) const TIMEOUT_BLOCKS: u64 = 6;
/// A topic's word that its nonce is not served is as good as a simulation for so many blocks.
const VOUCHED_BLOCKS_MAX: u64 = 2;
/// How often one attempt answers a refusal by signing anew with the same number.
const CURES_MAX: u32 = 3;

/// What may change when the same number is signed anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    sequence: Sequence,
    api: ApiVersion,
    gas_limit: Gas,
    pub(super) fee: Uallo,
}

/// A submission that has a transaction in flight.
#[derive(Debug)]
pub(super) struct Flying {
    pub(super) submission: Submission,
    pub(super) draft: Draft,
    /// What the purse has put aside for it.
    pub(super) reserved: Uallo,
    told: bool,
}

impl Flying {
    /// The emissions version that its newest transaction is made for.
    pub(super) fn api(&self) -> ApiVersion {
        self.draft.api
    }
}

/// Why an attempt ended before anything was sent.
enum Back {
    /// The topic is told.
    Word(Word),
    /// It stays in the queue: what is in flight has to be cleared up first.
    Queue,
}

impl From<Trouble> for Back {
    fn from(trouble: Trouble) -> Back {
        Back::Word(Word::NotNow(trouble))
    }
}

/// A node's answer to a sending.
struct Posted {
    verdict: Verdict,
    /// What it means, unless nothing was learnt.
    meaning: Option<Meaning>,
    error: Option<LcdError>,
}

impl Broadcaster {
    /// One attempt at a submission that may carry this number.
    pub(super) fn attempt(&mut self, submission: Submission, sequence: Sequence) {
        match self.prepare(&submission, sequence) {
            Ok(draft) if !self.still_right(&submission, sequence) => {
                debug!(
                    "{}: sequence {} is not the one any more",
                    submission.job, draft.sequence
                );
                self.queue.push(submission);
            }
            Ok(draft) => {
                let flying = Flying {
                    reserved: self.purse.cost(draft.api, submission.job, draft.fee),
                    submission,
                    draft,
                    told: false,
                };
                match self.sign(&flying) {
                    Ok(signed) => {
                        self.purse.reserve(flying.reserved);
                        self.send(flying, signed);
                    }
                    Err(trouble) => say(&flying.submission, Word::NotNow(trouble)),
                }
            }
            Err(Back::Word(word)) => say(&submission, word),
            Err(Back::Queue) => self.queue.push(submission),
        }
    }

    /// Whether the number is still the one to sign with: while the chain was asked for gas and
    /// price, the endpoint may have changed (R11).
    fn still_right(&self, submission: &Submission, sequence: Sequence) -> bool {
        let (height, endpoint) = (self.chain.height(), self.chain.lcd.current_endpoint().0);
        let number = self
            .ledger
            .number_for(submission.job, height, endpoint, Instant::now());
        number == Ok(sequence)
    }

    /// Sends the same bytes again, as the sequence rules ask for.
    pub(super) fn send_again(&mut self, job: Job, signed: Signed<TxHash>) {
        let Some(at) = self.flying.iter().position(|f| f.submission.job == job) else {
            return;
        };
        let flying = self.flying.swap_remove(at);
        debug!("{job}: sending {} again", signed.hash);
        self.send(flying, signed);
    }

    fn prepare(&mut self, submission: &Submission, sequence: Sequence) -> Result<Draft, Back> {
        let Some(api) = self.chain.api() else {
            return Err(Trouble::Lcd("the emissions version is unknown for now".into()).into());
        };
        if submission.balance_doubtful {
            self.purse.forget_balance();
        }
        let draft = |gas_limit, fee| Draft {
            sequence,
            api,
            gas_limit,
            fee,
        };
        let gas_min = submission.gas_min.unwrap_or_default();
        if let Some(gas_limit) = self.remembered(submission, api) {
            let gas_limit = gas_limit.max(gas_min);
            let fee = self.purse.fee(&self.chain, submission.job, gas_limit)?;
            if self.purse.covers(&self.chain, api, submission.job, fee) {
                return Ok(draft(gas_limit, fee));
            }
        }
        let simulated = self.simulate(submission, api, sequence)?;
        let gas_limit = fee::gas_limit(simulated, self.settings.gas_factor).max(gas_min);
        let fee = self.purse.fee(&self.chain, submission.job, gas_limit)?;
        self.purse.afford(&self.chain, api, submission.job, fee)?;
        Ok(draft(gas_limit, fee))
    }

    /// The gas limit that needs no simulation: of this version, and vouched for just now.
    fn remembered(&self, submission: &Submission, api: ApiVersion) -> Option<Gas> {
        let vouched = submission.vouched.filter(|vouched| vouched.api == api)?;
        let is_news = self.chain.height() <= vouched.at.plus(VOUCHED_BLOCKS_MAX);
        is_news.then(|| fee::remembered_limit(vouched.used, self.settings.gas_factor))
    }

    /// A free rehearsal by the chain: the gas, or the refusal that a block would charge for.
    fn simulate(
        &mut self,
        submission: &Submission,
        api: ApiVersion,
        sequence: Sequence,
    ) -> Result<Gas, Back> {
        let draft = Draft {
            sequence,
            api,
            gas_limit: GAS_FOR_SIMULATION,
            fee: FEE_FOR_SIMULATION,
        };
        let height = self.chain.height();
        let bytes = self.make(submission, &draft, height, |wallet, message, envelope| {
            tx::for_simulation(wallet, api, message, envelope)
        })?;
        let lcd = self.chain.lcd.within(self.time_left(submission, height));
        let answer = self
            .chain
            .heard(lcd.simulate(&bytes))
            .map_err(lcd_trouble)?;
        let meaning = match answer.value {
            SimulateAnswer::Gas(gas) if answer.fresh => return Ok(gas),
            SimulateAnswer::Gas(_) => {
                return Err(Trouble::Lcd("the node that simulated is behind".into()).into());
            }
            SimulateAnswer::Refused(error) => error.simulation_meaning(),
        };
        if !answer.fresh {
            return Err(Trouble::Lcd("the node that simulated is behind".into()).into());
        }
        self.simulation_refused(submission, &draft, meaning, answer.height)
    }

    fn simulation_refused(
        &mut self,
        submission: &Submission,
        draft: &Draft,
        meaning: Meaning,
        height: Option<Height>,
    ) -> Result<Gas, Back> {
        let now = Instant::now();
        let known = self.chain.height();
        if let Meaning::Sequence { expected, .. } = meaning {
            self.ledger.expects(draft.sequence, expected, known, now);
            if expected > draft.sequence {
                return Err(Trouble::AskServedAbove(known).into());
            }
            return Err(Back::Queue);
        }
        match meaning.action() {
            Action::ReprobeApi => {
                self.chain.suspect_api();
                Err(Trouble::Lcd(meaning.to_string()).into())
            }
            Action::Wait(WaitReason::Unfunded) => {
                let (api, job) = (draft.api, submission.job);
                Err(self.purse.short_of(&self.chain, api, job, draft.fee).into())
            }
            Action::Wait(_)
            | Action::GoOn
            | Action::Served
            | Action::Registered
            | Action::Skip
            | Action::Defect
            | Action::RereadTopic
            | Action::MoreGas
            | Action::NewFee
            | Action::ReadAccount
            | Action::ReadState
            | Action::ResendSame
            | Action::Retry => Err(Back::Word(Word::Refused { meaning, height })),
        }
    }

    /// Builds a transaction's bytes by `build`.
    fn make<T>(
        &self,
        submission: &Submission,
        draft: &Draft,
        height: Height,
        build: impl FnOnce(&crate::sign::wallet::Wallet, &tx::Message<'_>, &Envelope<'_>) -> T,
    ) -> Result<T, Trouble> {
        let unknown = |what: &str| Trouble::Lcd(format!("{what} is unknown for now"));
        let chain_id = self
            .chain
            .lcd
            .chain_id()
            .ok_or_else(|| unknown("the chain id"))?;
        let account_number = self
            .account_number
            .ok_or_else(|| unknown("the account number"))?;
        let message = submission.message().ok_or_else(|| unknown("the payload"))?;
        let envelope = Envelope {
            chain_id: &chain_id,
            account_number,
            sequence: draft.sequence,
            gas_limit: draft.gas_limit,
            fee: draft.fee,
            timeout_height: timeout_height(submission, height),
            memo: MEMO,
        };
        Ok(build(&self.wallet, &message, &envelope))
    }

    /// Signs, and puts on record what was signed, before anybody sees it.
    fn sign(&mut self, flying: &Flying) -> Result<Signed<TxHash>, Trouble> {
        let height = self.chain.height();
        let (submission, draft) = (&flying.submission, &flying.draft);
        if submission.last_block.is_some_and(|last| height >= last) {
            return Err(Trouble::WindowOver);
        }
        let signed = self.make(submission, draft, height, |wallet, message, envelope| {
            tx::sign(wallet, draft.api, message, envelope)
        })?;
        let timeout_height = timeout_height(submission, height);
        let signed = Signed {
            hash: signed.hash,
            bytes: signed.bytes,
            timeout_height,
        };
        self.ledger
            .signed(submission.job, draft.sequence, signed.clone(), height);
        Ok(signed)
    }

    /// Posts, and answers a refusal that names its cure by signing anew with the same number.
    fn send(&mut self, mut flying: Flying, mut signed: Signed<TxHash>) {
        for cures_left in (0..=CURES_MAX).rev() {
            let (posted, standing) = self.post(&flying, &signed);
            let cured = if cures_left > 0 {
                self.cure(&mut flying, &posted)
            } else {
                None
            };
            match cured {
                Some(again) => signed = again,
                None => return self.conclude(flying, &signed, posted, standing),
            }
        }
    }

    fn post(&mut self, flying: &Flying, signed: &Signed<TxHash>) -> (Posted, Standing) {
        let height = self.chain.height();
        let lcd = self
            .chain
            .lcd
            .within(self.time_left(&flying.submission, height));
        let result = self.chain.heard(lcd.broadcast(&signed.bytes));
        // why: without an answer the delay counts for the endpoint that is in use from now on; it
        // is another one only once that has answered somebody, so two that are down alternate in
        // vain without being asked in a loop
        let asked = match &result {
            Ok(answer) => answer.endpoint,
            Err(_) => lcd.current_endpoint(),
        };
        let posted = Posted::of(result);
        if posted.error.is_none() {
            // why: the endpoint is well again, whatever delay its failures have led to
            self.account_answers();
        }
        debug!(
            "{}: {} → {:?}",
            flying.submission.job, signed.hash, posted.verdict
        );
        let standing =
            self.ledger
                .answered(signed.hash, posted.verdict, asked.0, height, Instant::now());
        (posted, standing)
    }

    /// The next transaction with the same number, if the refusal says what to change. What is put
    /// aside for the one takes the place of what was for the other.
    fn cure(&mut self, flying: &mut Flying, posted: &Posted) -> Option<Signed<TxHash>> {
        let before = flying.reserved;
        self.purse.release(before);
        let signed = self.changed(flying, posted);
        if signed.is_none() {
            flying.reserved = before;
        }
        self.purse.reserve(flying.reserved);
        signed
    }

    fn changed(&mut self, flying: &mut Flying, posted: &Posted) -> Option<Signed<TxHash>> {
        if posted.verdict != Verdict::Refused {
            return None;
        }
        let meaning = posted.meaning.as_ref()?;
        let (job, mut draft) = (flying.submission.job, flying.draft);
        match cure_for(meaning)? {
            Cure::Fee(required) => {
                self.purse.learn_price(required, draft.gas_limit);
                draft.fee = self.purse.within_cap(&self.chain, job, required).ok()?;
            }
            Cure::Gas => {
                draft.gas_limit = fee::more_gas(draft.gas_limit);
                draft.fee = self.purse.fee(&self.chain, job, draft.gas_limit).ok()?;
            }
            Cure::OtherApi => {
                let other = |api: &ApiVersion| *api != flying.draft.api;
                let known = self.chain.api_last_known().filter(other);
                if known.is_none() {
                    self.chain.suspect_api();
                }
                draft.api = known.or_else(|| self.chain.api().filter(other))?;
            }
        }
        self.purse
            .afford(&self.chain, draft.api, job, draft.fee)
            .ok()?;
        let (height, endpoint) = (self.chain.height(), self.chain.lcd.current_endpoint().0);
        draft.sequence = self
            .ledger
            .number_for(job, height, endpoint, Instant::now())
            .ok()?;
        if !self.ledger.may_sign_again(job) {
            return None;
        }
        info!(
            "{job}: {meaning}; signed anew with the same sequence {}",
            draft.sequence
        );
        flying.draft = draft;
        flying.reserved = self.purse.cost(draft.api, job, draft.fee);
        self.sign(flying).ok()
    }

    /// Nothing more to be done about this answer: the submission flies, waits or goes back.
    fn conclude(
        &mut self,
        mut flying: Flying,
        signed: &Signed<TxHash>,
        posted: Posted,
        standing: Standing,
    ) {
        if standing == Standing::Alive || self.ledger.alive(flying.submission.job).is_some() {
            if posted.verdict == Verdict::Accepted && !flying.told {
                flying.told = true;
                let (hash, api) = (signed.hash, flying.draft.api);
                say(&flying.submission, Word::Accepted { hash, api });
            }
            self.flying.push(flying);
            return;
        }
        self.purse.release(flying.reserved);
        let draft = flying.draft;
        let submission = flying.submission;
        let word = match (posted.verdict, posted.meaning) {
            (Verdict::Expects(expected), _) if expected <= draft.sequence => {
                self.queue.push(submission);
                return;
            }
            (Verdict::Expects(_), _) => {
                self.trust_no_word();
                Word::NotNow(Trouble::AskServedAbove(self.chain.height()))
            }
            (_, Some(Meaning::Unfunded)) => {
                let (api, job) = (draft.api, submission.job);
                Word::NotNow(self.purse.short_of(&self.chain, api, job, draft.fee))
            }
            (_, Some(meaning)) => {
                if meaning == Meaning::Unauthorized {
                    warn!("{}: {meaning}; the account is read again", submission.job);
                    self.account_number = None;
                    self.ledger.forget_account();
                }
                Word::Refused {
                    meaning,
                    height: None,
                }
            }
            (_, None) => {
                let error = posted.error.map_or_else(String::new, |error| error.line());
                Word::NotNow(Trouble::Lcd(error))
            }
        };
        say(&submission, word);
    }

    /// Half of what is left of the window, as a bound on one request: one that hangs leaves room
    /// for another.
    fn time_left(&self, submission: &Submission, height: Height) -> Duration {
        let blocks = submission
            .last_block
            .map_or(TIMEOUT_BLOCKS, |last| last.0.saturating_sub(height.0));
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.chain.lcd.clock().block_time().saturating_mul(blocks) / 2
    }
}

impl Posted {
    fn of(result: Result<Answer<CheckTx>, LcdError>) -> Posted {
        match result {
            Ok(answer) => {
                let meaning = answer.value.meaning();
                Posted {
                    verdict: verdict_of(&meaning),
                    meaning: Some(meaning),
                    error: None,
                }
            }
            Err(error) => {
                let verdict = if error.never_left() {
                    Verdict::NeverLeft
                } else {
                    Verdict::Unknown
                };
                Posted {
                    verdict,
                    meaning: None,
                    error: Some(error),
                }
            }
        }
    }
}

/// How a refusal in CheckTx is answered at once: signed anew with the same sequence, and with this
/// changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cure {
    Fee(Uallo),
    Gas,
    OtherApi,
}

/// `None`: signing anew changes nothing; the topic decides.
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

/// The last block that may include a transaction made now.
fn timeout_height(submission: &Submission, height: Height) -> Height {
    let soon = height.plus(TIMEOUT_BLOCKS);
    submission.last_block.map_or(soon, |last| last.min(soon))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::meaning::table::ROWS;

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
