//! The committed state: accounts, parameters, topics, gas price.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::chain::allowance::Allowance;
use crate::chain::message::Api;
use crate::chain::topic::Topic;

/// The base denomination: 10^18 uallo are 1 ALLO (protocol.md section 0).
pub const DENOM: &str = "uallo";
/// Decimal places of the gas price.
const PRICE_PLACES: usize = 18;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Assigned when the account is funded for the first time.
    pub number: u64,
    /// The sequence of its next transaction.
    pub sequence: u64,
    pub balance_uallo: u128,
    /// The part of the balance that cannot be spent yet, as of a vesting account.
    pub locked_uallo: u128,
    /// Known from its first transaction on.
    pub pubkey: Option<Vec<u8>>,
    /// The fee allowances that it was granted, by granter.
    pub allowances: BTreeMap<String, Allowance>,
}

impl Account {
    /// The part of the balance that can be spent.
    #[must_use]
    pub fn spendable_uallo(&self) -> u128 {
        self.balance_uallo.saturating_sub(self.locked_uallo)
    }
}

/// Accounts by address.
pub type Accounts = BTreeMap<String, Account>;

/// The parameters of the emissions module that have an effect here (protocol.md section 3.4).
#[derive(Clone, Debug)]
pub struct Params {
    /// Paid by the sender of a registration.
    pub registration_fee_uallo: u128,
    /// Paid by the sender of a payload.
    pub data_sending_fee_uallo: u128,
    /// Number of inferers that a topic admits per nonce.
    pub max_top_inferers: usize,
    /// Number of forecasters that a topic admits per nonce.
    pub max_top_forecasters: usize,
    /// Number of labels that a topic registers per nonce.
    pub max_epoch_labels: usize,
    /// Largest size of an encoded message.
    pub max_serialized_msg_bytes: usize,
    /// Whether `global_actors` has an effect.
    pub global_whitelist_enabled: bool,
    /// Whether `global_workers` has an effect.
    pub global_worker_whitelist_enabled: bool,
    /// Actors that may do everything.
    pub global_actors: BTreeSet<String>,
    /// Workers that may submit to every topic.
    pub global_workers: BTreeSet<String>,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            registration_fee_uallo: 200,
            data_sending_fee_uallo: 10,
            max_top_inferers: 32,
            max_top_forecasters: 6,
            max_epoch_labels: 32_768,
            max_serialized_msg_bytes: 1_000_000,
            global_whitelist_enabled: true,
            global_worker_whitelist_enabled: true,
            global_actors: BTreeSet::new(),
            global_workers: BTreeSet::new(),
        }
    }
}

/// The price of one unit of gas in uallo, with 18 decimal places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u128);

impl Price {
    /// Parses a price such as `10` or `0.025`.
    ///
    /// # Errors
    /// A text that names the invalid price.
    pub fn parse(text: &str) -> Result<Price, String> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        let all = format!("{whole}{part:0<PRICE_PLACES$}");
        if whole.is_empty() || part.len() > PRICE_PLACES || !digits(&all) {
            return Err(format!(
                "{text:?} is not a valid gas price: write it like 10 or 0.025"
            ));
        }
        let scaled = all
            .parse()
            .map_err(|_| format!("the gas price {text:?} is too large"))?;
        Ok(Price(scaled))
    }

    #[must_use]
    pub fn from_uallo(uallo: u64) -> Price {
        Price(u128::from(uallo) * 10u128.pow(18))
    }

    #[must_use]
    pub fn times(self, factor: u128) -> Price {
        Price(self.0.saturating_mul(factor))
    }

    /// The fee for an amount of gas, rounded up (protocol.md section 6).
    #[must_use]
    pub fn fee_uallo(self, gas: u64) -> u128 {
        self.0
            .saturating_mul(u128::from(gas))
            .div_ceil(10u128.pow(18))
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = 10u128.pow(18);
        write!(f, "{}.{:018}", self.0 / unit, self.0 % unit)
    }
}

/// The state that blocks decide.
#[derive(Clone, Debug)]
pub struct State {
    /// The version of the emissions interface.
    pub api: Api,
    /// The height of the last block.
    pub height: u64,
    /// The time of the last block.
    pub time: SystemTime,
    pub price: Price,
    pub accounts: Accounts,
    pub params: Params,
    pub topics: BTreeMap<u64, Topic>,
}

impl State {
    /// Adds to an account's balance; creates the account if necessary.
    pub fn fund(&mut self, address: &str, amount_uallo: u128) {
        let next = self
            .accounts
            .values()
            .map(|a| a.number + 1)
            .max()
            .unwrap_or(1);
        let account = self
            .accounts
            .entry(address.to_owned())
            .or_insert_with(|| Account {
                number: next,
                ..Account::default()
            });
        account.balance_uallo = account.balance_uallo.saturating_add(amount_uallo);
    }

    /// Grants a fee allowance, or replaces the granter's earlier one. The account is created if
    /// necessary.
    pub fn grant(&mut self, granter: &str, grantee: &str, allowance: Allowance) {
        self.fund(grantee, 0);
        if let Some(account) = self.accounts.get_mut(grantee) {
            account.allowances.insert(granter.to_owned(), allowance);
        }
    }

    /// Whether a worker may submit to a topic (protocol.md section 9). A topic that does not
    /// exist has no whitelist.
    #[must_use]
    pub fn can_submit(&self, topic_id: u64, worker: &str) -> bool {
        let Some(list) = self
            .topics
            .get(&topic_id)
            .and_then(|t| t.whitelist.as_ref())
        else {
            return true;
        };
        let params = &self.params;
        list.contains(worker)
            || !params.global_worker_whitelist_enabled
            || params.global_workers.contains(worker)
            || !params.global_whitelist_enabled
            || params.global_actors.contains(worker)
    }
}

/// Takes an amount from an account.
///
/// # Errors
/// The bank module's text if the balance is too low.
pub fn spend(accounts: &mut Accounts, address: &str, amount_uallo: u128) -> Result<(), String> {
    let have = accounts.get(address).map_or(0, Account::spendable_uallo);
    if have < amount_uallo {
        let text = format!("spendable balance {have}{DENOM} is smaller than {amount_uallo}{DENOM}");
        return Err(text);
    }
    if let Some(account) = accounts.get_mut(address) {
        account.balance_uallo -= amount_uallo;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_rounded_up_and_prices_have_18_places() {
        let price = Price::parse("0.025").unwrap();
        assert_eq!(price.to_string(), "0.025000000000000000");
        assert_eq!(price.fee_uallo(100_000), 2_500);
        assert_eq!(price.fee_uallo(100_001), 2_501);
        assert_eq!(
            Price::parse("250000000").unwrap().fee_uallo(250_000),
            62_500_000_000_000
        );
        assert_eq!(price.times(10), Price::parse("0.25").unwrap());
        for wrong in ["", ".5", "1e3", "-1", "0.1234567890123456789"] {
            assert!(Price::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn locked_funds_cannot_be_spent() {
        let account = Account {
            balance_uallo: 5,
            locked_uallo: 3,
            ..Account::default()
        };
        let mut accounts = Accounts::from([("a".to_owned(), account)]);
        let refused = spend(&mut accounts, "a", 3).unwrap_err();
        assert_eq!(refused, "spendable balance 2uallo is smaller than 3uallo");
        assert!(spend(&mut accounts, "a", 2).is_ok());
        assert_eq!(accounts["a"].spendable_uallo(), 0);
        assert_eq!(accounts["a"].balance_uallo, 3);
    }

    #[test]
    fn more_than_the_balance_cannot_be_spent() {
        let mut accounts = Accounts::new();
        accounts.insert(
            "a".to_owned(),
            Account {
                balance_uallo: 5,
                ..Account::default()
            },
        );
        assert!(spend(&mut accounts, "a", 6).is_err());
        assert!(spend(&mut accounts, "a", 5).is_ok());
        assert_eq!(accounts["a"].balance_uallo, 0);
        assert!(spend(&mut accounts, "b", 1).is_err());
    }
}
