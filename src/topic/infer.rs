//! Asking the topic's model, and holding what it says against the topic's guards.

use std::time::{Instant, SystemTime};

use log::{debug, warn};

use super::Topic;
use crate::answer;
use crate::config::Question;
use crate::guard::{Breach, OnGuard};
use crate::http::REQUEST_TIME_MIN;
use crate::inference::{self, Answer, Asked};
use crate::liveness;
use crate::payload::{Inference, Payload};
use crate::tally::Outcome;
use crate::units::Nonce;
use crate::waiting::{Scope, Waiting};
use crate::window::Ready;

impl Topic {
    /// Asks the model for the nonce, and keeps what it says for the sending.
    pub(super) fn infer(&mut self, nonce: Nonce) {
        let (asked, _) = self.now_and_pace();
        let told = self.ask_model(nonce);
        self.tell_model(asked, told.result.is_err());
        if let Some(error) = told.passed_over {
            warn!("nonce {nonce}: the model's second URL was asked: {error}");
        }
        match told.result {
            Ok((inference, breach)) => self.inferred(nonce, inference, breach),
            Err(error) => self.model_failed(nonce, error),
        }
    }

    fn ask_model(&self, nonce: Nonce) -> Asked<(Inference, Option<Breach>)> {
        let model = &self.config.inference;
        let (_, pace) = self.now_and_pace();
        let limit = self.request_time(&pace).min(model.time_max);
        // why: no request is given less time than that, and there may be two
        liveness::asks_within(limit + REQUEST_TIME_MIN * 2);
        let question = Question {
            topic: self.id,
            nonce,
        };
        inference::ask(&self.shared.http, model, question, limit, |answer| {
            let inference = answer::inference(&answer.body, model.pointer.as_ref())?;
            let breach = self.breach(answer, &inference);
            Ok((inference, breach))
        })
    }

    fn breach(&self, answer: &Answer, inference: &Inference) -> Option<Breach> {
        let guards = &self.config.guards;
        guards.breach(inference, self.last_sent.as_ref(), || {
            answer::age(answer, guards.time_pointer.as_ref(), SystemTime::now())
        })
    }

    fn inferred(&mut self, nonce: Nonce, inference: Inference, breach: Option<Breach>) {
        debug!("nonce {nonce}: the model says {inference}");
        self.shared.chain.waits.end(Scope::Model(self.id));
        match (breach, self.config.guards.on_guard) {
            (Some(breach), OnGuard::Skip) => {
                return self.end(nonce, &Outcome::Skipped(breach.to_string()));
            }
            (Some(breach), OnGuard::Warn) => warn!("nonce {nonce}: sent all the same: {breach}"),
            (None, _) => {}
        }
        let Ok(payload) = Payload::new(Some(inference), Vec::new()) else {
            return;
        };
        if let Some(attempt) = &mut self.memory.attempt {
            attempt.ready = Some(Ready {
                payload,
                at: Instant::now(),
            });
            attempt.model_failures = 0;
        }
    }

    fn model_failed(&mut self, nonce: Nonce, error: String) {
        debug!("nonce {nonce}: {error}");
        let waiting = Waiting::NoModel {
            error: error.clone(),
        };
        self.shared
            .chain
            .waits
            .begin(Scope::Model(self.id), waiting);
        let (now, pace) = self.now_and_pace();
        let retries = self.config.inference_fetch_retries;
        let every = self.config.inference_fetch_retry_freq;
        self.memory.model_failed(&pace, now, error, retries, every);
    }
}
