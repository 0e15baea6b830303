//! Hands a payload to the broadcaster and follows its answer.

use std::time::Instant;

use crossbeam_channel::{bounded, select};
use log::{debug, error, warn};

use super::nonce::{Next, OpenNonce, Sent};
use super::{After, Topic};
use crate::broadcaster::STOP_PATIENCE;
use crate::broadcaster::order::{Doubt, Order, SendTrouble, Submission, Vouched, WORDS_MAX, Word};
use crate::broadcaster::sequence::Job;
use crate::chain::meaning::{Action, Stage, WaitReason};
use crate::status::beats;
use crate::status::outcome::Outcome;
use crate::status::waiting::{Scope, Waiting};
use crate::topic::gas::{GasMemory, labels_of};
use crate::values::payload::Payload;
use crate::values::topic::Arity;
use crate::values::units::{ApiVersion, Height, Nonce};

impl Topic {
    /// Hands the payload over and waits for the broadcaster's last message about it.
    pub(super) fn submit(&mut self, nonce: Nonce) -> Result<After, String> {
        let topic = self.id;
        self.rate.count(nonce, self.status_from, Instant::now());
        let gas = self.gas_of_payload().clone();
        let last_word = self.hand_over(Job::Payload { topic, nonce }, &gas);
        let (Some((word, api)), Some(open)) = (last_word, &mut self.memory.nonce) else {
            return Ok(After::Step);
        };
        match word {
            Word::Settled(settled, offered, refusal) => {
                open.settled(Sent {
                    settled: *settled,
                    offered,
                    refusal,
                    api,
                });
                Ok(After::Step)
            }
            Word::Refused(meaning) => {
                self.note(&meaning);
                let (text, action) = (meaning.to_string(), meaning.action());
                self.follow_refusal(nonce, text, action, Stage::CheckTx)
            }
            Word::NotNow(SendTrouble::AskServedAbove(height)) => {
                let above = height.plus(1);
                open.ask_served_from = Some(above);
                Ok(After::Behind(above))
            }
            Word::NotNow(trouble @ SendTrouble::Behind) => {
                open.trouble = Some(trouble.to_string());
                Ok(After::Behind(self.context.chain.height()))
            }
            Word::NotNow(trouble @ SendTrouble::Outdated) => {
                // why: nothing failed, so it goes without a simulation again
                open.trouble = Some(trouble.to_string());
                open.ask_served_from = Some(self.context.chain.height());
                Ok(After::Step)
            }
            Word::NotNow(trouble @ SendTrouble::Unnamed(_)) => {
                self.schedules.refuses(nonce);
                Err(trouble.to_string())
            }
            Word::NotNow(trouble @ SendTrouble::SequencesExhausted) => {
                let last = open.trouble.take().unwrap_or_default();
                let why = format!("{trouble}; last: {last}");
                Ok(After::End(Outcome::Missed(why.into())))
            }
            Word::NotNow(trouble) => Err(trouble.to_string()),
            Word::Accepted { .. } => Ok(After::Step),
        }
    }

    /// Says once for a nonce, which is not served at this height, that it is left to this standby.
    pub(super) fn note_take_over(&mut self, height: Height) {
        if let Some(open) = &mut self.memory.nonce
            && open.takes_over(height)
        {
            let (nonce, last) = (open.id, open.proof_from.unwrap_or_default());
            warn!("nonce {nonce}: not served by the primary up to block {last}, taking over");
        }
    }

    /// What replaces a simulation of the payload.
    fn vouched(&self, open: &OpenNonce) -> Option<Vouched> {
        // why: the gas was learnt from inferences alone, and a topic never vouches for a forecast
        let payload = open.payload().filter(|_| open.is_plain())?;
        // why: the primary may have served it in a block that this process has not seen
        if open.proof_from.is_some() {
            return None;
        }
        // why: without a list each label may be new to the chain, whose room for labels ends
        if matches!(&self.arity, Arity::Multi(rules) if rules.whitelist.is_empty()) {
            return None;
        }
        // why: what one endpoint alone says of a window is tried first where that costs nothing
        if self.schedules.is_disputed() || self.kind_disputed {
            return None;
        }
        let at = self.memory.vouched_at()?;
        let api = self.context.chain.api_last_known()?;
        let is_known = self.gas.knows(api, &labels_of(payload.inference()));
        let used = self.gas.in_free_place();
        is_known.then_some(Vouched { used, api, at })
    }

    /// Sends the payload that is ready, or a registration, and waits for the broadcaster's last
    /// message about it, which it returns with the emissions version of what a node accepted;
    /// `None` when stopping. Every submission gets such a message, at the latest when its timeout
    /// height has passed. `gas` is what is known of such messages.
    pub(super) fn hand_over(
        &mut self,
        job: Job,
        gas: &GasMemory,
    ) -> Option<(Word, Option<ApiVersion>)> {
        let is_payload = matches!(job, Job::Payload { .. });
        let open = self.open().filter(|_| is_payload);
        let payload = open.and_then(OpenNonce::payload);
        // why: a forecast alone takes no place of an inference
        let has_inference = payload.is_some_and(|payload| payload.inference().is_some());
        let crowd = has_inference.then(|| self.crowd.known());
        let old_from = self.memory.payload_old_from(&self.pace());
        let (reply, words) = bounded(WORDS_MAX);
        let submission = Submission {
            job,
            payload: payload.cloned(),
            last_block: open.map(|open| open.last_block),
            vouched: open.and_then(|open| self.vouched(open)),
            crowd: crowd.unwrap_or_default(),
            used_evicting: gas.evicting(),
            gas_min: gas.at_least(),
            gas_most: gas.most(),
            doubt: open.map_or(Doubt::None, |open| {
                let height = self.context.chain.height();
                self.schedules.doubt(open.id, height)
            }),
            balance_doubtful: open.is_some_and(|open| open.balance_doubtful),
            at: Instant::now(),
            old_from: old_from.filter(|_| is_payload),
            reply,
        };
        let mut accepted_for = None;
        beats::rests();
        select! {
            send(self.context.outbox, Order::Send(Box::new(submission))) -> sent => sent.ok()?,
            recv(self.context.stop.receiver()) -> _ => return None,
        }
        loop {
            let word = select! {
                recv(words) -> word => word.ok()?,
                recv(self.context.stop.receiver()) -> _ => words.recv_timeout(STOP_PATIENCE).ok()?,
            };
            let Word::Accepted { hash, api } = word else {
                return Some((word, accepted_for));
            };
            accepted_for = Some(api);
            if is_payload {
                self.payload_accepted();
            }
            self.context.chain.waits.end(Scope::Message(self.id));
            debug!("{job}: accepted by the node, hash {hash}");
        }
    }

    /// Reports the accepted payload, and keeps its inference for the guard of the next one.
    fn payload_accepted(&mut self) {
        let Some(open) = &self.memory.nonce else {
            return;
        };
        let inference = open.payload().and_then(Payload::inference);
        self.last_sent = inference.cloned().or(self.last_sent.take());
        let chain = &self.context.chain;
        let blocks_left = open.last_block.0.saturating_sub(chain.height().0);
        chain.board.accepted(self.id, blocks_left);
        if open.proof_from.is_some() {
            chain.board.took_over(self.id);
        }
    }

    /// Does what a refusal of the payload, or its failure in a block, asks for.
    pub(super) fn follow_refusal(
        &mut self,
        nonce: Nonce,
        text: String,
        action: Action,
        stage: Stage,
    ) -> Result<After, String> {
        let Some(open) = &mut self.memory.nonce else {
            return Err(text);
        };
        match open.after(action, stage) {
            Next::Served => return Ok(After::End(Outcome::AlreadySubmitted)),
            Next::Refused => return Ok(After::End(Outcome::Refused(text))),
            Next::Defect => {
                error!("nonce {nonce}: {text}; this is a defect of the worker or its settings");
                self.label_bytes_max = None;
                return Ok(After::End(Outcome::Refused(text)));
            }
            Next::WithoutForecast => {
                warn!("nonce {nonce}: refused with its forecast, the inference goes alone: {text}");
                open.drop_forecast();
                if stage == Stage::CheckTx {
                    return Ok(After::Step);
                }
            }
            Next::RereadRules => {
                warn!("nonce {nonce}: {text}; the topic's rules are read again");
                open.reread_rules();
                self.label_bytes_max = None;
            }
            Next::Wait(reason) => self.wait_for(reason),
            Next::ReprobeApi => self.context.chain.suspect_api(),
            Next::Retry => {}
        }
        Err(text)
    }

    pub(super) fn wait_for(&self, reason: WaitReason) {
        let topic = Scope::Topic(self.id);
        let address = self.context.chain.address.clone();
        let (scope, waiting) = match reason {
            WaitReason::UnknownTopic => (topic, Waiting::UnknownTopic),
            WaitReason::NotWhitelisted => (topic, Waiting::NotWhitelisted { address }),
            WaitReason::ChainPaused => (Scope::Message(self.id), Waiting::ChainPaused),
            // why: the broadcaster reports these, with balance and cost
            WaitReason::Unfunded | WaitReason::UnknownAccount | WaitReason::NotGranted => return,
        };
        self.context.chain.waits.begin(scope, waiting);
    }
}
