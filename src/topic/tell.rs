//! What a topic's thread tells those who watch the worker, in passing.

use std::time::{Duration, Instant};

use super::{LookFailed, Topic};
use crate::broadcaster::sequence::Job;
use crate::status::beats;
use crate::status::tally::Outcome;
use crate::topic::window::Step;
use crate::values::topic::{Arity, WindowStatus};
use crate::values::units::Nonce;

/// What a step may take beside its requests, which report for themselves.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

impl Topic {
    /// By when the thread will report next: after its sleep, or while it carries out the step.
    pub(super) fn tell_step(&self, step: &Step, now: Instant) {
        match step {
            Step::Sleep(until) => beats::reports_within(until.saturating_duration_since(now)),
            _ => beats::reports_within(STEP_TIME_MAX),
        }
    }

    pub(super) fn tell_look(&self, status: WindowStatus) {
        let known = &self.shared.chain.status;
        let labelled = matches!(self.arity, Arity::Multi(_));
        known.polled(self.id, status, labelled);
    }

    pub(super) fn tell_look_failed(&self, failed: &LookFailed) {
        let known = &self.shared.chain.status;
        match failed {
            LookFailed::NoSuchTopic => known.absent(self.id),
            LookFailed::Unknown(_) => known.poll_failed(self.id),
        }
    }

    pub(super) fn tell_model(&self, asked: Instant, failed: bool) {
        let took = asked.elapsed();
        self.shared.chain.status.model_asked(self.id, took, failed);
    }

    /// A node accepted the job's transaction; now the broadcaster looks after it.
    pub(super) fn tell_accepted(&self, job: Job) {
        let (chain, attempt) = (&self.shared.chain, self.memory.attempt.as_ref());
        if let (Job::Payload { .. }, Some(attempt)) = (job, attempt) {
            let left = attempt.last_block.0.saturating_sub(chain.height().0);
            chain.status.accepted(self.id, left);
        }
    }

    pub(super) fn tell_outcome(&self, nonce: Nonce, outcome: &Outcome) {
        self.shared.chain.status.ended(self.id, nonce, outcome);
    }
}
