//! Compares the windows that an endpoint names with those of another one: each plan once, and at each
//! look while they differ. What follows from it, [`Schedules`](super::schedules::Schedules) decides.

use std::time::{Instant, SystemTime};

use log::{info, warn};

use super::Topic;
use crate::chain::endpoints::EndpointId;
use crate::topic::schedules::{Comparison, DisputeChange};
use crate::topic::window::Pace;
use crate::values::topic::WindowStatus;
use crate::values::units::{ApiVersion, Height, Nonce};

impl Topic {
    /// Whether to compare the plan with another endpoint now, so that a window which only the other
    /// one knows is not slept through.
    pub(super) fn compares_now(&self, pace: &Pace) -> bool {
        let is_open = |status: &WindowStatus| status.is_serving();
        let planned = self.memory.planned_on();
        self.context.chain.lcd.endpoint_count() > 1
            && self.memory.is_quiet(pace)
            && planned.is_some_and(|(status, _)| {
                let next = status.next.map(|window| window.nonce);
                is_open(&status) && self.other_for(next, pace.now).is_some()
            })
    }

    /// The endpoint that a plan is compared with now.
    fn other_for(&self, plan: Option<Nonce>, now: Instant) -> Option<EndpointId> {
        let others = self.context.chain.lcd.comparable(self.status_from);
        self.schedules.compares_with(plan, &others, now)
    }

    /// Compares the plan with another endpoint. If it names other windows, or answers again in a
    /// dispute, the next look takes its windows into the plan.
    pub(super) fn compare_plan(&mut self) {
        let now = Instant::now();
        let planned = self.memory.planned_on();
        let Some((status, height)) = planned else {
            return;
        };
        let plan = status.next.map(|window| window.nonce);
        let (Some(api), Some(other)) = (
            self.context.chain.api_last_known(),
            self.other_for(plan, now),
        ) else {
            return;
        };
        let is_resumed = self.schedules.is_disputed();
        if !self.ask_for_comparison(api, other, plan) {
            return;
        }
        let verdict = self.schedules.verdict(other, true, &status, height);
        let is_another = verdict == Comparison::Differs;
        if is_another {
            self.judge(&status, height, &[(other, verdict)]);
        }
        if is_another || is_resumed {
            self.memory.look_afresh(now);
        }
    }

    /// Notes how other endpoints compare with the one in use, and logs if a dispute begins or ends.
    fn judge(
        &mut self,
        status: &WindowStatus,
        height: Height,
        verdicts: &[(EndpointId, Comparison)],
    ) {
        let (lcd, id) = (&self.context.chain.lcd, self.id);
        match self.schedules.judge(self.status_from, height, verdicts) {
            Some(DisputeChange::Begins) => {
                let mut differ = verdicts.iter();
                let other = differ.find(|(_, verdict)| *verdict == Comparison::Differs);
                let other = other.map_or(self.status_from, |(other, _)| *other);
                let theirs = self.schedules.last_words(other, height);
                let window = |status: &WindowStatus| {
                    let next = status.open.or(status.next);
                    next.map_or_else(|| "none".to_owned(), |window| window.nonce.to_string())
                };
                warn!(
                    "topic {id}: {} names window {}, {} names window {}: the windows of both are \
                     served until they agree; remove the wrong endpoint from api_url",
                    lcd.endpoint_name(self.status_from),
                    window(status),
                    lcd.endpoint_name(other),
                    theirs.map_or_else(|| "none".to_owned(), |(theirs, _)| window(&theirs)),
                );
            }
            Some(DisputeChange::Ends) => {
                info!("topic {id}: all endpoints name the same windows again");
            }
            None => {}
        }
    }

    /// Asks another endpoint about the topic's windows. Gives whether its status counts: it can be, and
    /// does not keep the worker from serving.
    fn ask_for_comparison(
        &mut self,
        api: ApiVersion,
        other: EndpointId,
        plan: Option<Nonce>,
    ) -> bool {
        let lcd = self.context.chain.lcd.asking(other);
        if self.schedules.lengths(other).is_none()
            && let Ok(answer) = lcd.topic(api, self.id)
        {
            self.lengths_are(&answer);
        }
        let answer = lcd.window_status(api, self.id, &self.context.chain.address);
        let answer = answer.ok().filter(|answer| answer.fresh);
        let heard = answer.and_then(|answer| answer.height.map(|height| (answer.value, height)));
        let now = Instant::now();
        let Some((status, height)) = heard.filter(|(status, _)| status.is_serving()) else {
            self.schedules.is_silent(other, now);
            return false;
        };
        let is_done = |nonce| self.memory.is_done(nonce);
        let cannot_be = self.schedules.contradiction(other, &status, height);
        let counts = cannot_be.is_none()
            && self
                .schedules
                .retraction(other, &status, height, is_done)
                .is_none();
        if cannot_be.is_some() {
            // why: an upgrade of the chain may have changed them
            self.schedules.lengths_are(other, None);
        }
        if counts {
            self.schedules.compared(other, plan, now);
            self.heard(other, &status, height);
        } else {
            self.schedules.is_silent(other, now);
        }
        counts
    }

    /// Notes a status that counts.
    pub(super) fn heard(&mut self, endpoint: EndpointId, status: &WindowStatus, height: Height) {
        let epoch_blocks = self.epoch_blocks(endpoint);
        let now = SystemTime::now();
        self.windows
            .heard(endpoint, status, height, epoch_blocks, now);
        self.schedules.heard(endpoint, status, height);
    }

    /// The status with the windows that other endpoints name, while they differ from its own: an
    /// open one that is to be served now, and the next one of all.
    pub(super) fn with_windows_of_others(
        &mut self,
        api: ApiVersion,
        status: WindowStatus,
        height: Height,
    ) -> WindowStatus {
        let plan = status.next.map(|window| window.nonce);
        let (mut verdicts, mut said) = (Vec::new(), vec![(self.status_from, status)]);
        let answering = self.context.chain.lcd.comparable(self.status_from);
        for other in self.context.chain.lcd.witnesses(self.status_from) {
            let may_be_asked =
                answering.contains(&other) && self.schedules.may_be_asked(other, Instant::now());
            let answered = may_be_asked && self.ask_for_comparison(api, other, plan);
            let verdict = self.schedules.verdict(other, answered, &status, height);
            verdicts.push((other, verdict));
            let words = self.schedules.last_words(other, height);
            said.extend(words.map(|(theirs, at)| (other, theirs.as_of(at, height))));
        }
        self.judge(&status, height, &verdicts);
        let is_disputed = self.schedules.is_disputed();
        let windows: Vec<_> = said.iter().filter_map(|(_, said)| said.open).collect();
        let open = if is_disputed {
            self.memory.choose(&windows)
        } else {
            status.open
        };
        if let Some(window) = open {
            let by = said.iter().filter(|(_, said)| said.open == open);
            let by: Vec<EndpointId> = by.map(|(endpoint, _)| *endpoint).collect();
            let freest = self.rate.freest(window.nonce, &by, Instant::now());
            self.status_from = freest.unwrap_or(self.status_from);
        }
        if !is_disputed {
            return status;
        }
        let next = said.iter().filter_map(|(_, said)| said.next);
        let next = next.filter(|window| window.nonce.height() > height);
        WindowStatus {
            open: open.or(status.open),
            next: next.min_by_key(|window| window.nonce),
            ..status
        }
    }
}
