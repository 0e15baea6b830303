//! What a wallet needs: for how many payloads and days a balance is enough, and how much to send to
//! one that is empty.

use std::fmt;
use std::time::Duration;

use crate::values::amount::{about, allo, have_need, payloads};
use crate::values::budget::DAY;
use crate::values::units::Uallo;

/// The chain whose coins are free, and where they are given away
/// (<https://docs.allora.network/reference/networks>).
pub const TESTNET: &str = "allora-testnet-1";
const FAUCET: &str = "https://faucet.testnet.allora.network";

/// An empty wallet is filled for this many days, or for this many payloads where it is not known how
/// many a day has.
pub const DAYS: u128 = 28;
const PAYLOADS: u128 = 10_000;
/// At least a tenth of an ALLO is recommended: the gas price may rise a thousandfold.
const LEAST: u128 = 10_u128.pow(17);
/// A balance that lasts longer needs no figure.
const DAYS_SHOWN_MAX: u128 = 730;

/// What payloads take from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    pub payload: Uallo,
    /// How many windows the topics open in [`DAYS`], if that is known.
    pub in_four_weeks: Option<u128>,
    /// Another account pays the fees.
    pub is_granted: bool,
}

/// What a balance is enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough {
    pub payloads: u128,
    days: Option<u128>,
}

/// A balance that is too low for the next transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    pub have: Uallo,
    /// What the next transaction takes.
    pub need: Uallo,
    pub spending: Spending,
    /// The worker's address.
    pub address: String,
    pub chain_id: Option<String>,
}

/// How many windows topics with epochs of these lengths open in [`DAYS`]. A day may have less than one
/// window of a topic.
pub fn windows_in_four_weeks(
    epochs_blocks: impl Iterator<Item = u64>,
    block_time: Duration,
) -> u128 {
    let (block_ms, time_ms) = (block_time.as_millis(), DAY.as_millis() * DAYS);
    let windows = epochs_blocks.map(|blocks| {
        let epoch_ms = block_ms.saturating_mul(blocks.into());
        time_ms.checked_div(epoch_ms).unwrap_or_default()
    });
    windows.sum()
}

impl Spending {
    /// What a balance is enough for; `None` if payloads take nothing.
    pub fn enough(self, balance: Uallo) -> Option<Enough> {
        let payloads = balance.0.checked_div(self.payload.0)?;
        let payload_days = payloads.saturating_mul(DAYS);
        let days = self.in_four_weeks;
        let days = days.and_then(|count| payload_days.checked_div(count));
        Some(Enough { payloads, days })
    }

    /// The amount to send to an account that also needs this much for its next transaction: a round
    /// one.
    fn recommended(self, need: Uallo) -> Uallo {
        let count = self.in_four_weeks.filter(|count| *count > 0);
        let count = count.unwrap_or(PAYLOADS);
        let sum = self.payload.0.saturating_mul(count);
        let sum = sum.saturating_add(need.0);
        let least = if self.is_granted { 0 } else { LEAST };
        Uallo(round_up(sum.max(least)))
    }
}

/// The next amount that is 1, 2 or 5 times a power of ten.
fn round_up(amount: u128) -> u128 {
    let mut power: u128 = 1;
    while power.saturating_mul(5) < amount {
        match power.checked_mul(10) {
            Some(next) => power = next,
            None => return amount,
        }
    }
    let round = [1, 2, 5].map(|digit| power.saturating_mul(digit));
    let mut round = round.into_iter();
    round.find(|round| *round >= amount).unwrap_or(amount)
}

impl fmt::Display for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&payloads(self.payloads))?;
        match self.days {
            None => Ok(()),
            Some(0) => f.write_str(", less than a day"),
            Some(1) => f.write_str(", about a day"),
            Some(days) if days <= DAYS_SHOWN_MAX => write!(f, ", {} days", about(days)),
            Some(_) => f.write_str(", more than two years"),
        }
    }
}

impl Shortfall {
    #[cfg(test)]
    pub(crate) fn sample(need: u128) -> Shortfall {
        Shortfall {
            have: Uallo(0),
            need: Uallo(need),
            spending: Spending {
                payload: Uallo(need),
                in_four_weeks: Some(24 * DAYS),
                is_granted: false,
            },
            address: "allo1x".to_owned(),
            chain_id: None,
        }
    }

    /// How much to send where, and who gives it away.
    pub fn advice(&self) -> String {
        let amount = self.spending.recommended(self.need);
        let enough = self.spending.enough(amount);
        let enough = enough.map(|enough| format!(" ({enough})"));
        let faucet = match self.chain_id.as_deref() {
            Some(TESTNET) => format!("; on testnet, {FAUCET} gives it away"),
            _ => String::new(),
        };
        format!(
            "send {}{} to {}{faucet}",
            allo(amount),
            enough.unwrap_or_default(),
            self.address
        )
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [have, need] = have_need(self.have, self.need);
        let advice = self.advice();
        write!(
            f,
            "the balance is too low: have {have}, need {need} that can be spent; {advice}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLO: u128 = 10_u128.pow(18);

    fn spending(payload: u128, per_day: Option<u128>) -> Spending {
        Spending {
            payload: Uallo(payload),
            in_four_weeks: per_day.map(|count| count * DAYS),
            is_granted: false,
        }
    }

    #[test]
    fn a_balance_is_shown_in_payloads_and_days() {
        let text = |payload, per_day, balance| {
            let enough = spending(payload, per_day).enough(Uallo(balance));
            enough.map(|enough| enough.to_string())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(text(10, None, 419), some("about 41 payloads"));
        assert_eq!(
            text(10, Some(42), 419),
            some("about 41 payloads, less than a day")
        );
        assert_eq!(
            text(10, Some(41), 419),
            some("about 41 payloads, about a day")
        );
        assert_eq!(
            text(10, Some(4), 419),
            some("about 41 payloads, about 10 days")
        );
        let long = some("about 41,000 payloads, more than two years");
        assert_eq!(text(10, Some(2), 419_999), long);
        assert_eq!(text(10, Some(0), 19), some("about 1 payload"), "no windows");
        assert_eq!(text(0, Some(4), 419), None);
    }

    #[test]
    fn four_weeks_of_fees_are_recommended_as_a_round_figure() {
        let recommended = |of: Spending| of.recommended(Uallo(200)).0;
        let mainnet = 48_750_000_000_000;
        // 288 windows a day for 28 days: 0.393 ALLO
        assert_eq!(recommended(spending(mainnet, Some(288))), ALLO / 2);
        assert_eq!(
            recommended(spending(mainnet, Some(24))),
            ALLO / 10,
            "at least"
        );
        assert_eq!(recommended(spending(mainnet, None)), ALLO / 2);
        assert_eq!(recommended(spending(mainnet, Some(0))), ALLO / 2);
        assert_eq!(recommended(spending(1_939_590, Some(24))), ALLO / 10);
        let dust = Spending {
            is_granted: true,
            ..spending(10, Some(24))
        };
        // 6,720 for payloads and 200 for a registration
        assert_eq!(recommended(dust), 10_000);
        assert_eq!(recommended(spending(u128::MAX, None)), u128::MAX);
    }

    #[test]
    fn a_round_figure_is_never_less() {
        for (amount, round) in [
            (0, 1),
            (1, 1),
            (3, 5),
            (6, 10),
            (50, 50),
            (51, 100),
            (101, 200),
        ] {
            assert_eq!(round_up(amount), round);
        }
        assert_eq!(round_up(u128::MAX), u128::MAX);
    }

    #[test]
    fn an_empty_wallet_is_told_what_to_send_where() {
        let mut short = Shortfall {
            chain_id: Some(TESTNET.to_owned()),
            ..Shortfall::sample(1_949_999)
        };
        let faucet = "; on testnet, https://faucet.testnet.allora.network gives it away";
        let advice = "send 0.1 ALLO (more than a million payloads, more than two years) to allo1x";
        let text = format!(
            "the balance is too low: have 0 ALLO, need 0.00000000000195 ALLO that can be spent; \
             {advice}{faucet}"
        );
        assert_eq!(short.to_string(), text);
        short.chain_id = Some("allora-mainnet-1".to_owned());
        assert_eq!(short.advice(), advice);
        short.spending.payload = Uallo(0);
        assert_eq!(
            short.advice(),
            "send 0.1 ALLO to allo1x",
            "what it lasts is not known"
        );
    }

    #[test]
    fn the_faucet_is_that_of_the_quick_start() {
        assert!(include_str!("../../README.md").contains(FAUCET));
    }

    #[test]
    fn windows_follow_from_epochs() {
        let windows = |epochs: &[u64], block_ms| {
            windows_in_four_weeks(epochs.iter().copied(), Duration::from_millis(block_ms))
        };
        assert_eq!(windows(&[60, 720], 5_000), (288 + 24) * DAYS);
        assert_eq!(windows(&[0, u64::MAX], 5_000), 0);
        assert_eq!(windows(&[60], 0), 0);
        // An epoch of 25 hours: less than a window in a day.
        assert_eq!(windows(&[17_280], 5_208), 26);
        let spending = Spending {
            in_four_weeks: Some(26),
            ..spending(10, None)
        };
        let text = spending.enough(Uallo(419)).unwrap().to_string();
        assert_eq!(text, "about 41 payloads, about 44 days");
        assert_eq!(spending.recommended(Uallo(200)).0, ALLO / 10);
        let dust = Spending {
            is_granted: true,
            ..spending
        };
        assert_eq!(dust.recommended(Uallo(200)).0, 500, "26 payloads of 10");
    }
}
