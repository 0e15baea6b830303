//! Decides when a topic reads its window's status and what it does next. Pure: the status, the
//! height, the block time and `now` go in, one step comes out, and the topic's thread carries it
//! out. So a test can run a year of blocks in milliseconds.
//!
//! `looking` decides when to read the status, `schedule` how long to rest on what it names, `pace`
//! turns the pace of the chain into times; this file decides what to do about an open window.

use std::time::{Duration, Instant};

use crate::backoff::{self, Jitter};
use crate::http::{REQUEST_TIME_MAX, REQUEST_TIME_MIN};
use crate::status::waiting::Waiting;
use crate::topic::nonce::OpenNonce;
use crate::topic::recent::{RECENT_MAX, RecentNonces};
use crate::values::standby::{Share, Standby};
use crate::values::topic::{Window, WindowStatus};
use crate::values::units::{Height, Nonce, Sequence};

mod looking;
mod pace;
mod schedule;

pub use looking::LOOK_DELAY_MAX;
use looking::NextLook;
pub use pace::Pace;
use schedule::Announced;

/// The longest sleep of a topic; that the machine was suspended, or that the chain became quicker, is
/// noticed after this time at the latest.
pub const NAP_MAX: Duration = Duration::from_secs(10);
/// The longest time between two looks at a topic that waits for an operator.
pub const WAITING_DELAY_MAX: Duration = Duration::from_secs(60);
/// The longest pause between two registrations of a topic that are paid for. From the second one in
/// a row the pauses grow from [`WAITING_DELAY_MAX`]: a node can say for ever that the worker is not
/// registered, and that each registration succeeded.
const PAID_PAUSE_MAX: Duration = Duration::from_secs(3600);
/// After this time without a registration the pauses begin anew.
const PAID_FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The shortest delay after a failure.
pub const FAILURE_DELAY_MIN: Duration = Duration::from_millis(200);
/// An inference older than this many block times is fetched again before it is sent.
pub const INFERENCE_AGE_BLOCKS_MAX: u32 = 10;
/// With this many blocks left a forecast no longer waits for its inference.
const FORECAST_ALONE_BLOCKS: u64 = 2;
/// A status older than this many block times is read again before anything is sent.
const STATUS_AGE_BLOCKS_MAX: u32 = 3;
/// The length of a window that is assumed while it is unknown.
const WINDOW_BLOCKS_UNKNOWN: u64 = 8;

/// What a topic's thread does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the window's status.
    Look,
    /// Ask whether the nonce is served, at this height or later.
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
    /// The last status that counts, its height, and when it was read.
    seen: Option<(WindowStatus, Height, Instant)>,
    /// When the next look is due.
    next_look: NextLook,
    /// The schedule that it follows from.
    announced: Option<Announced>,
    /// Looks in a row that failed, or found the topic waiting for the same thing.
    fruitless: u32,
    /// The nonce being served.
    pub(super) nonce: Option<OpenNonce>,
    /// The nonces that ended last.
    done: RecentNonces,
    /// Those that gave way to the nonce of another endpoint, until they are served again or their
    /// windows are over; up to `RECENT_MAX`.
    given_way: Vec<OpenNonce>,
    /// A registration is not tried before this moment.
    register_at: Instant,
    registration_failures: u32,
    /// The sequence of the last registration, if it was not consumed, as an endpoint says.
    registration_lost: Option<Sequence>,
    /// Registrations that were paid for, whatever became of them, and when the last one was.
    registrations_paid: u32,
    registration_paid_at: Instant,
    /// The end of the pause after it.
    registration_pause_ends: Instant,
    /// The topic is of a kind that cannot be served.
    pub(super) unserved: bool,
    /// The length of its windows, as last seen.
    window_blocks: u64,
    /// The shortest epoch, as far as it is believed.
    pub(super) epoch_blocks: Option<u64>,
    /// By how many blocks the nodes that answer differed lately.
    lag_blocks: u64,
    /// How windows are shared with another machine, if they are.
    standby: Option<Standby>,
    jitter: Jitter,
}

impl Memory {
    /// A topic that knows nothing yet and looks at once.
    pub fn new(now: Instant, jitter: Jitter) -> Memory {
        Memory {
            seen: None,
            next_look: NextLook::At(now),
            announced: None,
            fruitless: 0,
            nonce: None,
            done: RecentNonces::default(),
            given_way: Vec::new(),
            register_at: now,
            registration_failures: 0,
            registration_lost: None,
            registrations_paid: 0,
            registration_paid_at: now,
            registration_pause_ends: now,
            unserved: false,
            window_blocks: WINDOW_BLOCKS_UNKNOWN,
            epoch_blocks: None,
            lag_blocks: 0,
            standby: None,
            jitter,
        }
    }

    /// One that shares its windows with another machine.
    pub fn sharing(self, standby: Option<Standby>) -> Memory {
        Memory { standby, ..self }
    }

    /// The next step.
    pub fn next(&self, pace: &Pace) -> Step {
        let at_end = |nonce: &&OpenNonce| pace.height >= nonce.last_block;
        if let Some(nonce) = self.nonce.as_ref().filter(at_end) {
            return last_step(nonce, pace);
        }
        let registers = self.last_status().is_some_and(|status| {
            !status.is_registered && status.is_whitelisted && status.is_topic_active
        });
        let register_at = self.register_at.max(self.registration_pause_ends);
        if registers && pace.now >= register_at {
            return Step::Register;
        }
        if let Some(nonce) = self.nonce.as_ref().filter(|_| self.may_serve()) {
            return self.serve(nonce, pace);
        }
        let due = self.look_due(pace);
        if pace.now >= due {
            return Step::Look;
        }
        let due = due.min(pace.now + NAP_MAX);
        if registers {
            Step::Sleep(due.min(register_at))
        } else {
            Step::Sleep(due)
        }
    }

    /// The last status; `None` if the topic is of a kind that cannot be served.
    fn last_status(&self) -> Option<&WindowStatus> {
        let (status, ..) = self.seen.as_ref().filter(|_| !self.unserved)?;
        Some(status)
    }

    /// What this status says that keeps the worker from serving.
    pub fn denial(status: &WindowStatus) -> Option<&'static str> {
        if !status.is_whitelisted {
            Some("the worker is not on the topic's whitelist")
        } else if waits(status) {
            Some("the topic is not active")
        } else if !status.is_registered {
            Some("the worker is not registered in the topic")
        } else {
            None
        }
    }

    /// Whether the nonce has ended.
    pub fn is_done(&self, nonce: Nonce) -> bool {
        self.done.contains(nonce)
    }

    /// Whether the nonce has ended, is being served or gave way, so that its outcome is reported or
    /// will be.
    pub fn knows(&self, nonce: Nonce) -> bool {
        let mut open = self.nonce.iter().chain(&self.given_way);
        self.is_done(nonce) || open.any(|open| open.id == nonce)
    }

    /// Another nonce that was being served while the window of this one, of `window_blocks`, was
    /// open.
    pub fn served_beside(&self, nonce: Nonce, window_blocks: u64) -> Option<Nonce> {
        let mut open = self.nonce.iter().chain(&self.given_way).map(|open| open.id);
        let is_near = |other: &Nonce| nonce.0.abs_diff(other.0) < window_blocks;
        let done = || self.done.near(nonce, window_blocks);
        open.find(is_near).or_else(done)
    }

    /// The last status and its height, if a plan follows from it.
    pub fn planned_on(&self) -> Option<(WindowStatus, Height)> {
        let (status, height, _) = self.seen.filter(|_| !self.unserved)?;
        (!waits(&status)).then_some((status, height))
    }

    /// Whether something other than the model failed for the nonce being served.
    pub fn has_failed(&self) -> bool {
        self.nonce.as_ref().is_some_and(OpenNonce::has_failed)
    }

    /// Whether this status, read at `height`, does not name the window being served, although that is
    /// not over.
    pub fn is_left_out(&self, status: &WindowStatus, height: Height) -> bool {
        self.nonce.as_ref().is_some_and(|nonce| {
            let is_it = |window: Window| window.nonce == nonce.id;
            height < nonce.last_block && !status.open.is_some_and(is_it)
        })
    }

    /// The open window to serve, of those that several endpoints name: that of the nonce being served
    /// until something fails for it, then another one. Otherwise the one that ends first. A nonce
    /// that gives way is served again if the other one fails, unless it has cost a fee.
    pub fn choose(&mut self, windows: &[Window]) -> Option<Window> {
        let open = windows.iter().filter(|window| !self.is_done(window.nonce));
        let first = open.clone().min_by_key(|window| window.end).copied();
        let Some(nonce) = self.nonce.as_ref() else {
            return first;
        };
        let is_it = |window: &&Window| window.nonce == nonce.id;
        if nonce.sent.is_some() || !nonce.fails() && open.clone().any(|w| is_it(&w)) {
            return open.copied().find(|window| is_it(&window)).or(first);
        }
        let other = open.clone().filter(|window| !is_it(window));
        let other = other.min_by_key(|window| window.end).copied();
        let has_room = self.given_way.len() < RECENT_MAX;
        if other.is_some() && !nonce.has_cost() && has_room {
            self.given_way.extend(self.nonce.take());
        }
        other.or(first)
    }

    /// Ends the nonces that gave way and whose windows are over at this height.
    pub fn given_way_until(&mut self, height: Height) -> Vec<OpenNonce> {
        let is_over = |nonce: &mut OpenNonce| height >= nonce.last_block;
        let over: Vec<OpenNonce> = self.given_way.extract_if(.., is_over).collect();
        over.iter().for_each(|nonce| self.done.add(nonce.id));
        over
    }

    fn may_serve(&self) -> bool {
        let status = self.last_status();
        status.is_some_and(|status| status.is_registered && status.is_whitelisted)
    }

    fn serve(&self, nonce: &OpenNonce, pace: &Pace) -> Step {
        if let Some(until) = nonce.not_before.filter(|until| pace.now < *until) {
            // why: another window may open meanwhile, which another endpoint names
            let due = self.look_due(pace);
            return if pace.now >= due {
                Step::Look
            } else {
                Step::Sleep(until.min(due))
            };
        }
        let age_max = pace.block_time * STATUS_AGE_BLOCKS_MAX;
        let age = self
            .seen
            .map(|(.., at)| pace.now.saturating_duration_since(at));
        if nonce.look_again || age.is_none_or(|age| age > age_max) {
            return Step::Look;
        }
        // why: the height that the proof came from may have fallen since
        let unproven = nonce.proof_from.filter(|from| pace.height < *from);
        if let Some(from) = nonce.ask_served_from.or(unproven) {
            return self.ask_served(nonce, from, pace);
        }
        if nonce.is_ready(inference_age_max(pace), pace.now) {
            Step::Submit(nonce.id)
        } else {
            Step::Infer(nonce.id)
        }
    }

    /// Asks whether the nonce is served. Beside a primary, not before its last block.
    fn ask_served(&self, nonce: &OpenNonce, from: Height, pace: &Pace) -> Step {
        let unproven = nonce.proof_from.filter(|from| pace.height < *from);
        let near_from = unproven.map(|from| pace.near_from(from));
        let Some(near_from) = near_from.filter(|near_from| pace.now < *near_from) else {
            return asks_served(nonce, from, pace);
        };
        let due = self.look_due(pace);
        if pace.now >= due {
            Step::Look
        } else {
            Step::Sleep(due.min(near_from))
        }
    }

    /// The last height at which what a simulation of the payload would find out is known: that the
    /// nonce is not served. `None` if that has to be asked, if the last status was not of
    /// this window or did not say registered and whitelisted, or if anything failed for this nonce.
    pub fn vouched_at(&self) -> Option<Height> {
        let nonce = self.nonce.as_ref().filter(|_| self.may_serve())?;
        let (status, ..) = self.seen.as_ref()?;
        let is_open = status.open.is_some_and(|window| window.nonce == nonce.id);
        nonce.vouched_at().filter(|_| is_open)
    }

    /// From when on the payload that is ready is too old to be sent.
    pub fn payload_old_from(&self, pace: &Pace) -> Option<Instant> {
        self.nonce.as_ref()?.old_from(inference_age_max(pace))
    }

    /// The time limit of one request: it leaves room for another in the same window.
    pub fn request_time(&self, pace: &Pace) -> Duration {
        match &self.nonce {
            Some(nonce) => pace.request_time(nonce.last_block),
            // why: a slow endpoint must be heard before anything is known of the pace
            None if pace.quick.is_none() => REQUEST_TIME_MAX,
            None => self.delay_max(pace) * 2,
        }
    }

    /// How many blocks the nonce's window has left.
    pub fn blocks_left(&self, pace: &Pace) -> u64 {
        let nonce = self.nonce.as_ref();
        nonce.map_or(0, |nonce| pace.blocks_left(nonce.last_block))
    }

    /// Notes a status that counts, read at `height`. Gives the nonce if the status ends it: its
    /// window is over.
    pub fn saw(&mut self, status: WindowStatus, height: Height, pace: &Pace) -> Option<OpenNonce> {
        // why: a nonce that is done lies in the past, unless that past was forgotten (R9)
        let highest = pace.height.max(height);
        self.done.forget_above(highest);
        let open = status.open.filter(|window| {
            window.nonce.height() <= height && height < window.end && !self.is_done(window.nonce)
        });
        let is_over = self.nonce.as_ref().is_some_and(|nonce| {
            // why: an endpoint that is a block late may answer once the first one is left
            let is_to_come = open.is_none() && status.next.is_some_and(|it| it.nonce == nonce.id);
            let is_open = open.is_some_and(|window| window.nonce == nonce.id);
            // why: whether the other machine has served it is asked before it ends
            let is_asked = nonce.is_to_be_asked(highest);
            nonce.sent.is_none() && !is_open && !is_to_come && !is_asked
        });
        let ended = is_over.then(|| self.finish()).flatten();
        if let Some(window) = open {
            let is_it = |given: &OpenNonce| given.id == window.nonce;
            let given = self.given_way.iter().position(is_it);
            let nonce = self.nonce.get_or_insert_with(|| match given {
                Some(place) => {
                    let mut given = self.given_way.swap_remove(place);
                    given.chosen_again();
                    given
                }
                None => {
                    let share = self.standby.map(|standby| standby.share(window));
                    OpenNonce::new(window, share.unwrap_or(Share::whole(window)))
                }
            });
            nonce.look_again = false;
            nonce.seen_at.get_or_insert(pace.now);
        }
        if status.is_registered {
            self.registration_failures = 0;
        }
        self.fruitless = if self.unserved || waits(&status) {
            self.fruitless.saturating_add(1)
        } else {
            0
        };
        let (epoch, before) = (self.epoch_blocks, self.announced);
        self.announced = Announced::by(&status, epoch, before, &mut self.jitter, pace.now);
        self.next_look = self.look_after(&status, height, pace, open.is_some());
        self.window_blocks = window_blocks(&status);
        self.seen = Some((status, height, pace.now));
        ended
    }

    /// Something other than the model failed while the nonce was served: it is tried again after a
    /// growing delay, cut to what is left of the window, and after a new look.
    pub fn nonce_failed(&mut self, pace: &Pace, error: String) {
        let Some(nonce) = &mut self.nonce else {
            return;
        };
        let failures = nonce.failed(error);
        let cap = pace.delay_max(nonce.last_block);
        let base = FAILURE_DELAY_MIN.max(pace.block_time / 5);
        let delay = backoff::delay(failures, base, cap, &mut self.jitter);
        nonce.not_before = Some(pace.now + delay.max(FAILURE_DELAY_MIN));
    }

    /// The model failed: it is asked again `retries` times at `every`, then with a growing delay,
    /// always cut to what is left of the window.
    pub fn model_failed(&mut self, pace: &Pace, error: String, retries: u32, every: Duration) {
        let Some(nonce) = &mut self.nonce else {
            return;
        };
        let delay = match nonce.model_failed(error).checked_sub(retries) {
            None | Some(0) => every,
            Some(more) => backoff::delay(more, every * 2, WAITING_DELAY_MAX, &mut self.jitter)
                .max(FAILURE_DELAY_MIN),
        };
        let left = pace.delay_max(nonce.last_block);
        nonce.not_before = Some(pace.now + delay.min(left.max(FAILURE_DELAY_MIN)));
    }

    /// Ends the nonce.
    pub fn finish(&mut self) -> Option<OpenNonce> {
        let nonce = self.nonce.take()?;
        self.done.add(nonce.id);
        self.lag_blocks = self.lag_blocks.saturating_sub(1);
        Some(nonce)
    }

    /// A registration was tried, with or without effect. The status is read before anything else; if
    /// it still shows no registration, another one is tried after a growing delay that is shorter
    /// than a window. Gives how often one was tried in a row.
    pub fn registration_tried(&mut self, pace: &Pace) -> u32 {
        let cap = self.delay_max(pace).max(FAILURE_DELAY_MIN);
        self.registration_failures = self.registration_failures.saturating_add(1);
        let failures = self.registration_failures;
        let delay = backoff::delay(failures, pace.look_every, cap, &mut self.jitter);
        self.register_at = pace.now + delay.max(FAILURE_DELAY_MIN);
        self.look_afresh(pace.now);
        failures
    }

    /// A registration's sequence is settled. If it was consumed, its fee may be paid, whatever an
    /// index says; if not, that is an endpoint's word, and the one before with another sequence may
    /// be paid as well.
    pub fn registration_settled(&mut self, sequence: Sequence, consumed: bool, now: Instant) {
        let before = self.registration_lost;
        self.registration_lost = Some(sequence).filter(|_| !consumed);
        if consumed || before.is_some_and(|before| before != sequence) {
            self.registration_paid(now);
        }
    }

    /// From the second one in a row a growing pause follows, up to `PAID_PAUSE_MAX`.
    fn registration_paid(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.registration_paid_at);
        if since >= PAID_FORGOTTEN_AFTER {
            self.registrations_paid = 0;
        }
        if self.registrations_paid > 0 {
            let pause =
                backoff::doubled(self.registrations_paid, WAITING_DELAY_MAX, PAID_PAUSE_MAX);
            self.registration_pause_ends = now + pause;
        }
        self.registrations_paid = self.registrations_paid.saturating_add(1);
        self.registration_paid_at = now;
    }
}

/// The height from which on "served?" counts: at most a block above the highest height, which falls
/// if it is not believed any more (R9).
fn known_from(from: Height, pace: &Pace) -> Height {
    if pace.height > Height(0) {
        from.min(pace.height.plus(1))
    } else {
        from
    }
}

/// Asks whether the nonce is served, beside a primary at its last block or later.
fn asks_served(nonce: &OpenNonce, from: Height, pace: &Pace) -> Step {
    let from = known_from(from, pace);
    Step::AskServed(nonce.id, from.max(nonce.proof_from.unwrap_or_default()))
}

fn inference_age_max(pace: &Pace) -> Duration {
    pace.block_time * INFERENCE_AGE_BLOCKS_MAX
}

/// What is left to do for a nonce whose blocks are over: "served?" is asked if a transaction may have
/// served it.
fn last_step(nonce: &OpenNonce, pace: &Pace) -> Step {
    let from = nonce
        .ask_served_from
        .filter(|_| nonce.may_be_served(pace.height));
    match (from, nonce.not_before) {
        (Some(_), Some(until)) if pace.now < until => Step::Sleep(until),
        (Some(from), _) => asks_served(nonce, from, pace),
        (None, _) => Step::Over(nonce.id),
    }
}

/// Whether only an operator changes this status.
fn waits(status: &WindowStatus) -> bool {
    !status.is_whitelisted || (!status.is_topic_active && status.open.is_none())
}

/// The length of the topic's windows in blocks, if the status shows one.
fn window_blocks(status: &WindowStatus) -> u64 {
    let window = status.next.or(status.open);
    window.map_or(WINDOW_BLOCKS_UNKNOWN, |w| {
        w.end.0.saturating_sub(w.nonce.0).max(1)
    })
}

/// The waiting state that follows from a status.
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

/// The time limit for a forecast's model beside an inference, for which `limit` is half of what is
/// left of the window: an eighth of that time, so that a model that hangs does not delay the
/// inference.
pub fn forecast_time(limit: Duration) -> Duration {
    (limit / 4).max(REQUEST_TIME_MIN)
}

/// Whether a forecast is sent without its inference, whose model has failed after `failures`
/// earlier ones: the quick retries are used up, or the window has `FORECAST_ALONE_BLOCKS` left.
pub fn forecast_goes_alone(failures: u32, retries: u32, blocks_left: u64) -> bool {
    failures >= retries || blocks_left <= FORECAST_ALONE_BLOCKS
}

#[cfg(test)]
mod pair;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod year;
