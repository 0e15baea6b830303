//! When a topic looks at its window, and what it does about what it saw. Pure: the status, the
//! height, the block time and `now` go in, one step comes out; the topic's thread does nothing but
//! carry the steps out. So a year of blocks can be tried in milliseconds.
//!
//! When to look is in `looking`, what the pace of the chain means in time in `pace`; here is what is
//! done about an open window.

use std::time::{Duration, Instant};

use crate::backoff::{self, Jitter};
use crate::http::REQUEST_TIME_MIN;
use crate::status::waiting::Waiting;
use crate::values::payload::Payload;
use crate::values::topic::{Window, WindowStatus};
use crate::values::units::{Height, Nonce};

mod looking;
mod pace;

pub use looking::LOOK_DELAY_MAX;
use looking::NextLook;
pub use pace::Pace;

/// The longest sleep of a topic that has nothing to do: what other topics learn meanwhile about the
/// chain's height is taken note of that late.
const NAP_MAX: Duration = Duration::from_secs(10);
/// The longest time between two looks at a topic that waits for somebody else's hand.
pub const WAITING_DELAY_MAX: Duration = Duration::from_secs(60);
/// The longest delay before something is tried again that fails in a block each time.
const PAID_DELAY_MAX: Duration = Duration::from_secs(3600);
/// The shortest delay after something failed.
pub const FAILURE_DELAY_MIN: Duration = Duration::from_millis(200);
/// An inference older than so many block times is fetched again before it is sent.
pub const INFERENCE_AGE_BLOCKS_MAX: u32 = 10;
/// With so few blocks left a forecast waits for its inference no longer.
const FORECAST_ALONE_BLOCKS: u64 = 2;
/// A status older than so many block times is asked again before anything is sent.
const STATUS_AGE_BLOCKS_MAX: u32 = 3;
/// After a failed look nothing is known of the window's length: as if it had so many blocks.
const WINDOW_BLOCKS_UNKNOWN: u64 = 8;

/// A payload that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Ready {
    /// What the model said.
    pub payload: Payload,
    /// When the model gave it.
    pub at: Instant,
    /// From when on it is older than the guard `max_age` allows.
    pub old_from: Option<Instant>,
}

impl Ready {
    /// Whether it may still be sent.
    fn is_fresh(&self, pace: &Pace, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.at);
        let is_old = self.old_from.is_some_and(|from| now >= from);
        !is_old && age <= pace.block_time * INFERENCE_AGE_BLOCKS_MAX
    }
}

/// A nonce that is being served.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The nonce.
    pub nonce: Nonce,
    /// The last block that may include a payload for it.
    pub last_block: Height,
    /// "Served?" has to be asked at this height or later before anything is signed.
    pub ask_served_from: Option<Height>,
    /// The height at which the chain said last that the nonce is not served.
    pub not_served_at: Option<Height>,
    /// A transaction was sent whose effect is not known yet: the nonce is not over before it is.
    pub sent: bool,
    /// What the model said.
    pub ready: Option<Ready>,
    /// The model's failures in a row.
    pub model_failures: u32,
    /// Failures of everything else since the nonce was opened.
    pub failures: u32,
    /// Nothing is tried before this moment.
    pub not_before: Option<Instant>,
    /// The status has to be looked at again first.
    pub look_again: bool,
    /// What went wrong last, for the outcome line of a nonce that is missed.
    pub trouble: Option<String>,
}

/// What a topic's thread does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for the window's status.
    Look,
    /// Ask whether the nonce is served already, at this height or later.
    AskServed(Nonce, Height),
    /// Ask the model.
    Infer(Nonce),
    /// Hand the payload over.
    Submit(Nonce),
    /// Hand a registration over.
    Register,
    /// The window is over and the nonce is not served.
    Over(Nonce),
    /// Wait until then.
    Sleep(Instant),
}

/// What a topic's thread remembers between steps.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The last status that counts, its height, and when it came.
    seen: Option<(WindowStatus, Height, Instant)>,
    /// When the next look is due.
    next_look: NextLook,
    /// Looks in a row that failed, or found the topic waiting for the same thing.
    fruitless: u32,
    /// The nonce at work.
    pub attempt: Option<Attempt>,
    /// The newest nonce that is over and done with.
    done: Option<Nonce>,
    /// A registration is not tried before this moment.
    register_at: Instant,
    registration_failures: u32,
    /// Registrations in a row that were in a block and without effect.
    registrations_paid: u32,
    /// The topic is of a kind that cannot be served.
    unserved: bool,
    /// How many blocks its windows have, as last seen.
    window_blocks: u64,
    jitter: Jitter,
}

impl Memory {
    /// A topic that knows nothing yet and looks at once.
    #[must_use]
    pub fn new(now: Instant, jitter: Jitter) -> Memory {
        Memory {
            seen: None,
            next_look: NextLook::At(now),
            fruitless: 0,
            attempt: None,
            done: None,
            register_at: now,
            registration_failures: 0,
            registrations_paid: 0,
            unserved: false,
            window_blocks: WINDOW_BLOCKS_UNKNOWN,
            jitter,
        }
    }

    /// The next step.
    #[must_use]
    pub fn next(&self, pace: &Pace, now: Instant) -> Step {
        let at_end = |attempt: &&Attempt| pace.height >= attempt.last_block;
        if let Some(attempt) = self.attempt.as_ref().filter(at_end) {
            return attempt.last_step(now);
        }
        let wants_registration = self.seen.as_ref().is_some_and(|(status, ..)| {
            !status.is_registered && status.is_whitelisted && status.is_topic_active
        });
        if wants_registration && !self.unserved && now >= self.register_at {
            return Step::Register;
        }
        match &self.attempt {
            Some(attempt) if self.may_serve() => self.serve(attempt, pace, now),
            _ => {
                let due = self.look_due(pace);
                if now >= due {
                    return Step::Look;
                }
                let nap_ends = due.min(now + NAP_MAX);
                match wants_registration && !self.unserved {
                    true => Step::Sleep(nap_ends.min(self.register_at)),
                    false => Step::Sleep(nap_ends),
                }
            }
        }
    }

    fn may_serve(&self) -> bool {
        let allowed = |(status, ..): &(WindowStatus, Height, Instant)| {
            status.is_registered && status.is_whitelisted
        };
        !self.unserved && self.seen.as_ref().is_some_and(allowed)
    }

    fn serve(&self, attempt: &Attempt, pace: &Pace, now: Instant) -> Step {
        if let Some(until) = attempt.not_before.filter(|until| now < *until) {
            return Step::Sleep(until);
        }
        let blocks_ago =
            |at: Instant, blocks: u32| now.saturating_duration_since(at) > pace.block_time * blocks;
        let stale =
            |(_, _, at): &(WindowStatus, Height, Instant)| blocks_ago(*at, STATUS_AGE_BLOCKS_MAX);
        if attempt.look_again || self.seen.as_ref().is_none_or(stale) {
            return Step::Look;
        }
        if let Some(from) = attempt.ask_served_from {
            return Step::AskServed(attempt.nonce, from);
        }
        match &attempt.ready {
            Some(ready) if ready.is_fresh(pace, now) => Step::Submit(attempt.nonce),
            _ => Step::Infer(attempt.nonce),
        }
    }

    /// The height at which the chain said last what a simulation of the payload would find out: that
    /// the nonce is not served. `None` if that has to be asked, if the last status was not this
    /// window's or did not say registered and whitelisted, or if anything went wrong for this nonce.
    #[must_use]
    pub fn vouched_at(&self, nonce: Nonce) -> Option<Height> {
        let is_open = |(status, ..): &&(WindowStatus, Height, Instant)| {
            status.open.is_some_and(|window| window.nonce == nonce)
        };
        self.seen.as_ref().filter(is_open)?;
        let attempt = self.attempt.as_ref().filter(|_| self.may_serve())?;
        let asked = attempt.ask_served_from.is_none() && attempt.failures == 0;
        attempt
            .not_served_at
            .filter(|_| asked && attempt.nonce == nonce)
    }

    /// Takes note of a status that counts, read at `height`. Gives the nonce at work if the status
    /// says that its window is over.
    pub fn saw(
        &mut self,
        status: WindowStatus,
        height: Height,
        pace: &Pace,
        now: Instant,
    ) -> Option<Nonce> {
        // why: a nonce that is done lies in the past, unless that past was forgotten (R9)
        self.done = self
            .done
            .filter(|done| done.height() <= pace.height.max(height));
        let open = status.open.filter(|window| {
            window.nonce.height() <= height
                && height < window.end
                && self.done.is_none_or(|done| window.nonce > done)
        });
        let at_work = self.attempt.as_ref().map(|attempt| attempt.nonce);
        let sent = self.attempt.as_ref().is_some_and(|attempt| attempt.sent);
        let over =
            at_work.filter(|nonce| !sent && open.is_none_or(|window| window.nonce != *nonce));
        if over.is_some() {
            self.finish();
        }
        if let Some(window) = open {
            let attempt = self.attempt.get_or_insert_with(|| Attempt::new(window));
            attempt.look_again = false;
        }
        if status.is_registered {
            self.registration_failures = 0;
            self.registrations_paid = 0;
        }
        let waits = self.unserved || waits(&status);
        self.fruitless = if waits {
            self.fruitless.saturating_add(1)
        } else {
            0
        };
        self.next_look = self.look_after(&status, height, pace, open.is_some(), now);
        self.window_blocks = window_blocks(&status);
        self.seen = Some((status, height, now));
        over
    }

    /// Something other than the model failed while the nonce was served: tried again after a
    /// growing delay, cut to what is left of the window, and not before a new look.
    pub fn attempt_failed(&mut self, pace: &Pace, now: Instant, error: String) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        attempt.failures = attempt.failures.saturating_add(1);
        attempt.trouble = Some(error);
        attempt.look_again = true;
        let cap = pace.delay_max(attempt.last_block);
        let base = FAILURE_DELAY_MIN.max(pace.block_time / 5);
        let delay = backoff::delay(attempt.failures, base, cap, &mut self.jitter);
        attempt.not_before = Some(now + delay.max(FAILURE_DELAY_MIN));
    }

    /// The model failed: `retries` quick ones at `every`, then on with growing delay, always cut
    /// to what is left of the window.
    pub fn model_failed(
        &mut self,
        pace: &Pace,
        now: Instant,
        error: String,
        retries: u32,
        every: Duration,
    ) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        attempt.model_failures = attempt.model_failures.saturating_add(1);
        attempt.trouble = Some(error);
        let left = pace.delay_max(attempt.last_block);
        let delay = match attempt.model_failures.checked_sub(retries) {
            None | Some(0) => every.min(left.max(FAILURE_DELAY_MIN)),
            Some(more) => backoff::delay(more, every * 2, WAITING_DELAY_MAX, &mut self.jitter)
                .min(left)
                .max(FAILURE_DELAY_MIN),
        };
        attempt.not_before = Some(now + delay);
    }

    /// The nonce at work is over, whatever became of it.
    pub fn finish(&mut self) -> Option<Attempt> {
        let attempt = self.attempt.take()?;
        self.done = self.done.max(Some(attempt.nonce));
        Some(attempt)
    }

    /// A registration is done: the status is looked at before anything else.
    pub fn registered(&mut self, now: Instant) {
        self.registration_failures = 0;
        self.registrations_paid = 0;
        self.register_at = now;
        self.look_afresh(now);
    }

    /// A registration failed or could not be sent: tried again after a growing delay, not so long
    /// that a window passes meanwhile. Gives how often it failed in a row.
    pub fn registration_failed(&mut self, pace: &Pace, now: Instant) -> u32 {
        let cap = self.delay_max(pace).max(FAILURE_DELAY_MIN);
        self.registration_failures = self.registration_failures.saturating_add(1);
        self.register_later(self.registration_failures, pace.look_every, cap, now);
        self.registration_failures
    }

    /// A registration was in a block and seems to have had no effect but its fee: after the second
    /// time in a row it is tried ever more rarely, since every try costs. The status is looked at
    /// all the same: without an index it is what tells that there was an effect. Gives how often a
    /// registration failed in a row, in whatever way.
    pub fn registration_cost(&mut self, pace: &Pace, now: Instant) -> u32 {
        let failures = self.registration_failed(pace, now);
        if self.registrations_paid > 0 {
            let (base, cap) = (WAITING_DELAY_MAX, PAID_DELAY_MAX);
            self.register_later(self.registrations_paid, base, cap, now);
        }
        self.registrations_paid = self.registrations_paid.saturating_add(1);
        failures
    }

    fn register_later(&mut self, times: u32, base: Duration, cap: Duration, now: Instant) {
        let delay = backoff::delay(times, base, cap, &mut self.jitter);
        self.register_at = now + delay.max(FAILURE_DELAY_MIN);
        self.look_afresh(now);
    }

    /// Whether the topic is of a kind that cannot be served.
    pub fn set_unserved(&mut self, unserved: bool) {
        self.unserved = unserved;
    }
}

impl Attempt {
    /// What is left to do for a nonce whose window is over.
    fn last_step(&self, now: Instant) -> Step {
        match (self.sent, self.ask_served_from, self.not_before) {
            (true, _, Some(until)) if now < until => Step::Sleep(until),
            (true, Some(from), _) => Step::AskServed(self.nonce, from),
            _ => Step::Over(self.nonce),
        }
    }

    fn new(window: Window) -> Attempt {
        Attempt {
            nonce: window.nonce,
            last_block: window.end,
            ask_served_from: Some(window.nonce.height()),
            not_served_at: None,
            sent: false,
            ready: None,
            model_failures: 0,
            failures: 0,
            not_before: None,
            look_again: false,
            trouble: None,
        }
    }
}

/// Whether the status is one that only somebody else's hand changes.
fn waits(status: &WindowStatus) -> bool {
    !status.is_whitelisted || (!status.is_topic_active && status.open.is_none())
}

/// How long the topic's windows are, in blocks, as far as the status tells.
fn window_blocks(status: &WindowStatus) -> u64 {
    let window = status.next.or(status.open);
    window.map_or(WINDOW_BLOCKS_UNKNOWN, |w| {
        w.end.0.saturating_sub(w.nonce.0).max(1)
    })
}

/// The waiting state that a status amounts to.
#[must_use]
pub fn waiting_of(status: &WindowStatus, unserved: bool, address: &str) -> Option<Waiting> {
    if unserved {
        Some(Waiting::UnknownKind)
    } else if !status.is_whitelisted {
        Some(Waiting::NotWhitelisted {
            address: address.to_owned(),
        })
    } else if waits(status) {
        Some(Waiting::Inactive)
    } else {
        None
    }
}

/// How long a forecast's model may take where an inference is to go with it, for which `limit` is
/// half of what is left of the window: an eighth of that time, so that a model that hangs holds no
/// inference back.
#[must_use]
pub fn forecast_time(limit: Duration) -> Duration {
    (limit / 4).max(REQUEST_TIME_MIN)
}

/// Whether a forecast goes without the inference that belongs to it, whose model has just failed
/// after so many `failures`: the quick retries are used up, or the window is all but over.
#[must_use]
pub fn forecast_goes_alone(failures: u32, retries: u32, blocks_left: u64) -> bool {
    failures >= retries || blocks_left <= FORECAST_ALONE_BLOCKS
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod year;
