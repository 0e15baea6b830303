//! A fee allowance, the rules by which the chain lets it pay a fee (x/feegrant, protocol.md section
//! 10), and the commands that grant one.

use std::fmt;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::text::Foreign;
use crate::values::amount;
use crate::values::units::{ApiVersion, MessageKind, Uallo};

/// The period of the grant that the commands make.
const PERIOD_S: u64 = 24 * 60 * 60;

/// What a granter allows an account to spend on fees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// What is left of it as a whole; `None`: no limit.
    pub spend_limit: Option<Uallo>,
    /// It ends with the first block that is later.
    pub expires: Option<SystemTime>,
    pub period: Option<GrantPeriod>,
    /// The type URLs of the messages that it pays for; `None`: all.
    pub messages: Option<Vec<Foreign>>,
}

/// A limit for each period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantPeriod {
    pub length: Duration,
    pub limit: Uallo,
    /// What was left when it was last used.
    pub can_spend: Uallo,
    /// When the next period begins.
    pub resets: SystemTime,
}

/// Why an allowance does not pay a fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantProblem {
    #[error("there is no fee grant")]
    Missing,
    #[error("the fee grant has expired")]
    Expired,
    /// Of the whole, or of its period.
    #[error("too little is left of the fee grant")]
    Spent,
    #[error("the fee grant does not name the message")]
    MessageNotAllowed,
    #[error("the fee granter's balance is too low")]
    GranterPoor,
}

/// The messages that a grant has to name: those of both emissions versions, so that an upgrade does
/// not end it.
pub fn granted_messages() -> Vec<String> {
    let of = |api: ApiVersion| MessageKind::ALL.map(|kind| api.type_url(kind));
    ApiVersion::ALL.into_iter().flat_map(of).collect()
}

/// Who grants fees to whom, and the limit that the commands propose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub granter: String,
    /// The worker's address.
    pub grantee: String,
    /// `max_fee_per_day_uallo`: the worker signs no more.
    pub per_day: Uallo,
}

impl Grant {
    pub fn new(granter: &str, grantee: &str, per_day: Uallo) -> Grant {
        Grant {
            granter: granter.to_owned(),
            grantee: grantee.to_owned(),
            per_day,
        }
    }

    /// The command that grants the fees of a day, each day.
    pub fn command(&self) -> String {
        let Grant {
            granter,
            grantee,
            per_day,
        } = self;
        let messages = granted_messages().join(",");
        format!(
            "allorad tx feegrant grant {granter} {grantee} --period {PERIOD_S} --period-limit \
             {per_day}uallo --allowed-messages {messages}"
        )
    }

    /// The commands that replace a grant: the chain keeps one, and does not overwrite it.
    pub fn replacement(&self) -> String {
        let Grant {
            granter, grantee, ..
        } = self;
        let grant = self.command();
        format!("allorad tx feegrant revoke {granter} {grantee}, then {grant}")
    }
}

/// A fee that is not granted, with what ends that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotGranted {
    pub problem: GrantProblem,
    /// The type URL of the message whose fee it is.
    pub message: String,
    pub fee: Uallo,
    /// What is left of the allowance, or of the granter's balance, if that is known.
    pub left: Option<Uallo>,
    /// When the period of the allowance resets, if it has one.
    pub resets: Option<SystemTime>,
    pub grant: Grant,
}

impl fmt::Display for NotGranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotGranted {
            problem,
            message,
            fee,
            grant,
            ..
        } = self;
        let Grant {
            granter, grantee, ..
        } = grant;
        let (left, fee) = match self.left {
            None => (String::new(), amount::allo(*fee)),
            Some(left) => {
                let [left, fee] = amount::have_need(left, *fee);
                (format!(", {left} are left"), fee)
            }
        };
        match problem {
            GrantProblem::Missing => {
                let command = grant.command();
                write!(f, "{granter} grants {grantee} no fees; type: {command}")
            }
            GrantProblem::Expired => {
                let command = grant.command();
                write!(f, "the fee grant of {granter} has expired; type: {command}")
            }
            GrantProblem::Spent => {
                write!(f, "the fee grant of {granter} does not pay {fee}{left}; ")?;
                if let Some(resets) = self.resets {
                    let resets = utc(resets);
                    write!(f, "sending continues when its period resets at {resets}; ")?;
                }
                write!(f, "for a higher limit, type: {}", grant.replacement())
            }
            GrantProblem::MessageNotAllowed => {
                let command = grant.replacement();
                write!(
                    f,
                    "the fee grant of {granter} does not name {message}; type: {command}"
                )
            }
            GrantProblem::GranterPoor => write!(
                f,
                "the balance of the fee granter is too low for {fee}{left}; fund {granter}"
            ),
        }
    }
}

/// `2026-11-24 18:00:00 UTC`.
pub fn utc(at: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let text = OffsetDateTime::from(at).format(format);
    text.unwrap_or_default()
}

impl Allowance {
    /// Whether it pays `fee` for a message at the time of the newest block.
    ///
    /// # Errors
    /// What the chain would refuse, in its order.
    pub fn pays(&self, fee: Uallo, type_url: &str, now: SystemTime) -> Result<(), GrantProblem> {
        if !self.allows(type_url) {
            return Err(GrantProblem::MessageNotAllowed);
        }
        if self.expires.is_some_and(|expires| now > expires) {
            return Err(GrantProblem::Expired);
        }
        if self.left(now).is_some_and(|left| fee > left) {
            return Err(GrantProblem::Spent);
        }
        Ok(())
    }

    pub fn allows(&self, type_url: &str) -> bool {
        let is_named = |allowed: &Vec<Foreign>| allowed.iter().any(|one| one.raw() == type_url);
        self.messages.as_ref().is_none_or(is_named)
    }

    /// What it pays at `now` until its period resets; `None`: no limit.
    pub fn left(&self, now: SystemTime) -> Option<Uallo> {
        let of_period = self.period.as_ref().map(|period| period.left(now));
        match (of_period, self.spend_limit) {
            (Some(period), Some(whole)) => Some(period.min(whole)),
            (period, whole) => period.or(whole),
        }
    }
}

impl GrantPeriod {
    fn left(&self, now: SystemTime) -> Uallo {
        if now < self.resets {
            self.can_spend
        } else {
            self.limit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "/emissions.v10.RegisterRequest";

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn periodic() -> Allowance {
        let period = GrantPeriod {
            length: Duration::from_secs(100),
            limit: Uallo(500),
            can_spend: Uallo(20),
            resets: at(1_000),
        };
        Allowance {
            period: Some(period),
            ..Allowance::default()
        }
    }

    #[test]
    fn a_period_pays_what_is_left_of_it_until_it_resets() {
        let allowance = periodic();
        let pays = |fee, now| allowance.pays(Uallo(fee), URL, at(now));
        assert_eq!(pays(20, 999), Ok(()));
        assert_eq!(pays(21, 999), Err(GrantProblem::Spent));
        assert_eq!(pays(500, 1_000), Ok(()));
        assert_eq!(pays(501, 1_000), Err(GrantProblem::Spent));
    }

    #[test]
    fn the_limit_of_the_whole_counts_beside_that_of_the_period() {
        let allowance = Allowance {
            spend_limit: Some(Uallo(100)),
            ..periodic()
        };
        assert_eq!(allowance.left(at(999)), Some(Uallo(20)));
        assert_eq!(allowance.left(at(1_000)), Some(Uallo(100)));
        assert_eq!(Allowance::default().left(at(0)), None);
        let most = Allowance::default().pays(Uallo::MAX, URL, at(0));
        assert_eq!(most, Ok(()));
    }

    #[test]
    fn it_expires_with_a_block_that_is_later() {
        let allowance = Allowance {
            expires: Some(at(50)),
            ..Allowance::default()
        };
        let pays = |now| allowance.pays(Uallo(1), URL, at(now));
        assert_eq!((pays(50), pays(51)), (Ok(()), Err(GrantProblem::Expired)));
    }

    #[test]
    fn what_is_not_granted_says_what_to_type() {
        let text = |problem, left, resets| {
            let refusal = NotGranted {
                problem,
                message: URL.to_owned(),
                fee: Uallo(30),
                left,
                resets,
                grant: Grant::new("allo1g", "allo1w", Uallo(99)),
            };
            refusal.to_string()
        };
        let grant = "allorad tx feegrant grant allo1g allo1w --period 86400 --period-limit 99uallo \
                     --allowed-messages /emissions.v9.InsertWorkerPayloadRequest,\
                     /emissions.v9.RegisterRequest,/emissions.v10.InsertWorkerPayloadRequest,\
                     /emissions.v10.RegisterRequest";
        let replace = format!("allorad tx feegrant revoke allo1g allo1w, then {grant}");
        assert_eq!(
            text(GrantProblem::Missing, None, None),
            format!("allo1g grants allo1w no fees; type: {grant}")
        );
        assert_eq!(
            text(GrantProblem::Expired, None, None),
            format!("the fee grant of allo1g has expired; type: {grant}")
        );
        assert_eq!(
            text(GrantProblem::Spent, Some(Uallo(20)), Some(at(60))),
            format!(
                "the fee grant of allo1g does not pay 0.00000000000000003 ALLO, \
                 0.00000000000000002 ALLO are left; sending continues when its period resets at 1970-01-01 00:01:00 UTC; for a higher limit, \
                 type: {replace}"
            )
        );
        assert_eq!(
            text(GrantProblem::Spent, None, None),
            format!(
                "the fee grant of allo1g does not pay 0.00000000000000003 ALLO; for a higher limit, type: {replace}"
            )
        );
        assert_eq!(
            text(GrantProblem::MessageNotAllowed, None, None),
            format!("the fee grant of allo1g does not name {URL}; type: {replace}")
        );
        assert_eq!(
            text(GrantProblem::GranterPoor, Some(Uallo(7)), None),
            "the balance of the fee granter is too low for 0.00000000000000003 ALLO, \
             0.000000000000000007 ALLO are left; fund allo1g"
        );
    }

    #[test]
    fn only_named_messages_are_paid_for() {
        let named = |name: &str| Allowance {
            messages: Some(vec![name.into()]),
            ..Allowance::default()
        };
        assert_eq!(named(URL).pays(Uallo(1), URL, at(0)), Ok(()));
        let other = named("/emissions.v9.RegisterRequest").pays(Uallo(1), URL, at(0));
        assert_eq!(other, Err(GrantProblem::MessageNotAllowed));
    }
}
