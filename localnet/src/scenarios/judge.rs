//! Judges a scenario by what is in the blocks and in the workers' logs.

use std::collections::{BTreeMap, BTreeSet};

use super::test_chain::{Landed, Payload, Place, Purpose, WINDOW_BLOCKS};

/// What is known of one wallet.
pub(super) struct Evidence<'a> {
    pub(super) landed: &'a [Landed],
    /// The account's sequence on the chain.
    pub(super) sequence: u64,
    /// The logs of all workers with this wallet.
    pub(super) log: &'a str,
    /// The topics and nonces that had to be served.
    pub(super) expected: BTreeSet<(u64, u64)>,
}

/// How a line ends whose payload was not found, because the node was down.
const NO_INDEX: &str = "(the node's transaction index did not answer)";

/// What a scenario explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// How many blocks after the nonce a payload may be in a block at the latest.
    pub(super) late_blocks: u64,
    /// Whether a worker may have been killed before it wrote its line.
    pub(super) by_earlier_process: bool,
    /// Whether the node may be down when the worker looks for its payload's block, which the line
    /// does not name then.
    pub(super) node_restarts: bool,
}

impl Allowed {
    /// The next block, by a worker that keeps running.
    pub(super) const NEXT_BLOCK: Allowed = Allowed {
        late_blocks: 1,
        by_earlier_process: false,
        node_restarts: false,
    };
    /// Any block of the window.
    pub(super) const WINDOW: Allowed = Allowed {
        late_blocks: WINDOW_BLOCKS,
        by_earlier_process: false,
        node_restarts: false,
    };
}

/// The lowest and the highest gas of one kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gas {
    pub(super) used_min: u64,
    pub(super) used_max: u64,
    pub(super) wanted_max: u64,
}

/// The judgement of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) windows: usize,
    pub(super) at_next_block: usize,
    pub(super) fees_uallo: u128,
    /// Gas by kind of transaction.
    pub(super) gas: BTreeMap<&'static str, Gas>,
    pub(super) failures: Vec<String>,
    /// How many of the failures say that a payload was in a block of its window, but late.
    pub(super) late: usize,
}

impl Verdict {
    /// Whether every failure is a late block. That may be due to the node: it proposes the next block
    /// a fixed time after the commit, but shows the new state only once the block is executed. Where
    /// the windows of many topics close in one block, that takes 0.4 s on an idle machine and nearly
    /// all of a quick block on a busy one. A worker that is slow is late in a second run as well.
    pub(super) fn is_only_late(&self) -> bool {
        self.late > 0 && self.late == self.failures.len()
    }

    /// Adds what one wallet did.
    pub(super) fn add(&mut self, evidence: &Evidence<'_>, allowed: Allowed) {
        let paid = evidence
            .landed
            .iter()
            .filter(|landed| !landed.is_free())
            .count();
        if u64::try_from(paid) != Ok(evidence.sequence) {
            let sequence = evidence.sequence;
            let text = format!("{paid} transactions are known, but the sequence is {sequence}");
            self.failures.push(text);
        }
        let mut served: BTreeMap<(u64, u64), &Landed> = BTreeMap::new();
        for landed in evidence.landed {
            self.fees_uallo += landed.fee_uallo;
            let Purpose::Payload(payload) = &landed.purpose else {
                self.note_gas("registration", &landed.purpose, landed);
                self.judge_failure(landed, None);
                continue;
            };
            let key = (payload.topic, payload.nonce);
            self.note_gas(payload.kind(landed.place), &landed.purpose, landed);
            if landed.code != 0 {
                self.judge_failure(landed, Some((payload, served.contains_key(&key))));
            } else if served.insert(key, landed).is_some() {
                let (topic, nonce) = key;
                self.failures
                    .push(format!("topic {topic}, nonce {nonce}: paid twice"));
            }
        }
        for (topic, nonce) in &evidence.expected {
            self.windows += 1;
            match served.get(&(*topic, *nonce)) {
                Some(landed) => self.judge_window((*topic, *nonce), landed, evidence.log, allowed),
                None => self
                    .failures
                    .push(format!("topic {topic}, nonce {nonce}: not served")),
            }
        }
    }

    /// A payload must be in a block in time, and the log must say in which one.
    fn judge_window(
        &mut self,
        (topic, nonce): (u64, u64),
        landed: &Landed,
        log: &str,
        allowed: Allowed,
    ) {
        let height = landed.height;
        let after = height.saturating_sub(nonce);
        self.at_next_block += usize::from(after == 1);
        if after > allowed.late_blocks {
            self.late += 1;
            self.failures.push(format!(
                "topic {topic}, nonce {nonce}: included at +{after}"
            ));
        }
        let place = format!("in block {height} (+{after})");
        let mut lines = vec![format!("nonce {nonce}: included {place}")];
        if landed.is_forecast() || landed.place == Place::None {
            // Nothing of a forecast counts if its block has it before the inference.
            lines.push(format!("nonce {nonce}: included, not admitted {place}"));
        }
        if allowed.by_earlier_process {
            lines.push(format!("nonce {nonce}: already submitted"));
        }
        let mut names_no_block = log.lines().filter(|line| line.ends_with(NO_INDEX));
        let begin = format!("nonce {nonce}: included by block ");
        let is_excused = allowed.node_restarts && names_no_block.any(|line| line.contains(&begin));
        if !is_excused && !lines.iter().any(|line| log.contains(line)) {
            let failure = format!("topic {topic}: the log has no line {:?}", lines[0]);
            self.failures.push(failure);
        }
    }

    fn judge_failure(&mut self, landed: &Landed, payload: Option<(&Payload, bool)>) {
        if landed.code == 0 || landed.is_free() {
            return;
        }
        let code = format!("{}/{}", landed.codespace, landed.code);
        self.failures.push(match payload {
            Some((payload, true)) => {
                let Payload { topic, nonce, .. } = payload;
                format!("topic {topic}, nonce {nonce}: paid twice ({code})")
            }
            _ => format!("block {}: a fee was lost with {code}", landed.height),
        });
    }

    fn note_gas(&mut self, kind: &'static str, purpose: &Purpose, landed: &Landed) {
        if landed.code != 0 || *purpose == Purpose::Other {
            return;
        }
        let (used, wanted) = (landed.gas_used, landed.gas_wanted);
        let of = Gas {
            used_min: used,
            used_max: used,
            wanted_max: wanted,
        };
        let gas = self.gas.entry(kind).or_insert(of);
        gas.include(&of);
    }
}

impl Gas {
    /// Widens the range by another one.
    pub(super) fn include(&mut self, other: &Gas) {
        self.used_min = self.used_min.min(other.used_min);
        self.used_max = self.used_max.max(other.used_max);
        self.wanted_max = self.wanted_max.max(other.wanted_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(nonce: u64, height: u64, code: u32) -> Landed {
        Landed {
            height,
            codespace: if code == 0 { "" } else { "undefined" }.to_owned(),
            code,
            gas_wanted: 190_000,
            gas_used: 140_000 + height,
            fee_uallo: 5,
            place: Place::Free,
            purpose: Purpose::Payload(Payload {
                topic: 1,
                nonce,
                value: None,
                labels: 3,
                forecast: None,
            }),
        }
    }

    fn paid(landed: &[Landed]) -> u64 {
        let paid = landed.iter().filter(|landed| !landed.is_free());
        u64::try_from(paid.count()).unwrap()
    }

    fn verdict(landed: &[Landed], log: &str, allowed: Allowed) -> Verdict {
        let mut verdict = Verdict::default();
        let expected = [(1, 10)].into();
        let evidence = Evidence {
            landed,
            sequence: paid(landed),
            log,
            expected,
        };
        verdict.add(&evidence, allowed);
        verdict
    }

    const LOG: &str =
        "topic-1: nonce 10: included in block 11 (+1), 7.5, 0.0000000000019 ALLO, ABABABAB";

    #[test]
    fn a_payload_in_the_next_block_with_its_line_is_served() {
        let verdict = verdict(&[payload(10, 11, 0)], LOG, Allowed::NEXT_BLOCK);
        assert_eq!(verdict.failures, [""; 0]);
        assert_eq!((verdict.windows, verdict.at_next_block), (1, 1));
        assert_eq!(verdict.fees_uallo, 5);
        let gas = Gas {
            used_min: 140_011,
            used_max: 140_011,
            wanted_max: 190_000,
        };
        assert_eq!(verdict.gas, [("labelled inference", gas)].into());
    }

    #[test]
    fn what_must_not_happen_is_named() {
        let cases: [(&[Landed], &str, &str); 5] = [
            (&[], LOG, "topic 1, nonce 10: not served"),
            (&[payload(10, 11, 0)], "", "topic 1: the log has no line"),
            (
                &[payload(10, 11, 0), payload(10, 12, 1)],
                LOG,
                "topic 1, nonce 10: paid twice (undefined/1)",
            ),
            (
                &[payload(9, 10, 1), payload(10, 11, 0)],
                LOG,
                "block 10: a fee was lost with undefined/1",
            ),
            (
                &[payload(10, 12, 0)],
                "nonce 10: included in block 12 (+2)",
                "topic 1, nonce 10: included at +2",
            ),
        ];
        for (landed, log, expected) in cases {
            let verdict = verdict(landed, log, Allowed::NEXT_BLOCK);
            let failures = &verdict.failures;
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert!(failures[0].starts_with(expected), "{failures:?}");
            let is_late = expected.ends_with("included at +2");
            assert_eq!(verdict.is_only_late(), is_late, "{failures:?}");
        }
        let two_faults = verdict(&[payload(10, 12, 0)], "", Allowed::NEXT_BLOCK);
        assert!(!two_faults.is_only_late(), "{two_faults:?}");
        let unfound = format!("nonce 10: included by block 14 {NO_INDEX}");
        let of = |allowed| {
            verdict(&[payload(10, 11, 0)], &unfound, allowed)
                .failures
                .len()
        };
        let restarts = Allowed {
            node_restarts: true,
            ..Allowed::WINDOW
        };
        assert_eq!((of(Allowed::WINDOW), of(restarts)), (1, 0));
        let late = "nonce 10: included in block 12 (+2)";
        assert_eq!(
            verdict(&[payload(10, 12, 0)], late, Allowed::WINDOW).failures,
            [""; 0]
        );
    }

    #[test]
    fn a_transaction_that_the_index_does_not_know_is_noticed() {
        let mut verdict = Verdict::default();
        let evidence = Evidence {
            landed: &[payload(10, 11, 0)],
            sequence: 2,
            log: LOG,
            expected: [(1, 10)].into(),
        };
        verdict.add(&evidence, Allowed::NEXT_BLOCK);
        let text = "1 transactions are known, but the sequence is 2";
        assert_eq!(verdict.failures, [text]);
    }

    #[test]
    fn a_transaction_that_fails_before_its_fee_is_taken_is_free() {
        let free = Landed {
            codespace: "sdk".to_owned(),
            ..payload(10, 11, 32)
        };
        assert_eq!(
            verdict(&[free, payload(10, 11, 0)], LOG, Allowed::NEXT_BLOCK).failures,
            [""; 0]
        );
    }

    #[test]
    fn only_a_scenario_with_kills_explains_that_another_process_wrote_the_line() {
        let log = "nonce 10: already submitted";
        let landed = [payload(10, 11, 0)];
        assert_eq!(verdict(&landed, log, Allowed::WINDOW).failures.len(), 1);
        let killed = Allowed {
            by_earlier_process: true,
            ..Allowed::WINDOW
        };
        assert_eq!(verdict(&landed, log, killed).failures, [""; 0]);
    }
}
