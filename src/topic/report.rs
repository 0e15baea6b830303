//! Reports what became of windows: one line and one count per nonce, also for those that no look has
//! shown.

use std::time::{Duration, SystemTime};

use log::{Level, info, warn};

use super::Topic;
use super::passed::{Nonces, Passed};
use crate::status::miss::Miss;
use crate::status::outcome::{self, Outcome};
use crate::status::waiting::{Scope, Waiting};
use crate::values::topic::WindowStatus;
use crate::values::units::{Height, Nonce};

/// The most windows that passed between two looks and get a line each.
const PASSED_LINES_MAX: u64 = 20;

/// Windows that ended before the start are reported if the last one served is not older.
const BEFORE_START_MAX: Duration = Duration::from_secs(24 * 3600);

impl Topic {
    /// Why the nonce is not served: what the topic waits for, or what failed last.
    pub(super) fn why_missed(&self) -> Miss {
        let topic = Scope::Topic(self.id);
        let waits = self.context.chain.waits.snapshot();
        let state_of = |of: Scope| {
            let mut states = waits.iter();
            states.find(|(scope, _)| *scope == of).map(|(_, on)| on)
        };
        let waiting = state_of(topic).map(|on| on.in_brief().to_owned());
        let untaken = || state_of(Scope::Sending).map(Waiting::to_string);
        if let Some(why) = waiting.or_else(untaken) {
            return why.into();
        }
        let trouble = self.open().and_then(|nonce| nonce.trouble.clone());
        match (self.blind.cause(SystemTime::now()), trouble) {
            (Some(unseen), _) => Miss::Unseen(unseen),
            (None, Some(trouble)) => trouble.into(),
            (None, None) => "the window ended before a payload was ready"
                .to_owned()
                .into(),
        }
    }

    /// Reports the outcome of a nonce that has ended, once.
    pub(super) fn report(&self, nonce: Nonce, outcome: &Outcome) {
        self.context.chain.board.ended(self.id, nonce, outcome);
        let level = if self.rate.is_one_of_many(nonce) {
            Level::Debug
        } else {
            outcome.level()
        };
        log::log!(target: outcome::TARGET, level, "{}", outcome.line(nonce));
    }

    /// Reports the windows that passed unseen before this status, read at `height`. `can_be` tells
    /// whether its windows fit the topic's lengths.
    pub(super) fn report_passed(&mut self, status: &WindowStatus, height: Height, can_be: bool) {
        let now = SystemTime::now();
        if self.schedules.is_disputed() || !can_be {
            // why: whose windows these are is not known, or how long an epoch is
            self.accounted.interrupted();
        }
        let passed = self.accounted.saw(status, height, self.epoch_blocks());
        let unseen = self.blind.unseen(now);
        self.blind.saw(now);
        match passed {
            Passed::None => {}
            Passed::Known(nonces) => self.report_unseen(&nonces, &Miss::Unseen(unseen)),
            Passed::AtMost(nonces) => warn!(
                "the topic's windows have moved, so it is not known how many passed, at most {}: \
                 {unseen}",
                nonces.count
            ),
        }
    }

    /// The epoch that the endpoint of the last status names. The shortest one of all, which plans are
    /// bounded by, would count windows that no endpoint speaks of.
    fn epoch_blocks(&self) -> Option<u64> {
        let lengths = self.schedules.lengths_for(self.status_from)?;
        Some(lengths.epoch_blocks).filter(|blocks| *blocks > 0)
    }

    fn report_unseen(&self, nonces: &Nonces, miss: &Miss) {
        let is_new = |nonce: &Nonce| !self.memory.is_done(*nonce);
        for nonce in nonces.oldest(PASSED_LINES_MAX).filter(is_new) {
            self.report(nonce, &Outcome::Missed(miss.clone()));
        }
        let more = nonces.count.saturating_sub(PASSED_LINES_MAX);
        if more > 0 {
            let board = &self.context.chain.board;
            board.missed_more(self.id, miss, more);
            let last = nonces.last;
            warn!(target: outcome::TARGET, "{more} more, up to nonce {last}: missed: {miss}");
        }
    }

    /// Reports, once, the windows that ended before this process could serve any, as one line: the
    /// chain names the nonce that it `served` last.
    pub(super) fn report_before_start(&mut self, served: Option<Height>) {
        let Some(epoch_blocks) = self.epoch_blocks() else {
            return;
        };
        let block_time = self.pace().block_time.as_millis().max(1);
        let blocks = BEFORE_START_MAX.as_millis() / block_time;
        let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
        let served = served.map(|height| Nonce(height.0));
        let (some, nonces) = match self.accounted.before_start(served, epoch_blocks, blocks) {
            Passed::None => return,
            Passed::Known(nonces) => ("", nonces),
            Passed::AtMost(nonces) => ("up to ", nonces),
        };
        let board = &self.context.chain.board;
        board.unserved_before_start(self.id, nonces.count);
        let served = served.unwrap_or_default();
        let Nonces {
            first, last, count, ..
        } = nonces;
        info!(
            "before the start: {some}{count} windows ended unserved after nonce {served}, the last \
             one with a payload of this worker: nonces {first} to {last}, if the topic was active; \
             not counted as missed"
        );
    }
}
