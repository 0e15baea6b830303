//! Handing something to the broadcaster and taking its word about it.

use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select};
use log::{Level, debug, error, info, log, warn};

use super::Topic;
use crate::backoff::{self, Jitter};
use crate::broadcaster::STOP_PATIENCE;
use crate::outcome::{Action, Meaning, WaitReason};
use crate::payload::Payload;
use crate::sequence::{Job, Settled};
use crate::submission::{Submission, Trouble, WORDS_MAX, Word};
use crate::tally::Outcome;
use crate::tx::TxHash;
use crate::units::Nonce;
use crate::waiting::{Scope, Waiting};

/// First and longest delay between two tries to register.
const REGISTRATION_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Topic {
    /// Hands the payload over and stays until there is a last word about it.
    pub(super) fn submit(&mut self, nonce: Nonce) {
        let Some(attempt) = &self.memory.attempt else {
            return;
        };
        let Some(ready) = &attempt.inference else {
            return;
        };
        let (reply, words) = bounded(WORDS_MAX);
        let submission = Submission {
            job: Job::Payload {
                topic: self.id,
                nonce,
            },
            payload: Some(Payload::from_value(ready.value.clone())),
            last_block: Some(attempt.last_block),
            gas_min: self.trail.gas_min,
            reply,
        };
        match self.hand_over(submission, &words) {
            Some(Word::Settled(settled)) => self.take_settled(settled),
            Some(Word::Refused { meaning, .. }) => self.refused(nonce, &meaning),
            Some(Word::NotNow(trouble)) => self.not_now(trouble),
            Some(Word::Accepted { .. }) | None => {}
        }
    }

    /// Sends a submission and waits for the word that ends it; `None` when stopping. The
    /// broadcaster gives one for every submission, at the latest when its timeout height passed.
    fn hand_over(&self, submission: Submission, words: &Receiver<Word>) -> Option<Word> {
        let job = submission.job;
        select! {
            send(self.shared.outbox, submission) -> sent => if sent.is_err() { return None },
            recv(self.shared.stop.receiver()) -> _ => return None,
        }
        loop {
            let word = select! {
                recv(words) -> word => word.ok()?,
                recv(self.shared.stop.receiver()) -> _ => words.recv_timeout(STOP_PATIENCE).ok()?,
            };
            match word {
                Word::Accepted { hash } => debug!("{job}: accepted by the node, hash {hash}"),
                last => return Some(last),
            }
        }
    }

    fn not_now(&mut self, trouble: Trouble) {
        if let (Trouble::AskServedAbove(height), Some(attempt)) =
            (&trouble, &mut self.memory.attempt)
        {
            attempt.ask_served_from = Some(height.plus(1));
        }
        self.attempt_failed(trouble.to_string());
    }

    /// The chain refused the payload, for nothing.
    fn refused(&mut self, nonce: Nonce, meaning: &Meaning) {
        let text = meaning.to_string();
        match meaning.action() {
            Action::Served => return self.end(nonce, &Outcome::AlreadySubmitted),
            Action::Defect | Action::RereadTopic => {
                error!("nonce {nonce}: {text}; this is a defect of the worker or its settings");
                return self.end(nonce, &Outcome::Refused(text));
            }
            Action::Wait(reason) => self.wait_for(reason),
            Action::ReprobeApi => self.shared.chain.suspect_api(),
            _ => {}
        }
        if let Meaning::Unknown { .. } = meaning {
            warn!("nonce {nonce}: {text}; trying on while the window is open");
        }
        self.attempt_failed(text);
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
            WaitReason::ChainPaused => chain.waits.begin(topic, Waiting::ChainPaused),
            // why: the purse says these, with have and need
            WaitReason::Unfunded | WaitReason::UnknownAccount => {}
        }
    }

    /// Registers the worker in the topic, by the same rules as a payload.
    pub(super) fn register(&mut self) {
        let (reply, words) = bounded(WORDS_MAX);
        let submission = Submission {
            job: Job::Registration { topic: self.id },
            payload: None,
            last_block: None,
            gas_min: self.trail.gas_min,
            reply,
        };
        if self.registration_failures == 0 {
            info!("not registered in topic {} yet, registering", self.id);
        }
        let failed = match self.hand_over(submission, &words) {
            None => return,
            Some(Word::Settled(settled)) => self.registration_settled(&settled),
            Some(Word::Refused { meaning, .. }) => match meaning.action() {
                Action::Registered => None,
                Action::Wait(reason) => {
                    self.wait_for(reason);
                    Some(Failed::said(meaning.to_string()))
                }
                Action::ReprobeApi => {
                    self.shared.chain.suspect_api();
                    Some(Failed::unsaid(meaning.to_string()))
                }
                _ => Some(Failed::unsaid(meaning.to_string())),
            },
            Some(Word::NotNow(trouble)) => Some(match trouble {
                Trouble::Unfunded { .. } | Trouble::FeeAboveCap { .. } => {
                    Failed::said(trouble.to_string())
                }
                _ => Failed::unsaid(trouble.to_string()),
            }),
            Some(Word::Accepted { .. }) => None,
        };
        self.registration_tried(failed);
    }

    fn registration_tried(&mut self, failed: Option<Failed>) {
        let (now, pace) = self.now_and_pace();
        let Some(Failed { error, is_said }) = failed else {
            self.registration_failures = 0;
            let _ = self
                .memory
                .registration_tried(&pace, now, Duration::ZERO, None);
            return;
        };
        self.registration_failures = self.registration_failures.saturating_add(1);
        let (base, cap) = REGISTRATION_RETRY;
        let mut jitter = Jitter::from_clock(self.id.0);
        let delay = backoff::delay(self.registration_failures, base, cap, &mut jitter);
        let delay = self
            .memory
            .registration_tried(&pace, now, delay, Some(&error));
        let level = if is_said { Level::Debug } else { Level::Warn };
        log!(
            level,
            "not registered yet, trying again in {} s: {error}",
            delay.as_secs() + 1
        );
    }

    /// Gives why the registration failed, if it did.
    fn registration_settled(&mut self, settled: &Settled<TxHash>) -> Option<Failed> {
        if !settled.consumed {
            let error = "its transaction got into no block in time".to_owned();
            return Some(Failed::unsaid(error));
        }
        // why: without an index the next look at the status tells whether we are registered
        let (hash, result) = self.receipt(settled)?;
        if result.code == 0 {
            let (height, fee) = (result.height, result.fee);
            info!("registered in block {height}, hash {hash}, fee {fee} uallo");
            return None;
        }
        let meaning = result.meaning();
        match meaning.action() {
            Action::Registered => None,
            Action::MoreGas => {
                self.trail.gas_min =
                    Some(crate::units::Gas(result.gas_used.0.saturating_mul(7) / 5));
                Some(Failed::unsaid(meaning.to_string()))
            }
            _ => Some(Failed::unsaid(meaning.to_string())),
        }
    }
}

/// Why a registration failed.
struct Failed {
    error: String,
    /// A waiting state says it already.
    is_said: bool,
}

impl Failed {
    fn said(error: String) -> Failed {
        let is_said = true;
        Failed { error, is_said }
    }

    fn unsaid(error: String) -> Failed {
        let is_said = false;
        Failed { error, is_said }
    }
}
