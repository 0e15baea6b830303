//! The demo's table and verdict, made from the chain's report.

use std::fmt;

use crate::chain::report::{Report, WindowReport};

/// The windows that count: the first ones of each topic that opened after the start.
#[derive(Debug)]
pub(super) struct Served {
    topics: Vec<(u64, Vec<WindowReport>)>,
    registrations: u64,
    fees_uallo: u128,
    fees_lost: u64,
    paid_twice: u64,
}

impl Served {
    /// The first `count` windows of each topic that opened after block `since`.
    pub(super) fn of(report: &Report, since: u64, count: usize) -> Served {
        let counted = |windows: &[WindowReport]| {
            let later = windows.iter().filter(|window| window.opened > since);
            later.take(count).cloned().collect()
        };
        let topics = report.topics.iter();
        Served {
            topics: topics
                .map(|topic| (topic.topic, counted(&topic.windows)))
                .collect(),
            registrations: report.registrations_included,
            fees_uallo: report.fees_uallo,
            fees_lost: report.fee_lost.values().sum(),
            paid_twice: report.paid_twice,
        }
    }

    /// Whether `count` windows of each of `topics` topics are closed.
    pub(super) fn is_over(&self, topics: u64, count: usize) -> bool {
        self.has_all(topics, count, |window| window.closed)
    }

    /// Whether `count` windows of each of `topics` topics have exactly one payload, and nothing was
    /// paid twice.
    pub(super) fn is_all(&self, topics: u64, count: usize) -> bool {
        self.paid_twice == 0 && self.has_all(topics, count, is_served_once)
    }

    fn has_all(&self, topics: u64, count: usize, holds: impl Fn(&WindowReport) -> bool) -> bool {
        let full = |(_, windows): &&(u64, Vec<WindowReport>)| {
            windows.iter().filter(|window| holds(window)).count() == count
        };
        u64::try_from(self.topics.iter().filter(full).count()) == Ok(topics)
    }
}

fn is_served_once(window: &WindowReport) -> bool {
    window.payload.is_some() && window.others.is_empty()
}

/// Number of blocks between the nonce and the payload's block.
fn delay(window: &WindowReport) -> String {
    match &window.payload {
        Some(payload) => format!("+{}", payload.height.saturating_sub(window.nonce)),
        None => "none".to_owned(),
    }
}

/// An amount of uallo in ALLO, whole.
fn allo(uallo: u128) -> String {
    const UALLO_PER_ALLO: u128 = 10_u128.pow(18);
    let (whole, rest) = (uallo / UALLO_PER_ALLO, uallo % UALLO_PER_ALLO);
    let text = format!("{whole}.{rest:018}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\ntopic  windows opened  payloads included  at block after the nonce           fees (ALLO)"
        )?;
        let (mut opened, mut served) = (0, 0);
        for (topic, windows) in &self.topics {
            let payloads = windows.iter().filter_map(|window| window.payload.as_ref());
            let included = payloads.clone().count();
            let fees: u128 = payloads.map(|payload| payload.fee_uallo).sum();
            let delays: Vec<String> = windows.iter().map(delay).collect();
            let (delays, count) = (delays.join(" "), windows.len());
            let fees = allo(fees);
            writeln!(
                f,
                "{topic:>5}  {count:>14}  {included:>17}  {delays:>24}  {fees:>20}"
            )?;
            opened += count;
            served += windows.iter().filter(|w| is_served_once(w)).count();
        }
        writeln!(
            f,
            "fees with {} registrations: {} ALLO",
            self.registrations,
            allo(self.fees_uallo)
        )?;
        if self.fees_lost > 0 {
            writeln!(
                f,
                "transactions that failed and lost their fee: {}",
                self.fees_lost
            )?;
        }
        let twice = self.paid_twice;
        writeln!(
            f,
            "demo: windows={opened} served={served} paid_twice={twice}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::report::PayloadReport;

    fn payload(height: u64) -> PayloadReport {
        PayloadReport {
            worker: "w".to_owned(),
            height,
            txhash: "H".to_owned(),
            fee_uallo: 7,
            value: "1".to_owned(),
            admitted: true,
        }
    }

    #[test]
    fn fees_are_shown_in_allo_whole() {
        let cases = [(0, "0"), (5_799_510, "0.00000000000579951")];
        for (uallo, text) in cases {
            assert_eq!(allo(uallo), text);
        }
        assert_eq!(allo(10_u128.pow(18) * 20), "20");
    }

    /// Two topics with two windows each, closed and served, after one that does not count.
    fn report() -> Report {
        let mut report = Report::default();
        for topic in [1, 2] {
            for nonce in [100, 110, 120] {
                report.opened(topic, nonce, nonce + 5);
                report.closed(topic, nonce);
                if nonce > 100 {
                    report.served(topic, nonce, payload(nonce + topic));
                }
            }
        }
        report
    }

    #[test]
    fn only_windows_after_the_start_count() {
        let served = Served::of(&report(), 100, 2);
        assert!(served.is_over(2, 2) && served.is_all(2, 2));
        assert!(!served.is_all(3, 2), "a topic too few");
        assert!(
            !Served::of(&report(), 99, 2).is_all(2, 2),
            "one is not served"
        );
        assert!(!Served::of(&report(), 110, 2).is_over(2, 2), "one too few");
        let text = served.to_string();
        let last = text.lines().last();
        assert_eq!(
            last,
            Some("demo: windows=4 served=4 paid_twice=0"),
            "{text}"
        );
        assert!(text.contains("+2 +2"), "{text}");
    }

    #[test]
    fn a_second_payload_or_fee_is_a_failure() {
        let mut twice = report();
        twice.served(1, 110, payload(112));
        let served = Served::of(&twice, 100, 2);
        assert!(!served.is_all(2, 2));
        assert!(
            served
                .to_string()
                .ends_with("windows=4 served=3 paid_twice=0\n")
        );

        let mut paid = report();
        paid.paid_twice = 1;
        let served = Served::of(&paid, 100, 2);
        assert!(!served.is_all(2, 2));
        assert!(
            served
                .to_string()
                .ends_with("windows=4 served=4 paid_twice=1\n")
        );
    }

    #[test]
    fn a_window_without_a_payload_is_shown() {
        let mut missed = report();
        missed.opened(1, 130, 135);
        let served = Served::of(&missed, 110, 2);
        assert!(!served.is_over(2, 2));
        assert!(served.to_string().contains("+1 none"), "{served}");
    }
}
