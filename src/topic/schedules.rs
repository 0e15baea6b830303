//! What each endpoint says about the topic's windows. An endpoint can invent a whole schedule that
//! contradicts nothing else it says: windows at other blocks, or in longer epochs. So each status is
//! judged by the lengths that the same endpoint names, and each plan is compared with another
//! endpoint. If they differ, nothing tells which one is right, and the windows of both are served
//! until they agree. Pure.

use std::time::{Duration, Instant};

use crate::backoff;
use crate::chain::endpoints::EndpointId;
use crate::values::topic::{TopicLengths, Window, WindowStatus};
use crate::values::units::{Height, Nonce};

/// First and longest pause of an endpoint that gave no usable answer to a comparison.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is known of all endpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedules {
    list: Vec<Schedule>,
    /// The plan that was compared last.
    compared: Option<Option<Nonce>>,
    /// Two endpoints name different windows.
    disputed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    endpoint: EndpointId,
    lengths: Option<TopicLengths>,
    /// The next window of its last status.
    announced: Option<Window>,
    /// When it last answered a comparison.
    compared_at: Option<Instant>,
    /// How often in a row it did not answer one, and when it may be asked again.
    silences: u32,
    not_before: Option<Instant>,
}

impl Schedules {
    fn get(&self, endpoint: EndpointId) -> Option<&Schedule> {
        self.list.iter().find(|of| of.endpoint == endpoint)
    }

    fn of(&mut self, endpoint: EndpointId) -> &mut Schedule {
        let place = self.list.iter().position(|of| of.endpoint == endpoint);
        let place = place.unwrap_or_else(|| {
            self.list.push(Schedule {
                endpoint,
                lengths: None,
                announced: None,
                compared_at: None,
                silences: 0,
                not_before: None,
            });
            self.list.len() - 1
        });
        &mut self.list[place]
    }

    /// The topic's lengths according to this endpoint.
    pub(super) fn lengths(&self, endpoint: EndpointId) -> Option<TopicLengths> {
        self.get(endpoint)?.lengths
    }

    /// Notes the lengths that an endpoint names; `None`: they are to be read again.
    pub(super) fn lengths_are(&mut self, endpoint: EndpointId, lengths: Option<TopicLengths>) {
        self.of(endpoint).lengths = lengths;
    }

    /// The shortest epoch that any endpoint named: no plan reaches further.
    pub(super) fn shortest_epoch(&self) -> Option<u64> {
        let lengths = self.list.iter().filter_map(|of| of.lengths);
        lengths.map(|lengths| lengths.epoch_blocks).min()
    }

    /// Which part of this status, read at `height`, no chain says about a topic with the lengths that
    /// the same endpoint names.
    pub(super) fn contradiction(
        &self,
        endpoint: EndpointId,
        status: &WindowStatus,
        height: Height,
    ) -> Option<&'static str> {
        status.contradiction(height, self.lengths(endpoint)?)
    }

    /// Whether a status lacks the window that the same endpoint announced, or moves it. `is_done`
    /// tells of a nonce whether it has ended.
    pub(super) fn retraction(
        &self,
        endpoint: EndpointId,
        status: &WindowStatus,
        height: Height,
        is_done: impl Fn(Nonce) -> bool,
    ) -> Option<&'static str> {
        let announced = self.get(endpoint)?.announced?;
        let is_due = (announced.nonce.height()..announced.end).contains(&height);
        let is_ahead = announced.nonce.height() > height;
        if is_due && status.open.is_none() && !is_done(announced.nonce) {
            Some("no window is open, although one was announced for this block")
        } else if is_ahead && status.next.is_some_and(|next| next.nonce > announced.nonce) {
            Some("the next window opens later than was announced")
        } else {
            None
        }
    }

    /// Notes a status that counts.
    pub(super) fn heard(&mut self, endpoint: EndpointId, status: &WindowStatus) {
        self.of(endpoint).announced = status.next;
    }

    /// Whether this endpoint may be asked for a comparison: it answered the last one, or some time has
    /// passed since.
    pub(super) fn may_be_asked(&self, endpoint: EndpointId, now: Instant) -> bool {
        let not_before = self.get(endpoint).and_then(|of| of.not_before);
        not_before.is_none_or(|at| now >= at)
    }

    /// Which endpoint a plan is compared with now: once per plan the one that answered a comparison
    /// the longest ago, and each of them once at the start.
    pub(super) fn compares_with(
        &self,
        plan: Option<Nonce>,
        others: &[EndpointId],
        now: Instant,
    ) -> Option<EndpointId> {
        let answered_at = |id: EndpointId| self.get(id).and_then(|of| of.compared_at);
        let others = others.iter().filter(|id| self.may_be_asked(**id, now));
        let other = *others.min_by_key(|id| answered_at(**id))?;
        let is_new = self.compared != Some(plan);
        (is_new || answered_at(other).is_none()).then_some(other)
    }

    /// Notes that this endpoint answered a comparison of the plan.
    pub(super) fn compared(&mut self, endpoint: EndpointId, plan: Option<Nonce>, now: Instant) {
        self.compared = Some(plan);
        let of = self.of(endpoint);
        (of.compared_at, of.silences, of.not_before) = (Some(now), 0, None);
    }

    /// Notes that this endpoint gave no usable answer to a comparison. It is asked again after a
    /// growing pause.
    pub(super) fn is_silent(&mut self, endpoint: EndpointId, now: Instant) {
        let of = self.of(endpoint);
        of.silences = of.silences.saturating_add(1);
        of.not_before = Some(now + backoff::doubled(of.silences, PAUSE.0, PAUSE.1));
    }

    /// Whether two endpoints name different windows, as far as is known.
    pub(super) fn is_disputed(&self) -> bool {
        self.disputed
    }

    /// Notes whether two endpoints differ. Gives whether this is new.
    pub(super) fn disputed_is(&mut self, disputed: bool) -> bool {
        std::mem::replace(&mut self.disputed, disputed) != disputed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIAR: EndpointId = EndpointId(0);
    const HONEST: EndpointId = EndpointId(1);
    const THIRD: EndpointId = EndpointId(2);

    fn status(open: Option<(u64, u64)>, next: (u64, u64)) -> WindowStatus {
        let window = |(nonce, end)| Window {
            nonce: Nonce(nonce),
            end: Height(end),
        };
        WindowStatus {
            open: open.map(window),
            next: Some(window(next)),
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: true,
        }
    }

    #[test]
    fn a_status_is_judged_by_the_lengths_of_its_own_endpoint() {
        let mut schedules = Schedules::default();
        let lengths = |epoch_blocks| TopicLengths {
            epoch_blocks,
            window_blocks: 10,
        };
        let far = status(None, (900_000, 900_010));
        let near = status(Some((95, 105)), (115, 125));
        let says = |schedules: &Schedules, id, status| {
            schedules.contradiction(id, status, Height(100)).is_some()
        };
        assert!(!says(&schedules, LIAR, &far), "no lengths are known");
        schedules.lengths_are(LIAR, Some(lengths(1_000_000)));
        assert_eq!(schedules.shortest_epoch(), Some(1_000_000));
        schedules.lengths_are(HONEST, Some(lengths(20)));
        assert_eq!(schedules.shortest_epoch(), Some(20));
        assert!(!says(&schedules, LIAR, &far), "it fits its own lie");
        assert!(!says(&schedules, HONEST, &near));
        assert!(says(&schedules, HONEST, &far) && says(&schedules, LIAR, &near));
    }

    #[test]
    fn a_window_that_its_endpoint_announced_must_open_and_not_move() {
        let mut schedules = Schedules::default();
        schedules.heard(LIAR, &status(None, (120, 130)));
        let said = |id, height, open, next, done: bool| {
            schedules.retraction(id, &status(open, next), Height(height), |_| done)
        };
        assert_eq!(said(LIAR, 110, None, (120, 130), false), None);
        let later = said(LIAR, 110, None, (125, 135), false);
        assert_eq!(
            later,
            Some("the next window opens later than was announced")
        );
        let other = said(HONEST, 110, None, (125, 135), false);
        assert_eq!(other, None, "another endpoint has announced nothing");
        assert_eq!(said(LIAR, 120, Some((120, 130)), (140, 150), false), None);
        assert!(said(LIAR, 125, None, (140, 150), false).is_some());
        assert_eq!(said(LIAR, 125, None, (140, 150), true), None);
        assert_eq!(said(LIAR, 131, None, (140, 150), false), None, "it is over");
    }

    #[test]
    fn each_plan_is_compared_once_and_each_endpoint_at_the_start() {
        let now = Instant::now();
        let mut schedules = Schedules::default();
        let others = [HONEST, THIRD];
        let (plan, next) = (Some(Nonce(120)), Some(Nonce(140)));
        assert_eq!(schedules.compares_with(plan, &others, now), Some(HONEST));
        schedules.compared(HONEST, plan, now);
        assert_eq!(schedules.compares_with(plan, &others, now), Some(THIRD));
        schedules.compared(THIRD, plan, now + PAUSE.0);
        assert_eq!(schedules.compares_with(plan, &others, now), None);
        assert_eq!(schedules.compares_with(next, &others, now), Some(HONEST));
        assert_eq!(schedules.compares_with(next, &[], now), None);
    }

    #[test]
    fn an_endpoint_that_does_not_answer_is_asked_ever_more_rarely() {
        let now = Instant::now();
        let mut schedules = Schedules::default();
        let mut asked = 0;
        for second in 0..3600 {
            let now = now + Duration::from_secs(second);
            if schedules
                .compares_with(Some(Nonce(second)), &[HONEST], now)
                .is_some()
            {
                schedules.is_silent(HONEST, now);
                asked += 1;
            }
        }
        assert!((60..=70).contains(&asked), "{asked}");
    }
}
