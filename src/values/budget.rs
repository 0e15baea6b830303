//! A limit on the fees that are signed within 24 hours. It holds no matter what the chain reports
//! about the transactions.
//!
//! An endpoint can claim that a transaction was refused, lost or never paid for. So every fee
//! counts from the moment it is signed. Fees are summed in `SLOT`s: a day of any number of
//! transactions takes at most `SLOTS_MAX` entries.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::values::amount;
use crate::values::units::{Sequence, Uallo};

/// How long a signed fee counts.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Fees signed within one slot stop counting together, when the newest of them is a day old.
const SLOT: Duration = Duration::from_secs(10 * 60);
/// For how many sequences the counted fee is remembered.
const SEQUENCES_MAX: usize = 64;
/// Slots that can count at once: those of a day, the one that has just begun, and the one that
/// ends.
#[cfg(test)]
const SLOTS_MAX: usize = 24 * 6 + 2;

/// The fees that were signed within the last 24 hours, and how much they may add up to.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: Uallo,
    slots: VecDeque<Slot>,
    /// For each of the last sequences the fee that counts, and the beginning of its slot.
    sequences: BTreeMap<Sequence, (Uallo, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    begin: Instant,
    newest: Instant,
    signed: Uallo,
}

/// The limit does not allow another fee now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} of fees were signed in 24 h, max_fee_per_day_uallo allows {}; {}",
    amount::apart(*.signed, *.limit)[0],
    amount::apart(*.signed, *.limit)[1],
    until_text(*.wait)
)]
pub struct OverBudget {
    /// Signed within the last 24 hours.
    pub signed: Uallo,
    /// What may be signed within 24 hours.
    pub limit: Uallo,
    /// How long until enough of it no longer counts; `None` if the fee alone exceeds the limit.
    pub wait: Option<Duration>,
}

fn until_text(wait: Option<Duration>) -> String {
    wait.map_or_else(
        || "raise it: one fee alone exceeds it".to_owned(),
        |wait| format!("sending continues in {} min", wait.as_secs().div_ceil(60)),
    )
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limit: Uallo) -> Budget {
        Budget {
            limit,
            slots: VecDeque::new(),
            sequences: BTreeMap::new(),
        }
    }

    /// What was signed in the 24 hours before `now`.
    pub fn signed(&self, now: Instant) -> Uallo {
        let counted = self.slots.iter().filter(|slot| slot.counts(now));
        Uallo(counted.fold(0, |sum, slot| sum.saturating_add(slot.signed.0)))
    }

    /// Whether `fee` may be signed for `sequence` at `now`. It is not counted yet.
    ///
    /// # Errors
    /// When the fees of 24 hours would exceed the limit.
    pub fn allows(&self, fee: Uallo, sequence: Sequence, now: Instant) -> Result<(), OverBudget> {
        let signed = self.signed(now);
        let more = fee.0.saturating_sub(self.counted_for(sequence, now).0);
        let total = signed.0.saturating_add(more);
        if total <= self.limit.0 {
            return Ok(());
        }
        let mut excess = total - self.limit.0;
        let mut counted = self.slots.iter().filter(|slot| slot.counts(now));
        let wait = counted.find_map(|slot| {
            excess = excess.saturating_sub(slot.signed.0);
            (excess == 0).then(|| slot.newest + DAY - now)
        });
        Err(OverBudget {
            signed,
            limit: self.limit,
            wait: wait.filter(|_| fee <= self.limit),
        })
    }

    /// Counts a fee that is signed for `sequence` at `now`. The chain takes one transaction per
    /// sequence, so of several with the same sequence the largest fee counts, from now on. Returns
    /// by how much the sum of all fees has grown.
    pub fn sign(&mut self, fee: Uallo, sequence: Sequence, now: Instant) -> Uallo {
        while self.slots.front().is_some_and(|slot| !slot.counts(now)) {
            self.slots.pop_front();
        }
        let before = self.counted_for(sequence, now);
        if let Some((_, begin)) = self.sequences.remove(&sequence)
            && let Some(slot) = self.slots.iter_mut().find(|slot| slot.begin == begin)
        {
            slot.signed = Uallo(slot.signed.0.saturating_sub(before.0));
        }
        let counted = fee.max(before);
        let begin = self.count(counted, now);
        self.sequences.insert(sequence, (counted, begin));
        while self.sequences.len() > SEQUENCES_MAX {
            let oldest = self.sequences.iter().min_by_key(|(_, (_, begin))| *begin);
            let oldest = oldest.map(|(sequence, _)| *sequence);
            oldest.map(|sequence| self.sequences.remove(&sequence));
        }
        Uallo(counted.0.saturating_sub(before.0))
    }

    /// What may be signed within 24 hours.
    pub fn limit(&self) -> Uallo {
        self.limit
    }

    /// Adds to the slot of `now`, and returns the slot's beginning.
    fn count(&mut self, fee: Uallo, now: Instant) -> Instant {
        if let Some(slot) = self.slots.back_mut()
            && now.saturating_duration_since(slot.begin) < SLOT
        {
            slot.newest = slot.newest.max(now);
            slot.signed = Uallo(slot.signed.0.saturating_add(fee.0));
            return slot.begin;
        }
        self.slots.push_back(Slot {
            begin: now,
            newest: now,
            signed: fee,
        });
        now
    }

    /// The fee that counts for this sequence at `now`.
    fn counted_for(&self, sequence: Sequence, now: Instant) -> Uallo {
        let counts = |begin: Instant| {
            let mut slots = self.slots.iter().filter(|slot| slot.begin == begin);
            slots.any(|slot| slot.counts(now))
        };
        let before = self.sequences.get(&sequence);
        let before = before.filter(|(_, begin)| counts(*begin));
        before.map_or(Uallo(0), |(fee, _)| *fee)
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
        budget.sign(Uallo(60), Sequence(1), start);
        assert_eq!(budget.allows(Uallo(40), Sequence(2), start), Ok(()));
        let refused = budget
            .allows(Uallo(41), Sequence(2), start + HOUR)
            .unwrap_err();
        assert_eq!((refused.signed, refused.limit), (Uallo(60), Uallo(100)));
        assert_eq!(refused.wait, Some(DAY - HOUR));
        assert!(
            budget
                .allows(
                    Uallo(41),
                    Sequence(2),
                    start + DAY - Duration::from_nanos(1)
                )
                .is_err()
        );
        assert_eq!(budget.allows(Uallo(41), Sequence(2), start + DAY), Ok(()));
    }

    #[test]
    fn a_fee_above_the_limit_is_never_allowed() {
        let budget = Budget::new(Uallo(100));
        let refused = budget
            .allows(Uallo(101), Sequence(2), Instant::now())
            .unwrap_err();
        assert_eq!(refused.wait, None, "time does not help");
        assert!(
            budget
                .allows(Uallo(u128::MAX), Sequence(2), Instant::now())
                .is_err()
        );
    }

    #[test]
    fn of_one_sequence_the_largest_fee_counts() {
        let now = Instant::now();
        let mut budget = Budget::new(Uallo(100));
        for (fee, more) in [(60, 60), (70, 10), (50, 0)] {
            assert_eq!(budget.sign(Uallo(fee), Sequence(7), now), Uallo(more));
        }
        assert_eq!(budget.signed(now), Uallo(70));
        assert_eq!(budget.allows(Uallo(100), Sequence(7), now), Ok(()));
        assert!(budget.allows(Uallo(31), Sequence(8), now).is_err());
    }

    #[test]
    fn a_sequence_that_no_longer_counts_is_counted_again() {
        let start = Instant::now();
        let mut budget = Budget::new(Uallo(100));
        budget.sign(Uallo(60), Sequence(7), start);
        budget.sign(Uallo(60), Sequence(7), start + DAY);
        assert_eq!(budget.signed(start + DAY), Uallo(60));
    }

    proptest! {
        /// Against a plain list of every fee: the budget never allows more than the list would, and
        /// gives back what is used within a slot of the exact moment.
        #[test]
        fn no_day_holds_more_than_the_limit(
            fees in prop::collection::vec((0_u64..7_200, 0_u128..50, 0_u64..3), 1..400),
        ) {
            let start = Instant::now();
            let mut budget = Budget::new(Uallo(300));
            let (mut now, mut sequence) = (start, Sequence(0));
            let mut signed: BTreeMap<Sequence, Vec<(Instant, u128)>> = BTreeMap::new();
            for (later, fee, step) in fees {
                sequence = Sequence(sequence.0 + step);
                now += Duration::from_secs(later);
                if budget.allows(Uallo(fee), sequence, now).is_ok() {
                    budget.sign(Uallo(fee), sequence, now);
                    signed.entry(sequence).or_default().push((now, fee));
                }
                let within = |time: Duration| -> u128 {
                    let is_young = |at: &Instant| now.saturating_duration_since(*at) < time;
                    let largest = |fees: &Vec<(Instant, u128)>| {
                        let young = fees.iter().filter(|(at, _)| is_young(at));
                        young.map(|(_, fee)| *fee).max().unwrap_or(0)
                    };
                    signed.values().map(largest).sum()
                };
                prop_assert!(within(DAY) <= 300);
                prop_assert!(within(DAY) <= budget.signed(now).0);
                prop_assert!(budget.slots.len() <= SLOTS_MAX);
            }
        }
    }
}
