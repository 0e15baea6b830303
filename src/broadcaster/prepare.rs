//! From a submission to its transaction: the gas limit, by what the topic vouches for or by a
//! simulation, the fee, and the bytes.

use std::time::{Duration, Instant};

use super::Broadcaster;
use crate::broadcaster::order::{SendTrouble, Submission, Vouched, Word};
use crate::broadcaster::sequence::Job;
use crate::chain::meaning::{Action, Meaning, WaitReason};
use crate::chain::tx_answers::SimulateAnswer;
use crate::sign::tx::{
    self, Envelope, FEE_FOR_SIMULATION, GAS_FOR_SIMULATION, MEMO, Message, SignedTx,
};
use crate::sign::wallet::Wallet;
use crate::values::fee;
use crate::values::units::{ApiVersion, Gas, Height, Sequence, Uallo};

/// A transaction expires after at most this many blocks: expiry is free, doubt is not.
pub(super) const TIMEOUT_BLOCKS: u64 = 6;
/// For how many blocks "not served" makes a simulation unnecessary.
const VOUCHED_BLOCKS_MAX: u64 = 2;

/// What a transaction is made with beside its message. All but the job may change when it is signed
/// anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) job: Job,
    pub(super) sequence: Sequence,
    pub(super) api: ApiVersion,
    pub(super) gas_limit: Gas,
    pub(super) fee: Uallo,
}

/// Why an attempt ended before anything was sent.
pub(super) enum Back {
    /// The topic gets this word.
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
            api: api.ok_or_else(|| unknown("the emissions version"))?,
            gas_limit: GAS_FOR_SIMULATION,
            fee: FEE_FOR_SIMULATION,
        };
        if submission.balance_doubtful {
            self.purse.doubt_balance();
        }
        let (factor, gas_min) = (self.settings.gas_factor, submission.gas_min);
        if let Some(used) = vouched_gas(submission.vouched, draft.api, self.chain.height()) {
            let mut draft = draft;
            draft.gas_limit = fee::remembered_limit(used, factor).max(gas_min.unwrap_or_default());
            draft.fee = self.purse.fee(&draft)?;
            if self.purse.covers(&draft) {
                return Ok(draft);
            }
        }
        let simulated = self.simulate(submission, &draft)?;
        draft.gas_limit = fee::gas_limit(simulated, factor).max(gas_min.unwrap_or_default());
        draft.fee = self.purse.fee(&draft)?;
        self.purse.afford(&draft)?;
        Ok(draft)
    }

    /// The gas that the chain needs for the transaction, or the refusal that a block would charge
    /// for; costs nothing.
    fn simulate(&mut self, submission: &Submission, draft: &Draft) -> Result<Gas, Back> {
        let height = self.chain.height();
        let bytes = self.make(submission, draft, height, tx::for_simulation)?;
        let lcd = self.chain.lcd.within(self.time_left(submission, height));
        let answer = self.chain.heard(lcd.simulate(&bytes));
        let answer = answer.map_err(SendTrouble::from)?;
        if !answer.fresh {
            return Err(SendTrouble::from("the node that simulated is behind").into());
        }
        match answer.value {
            SimulateAnswer::Gas(gas) => Ok(gas),
            SimulateAnswer::Refused(error) => {
                let meaning = error.simulation_meaning();
                Err(self.simulation_refused(draft, meaning, answer.height))
            }
        }
    }

    fn simulation_refused(
        &mut self,
        draft: &Draft,
        meaning: Meaning,
        height: Option<Height>,
    ) -> Back {
        let at = self.moment(Instant::now());
        if let Meaning::Sequence { expected, .. } = meaning {
            self.ledger.expects(draft.sequence, expected, at);
            if expected > draft.sequence {
                return SendTrouble::AskServedAbove(at.height).into();
            }
            return Back::Queue;
        }
        match meaning.action() {
            Action::ReprobeApi => {
                self.chain.suspect_api();
                SendTrouble::Temporary(meaning.to_string()).into()
            }
            Action::Wait(WaitReason::Unfunded) => self.purse.short_of(draft).into(),
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
            | Action::Retry => Back::Word(Word::Refused { meaning, height }),
        }
    }

    /// Signs, and records what was signed before it is sent anywhere.
    pub(super) fn sign(
        &mut self,
        submission: &Submission,
        draft: &Draft,
    ) -> Result<SignedTx, SendTrouble> {
        let height = self.chain.height();
        if submission.is_over(height) {
            return Err(SendTrouble::WindowOver);
        }
        let signed = self.make(submission, draft, height, tx::sign)?;
        self.ledger
            .signed(draft.job, draft.sequence, signed.clone(), height);
        Ok(signed)
    }

    /// Makes the transaction with `build`: signed, or for a simulation.
    fn make<T>(
        &self,
        submission: &Submission,
        draft: &Draft,
        height: Height,
        build: impl FnOnce(&Wallet, &Message<'_>, &Envelope<'_>) -> T,
    ) -> Result<T, SendTrouble> {
        let chain_id = self.chain.lcd.chain_id();
        let chain_id = chain_id.ok_or_else(|| unknown("the chain id"))?;
        let account_number = self.account.number;
        let message = submission.message();
        let message = message.ok_or_else(|| unknown("the payload"))?;
        let envelope = Envelope {
            api: draft.api,
            chain_id: &chain_id,
            account_number: account_number.ok_or_else(|| unknown("the account number"))?,
            sequence: draft.sequence,
            gas_limit: draft.gas_limit,
            fee: draft.fee,
            timeout_height: timeout_height(submission.last_block, height),
            memo: MEMO,
        };
        Ok(build(&self.wallet, &message, &envelope))
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

fn unknown(what: &str) -> SendTrouble {
    SendTrouble::Temporary(format!("{what} is unknown for now"))
}

/// The gas that needs no simulation: used in this emissions version, and vouched for recently.
fn vouched_gas(vouched: Option<Vouched>, api: ApiVersion, height: Height) -> Option<Gas> {
    let vouched = vouched.filter(|vouched| vouched.api == api)?;
    (height <= vouched.at.plus(VOUCHED_BLOCKS_MAX)).then_some(vouched.used)
}

/// The last block that may include a transaction made now.
fn timeout_height(last_block: Option<Height>, height: Height) -> Height {
    let soon = height.plus(TIMEOUT_BLOCKS);
    last_block.map_or(soon, |last| last.min(soon))
}
