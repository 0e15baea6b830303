//! A short check that `run` logs at its start: one line per topic and one for the account, from
//! answers that the worker needs anyway. It makes no additional request; while the endpoint is
//! down, the lines come later.

use std::time::Duration;

use log::info;

use crate::values::amount;
use crate::values::funding::Spending;
use crate::values::topic::WindowStatus;
use crate::values::units::{Height, Uallo};

/// Logs a line once.
#[derive(Debug, Default)]
pub struct Introduction {
    done: bool,
}

impl Introduction {
    /// Logs the worker's standing in a topic, at the first poll that counts.
    pub fn of_topic(
        &mut self,
        status: &WindowStatus,
        height: Height,
        block_time: Option<Duration>,
    ) {
        if !std::mem::replace(&mut self.done, true) {
            info!("{}", topic(status, height, block_time));
        }
    }

    /// Logs for how many payloads the balance is enough, before the first one.
    pub fn of_account(&mut self, have: Uallo, spending: Spending, granter: Option<&str>) {
        if !std::mem::replace(&mut self.done, true) {
            info!("{}", account(have, spending, granter));
        }
    }
}

/// `active, whitelisted, registered; the next window opens with block 150, in 50 blocks (about 4
/// min)`. The time only if the chain's block time is measured.
pub fn topic(status: &WindowStatus, height: Height, block_time: Option<Duration>) -> String {
    let not = |is: bool| if is { "" } else { "not " };
    let window = match (status.open, status.next) {
        (Some(open), _) => format!("nonce {} is open until block {}", open.nonce, open.end),
        (None, Some(next)) => {
            let blocks = next.nonce.0.saturating_sub(height.0);
            let count = u32::try_from(blocks).unwrap_or(u32::MAX);
            let wait = block_time.map(|block_time| block_time.saturating_mul(count));
            let wait = wait.map(|wait| format!(" (about {})", amount::span(wait)));
            let (opens, wait) = (next.nonce, wait.unwrap_or_default());
            let unit = if blocks == 1 { "block" } else { "blocks" };
            format!("the next window opens with block {opens}, in {blocks} {unit}{wait}")
        }
        (None, None) => "no window is in sight".to_owned(),
    };
    format!(
        "{}active, {}whitelisted, {}registered; {window}",
        not(status.is_topic_active),
        not(status.is_whitelisted),
        not(status.is_registered),
    )
}

/// `balance 12.5 ALLO, a payload takes 0.0000625 ALLO: enough for about 200,000 payloads, about 690
/// days`. If another account pays the fees, a payload takes only the rest.
pub fn account(have: Uallo, spending: Spending, granter: Option<&str>) -> String {
    let (balance, takes) = (amount::allo(have), amount::allo(spending.payload));
    let enough = spending.enough(have);
    let enough = enough.map(|count| format!(": enough for {count}"));
    let enough = enough.unwrap_or_default();
    let granter = granter.map(|granter| format!("; {granter} pays the fees"));
    let granter = granter.unwrap_or_default();
    format!("balance {balance}, a payload takes {takes}{enough}{granter}")
}

#[cfg(test)]
mod tests {
    use crate::values::topic::Window;
    use crate::values::units::Nonce;

    use super::*;

    #[test]
    fn the_line_of_a_topic() {
        let window = |nonce, end| {
            Some(Window {
                nonce: Nonce(nonce),
                end: Height(end),
            })
        };
        let mut status = WindowStatus {
            open: None,
            next: window(150, 162),
            is_registered: false,
            is_whitelisted: true,
            is_topic_active: true,
        };
        let line = |status: &WindowStatus| topic(status, Height(100), None);
        let unmeasured = "active, whitelisted, not registered; the next window opens with block \
                          150, in 50 blocks";
        assert_eq!(line(&status), unmeasured);
        assert_eq!(
            topic(&status, Height(100), Some(Duration::from_secs(5))),
            format!("{unmeasured} (about 4 min)")
        );
        status.open = window(90, 102);
        status.is_registered = true;
        let open = "active, whitelisted, registered; nonce 90 is open until block 102";
        assert_eq!(line(&status), open);
        (status.open, status.next, status.is_topic_active) = (None, None, false);
        let inactive = "not active, whitelisted, registered; no window is in sight";
        assert_eq!(line(&status), inactive);
    }

    #[test]
    fn the_line_of_the_account() {
        let one_allo = Uallo(10_u128.pow(18));
        let spending = |payload, per_day: Option<u128>, is_granted| Spending {
            payload: Uallo(payload),
            in_four_weeks: per_day.map(|count| count * 28),
            is_granted,
        };
        let line = account(
            one_allo,
            spending(62_500_000_000_000, Some(288), false),
            None,
        );
        let expected = "balance 1 ALLO, a payload takes 0.0000625 ALLO: enough for about 16,000 \
                        payloads, about 55 days";
        assert_eq!(line, expected);
        assert_eq!(
            account(one_allo, spending(0, None, false), None),
            "balance 1 ALLO, a payload takes 0 ALLO"
        );
        assert_eq!(
            account(Uallo(200), spending(10, None, true), Some("allo1x")),
            "balance 0.0000000000000002 ALLO, a payload takes 0.00000000000000001 ALLO: enough for \
             about 20 payloads; allo1x pays the fees"
        );
    }
}
