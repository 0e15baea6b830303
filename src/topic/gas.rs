//! Remembers the gas that a topic's payloads used in their blocks, so that the next one is sent
//! without a simulation: one round trip less after the model's answer. Pure.
//!
//! A payload's gas changes with the topic's state (the number of active inferers), so the largest
//! of the last `INCLUDED_MAX` counts, with a margin. After a failure in a block, or a payload whose
//! gas is unknown, the next one is simulated. So is one with a label that none of them had: each
//! label takes more gas.

use std::collections::{BTreeSet, VecDeque};

use crate::values::fee;
use crate::values::payload::Inference;
use crate::values::units::{ApiVersion, Gas};

/// The number of past payloads that count.
const INCLUDED_MAX: usize = 5;

/// The labels of an inference; none for one number.
pub fn labels_of(inference: Option<&Inference>) -> BTreeSet<String> {
    let values = match inference {
        Some(Inference::Labelled(values)) => values.as_slice(),
        Some(Inference::Value(_)) | None => &[],
    };
    let labels = values.iter().map(|one| one.label.raw().trim().to_owned());
    labels.collect()
}

/// The gas used by one kind of message of a topic.
#[derive(Clone, Debug, Default)]
pub struct GasMemory {
    /// The version that the figures are from: another one does different work for a payload.
    api: Option<ApiVersion>,
    used: VecDeque<(BTreeSet<String>, Gas)>,
    /// The most that one of this version used.
    most: Option<Gas>,
    /// The least gas limit after one ran out of gas.
    at_least: Option<Gas>,
}

impl GasMemory {
    /// One made for `api` with these labels is in a block with success.
    pub fn included(&mut self, api: ApiVersion, labels: BTreeSet<String>, used: Gas) {
        if self.api != Some(api) {
            *self = GasMemory::default();
            self.api = Some(api);
        }
        if self.used.len() == INCLUDED_MAX {
            self.used.pop_front();
            // why: INCLUDED_MAX have passed since, each with enough gas
            self.at_least = None;
        }
        self.most = self.most.max(Some(used));
        self.used.push_back((labels, used));
    }

    /// The next one has to be simulated.
    pub fn forget(&mut self) {
        self.used.clear();
    }

    /// One ran out of gas in a block after using `used`.
    pub fn ran_out(&mut self, used: Gas) {
        self.forget();
        self.at_least = self.at_least.max(Some(fee::more_gas(used)));
    }

    /// The most that one used in this version; `None`: one with these labels has to be simulated,
    /// since none of the last had them all.
    pub fn used(&self, api: ApiVersion, labels: &BTreeSet<String>) -> Option<Gas> {
        let is_known = self.used.iter().any(|(known, _)| known.is_superset(labels));
        let used = self.used.iter().map(|(_, used)| *used).max();
        used.filter(|_| is_known && self.api == Some(api))
    }

    pub fn at_least(&self) -> Option<Gas> {
        self.at_least
    }

    /// The most that one used in any block, also where the next one has to be simulated.
    pub fn most(&self) -> Option<Gas> {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V9: ApiVersion = ApiVersion::V9;
    const V10: ApiVersion = ApiVersion::V10;

    fn none() -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn labels(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_largest_of_the_last_five_counts() {
        let mut memory = GasMemory::default();
        assert_eq!(memory.used(V9, &none()), None, "the first one is simulated");
        for used in [100, 180, 120, 110, 130] {
            memory.included(V9, none(), Gas(used));
        }
        assert_eq!(memory.used(V9, &none()), Some(Gas(180)));
        memory.included(V9, none(), Gas(125));
        memory.included(V9, none(), Gas(125));
        assert_eq!(memory.used(V9, &none()), Some(Gas(130)));
        memory.forget();
        assert_eq!(memory.most(), Some(Gas(180)));
        memory.included(V10, none(), Gas(90));
        assert_eq!(memory.most(), Some(Gas(90)));
    }

    #[test]
    fn after_a_failure_or_an_upgrade_the_next_one_is_simulated() {
        let mut memory = GasMemory::default();
        memory.included(V9, none(), Gas(100));
        memory.forget();
        assert_eq!(memory.used(V9, &none()), None);
        memory.included(V9, none(), Gas(100));
        assert_eq!(memory.used(V10, &none()), None);
        memory.included(V10, none(), Gas(90));
        assert_eq!(memory.used(V10, &none()), Some(Gas(90)));
        assert_eq!(memory.used(V9, &none()), None);
    }

    #[test]
    fn a_higher_gas_limit_is_kept_until_enough_payloads_passed() {
        let mut memory = GasMemory::default();
        memory.included(V9, none(), Gas(90));
        memory.ran_out(Gas(100));
        memory.ran_out(Gas(50));
        assert_eq!(memory.at_least(), Some(fee::more_gas(Gas(100))));
        for _ in 0..INCLUDED_MAX {
            memory.included(V9, none(), Gas(110));
            assert!(memory.at_least().is_some());
        }
        memory.included(V9, none(), Gas(110));
        assert_eq!(memory.at_least(), None);
    }

    #[test]
    fn a_payload_with_an_unseen_label_is_simulated() {
        let mut memory = GasMemory::default();
        memory.included(V10, labels(&["up", "down"]), Gas(100));
        memory.included(V10, labels(&["flat"]), Gas(120));
        for known in [&["up", "down"][..], &["down"], &["flat"]] {
            assert_eq!(
                memory.used(V10, &labels(known)),
                Some(Gas(120)),
                "{known:?}"
            );
        }
        for new in [&["up", "down", "flat"][..], &["sideways"]] {
            assert_eq!(memory.used(V10, &labels(new)), None, "{new:?}");
        }
        for _ in 0..INCLUDED_MAX {
            memory.included(V10, labels(&["flat"]), Gas(90));
        }
        assert_eq!(memory.used(V10, &labels(&["up"])), None, "too long ago");
    }
}
