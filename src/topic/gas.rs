//! What a topic's payloads take in gas, as far as their blocks told: with it a payload goes out
//! without a simulation before it, one round trip after the model. Pure.
//!
//! A payload's gas moves with the topic's state (the inferers that are active already), so the
//! largest of the last few counts, with a margin on top; whatever fails in a block, or tells nothing,
//! has the next one simulated anew. So does a label that none of the last few had: each one has its
//! own price.

use std::collections::{BTreeSet, VecDeque};

use crate::values::fee;
use crate::values::payload::Inference;
use crate::values::units::{ApiVersion, Gas};

/// So many of the last payloads count.
const INCLUDED_MAX: usize = 5;

/// The labels of an inference; none for one number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeSet<String>);

impl Labels {
    /// Those of this inference.
    #[must_use]
    pub fn of(inference: Option<&Inference>) -> Labels {
        match inference {
            Some(Inference::Labelled(values)) => {
                let each = values.iter();
                Labels(each.map(|one| one.label.trim().to_owned()).collect())
            }
            Some(Inference::Value(_)) | None => Labels::default(),
        }
    }

    fn covers(&self, other: &Labels) -> bool {
        self.0.is_superset(&other.0)
    }
}

/// What a topic knows about the gas of one kind of message.
#[derive(Clone, Debug, Default)]
pub struct GasMemory {
    /// The version that the figures are from: another one does other work for a payload.
    api: Option<ApiVersion>,
    used: VecDeque<(Labels, Gas)>,
    /// What one that ran out of gas needs at least.
    at_least: Option<Gas>,
}

impl GasMemory {
    /// One made for `api` with these labels is in a block with success and used so much.
    pub fn included(&mut self, api: ApiVersion, labels: Labels, used: Gas) {
        if self.api != Some(api) {
            *self = GasMemory::default();
            self.api = Some(api);
        }
        if self.used.len() == INCLUDED_MAX {
            self.used.pop_front();
            // why: as many as count have passed since, each with more than it needed
            self.at_least = None;
        }
        self.used.push_back((labels, used));
    }

    /// One failed in a block, or tells nothing: the next is simulated.
    pub fn forget(&mut self) {
        self.used.clear();
    }

    /// One ran out of gas in a block after using so much.
    pub fn ran_out(&mut self, used: Gas) {
        self.forget();
        self.at_least = self.at_least.max(Some(fee::more_gas(used)));
    }

    /// The most that the last few used in this version; `None`: one with these labels has to be
    /// simulated, since none of the last few had them all.
    #[must_use]
    pub fn used(&self, api: ApiVersion, labels: &Labels) -> Option<Gas> {
        let is_known = self.used.iter().any(|(known, _)| known.covers(labels));
        let used = self.used.iter().map(|(_, used)| *used).max();
        used.filter(|_| is_known && self.api == Some(api))
    }

    /// The least gas limit that makes sense, after one that ran out.
    #[must_use]
    pub fn at_least(&self) -> Option<Gas> {
        self.at_least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V9: ApiVersion = ApiVersion::V9;
    const V10: ApiVersion = ApiVersion::V10;

    fn none() -> Labels {
        Labels::default()
    }

    fn labels(names: &[&str]) -> Labels {
        Labels(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn the_largest_of_the_last_few_counts() {
        let mut memory = GasMemory::default();
        assert_eq!(memory.used(V9, &none()), None, "the first one is simulated");
        for used in [100, 180, 120, 110, 130] {
            memory.included(V9, none(), Gas(used));
        }
        assert_eq!(memory.used(V9, &none()), Some(Gas(180)));
        memory.included(V9, none(), Gas(125));
        memory.included(V9, none(), Gas(125));
        assert_eq!(memory.used(V9, &none()), Some(Gas(130)));
    }

    #[test]
    fn a_failure_or_an_upgrade_has_the_next_one_simulated() {
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
    fn what_ran_out_is_remembered_until_as_many_passed_as_count() {
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
    fn a_label_that_none_of_the_last_few_had_has_the_next_one_simulated() {
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
