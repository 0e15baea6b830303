//! What a transaction costs and whether the account can pay it. The price, the balance and the
//! message fees are asked of the chain and kept for a while; a refusal that contradicts them has
//! them asked anew.

use std::time::{Duration, Instant};

use crate::chain::Chain;
use crate::check::brief::Introduction;
use crate::fee::{self, FeeError, GasPrice};
use crate::lcd::LcdError;
use crate::lcd::answers::Params;
use crate::sequence::Job;
use crate::submission::Trouble;
use crate::units::{ApiVersion, Gas, Uallo};
use crate::waiting::{Purpose, Scope, Waiting};

/// How long a gas price is taken for current. It moves by an eighth per full block at most, and a
/// fee that is too low is refused for nothing with the right one named (protocol.md section 6).
const PRICE_AGE_MAX: Duration = Duration::from_secs(30);
/// How long the chain's message fees are taken for current.
const PARAMS_AGE_MAX: Duration = Duration::from_secs(3600);
/// The gas that a payload roughly takes, to say what an account needs before anything can be
/// simulated for it.
const GAS_ROUGH: Gas = Gas(200_000);

/// The purse.
#[derive(Debug)]
pub(super) struct Purse {
    fee_max: Option<Uallo>,
    price: Option<(GasPrice, Instant)>,
    params: Option<(ApiVersion, Params, Instant)>,
    balance: Option<Uallo>,
    introduction: Introduction,
}

impl Purse {
    pub(super) fn new(fee_max: Option<Uallo>) -> Purse {
        Purse {
            fee_max,
            price: None,
            params: None,
            balance: None,
            introduction: Introduction::default(),
        }
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
        if let Some((price, _)) = self.price.filter(|(_, at)| now - *at < PRICE_AGE_MAX) {
            return Ok(price);
        }
        let answer = chain.heard(chain.lcd.gas_price()).map_err(lcd_trouble)?;
        let price = GasPrice::parse(&answer.value)
            .map_err(|error| Trouble::Lcd(format!("the gas price can't be read: {error}")))?;
        self.price = Some((price, now));
        chain.status.gas_price(price);
        Ok(price)
    }

    /// The price is not what it was thought to be.
    pub(super) fn forget_price(&mut self) {
        self.price = None;
    }

    /// The balance is not what it was thought to be.
    pub(super) fn forget_balance(&mut self) {
        self.balance = None;
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
        if self.balance.is_none_or(|have| have < need) {
            let answer = chain
                .heard(chain.lcd.balance(&chain.address))
                .map_err(lcd_trouble)?;
            if !answer.fresh {
                return Err(Trouble::Lcd(
                    "the node that told the balance is behind".to_owned(),
                ));
            }
            self.balance = Some(answer.value);
            chain.status.balance(answer.value);
        }
        let have = self.balance.unwrap_or_default();
        if matches!(job, Job::Payload { .. }) {
            self.introduction.of_account(have, need);
        }
        let scope = Scope::Fee(purpose(job));
        if have < need {
            return Err(unfunded(chain, scope, have, need));
        }
        // why: what is enough for one is not for the other; each state ends with what it asked for
        let is_covered = |waiting: &Waiting| match waiting {
            Waiting::Unfunded { need, .. } => *need <= have,
            _ => false,
        };
        let scopes = [Purpose::Payload, Purpose::Registration].map(Scope::Fee);
        for scope in scopes.into_iter().chain([Scope::Wallet]) {
            chain.waits.end_if(scope, is_covered);
        }
        Ok(())
    }

    /// The account has paid, or will have.
    pub(super) fn pay(&mut self, fee: Uallo) {
        self.balance = self.balance.map(|have| Uallo(have.0.saturating_sub(fee.0)));
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

    /// What the message itself takes beside the fee: `data_sending_fee` or `registration_fee`
    /// (protocol.md section 6).
    fn message_fee(&mut self, chain: &Chain, api: ApiVersion, job: Job) -> Result<Uallo, Trouble> {
        let now = Instant::now();
        let known = self
            .params
            .as_ref()
            .filter(|(of, _, at)| *of == api && now - *at < PARAMS_AGE_MAX);
        let params = match known {
            Some((_, params, _)) => params,
            None => {
                let answer = chain.heard(chain.lcd.params(api)).map_err(lcd_trouble)?;
                &self.params.insert((api, answer.value, now)).1
            }
        };
        Ok(match job {
            Job::Payload { .. } => params.data_sending_fee,
            Job::Registration { .. } => params.registration_fee,
        })
    }
}

fn purpose(job: Job) -> Purpose {
    match job {
        Job::Payload { .. } => Purpose::Payload,
        Job::Registration { .. } => Purpose::Registration,
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
