//! Which of the configured endpoints is asked next. Pure: told what happened and when, it answers
//! with a [`Choice`].
//!
//! The first endpoint is the operator's favourite and is gone back to. An endpoint that fails is
//! left alone for a growing time; if all fail, the one whose time ends first is used all the same,
//! so that a list of one is always asked and recovers by itself. What a server asks for with
//! `Retry-After` is kept even then. An endpoint is only used once its chain id is known to be the
//! right one.

use std::time::{Duration, Instant};

use crate::backoff::Jitter;

/// The pause after the first failure; it doubles with every further one.
pub const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// The longest pause of an endpoint that fails.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// No `Retry-After` is kept for longer.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How often a better endpoint is tried while another one is in use.
pub const RETURN_EVERY: Duration = Duration::from_secs(30);

/// After so long without an answer an endpoint may be another machine: its chain id is asked again.
pub const IDENTIFY_AFTER: Duration = Duration::from_secs(60);

/// When an endpoint of another chain is asked again which chain it serves.
pub const WRONG_CHAIN_PAUSE: Duration = Duration::from_secs(300);

/// An endpoint, by its place in the configured list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub usize);

/// What to do for the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Ask this endpoint which chain it serves, then choose again.
    Identify(EndpointId),
    /// Send the request there.
    Use(EndpointId),
    /// Send nothing before this moment: every endpoint asked for a pause or is of another chain.
    Wait(Instant),
}

/// Another endpoint answers now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The one that answered until now.
    pub from: EndpointId,
    /// The one that answers now.
    pub to: EndpointId,
}

#[derive(Clone, Copy, Debug, Default)]
struct One {
    /// Failures in a row, each after the pause of the one before.
    failures: u32,
    /// The end of the pause after a failure.
    paused_until: Option<Instant>,
    /// The end of the pause that the server asked for.
    closed_until: Option<Instant>,
    /// The first failure since the last answer.
    down_since: Option<Instant>,
    chain: ChainIs,
    /// When it was last tried while another one was in use.
    tried_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChainIs {
    #[default]
    Unknown,
    Right,
    /// Asked again at this moment.
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
    /// `count` endpoints of which nothing is known; `seed` is for the spread of the pauses.
    #[must_use]
    pub fn new(count: usize, seed: u64) -> Endpoints {
        Endpoints {
            list: vec![One::default(); count],
            current: 0,
            jitter: Jitter::new(seed),
        }
    }

    /// The endpoint that answers at present; the first one until any has.
    #[must_use]
    pub fn current(&self) -> EndpointId {
        EndpointId(self.current)
    }

    /// Which endpoint the next request is for.
    #[must_use]
    pub fn choose(&self, now: Instant) -> Choice {
        let open = |(_, one): &(usize, &One)| one.opens_at().is_none_or(|at| at <= now);
        let well = self
            .list
            .iter()
            .enumerate()
            .filter(open)
            .filter(|(_, one)| !one.is_paused(now));
        let current_is_well = well.clone().any(|(i, _)| i == self.current);
        let best = well.into_iter().find(|(i, one)| {
            *i == self.current || !current_is_well || (*i < self.current && one.may_return(now))
        });
        let soonest = || {
            let open = self.list.iter().enumerate().filter(open);
            open.min_by_key(|(_, one)| one.paused_until)
        };
        match best.or_else(soonest) {
            Some((i, one)) if one.needs_identity(now) => Choice::Identify(EndpointId(i)),
            // On the way back a small question first, so that no real request is risked.
            Some((i, _)) if i < self.current && current_is_well => Choice::Identify(EndpointId(i)),
            Some((i, _)) => Choice::Use(EndpointId(i)),
            None => {
                let opens = self.list.iter().filter_map(One::opens_at).min();
                Choice::Wait(opens.unwrap_or(now + RETRY_AFTER_MAX))
            }
        }
    }

    /// A try to return to this endpoint begins: others need not try for a while.
    pub fn trying(&mut self, id: EndpointId, now: Instant) {
        if let Some(one) = self.list.get_mut(id.0) {
            one.tried_at = Some(now);
        }
    }

    /// The endpoint named the right chain.
    pub fn identified(&mut self, id: EndpointId, now: Instant) -> Option<Change> {
        self.list.get_mut(id.0)?.chain = ChainIs::Right;
        self.answered(id, now)
    }

    /// The endpoint answered. Tells if it has thereby become the one in use.
    pub fn answered(&mut self, id: EndpointId, now: Instant) -> Option<Change> {
        let one = self.list.get_mut(id.0)?;
        *one = One {
            chain: one.chain,
            tried_at: one.tried_at,
            ..One::default()
        };
        let in_use = self.list.get(self.current);
        let in_use_is_well =
            in_use.is_some_and(|one| one.chain == ChainIs::Right && !one.is_unwell(now));
        // A late answer of an endpoint that was left must not take over again.
        if id.0 == self.current || (id.0 > self.current && in_use_is_well) {
            return None;
        }
        let from = EndpointId(std::mem::replace(&mut self.current, id.0));
        Some(Change { from, to: id })
    }

    /// The endpoint failed: it is left alone for a while, or for what it asked for.
    pub fn failed(&mut self, id: EndpointId, now: Instant, retry_after: Option<Duration>) {
        let jitter = u8::try_from(self.jitter.number() >> 56).unwrap_or(u8::MAX);
        let Some(one) = self.list.get_mut(id.0) else {
            return;
        };
        if let Some(wait) = retry_after {
            let until = now + wait.min(RETRY_AFTER_MAX);
            one.closed_until = one.closed_until.max(Some(until));
        }
        one.down_since.get_or_insert(now);
        if one.is_paused(now) {
            // Several requests were under way: they are one failure.
            return;
        }
        one.failures = one.failures.saturating_add(1);
        one.paused_until = Some(now + back_off(one.failures, jitter));
    }

    /// The endpoint serves another chain. Tells if this is new.
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
    /// Whether it is in the pause after a failure.
    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// Whether it failed since its last answer, and its pauses are not over.
    fn is_unwell(&self, now: Instant) -> bool {
        self.is_paused(now) || self.opens_at().is_some_and(|at| now < at)
    }

    /// Before this moment nothing may be sent to it at all.
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
        self.tried_at
            .is_none_or(|at| now.saturating_duration_since(at) >= RETURN_EVERY)
    }
}

/// The pause after so many failures: doubling from [`BACK_OFF_MIN`] to [`BACK_OFF_MAX`], between
/// half of that and all of it (`jitter` of 0 to 255), so that workers do not come back in step.
fn back_off(failures: u32, jitter: u8) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    let whole = (BACK_OFF_MIN * 2_u32.pow(doublings)).min(BACK_OFF_MAX);
    whole / 2 + whole / 2 * u32::from(jitter) / 255
}

#[cfg(test)]
mod tests;
