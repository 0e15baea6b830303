//! The account: whether it is there, what a payload costs it, and for how many it has enough.

use crate::chain::answers::Params;
use crate::check::facts::{ChainFacts, Rehearsal, Rehearsed, Setup, TopicFacts};
use crate::check::finding::Finding;
use crate::config::Config;
use crate::values::amount;
use crate::values::fee::{self, GasPrice};
use crate::values::topic::Arity;
use crate::values::units::{Gas, Uallo};

const ABOUT: &str = "account";
/// Fewer payloads than this are worth a look: some days of a busy topic.
const PAYLOADS_MIN: u128 = 1_000;
/// The gas that simulating a payload says, where nothing could be rehearsed: what nodes of both
/// versions said, rounded up (protocol.md).
const GAS_OF_PAYLOAD: Gas = Gas(130_000);
/// The same for a registration.
const GAS_OF_REGISTRATION: Gas = Gas(120_000);

/// What transactions cost, the chain's own fees included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Costs {
    /// The fee that a payload offers.
    payload_fee: Uallo,
    /// All that a payload takes.
    payload: Uallo,
    /// The fee that a registration offers.
    registration_fee: Uallo,
    /// All that the registrations take that are still to come.
    registrations: Uallo,
    /// How many of them there are.
    registration_count: u32,
}

/// What is found about the account.
#[must_use]
pub fn judge(setup: &Setup, chain: &ChainFacts, topics: &[TopicFacts]) -> Vec<Finding> {
    let address = &setup.address;
    let unknown = |name, error: &String| {
        let advice = "check again; if it stays so, name another node in api_url";
        Finding::warn(ABOUT, name, error, advice)
    };
    let mut findings = vec![match &chain.account {
        Ok(Some(account)) => {
            let (number, sequence) = (account.number, account.sequence);
            Finding::ok(
                ABOUT,
                "account",
                format!("number {number}, sequence {sequence}"),
            )
        }
        Ok(None) => Finding::fail(
            ABOUT,
            "account",
            format!("the chain does not know {address}: it was never funded"),
            format!("send some ALLO to {address}; check that api_url is of the right network"),
        ),
        Err(error) => unknown("account", error),
    }];
    let costs = match (&chain.price, &chain.params) {
        (Ok(price), Ok(params)) => costs(&setup.config, *price, params, topics),
        (Err(error), _) | (_, Err(error)) => {
            findings.push(unknown("fees", error));
            return findings;
        }
    };
    let Some(costs) = costs else {
        let text = "the gas price is beyond any balance";
        let advice = "check that api_url is of the right network";
        findings.push(Finding::fail(ABOUT, "fees", text, advice));
        return findings;
    };
    findings.push(fees(&setup.config, &costs));
    findings.push(match &chain.balance {
        Ok(balance) => funds(*balance, &costs, address),
        Err(error) => unknown("balance", error),
    });
    findings
}

/// `None` if the price is no real one.
fn costs(
    config: &Config,
    price: GasPrice,
    params: &Params,
    topics: &[TopicFacts],
) -> Option<Costs> {
    let fee = |gas| fee::fee(fee::gas_limit(gas, config.gas_factor), price).ok();
    let payload_fee = fee(rehearsed_gas(topics, false).unwrap_or(GAS_OF_PAYLOAD))?;
    let registration_fee = fee(rehearsed_gas(topics, true).unwrap_or(GAS_OF_REGISTRATION))?;
    let registration_count = topics.iter().filter(|topic| will_register(topic)).count();
    let registration_count = u32::try_from(registration_count).ok()?;
    let registration = registration_fee.0.checked_add(params.registration_fee.0)?;
    Some(Costs {
        payload_fee,
        payload: Uallo(payload_fee.0.checked_add(params.data_sending_fee.0)?),
        registration_fee,
        registrations: Uallo(registration.checked_mul(registration_count.into())?),
        registration_count,
    })
}

/// The most gas that any rehearsal of the kind took.
fn rehearsed_gas(topics: &[TopicFacts], registration: bool) -> Option<Gas> {
    let rehearsals = topics.iter().filter_map(|topic| topic.rehearsal.as_ref());
    let passed = rehearsals.filter_map(|rehearsal| match rehearsal {
        Ok(Rehearsal {
            of,
            answer: Ok(gas),
        }) if (*of == Rehearsed::Registration) == registration => Some(*gas),
        _ => None,
    });
    passed.max()
}

/// Whether the worker will register in the topic when it runs.
fn will_register(topic: &TopicFacts) -> bool {
    let standing = topic.standing.as_ref().and_then(|told| told.as_ref().ok());
    standing.is_some_and(|standing| {
        let status = &standing.status;
        let is_served = !matches!(standing.info.arity, Arity::Other(_));
        is_served && status.is_whitelisted && status.is_topic_active && !status.is_registered
    })
}

fn fees(config: &Config, costs: &Costs) -> Finding {
    let payload = amount::allo(costs.payload);
    let is_above = |fee: &Uallo| config.max_fee.is_some_and(|cap| *fee > cap);
    let mut fees = vec![("payload", costs.payload_fee)];
    if costs.registration_count > 0 {
        fees.push(("registration", costs.registration_fee));
    }
    match fees.into_iter().find(|(_, fee)| is_above(fee)) {
        Some((what, fee)) => Finding::fail(
            ABOUT,
            "fees",
            format!("the fee of a {what} would be {fee} uallo, more than max_fee_uallo allows"),
            format!("wait for a lower gas price, or raise max_fee_uallo above {fee}"),
        ),
        None => Finding::ok(ABOUT, "fees", format!("a payload takes about {payload}")),
    }
}

fn funds(balance: Uallo, costs: &Costs, address: &str) -> Finding {
    let (have, name) = (amount::allo(balance), "balance");
    let count = costs.registration_count;
    let first = match count {
        0 => String::new(),
        1 => "one registration and ".to_owned(),
        _ => format!("{count} registrations and "),
    };
    let rest = balance.0.checked_sub(costs.registrations.0);
    let payloads = rest.and_then(|rest| rest.checked_div(costs.payload.0));
    let enough = |payloads| format!("{have}: enough for {first}{payloads}");
    match payloads {
        _ if costs.payload.0 == 0 => Finding::ok(ABOUT, name, have),
        None | Some(0) => {
            let need = Uallo(costs.registrations.0.saturating_add(costs.payload.0));
            Finding::fail(
                ABOUT,
                name,
                format!(
                    "have {} uallo, but {first}one payload take{} {need} uallo",
                    balance,
                    if count == 0 { "s" } else { "" }
                ),
                format!("send ALLO to {address}; the worker goes on by itself"),
            )
        }
        Some(payloads) if payloads < PAYLOADS_MIN => Finding::warn(
            ABOUT,
            name,
            enough(amount::payloads(payloads)),
            format!("send more ALLO to {address} before long"),
        ),
        Some(payloads) => Finding::ok(ABOUT, name, enough(amount::payloads(payloads))),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::finding::Level;
    use crate::check::judge::tests::facts;
    use crate::values::units::Gas;

    use super::*;

    /// With gas at 10 uallo and a factor of 1.5, 100,000 gas cost 1,500,000 uallo and 10 more.
    const PAYLOAD: u128 = 1_500_010;

    fn found(name: &str, change: impl FnOnce(&mut crate::check::facts::Facts)) -> Finding {
        let mut facts = facts();
        let of = Rehearsed::Open(crate::values::units::Nonce(990));
        let answer = Ok(Gas(100_000));
        facts.topics[0].rehearsal = Some(Ok(Rehearsal { of, answer }));
        change(&mut facts);
        let chain = facts.chain.unwrap();
        let findings = judge(&facts.setup, &chain, &facts.topics).into_iter();
        let mut named = findings.filter(|finding| finding.name == name);
        named.next().unwrap()
    }

    fn with_balance(balance: u128) -> Finding {
        found("balance", |facts| {
            facts.chain.as_mut().unwrap().balance = Ok(Uallo(balance));
        })
    }

    #[test]
    fn the_balance_is_told_in_payloads() {
        let rich = with_balance(PAYLOAD * 41_999);
        assert_eq!(rich.level, Level::Ok);
        assert!(
            rich.text.ends_with("enough for about 41,000 payloads"),
            "{rich:?}"
        );
        assert_eq!(with_balance(PAYLOAD * 1_000).level, Level::Ok);
        assert_eq!(with_balance(PAYLOAD * 1_000 - 1).level, Level::Warn);
        assert_eq!(with_balance(PAYLOAD).level, Level::Warn);
        let poor = with_balance(PAYLOAD - 1);
        assert_eq!(poor.level, Level::Fail);
        assert_eq!(
            poor.text,
            "have 1500009 uallo, but one payload takes 1500010 uallo"
        );
        assert!(poor.advice.unwrap().contains("send ALLO to allo1"));
    }

    #[test]
    fn registrations_come_first() {
        let unregistered = |balance| {
            found("balance", |facts| {
                facts.chain.as_mut().unwrap().balance = Ok(Uallo(balance));
                let standing = facts.topics[0].standing.as_mut().unwrap();
                standing.as_mut().unwrap().status.is_registered = false;
            })
        };
        // 120,000 gas at 10 uallo by 1.5, and the registration fee.
        let registration = 1_800_200;
        let enough = unregistered(registration + PAYLOAD);
        assert_eq!(enough.level, Level::Warn);
        assert!(
            enough.text.contains("one registration and about 1 payload"),
            "{enough:?}"
        );
        let poor = unregistered(registration + PAYLOAD - 1);
        assert_eq!(poor.level, Level::Fail);
        assert!(poor.text.ends_with("take 3300210 uallo"), "{poor:?}");
        assert_eq!(unregistered(registration - 1).level, Level::Fail);
    }

    #[test]
    fn a_fee_above_the_cap_would_fail() {
        let capped = |cap| {
            found("fees", |facts| {
                facts.setup.config.max_fee = Some(Uallo(cap))
            })
        };
        assert_eq!(capped(1_500_000).level, Level::Ok);
        assert_eq!(capped(1_499_999).level, Level::Fail);
    }

    #[test]
    fn an_account_that_was_never_funded_would_fail() {
        let unknown = found("account", |facts| {
            facts.chain.as_mut().unwrap().account = Ok(None);
        });
        assert_eq!(unknown.level, Level::Fail);
        let unanswered = found("account", |facts| {
            facts.chain.as_mut().unwrap().account = Err("no answer".to_owned());
        });
        assert_eq!(unanswered.level, Level::Warn, "unknown is not no");
    }

    #[test]
    fn without_a_rehearsal_the_usual_gas_counts() {
        let fees = found("fees", |facts| facts.topics[0].rehearsal = None);
        assert_eq!(fees.level, Level::Ok);
        assert_eq!(fees.text, "a payload takes about 1,950,010 uallo");
    }
}
