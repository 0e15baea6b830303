//! Makes the transaction of a submission: the gas limit, from what the topic vouches for or from a
//! simulation, the fee, and the bytes.

use std::time::{Duration, Instant};

use super::Broadcaster;
use super::purse::Draft;
use super::untaken::Attempt;
use crate::broadcaster::order::{Doubt, SendTrouble, Submission, Vouched, Word};
use crate::chain::endpoints::EndpointId;
use crate::chain::lcd::Answer;
use crate::chain::meaning::{Action, Meaning, WaitReason};
use crate::chain::route::Route;
use crate::chain::tx_answers::SimulateAnswer;
use crate::sign::signers::Signers;
use crate::sign::tx::{
    self, Envelope, FEE_FOR_SIMULATION, GAS_FOR_SIMULATION, MEMO, Message, SignedTx,
};
use crate::values::fee::{self, GasFactor};
use crate::values::units::{ApiVersion, Gas, Height, Sequence};

/// A transaction expires after at most this many blocks: expiry is free, doubt is not.
pub(super) const TIMEOUT_BLOCKS: u64 = 6;
/// The same for a window that an endpoint refuses: long enough for one that swallows it to be found
/// out, though another endpoint is a block late.
const DOUBTED_BLOCKS: u64 = 5;
/// The least blocks that such a transaction has from the highest height on.
const DOUBTED_BLOCKS_MIN: u64 = 2;
/// The places of a topic while the chain's parameters are unknown: their default.
const PLACES_UNKNOWN: usize = 32;
/// For how many blocks "not served" makes a simulation unnecessary: at least for as long as a payload
/// waits for its turn before it is too old (`INFERENCE_AGE_BLOCKS_MAX` in topic/window.rs). Only a
/// transaction of the same account can serve the nonce meanwhile, which its sequence shows
/// (`Chain::is_ours_since`).
const VOUCHED_BLOCKS_MAX: u64 = 12;

/// Why an attempt ended before anything was sent.
pub(super) enum Back {
    /// The topic gets this message.
    Word(Word),
    /// The submission stays in the queue: what is in flight has to be settled first.
    Queue,
}

impl From<SendTrouble> for Back {
    fn from(trouble: SendTrouble) -> Back {
        Back::Word(Word::NotNow(trouble))
    }
}

impl Broadcaster {
    pub(super) fn prepare(
        &mut self,
        submission: &Submission,
        sequence: Sequence,
    ) -> Result<Draft, Back> {
        let api = self.chain.api();
        let mut draft = Draft {
            job: submission.job,
            sequence,
            api: api.ok_or(SendTrouble::from(
                "the emissions version is unknown for now",
            ))?,
            gas_limit: GAS_FOR_SIMULATION,
            fee: FEE_FOR_SIMULATION,
        };
        if submission.balance_doubtful {
            self.purse.doubt_balance();
        }
        let (factor, gas_min) = (
            self.settings.gas_factor,
            submission.gas_min.unwrap_or_default(),
        );
        let gas_min = gas_min.min(fee::gas_limit_max(factor));
        let places = self.purse.places(draft.api).unwrap_or(PLACES_UNKNOWN);
        let room = Room {
            evicts: submission.crowd.is_full(places).then_some(places),
            used_evicting: submission.used_evicting,
            gas_min,
            factor,
        };
        let vouched = self.vouched(submission, draft.api);
        if let Some(gas_limit) = vouched.and_then(|vouched| room.remembered(vouched.used)) {
            let mut draft = draft;
            draft.gas_limit = gas_limit;
            if let Some(fee) = self.purse.fee_if_allowed(&draft) {
                draft.fee = fee;
                if self.purse.covers(&draft) {
                    return Ok(draft);
                }
            }
        }
        let simulated = self.simulate(submission, &draft)?;
        if let Doubt::Unnamed(other) = submission.doubt {
            self.simulate_unnamed(submission, &draft, other)?;
        }
        draft.gas_limit = room.simulated(simulated);
        draft.fee = self.purse.fee(&draft)?;
        self.purse.afford(&draft)?;
        Ok(draft)
    }

    /// What replaces a simulation. `None` also if the nonce may be served: by another process, or by
    /// a transaction of this one, which a topic forgets with the height that it was seen at (R9).
    fn vouched(&self, submission: &Submission, api: ApiVersion) -> Option<Vouched> {
        let vouched = vouched(submission.vouched, api, self.chain.height())?;
        let may_be_served = self.ledger.may_be_served(submission.job);
        (!may_be_served && self.chain.is_ours_since(vouched.at)).then_some(vouched)
    }

    /// Simulates the transaction, at no cost: returns the gas that it needs, or the refusal that
    /// would cost the fee in a block.
    fn simulate(&mut self, submission: &Submission, draft: &Draft) -> Result<Gas, Back> {
        let height = self.chain.height();
        let bytes = self.make_simulation(submission, draft, height)?;
        let lcd = self.chain.lcd.within(self.time_left(submission, height));
        let answer = self.chain.heard(lcd.simulate(&bytes));
        if let Err(error) = &answer {
            let endpoint = lcd.current_endpoint();
            let answer = Err(error.clone());
            self.note_untaken(Attempt::Simulation, &answer, endpoint, draft.sequence);
        }
        let answer = answer.map_err(SendTrouble::from)?;
        if !answer.fresh {
            return Err(SendTrouble::Behind.into());
        }
        let (meaning, words) = match answer.value {
            SimulateAnswer::Gas(gas)
                if gas < fee::GAS_LEAST || gas > fee::gas_believed_max(submission.gas_most) =>
            {
                let claim = format!("that {gas} gas are needed");
                let error = self
                    .chain
                    .lcd
                    .disbelieve(answer.endpoint, Route::Simulate, claim);
                return Err(SendTrouble::from(error).into());
            }
            SimulateAnswer::Gas(gas) => return Ok(gas),
            SimulateAnswer::Refused(error) => (error.simulation_meaning(), error.text),
        };
        if let Meaning::Sequence { expected, .. } = meaning {
            let at = self.moment(Instant::now());
            let refusal = Ok(meaning);
            self.note_untaken(
                Attempt::Simulation,
                &refusal,
                answer.endpoint,
                draft.sequence,
            );
            self.ledger.expects(draft.sequence, expected, at);
            if expected > draft.sequence {
                return Err(SendTrouble::AskServedAbove(at.height).into());
            }
            return Err(Back::Queue);
        }
        if submission.doubt == Doubt::Unnamed(answer.endpoint) && is_unnamed(&meaning) {
            return Err(SendTrouble::Unnamed(meaning).into());
        }
        if self.is_contradicted(submission, draft, &meaning, answer.endpoint) {
            return Err(Back::Queue);
        }
        Err(match meaning.action() {
            Action::ReprobeApi => {
                self.chain.suspect_api();
                SendTrouble::Temporary(meaning.to_string()).into()
            }
            Action::Wait(WaitReason::Unfunded) => self.purse.short_of(draft, Some(&words)).into(),
            Action::Wait(WaitReason::NotGranted | WaitReason::UnknownAccount)
                if self.grant.is_some() =>
            {
                self.not_granted(&meaning, draft, answer.endpoint).into()
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
            | Action::Retry => Back::Word(Word::Refused(meaning)),
        })
    }

    /// Simulates a payload for a disputed window at an endpoint that does not name it, if that
    /// answers at present: other payloads wait meanwhile.
    fn simulate_unnamed(
        &self,
        submission: &Submission,
        draft: &Draft,
        other: EndpointId,
    ) -> Result<(), SendTrouble> {
        let (lcd, height) = (&self.chain.lcd, self.chain.height());
        // why: each one that hangs is paused, for longer each time
        if !lcd.comparable(lcd.current_endpoint()).contains(&other) {
            return Ok(());
        }
        let bytes = self.make_simulation(submission, draft, height)?;
        let time = self.time_left(submission, height);
        let answer = lcd.asking_within(other, time).simulate(&bytes);
        let Some(SimulateAnswer::Refused(error)) = answer
            .ok()
            .filter(|answer| answer.fresh)
            .map(|answer| answer.value)
        else {
            return Ok(());
        };
        let meaning = error.simulation_meaning();
        if is_unnamed(&meaning) {
            return Err(SendTrouble::Unnamed(meaning));
        }
        Ok(())
    }

    /// Whether a simulation at another endpoint succeeds although `said` refuses the transaction.
    /// The other one gets no signature: what it could broadcast would be alive (R1).
    pub(super) fn is_contradicted(
        &mut self,
        submission: &Submission,
        draft: &Draft,
        refusal: &Meaning,
        said: EndpointId,
    ) -> bool {
        let height = self.chain.height();
        let simulation = self.make_simulation(submission, draft, height);
        // why: its own transaction may be in a block, which a simulation elsewhere may not show
        let may_be_served =
            *refusal == Meaning::AlreadySubmitted && self.ledger.may_be_served(submission.job);
        let tells = simulation_tells(refusal) && !may_be_served;
        let Some(bytes) = simulation.ok().filter(|_| tells) else {
            return false;
        };
        let no = format!("{}: {refusal}", submission.job);
        let lcd = self.chain.lcd.clone();
        let opinion = self.opinions.entry(submission.job.topic()).or_default();
        opinion.differs(Instant::now(), || {
            let accepts = |answer: &Answer<_>| matches!(answer.value, SimulateAnswer::Gas(_));
            lcd.contradicted(said, &no, |lcd| lcd.simulate(&bytes), accepts)
        })
    }

    /// Signs, and records what was signed before it is sent anywhere.
    pub(super) fn sign(
        &mut self,
        submission: &Submission,
        draft: &Draft,
    ) -> Result<SignedTx, SendTrouble> {
        let height = self.chain.lcd.clock().highest();
        let height = height.ok_or("no height is believed for now")?;
        if submission.is_over(height) {
            return Err(SendTrouble::WindowOver);
        }
        // why: a simulation and questions about gas and fee may have taken seconds
        if submission.is_old(Instant::now()) {
            return Err(SendTrouble::Outdated);
        }
        let sure = self.chain.lcd.sure_height().unwrap_or(height);
        let timeout = timeout_height(submission, sure, height);
        let signed = self.make(submission, draft, timeout, tx::sign)?;
        self.ledger
            .signed(draft.job, draft.sequence, signed.clone(), height);
        Ok(signed)
    }

    /// Makes the transaction for a simulation at this height.
    fn make_simulation(
        &self,
        submission: &Submission,
        draft: &Draft,
        height: Height,
    ) -> Result<Vec<u8>, SendTrouble> {
        let timeout = timeout_height(submission, height, height);
        self.make(submission, draft, timeout, tx::for_simulation)
    }

    /// Makes the transaction with `build`: signed, or for a simulation. It expires at `timeout`.
    fn make<T>(
        &self,
        submission: &Submission,
        draft: &Draft,
        timeout: Height,
        build: impl FnOnce(&Signers, &Message<'_>, &Envelope<'_>) -> T,
    ) -> Result<T, SendTrouble> {
        let chain_id = self.chain.lcd.chain_id();
        let chain_id = chain_id.ok_or("the chain id is unknown for now")?;
        let account_number = self.account.number;
        let message = submission.message().ok_or("the payload is missing")?;
        let envelope = Envelope {
            api: draft.api,
            chain_id: &chain_id,
            account_number: account_number.ok_or("the account number is unknown for now")?,
            sequence: draft.sequence,
            gas_limit: draft.gas_limit,
            fee: draft.fee,
            granter: self.settings.fee_granter.as_deref(),
            timeout_height: timeout,
            memo: MEMO,
        };
        Ok(build(&self.signers, &message, &envelope))
    }

    /// Half of what is left of the window, to limit one request: if it hangs, there is time for
    /// another.
    pub(super) fn time_left(&self, submission: &Submission, height: Height) -> Duration {
        let left = |last: Height| last.0.saturating_sub(height.0);
        let blocks = submission.last_block.map_or(TIMEOUT_BLOCKS, left);
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.chain.lcd.clock().block_time().saturating_mul(blocks) / 2
    }
}

/// Whether a simulation elsewhere says anything about this refusal: it checks neither the signature
/// nor the fee.
fn simulation_tells(refusal: &Meaning) -> bool {
    match refusal.action() {
        Action::Served
        | Action::Skip
        | Action::Defect
        | Action::RereadTopic
        | Action::Wait(_)
        | Action::MoreGas
        | Action::Retry => true,
        Action::GoOn
        | Action::Registered
        | Action::ReprobeApi
        | Action::NewFee
        | Action::ReadAccount
        | Action::ReadState
        | Action::ResendSame => false,
    }
}

/// What replaces a simulation. `None` if it is from another emissions version or was vouched for
/// too long ago.
fn vouched(vouched: Option<Vouched>, api: ApiVersion, height: Height) -> Option<Vouched> {
    let vouched = vouched.filter(|vouched| vouched.api == api)?;
    // why: a height that is not believed any more vouches for nothing
    let is_recent = vouched.at <= height && height <= vouched.at.plus(VOUCHED_BLOCKS_MAX);
    is_recent.then_some(vouched)
}

/// What a gas limit has to have room for.
struct Room {
    /// The places of the active set, where a payload may evict another worker.
    evicts: Option<usize>,
    /// The most that one used which did.
    used_evicting: Option<Gas>,
    gas_min: Gas,
    factor: GasFactor,
}

impl Room {
    /// The limit for a transaction that used `simulated` gas in a simulation.
    fn simulated(&self, simulated: Gas) -> Gas {
        let used = fee::used_in_block(simulated);
        self.limit(fee::remembered_limit(used, self.factor), used)
    }

    /// The limit for a payload like those that used at most `used` in a free place. `None` if they
    /// do not tell: none was in a free place although this one may be, or an index said more than is
    /// believed.
    fn remembered(&self, used: Option<Gas>) -> Option<Gas> {
        let evicting = self.used_evicting.filter(|_| self.evicts.is_some());
        let is_believed = |used: &Gas| *used <= fee::gas_believed_max(None);
        if !used.iter().chain(&evicting).all(is_believed) {
            return None;
        }
        match used {
            Some(used) => Some(self.limit(fee::remembered_limit(used, self.factor), used)),
            None => Some(fee::a_tenth_more(evicting?).max(self.gas_min)),
        }
    }

    /// Raises the limit for a free place, where a payload uses `used`, by what an eviction uses.
    fn limit(&self, in_free_place: Gas, used: Gas) -> Gas {
        let evicts = self.evicts.map_or(Gas(0), |places| {
            let known = self.used_evicting;
            let known = known.filter(|known| *known <= fee::gas_believed_max(Some(used)));
            let known = known.map(fee::a_tenth_more);
            fee::evicting_limit(used, places).max(known.unwrap_or_default())
        });
        let most = fee::gas_limit_max(self.factor);
        in_free_place.max(evicts.min(most)).max(self.gas_min)
    }
}

/// Whether a refusal says that there is no such window.
fn is_unnamed(refusal: &Meaning) -> bool {
    matches!(refusal, Meaning::WindowClosed | Meaning::WindowNotAvailable)
}

/// The last block that may include a transaction made now, counted from the sure height, which is not
/// above the highest one.
fn timeout_height(submission: &Submission, sure: Height, highest: Height) -> Height {
    let sure = sure.min(highest);
    let latest = sure.plus(TIMEOUT_BLOCKS);
    let soon = match submission.doubt {
        // why: an endpoint that names a height a few blocks too low must not leave it a single block
        Doubt::Refused => sure
            .plus(DOUBTED_BLOCKS)
            .max(highest.plus(DOUBTED_BLOCKS_MIN)),
        Doubt::None | Doubt::Unnamed(_) => latest,
    };
    let soon = soon.min(latest);
    submission.last_block.map_or(soon, |last| last.min(soon))
}

#[cfg(test)]
mod tests;
