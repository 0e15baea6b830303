//! Remembers the gas that a topic's payloads used in their blocks, so that the next one is sent
//! without a simulation: one round trip less after the model's answer. Pure.
//!
//! A payload in a free place uses nearly the same each time, so the largest of the last
//! `RECENT` counts, with a margin. One that evicts another worker uses half as much again: that is
//! remembered for `KEPT_MAX` payloads, and counts where an eviction is possible. After a failure in a
//! block, or a payload whose gas is unknown, the next one is simulated. So is one with a label that
//! none of the last had: each label takes more gas.
//!
//! All of it is a node's word, so none of it is kept for ever.

use std::collections::{BTreeSet, VecDeque};

use crate::values::fee;
use crate::values::payload::Inference;
use crate::values::units::{ApiVersion, Gas};

/// The number of past payloads that count for one in a free place.
const RECENT: usize = 5;
/// The number of past payloads that are kept, for what an eviction used.
const KEPT_MAX: usize = 50;

/// The labels of an inference; none for one number.
pub fn labels_of(inference: Option<&Inference>) -> BTreeSet<String> {
    let values = match inference {
        Some(Inference::Labelled(values)) => values.as_slice(),
        Some(Inference::Value(_)) | None => &[],
    };
    let labels = values.iter().map(|one| one.label.raw().trim().to_owned());
    labels.collect()
}

/// A payload that succeeded in a block.
#[derive(Clone, Debug)]
pub struct Included {
    pub labels: BTreeSet<String>,
    pub used: Gas,
    /// It took the place of another worker.
    pub evicted: bool,
}

/// The gas used by one kind of message of a topic.
#[derive(Clone, Debug, Default)]
pub struct GasMemory {
    /// The version that the figures are from: another one does different work for a payload.
    api: Option<ApiVersion>,
    /// The newest is the last.
    kept: VecDeque<Included>,
    /// The next one has to be simulated.
    is_doubtful: bool,
    ran_out: Option<RanOut>,
}

/// One ran out of gas in a block.
#[derive(Clone, Copy, Debug)]
struct RanOut {
    /// The least gas limit that follows.
    at_least: Gas,
    /// How many were included since.
    included: usize,
}

impl GasMemory {
    /// One made for `api` is in a block with success.
    pub fn included(&mut self, api: ApiVersion, included: Included) {
        if self.api != Some(api) {
            *self = GasMemory::default();
            self.api = Some(api);
        }
        self.succeeded();
        // why: an eviction is what ran out of gas, and now it is known
        self.ran_out = self.ran_out.filter(|_| !included.evicted);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(included);
    }

    /// One is in a block with success, of which nothing else is learnt.
    pub fn succeeded(&mut self) {
        self.is_doubtful = false;
        self.ran_out = self.ran_out.and_then(|ran_out| {
            let included = ran_out.included + 1;
            (included < RECENT).then_some(RanOut {
                included,
                ..ran_out
            })
        });
    }

    /// The next one has to be simulated.
    pub fn forget(&mut self) {
        self.is_doubtful = true;
    }

    /// One ran out of gas in a block after using `used`. The limit that follows from it counts until
    /// an eviction explains it or `RECENT` others succeeded, and stays within what is believed of
    /// such payloads.
    pub fn ran_out(&mut self, used: Gas) {
        self.forget();
        let more = fee::more_gas(used).min(fee::gas_believed_max(self.most()));
        self.ran_out = Some(RanOut {
            at_least: more.max(self.at_least().unwrap_or_default()),
            included: 0,
        });
    }

    /// Whether one with these labels needs no simulation: the last ones of this version had them.
    pub fn knows(&self, api: ApiVersion, labels: &BTreeSet<String>) -> bool {
        let has_them = |included: &Included| included.labels.is_superset(labels);
        !self.is_doubtful && self.api == Some(api) && self.recent().any(has_them)
    }

    fn recent(&self) -> impl Iterator<Item = &Included> {
        self.kept.iter().rev().take(RECENT)
    }

    /// The most that one of the last used in a free place.
    pub fn in_free_place(&self) -> Option<Gas> {
        let free = self.recent().filter(|included| !included.evicted);
        free.map(|included| included.used).max()
    }

    /// The most that one used which evicted another worker.
    pub fn evicting(&self) -> Option<Gas> {
        let evicting = self.kept.iter().filter(|included| included.evicted);
        evicting.map(|included| included.used).max()
    }

    pub fn at_least(&self) -> Option<Gas> {
        self.ran_out.map(|ran_out| ran_out.at_least)
    }

    /// The most that one used in any block, also where the next one has to be simulated.
    pub fn most(&self) -> Option<Gas> {
        self.kept.iter().map(|included| included.used).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V9: ApiVersion = ApiVersion::V9;
    const V10: ApiVersion = ApiVersion::V10;

    fn labels(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn included(names: &[&str], used: u64, evicted: bool) -> Included {
        Included {
            labels: labels(names),
            used: Gas(used),
            evicted,
        }
    }

    fn free(used: u64) -> Included {
        included(&[], used, false)
    }

    fn known(memory: &GasMemory, api: ApiVersion, names: &[&str]) -> Option<Gas> {
        let knows = memory.knows(api, &labels(names));
        memory.in_free_place().filter(|_| knows)
    }

    #[test]
    fn the_largest_of_the_last_five_free_places_counts() {
        let mut memory = GasMemory::default();
        assert_eq!(known(&memory, V9, &[]), None, "the first one is simulated");
        for used in [100, 180, 120, 110, 130] {
            memory.included(V9, free(used));
        }
        assert_eq!(known(&memory, V9, &[]), Some(Gas(180)));
        memory.included(V9, free(125));
        memory.included(V9, free(125));
        assert_eq!(known(&memory, V9, &[]), Some(Gas(130)));
        memory.forget();
        assert_eq!(known(&memory, V9, &[]), None);
        assert_eq!(memory.most(), Some(Gas(180)));
        memory.included(V10, free(90));
        assert_eq!(memory.most(), Some(Gas(90)));
    }

    #[test]
    fn an_eviction_is_remembered_and_says_nothing_about_free_places() {
        let mut memory = GasMemory::default();
        memory.included(V10, free(140));
        memory.included(V10, included(&[], 203, true));
        memory.included(V10, included(&[], 199, true));
        assert_eq!(known(&memory, V10, &[]), Some(Gas(140)));
        for _ in 2..KEPT_MAX {
            memory.included(V10, free(141));
            assert_eq!(memory.evicting(), Some(Gas(203)));
        }
        memory.forget();
        assert_eq!(memory.evicting(), Some(Gas(203)));
        memory.included(V10, free(141));
        assert_eq!(
            memory.evicting(),
            Some(Gas(199)),
            "the other is too long ago"
        );
        memory.included(V10, free(141));
        assert_eq!(memory.evicting(), None);
        memory.included(V10, included(&[], 203, true));
        memory.included(V9, free(130));
        assert_eq!(memory.evicting(), None, "another version does other work");
        let mut always = GasMemory::default();
        always.included(V10, included(&[], 203, true));
        assert!(always.knows(V10, &labels(&[])) && always.in_free_place().is_none());
    }

    #[test]
    fn after_a_failure_or_an_upgrade_the_next_one_is_simulated() {
        let mut memory = GasMemory::default();
        memory.included(V9, free(100));
        memory.forget();
        assert_eq!(known(&memory, V9, &[]), None);
        memory.included(V9, free(100));
        assert_eq!(known(&memory, V10, &[]), None);
        memory.included(V10, free(90));
        assert_eq!(known(&memory, V10, &[]), Some(Gas(90)));
        assert_eq!(known(&memory, V9, &[]), None);
    }

    #[test]
    fn a_higher_gas_limit_is_kept_until_an_eviction_explains_it_or_enough_payloads_need_no_more() {
        let mut memory = GasMemory::default();
        memory.included(V9, free(90));
        memory.ran_out(Gas(100));
        memory.ran_out(Gas(50));
        assert_eq!(memory.at_least(), Some(fee::more_gas(Gas(100))));
        memory.included(V9, included(&[], 135, true));
        assert_eq!(memory.at_least(), None);
        assert_eq!(memory.evicting(), Some(Gas(135)));
        memory.ran_out(Gas(200));
        for _ in 1..RECENT {
            memory.included(V9, free(90));
            assert_eq!(memory.at_least(), Some(fee::more_gas(Gas(200))));
        }
        memory.included(V9, free(90));
        assert_eq!(memory.at_least(), None);
    }

    #[test]
    fn running_out_again_and_again_raises_the_limit_no_further_than_is_believed() {
        let mut memory = GasMemory::default();
        memory.included(V10, free(140_000));
        for _ in 0..100 {
            memory.ran_out(memory.at_least().unwrap_or(Gas(190_000)));
        }
        let believed = fee::gas_believed_max(Some(Gas(140_000)));
        assert_eq!(memory.at_least(), Some(believed));
    }

    #[test]
    fn a_payload_with_an_unseen_label_is_simulated() {
        let mut memory = GasMemory::default();
        memory.included(V10, included(&["up", "down"], 100, false));
        memory.included(V10, included(&["flat"], 120, false));
        for names in [&["up", "down"][..], &["down"], &["flat"]] {
            assert_eq!(known(&memory, V10, names), Some(Gas(120)), "{names:?}");
        }
        for new in [&["up", "down", "flat"][..], &["sideways"]] {
            assert_eq!(known(&memory, V10, new), None, "{new:?}");
        }
        for _ in 0..RECENT {
            memory.included(V10, included(&["flat"], 90, false));
        }
        assert_eq!(known(&memory, V10, &["up"]), None, "too long ago");
    }

    #[test]
    fn payloads_that_are_not_admitted_end_the_doubt_after_one_ran_out_of_gas() {
        let mut memory = GasMemory::default();
        memory.included(V10, included(&[], 100_000, false));
        memory.ran_out(Gas(150_000));
        assert!(!memory.knows(V10, &labels(&[])));
        for succeeded in 1..=RECENT {
            assert!(memory.at_least().is_some(), "{succeeded}");
            memory.succeeded();
            assert!(memory.knows(V10, &labels(&[])), "{succeeded}");
        }
        assert_eq!(memory.at_least(), None);
        assert_eq!(memory.in_free_place(), Some(Gas(100_000)));
    }
}
