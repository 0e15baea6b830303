//! What a transaction costs and whether the account can pay it. The price, the balance and the
//! message fees are asked of the chain and kept for a while; a refusal that contradicts them has
//! them asked anew.

use std::time::{Duration, Instant};

use log::debug;

use crate::broadcaster::order::Trouble;
use crate::broadcaster::sequence::Job;
use crate::chain::Chain;
use crate::chain::answers::Params;
use crate::chain::lcd::{Lcd, LcdError};
use crate::http::REQUEST_TIME_MIN;
use crate::status::introduction::Introduction;
use crate::status::waiting::{Purpose, Scope, Waiting};
use crate::values::fee::{self, FeeError, GasPrice};
use crate::values::units::{ApiVersion, Gas, Uallo};

/// How old a gas price may be when a window is about to open: at first, and when it has not moved
/// for a while. It moves by an eighth per full block at most, and a fee that is too low is refused
/// for nothing with the right one named (protocol.md section 6).
const PRICE_AGE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));
/// An older one is not sent with: it is asked for first.
const PRICE_AGE_MAX: Duration = Duration::from_secs(300);
/// How old a balance may be when a window is about to open: it may have been topped up, or emptied
/// elsewhere.
const BALANCE_AGE_MAX: Duration = Duration::from_secs(600);
/// How long the chain's message fees are taken for current.
const PARAMS_AGE_MAX: Duration = Duration::from_secs(3600);
/// The gas that a payload roughly takes, to say what an account needs before anything can be
/// simulated for it.
const GAS_ROUGH: Gas = Gas(200_000);

/// The purse.
#[derive(Debug)]
pub(super) struct Purse {
    fee_max: Option<Uallo>,
    price: Option<Price>,
    params: Option<(ApiVersion, Params, Instant)>,
    /// As last read, less what was settled since, and from when on it is asked for again.
    balance: Option<(Uallo, Instant)>,
    /// What may still be taken for what is in flight.
    in_flight: Uallo,
    introduction: Introduction,
}

/// A gas price as it was asked for.
#[derive(Clone, Copy, Debug)]
struct Price {
    price: GasPrice,
    at: Instant,
    /// So old it is asked for again before a window.
    age_max: Duration,
}

impl Purse {
    pub(super) fn new(fee_max: Option<Uallo>) -> Purse {
        Purse {
            fee_max,
            price: None,
            params: None,
            balance: None,
            in_flight: Uallo(0),
            introduction: Introduction::default(),
        }
    }

    /// Asks for the price if it is unknown or old. Like the two below, false if it can't be learnt
    /// now.
    pub(super) fn freshen_price(&mut self, chain: &Chain) -> bool {
        let is_old = |price: Price| price.at.elapsed() >= price.age_max;
        !self.price.is_none_or(is_old) || is_well(&self.ask_price(chain, &briefly(chain)))
    }

    /// Asks for the chain's message fees if they are unknown or old.
    pub(super) fn freshen_params(&mut self, chain: &Chain, api: ApiVersion) -> bool {
        is_well(&self.params(chain, &briefly(chain), api))
    }

    /// Asks for the balance if it is unknown or old.
    pub(super) fn freshen_balance(&mut self, chain: &Chain) -> bool {
        let is_old = |(_, until): (Uallo, Instant)| Instant::now() >= until;
        !self.balance.is_none_or(is_old) || is_well(&self.ask_balance(chain, &briefly(chain)))
    }

    /// The fee for this gas limit at the current price, within the cap.
    pub(super) fn fee(&mut self, chain: &Chain, job: Job, gas: Gas) -> Result<Uallo, Trouble> {
        let price = self.price(chain)?;
        let fee = fee::fee(gas, price).map_err(|error| Trouble::Lcd(error.to_string()))?;
        self.within_cap(chain, job, fee)
    }

    /// The fee if the configuration's cap allows it.
    pub(super) fn within_cap(
        &mut self,
        chain: &Chain,
        job: Job,
        fee: Uallo,
    ) -> Result<Uallo, Trouble> {
        let scope = Scope::Fee(purpose(job));
        match fee::within_cap(fee, self.fee_max) {
            Ok(fee) => {
                let is_cap = |waiting: &Waiting| matches!(waiting, Waiting::FeeAboveCap { .. });
                chain.waits.end_if(scope, is_cap);
                Ok(fee)
            }
            Err(FeeError::AboveCap { fee, cap }) => {
                // why: what is waited for is another price
                self.forget_price();
                chain.waits.begin(scope, Waiting::FeeAboveCap { fee, cap });
                Err(Trouble::FeeAboveCap { fee, cap })
            }
            Err(error) => Err(Trouble::Lcd(error.to_string())),
        }
    }

    fn price(&mut self, chain: &Chain) -> Result<GasPrice, Trouble> {
        let now = Instant::now();
        let is_known = |price: &Price| now.saturating_duration_since(price.at) < PRICE_AGE_MAX;
        match self.price.filter(is_known) {
            Some(price) => Ok(price.price),
            None => self.ask_price(chain, &chain.lcd),
        }
    }

    fn ask_price(&mut self, chain: &Chain, lcd: &Lcd) -> Result<GasPrice, Trouble> {
        let answer = chain.heard(lcd.gas_price()).map_err(lcd_trouble)?;
        let price = GasPrice::parse(&answer.value)
            .map_err(|error| Trouble::Lcd(format!("the gas price can't be read: {error}")))?;
        let (first, most) = PRICE_AGE;
        let age_max = match self.price {
            Some(before) if before.price == price => (before.age_max * 2).clamp(first, most),
            _ => first,
        };
        let at = Instant::now();
        self.price = Some(Price { price, at, age_max });
        chain.board.gas_price(price);
        Ok(price)
    }

    /// A node asks for this fee: so that is the price, to be asked for before the next window.
    pub(super) fn learn_price(&mut self, required: Uallo, gas_limit: Gas) {
        self.price = GasPrice::of_fee(required, gas_limit).map(|price| Price {
            price,
            at: Instant::now(),
            age_max: Duration::ZERO,
        });
    }

    /// The price is not what it was thought to be.
    pub(super) fn forget_price(&mut self) {
        self.price = None;
    }

    /// The balance is not what it was thought to be.
    pub(super) fn forget_balance(&mut self) {
        self.balance = None;
    }

    /// What a transaction takes if it succeeds, as far as the message's own fee is known.
    pub(super) fn cost(&self, api: ApiVersion, job: Job, fee: Uallo) -> Uallo {
        let message_fee = self.known_message_fee(api, job).unwrap_or_default();
        Uallo(fee.0.saturating_add(message_fee.0))
    }

    /// Puts aside what a transaction may take.
    pub(super) fn reserve(&mut self, cost: Uallo) {
        self.in_flight = Uallo(self.in_flight.0.saturating_add(cost.0));
    }

    /// It takes nothing: no node has it.
    pub(super) fn release(&mut self, cost: Uallo) {
        self.in_flight = Uallo(self.in_flight.0.saturating_sub(cost.0));
    }

    /// It is settled: paid for, or not, and then it is not known what has become of the account.
    pub(super) fn settle(&mut self, chain: &Chain, cost: Uallo, consumed: bool) {
        self.release(cost);
        let paid = |(have, until): (Uallo, Instant)| (Uallo(have.0.saturating_sub(cost.0)), until);
        self.balance = self.balance.filter(|_| consumed).map(paid);
        if let Some((balance, _)) = self.balance {
            chain.board.balance(balance);
        }
    }

    /// What is left for another transaction, if the balance is known.
    fn available(&self) -> Option<Uallo> {
        let (have, _) = self.balance?;
        Some(Uallo(have.0.saturating_sub(self.in_flight.0)))
    }

    /// Whether the account is known to cover the fee, what the message itself takes, and all that is
    /// in flight; nothing is asked for.
    pub(super) fn covers(&self, chain: &Chain, api: ApiVersion, job: Job, fee: Uallo) -> bool {
        let message_fee = self.known_message_fee(api, job);
        let need = message_fee.map(|message_fee| fee.0.saturating_add(message_fee.0));
        let enough = self.available().zip(need);
        let enough = enough.filter(|(have, need)| have.0 >= *need);
        if let Some((have, _)) = enough {
            funded(chain, have);
        }
        enough.is_some()
    }

    /// Whether the account can pay the fee and what the message itself takes; asks for the balance
    /// if it is unknown or was too low.
    pub(super) fn afford(
        &mut self,
        chain: &Chain,
        api: ApiVersion,
        job: Job,
        fee: Uallo,
    ) -> Result<(), Trouble> {
        let need = Uallo(fee.0.saturating_add(self.message_fee(chain, api, job)?.0));
        if self.available().is_none_or(|have| have < need) {
            self.ask_balance(chain, &chain.lcd)?;
        }
        let have = self.available().unwrap_or_default();
        if matches!(job, Job::Payload { .. }) {
            self.introduction.of_account(have, need);
        }
        if have >= need {
            funded(chain, have);
            return Ok(());
        }
        // why: part of what is in flight may be paid for already, and lacks in the balance then
        if self.balance.is_some_and(|(all, _)| all >= need) {
            let text = "the balance does not cover this and all that is in flight".to_owned();
            return Err(Trouble::Lcd(text));
        }
        Err(unfunded(chain, Scope::Fee(purpose(job)), have, need))
    }

    fn ask_balance(&mut self, chain: &Chain, lcd: &Lcd) -> Result<(), Trouble> {
        let answer = chain.heard(lcd.balance(&chain.address));
        let answer = answer.map_err(lcd_trouble)?;
        if !answer.fresh {
            let behind = "the node that told the balance is behind".to_owned();
            return Err(Trouble::Lcd(behind));
        }
        // why: what of that is paid for already is not told apart; asked again when it is settled
        let good_for = match self.in_flight {
            Uallo(0) => BALANCE_AGE_MAX,
            _ => Duration::ZERO,
        };
        self.balance = Some((answer.value, Instant::now() + good_for));
        chain.board.balance(answer.value);
        Ok(())
    }

    /// The chain says that the account cannot pay `fee`: what it has is asked, and said.
    pub(super) fn short_of(
        &mut self,
        chain: &Chain,
        api: ApiVersion,
        job: Job,
        fee: Uallo,
    ) -> Trouble {
        self.balance = None;
        match self.afford(chain, api, job, fee) {
            Err(trouble) => trouble,
            Ok(()) => Trouble::Lcd("the chain found the balance too low a moment ago".to_owned()),
        }
    }

    /// The chain does not know the account: nobody ever funded it.
    pub(super) fn unknown_account(&mut self, chain: &Chain) -> Trouble {
        let price = self.price(chain);
        let fee = price.map(|price| fee::fee(GAS_ROUGH, price).unwrap_or_default());
        match fee {
            Ok(need) => unfunded(chain, Scope::Wallet, Uallo(0), need),
            Err(trouble) => trouble,
        }
    }

    /// What the message itself takes beside the fee (protocol.md section 6).
    fn message_fee(&mut self, chain: &Chain, api: ApiVersion, job: Job) -> Result<Uallo, Trouble> {
        let params = self.params(chain, &chain.lcd, api)?;
        Ok(message_fee(params, job))
    }

    /// The same, if it is known and not old.
    fn known_message_fee(&self, api: ApiVersion, job: Job) -> Option<Uallo> {
        self.known_params(api)
            .map(|params| message_fee(params, job))
    }

    fn known_params(&self, api: ApiVersion) -> Option<&Params> {
        let is_known = |(of, _, at): &&(ApiVersion, Params, Instant)| {
            *of == api && at.elapsed() < PARAMS_AGE_MAX
        };
        let known = self.params.as_ref().filter(is_known);
        known.map(|(_, params, _)| params)
    }

    fn params(&mut self, chain: &Chain, lcd: &Lcd, api: ApiVersion) -> Result<&Params, Trouble> {
        if self.known_params(api).is_none() {
            let answer = chain.heard(lcd.params(api)).map_err(lcd_trouble)?;
            self.params = Some((api, answer.value, Instant::now()));
        }
        let unknown = || Trouble::Lcd("the chain's parameters are unknown".to_owned());
        self.known_params(api).ok_or_else(unknown)
    }
}

/// `data_sending_fee` or `registration_fee`.
fn message_fee(params: &Params, job: Job) -> Uallo {
    match job {
        Job::Payload { .. } => params.data_sending_fee,
        Job::Registration { .. } => params.registration_fee,
    }
}

/// The client for what nothing hangs on.
fn briefly(chain: &Chain) -> Lcd {
    chain.lcd.within(REQUEST_TIME_MIN)
}

fn is_well<T>(result: &Result<T, Trouble>) -> bool {
    if let Err(trouble) = result {
        debug!("before a window: {trouble}");
    }
    result.is_ok()
}

fn purpose(job: Job) -> Purpose {
    match job {
        Job::Payload { .. } => Purpose::Payload,
        Job::Registration { .. } => Purpose::Registration,
    }
}

/// The balance is this much: what asked for no more is over. What is enough for one is not for the
/// other, so each state ends with what it asked for.
fn funded(chain: &Chain, have: Uallo) {
    let is_covered = |waiting: &Waiting| match waiting {
        Waiting::Unfunded { need, .. } => *need <= have,
        _ => false,
    };
    let scopes = [Purpose::Payload, Purpose::Registration].map(Scope::Fee);
    for scope in scopes.into_iter().chain([Scope::Wallet]) {
        chain.waits.end_if(scope, is_covered);
    }
}

fn unfunded(chain: &Chain, scope: Scope, have: Uallo, need: Uallo) -> Trouble {
    let address = chain.address.clone();
    let waiting = Waiting::Unfunded {
        have,
        need,
        address,
    };
    chain.waits.begin(scope, waiting);
    Trouble::Unfunded { have, need }
}

pub(super) fn lcd_trouble(error: LcdError) -> Trouble {
    Trouble::Lcd(error.line())
}
