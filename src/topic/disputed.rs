//! Accounts for the windows that each endpoint names, for the time in which endpoints dispute the
//! schedule: which windows are over, which of them have an outcome, who named them, and in whose
//! windows a payload was included. Pure.

use std::time::SystemTime;

use super::passed::{Accounted, Nonces, Passed};
use super::recent::{RECENT_MAX, RecentNonces};
use crate::chain::endpoints::EndpointId;
use crate::values::topic::{Window, WindowStatus};
use crate::values::units::{Height, Nonce};

/// How many rows of nonces with an outcome are remembered. Nonces one epoch apart are one row.
const ENDED_MAX: usize = 32;

/// What each endpoint named, and what has an outcome.
#[derive(Clone, Debug, Default)]
pub(super) struct NamedWindows {
    list: Vec<NamedBy>,
    ended: Vec<Nonces>,
    /// The nonces that were served last in a dispute.
    doubted: RecentNonces,
}

#[derive(Clone, Debug)]
struct NamedBy {
    endpoint: EndpointId,
    /// The windows that it called open and that are not over, up to `RECENT_MAX`.
    open: Vec<Window>,
    accounted: Accounted,
    /// When it gave its last status.
    heard_at: SystemTime,
    /// The nonces that it named last.
    named: RecentNonces,
    /// The length of an epoch by its last word.
    epoch_blocks: Option<u64>,
    /// The last nonce that it named and for which a payload was included, and the length of an epoch
    /// then; 0 if that was not known or cannot be.
    proved: Option<(Nonce, u64)>,
    /// What is over by its word, since [`NamedWindows::take_over`].
    over: Vec<Over>,
}

/// What is over by the word of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The endpoint called it open before.
    Seen(Nonce),
    /// They passed after the status that it gave then, and before the next one.
    Passed(Passed, SystemTime),
}

/// Who names a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Witnesses {
    pub(super) by: Vec<EndpointId>,
    pub(super) not_by: Vec<EndpointId>,
    /// For one of those that name it, it lies whole epochs from a window that is proved.
    is_proved: bool,
}

impl Witnesses {
    /// Whether more than the word of a single endpoint says that there is this window.
    pub(super) fn suffice(&self) -> bool {
        self.is_proved || self.by.len() > 1
    }
}

impl NamedBy {
    /// Whether this nonce lies whole epochs from the one that is proved. Others are not proved: an
    /// endpoint that named true windows may invent some later.
    fn proves(&self, nonce: Nonce) -> bool {
        self.proved.is_some_and(|(proved, epoch_blocks)| {
            nonce.0.abs_diff(proved.0).is_multiple_of(epoch_blocks)
        })
    }
}

impl NamedWindows {
    fn of(&mut self, endpoint: EndpointId, now: SystemTime) -> &mut NamedBy {
        let place = self.list.iter().position(|of| of.endpoint == endpoint);
        let place = place.unwrap_or_else(|| {
            self.list.push(NamedBy {
                endpoint,
                open: Vec::new(),
                accounted: Accounted::default(),
                heard_at: now,
                named: RecentNonces::default(),
                epoch_blocks: None,
                proved: None,
                over: Vec::new(),
            });
            self.list.len() - 1
        });
        &mut self.list[place]
    }

    /// Notes a status of this endpoint that counts; an epoch has `epoch_blocks` by its word.
    pub(super) fn heard(
        &mut self,
        endpoint: EndpointId,
        status: &WindowStatus,
        height: Height,
        epoch_blocks: Option<u64>,
        now: SystemTime,
    ) {
        let of = self.of(endpoint, now);
        of.epoch_blocks = epoch_blocks;
        for window in [status.open, status.next].into_iter().flatten() {
            of.named.add(window.nonce);
        }
        let open = status.open.filter(|_| status.is_registered);
        if let Some(open) = open.filter(|open| height < open.end && !of.open.contains(open)) {
            let surplus = (of.open.len() + 1).saturating_sub(RECENT_MAX);
            let surplus = of.open.drain(..surplus);
            of.over
                .extend(surplus.map(|window| Over::Seen(window.nonce)));
            of.open.push(open);
        }
        // why: one that a node which is a block late leaves out once is not over
        let ended = of.open.extract_if(.., |window| height >= window.end);
        of.over.extend(ended.map(|window| Over::Seen(window.nonce)));
        let passed = of.accounted.saw(status, height, epoch_blocks);
        let since = std::mem::replace(&mut of.heard_at, now);
        if passed != Passed::None {
            of.over.push(Over::Passed(passed, since));
        }
    }

    /// What is over by each endpoint's word, since the last time. `highest` is the highest height
    /// that is believed: an outcome of a later nonce belongs to a past that was forgotten (R9).
    pub(super) fn take_over(&mut self, highest: Height) -> Vec<(EndpointId, Over)> {
        self.ended.retain(|of| of.last.height() <= highest);
        self.doubted.forget_above(highest);
        let each = self.list.iter_mut().flat_map(|of| {
            let endpoint = of.endpoint;
            of.over.drain(..).map(move |over| (endpoint, over))
        });
        each.collect()
    }

    /// Notes that these nonces have their outcome.
    pub(super) fn ended(&mut self, nonces: Nonces) {
        if self.ended.iter_mut().any(|row| row.append(&nonces)) {
            return;
        }
        if self.ended.len() == ENDED_MAX {
            let oldest = (0..ENDED_MAX).min_by_key(|at| self.ended[*at].last);
            oldest.map(|at| self.ended.swap_remove(at));
        }
        self.ended.push(nonces);
    }

    /// Whether this nonce has an outcome.
    pub(super) fn has_ended(&self, nonce: Nonce) -> bool {
        self.ended.iter().any(|row| row.contains(nonce))
    }

    /// How many of these nonces have no outcome.
    pub(super) fn without_outcome(&self, nonces: &Nonces) -> u64 {
        let have = self.ended.iter().map(|row| row.common_with(nonces));
        nonces.count.saturating_sub(have.sum())
    }

    /// A payload for this nonce was included: it proves the windows of those that named it. No epoch
    /// of the chain is shorter than `epoch_blocks_min`.
    pub(super) fn included(&mut self, nonce: Nonce, epoch_blocks_min: u64) {
        let named = |of: &&mut NamedBy| of.named.contains(nonce);
        for of in self.list.iter_mut().filter(named) {
            let epoch_blocks = of.epoch_blocks.filter(|blocks| *blocks >= epoch_blocks_min);
            of.proved = Some((nonce, epoch_blocks.unwrap_or_default()));
        }
    }

    /// Notes that this nonce is served while endpoints dispute the schedule.
    pub(super) fn doubt(&mut self, nonce: Nonce) {
        self.doubted.add(nonce);
    }

    /// Whether this nonce was served while endpoints disputed the schedule. That they agree before its
    /// window is over proves nothing of it.
    pub(super) fn is_doubted(&self, nonce: Nonce) -> bool {
        self.doubted.contains(nonce)
    }

    /// Who names this window. `over` is what was taken last.
    pub(super) fn witnesses(&self, nonce: Nonce, over: &[(EndpointId, Over)]) -> Witnesses {
        let mut witnesses = Witnesses::default();
        for of in &self.list {
            let mut passed = over.iter().filter(|(endpoint, _)| *endpoint == of.endpoint);
            let has_passed = passed.any(|(_, over)| match over {
                Over::Passed(Passed::Known(nonces), _) => nonces.contains(nonce),
                Over::Seen(seen) => *seen == nonce,
                Over::Passed(..) => false,
            });
            if has_passed || of.named.contains(nonce) {
                witnesses.by.push(of.endpoint);
                witnesses.is_proved |= of.proves(nonce);
            } else {
                witnesses.not_by.push(of.endpoint);
            }
        }
        witnesses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIAR: EndpointId = EndpointId(0);
    const HONEST: EndpointId = EndpointId(1);
    const HIGHEST: Height = Height(1_000_000);

    /// Windows of 6 blocks that open at `phase` and each 20 blocks later.
    fn says(windows: &mut NamedWindows, endpoint: EndpointId, height: u64, phase: u64) {
        let begun = (height - phase) / 20 * 20 + phase;
        let open = (height <= begun + 6).then_some((begun, begun + 6));
        let next = Some((begun + 20, begun + 26));
        let status = WindowStatus::serving(open, next);
        let now = SystemTime::UNIX_EPOCH;
        windows.heard(endpoint, &status, Height(height), Some(20), now);
    }

    /// The nonces that are over by an endpoint's word.
    fn over(windows: &mut NamedWindows) -> Vec<(EndpointId, u64)> {
        let over = windows.take_over(HIGHEST);
        let each = over.into_iter().flat_map(|(endpoint, over)| {
            let nonces = match over {
                Over::Seen(nonce) => vec![nonce],
                Over::Passed(Passed::Known(nonces), _) => nonces.oldest(u64::MAX).collect(),
                Over::Passed(passed, _) => panic!("{passed:?}"),
            };
            nonces.into_iter().map(move |nonce| (endpoint, nonce.0))
        });
        each.collect()
    }

    #[test]
    fn each_window_is_over_once_by_the_word_of_each_endpoint_that_names_it() {
        let mut windows = NamedWindows::default();
        says(&mut windows, LIAR, 112, 9);
        says(&mut windows, HONEST, 112, 0);
        assert_eq!(
            over(&mut windows),
            [],
            "none has passed since the first status"
        );
        says(&mut windows, LIAR, 122, 9);
        says(&mut windows, HONEST, 122, 0);
        assert_eq!(over(&mut windows), [(LIAR, 109)], "it was open and is over");
        // no endpoint answers for three epochs
        says(&mut windows, LIAR, 187, 9);
        says(&mut windows, HONEST, 189, 0);
        let passed = [(LIAR, 129), (LIAR, 149), (LIAR, 169)];
        let true_ones = [(HONEST, 120), (HONEST, 140), (HONEST, 160), (HONEST, 180)];
        assert_eq!(over(&mut windows), [&passed[..], &true_ones[..]].concat());
        assert_eq!(over(&mut windows), [], "given once");
    }

    #[test]
    fn a_window_that_one_endpoint_alone_names_counts_only_if_a_payload_was_in_one_of_its_windows() {
        let mut windows = NamedWindows::default();
        let suffice =
            |windows: &NamedWindows, nonce| windows.witnesses(Nonce(nonce), &[]).suffice();
        says(&mut windows, LIAR, 112, 9);
        says(&mut windows, HONEST, 112, 0);
        assert!(!suffice(&windows, 120) && !suffice(&windows, 129));
        windows.included(Nonce(120), 10);
        assert!(suffice(&windows, 120) && !suffice(&windows, 129));
        let witnesses = windows.witnesses(Nonce(129), &[]);
        assert_eq!((witnesses.by, witnesses.not_by), (vec![LIAR], vec![HONEST]));
        // also for its later windows
        says(&mut windows, HONEST, 145, 0);
        let taken = windows.take_over(HIGHEST);
        assert!(windows.witnesses(Nonce(160), &taken).suffice());
        // what two endpoints name
        const THIRD: EndpointId = EndpointId(2);
        says(&mut windows, THIRD, 112, 9);
        assert!(suffice(&windows, 129));
    }

    #[test]
    fn an_endpoint_that_named_a_true_window_proves_no_others_that_it_invents() {
        let mut windows = NamedWindows::default();
        let mut hears = |endpoint, height, next: u64, epoch_blocks| {
            let status = WindowStatus::serving(None, Some((next, next + 6)));
            let now = SystemTime::UNIX_EPOCH;
            windows.heard(endpoint, &status, Height(height), Some(epoch_blocks), now);
        };
        hears(HONEST, 112, 120, 20);
        hears(LIAR, 112, 120, 20);
        const HASTY: EndpointId = EndpointId(2);
        hears(HASTY, 119, 120, 1);
        windows.included(Nonce(120), 10);
        let mut hears = |endpoint, height, next: u64| {
            let status = WindowStatus::serving(None, Some((next, next + 1)));
            let now = SystemTime::UNIX_EPOCH;
            windows.heard(endpoint, &status, Height(height), Some(1), now);
        };
        // an epoch of its own choice, which names every block
        hears(LIAR, 131, 132);
        hears(HASTY, 132, 133);
        hears(LIAR, 139, 140);
        for (nonce, suffices) in [(132, false), (133, false), (140, true)] {
            let witnesses = windows.witnesses(Nonce(nonce), &[]);
            assert_eq!(witnesses.suffice(), suffices, "{nonce}");
        }
    }

    #[test]
    fn nonces_that_were_served_in_a_dispute_are_remembered() {
        let mut windows = NamedWindows::default();
        (1..=20).for_each(|at| windows.doubt(Nonce(at * 20)));
        windows.doubt(Nonce(400));
        assert!(windows.is_doubted(Nonce(400)) && windows.is_doubted(Nonce(100)));
        assert!(!windows.is_doubted(Nonce(80)) && !windows.is_doubted(Nonce(390)));
        // the chain was set back
        windows.take_over(Height(399));
        assert!(!windows.is_doubted(Nonce(400)) && windows.is_doubted(Nonce(380)));
    }

    #[test]
    fn windows_that_passed_unseen_are_named_by_those_for_whom_they_passed() {
        let mut windows = NamedWindows::default();
        for height in [112, 192] {
            says(&mut windows, LIAR, height, 0);
            says(&mut windows, HONEST, height, 0);
        }
        let taken = windows.take_over(HIGHEST);
        assert!(windows.witnesses(Nonce(160), &taken).suffice());
        assert!(!windows.witnesses(Nonce(161), &taken).suffice());
        assert_eq!(windows.witnesses(Nonce(161), &taken).by, []);
    }

    #[test]
    fn outcomes_are_remembered_for_as_long_as_nonces_follow_one_another() {
        let mut windows = NamedWindows::default();
        for at in 0..10_000_u64 {
            windows.ended(Nonces::one(Nonce(100 + at * 20), Some(20)));
        }
        assert!(windows.has_ended(Nonce(100)) && windows.has_ended(Nonce(200_080)));
        assert!(!windows.has_ended(Nonce(110)) && !windows.has_ended(Nonce(200_100)));
        for at in 0..100 {
            windows.ended(Nonces::one(Nonce(300_000 + at * at), Some(20)));
        }
        assert!(windows.ended.len() <= ENDED_MAX);
        // the chain was set back
        windows.take_over(Height(50));
        assert!(!windows.has_ended(Nonce(309_801)));
    }
}
