//! Asking the topic's models, and holding what they say against the topic's own rules: those of the
//! chain for labels, and the operator's guards. What comes out is a payload that is ready to be
//! sent.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use log::{debug, warn};

use super::Topic;
use crate::http::REQUEST_TIME_MIN;
use crate::model::answer;
use crate::model::ask::{self, Asked, ModelAnswer};
use crate::model::endpoint::ModelConfig;
use crate::model::guard::OnGuard;
use crate::model::template::Question;
use crate::status::beats;
use crate::status::tally::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::topic::window::{Ready, forecast_goes_alone, forecast_time};
use crate::values::labels::LABEL_BYTES_MAX;
use crate::values::payload::{ForecastElement, Inference, Payload};
use crate::values::topic::Arity;
use crate::values::units::{Height, Nonce};

/// What the models said, before it is a payload.
type Told = (Option<Inference>, Vec<ForecastElement>);

/// An answer of the inference's model.
struct Said {
    inference: Inference,
    /// The guard that it does not pass.
    breach: Option<String>,
    /// From when on it is older than the guard `max_age` allows.
    old_from: Option<Instant>,
}

impl Topic {
    /// Asks the models for the nonce, and keeps what they say for the sending.
    pub(super) fn infer(&mut self, nonce: Nonce) {
        if let Err(error) = self.learn_rules(nonce) {
            return self.attempt_failed(error);
        }
        let (asked, _) = self.now_and_pace();
        let told = self.ask_models(nonce);
        self.tell_model(asked, told.is_err());
        let ((inference, forecast), old_from) = match told {
            Ok(Some(told)) => told,
            // why: the nonce is ended
            Ok(None) => return,
            Err(error) => return self.model_failed(nonce, error),
        };
        self.shared.chain.waits.end(Scope::Model(self.id));
        if let Ok(payload) = Payload::new(inference, forecast)
            && let Some(attempt) = &mut self.memory.attempt
        {
            attempt.ready = Some(Ready {
                payload,
                at: Instant::now(),
                old_from,
            });
            attempt.model_failures = 0;
        }
    }

    /// The topic's rules for labels may change between windows (protocol.md section 3.2): they are
    /// read once per nonce, before the model is asked.
    fn learn_rules(&mut self, nonce: Nonce) -> Result<(), String> {
        if !matches!(self.arity, Arity::Multi(_)) || self.rules_for == Some(nonce) {
            return Ok(());
        }
        let chain = Arc::clone(&self.shared.chain);
        let api = chain.api().ok_or("the emissions version is unknown")?;
        let turns = self.shared.turns.clone();
        let _turn = Topic::turn(&turns, &self.shared.stop);
        let answer = chain.heard(self.lcd().topic(api, self.id));
        let answer = answer.map_err(|error| self.refused_query(&error))?;
        let counts = |height: Height| answer.fresh && height >= nonce.height();
        if !answer.height.is_some_and(counts) {
            return Err("the node is behind, its rules for labels may be of before".to_owned());
        }
        self.arity = answer.value.arity;
        if self.label_bytes_max.is_none() {
            let answer = chain.heard(self.lcd().params(api));
            let params = answer.map_err(|error| self.refused_query(&error))?.value;
            self.label_bytes_max = Some(params.label_bytes_max);
        }
        self.rules_for = Some(nonce);
        Ok(())
    }

    /// What the models say, and from when on it is too old; `None`: a guard ended the nonce.
    fn ask_models(&mut self, nonce: Nonce) -> Result<Option<(Told, Option<Instant>)>, String> {
        let said = match self.config.inference.clone() {
            None => Ok(None),
            Some(model) => {
                let (_, pace) = self.now_and_pace();
                let limit = self.request_time(&pace);
                let read = |answer: &ModelAnswer| self.read_inference(answer, &model);
                let said = self.ask(nonce, "the model", &model, limit, read);
                if let Ok(said) = &said
                    && !self.passes_guards(nonce, said, &model)
                {
                    return Ok(None);
                }
                said.map(Some)
            }
        };
        let (inference, old_from) = match said {
            Ok(Some(said)) => (Ok(Some(said.inference)), said.old_from),
            Ok(None) => (Ok(None), None),
            Err(error) => (Err(error), None),
        };
        let told = self.with_forecast(nonce, inference)?;
        Ok(Some((told, old_from)))
    }

    /// Whether what the model said may be sent. What may not ends the nonce.
    fn passes_guards(&mut self, nonce: Nonce, said: &Said, model: &ModelConfig) -> bool {
        let inference = model.hide_in(&said.inference);
        debug!("nonce {nonce}: the model says {inference}");
        let Some(breach) = &said.breach else {
            return true;
        };
        // why: a label may repeat a header's value, a number by itself is not one
        let breach = match said.inference {
            Inference::Value(_) => breach.clone(),
            Inference::Labelled(_) => model.hide(breach),
        };
        match self.config.guards.on_guard {
            OnGuard::Skip => {
                self.shared.chain.waits.end(Scope::Model(self.id));
                self.end(nonce, &Outcome::Skipped(breach));
                false
            }
            OnGuard::Warn => {
                warn!("nonce {nonce}: sent all the same: {breach}");
                true
            }
        }
    }

    /// Puts the forecast beside the inference. Either goes alone if the other one fails; a forecast
    /// only once the inference's model was given its chances.
    fn with_forecast(
        &mut self,
        nonce: Nonce,
        inference: Result<Option<Inference>, String>,
    ) -> Result<Told, String> {
        let model = self.config.forecast.clone();
        let goes_alone = self.trail.forecast_failed && matches!(inference, Ok(Some(_)));
        let model = model.filter(|_| !self.trail.forecast_refused && !goes_alone);
        let Some(model) = model.filter(|_| inference.is_ok() || self.is_last_chance()) else {
            return inference.map(|inference| (inference, Vec::new()));
        };
        let (_, pace) = self.now_and_pace();
        let limit = self.request_time(&pace);
        // why: an inference must not wait for a forecast
        let limit = match self.config.inference {
            Some(_) => forecast_time(limit),
            None => limit,
        };
        let forecast = self.ask(nonce, "the forecast's model", &model, limit, |answer| {
            answer::forecast(&answer.body, model.pointer.as_ref())
        });
        match (inference, forecast) {
            (Ok(inference), Ok(forecast)) => Ok((inference, forecast)),
            (Ok(Some(inference)), Err(error)) => {
                self.trail.forecast_failed = true;
                warn!("nonce {nonce}: no forecast, the inference goes alone: {error}");
                Ok((Some(inference), Vec::new()))
            }
            (Ok(None), Err(error)) => Err(error),
            (Err(error), Ok(forecast)) => {
                warn!("nonce {nonce}: no inference, the forecast goes alone: {error}");
                Ok((None, forecast))
            }
            (Err(error), Err(other)) => Err(format!("{error}; no forecast either: {other}")),
        }
    }

    fn is_last_chance(&self) -> bool {
        let (_, pace) = self.now_and_pace();
        self.memory.attempt.as_ref().is_some_and(|attempt| {
            let left = pace.blocks_left(attempt.last_block);
            let retries = self.config.inference_fetch_retries;
            forecast_goes_alone(attempt.model_failures, retries, left)
        })
    }

    /// Asks one of the models; `who` it is stands in a warning.
    fn ask<T>(
        &self,
        nonce: Nonce,
        who: &str,
        model: &ModelConfig,
        limit: Duration,
        read: impl Fn(&ModelAnswer) -> Result<T, String>,
    ) -> Result<T, String> {
        let limit = limit.min(model.time_max);
        // why: no request is given less time than that, and there may be two
        beats::asks_within(limit + REQUEST_TIME_MIN * 2);
        let question = Question {
            topic: self.id,
            nonce,
        };
        let Asked {
            result,
            passed_over,
            ..
        } = ask::ask(&self.shared.http, model, question, limit, read);
        if let Some(error) = passed_over {
            warn!("nonce {nonce}: {who}: the second URL was asked: {error}");
        }
        result
    }

    /// Reads an answer as this topic's inference, and refuses what the chain would refuse.
    fn read_inference(&self, answer: &ModelAnswer, model: &ModelConfig) -> Result<Said, String> {
        let (body, pointer) = (&answer.body, model.pointer.as_ref());
        let bytes_max = self.label_bytes_max.unwrap_or(LABEL_BYTES_MAX);
        let inference = answer::inference_for(&self.arity, body, pointer, bytes_max)?;
        let guards = &self.config.guards;
        let mut old_from = None;
        let breach = guards.breach(&inference, self.last_sent.as_ref(), || {
            let age = answer::age(answer, guards.time_pointer.as_ref(), SystemTime::now());
            let left = guards.time_left(&age);
            old_from = left.and_then(|left| Instant::now().checked_add(left));
            age
        });
        Ok(Said {
            inference,
            breach,
            old_from,
        })
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
