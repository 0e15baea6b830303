//! Decides when a topic reads its window's status. The opening is predicted from the chain's clock,
//! which every answer to any topic corrects, so a look is due by the age of what is known and not
//! by the time of this topic's last look: far from the opening after three quarters of the way
//! there, around it every fifth of a block time.

use std::time::{Duration, Instant};

use super::pace::{Pace, part_of};
use super::{FAILURE_DELAY_MIN, Memory, WAITING_DELAY_MAX, WINDOW_BLOCKS_UNKNOWN, window_blocks};
use crate::backoff;
use crate::chain::clock::BLOCK_TIME_START;
use crate::values::topic::WindowStatus;
use crate::values::units::{Height, Nonce};

/// The longest time between two looks at a healthy topic.
pub const LOOK_DELAY_MAX: Duration = Duration::from_secs(30 * 60);
/// Within this many blocks of an opening, no look is made before the close looks begin: no chain
/// changes its pace so fast that a window is lost.
const SURE_BLOCKS: u32 = 4;
/// More blocks than these without anything to do are enough for a request that no payload needs.
const QUIET_BLOCKS: u32 = 2;
/// A status from more than this many blocks below the expected height is not planned on at once.
const LATE_BLOCKS: u64 = 3;
/// From this many blocks before an opening on, every new height wakes the topic.
const WAKE_BLOCKS: u64 = 4;
/// While the pace is not measured, the topic whose opening is nearest asks first, and its answer's
/// height serves the others: each block up to `SPREAD_BLOCKS` is a delay of 1 ⁄ `SPREAD_PARTS` of
/// the time between two looks.
const SPREAD_BLOCKS: u64 = 16;
const SPREAD_PARTS: u32 = 64;
/// The nodes behind one address are up to this many blocks apart (protocol.md section 3.1).
const LAG_BLOCKS_MAX: u64 = 3;
/// The shortest delay before an address is asked again whose node was behind, for quick and for slow
/// chains.
const BEHIND_DELAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));
/// After this many failed looks in a row while the pace is not measured, no endpoint seems to
/// answer, and looks are as rare as for a window of unknown length. By then it is decided which of
/// two first heights is believed.
const UNMEASURED_FAILURES_MAX: u32 = 60;

/// What decides when the next look is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum NextLook {
    At(Instant),
    /// The predicted opening of a window.
    Opening {
        nonce: Nonce,
        /// The prediction is from this moment.
        looked_at: Instant,
    },
}

impl Memory {
    /// When the next look is due, given what is known of the chain.
    pub(super) fn look_due(&self, pace: &Pace) -> Instant {
        let (nonce, looked_at) = match self.next_look {
            NextLook::At(at) => return at,
            NextLook::Opening { nonce, .. } if pace.height >= nonce.height() => {
                return pace.reached_at;
            }
            NextLook::Opening { nonce, looked_at } => (nonce, looked_at),
        };
        let known_at = looked_at.max(pace.reached_at);
        // why: other topics' answers bring the height, but only a look shows a changed plan
        let plan_ends = looked_at + self.rest_max(pace, looked_at);
        if pace.quick.is_none() {
            let blocks = nonce.0.saturating_sub(pace.height.0).min(SPREAD_BLOCKS);
            let parts = u32::try_from(blocks).unwrap_or_default();
            let due = known_at + pace.look_every + pace.look_every * parts / SPREAD_PARTS;
            return due.min(plan_ends);
        }
        // the close looks begin at `near_from`
        let near = Height(nonce.0.saturating_sub(self.lag_blocks));
        let near_from = if pace.height >= near {
            known_at
        } else {
            pace.near_from(near)
        };
        let ahead = near_from.saturating_duration_since(known_at);
        let sure = (pace.look_every * 4 / 3).max(pace.block_time * SURE_BLOCKS);
        if ahead > sure {
            let wait = (ahead / 4 * 3).min(LOOK_DELAY_MAX).max(pace.look_every);
            let due = pace.telling(known_at + wait);
            return due.max(known_at + pace.look_every).min(plan_ends);
        }
        let close = pace.block_time / 5;
        // why: an opening that is overdue by more than a block means a chain that stands still
        if pace.standing() > pace.block_time * 2 {
            let halted = pace.look_every.max(pace.standing() / 8);
            let halted = halted.min(self.delay_max(pace).max(pace.look_every));
            return known_at + close.max(halted);
        }
        known_at + ahead.max(close)
    }

    /// The longest rest on the plan of a look at this moment. That on a schedule which was just named
    /// is half a window: the window that opens next can still be served.
    fn rest_max(&self, pace: &Pace, looked_at: Instant) -> Duration {
        // why: a first measurement may be too long, and a better one would wake many topics at once
        let block_time = pace.block_time.min(BLOCK_TIME_START);
        let half_window = part_of(block_time, self.window_blocks) * 2;
        let least = half_window.min(WAITING_DELAY_MAX).max(pace.look_every);
        let announced = self.announced.as_ref();
        announced.map_or(LOOK_DELAY_MAX, |of| of.rest_max(looked_at, least))
    }

    /// Notes that a look was answered from `height`, and the highest height known before was this
    /// much above. The highest height may then be a late node's as well: the close looks begin as
    /// many blocks earlier, until windows have passed without such an answer.
    pub fn answered_at(&mut self, height: Height, before: &Pace) {
        let lag_blocks = before.height.0.saturating_sub(height.0);
        self.lag_blocks = self.lag_blocks.max(lag_blocks.min(LAG_BLOCKS_MAX));
    }

    /// The height that ends a sleep: the next one from `WAKE_BLOCKS` before an opening on, and of the
    /// nonce being served the hand-over of a primary or the last block.
    pub fn wakes_at(&self, pace: &Pace) -> Height {
        match (&self.nonce, self.next_look) {
            (Some(nonce), _) if nonce.last_block > pace.height => {
                let proof_from = nonce.proof_from.filter(|height| *height > pace.height);
                proof_from.unwrap_or(nonce.last_block)
            }
            (None, NextLook::Opening { nonce, .. }) => {
                let near = Height(nonce.0.saturating_sub(WAKE_BLOCKS));
                near.max(pace.height.plus(1))
            }
            _ => Height(u64::MAX),
        }
    }

    /// The nonce that is about to open: the close looks for it have begun.
    pub fn near_opening(&self, pace: &Pace) -> Option<Nonce> {
        let NextLook::Opening { nonce, .. } = self.next_look else {
            return None;
        };
        let is_there = pace.height >= nonce.height();
        (is_there || pace.now >= pace.near_from(nonce.height())).then_some(nonce)
    }

    /// The broadcaster reads the account for the opening that is near: the height of that answer wakes
    /// the topic if the window is open, so the first close look waits for as long as between two.
    /// Not where nodes lag: each of them may be the one that knows. Nor while the pace is unmeasured:
    /// the time between two looks may be longer than what is left until the opening.
    pub fn account_is_read(&mut self, pace: &Pace) {
        if let NextLook::Opening { looked_at, .. } = &mut self.next_look
            && self.lag_blocks == 0
            && pace.quick.is_some()
        {
            *looked_at = pace.now;
        }
    }

    /// Whether the next opening is more than `QUIET_BLOCKS` away, as far as is known, and no nonce is
    /// being served: there is time for a request that no payload needs.
    pub fn is_quiet(&self, pace: &Pace) -> bool {
        let is_far = match self.next_look {
            NextLook::At(_) => true,
            NextLook::Opening { nonce, .. } => {
                pace.near_from(nonce.height()) > pace.now + pace.block_time * QUIET_BLOCKS
            }
        };
        is_far && self.nonce.is_none()
    }

    /// Whether the status that was asked for at `before` came from a node so late that nothing
    /// should be planned on it: after a rest the plan reaches far, and would be late by as much. The
    /// next look is due a block later, and counts in any case: the chain may have halted.
    pub fn looks_again(&mut self, height: Height, before: &Pace, now: Instant) -> bool {
        let is_late = |expected: Height| height.plus(LATE_BLOCKS) < expected;
        let again = before.expected.is_some_and(is_late);
        if again {
            self.next_look = NextLook::At(now + before.block_time.min(before.look_every));
        }
        again
    }

    pub(super) fn look_after(
        &mut self,
        status: &WindowStatus,
        height: Height,
        pace: &Pace,
        open: bool,
    ) -> NextLook {
        if self.fruitless > 0 {
            return NextLook::At(pace.now + self.waiting_delay(pace, status));
        }
        if open && !status.is_registered {
            return NextLook::At(pace.now + pace.block_time.min(pace.look_every));
        }
        let next = status.next.map(|window| window.nonce);
        match next.filter(|nonce| nonce.height() > height) {
            Some(nonce) => NextLook::Opening {
                nonce: self.within_an_epoch(nonce, height),
                looked_at: pace.now,
            },
            None => NextLook::At(pace.now + pace.look_every),
        }
    }

    /// The opening to plan for: at most the shortest epoch away. A plan that reaches further might
    /// make the topic sleep through the real windows.
    fn within_an_epoch(&self, nonce: Nonce, height: Height) -> Nonce {
        let blocks = self.epoch_blocks.unwrap_or(u64::MAX);
        nonce.min(Nonce(height.plus(blocks).0))
    }

    /// A topic that waits for an operator is asked ever more rarely, but often enough not to miss a
    /// window.
    fn waiting_delay(&mut self, pace: &Pace, status: &WindowStatus) -> Duration {
        let cap = WAITING_DELAY_MAX.min(part_of(pace.cautious, window_blocks(status)));
        let cap = cap.max(pace.look_every);
        backoff::delay(self.fruitless, pace.look_every, cap, &mut self.jitter)
            .max(pace.look_every.min(cap))
    }

    /// The longest delay that allows more than one try in a window of this topic.
    pub fn delay_max(&self, pace: &Pace) -> Duration {
        WAITING_DELAY_MAX.min(part_of(pace.cautious, self.window_blocks))
    }

    /// A look failed: nothing changes but the time of the next one.
    pub fn look_failed(&mut self, pace: &Pace, error: String) {
        self.fruitless = self.fruitless.saturating_add(1);
        let cap = if pace.quick.is_some() || self.fruitless <= UNMEASURED_FAILURES_MAX {
            self.delay_max(pace)
        } else {
            WAITING_DELAY_MAX.min(part_of(pace.block_time, WINDOW_BLOCKS_UNKNOWN))
        };
        let base = pace.look_every.min(Duration::from_secs(1));
        let delay = backoff::delay(self.fruitless, base, cap, &mut self.jitter);
        self.look_at(pace.now + delay.max(FAILURE_DELAY_MIN), error);
    }

    /// A look was answered by a node that is behind: another one may answer the next one at once.
    pub fn look_was_behind(&mut self, pace: &Pace, error: String) {
        let until = pace.now + self.behind_delay(pace);
        self.look_at(until, error);
    }

    /// The delay before a node that is behind is asked again, or another one behind its address; it
    /// grows while no block comes.
    pub fn behind_delay(&self, pace: &Pace) -> Duration {
        let (least, most) = BEHIND_DELAY;
        let halted = (pace.height_age / 8).min(self.delay_max(pace));
        (pace.block_time / 20).clamp(least, most).max(halted)
    }

    fn look_at(&mut self, until: Instant, error: String) {
        self.next_look = NextLook::At(until);
        if let Some(nonce) = &mut self.nonce {
            nonce.trouble = Some(error);
            nonce.not_before = Some(until);
        }
    }

    /// The topic does not exist: it is asked for ever more slowly, up to once a minute. Its first
    /// window opens an epoch after its creation.
    pub fn topic_unknown(&mut self, pace: &Pace) {
        self.fruitless = self.fruitless.saturating_add(1);
        let base = pace.look_every;
        let delay = backoff::delay(self.fruitless, base, WAITING_DELAY_MAX, &mut self.jitter);
        self.next_look = NextLook::At(pace.now + delay.max(FAILURE_DELAY_MIN));
    }

    /// The nonce has ended: the next look follows from the last status.
    pub fn rest(&mut self, pace: &Pace) {
        if let Some((status, height, _)) = self.seen {
            self.next_look = self.look_after(&status, height, pace, false);
        }
    }

    /// The last status is outdated: a new one is read before anything else.
    pub fn look_afresh(&mut self, now: Instant) {
        self.next_look = NextLook::At(now);
        self.seen = None;
        if let Some(nonce) = &mut self.nonce {
            nonce.look_again = true;
        }
    }
}
