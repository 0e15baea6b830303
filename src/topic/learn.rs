//! Reads the topic's kind and lengths, and asks other endpoints about a status that keeps the worker
//! from serving or that no chain gives.

use std::time::Instant;

use super::{NoAnswer, Topic};
use crate::chain::endpoints::EndpointId;
use crate::chain::lcd::{Answer, Lcd};
use crate::chain::opinion::SecondOpinion;
use crate::topic::window::Memory;
use crate::values::topic::{Arity, TopicInfo, WindowStatus};
use crate::values::units::{ApiVersion, Height};

impl Topic {
    /// Reads the topic's lengths, from each endpoint in use, and whether it takes one number or
    /// labelled values: once per emissions version, and again while it is of an unknown kind or the
    /// lengths contradict a window. v9 has no labels (protocol.md section 8).
    pub(super) fn learn_topic(&mut self, api: ApiVersion) -> Result<(), NoAnswer> {
        let is_known = self.kind_of == Some(api);
        let in_use = self.context.chain.lcd.current_endpoint();
        let (now, schedules) = (Instant::now(), &self.schedules);
        let has_lengths =
            schedules.lengths(in_use).is_some() || !schedules.may_be_asked(in_use, now);
        let suffices = is_known && !self.is_unserved() && !self.rate.needs_epoch();
        if suffices && has_lengths {
            return Ok(());
        }
        let answer = match self.ask_chain(|lcd| lcd.topic(api, self.id)) {
            Err(_) if suffices => {
                self.schedules.is_silent(in_use, now);
                return Ok(());
            }
            answer => answer?,
        };
        if self.is_kind_contradicted(api, &answer) {
            return Err("another endpoint knows the topic's kind".into());
        }
        self.lengths_are(&answer);
        self.arity = match api {
            ApiVersion::V9 => Arity::Single,
            ApiVersion::V10 => answer.value.arity,
        };
        self.memory.unserved = self.is_unserved();
        self.kind_of = Some(api);
        Ok(())
    }

    /// Notes the topic's lengths according to the endpoint of this answer.
    pub(super) fn lengths_are(&mut self, answer: &Answer<TopicInfo>) {
        let (lengths, endpoint) = (answer.value.lengths, answer.endpoint);
        let chain_id = self.context.chain.lcd.chain_id().unwrap_or_default();
        let now = Instant::now();
        self.rate
            .epoch_is(lengths.epoch_blocks, &chain_id, endpoint, now);
        self.schedules.lengths_are(endpoint, Some(lengths));
    }

    /// Whether the topic is of an unknown kind, and of a known one by another endpoint.
    fn is_kind_contradicted(&mut self, api: ApiVersion, answer: &Answer<TopicInfo>) -> bool {
        let is_known = |topic: &TopicInfo| !matches!(topic.arity, Arity::Other(_));
        if is_known(&answer.value) {
            self.kind_opinion = SecondOpinion::default();
            return false;
        }
        let (topic, lcd) = (self.id, &self.context.chain.lcd);
        let no = format!("topic {topic} is of a kind that this version does not know");
        let differs = self.kind_opinion.differs(Instant::now(), || {
            let ask = |lcd: &Lcd| lcd.topic(api, topic);
            lcd.contradicted(answer.endpoint, &no, ask, |other| is_known(&other.value))
        });
        self.kind_disputed |= differs;
        differs
    }

    /// Whether another endpoint contradicts a status that keeps the worker from serving, or that no
    /// chain gives.
    pub(super) fn is_contradicted(
        &mut self,
        api: ApiVersion,
        status: &WindowStatus,
        height: Height,
        endpoint: EndpointId,
    ) -> bool {
        let (schedules, memory) = (&self.schedules, &self.memory);
        let disputed = schedules.is_disputed();
        let retraction = || {
            let retraction =
                schedules.retraction(endpoint, status, height, |nonce| memory.is_done(nonce));
            // why: both are asked at each look then, and the windows of both are served
            retraction.filter(|_| !disputed)
        };
        let refused = Memory::denial(status);
        let lengths = schedules.lengths_for(endpoint);
        let contradiction = || status.contradiction(height, lengths?);
        let no = refused.or_else(contradiction);
        let only_retracts = no.is_none();
        let Some(no) = no.or_else(retraction) else {
            self.opinion = SecondOpinion::default();
            return false;
        };
        let (topic, chain) = (self.id, &self.context.chain);
        let no = format!("topic {topic}: {no}");
        let ask = |lcd: &Lcd| lcd.window_status(api, topic, &chain.address);
        let is_yes = |other: &Answer<WindowStatus>| {
            let (theirs, their_height) = (&other.value, other.height.unwrap_or(height));
            let differs = || status.differs(height, theirs, their_height);
            let cannot_be = schedules.contradiction(other.endpoint, theirs, their_height);
            let can_be = Memory::denial(theirs).is_none() && cannot_be.is_none();
            can_be && (!only_retracts || differs())
        };
        self.opinion.differs(Instant::now(), || {
            chain.lcd.contradicted(endpoint, &no, ask, is_yes)
        })
    }

    /// Whether a window in it has another length than those of the topic.
    pub(super) fn refuses_windows(&self, status: &WindowStatus, endpoint: EndpointId) -> bool {
        let lengths = self.schedules.lengths_for(endpoint);
        lengths.is_some_and(|lengths| !status.has_windows_of(lengths.window_blocks))
    }

    /// A status contradicts the lengths that its endpoint names, and no other endpoint says
    /// otherwise: they are read again, and another endpoint is used.
    pub(super) fn doubt_lengths(&mut self, part: &str, endpoint: EndpointId) {
        self.kind_of = None;
        self.schedules.lengths_are(endpoint, None);
        let why = format!("contradicts itself about topic {}: {part}", self.id);
        self.context.chain.lcd.use_another(endpoint, &why);
    }

    pub(super) fn is_unserved(&self) -> bool {
        matches!(self.arity, Arity::Other(_))
    }
}
