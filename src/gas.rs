//! What a topic's payloads take in gas, as far as their blocks told: with it a payload goes out
//! without a simulation before it, one round trip after the model. Pure.
//!
//! A payload's gas moves with the topic's state (the inferers that are active already), so the
//! largest of the last few counts, with a margin on top; whatever fails in a block, or tells nothing,
//! has the next one simulated anew.

use std::collections::VecDeque;

use crate::fee;
use crate::units::{ApiVersion, Gas};

/// So many of the last payloads count.
const INCLUDED_MAX: usize = 5;

/// What a topic knows about the gas of one kind of message.
#[derive(Clone, Debug, Default)]
pub struct GasMemory {
    /// The version that the figures are from: another one does other work for a payload.
    api: Option<ApiVersion>,
    used: VecDeque<Gas>,
    /// What one that ran out of gas needs at least.
    at_least: Option<Gas>,
}

impl GasMemory {
    /// One made for `api` is in a block with success and used so much.
    pub fn included(&mut self, api: ApiVersion, used: Gas) {
        if self.api != Some(api) {
            *self = GasMemory::default();
            self.api = Some(api);
        }
        if self.used.len() == INCLUDED_MAX {
            self.used.pop_front();
            // why: as many as count have passed since, each with more than it needed
            self.at_least = None;
        }
        self.used.push_back(used);
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

    /// The most that the last few used in this version; `None`: the next has to be simulated.
    #[must_use]
    pub fn used(&self, api: ApiVersion) -> Option<Gas> {
        let used = self.used.iter().max().copied();
        used.filter(|_| self.api == Some(api))
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

    #[test]
    fn the_largest_of_the_last_few_counts() {
        let mut memory = GasMemory::default();
        assert_eq!(memory.used(V9), None, "the first one is simulated");
        for used in [100, 180, 120, 110, 130] {
            memory.included(V9, Gas(used));
        }
        assert_eq!(memory.used(V9), Some(Gas(180)));
        memory.included(V9, Gas(125));
        memory.included(V9, Gas(125));
        assert_eq!(memory.used(V9), Some(Gas(130)));
    }

    #[test]
    fn a_failure_or_an_upgrade_has_the_next_one_simulated() {
        let mut memory = GasMemory::default();
        memory.included(V9, Gas(100));
        memory.forget();
        assert_eq!(memory.used(V9), None);
        memory.included(V9, Gas(100));
        assert_eq!(memory.used(V10), None);
        memory.included(V10, Gas(90));
        assert_eq!(memory.used(V10), Some(Gas(90)));
        assert_eq!(memory.used(V9), None);
    }

    #[test]
    fn what_ran_out_is_remembered_until_as_many_passed_as_count() {
        let mut memory = GasMemory::default();
        memory.included(V9, Gas(90));
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
}
