//! Handing something to the broadcaster and taking its word about it.

use std::time::Instant;

use crossbeam_channel::{Receiver, bounded, select};
use log::{debug, error, info, warn};

use super::Topic;
use super::settle::Receipt;
use crate::broadcaster::STOP_PATIENCE;
use crate::broadcaster::order::{Order, SendTrouble, Submission, Vouched, WORDS_MAX, Word};
use crate::broadcaster::sequence::{Job, Settled};
use crate::chain::meaning::{Action, Meaning, WaitReason};
use crate::status::beats;
use crate::status::tally::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::topic::gas::Labels;
use crate::values::payload::Payload;
use crate::values::topic::Arity;
use crate::values::units::{Nonce, Uallo};

/// Whether a refusal leaves nothing to try again with the same payload.
pub(super) fn ends_nonce(action: Action) -> bool {
    matches!(
        action,
        Action::Served | Action::Defect | Action::RereadTopic
    )
}

/// Whether such a refusal may be for the forecast; one of labels is for the inference.
pub(super) fn blames_all(action: Action) -> bool {
    ends_nonce(action) && action != Action::RereadTopic
}

impl Topic {
    /// Hands the payload over and stays until there is a last word about it.
    pub(super) fn submit(&mut self, nonce: Nonce) {
        let gas_min = self.gas_of_ready().at_least();
        let Some(attempt) = &self.memory.attempt else {
            return;
        };
        let Some(ready) = &attempt.ready else {
            return;
        };
        // why: what was learnt is of inferences alone, and nobody vouches for a forecast
        let is_plain = ready.payload.forecast().is_empty() && !self.trail.forecast_refused;
        let vouched = self.vouched(nonce, &ready.payload).filter(|_| is_plain);
        self.trail.api = None;
        let (reply, words) = bounded(WORDS_MAX);
        let submission = Submission {
            job: Job::Payload {
                topic: self.id,
                nonce,
            },
            payload: Some(ready.payload.clone()),
            last_block: Some(attempt.last_block),
            vouched,
            gas_min,
            balance_doubtful: self.trail.balance_doubtful,
            at: Instant::now(),
            reply,
        };
        match self.hand_over(submission, &words) {
            Some(Word::Settled(settled, fee)) => self.take_settled(settled, fee),
            Some(Word::Refused(meaning)) => self.refused(nonce, &meaning),
            Some(Word::NotNow(trouble)) => self.not_now(trouble),
            Some(Word::Accepted { .. }) | None => {}
        }
    }

    /// What the payload may go by without a simulation.
    fn vouched(&self, nonce: Nonce, payload: &Payload) -> Option<Vouched> {
        // why: without a list each label may be new to the chain, whose room for labels ends
        if matches!(&self.arity, Arity::Multi(rules) if rules.whitelist.is_empty()) {
            return None;
        }
        let at = self.memory.vouched_at(nonce)?;
        let api = self.shared.chain.api_last_known()?;
        let used = self.gas.used(api, &Labels::of(payload.inference()))?;
        Some(Vouched { used, api, at })
    }

    /// Sends a submission and waits for the word that ends it; `None` when stopping. The
    /// broadcaster gives one for every submission, at the latest when its timeout height passed.
    fn hand_over(&mut self, submission: Submission, words: &Receiver<Word>) -> Option<Word> {
        let job = submission.job;
        beats::rests();
        select! {
            send(self.shared.outbox, Order::Send(submission)) -> sent => if sent.is_err() { return None },
            recv(self.shared.stop.receiver()) -> _ => return None,
        }
        loop {
            let word = select! {
                recv(words) -> word => word.ok()?,
                recv(self.shared.stop.receiver()) -> _ => words.recv_timeout(STOP_PATIENCE).ok()?,
            };
            match word {
                Word::Accepted { hash, api } => {
                    if let Job::Payload { .. } = job {
                        self.trail.api = Some(api);
                        self.note_sent();
                    }
                    self.shared.chain.waits.end(Scope::Message(self.id));
                    self.tell_accepted(job);
                    debug!("{job}: accepted by the node, hash {hash}");
                }
                last => return Some(last),
            }
        }
    }

    /// What a node took is what the next value is held against.
    fn note_sent(&mut self) {
        let attempt = self.memory.attempt.as_ref();
        let ready = attempt.and_then(|attempt| attempt.ready.as_ref());
        if let Some(inference) = ready.and_then(|ready| ready.payload.inference()) {
            self.last_sent = Some(inference.clone());
        }
    }

    fn not_now(&mut self, trouble: SendTrouble) {
        if let (SendTrouble::AskServedAbove(height), Some(attempt)) =
            (&trouble, &mut self.memory.attempt)
        {
            let above = height.plus(1);
            attempt.ask_served_from = Some(above);
            return self.wait_for_height(above);
        }
        self.attempt_failed(trouble.to_string());
    }

    /// The chain refused the payload, for nothing.
    fn refused(&mut self, nonce: Nonce, meaning: &Meaning) {
        let text = meaning.to_string();
        let action = self.noted(meaning).action();
        if blames_all(action) && self.drop_forecast(nonce, &text) {
            return;
        }
        match action {
            Action::RereadTopic if self.reread_labels(nonce, &text) => {}
            Action::Served => return self.end(nonce, &Outcome::AlreadySubmitted),
            Action::Defect | Action::RereadTopic => {
                error!("nonce {nonce}: {text}; this is a defect of the worker or its settings");
                self.forget_rules();
                return self.end(nonce, &Outcome::Refused(text));
            }
            Action::Wait(reason) => self.wait_for(reason),
            Action::ReprobeApi => self.shared.chain.suspect_api(),
            _ => {}
        }
        self.attempt_failed(text);
    }

    /// A message is atomic: where a bundle is refused for good, it may be for its forecast, and the
    /// inference is tried alone. Gives whether there was a forecast to leave out.
    pub(super) fn drop_forecast(&mut self, nonce: Nonce, why: &str) -> bool {
        let attempt = self.memory.attempt.as_mut();
        let ready = attempt.and_then(|attempt| attempt.ready.as_mut());
        let alone = ready
            .as_ref()
            .and_then(|ready| ready.payload.without_forecast());
        let (Some(ready), Some(alone)) = (ready, alone) else {
            return false;
        };
        ready.payload = alone;
        self.trail.forecast_refused = true;
        warn!("nonce {nonce}: refused with its forecast, the inference goes alone: {why}");
        true
    }

    /// The chain refused the labels by rules that are not those that were read: once per nonce they
    /// are read again, and the model is asked again.
    fn reread_labels(&mut self, nonce: Nonce, why: &str) -> bool {
        self.forget_rules();
        if std::mem::replace(&mut self.trail.labels_reread, true) {
            return false;
        }
        warn!("nonce {nonce}: {why}; the topic's rules are read again");
        if let Some(attempt) = &mut self.memory.attempt {
            attempt.ready = None;
        }
        true
    }

    /// What is known of the topic's rules for labels proved wrong.
    pub(super) fn forget_rules(&mut self) {
        self.rules_for = None;
        self.label_bytes_max = None;
    }

    fn wait_for(&self, reason: WaitReason) {
        let chain = &self.shared.chain;
        let address = chain.address.clone();
        let topic = Scope::Topic(self.id);
        match reason {
            WaitReason::UnknownTopic => chain.waits.begin(topic, Waiting::UnknownTopic),
            WaitReason::NotWhitelisted => {
                chain
                    .waits
                    .begin(topic, Waiting::NotWhitelisted { address });
            }
            WaitReason::ChainPaused => {
                chain
                    .waits
                    .begin(Scope::Message(self.id), Waiting::ChainPaused);
            }
            // why: the purse says these, with have and need
            WaitReason::Unfunded | WaitReason::UnknownAccount => {}
        }
    }

    fn noted<'a>(&self, meaning: &'a Meaning) -> &'a Meaning {
        self.shared.tally.answer(meaning);
        meaning
    }

    /// Registers the worker in the topic, by the same rules as a payload.
    pub(super) fn register(&mut self) {
        if std::mem::take(&mut self.registration_unproven) {
            let error = "its transaction had no effect, and the node has no index to tell why";
            return self.registration_cost(error);
        }
        let (reply, words) = bounded(WORDS_MAX);
        let submission = Submission {
            job: Job::Registration { topic: self.id },
            payload: None,
            last_block: None,
            vouched: None,
            gas_min: self.registration_gas.at_least(),
            balance_doubtful: false,
            at: Instant::now(),
            reply,
        };
        debug!("topic {}: not registered, registering", self.id);
        let failed = match self.hand_over(submission, &words) {
            None => return,
            Some(Word::Settled(settled, fee)) => return self.registration_settled(&settled, fee),
            Some(Word::Refused(meaning)) => match self.noted(&meaning).action() {
                Action::Registered => None,
                Action::Wait(reason) => {
                    self.wait_for(reason);
                    Some(meaning.to_string())
                }
                Action::ReprobeApi => {
                    self.shared.chain.suspect_api();
                    Some(meaning.to_string())
                }
                _ => Some(meaning.to_string()),
            },
            Some(Word::NotNow(trouble)) => Some(trouble.to_string()),
            Some(Word::Accepted { .. }) => None,
        };
        self.registration_tried(failed);
    }

    fn registration_tried(&mut self, failed: Option<String>) {
        let (now, pace) = self.now_and_pace();
        match failed {
            None => self.memory.registered(now),
            Some(error) => {
                let failures = self.memory.registration_failed(&pace, now);
                self.not_registered(failures, &error);
            }
        }
    }

    fn not_registered(&mut self, failures: u32, error: &str) {
        if let Some(attempt) = &mut self.memory.attempt {
            attempt.trouble = Some(format!("not registered: {error}"));
        }
        // why: what goes on failing is a waiting state by then, and has been said
        match failures {
            1 => warn!("topic {}: not registered yet, trying on: {error}", self.id),
            _ => debug!("topic {}: not registered yet: {error}", self.id),
        }
    }

    /// A registration's number is settled: registered, void, or failed in a block.
    fn registration_settled(&mut self, settled: &Settled, fee: Uallo) {
        if !settled.consumed {
            let error = "its transaction got into no block in time".to_owned();
            return self.registration_tried(Some(error));
        }
        let (hash, result) = match self.receipt(settled, fee) {
            Receipt::Found(hash, result) => (hash, result),
            Receipt::Absent => {
                let error = "another transaction took its sequence".to_owned();
                return self.registration_tried(Some(error));
            }
            Receipt::Unknown => {
                // why: the next look tells; if it says no, this one cost its fee
                self.registration_unproven = true;
                let (now, _) = self.now_and_pace();
                return self.memory.look_afresh(now);
            }
        };
        let meaning = result.meaning();
        match meaning.action() {
            Action::GoOn => {
                let (height, fee) = (result.height, result.fee);
                info!("registered in block {height}, hash {hash}, fee {fee} uallo");
                return self.registration_tried(None);
            }
            Action::Registered => return self.registration_tried(None),
            Action::MoreGas => {
                self.registration_gas.ran_out(result.gas_used);
            }
            _ => {}
        }
        warn!(
            "topic {}: the registration failed in a block, its fee is lost: {meaning}",
            self.id
        );
        self.registration_cost(&meaning.to_string());
    }

    fn registration_cost(&mut self, error: &str) {
        let (now, pace) = self.now_and_pace();
        let failures = self.memory.registration_cost(&pace, now);
        self.not_registered(failures, error);
    }
}
