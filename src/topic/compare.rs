//! Compares the windows that an endpoint names with those of another one: each plan once, and at each
//! look while they differ. What follows from it, [`Schedules`](super::schedules::Schedules) decides.

use std::time::Instant;

use log::{info, warn};

use super::Topic;
use crate::chain::endpoints::EndpointId;
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
            && !self.schedules.is_disputed()
            && self.memory.is_quiet(pace)
            && planned.is_some_and(|(status, _)| {
                let next = status.next.map(|window| window.nonce);
                is_open(&status) && self.other_for(next, pace.now).is_some()
            })
    }

    /// The endpoint that a plan is compared with now.
    fn other_for(&self, plan: Option<Nonce>, now: Instant) -> Option<EndpointId> {
        let others = self.context.chain.lcd.witnesses(self.status_from);
        self.schedules.compares_with(plan, &others, now)
    }

    /// Compares the plan with another endpoint. If it names other windows, the next look takes them
    /// into the plan.
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
        let Some((theirs, their_height)) = self.ask_for_comparison(api, other, plan) else {
            return;
        };
        if status.differs(height, &theirs, their_height) && self.schedules.disputed_is(true) {
            let lcd = &self.context.chain.lcd;
            let window = |status: &WindowStatus| {
                let next = status.open.or(status.next);
                next.map_or_else(|| "none".to_owned(), |window| window.nonce.to_string())
            };
            warn!(
                "topic {}: {} names window {}, {} names window {}: the windows of both are served \
                 until they agree; remove the wrong endpoint from api_url",
                self.id,
                lcd.endpoint_name(self.status_from),
                window(&status),
                lcd.endpoint_name(other),
                window(&theirs),
            );
            self.memory.look_afresh(now);
        }
    }

    /// What another endpoint says about the topic's windows, if it can be and does not keep the
    /// worker from serving.
    fn ask_for_comparison(
        &mut self,
        api: ApiVersion,
        other: EndpointId,
        plan: Option<Nonce>,
    ) -> Option<(WindowStatus, Height)> {
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
        let (memory, schedules) = (&self.memory, &self.schedules);
        let counts = |(status, height): &(WindowStatus, Height)| {
            let is_done = |nonce| memory.is_done(nonce);
            status.is_serving()
                && schedules.contradiction(other, status, *height).is_none()
                && schedules
                    .retraction(other, status, *height, is_done)
                    .is_none()
        };
        let heard = heard.filter(counts);
        match &heard {
            Some((status, _)) => {
                self.schedules.compared(other, plan, now);
                self.schedules.heard(other, status);
            }
            None => self.schedules.is_silent(other, now),
        }
        heard
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
        let mut others = Vec::new();
        for other in self.context.chain.lcd.witnesses(self.status_from) {
            if self.schedules.may_be_asked(other, Instant::now()) {
                let said = self.ask_for_comparison(api, other, plan);
                others.extend(said.map(|(status, height)| (other, status, height)));
            }
        }
        let mut said = others.iter();
        let differ = said.any(|(_, theirs, at)| status.differs(height, theirs, *at));
        if self.schedules.disputed_is(differ) && !differ {
            info!(
                "topic {}: all endpoints name the same windows again",
                self.id
            );
        }
        if !differ {
            return status;
        }
        let mut said = vec![(self.status_from, status)];
        said.extend(others.iter().map(|(other, theirs, _)| (*other, *theirs)));
        let windows: Vec<_> = said.iter().filter_map(|(_, said)| said.open).collect();
        let open = self.memory.choose(&windows);
        let by = said
            .iter()
            .find(|(_, said)| open.is_some() && said.open == open);
        self.status_from = by.map_or(self.status_from, |(endpoint, _)| *endpoint);
        let next = said.iter().filter_map(|(_, said)| said.next);
        let next = next.filter(|window| window.nonce.height() > height);
        WindowStatus {
            open: open.or(status.open),
            next: next.min_by_key(|window| window.nonce),
            ..status
        }
    }
}
