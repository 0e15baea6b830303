//! The account: whether it exists, what a payload costs, and how many payloads its balance covers.

use std::time::Duration;

use crate::chain::answers::Params;
use crate::chain::clock::BLOCK_TIME_START;
use crate::check::facts::{ChainFacts, Rehearsal, Rehearsed, Setup, TopicGathered};
use crate::check::finding::{Finding, counted};
use crate::check::judge::grant_findings;
use crate::values::amount;
use crate::values::fee::{self, GasPrice};
use crate::values::funding::{DAYS, Shortfall, Spending, windows_in_four_weeks};
use crate::values::topic::Arity;
use crate::values::units::{Gas, Uallo};

const ABOUT: &str = "account";
/// A balance for fewer payloads than this, some days of a busy topic, is a warning.
const PAYLOADS_MIN: u128 = 1_000;
/// The simulated gas of a registration where nothing could be simulated.
const GAS_OF_REGISTRATION: Gas = Gas(120_000);

/// What transactions cost.
struct Costs {
    payload_fee: Uallo,
    /// The fee and the chain's own charge.
    payload: Uallo,
    /// What the account itself pays of that.
    own_payload: Uallo,
    registration_fee: Uallo,
    /// What the account itself pays for all registrations that are still to come.
    own_registrations: Uallo,
    registration_count: u32,
}

pub(super) fn judge(setup: &Setup, chain: &ChainFacts, topics: &[TopicGathered]) -> Vec<Finding> {
    let address = &setup.sender;
    let account = match &chain.account {
        Ok(Some(account)) => {
            let text = format!("number {}, sequence {}", account.number, account.sequence);
            Finding::new(ABOUT, "account", text)
        }
        Ok(None) => {
            let text = format!("the chain does not know {address}: it was never funded");
            let advice = "fund it, see the balance below; if it was funded, check that api_url is of \
                          the right network";
            Finding::new(ABOUT, "account", text).fail(advice)
        }
        Err(error) => Finding::unknown(ABOUT, "account", error),
    };
    let (price, params) = match (&chain.price, &chain.params) {
        (Ok(price), Ok(params)) => (*price, params),
        (Err(error), _) | (_, Err(error)) => {
            return vec![account, Finding::unknown(ABOUT, "fees", error)];
        }
    };
    let is_granted = chain.grant.is_some();
    let Some(costs) = costs(setup, price, params, topics, is_granted) else {
        let text = "the gas price is too high for any balance";
        let advice = "check that api_url is of the right network";
        return vec![account, Finding::new(ABOUT, "fees", text).fail(advice)];
    };
    let windows = windows_of(topics, chain.block_time);
    let spending = Spending {
        payload: costs.own_payload,
        in_four_weeks: Some(windows).filter(|count| *count > 0),
        is_granted,
    };
    let balance = match &chain.balance {
        Ok(balance) => {
            let need = costs
                .own_registrations
                .0
                .saturating_add(costs.own_payload.0);
            let shortfall = Shortfall {
                have: *balance,
                need: Uallo(need),
                spending,
                address: address.clone(),
                chain_id: chain.chain_id.clone(),
            };
            funds(&shortfall, &costs)
        }
        Err(error) => Finding::unknown(ABOUT, "balance", error),
    };
    let a_day = windows.div_ceil(DAYS);
    let per_day = fees_per_day(setup.config.max_fee_per_day, a_day, costs.payload_fee);
    let fees = fees(setup.config.max_fee, &costs);
    let mut findings = vec![account, fees, per_day, balance];
    if let Some(grant) = &chain.grant {
        let mut fees = vec![costs.payload_fee];
        fees.extend((costs.registration_count > 0).then_some(costs.registration_fee));
        findings.extend(grant_findings::judge(setup, chain.api, grant, &fees));
    }
    findings
}

/// `None` if a number is too large to be a cost.
fn costs(
    setup: &Setup,
    price: GasPrice,
    params: &Params,
    topics: &[TopicGathered],
    is_granted: bool,
) -> Option<Costs> {
    let fee = |gas| fee::fee(fee::gas_limit(gas, setup.config.gas_factor), price);
    let payload_fee = fee(simulated_gas(topics, false).unwrap_or(fee::GAS_OF_PAYLOAD))?;
    let registration_fee = fee(simulated_gas(topics, true).unwrap_or(GAS_OF_REGISTRATION))?;
    let registers = |topic: &&TopicGathered| setup.registers() && will_register(topic);
    let registration_count = topics.iter().filter(registers).count();
    let registration_count = u32::try_from(registration_count).ok()?;
    let own_fee = |fee: Uallo| if is_granted { 0 } else { fee.0 };
    let own_registration = own_fee(registration_fee).checked_add(params.registration_fee.0)?;
    Some(Costs {
        payload_fee,
        payload: Uallo(payload_fee.0.checked_add(params.data_sending_fee.0)?),
        own_payload: Uallo(own_fee(payload_fee).checked_add(params.data_sending_fee.0)?),
        registration_fee,
        own_registrations: Uallo(own_registration.checked_mul(registration_count.into())?),
        registration_count,
    })
}

/// The highest gas of all simulated registrations, or payloads.
fn simulated_gas(topics: &[TopicGathered], registration: bool) -> Option<Gas> {
    let gas = topics.iter().filter_map(|topic| match &topic.rehearsal {
        Some(Ok(Rehearsal { of, answer })) => {
            let is_asked_for = (*of == Rehearsed::Registration) == registration;
            answer.as_ref().ok().filter(|_| is_asked_for)
        }
        _ => None,
    });
    gas.max().copied()
}

/// Whether the worker will register in the topic when it runs.
fn will_register(topic: &TopicGathered) -> bool {
    topic.standing().is_some_and(|standing| {
        let status = &standing.status;
        let is_served = !matches!(standing.info.arity, Arity::Other(_));
        is_served && status.is_whitelisted && status.is_topic_active && !status.is_registered
    })
}

fn fees(max_fee: Uallo, costs: &Costs) -> Finding {
    let finding = |text| Finding::new(ABOUT, "fees", text);
    let mut fees = vec![("payload", costs.payload_fee)];
    if costs.registration_count > 0 {
        fees.push(("registration", costs.registration_fee));
    }
    let Some((what, fee)) = fees.into_iter().find(|(_, fee)| *fee > max_fee) else {
        let cost = amount::allo(costs.payload);
        return finding(format!("a payload costs about {cost}"));
    };
    let [shown, _] = amount::apart(fee, max_fee);
    let text = format!("the fee of a {what} would be {shown}, more than max_fee_uallo allows");
    let advice = format!("wait for a lower gas price, or raise max_fee_uallo above {fee}");
    finding(text).fail(advice)
}

/// How many windows the topics open in [`DAYS`], by their epochs.
fn windows_of(topics: &[TopicGathered], block_time: Option<Duration>) -> u128 {
    let standings = topics.iter().filter_map(TopicGathered::standing);
    let epochs = standings.map(|standing| standing.info.lengths.epoch_blocks);
    windows_in_four_weeks(epochs, block_time.unwrap_or(BLOCK_TIME_START))
}

/// Whether the limit of a day is enough for a payload in every window.
fn fees_per_day(limit: Uallo, windows: u128, payload_fee: Uallo) -> Finding {
    let shown = amount::allo(limit);
    let Some(payloads) = limit.0.checked_div(payload_fee.0) else {
        return Finding::new(ABOUT, "fees_per_day", shown);
    };
    let (enough, windows_a_day) = (amount::payloads(payloads), amount::about(windows));
    let text = format!(
        "max_fee_per_day_uallo allows {shown}: {enough} at this fee; the topics open {windows_a_day} \
         windows a day"
    );
    let finding = Finding::new(ABOUT, "fees_per_day", text);
    if payloads >= windows {
        return finding;
    }
    let need = amount::exact(Uallo(payload_fee.0.saturating_mul(windows)));
    finding.warn(format!(
        "raise max_fee_per_day_uallo above {need}, or windows are missed"
    ))
}

fn funds(funds: &Shortfall, costs: &Costs) -> Finding {
    let have = amount::allo(funds.have);
    let finding = |text| Finding::new(ABOUT, "balance", text);
    let (first, verb) = match costs.registration_count {
        0 => (String::new(), "costs"),
        1 => ("one registration and ".to_owned(), "cost"),
        count => (format!("{} and ", counted(count, "registration")), "cost"),
    };
    let left = funds.have.0.saturating_sub(costs.own_registrations.0);
    let Some(enough) = funds.spending.enough(Uallo(left)) else {
        return finding(have);
    };
    if enough.payloads == 0 {
        let [have, need] = amount::have_need(funds.have, funds.need);
        let text = format!("have {have}, but {first}one payload {verb} {need}");
        let advice = format!(
            "{}; locked (vesting) funds cannot be spent; the worker then continues by itself",
            funds.advice()
        );
        return finding(text).fail(advice);
    }
    let lasts = finding(format!("{have}: enough for {first}{enough}"));
    if enough.payloads < PAYLOADS_MIN {
        lasts.warn(format!("send more ALLO to {} soon", funds.address))
    } else {
        lasts
    }
}

#[cfg(test)]
mod tests {
    use crate::check::facts::Gathered;
    use crate::check::finding::Level;
    use crate::check::judge::tests::facts;
    use crate::values::units::Gas;

    use super::*;

    /// With gas at 10 uallo and a factor of 1.5, 100,000 gas cost 1,500,000 uallo and 10 more.
    const PAYLOAD: u128 = 1_500_010;

    fn found(name: &str, change: impl FnOnce(&mut Gathered)) -> Finding {
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
    fn the_balance_is_shown_in_payloads() {
        let rich = with_balance(PAYLOAD * 41_999);
        assert_eq!(rich.level, Level::Ok);
        assert!(
            rich.text
                .ends_with("enough for about 41,000 payloads, about 170 days"),
            "{rich:?}"
        );
        assert_eq!(with_balance(PAYLOAD * 1_000).level, Level::Ok);
        assert_eq!(with_balance(PAYLOAD * 1_000 - 1).level, Level::Warn);
        assert_eq!(with_balance(PAYLOAD).level, Level::Warn);
        let poor = with_balance(PAYLOAD - 1);
        assert_eq!(poor.level, Level::Fail);
        assert_eq!(
            poor.text,
            "have 0.0000000000015 ALLO, but one payload costs 0.00000000000151 ALLO"
        );
        let advice = poor.advice.unwrap();
        let send = "send 0.1 ALLO (more than a million payloads, more than two years) to allo1";
        assert!(advice.starts_with(send), "{advice}");
    }

    #[test]
    fn registrations_are_paid_before_payloads() {
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
        assert!(
            poor.text.ends_with("cost 0.00000000000331 ALLO"),
            "{poor:?}"
        );
        assert_eq!(unregistered(registration - 1).level, Level::Fail);
    }

    #[test]
    fn with_a_fee_granter_the_account_pays_only_what_messages_take() {
        let granted = |balance| {
            found("balance", |facts| {
                let chain = facts.chain.as_mut().unwrap();
                chain.balance = Ok(Uallo(balance));
                chain.grant = Some(grant_findings::tests::grant());
                let standing = facts.topics[0].standing.as_mut().unwrap();
                standing.as_mut().unwrap().status.is_registered = false;
            })
        };
        let poor = granted(209);
        assert_eq!(poor.level, Level::Fail);
        assert!(
            poor.text
                .ends_with("one payload cost 0.00000000000000021 ALLO"),
            "{poor:?}"
        );
        assert_eq!(granted(210).level, Level::Warn);
        let enough = granted(200 + 1_000 * 10);
        assert_eq!(enough.level, Level::Ok, "{enough:?}");
    }

    #[test]
    fn a_fee_above_the_cap_fails() {
        let capped = |cap| found("fees", |facts| facts.setup.config.max_fee = Uallo(cap));
        assert_eq!(capped(1_500_000).level, Level::Ok);
        assert_eq!(capped(1_499_999).level, Level::Fail);
    }

    #[test]
    fn the_limit_of_a_day_is_compared_with_the_windows_of_a_day() {
        // an epoch of 60 blocks of 6 s: 240 windows a day
        let fee = PAYLOAD - 10;
        let limited = |limit| {
            found("fees_per_day", |facts| {
                facts.setup.config.max_fee_per_day = Uallo(limit)
            })
        };
        let enough = limited(fee * 240);
        assert_eq!(enough.level, Level::Ok);
        let figures = "about 240 payloads at this fee; the topics open about 240 windows a day";
        assert!(enough.text.ends_with(figures), "{enough:?}");
        let short = limited(fee * 240 - 1);
        assert_eq!(short.level, Level::Warn);
        assert!(short.advice.unwrap().contains("(360000000 uallo)"));
    }

    #[test]
    fn an_account_that_was_never_funded_fails() {
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
    fn without_a_simulation_the_usual_gas_is_assumed() {
        let fees = found("fees", |facts| facts.topics[0].rehearsal = None);
        assert_eq!(fees.level, Level::Ok);
        assert_eq!(fees.text, "a payload costs about 0.00000000000195 ALLO");
    }
}
