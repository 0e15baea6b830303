//! A limit on what is signed within 24 hours, whatever the chain says became of it.
//!
//! An endpoint can claim that a transaction was refused, lost or never paid for. So every fee
//! counts from the moment it is signed. Fees are summed in [`SLOT`]s: a day of any number of
//! transactions takes at most [`SLOTS_MAX`] entries.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::values::units::Uallo;

/// How long a signed fee counts.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Fees signed within one slot stop counting together, when the newest of them is a day old.
const SLOT: Duration = Duration::from_secs(10 * 60);
/// Slots that can count at once: those of a day, the one that has just begun, and the one that
/// ends.
#[cfg(test)]
const SLOTS_MAX: usize = 24 * 6 + 2;

/// The fees that were signed within the last 24 hours, and how much they may add up to.
#[derive(Debug)]
pub struct Budget {
    limit: Uallo,
    slots: VecDeque<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    begin: Instant,
    newest: Instant,
    signed: Uallo,
}

/// The limit does not allow another fee now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// Signed within the last 24 hours.
    pub signed: Uallo,
    /// What may be signed within 24 hours.
    pub limit: Uallo,
    /// When enough of it no longer counts; `None` if the fee alone exceeds the limit.
    pub until: Option<Instant>,
}

impl Budget {
    /// A budget of which nothing is used.
    #[must_use]
    pub fn new(limit: Uallo) -> Budget {
        Budget {
            limit,
            slots: VecDeque::new(),
        }
    }

    /// What was signed in the 24 hours before `now`.
    #[must_use]
    pub fn signed(&self, now: Instant) -> Uallo {
        let counted = self.slots.iter().filter(|slot| slot.counts(now));
        Uallo(counted.fold(0, |sum, slot| sum.saturating_add(slot.signed.0)))
    }

    /// Whether `fee` may be signed at `now`. It is not counted yet.
    ///
    /// # Errors
    /// When the fees of 24 hours would exceed the limit.
    pub fn allows(&self, fee: Uallo, now: Instant) -> Result<(), OverBudget> {
        let signed = self.signed(now);
        let total = signed.0.saturating_add(fee.0);
        if total <= self.limit.0 {
            return Ok(());
        }
        let mut excess = total - self.limit.0;
        let until = self.slots.iter().filter(|slot| slot.counts(now));
        let until = until.into_iter().find_map(|slot| {
            excess = excess.saturating_sub(slot.signed.0);
            (excess == 0).then(|| slot.newest + DAY)
        });
        Err(OverBudget {
            signed,
            limit: self.limit,
            until,
        })
    }

    /// Counts a fee that is signed at `now`. `instead_of` is the fee of a transaction with the same
    /// sequence that was counted before: the chain takes only one of the two, so the larger counts.
    pub fn sign(&mut self, fee: Uallo, instead_of: Uallo, now: Instant) {
        while self.slots.front().is_some_and(|slot| !slot.counts(now)) {
            self.slots.pop_front();
        }
        let more = Uallo(fee.0.saturating_sub(instead_of.0));
        match self.slots.back_mut() {
            Some(slot) if now.saturating_duration_since(slot.begin) < SLOT => {
                slot.newest = slot.newest.max(now);
                slot.signed = Uallo(slot.signed.0.saturating_add(more.0));
            }
            _ => self.slots.push_back(Slot {
                begin: now,
                newest: now,
                signed: more,
            }),
        }
    }
}

impl Slot {
    fn counts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.newest) < DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_fee_counts_for_a_day_and_not_longer() {
        let start = Instant::now();
        let mut budget = Budget::new(Uallo(100));
        budget.sign(Uallo(60), Uallo(0), start);
        assert_eq!(budget.allows(Uallo(40), start), Ok(()));
        let refused = budget.allows(Uallo(41), start + HOUR).unwrap_err();
        assert_eq!((refused.signed, refused.limit), (Uallo(60), Uallo(100)));
        assert_eq!(refused.until, Some(start + DAY));
        assert!(
            budget
                .allows(Uallo(41), start + DAY - Duration::from_nanos(1))
                .is_err()
        );
        assert_eq!(budget.allows(Uallo(41), start + DAY), Ok(()));
    }

    #[test]
    fn a_fee_above_the_limit_is_never_allowed() {
        let budget = Budget::new(Uallo(100));
        let refused = budget.allows(Uallo(101), Instant::now()).unwrap_err();
        assert_eq!(refused.until, None, "time does not help");
        assert!(budget.allows(Uallo(u128::MAX), Instant::now()).is_err());
    }

    #[test]
    fn a_fee_that_replaces_another_counts_only_what_it_adds() {
        let now = Instant::now();
        let mut budget = Budget::new(Uallo(100));
        budget.sign(Uallo(60), Uallo(0), now);
        budget.sign(Uallo(70), Uallo(60), now);
        budget.sign(Uallo(50), Uallo(70), now);
        assert_eq!(budget.signed(now), Uallo(70));
    }

    proptest! {
        /// Against a plain list of every fee: the budget never allows more than the list would, and
        /// gives back what is used within a slot of the exact moment.
        #[test]
        fn no_day_holds_more_than_the_limit(
            fees in prop::collection::vec((0_u64..7_200, 0_u128..50), 1..400),
        ) {
            let start = Instant::now();
            let mut budget = Budget::new(Uallo(300));
            let (mut now, mut signed) = (start, Vec::new());
            for (later, fee) in fees {
                now += Duration::from_secs(later);
                if budget.allows(Uallo(fee), now).is_ok() {
                    budget.sign(Uallo(fee), Uallo(0), now);
                    signed.push((now, fee));
                }
                let within = |time: Duration| -> u128 {
                    let is_young = |at: &Instant| now.saturating_duration_since(*at) < time;
                    signed.iter().filter(|(at, _)| is_young(at)).map(|(_, fee)| fee).sum()
                };
                prop_assert!(within(DAY) <= 300);
                prop_assert!(budget.signed(now).0 <= within(DAY + SLOT));
                prop_assert!(budget.slots.len() <= SLOTS_MAX);
            }
        }
    }
}
