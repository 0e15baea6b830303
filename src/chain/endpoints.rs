//! Chooses the endpoint for the next request. No I/O, no clock: callers report what happened and
//! when, and get a [`Choice`].
//!
//! The first endpoint is preferred, and is returned to once it recovers. An endpoint that fails is
//! paused for a growing time. If all are paused, the one whose pause ends first is used
//! nevertheless, so that a single endpoint is always asked. A server's `Retry-After` is respected
//! even then. An endpoint is used only after its chain id was checked. One that claimed what cannot
//! be is not believed: it is left for minutes to hours, and asked only if no other one answers.

use std::time::{Duration, Instant};

use crate::backoff::{self, Jitter};
use crate::values::units::Height;

/// The pause after the first failure; every further failure doubles it.
pub const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// The longest pause after failures.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// A longer `Retry-After` is cut to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How often a better endpoint is tried while another one is in use. Each time that it is returned to
/// and fails within this time doubles it, up to the second one: a node may answer what it is tried with
/// and nothing else.
const RETURN_EVERY: Duration = Duration::from_secs(30);
const RETURN_EVERY_MAX: Duration = Duration::from_secs(600);

/// An endpoint that did not answer for this long may be another machine now: its chain id is
/// checked again.
const IDENTIFY_AFTER: Duration = Duration::from_secs(60);

/// The first and the longest pause of an endpoint that claims what cannot be or whose own answers
/// make it of no use; each relapse takes `PAUSE_GROWTH` times as long.
const PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(4 * 3600));
const PAUSE_GROWTH: u32 = 4;

/// A relapse is one within this many pauses after the last one, and at least within an hour.
const RELAPSE_PAUSES: u32 = 4;
const RELAPSE_MIN: Duration = Duration::from_secs(3600);

/// The pause of an endpoint that another one contradicts.
const ASIDE: Duration = Duration::from_secs(60);
/// How soon after the last contradiction another one counts as the same.
const AGAIN: Duration = Duration::from_secs(1);

/// First and longest pause between comparisons with an endpoint that answers none: it doubles.
const SILENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// If no other endpoint has answered for this long, those that are not believed are asked.
const DISTRUST_DOWN: Duration = Duration::from_secs(60);

/// How long an endpoint of another chain is not asked. It may have been wrong once: asking costs
/// nothing, and nothing is signed for it.
const WRONG_CHAIN_PAUSE: Duration = Duration::from_secs(30);

/// A load balancer's nodes are up to this many blocks apart (protocol.md section 3.1); a node
/// further behind is cut off from the chain, or not upgraded.
const BEHIND_BLOCKS_MAX: u64 = 2;

/// Whether a node at `height` is too far behind the highest height known for its answers to be
/// used.
pub fn is_behind(height: Height, highest: Height) -> bool {
    height.plus(BEHIND_BLOCKS_MAX) < highest
}

/// An endpoint, by its place in the configured list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub usize);

/// What to do about the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Ask this endpoint for its chain id, then choose again.
    Identify(EndpointId),
    /// Send the request to this endpoint.
    Use(EndpointId),
    /// Send nothing before this moment: every endpoint asked for a pause or serves another chain.
    Wait(Instant),
}

/// Another endpoint is in use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: EndpointId,
    pub to: EndpointId,
}

#[derive(Clone, Copy, Debug, Default)]
struct One {
    /// Failures in a row; a failure during a pause is not counted.
    failures: u32,
    /// The end of the pause after a failure.
    paused_until: Option<Instant>,
    /// The end of the pause that the server asked for.
    closed_until: Option<Instant>,
    /// The first failure since the last answer.
    down_since: Option<Instant>,
    /// It claimed what cannot be. An answer does not end this.
    distrust: Option<Pause>,
    /// Its own answers make it of no use. An answer does not end this.
    useless: Option<Pause>,
    /// Another endpoint contradicted it. An answer does not end this.
    aside_until: Option<Instant>,
    /// How often in a row it gave no answer when it was asked beside the one in use, and until when it
    /// is not asked for a comparison.
    silences: u32,
    silent_until: Option<Instant>,
    chain: ChainIs,
    /// When its chain id was last doubted, for its heights and for the account.
    doubted_at: [Option<Instant>; 2],
    /// When it was last tried while another one was in use.
    tried_at: Option<Instant>,
    /// When it was last returned to, and how often in a row it failed soon after that. An answer does
    /// not end this.
    returned_at: Option<Instant>,
    relapses: u32,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

impl Pause {
    /// The pause that begins now, if the last one is over. It is longer if that was not long ago.
    fn after(last: Option<Pause>, now: Instant) -> Pause {
        let (first, longest) = PAUSE;
        let length = match last {
            // Requests that were under way together count as one.
            Some(last) if now < last.until => return last,
            Some(last) if now < last.until + (last.length * RELAPSE_PAUSES).max(RELAPSE_MIN) => {
                (last.length * PAUSE_GROWTH).min(longest)
            }
            _ => first,
        };
        Pause {
            until: now + length,
            length,
        }
    }
}

/// Why the chain behind an address may be another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainDoubt {
    /// It names a height that does not follow from those before.
    Height,
    /// The account is not the one that it was, or a signature for it is refused.
    Account,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChainIs {
    #[default]
    Unknown,
    Right,
    /// Until its chain id is asked again at this moment.
    Wrong(Instant),
}

/// The endpoints and what is known of each.
#[derive(Clone, Debug)]
pub struct Endpoints {
    list: Vec<One>,
    current: usize,
    jitter: Jitter,
}

impl Endpoints {
    /// `count` endpoints of which nothing is known; `seed` varies their pauses.
    pub fn new(count: usize, seed: u64) -> Endpoints {
        Endpoints {
            list: vec![One::default(); count],
            current: 0,
            jitter: Jitter::new(seed),
        }
    }

    /// The endpoint in use; the first one until any has answered.
    pub fn current(&self) -> EndpointId {
        EndpointId(self.current)
    }

    /// Chooses the endpoint for the next request.
    pub fn choose(&self, now: Instant) -> Choice {
        let open = |(_, one): &(usize, &One)| one.opens_at().is_none_or(|at| at <= now);
        let mut healthy = self
            .list
            .iter()
            .enumerate()
            .filter(|(_, one)| one.is_healthy(now));
        let current_is_healthy = healthy.clone().any(|(i, _)| i == self.current);
        let best = healthy.find(|(i, _)| *i == self.current || !current_is_healthy);
        let soonest = || {
            let open = self.list.iter().enumerate().filter(open);
            let is_hope = |one: &One| !one.is_avoided(now) && !one.is_down(now);
            let any_hope = open.clone().any(|(_, one)| is_hope(one));
            open.min_by_key(|(_, one)| {
                let paused_until = one.paused_until.filter(|until| now < *until);
                (
                    // why: one that is only set aside is better than one that does not answer
                    any_hope && one.is_disbelieved(now),
                    paused_until,
                    one.avoided_until(),
                )
            })
        };
        match best.or_else(soonest) {
            Some((i, one)) if one.needs_identity(now) => Choice::Identify(EndpointId(i)),
            Some((i, _)) => Choice::Use(EndpointId(i)),
            None => {
                let opens = self.list.iter().filter_map(One::opens_at).min();
                Choice::Wait(opens.unwrap_or(now + RETRY_AFTER_MAX))
            }
        }
    }

    /// A better endpoint than the one in use that is to be tried now, beside the requests: it is in no
    /// pause, and its last attempt is long enough ago.
    pub fn way_back(&self, now: Instant) -> Option<EndpointId> {
        let mut better = self.list.iter().take(self.current);
        better
            .position(|one| one.is_healthy(now) && one.may_return(now))
            .map(EndpointId)
    }

    /// Notes an attempt to return to this endpoint; the next is due after `RETURN_EVERY`.
    pub fn trying(&mut self, id: EndpointId, now: Instant) {
        if let Some(one) = self.list.get_mut(id.0) {
            one.tried_at = Some(now);
        }
    }

    /// Notes that the endpoint serves the right chain.
    pub fn right_chain(&mut self, id: EndpointId) {
        if let Some(one) = self.list.get_mut(id.0) {
            one.chain = ChainIs::Right;
        }
    }

    /// The endpoints apart from `not` that may be asked now, those that failed last at the end.
    pub fn others(&self, not: EndpointId, now: Instant) -> Vec<EndpointId> {
        let others = self
            .list
            .iter()
            .enumerate()
            .filter(|(i, one)| *i != not.0 && one.opens_at().is_none_or(|at| at <= now));
        let mut others: Vec<_> = others.collect();
        others.sort_by_key(|(_, one)| (one.is_avoided(now), !one.is_healthy(now)));
        others.into_iter().map(|(i, _)| EndpointId(i)).collect()
    }

    /// The endpoints apart from `not` whose heights may confirm or contradict its own: one that
    /// claimed what cannot be is left out, one that was only set aside is not.
    pub fn witnesses(&self, not: EndpointId, now: Instant) -> Vec<EndpointId> {
        let mut others = self.others(not, now);
        let has_lied = |id: &EndpointId| {
            let one = self.list.get(id.0);
            one.is_some_and(|one| one.is_disbelieved(now))
        };
        others.retain(|id| !has_lied(id));
        others
    }

    /// Those of them that answer: asking them costs no time-out again and again.
    pub fn comparable(&self, not: EndpointId, now: Instant) -> Vec<EndpointId> {
        let mut others = self.witnesses(not, now);
        let is_silent = |one: &One| one.silent_until.is_some_and(|until| now < until);
        let answers = |one: &One| !one.is_paused(now) && !is_silent(one);
        others.retain(|id| self.list.get(id.0).is_some_and(answers));
        others
    }

    /// Notes whether an endpoint that was asked beside the one in use gave an answer that is not late.
    pub fn heard_aside(&mut self, id: EndpointId, is_answer: bool, now: Instant) {
        let Some(one) = self.list.get_mut(id.0) else {
            return;
        };
        if is_answer {
            (one.silences, one.silent_until, one.down_since) = (0, None, None);
        } else if one.silent_until.is_none_or(|until| until <= now) {
            one.silences = one.silences.saturating_add(1);
            one.silent_until = Some(now + backoff::doubled(one.silences, SILENCE.0, SILENCE.1));
        }
    }

    /// Whether a request may be sent to it, and it is in no pause.
    pub fn is_healthy(&self, id: EndpointId, now: Instant) -> bool {
        self.list.get(id.0).is_some_and(|one| one.is_healthy(now))
    }

    /// Notes that another endpoint contradicts this one, or that its answer has another form. It is not
    /// used for `ASIDE` unless no other one answers. Which of the two is wrong is unknown, so the pause
    /// does not grow.
    pub fn set_aside(&mut self, id: EndpointId, now: Instant) {
        if let Some(one) = self.list.get_mut(id.0) {
            one.aside_until = Some(now + ASIDE);
        }
    }

    /// Whether it was set aside within a second before.
    pub fn is_just_set_aside(&self, id: EndpointId, now: Instant) -> bool {
        let until = self.list.get(id.0).and_then(|one| one.aside_until);
        until.is_some_and(|until| until + AGAIN > now + ASIDE)
    }

    /// Notes that its answers on one route are older than its others. It is set aside, and tried ever
    /// more rarely if this happens soon after each return.
    pub fn lags(&mut self, id: EndpointId, now: Instant) {
        let is_current = id == self.current();
        if let Some(one) = self.list.get_mut(id.0) {
            if is_current {
                one.note_relapse(now);
            }
            one.aside_until = Some(now + ASIDE);
        }
    }

    /// Notes that the endpoint's own answers make it of no use: they exclude each other, or what it
    /// accepts gets into no block. It is not used for a time that grows with each relapse, unless no
    /// other one answers, but its word still counts beside that of another one.
    pub fn is_useless(&mut self, id: EndpointId, now: Instant) {
        if let Some(one) = self.list.get_mut(id.0) {
            one.useless = Some(Pause::after(one.useless, now));
        }
    }

    /// Whether its chain has to be checked before anything else is asked of it.
    pub fn is_unidentified(&self, id: EndpointId, now: Instant) -> bool {
        let one = self.list.get(id.0);
        one.is_none_or(|one| one.needs_identity(now))
    }

    /// Notes an answer; returns the change if the endpoint is in use from now on.
    pub fn answered(&mut self, id: EndpointId, now: Instant) -> Option<Change> {
        let one = self.list.get_mut(id.0)?;
        *one = One {
            chain: one.chain,
            doubted_at: one.doubted_at,
            tried_at: one.tried_at,
            returned_at: one.returned_at,
            relapses: one.relapses,
            distrust: one.distrust,
            useless: one.useless,
            aside_until: one.aside_until,
            ..One::default()
        };
        // A late answer from an endpoint that was left does not bring it into use again.
        let in_use = self.list.get(self.current);
        let current_is_healthy =
            in_use.is_some_and(|one| one.chain == ChainIs::Right && one.is_healthy(now));
        if id.0 == self.current || (id.0 > self.current && current_is_healthy) {
            return None;
        }
        let from = EndpointId(std::mem::replace(&mut self.current, id.0));
        if let Some(one) = self.list.get_mut(id.0).filter(|_| id < from) {
            one.returned_at = Some(now);
        }
        Some(Change { from, to: id })
    }

    /// Notes a failure: the endpoint is paused, for as long as the server asked if it did.
    pub fn failed(&mut self, id: EndpointId, now: Instant, retry_after: Option<Duration>) {
        let jitter = u8::try_from(self.jitter.number() >> 56).unwrap_or(u8::MAX);
        let is_current = id == self.current();
        let Some(one) = self.list.get_mut(id.0) else {
            return;
        };
        if let Some(wait) = retry_after {
            let until = now + wait.min(RETRY_AFTER_MAX);
            one.closed_until = one.closed_until.max(Some(until));
        }
        one.down_since.get_or_insert(now);
        if one.is_paused(now) {
            // Requests that were under way together count as one failure.
            return;
        }
        if is_current {
            one.note_relapse(now);
        }
        one.failures = one.failures.saturating_add(1);
        one.paused_until = Some(now + back_off(one.failures, jitter));
    }

    /// Notes that the endpoint claimed what cannot be. It is not used for minutes, and with each
    /// relapse for longer, up to hours, unless no other one answers.
    pub fn distrust(&mut self, id: EndpointId, now: Instant) {
        let Some(one) = self.list.get_mut(id.0) else {
            return;
        };
        one.distrust = Some(Pause::after(one.distrust, now));
    }

    /// Whether another endpoint is used for what this one said, if there is one.
    pub fn is_avoided(&self, id: EndpointId, now: Instant) -> bool {
        let one = self.list.get(id.0);
        one.is_some_and(|one| one.is_avoided(now))
    }

    /// What the endpoint answers is not what the chain answered before: the chain behind its address
    /// may be a new one. Its chain id is asked before the next request, for each kind of doubt at most
    /// once per `IDENTIFY_AFTER`: a height may be in doubt without end, and must not delay what an
    /// account shows. Returns whether it will be.
    pub fn doubt_chain(&mut self, id: EndpointId, doubt: ChainDoubt, now: Instant) -> bool {
        let Some(one) = self.list.get_mut(id.0) else {
            return false;
        };
        let [height, account] = &mut one.doubted_at;
        let doubted_at = match doubt {
            ChainDoubt::Height => height,
            ChainDoubt::Account => account,
        };
        let lately = |at: Instant| now.saturating_duration_since(at) < IDENTIFY_AFTER;
        let is_due = one.chain == ChainIs::Right && !doubted_at.is_some_and(lately);
        if is_due {
            *doubted_at = Some(now);
            one.chain = ChainIs::Unknown;
        }
        is_due
    }

    /// Notes that the endpoint serves another chain; returns whether this is new.
    pub fn wrong_chain(&mut self, id: EndpointId, now: Instant) -> bool {
        let Some(one) = self.list.get_mut(id.0) else {
            return false;
        };
        let is_new = !matches!(one.chain, ChainIs::Wrong(_));
        one.chain = ChainIs::Wrong(now + WRONG_CHAIN_PAUSE);
        is_new
    }
}

impl One {
    /// Counts that it is of no use soon after the return to it.
    fn note_relapse(&mut self, now: Instant) {
        let lately = |at| now.saturating_duration_since(at) < RETURN_EVERY;
        let is_relapse = self.returned_at.is_some_and(lately);
        self.relapses = if is_relapse { self.relapses + 1 } else { 0 };
    }

    /// Whether it is in the pause after a failure.
    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// Whether it is in the pause after it claimed what cannot be.
    fn is_disbelieved(&self, now: Instant) -> bool {
        self.distrust.is_some_and(|pause| now < pause.until)
    }

    fn is_avoided(&self, now: Instant) -> bool {
        self.avoided_until().is_some_and(|until| now < until)
    }

    fn avoided_until(&self) -> Option<Instant> {
        let until = |pause: Option<Pause>| pause.map(|pause| pause.until);
        until(self.distrust)
            .max(until(self.useless))
            .max(self.aside_until)
    }

    /// Whether it has not answered for [`DISTRUST_DOWN`].
    fn is_down(&self, now: Instant) -> bool {
        let long_ago = |since| now.saturating_duration_since(since) >= DISTRUST_DOWN;
        self.down_since.is_some_and(long_ago)
    }

    /// Whether a request may be sent to it, and it is in no pause.
    fn is_healthy(&self, now: Instant) -> bool {
        !self.is_paused(now) && !self.is_avoided(now) && self.opens_at().is_none_or(|at| at <= now)
    }

    /// The moment before which nothing may be sent to it.
    fn opens_at(&self) -> Option<Instant> {
        match self.chain {
            ChainIs::Wrong(until) => self.closed_until.max(Some(until)),
            ChainIs::Unknown | ChainIs::Right => self.closed_until,
        }
    }

    fn needs_identity(&self, now: Instant) -> bool {
        let long_down = |since| now.saturating_duration_since(since) >= IDENTIFY_AFTER;
        self.chain != ChainIs::Right || self.down_since.is_some_and(long_down)
    }

    fn may_return(&self, now: Instant) -> bool {
        let every = backoff::doubled(self.relapses + 1, RETURN_EVERY, RETURN_EVERY_MAX);
        self.tried_at
            .is_none_or(|at| now.saturating_duration_since(at) >= every)
    }
}

/// The pause after a number of failures: it doubles from [`BACK_OFF_MIN`] to [`BACK_OFF_MAX`], and
/// is half of that to all of it by `jitter` (0 to 255), so that workers do not return at the same
/// time.
fn back_off(failures: u32, jitter: u8) -> Duration {
    let whole = backoff::doubled(failures, BACK_OFF_MIN, BACK_OFF_MAX);
    whole / 2 + whole / 2 * u32::from(jitter) / 255
}

#[cfg(test)]
mod tests;
