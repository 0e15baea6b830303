//! The fee granter: what its allowance pays and for how long, and whether its balance covers that.

use std::time::Duration;

use crate::check::facts::{GrantFacts, Setup};
use crate::check::finding::Finding;
use crate::values::allowance::{Allowance, Grant, granted_messages, utc};
use crate::values::amount;
use crate::values::units::{ApiVersion, MessageKind, Uallo};

const ABOUT: &str = "fee granter";
/// A grant that ends sooner than this is a warning.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// A balance for fewer payloads than this is a warning.
const PAYLOADS_MIN: u128 = 1_000;

/// `fees` are those of the next transactions, that of a payload first.
pub(super) fn judge(
    setup: &Setup,
    api: ApiVersion,
    facts: &GrantFacts,
    fees: &[Uallo],
) -> Vec<Finding> {
    let per_day = setup.config.max_fee_per_day;
    let grant = Grant::new(&facts.granter, &setup.sender, per_day);
    let mut findings = match &facts.allowance {
        Ok(Some(allowance)) => {
            let expiry = expiry(setup, allowance, &grant);
            let mut findings = vec![limits(setup, allowance, &grant, fees)];
            findings.extend(expiry);
            findings.push(messages(api, allowance, &grant));
            findings
        }
        Ok(None) => {
            let text = format!("{} grants {} no fees", grant.granter, grant.grantee);
            let advice = format!("type: {}", grant.command());
            vec![Finding::new(ABOUT, "grant", text).fail(advice)]
        }
        Err(error) => vec![Finding::unknown(ABOUT, "grant", error)],
    };
    findings.push(match &facts.balance {
        Ok(balance) => balance_of(&grant.granter, *balance, fees),
        Err(error) => Finding::unknown(ABOUT, "granter_balance", error),
    });
    findings
}

/// What the allowance pays: in its period, and as a whole.
fn limits(setup: &Setup, allowance: &Allowance, grant: &Grant, fees: &[Uallo]) -> Finding {
    let finding = |text: &str| Finding::new(ABOUT, "grant", format!("{} {text}", grant.granter));
    let mut parts = Vec::new();
    if let Some(period) = &allowance.period {
        let (limit, span) = (amount::allo(period.limit), amount::span(period.length));
        parts.push(format!("{limit} each {span}"));
    }
    if let Some(whole) = allowance.spend_limit {
        parts.push(format!("{} in all", amount::allo(whole)));
    }
    let Some(left) = allowance.left(setup.now) else {
        return finding("pays all fees without a limit").warn(format!(
            "limit what a stolen key could spend: {}",
            grant.replacement()
        ));
    };
    let resets = allowance.period.as_ref().map(|period| period.resets);
    let resets = resets.filter(|resets| *resets > setup.now);
    let until = resets.map(|resets| format!(" until {}", utc(resets)));
    let need = fees.iter().copied().max().unwrap_or_default();
    let [shown_left, shown_need] = amount::have_need(left, need);
    let text = format!(
        "pays {}; {shown_left} are left{}",
        parts.join(", "),
        until.as_deref().unwrap_or_default()
    );
    if left >= need {
        return finding(&text);
    }
    let text = format!("{text}, but a fee is {shown_need}");
    let more = format!("for a higher limit, type: {}", grant.replacement());
    let next = resets.and_then(|resets| allowance.left(resets));
    match next.filter(|next| *next >= need) {
        Some(_) => finding(&text).warn(format!("wait until the period resets; {more}")),
        None => finding(&text).fail(more),
    }
}

/// `None`: it never ends.
fn expiry(setup: &Setup, allowance: &Allowance, grant: &Grant) -> Option<Finding> {
    let expires = allowance.expires?;
    let finding = |text| Finding::new(ABOUT, "grant_expiry", text);
    let until = utc(expires);
    Some(match expires.duration_since(setup.now) {
        Err(_) => {
            let advice = format!("type: {}", grant.replacement());
            finding(format!("the grant ended at {until}")).fail(advice)
        }
        Ok(left) if left < EXPIRES_SOON => {
            let text = format!("the grant ends in {}, at {until}", amount::span(left));
            let advice = format!("before that, type: {}", grant.replacement());
            finding(text).warn(advice)
        }
        Ok(_) => finding(format!("the grant ends at {until}")),
    })
}

/// An allowance that names the messages of one emissions version ends with the upgrade.
fn messages(api: ApiVersion, allowance: &Allowance, grant: &Grant) -> Finding {
    let finding = |text: String| Finding::new(ABOUT, "grant_messages", text);
    if allowance.messages.is_none() {
        return finding("it pays for every message".to_owned());
    }
    let mut missing = granted_messages();
    missing.retain(|name| !allowance.allows(name));
    if missing.is_empty() {
        return finding("it names the messages of v9 and v10".to_owned());
    }
    let text = format!("it does not name {}", missing.join(", "));
    let replace = grant.replacement();
    let now = MessageKind::ALL.map(|kind| api.type_url(kind));
    if now.iter().any(|name| missing.contains(name)) {
        return finding(text).fail(format!("type: {replace}"));
    }
    finding(text).warn(format!(
        "an upgrade of the chain would end it; before that, type: {replace}"
    ))
}

fn balance_of(granter: &str, balance: Uallo, fees: &[Uallo]) -> Finding {
    let finding = |text: String| Finding::new(ABOUT, "granter_balance", text);
    let need = fees.iter().copied().max().unwrap_or_default();
    let have = amount::allo(balance);
    if balance < need {
        let [have, need] = amount::have_need(balance, need);
        let text = format!("{granter} has {have}, but a fee is {need}");
        return finding(text).fail(format!("send ALLO to {granter}"));
    }
    let payloads = fees.first().and_then(|fee| balance.0.checked_div(fee.0));
    let Some(payloads) = payloads else {
        return finding(have);
    };
    let enough = finding(format!(
        "{have}: enough for the fees of {}",
        amount::payloads(payloads)
    ));
    if payloads < PAYLOADS_MIN {
        enough.warn(format!("send more ALLO to {granter} soon"))
    } else {
        enough
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::SystemTime;

    use crate::check::finding::Level;
    use crate::check::judge::tests::facts;
    use crate::values::allowance::GrantPeriod;

    use super::*;

    const FEE: Uallo = Uallo(1_000);
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3_600);

    /// A grant of 5,000 uallo an hour, without any problem.
    pub(crate) fn grant() -> GrantFacts {
        let period = GrantPeriod {
            length: HOUR,
            limit: Uallo(5_000),
            can_spend: Uallo(2_000),
            resets: NOW + HOUR,
        };
        let allowance = Allowance {
            period: Some(period),
            messages: Some(granted_messages().into_iter().map(Into::into).collect()),
            ..Allowance::default()
        };
        GrantFacts {
            granter: "allo1g".to_owned(),
            allowance: Ok(Some(allowance)),
            balance: Ok(Uallo(1_000_000)),
        }
    }

    fn findings(facts_of_grant: &GrantFacts) -> Vec<Finding> {
        judge(&facts().setup, ApiVersion::V9, facts_of_grant, &[FEE])
    }

    /// The finding of this name after a change of the allowance.
    fn found(name: &str, change: impl FnOnce(&mut Allowance)) -> Finding {
        let mut grant = grant();
        if let Ok(Some(allowance)) = &mut grant.allowance {
            change(allowance);
        }
        let mut findings = findings(&grant).into_iter();
        findings.find(|finding| finding.name == name).unwrap()
    }

    #[test]
    fn a_sound_grant_has_no_advice() {
        let texts: Vec<_> = findings(&grant())
            .into_iter()
            .map(|f| (f.level, f.text))
            .collect();
        let expected = [
            "allo1g pays 0.000000000000005 ALLO each 1 h 0 min; 0.000000000000002 ALLO are left \
             until 1970-01-01 01:00:00 UTC",
            "it names the messages of v9 and v10",
            "0.000000000001 ALLO: enough for the fees of about 1,000 payloads",
        ];
        assert_eq!(texts, expected.map(|text| (Level::Ok, text.to_owned())));
    }

    #[test]
    fn no_grant_fails_and_says_what_to_type() {
        let mut missing = grant();
        missing.allowance = Ok(None);
        let finding = findings(&missing).remove(0);
        assert_eq!(finding.level, Level::Fail);
        let advice = finding.advice.unwrap();
        assert!(
            advice.starts_with("type: allorad tx feegrant grant allo1g "),
            "{advice}"
        );
        missing.allowance = Err("no answer".to_owned());
        assert_eq!(
            findings(&missing)[0].level,
            Level::Warn,
            "unknown is not no"
        );
    }

    #[test]
    fn a_period_that_is_used_up_ends_and_a_limit_does_not() {
        let spend = |left| move |a: &mut Allowance| a.period.as_mut().unwrap().can_spend = left;
        assert_eq!(found("grant", spend(FEE)).level, Level::Ok);
        let waiting = found("grant", spend(Uallo(999)));
        assert_eq!(waiting.level, Level::Warn);
        assert!(
            waiting
                .advice
                .unwrap()
                .starts_with("wait until the period resets")
        );
        let low = found("grant", |a| a.spend_limit = Some(Uallo(999)));
        assert_eq!(low.level, Level::Fail, "{low:?}");
        let small = found("grant", |a| {
            let period = a.period.as_mut().unwrap();
            (period.limit, period.can_spend) = (Uallo(999), Uallo(999));
        });
        assert_eq!(small.level, Level::Fail);
        assert_eq!(
            found("grant", |a| a.period = None).level,
            Level::Warn,
            "no limit"
        );
    }

    #[test]
    fn a_grant_that_names_one_version_is_a_warning_until_the_upgrade() {
        let of = |api: ApiVersion| {
            MessageKind::ALL
                .map(|kind| api.type_url(kind).into())
                .to_vec()
        };
        let named = |names| found("grant_messages", |a| a.messages = Some(names));
        let only_v9 = named(of(ApiVersion::V9));
        assert_eq!(only_v9.level, Level::Warn);
        assert!(
            only_v9.text.contains("/emissions.v10.RegisterRequest"),
            "{only_v9:?}"
        );
        let advice = only_v9.advice.unwrap();
        assert!(
            advice.contains("allorad tx feegrant revoke allo1g"),
            "{advice}"
        );
        assert_eq!(named(of(ApiVersion::V10)).level, Level::Fail);
        let one = of(ApiVersion::V9)[..1].to_vec();
        assert_eq!(named(one).level, Level::Fail);
        assert_eq!(
            found("grant_messages", |a| a.messages = None).level,
            Level::Ok
        );
    }

    #[test]
    fn the_expiry_is_reported_in_time() {
        let expires = |at| found("grant_expiry", |a| a.expires = Some(at)).level;
        assert_eq!(expires(NOW + EXPIRES_SOON), Level::Ok);
        assert_eq!(expires(NOW + EXPIRES_SOON - HOUR), Level::Warn);
        assert_eq!(expires(NOW - HOUR), Level::Fail);
    }

    #[test]
    fn the_granters_balance_is_shown_in_payloads() {
        let with_balance = |balance| {
            let mut grant = grant();
            grant.balance = Ok(Uallo(balance));
            findings(&grant).pop().unwrap().level
        };
        assert_eq!(with_balance(FEE.0 * 1_000), Level::Ok);
        assert_eq!(with_balance(FEE.0 * 1_000 - 1), Level::Warn);
        assert_eq!(with_balance(FEE.0 - 1), Level::Fail);
    }
}
