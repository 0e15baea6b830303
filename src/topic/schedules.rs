//! What each endpoint says about the topic's windows. An endpoint can invent a whole schedule that
//! contradicts nothing else it says: windows at other blocks, or in longer epochs. So each status is
//! judged by the lengths that the same endpoint names, and each plan is compared with another
//! endpoint. If they differ, nothing tells which one is right, and the windows of both are served
//! until they agree. An endpoint that gives no answer does not agree: its last status counts until
//! the windows in it are over. Pure.

use std::time::{Duration, Instant};

use crate::backoff;
use crate::broadcaster::order::Doubt;
use crate::chain::endpoints::EndpointId;
use crate::topic::recent::RecentNonces;
use crate::values::topic::{TopicLengths, WindowStatus};
use crate::values::units::{Height, Nonce};

/// First and longest pause of an endpoint that gave no usable answer to a comparison.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is known of all endpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedules {
    list: Vec<Schedule>,
    /// The plan that was compared last.
    compared: Option<Option<Nonce>>,
    dispute: Option<Dispute>,
    /// Nonces of windows whose payload an endpoint refused that does not name them.
    refused: RecentNonces,
}

/// Endpoints name different windows.
#[derive(Clone, Debug)]
struct Dispute {
    /// Those that named other windows than another one.
    between: Vec<EndpointId>,
    /// The height at which all of them agreed for the first time since.
    agreed_at: Option<Height>,
}

/// How the windows that another endpoint names compare with those of the endpoint in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Agrees,
    Differs,
    /// It gave no answer, and its last status says nothing any more, or nothing else.
    Unknown,
}

/// What a comparison changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DisputeChange {
    Begins,
    Ends,
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    endpoint: EndpointId,
    lengths: Option<TopicLengths>,
    /// Its last status that counts, and the height of that.
    said: Option<(WindowStatus, Height)>,
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
                said: None,
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

    /// The shortest epoch of those whose last status fits the lengths that they name, and at least
    /// `blocks_min`. No plan reaches further.
    pub(super) fn shortest_epoch(&self, blocks_min: u64) -> Option<u64> {
        let fits = self.list.iter().filter(|of| of.said.is_some());
        let lengths = fits.filter_map(|of| of.lengths);
        let shortest = lengths.map(|lengths| lengths.epoch_blocks).min();
        shortest.map(|blocks| blocks.max(blocks_min))
    }

    /// The lengths that a status of this endpoint is judged by before it is planned on: its own, or
    /// those of another one while it does not name them.
    pub(super) fn lengths_for(&self, endpoint: EndpointId) -> Option<TopicLengths> {
        let of_any = || self.list.iter().find_map(|of| of.lengths);
        self.lengths(endpoint).or_else(of_any)
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
        let announced = self.get(endpoint)?.said?.0.next?;
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
    pub(super) fn heard(&mut self, endpoint: EndpointId, status: &WindowStatus, height: Height) {
        self.of(endpoint).said = Some((*status, height));
    }

    /// The last status of this endpoint, and the height of that, while a window in it is not over at
    /// `height`.
    pub(super) fn last_words(
        &self,
        endpoint: EndpointId,
        height: Height,
    ) -> Option<(WindowStatus, Height)> {
        let (status, said_at) = self.get(endpoint)?.said?;
        let mut windows = [status.open, status.next].into_iter().flatten();
        let lasts = windows.any(|window| height < window.end);
        lasts.then_some((status, said_at))
    }

    /// How the windows of `other` compare with a status that the endpoint in use gave at `height`.
    /// `answered` tells whether it was heard for this comparison.
    pub(super) fn verdict(
        &self,
        other: EndpointId,
        answered: bool,
        status: &WindowStatus,
        height: Height,
    ) -> Comparison {
        match self.last_words(other, height) {
            Some((theirs, at)) if status.differs(height, &theirs, at) => Comparison::Differs,
            _ if answered => Comparison::Agrees,
            _ => Comparison::Unknown,
        }
    }

    /// Whether this endpoint may be asked for a comparison: it answered the last one, or some time has
    /// passed since.
    pub(super) fn may_be_asked(&self, endpoint: EndpointId, now: Instant) -> bool {
        let not_before = self.get(endpoint).and_then(|of| of.not_before);
        not_before.is_none_or(|at| now >= at)
    }

    /// Which endpoint a plan is compared with now: once per plan the one that answered a comparison
    /// the longest ago, each of them once at the start, and in a dispute each that gave no answer.
    pub(super) fn compares_with(
        &self,
        plan: Option<Nonce>,
        others: &[EndpointId],
        now: Instant,
    ) -> Option<EndpointId> {
        let answered_at = |id: EndpointId| self.get(id).and_then(|of| of.compared_at);
        let mut others = others.iter().filter(|id| self.may_be_asked(**id, now));
        let other = *others.clone().min_by_key(|id| answered_at(**id))?;
        let is_new = self.compared != Some(plan);
        if !self.is_disputed() {
            return (is_new || answered_at(other).is_none()).then_some(other);
        }
        let is_silent = |id: &&EndpointId| self.get(**id).is_some_and(|of| of.silences > 0);
        others.find(is_silent).copied()
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

    /// What speaks against this window in a dispute, at this height.
    pub(super) fn doubt(&self, nonce: Nonce, height: Height) -> Doubt {
        let Some(dispute) = &self.dispute else {
            return Doubt::None;
        };
        if self.refused.contains(nonce) {
            return Doubt::Refused;
        }
        let names = |id: &EndpointId| {
            self.last_words(*id, height).is_none_or(|(status, at)| {
                let open = status.as_of(at, height).open;
                open.is_some_and(|window| window.nonce == nonce)
            })
        };
        let other = dispute.between.iter().find(|id| !names(id));
        other.map_or(Doubt::None, |other| Doubt::Unnamed(*other))
    }

    /// Notes that an endpoint which does not name this window refused the payload.
    pub(super) fn refuses(&mut self, nonce: Nonce) {
        self.refused.add(nonce);
    }

    /// Whether endpoints name different windows, as far as is known.
    pub(super) fn is_disputed(&self) -> bool {
        self.dispute.is_some()
    }

    /// Notes how others compare with the endpoint in use, whose status is of `height`. A dispute ends
    /// once all that it is between agree at two heights.
    pub(super) fn judge(
        &mut self,
        in_use: EndpointId,
        height: Height,
        verdicts: &[(EndpointId, Comparison)],
    ) -> Option<DisputeChange> {
        let with = |verdict| verdicts.iter().filter(move |(_, found)| *found == verdict);
        let differ: Vec<EndpointId> = with(Comparison::Differs).map(|(id, _)| *id).collect();
        if !differ.is_empty() {
            let is_new = self.dispute.is_none();
            let dispute = self.dispute.get_or_insert_with(|| Dispute {
                between: Vec::new(),
                agreed_at: None,
            });
            dispute.agreed_at = None;
            for id in differ.into_iter().chain([in_use]) {
                if !dispute.between.contains(&id) {
                    dispute.between.push(id);
                }
            }
            return is_new.then(|| self.changed(DisputeChange::Begins));
        }
        let dispute = self.dispute.as_mut()?;
        let agrees = |id: &EndpointId| with(Comparison::Agrees).any(|(agreeing, _)| agreeing == id);
        let mut between = dispute.between.iter();
        if !between.all(|id| *id == in_use || agrees(id)) {
            return None;
        }
        let agreed_at = *dispute.agreed_at.get_or_insert(height);
        if agreed_at == height {
            return None;
        }
        self.dispute = None;
        Some(self.changed(DisputeChange::Ends))
    }

    /// What the windows are compared with has changed: the next plan is compared anew.
    fn changed(&mut self, change: DisputeChange) -> DisputeChange {
        self.compared = None;
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIAR: EndpointId = EndpointId(0);
    const HONEST: EndpointId = EndpointId(1);
    const THIRD: EndpointId = EndpointId(2);

    fn status(open: Option<(u64, u64)>, next: (u64, u64)) -> WindowStatus {
        WindowStatus::serving(open, Some(next))
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
        schedules.lengths_are(HONEST, Some(lengths(20)));
        assert!(!says(&schedules, LIAR, &far), "it fits its own lie");
        assert!(!says(&schedules, HONEST, &near));
        assert!(says(&schedules, HONEST, &far) && says(&schedules, LIAR, &near));
    }

    #[test]
    fn a_window_that_its_endpoint_announced_must_open_and_not_move() {
        let mut schedules = Schedules::default();
        schedules.heard(LIAR, &status(None, (120, 130)), Height(100));
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

    #[test]
    fn an_epoch_counts_once_a_status_fits_it() {
        let mut schedules = Schedules::default();
        let lengths = |epoch_blocks| {
            Some(TopicLengths {
                epoch_blocks,
                window_blocks: 10,
            })
        };
        schedules.lengths_are(LIAR, lengths(0));
        schedules.lengths_are(HONEST, lengths(60));
        assert_eq!(schedules.shortest_epoch(12), None, "no status");
        schedules.heard(HONEST, &status(None, (120, 130)), Height(100));
        assert_eq!(schedules.shortest_epoch(12), Some(60));
        schedules.heard(LIAR, &status(None, (101, 111)), Height(100));
        assert_eq!(schedules.shortest_epoch(12), Some(12), "no chain has less");
        schedules.lengths_are(LIAR, None);
        assert_eq!(schedules.shortest_epoch(12), Some(60), "it is undone");
    }

    #[test]
    fn an_endpoint_that_hides_its_lengths_is_judged_by_those_of_another_one() {
        let mut schedules = Schedules::default();
        assert_eq!(schedules.lengths_for(LIAR), None);
        let lengths = |epoch_blocks| TopicLengths {
            epoch_blocks,
            window_blocks: 10,
        };
        schedules.lengths_are(HONEST, Some(lengths(20)));
        assert_eq!(schedules.lengths_for(LIAR), Some(lengths(20)));
        schedules.lengths_are(LIAR, Some(lengths(30)));
        assert_eq!(schedules.lengths_for(LIAR), Some(lengths(30)));
        assert_eq!(schedules.lengths_for(HONEST), Some(lengths(20)));
    }

    /// The honest endpoint's windows: every 20 blocks, 10 long.
    fn honest_at(height: u64) -> WindowStatus {
        let nonce = height - height % 20;
        let open = (height <= nonce + 10).then_some((nonce, nonce + 10));
        status(open, (nonce + 20, nonce + 30))
    }

    const FAR: (u64, u64) = (1_000_000, 1_000_010);

    /// A look at the liar, which is in use, at `height`; the honest one answers at `theirs`, or not.
    fn look(
        schedules: &mut Schedules,
        height: u64,
        lies: bool,
        theirs: Option<u64>,
    ) -> Option<DisputeChange> {
        let said = if lies {
            status(None, FAR)
        } else {
            honest_at(height)
        };
        if let Some(at) = theirs {
            schedules.heard(HONEST, &honest_at(at), Height(at));
        }
        let verdict = schedules.verdict(HONEST, theirs.is_some(), &said, Height(height));
        schedules.judge(LIAR, Height(height), &[(HONEST, verdict)])
    }

    #[test]
    fn an_endpoint_that_is_silent_or_a_block_late_does_not_agree() {
        let mut schedules = Schedules::default();
        let look =
            |schedules: &mut Schedules, height, theirs| look(schedules, height, true, theirs);
        assert_eq!(
            look(&mut schedules, 105, Some(104)),
            Some(DisputeChange::Begins)
        );
        for height in 106..160 {
            assert_eq!(look(&mut schedules, height, None), None, "{height}");
            assert!(schedules.is_disputed(), "{height}");
        }
        for height in 160..200 {
            assert_eq!(look(&mut schedules, height, Some(height - 1)), None);
            assert!(schedules.is_disputed(), "{height}");
        }
    }

    #[test]
    fn a_dispute_ends_with_agreement_at_two_heights() {
        let mut schedules = Schedules::default();
        assert_eq!(
            look(&mut schedules, 105, true, Some(105)),
            Some(DisputeChange::Begins)
        );
        assert_eq!(look(&mut schedules, 106, false, Some(105)), None);
        assert_eq!(
            look(&mut schedules, 106, false, Some(106)),
            None,
            "one height"
        );
        assert_eq!(look(&mut schedules, 107, true, Some(107)), None);
        assert_eq!(look(&mut schedules, 108, false, Some(108)), None);
        assert_eq!(look(&mut schedules, 109, false, None), None, "it is silent");
        assert_eq!(
            look(&mut schedules, 110, false, Some(109)),
            Some(DisputeChange::Ends)
        );
        assert!(!schedules.is_disputed());
        let agreeing = [(THIRD, Comparison::Agrees)];
        assert_eq!(
            look(&mut schedules, 111, true, Some(111)),
            Some(DisputeChange::Begins)
        );
        for height in [112, 113, 114] {
            let change = schedules.judge(LIAR, Height(height), &agreeing);
            assert_eq!(change, None, "the honest one has not agreed");
        }
    }

    #[test]
    fn the_last_words_of_a_silent_endpoint_count_until_its_windows_are_over() {
        let mut schedules = Schedules::default();
        assert_eq!(schedules.last_words(HONEST, Height(100)), None);
        let said = honest_at(105);
        schedules.heard(HONEST, &said, Height(105));
        assert_eq!(
            schedules.last_words(HONEST, Height(129)),
            Some((said, Height(105)))
        );
        assert_eq!(schedules.last_words(HONEST, Height(130)), None);
    }

    #[test]
    fn what_changes_a_dispute_is_compared_anew_and_a_silent_endpoint_is_asked_again() {
        let now = Instant::now();
        let mut schedules = Schedules::default();
        let (plan, others) = (Some(Nonce(FAR.0)), [HONEST]);
        let asks = |schedules: &Schedules, now| schedules.compares_with(plan, &others, now);
        schedules.compared(HONEST, plan, now);
        assert_eq!(asks(&schedules, now), None);
        look(&mut schedules, 105, true, Some(105));
        assert_eq!(asks(&schedules, now), None, "each look asks it");
        schedules.is_silent(HONEST, now);
        assert_eq!(asks(&schedules, now), None, "not at once");
        assert_eq!(asks(&schedules, now + PAUSE.1), Some(HONEST));
        schedules.compared(HONEST, plan, now);
        look(&mut schedules, 106, false, Some(106));
        look(&mut schedules, 107, false, Some(107));
        assert!(!schedules.is_disputed());
        assert_eq!(asks(&schedules, now), Some(HONEST), "the same plan");
    }

    #[test]
    fn in_a_dispute_an_endpoint_that_does_not_name_a_window_is_asked_once_about_its_payload() {
        let mut schedules = Schedules::default();
        let height = Height(105);
        schedules.heard(LIAR, &status(Some((100, 130)), (160, 190)), height);
        schedules.heard(HONEST, &status(None, (120, 150)), height);
        let (invented, real) = (Nonce(100), Nonce(120));
        assert_eq!(schedules.doubt(invented, height), Doubt::None);
        schedules.judge(LIAR, height, &[(HONEST, Comparison::Differs)]);
        assert_eq!(schedules.doubt(invented, height), Doubt::Unnamed(HONEST));
        assert_eq!(schedules.doubt(real, Height(121)), Doubt::Unnamed(LIAR));
        schedules.refuses(real);
        assert_eq!(schedules.doubt(real, Height(121)), Doubt::Refused);
    }
}
