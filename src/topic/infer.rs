//! Asks the topic's models and validates their answers against the chain's rules for labels and the
//! operator's guards. The result is a payload that is ready to be sent.

use std::time::{Duration, Instant, SystemTime};

use log::{debug, warn};

use super::{After, Topic};
use crate::http::REQUEST_TIME_MIN;
use crate::model::answer;
use crate::model::ask::{self, ModelAnswer};
use crate::model::endpoint::ModelConfig;
use crate::model::guard::{Earlier, OnGuard};
use crate::model::template::Question;
use crate::status::beats;
use crate::status::outcome::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::topic::window::{forecast_goes_alone, forecast_time};
use crate::values::labels::LABEL_BYTES_MAX;
use crate::values::payload::{ForecastElement, Inference, Payload};
use crate::values::topic::Arity;
use crate::values::units::{Height, Nonce};

/// An answer of the inference's model.
struct Said {
    inference: Inference,
    /// The guard that rejects it.
    breach: Option<String>,
    /// When it becomes older than the guard `max_age` allows.
    old_from: Option<Instant>,
}

impl Topic {
    /// Asks the models for the nonce, and keeps the payload for the sending.
    pub(super) fn infer(&mut self, nonce: Nonce) -> Result<After, String> {
        self.learn_rules(nonce)?;
        let asked = Instant::now();
        let answer = self.ask_models(nonce);
        let chain = &self.context.chain;
        let (took, failed) = (asked.elapsed(), answer.is_err());
        chain.board.model_asked(self.id, took, failed);
        match answer {
            Ok(after) => {
                chain.waits.end(Scope::Model(self.id));
                Ok(after)
            }
            Err(error) => {
                self.model_failed(nonce, error);
                Ok(After::Step)
            }
        }
    }

    /// Reads the topic's rules for labels, once per nonce before the model is asked: they may
    /// change between windows (protocol.md section 3.2).
    fn learn_rules(&mut self, nonce: Nonce) -> Result<(), String> {
        let is_known = self.open().is_none_or(|open| open.rules_read);
        if is_known || !matches!(self.arity, Arity::Multi(_)) {
            return Ok(());
        }
        let api = self.api()?;
        let _turn = self.turn();
        let answer = self.ask_chain(|lcd| lcd.topic(api, self.id))?;
        let counts = |height: Height| answer.fresh && height >= nonce.height();
        if !answer.height.is_some_and(counts) {
            return Err("the node is behind, its rules for labels may be outdated".to_owned());
        }
        self.arity = answer.value.arity;
        if self.label_bytes_max.is_none() {
            let params = self.ask_chain(|lcd| lcd.params(api))?.value;
            self.label_bytes_max = Some(params.label_bytes_max);
        }
        if let Some(open) = &mut self.memory.nonce {
            open.rules_read = true;
        }
        Ok(())
    }

    /// Asks for the inference and the forecast. The nonce ends if a guard rejects the inference.
    fn ask_models(&mut self, nonce: Nonce) -> Result<After, String> {
        let said = match self.config.inference.clone() {
            None => Ok(None),
            Some(model) => {
                let read = |answer: &ModelAnswer| self.read_inference(answer, &model);
                let said = self.ask(nonce, "the model", &model, self.request_time(), read);
                if let Ok(said) = &said
                    && let Some(breach) = self.rejected(nonce, said, &model)
                {
                    return Ok(After::End(Outcome::Skipped(breach)));
                }
                said.map(Some)
            }
        };
        let old_from = said.as_ref().ok().and_then(|said| said.as_ref()?.old_from);
        let inference = said.map(|said| said.map(|said| said.inference));
        let (inference, forecast) = self.with_forecast(nonce, inference)?;
        let payload = Payload::new(inference, forecast).map_err(|error| error.to_string())?;
        if let Some(open) = &mut self.memory.nonce {
            open.made_ready(payload, Instant::now(), old_from);
        }
        Ok(After::Step)
    }

    /// Which guard keeps the inference from being sent.
    fn rejected(&self, nonce: Nonce, said: &Said, model: &ModelConfig) -> Option<String> {
        let inference = model.hide_in(&said.inference);
        debug!("nonce {nonce}: the model says {inference}");
        let breach = said.breach.as_ref()?;
        // why: a label may repeat a header's value, a number by itself is not one
        let breach = match said.inference {
            Inference::Value(_) => breach.clone(),
            Inference::Labelled(_) => model.hide(breach),
        };
        match self.config.guards.on_guard {
            OnGuard::Skip => Some(breach),
            OnGuard::Warn => {
                warn!("nonce {nonce}: sent all the same: {breach}");
                None
            }
        }
    }

    /// Adds the forecast to the inference. Either goes alone if the other one fails; a forecast
    /// only once the inference's model has used its retries.
    fn with_forecast(
        &mut self,
        nonce: Nonce,
        inference: Result<Option<Inference>, String>,
    ) -> Result<(Option<Inference>, Vec<ForecastElement>), String> {
        let has_inference = matches!(inference, Ok(Some(_)));
        let open = self.open();
        let is_asked = open.is_some_and(|open| open.takes_forecast(has_inference))
            && (inference.is_ok() || self.is_last_chance());
        let Some(model) = self.config.forecast.clone().filter(|_| is_asked) else {
            return inference.map(|inference| (inference, Vec::new()));
        };
        // why: an inference must not wait for a forecast
        let limit = match self.config.inference {
            Some(_) => forecast_time(self.request_time()),
            None => self.request_time(),
        };
        let forecast = self.ask(nonce, "the forecast's model", &model, limit, |answer| {
            answer::forecast(&answer.body, model.pointer.as_ref())
        });
        match (inference, forecast) {
            (Ok(inference), Ok(forecast)) => Ok((inference, forecast)),
            (Ok(Some(inference)), Err(error)) => {
                if let Some(open) = &mut self.memory.nonce {
                    open.forecast_failed = true;
                }
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
        let left = self.memory.blocks_left(&self.pace());
        let retries = self.config.inference_fetch_retries;
        let open = self.open();
        open.is_some_and(|open| forecast_goes_alone(open.model_failures, retries, left))
    }

    /// Asks one of the models; `who` names it in a warning.
    fn ask<T>(
        &self,
        nonce: Nonce,
        who: &str,
        model: &ModelConfig,
        limit: Duration,
        read: impl Fn(&ModelAnswer) -> Result<T, String>,
    ) -> Result<T, String> {
        let limit = limit.min(model.time_max);
        // why: no request gets less time than that, and there may be two
        beats::asks_within(limit + REQUEST_TIME_MIN * 2);
        let question = Question {
            topic: self.id,
            nonce,
        };
        let asked = ask::ask(&self.context.http, model, question, limit, read);
        if let Some(error) = asked.passed_over {
            warn!("nonce {nonce}: {who}: the second URL was asked: {error}");
        }
        asked.result
    }

    /// Reads an answer as this topic's inference, and rejects what the chain would reject.
    fn read_inference(&self, answer: &ModelAnswer, model: &ModelConfig) -> Result<Said, String> {
        let (body, pointer) = (&answer.body, model.pointer.as_ref());
        let bytes_max = self.label_bytes_max.unwrap_or(LABEL_BYTES_MAX);
        let inference = answer::inference_for(&self.arity, body, pointer, bytes_max)?;
        let guards = &self.config.guards;
        let mut old_from = None;
        let earlier = Earlier {
            sent: self.last_sent.as_ref(),
            network: self.open().and_then(|open| self.network_for(open.id)),
        };
        let breach = guards.breach(&inference, earlier, || {
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
        let (pace, trouble) = (self.pace(), error.clone());
        let retries = self.config.inference_fetch_retries;
        let every = self.config.inference_fetch_retry_freq;
        self.memory.model_failed(&pace, trouble, retries, every);
        let waits = &self.context.chain.waits;
        waits.begin(Scope::Model(self.id), Waiting::NoModel { error });
    }
}
