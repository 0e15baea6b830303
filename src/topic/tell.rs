//! What a topic's thread tells those who watch the worker, in passing.

use std::time::{Duration, Instant};

use log::warn;

use super::{LookFailed, Topic};
use crate::broadcaster::sequence::Job;
use crate::chain::meaning::Meaning;
use crate::status::beats;
use crate::topic::window::{LOOK_DELAY_MAX, Step};
use crate::values::topic::{Arity, WindowStatus};

/// What a step may take beside its requests, which report for themselves.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

/// Added to [`LOOK_DELAY_MAX`] for some blocks and for what a request takes; monitoring/alerts.yml
/// has the same 45 minutes in all.
const POLL_MARGIN: Duration = Duration::from_secs(15 * 60);

impl Topic {
    /// The longest time between two polls that are answered: at rest, [`LOOK_DELAY_MAX`], or
    /// `nonce_fetch_freq` where that is longer.
    #[must_use]
    pub fn poll_gap_max(&self) -> Duration {
        (LOOK_DELAY_MAX + POLL_MARGIN)
            .saturating_add(self.config.nonce_fetch_freq.saturating_mul(2))
    }

    /// By when the thread will report next: after its sleep, or while it carries out the step.
    pub(super) fn tell_step(&self, step: &Step, now: Instant) {
        match step {
            Step::Sleep(until) => beats::reports_within(until.saturating_duration_since(now)),
            _ => beats::reports_within(STEP_TIME_MAX),
        }
    }

    pub(super) fn tell_look(&self, status: WindowStatus) {
        let known = &self.shared.chain.board;
        let labelled = matches!(self.arity, Arity::Multi(_));
        known.polled(self.id, status, labelled);
    }

    pub(super) fn tell_look_failed(&self, failed: &LookFailed) {
        let known = &self.shared.chain.board;
        match failed {
            LookFailed::NoSuchTopic => known.absent(self.id),
            LookFailed::Unknown(_) => known.poll_failed(self.id),
        }
    }

    pub(super) fn tell_model(&self, asked: Instant, failed: bool) {
        let took = asked.elapsed();
        self.shared.chain.board.model_asked(self.id, took, failed);
    }

    /// A node accepted the job's transaction; now the broadcaster looks after it.
    pub(super) fn tell_accepted(&self, job: Job) {
        let (chain, attempt) = (&self.shared.chain, self.memory.attempt.as_ref());
        if let (Job::Payload { .. }, Some(attempt)) = (job, attempt) {
            let left = attempt.last_block.0.saturating_sub(chain.height().0);
            chain.board.accepted(self.id, left);
        }
    }

    /// Counts and logs an answer that the table of meanings does not know.
    pub(super) fn tell_answer(&self, meaning: &Meaning) {
        if let Meaning::Unknown { .. } = meaning {
            warn!("{meaning}");
            self.shared.chain.board.unknown_answer();
        }
    }
}
