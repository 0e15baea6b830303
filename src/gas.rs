//! What a topic's payloads take in gas, as far as their blocks told: with it a payload goes out
//! without a simulation before it, one round trip after the model. Pure.
//!
//! A payload's gas moves with the topic's state (the inferers that are active already), so the
//! largest of the last few counts, with a margin on top; whatever fails in a block has the next one
//! simulated anew.

use std::collections::VecDeque;

use crate::fee;
use crate::units::{ApiVersion, Gas};

/// So many of the last payloads count.
const INCLUDED_MAX: usize = 5;

/// What is known of the gas for the next payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownGas {
    /// Payloads in blocks used as much as this at most.
    Used(Gas),
    /// A limit that was enough; how much of it was used is not known, as the node has no index.
    Sufficed(Gas),
}

/// What a topic knows about the gas of one kind of message.
#[derive(Clone, Debug, Default)]
pub struct GasMemory {
    /// The version that the figures are from: another one does other work for a payload.
    api: Option<ApiVersion>,
    used: VecDeque<Gas>,
    sufficed: Option<Gas>,
    /// What one that ran out of gas needs at least.
    at_least: Option<Gas>,
}

impl GasMemory {
    /// One is in a block with success and used so much.
    pub fn included(&mut self, api: Option<ApiVersion>, used: Gas) {
        self.keep_only(api);
        if self.used.len() == INCLUDED_MAX {
            self.used.pop_front();
            // why: as many as count have passed since, each with more than it needed
            self.at_least = None;
        }
        self.used.push_back(used);
        self.sufficed = None;
    }

    /// One is in a block with success, and the index does not tell what it used of its limit.
    pub fn included_unseen(&mut self, api: Option<ApiVersion>, limit: Gas) {
        self.keep_only(api);
        self.sufficed = Some(limit);
    }

    /// One failed in a block, for whatever reason: the next is simulated.
    pub fn failed(&mut self) {
        self.used.clear();
        self.sufficed = None;
    }

    /// One ran out of gas in a block after using so much.
    pub fn ran_out(&mut self, used: Gas) {
        self.failed();
        self.at_least = self.at_least.max(Some(fee::more_gas(used)));
    }

    /// What is known for the version in force; `None`: it has to be simulated.
    #[must_use]
    pub fn known(&self, api: Option<ApiVersion>) -> Option<KnownGas> {
        if self.api != api {
            return None;
        }
        let used = self.used.iter().max().copied().map(KnownGas::Used);
        used.or(self.sufficed.map(KnownGas::Sufficed))
    }

    /// The least gas limit that makes sense, after one that ran out.
    #[must_use]
    pub fn at_least(&self) -> Option<Gas> {
        self.at_least
    }

    fn keep_only(&mut self, api: Option<ApiVersion>) {
        if self.api != api {
            self.failed();
            self.api = api;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V9: Option<ApiVersion> = Some(ApiVersion::V9);
    const V10: Option<ApiVersion> = Some(ApiVersion::V10);

    #[test]
    fn the_largest_of_the_last_few_counts() {
        let mut memory = GasMemory::default();
        assert_eq!(memory.known(V9), None, "the first one is simulated");
        for used in [100, 180, 120, 110, 130] {
            memory.included(V9, Gas(used));
        }
        assert_eq!(memory.known(V9), Some(KnownGas::Used(Gas(180))));
        memory.included(V9, Gas(125));
        memory.included(V9, Gas(125));
        assert_eq!(memory.known(V9), Some(KnownGas::Used(Gas(130))));
    }

    #[test]
    fn a_failure_or_an_upgrade_has_the_next_one_simulated() {
        let mut memory = GasMemory::default();
        memory.included(V9, Gas(100));
        memory.failed();
        assert_eq!(memory.known(V9), None);
        memory.included(V9, Gas(100));
        assert_eq!(memory.known(V10), None);
        memory.included(V10, Gas(90));
        assert_eq!(memory.known(V10), Some(KnownGas::Used(Gas(90))));
        assert_eq!(memory.known(V9), None);
    }

    #[test]
    fn what_ran_out_is_remembered_until_as_many_passed_as_count() {
        let mut memory = GasMemory::default();
        memory.ran_out(Gas(100));
        memory.ran_out(Gas(50));
        assert_eq!(memory.at_least(), Some(fee::more_gas(Gas(100))));
        for _ in 0..INCLUDED_MAX {
            memory.included(V9, Gas(110));
            assert!(memory.at_least().is_some());
        }
        memory.included(V9, Gas(110));
        assert_eq!(memory.at_least(), None);
    }

    #[test]
    fn without_an_index_a_limit_that_was_enough_stays() {
        let mut memory = GasMemory::default();
        memory.included_unseen(V9, Gas(200));
        assert_eq!(memory.known(V9), Some(KnownGas::Sufficed(Gas(200))));
        memory.included(V9, Gas(140));
        memory.included_unseen(V9, Gas(180));
        assert_eq!(memory.known(V9), Some(KnownGas::Used(Gas(140))));
    }
}
