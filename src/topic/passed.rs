//! Accounts for windows that no look has shown. They follow from the schedule: the window that the
//! last status announced, and those that opened every epoch after it until the next status. Pure.
//!
//! A topic that was inactive for a while opens its windows at other blocks afterwards, and so does
//! one whose opening the chain has put off. Then it is not known how many there were.

use crate::values::topic::WindowStatus;
use crate::values::units::{Height, Nonce};

/// Nonces that are one or several epochs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonces {
    pub(super) first: Nonce,
    pub(super) last: Nonce,
    pub(super) count: u64,
    epoch_blocks: u64,
}

/// Windows that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    None,
    /// Exactly these.
    Known(Nonces),
    /// The windows moved meanwhile: at most as many as these.
    AtMost(Nonces),
}

/// What is accounted for.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounted {
    /// The window that the last status announced, if the worker was registered then.
    announced: Option<Nonce>,
    /// The first window that this process could serve.
    first: Option<Nonce>,
    /// What happened before this window is known, or has been asked for.
    is_past_known: bool,
}

impl Nonces {
    /// The nonces one epoch apart from `end` down to above `above`, without `end` itself.
    fn before(end: Nonce, above: Nonce, epoch_blocks: u64) -> Option<Nonces> {
        let count = end.0.checked_sub(above.0)?.checked_sub(1)? / epoch_blocks.max(1);
        let last = Nonce(end.0.saturating_sub(epoch_blocks));
        let back = count.checked_sub(1)?.saturating_mul(epoch_blocks);
        Some(Nonces {
            first: Nonce(last.0.saturating_sub(back)),
            last,
            count,
            epoch_blocks,
        })
    }

    /// This one, of a topic whose epochs have this length.
    pub(super) fn one(nonce: Nonce, epoch_blocks: Option<u64>) -> Nonces {
        Nonces {
            first: nonce,
            last: nonce,
            count: 1,
            epoch_blocks: epoch_blocks.unwrap_or(1).max(1),
        }
    }

    /// All but the oldest ones.
    pub(super) fn without_oldest(&self, count: u64) -> Option<Nonces> {
        let rest = self.count.checked_sub(count).filter(|rest| *rest > 0)?;
        let skipped = count.saturating_mul(self.epoch_blocks);
        Some(Nonces {
            first: Nonce(self.first.0.saturating_add(skipped)),
            count: rest,
            ..*self
        })
    }

    /// How many of them are in the other row too; both have the same epochs, or nothing is known of
    /// that.
    pub(super) fn common_with(&self, other: &Nonces) -> u64 {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        let fits = self.epoch_blocks == other.epoch_blocks && self.contains(first);
        if !fits || !other.contains(first) || last < first {
            return 0;
        }
        (last.0 - first.0) / self.epoch_blocks.max(1) + 1
    }

    pub(super) fn contains(&self, nonce: Nonce) -> bool {
        let is_between = self.first <= nonce && nonce <= self.last;
        is_between && (nonce.0 - self.first.0).is_multiple_of(self.epoch_blocks.max(1))
    }

    /// Adds these, if they follow one epoch later.
    pub(super) fn append(&mut self, later: &Nonces) -> bool {
        let follows = self.last.0.checked_add(self.epoch_blocks) == Some(later.first.0)
            && self.epoch_blocks == later.epoch_blocks;
        if follows {
            (self.last, self.count) = (later.last, self.count.saturating_add(later.count));
        }
        follows
    }

    /// The oldest ones, up to `count`.
    pub(super) fn oldest(&self, count: u64) -> impl Iterator<Item = Nonce> + use<> {
        let (first, epoch_blocks) = (self.first.0, self.epoch_blocks);
        let count = count.min(self.count);
        (0..count).map(move |at| Nonce(first.saturating_add(at.saturating_mul(epoch_blocks))))
    }
}

impl Accounted {
    /// Notes a status that counts, read at `height`. Gives the windows that opened and closed since
    /// the status before without being seen.
    pub(super) fn saw(
        &mut self,
        status: &WindowStatus,
        height: Height,
        epoch_blocks: Option<u64>,
    ) -> Passed {
        let open = status.open.filter(|window| height < window.end);
        let next = status.next.filter(|window| height < window.end);
        let next = next.map(|window| window.nonce);
        // the oldest window that is not over
        let to_come = open.map(|window| window.nonce).or(next);
        let announced = self.announced.take();
        self.announced = next.filter(|_| status.is_registered);
        self.first = self.first.or(to_come);
        let known = announced.zip(to_come).zip(epoch_blocks);
        let Some(((announced, to_come), epoch_blocks)) = known else {
            return Passed::None;
        };
        windows(announced, to_come, epoch_blocks)
    }

    /// What was announced does not count.
    pub(super) fn interrupted(&mut self) {
        self.announced = None;
    }

    /// Whether "served?" was answered, so that what happened before the start is known.
    pub(super) fn is_past_known(&self) -> bool {
        self.is_past_known
    }

    /// The windows of less than `blocks` blocks that ended unserved before this process could serve
    /// any, once the chain names the nonce that it `served` last; given once. Those before that one
    /// are not known.
    pub(super) fn before_start(
        &mut self,
        served: Option<Nonce>,
        epoch_blocks: u64,
        blocks: u64,
    ) -> Passed {
        let first = self.first.filter(|_| !self.is_past_known);
        let Some((first, served)) = first.zip(served) else {
            return Passed::None;
        };
        self.is_past_known = true;
        if served.0 == 0 || first.0.saturating_sub(served.0) > blocks {
            return Passed::None;
        }
        let Some(nonces) = Nonces::before(first, served, epoch_blocks) else {
            return Passed::None;
        };
        if (first.0 - served.0).is_multiple_of(epoch_blocks) {
            Passed::Known(nonces)
        } else {
            Passed::AtMost(nonces)
        }
    }
}

/// The windows from the `announced` one to before the one `to_come`.
fn windows(announced: Nonce, to_come: Nonce, epoch_blocks: u64) -> Passed {
    let above = Nonce(announced.0.saturating_sub(1));
    match Nonces::before(to_come, above, epoch_blocks) {
        None => Passed::None,
        Some(nonces) if nonces.first == announced => Passed::Known(nonces),
        Some(nonces) => Passed::AtMost(nonces),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::topic::{TopicLengths, Window};

    const LENGTHS: TopicLengths = TopicLengths {
        epoch_blocks: 20,
        window_blocks: 6,
    };

    fn status(height: u64, epochs: &[u64], lengths: TopicLengths, active: bool) -> WindowStatus {
        let window = |nonce: u64| Window {
            nonce: Nonce(nonce),
            end: Height(nonce + lengths.window_blocks),
        };
        let opened = epochs.iter().rev().find(|nonce| **nonce <= height);
        let open = opened.filter(|nonce| height <= *nonce + lengths.window_blocks);
        let next = epochs.iter().find(|nonce| **nonce > height);
        WindowStatus {
            open: open.copied().map(window),
            next: next.copied().filter(|_| active).map(window),
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: active,
        }
    }

    fn regular(height: u64) -> WindowStatus {
        let epochs: Vec<u64> = (0..100).map(|at| 100 + at * 20).collect();
        status(height, &epochs, LENGTHS, true)
    }

    fn saw(account: &mut Accounted, height: u64) -> Passed {
        account.saw(&regular(height), Height(height), Some(LENGTHS.epoch_blocks))
    }

    fn known(passed: Passed) -> Vec<u64> {
        match passed {
            Passed::None => Vec::new(),
            Passed::Known(nonces) => nonces.oldest(u64::MAX).map(|nonce| nonce.0).collect(),
            Passed::AtMost(nonces) => panic!("at most {nonces:?}"),
        }
    }

    #[test]
    fn the_windows_between_two_looks_are_known() {
        let mut account = Accounted::default();
        assert_eq!(known(saw(&mut account, 111)), [0; 0], "nothing before");
        assert_eq!(known(saw(&mut account, 119)), [0; 0]);
        assert_eq!(known(saw(&mut account, 120)), [0; 0], "it is being served");
        assert_eq!(known(saw(&mut account, 130)), [0; 0], "it was seen");
        assert_eq!(known(saw(&mut account, 199)), [140, 160, 180]);
        // in its last block a window takes nothing any more
        assert_eq!(known(saw(&mut account, 206)), [200]);
        assert_eq!(known(saw(&mut account, 207)), [0; 0], "given once");
        assert_eq!(known(saw(&mut account, 240)), [220]);
    }

    #[test]
    fn nothing_is_claimed_of_a_topic_that_was_not_registered_or_inactive() {
        let mut account = Accounted::default();
        let mut unregistered = regular(111);
        unregistered.is_registered = false;
        account.saw(&unregistered, Height(111), Some(LENGTHS.epoch_blocks));
        assert_eq!(saw(&mut account, 199), Passed::None);
        let inactive = status(208, &[], LENGTHS, false);
        account.saw(&inactive, Height(208), Some(LENGTHS.epoch_blocks));
        assert_eq!(saw(&mut account, 299), Passed::None);
        assert_eq!(account.saw(&regular(350), Height(350), None), Passed::None);
    }

    #[test]
    fn a_next_window_that_is_over_already_announces_nothing() {
        let mut account = Accounted::default();
        let lie = WindowStatus::serving(None, Some((100, 106)));
        let passed = account.saw(&lie, Height(5_000), Some(LENGTHS.epoch_blocks));
        assert_eq!(passed, Passed::None);
        let honest = WindowStatus::serving(Some((5_000, 5_006)), Some((5_020, 5_026)));
        let passed = account.saw(&honest, Height(5_001), Some(LENGTHS.epoch_blocks));
        assert_eq!(passed, Passed::None, "not the 245 since then");
    }

    #[test]
    fn windows_that_have_moved_are_not_counted() {
        let mut account = Accounted::default();
        saw(&mut account, 111);
        // inactive from 125 on, active again at 187
        let moved = status(200, &[207, 227], LENGTHS, true);
        let passed = account.saw(&moved, Height(200), Some(LENGTHS.epoch_blocks));
        let Passed::AtMost(nonces) = passed else {
            panic!("{passed:?}");
        };
        assert_eq!(nonces.count, 4);
        // an opening that the chain puts off by some blocks is no window that passed
        let mut account = Accounted::default();
        saw(&mut account, 111);
        let late = status(125, &[124, 144], LENGTHS, true);
        let passed = account.saw(&late, Height(125), Some(LENGTHS.epoch_blocks));
        assert_eq!(passed, Passed::None);
    }

    #[test]
    fn a_chain_that_was_set_back_has_passed_nothing() {
        let mut account = Accounted::default();
        saw(&mut account, 511);
        assert_eq!(saw(&mut account, 111), Passed::None);
        assert_eq!(known(saw(&mut account, 139)), [120]);
    }

    #[test]
    fn what_ended_before_the_start_follows_from_the_nonce_served_last() {
        const DAY: u64 = 17_280;
        let started_at_199 = || {
            let mut account = Accounted::default();
            saw(&mut account, 199);
            account
        };
        let before =
            |served: Option<u64>| started_at_199().before_start(served.map(Nonce), 20, DAY);
        assert_eq!(known(before(Some(140))), [160, 180]);
        assert_eq!(before(Some(180)), Passed::None, "the newest one is served");
        assert_eq!(before(Some(220)), Passed::None);
        assert_eq!(before(Some(0)), Passed::None, "none was ever served");
        assert!(matches!(before(Some(133)), Passed::AtMost(of) if of.count == 3));
        let mut account = started_at_199();
        assert_eq!(account.before_start(Some(Nonce(100)), 20, 90), Passed::None);
        let mut account = started_at_199();
        assert_eq!(account.before_start(None, 20, DAY), Passed::None);
        assert_eq!(
            known(account.before_start(Some(Nonce(160)), 20, DAY)),
            [180]
        );
        let again = account.before_start(Some(Nonce(160)), 20, DAY);
        assert_eq!(again, Passed::None, "given once");
    }

    #[test]
    fn a_row_of_nonces_grows_and_is_compared_with_others() {
        let row = |first, count| Nonces {
            first: Nonce(first),
            last: Nonce(first + (count - 1) * 20),
            count,
            epoch_blocks: 20,
        };
        let mut of = row(100, 3);
        assert!(of.contains(Nonce(140)) && !of.contains(Nonce(130)) && !of.contains(Nonce(160)));
        assert!(!of.append(&row(180, 1)), "one is missing between them");
        assert!(of.append(&row(160, 2)));
        assert_eq!(of, row(100, 5));
        assert_eq!(of.without_oldest(3), Some(row(160, 2)));
        assert_eq!(of.without_oldest(5), None);
        assert_eq!(of.common_with(&row(140, 9)), 3);
        assert_eq!(row(140, 9).common_with(&of), 3);
        assert_eq!(of.common_with(&row(200, 1)), 0);
        assert_eq!(of.common_with(&row(110, 4)), 0, "at other blocks");
    }

    proptest! {
        /// However the looks fall, each window of an active topic is either seen in time to serve
        /// it, or passed, and never both.
        #[test]
        fn every_window_is_seen_or_passed_once(
            epoch_blocks in 2_u64..50,
            part in 0_u64..100,
            offset in 1_u64..1_000,
            steps in proptest::collection::vec(1_u64..200, 1..40),
        ) {
            let lengths = TopicLengths { epoch_blocks, window_blocks: 1 + part % (epoch_blocks - 1) };
            let epochs: Vec<u64> = (0..5_000).map(|at| offset + at * epoch_blocks).collect();
            let mut account = Accounted::default();
            let mut accounted: Vec<u64> = Vec::new();
            let (mut height, mut first) = (offset, None);
            for step in steps {
                height += step;
                let status = status(height, &epochs, lengths, true);
                let passed = known(account.saw(&status, Height(height), Some(epoch_blocks)));
                accounted.extend(passed);
                let open = status.open.filter(|window| height < window.end.0);
                let open = open.map(|window| window.nonce.0);
                if open.is_some() && accounted.last() != open.as_ref() {
                    accounted.extend(open);
                }
                first = first.or(open).or(status.next.map(|window| window.nonce.0));
            }
            let is_over = |nonce: u64| nonce + lengths.window_blocks <= height;
            let since = first.unwrap();
            let opened = epochs.into_iter().filter(|nonce| *nonce >= since && *nonce <= height);
            let expected: Vec<u64> = opened
                .filter(|nonce| is_over(*nonce) || accounted.contains(nonce))
                .collect();
            prop_assert_eq!(accounted, expected);
        }
    }
}
