//! When the balance or the budget runs low: at the thresholds of the alerts in `monitoring/alerts.yml`
//! (`AlloraWorkerBalanceLow`, `AlloraWorkerFeeBudgetNearlyUsed`), reported once each time.

use crate::status::Money;
use crate::values::amount;

/// A balance is low if it lasts less than `DAYS` days.
const DAYS: u128 = 7;
/// A low balance is no longer low once it lasts `DAYS_ENOUGH` days. The two thresholds differ, so that
/// a balance that varies around one of them is reported once.
const DAYS_ENOUGH: u128 = 8;
/// The budget is nearly used if more than `TENTHS` tenths of it are.
const TENTHS: u128 = 8;
/// The budget is no longer nearly used once `TENTHS_ENOUGH` tenths of it are, or fewer.
const TENTHS_ENOUGH: u128 = 7;

/// What is low.
#[derive(Debug, Default)]
pub(super) struct Low {
    balance: bool,
    budget: bool,
}

impl Low {
    /// A line for each of the two that has become low.
    pub(super) fn lines(&mut self, money: &Money, address: &str) -> Vec<String> {
        let balance = self.balance_line(money, address);
        balance.into_iter().chain(self.budget_line(money)).collect()
    }

    fn balance_line(&mut self, money: &Money, address: &str) -> Option<String> {
        let balance = money.payer_balance?;
        let is_below = |days: u128| balance.0 < money.signed_24h.0.saturating_mul(days);
        let is_low = is_below(if self.balance { DAYS_ENOUGH } else { DAYS });
        let was_low = std::mem::replace(&mut self.balance, is_low);
        (is_low && !was_low).then(|| {
            let [have, day] = [balance, money.signed_24h].map(amount::allo);
            let who = if money.is_granted {
                "the account that grants the fees".to_owned()
            } else {
                address.to_owned()
            };
            format!(
                "the balance is enough for less than {DAYS} days: {have}, and {day} of fees were \
                 signed within 24 h; fund {who}"
            )
        })
    }

    fn budget_line(&mut self, money: &Money) -> Option<String> {
        let limit = money.fee_per_day_max?;
        let is_above =
            |tenths: u128| money.signed_24h.0.saturating_mul(10) > limit.0.saturating_mul(tenths);
        let is_low = is_above(if self.budget { TENTHS_ENOUGH } else { TENTHS });
        let was_low = std::mem::replace(&mut self.budget, is_low);
        (is_low && !was_low).then(|| {
            let [signed, limit] = [money.signed_24h, limit].map(amount::allo);
            format!(
                "{signed} of fees were signed within 24 h, max_fee_per_day_uallo allows {limit}; above \
                 that, nothing is sent: raise it if the fees are right"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::units::Uallo;

    const LIMIT: u128 = 100;

    fn money(balance: u128, signed: u128) -> Money {
        Money {
            payer_balance: Some(Uallo(balance)),
            is_granted: false,
            signed_24h: Uallo(signed),
            fee_per_day_max: Some(Uallo(LIMIT)),
        }
    }

    #[test]
    fn a_balance_for_less_than_a_week_is_said_once() {
        let mut low = Low::default();
        assert_eq!(
            low.lines(&money(0, 0), "allo1x"),
            [""; 0],
            "nothing was signed"
        );
        assert_eq!(low.lines(&money(70, 10), "allo1x"), [""; 0]);
        let lines = low.lines(&money(69, 10), "allo1x");
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("the balance is enough for less than 7 days: "),
            "{lines:?}"
        );
        assert!(lines[0].ends_with("fund allo1x"), "{lines:?}");
        for balance in [68, 79, 69] {
            assert_eq!(
                low.lines(&money(balance, 10), "allo1x"),
                [""; 0],
                "{balance}"
            );
        }
        assert_eq!(low.lines(&money(80, 10), "allo1x"), [""; 0], "it is funded");
        let granted = Money {
            is_granted: true,
            ..money(69, 10)
        };
        let lines = low.lines(&granted, "allo1x");
        assert!(
            lines[0].ends_with("fund the account that grants the fees"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_budget_that_is_nearly_used_is_said_once() {
        let mut low = Low::default();
        let plenty = u128::MAX;
        assert_eq!(low.lines(&money(plenty, 80), "x"), [""; 0]);
        let lines = low.lines(&money(plenty, 81), "x");
        assert!(
            lines[0].contains("max_fee_per_day_uallo allows "),
            "{lines:?}"
        );
        for signed in [90, 71, 81] {
            assert_eq!(low.lines(&money(plenty, signed), "x"), [""; 0], "{signed}");
        }
        assert_eq!(low.lines(&money(plenty, 70), "x"), [""; 0]);
        assert_eq!(low.lines(&money(plenty, 81), "x").len(), 1, "again");
    }

    #[test]
    fn nothing_is_low_that_is_not_known() {
        let unknown = Money {
            payer_balance: None,
            fee_per_day_max: None,
            ..money(0, u128::MAX)
        };
        assert_eq!(Low::default().lines(&unknown, "x"), [""; 0]);
    }
}
