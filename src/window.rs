//! When a topic looks at its window, and what it does about what it saw. Pure: the status, the
//! height, the block time and `now` go in, one step comes out; the topic's thread does nothing but
//! carry the steps out. So a year of blocks can be tried in milliseconds.
//!
//! Looking is cheap for us and not for the node. The opening is predicted from the chain's clock,
//! which every answer to any topic sets right, so a look is due by the age of what is known and not
//! by our own last one: far from the opening after three quarters of the way there, and around the
//! predicted opening every fifth of a block time.

use std::time::{Duration, Instant};

use crate::backoff::{self, Jitter};
use crate::chain_clock::{BLOCK_TIME_START, ChainClock};
use crate::lcd::answers::{Window, WindowStatus};
use crate::payload::Payload;
use crate::units::{Height, Nonce};
use crate::waiting::Waiting;

/// The longest time between two looks at a topic that has nothing wrong.
pub const LOOK_DELAY_MAX: Duration = Duration::from_secs(30 * 60);
/// No opening is predicted further ahead than this.
const LOOK_AHEAD_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// So few blocks ahead the close looks are waited for at one go: no chain changes its pace so fast
/// that a window is lost.
const SURE_BLOCKS: u32 = 3;
/// The longest sleep of a topic that has nothing to do: what other topics learn meanwhile about the
/// chain's height is taken note of that late.
const NAP_MAX: Duration = Duration::from_secs(10);
/// So few blocks before an opening it is predicted by the usual block time, further away by the
/// quick one.
const NEAR_BLOCKS: u64 = 4;
/// The longest time between two looks at a topic that waits for somebody else's hand.
pub const WAITING_DELAY_MAX: Duration = Duration::from_secs(60);
/// The longest delay before something is tried again that fails in a block each time.
const PAID_DELAY_MAX: Duration = Duration::from_secs(3600);
/// The shortest delay after something failed.
pub const FAILURE_DELAY_MIN: Duration = Duration::from_millis(200);
/// The delays after a failure in a window that should be over by the pace of the chain, while its
/// height is not known to be: it may stand still.
const STILL_DELAY: (Duration, Duration) = (Duration::from_secs(2), WAITING_DELAY_MAX);
/// Failures in a row after which that is given up: nobody is there to be late for.
const UNMEASURED_FAILURES_MAX: u32 = 20;
/// An inference older than so many block times is fetched again before it is sent.
pub const INFERENCE_AGE_BLOCKS_MAX: u32 = 10;
/// With so few blocks left a forecast waits for its inference no longer.
const FORECAST_ALONE_BLOCKS: u64 = 2;
/// A status older than so many block times is asked again before anything is sent.
const STATUS_AGE_BLOCKS_MAX: u32 = 3;
/// After a failed look nothing is known of the window's length: as if it had so many blocks.
const WINDOW_BLOCKS_UNKNOWN: u64 = 8;

/// What is known of the chain's pace when a step is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The highest height known.
    pub height: Height,
    /// How long a block takes.
    pub block_time: Duration,
    /// How long a block takes when blocks come quickly; `None` while too little was seen to wait
    /// far ahead.
    pub quick: Option<Duration>,
    /// The block time that delays are cut by.
    pub cautious: Duration,
    /// How long ago the highest height was first seen.
    pub height_age: Duration,
    /// When an answer first told the highest height, of whichever topic.
    pub seen_at: Instant,
    /// When an answer last told it.
    pub reached_at: Instant,
    /// The block after it may be expected between these moments; in the past if it is overdue.
    pub next_block: (Instant, Instant),
    /// The closest polling outside of the block around an opening: `nonce_fetch_freq`.
    pub look_every: Duration,
}

impl Pace {
    /// What the clock says `now`.
    #[must_use]
    pub fn of(clock: &ChainClock, look_every: Duration, now: Instant) -> Pace {
        let height = clock.highest().unwrap_or_default();
        // why: of what was measured just now no more than half is believed for the way ahead
        let half = (clock.block_time() / 2).min(BLOCK_TIME_START);
        let first_measured = clock.is_measured().then_some(half);
        Pace {
            height,
            block_time: clock.block_time(),
            quick: clock.quick_block_time().or(first_measured),
            cautious: clock.cautious_block_time(now),
            height_age: clock.height_age(now).unwrap_or_default(),
            seen_at: clock.seen_at().unwrap_or(now),
            reached_at: clock.reached_at().unwrap_or(now),
            next_block: clock.next_block().unwrap_or((now, now)),
            look_every,
        }
    }

    /// When the close looks for the block `height`, which is above the highest one, begin: a tenth of
    /// a block before it may be expected. Near it by the usual pace; far from it, and where the usual
    /// pace is a slow one that may be over, by the quick one.
    fn near_from(&self, height: Height) -> Instant {
        let quick = self.quick.unwrap_or(self.block_time);
        let blocks = height.0.saturating_sub(self.height.0);
        let after = |blocks: u64, block_time: Duration| {
            let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
            block_time.saturating_mul(blocks).min(LOOK_AHEAD_MAX)
        };
        let expected_from = if self.block_time > quick + quick / 2 {
            self.next_block.0.min(self.reached_at + quick) + after(blocks.saturating_sub(1), quick)
        } else if blocks > NEAR_BLOCKS {
            self.next_block.0 + after(blocks.saturating_sub(1), quick)
        } else {
            self.next_block.0 + after(blocks.saturating_sub(1), self.block_time)
        };
        let margin = self.block_time / 10;
        expected_from.checked_sub(margin).unwrap_or(expected_from)
    }

    /// For how long the answers have shown the same height.
    fn standing(&self) -> Duration {
        self.reached_at.saturating_duration_since(self.seen_at)
    }

    /// The moment of at most a block before `at` whose answer tells most about when blocks are
    /// made: in the middle of where one is expected.
    fn telling(&self, at: Instant) -> Instant {
        let (from, to) = self.next_block;
        let middle = from + to.saturating_duration_since(from) / 2;
        let nanos = at.saturating_duration_since(middle).as_nanos();
        let past_ns = nanos % self.block_time.as_nanos().max(1);
        let past = Duration::from_nanos(u64::try_from(past_ns).unwrap_or(0));
        match nanos {
            0 => at,
            _ => at.checked_sub(past).unwrap_or(at),
        }
    }

    /// How many blocks a window that ends with `last_block` has left, going by the pace of the
    /// chain where its height is not news.
    #[must_use]
    pub fn blocks_left(&self, last_block: Height) -> u64 {
        let since = self.height_age.as_nanos() / self.block_time.as_nanos().max(1);
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        last_block
            .0
            .saturating_sub(self.height.0)
            .saturating_sub(since)
    }

    /// The time limit of one request for a window that ends with `last_block`: half of what is
    /// left, so that one that hangs leaves room for another.
    #[must_use]
    pub fn request_time(&self, last_block: Height) -> Duration {
        let blocks = match self.blocks_left(last_block) {
            0 => last_block.0.saturating_sub(self.height.0),
            left => left,
        };
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.block_time.saturating_mul(blocks) / 2
    }

    /// The longest delay after a failure in a window that ends with `last_block`.
    fn delay_max(&self, last_block: Height) -> Duration {
        match self.blocks_left(last_block) {
            0 => (self.height_age / 8).clamp(STILL_DELAY.0, STILL_DELAY.1),
            left => part_of(self.cautious, left).min(WAITING_DELAY_MAX),
        }
    }
}

/// A payload that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Ready {
    /// What the model said.
    pub payload: Payload,
    /// When the model gave it.
    pub at: Instant,
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

/// What decides when the next look is due.
#[derive(Clone, Copy, Debug)]
enum NextLook {
    /// This moment.
    At(Instant),
    /// The predicted opening of a window.
    Opening {
        /// Its nonce.
        nonce: Nonce,
        /// What was known then is not older than this.
        looked_at: Instant,
    },
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

    /// When the next look is due, by what is known of the chain now.
    fn look_due(&self, pace: &Pace) -> Instant {
        match self.next_look {
            NextLook::At(at) => at,
            NextLook::Opening { nonce, .. } if pace.height >= nonce.height() => pace.reached_at,
            NextLook::Opening { nonce, looked_at } => {
                let known_at = looked_at.max(pace.reached_at);
                let near_from = pace.near_from(nonce.height());
                self.look_before(near_from, looked_at, known_at, pace)
            }
        }
    }

    /// Until when what is known holds good for an opening whose surroundings begin at `near_from`.
    fn look_before(
        &self,
        near_from: Instant,
        looked_at: Instant,
        known_at: Instant,
        pace: &Pace,
    ) -> Instant {
        if pace.quick.is_none() {
            return known_at + pace.look_every;
        }
        let ahead = near_from.saturating_duration_since(known_at);
        let sure = (pace.look_every * 4 / 3).max(pace.block_time * SURE_BLOCKS);
        if ahead > sure {
            let wait = (ahead / 4 * 3).min(LOOK_DELAY_MAX).max(pace.look_every);
            let due = pace.telling(known_at + wait);
            // why: others tell the height, but only a look tells whether the plan still holds
            let plan_ends = looked_at + LOOK_DELAY_MAX;
            return due.max(known_at + pace.look_every).min(plan_ends);
        }
        let close = pace.block_time / 5;
        // why: an opening that is overdue by more than a block is a chain that stands still
        if pace.standing() > pace.block_time * 2 {
            let halted = pace.look_every.max(pace.standing() / 8);
            let halted = halted.min(self.delay_max(pace).max(pace.look_every));
            return known_at + close.max(halted);
        }
        known_at + ahead.max(close)
    }

    /// The nonce whose opening is looked for closely now, if there is one.
    #[must_use]
    pub fn near_opening(&self, pace: &Pace, now: Instant) -> Option<Nonce> {
        match self.next_look {
            NextLook::Opening { nonce, .. } => {
                let is_there = pace.height >= nonce.height();
                (is_there || now >= pace.near_from(nonce.height())).then_some(nonce)
            }
            _ => None,
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
            Some(ready) if !blocks_ago(ready.at, INFERENCE_AGE_BLOCKS_MAX) => {
                Step::Submit(attempt.nonce)
            }
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

    fn look_after(
        &mut self,
        status: &WindowStatus,
        height: Height,
        pace: &Pace,
        open: bool,
        now: Instant,
    ) -> NextLook {
        if self.fruitless > 0 {
            return NextLook::At(now + self.waiting_delay(pace, status));
        }
        if open && !status.is_registered {
            return NextLook::At(now + pace.block_time.min(pace.look_every));
        }
        let next = status.next.map(|window| window.nonce);
        match next.filter(|nonce| nonce.height() > height) {
            Some(nonce) => NextLook::Opening {
                nonce,
                looked_at: now,
            },
            None => NextLook::At(now + pace.look_every),
        }
    }

    /// A topic that waits for somebody's hand is asked ever more rarely, but not so rarely that
    /// an open window passes meanwhile.
    fn waiting_delay(&mut self, pace: &Pace, status: &WindowStatus) -> Duration {
        let cap = WAITING_DELAY_MAX.min(part_of(pace.cautious, window_blocks(status)));
        let cap = cap.max(pace.look_every);
        backoff::delay(self.fruitless, pace.look_every, cap, &mut self.jitter)
            .max(pace.look_every.min(cap))
    }

    /// The longest delay that leaves room for more than one try in a window of this topic.
    #[must_use]
    pub fn delay_max(&self, pace: &Pace) -> Duration {
        WAITING_DELAY_MAX.min(part_of(pace.cautious, self.window_blocks))
    }

    /// A look failed: nothing is known, so nothing changes but the moment of the next one.
    pub fn look_failed(&mut self, pace: &Pace, now: Instant, error: String) {
        self.fruitless = self.fruitless.saturating_add(1);
        let cap = match pace.quick.is_some() || self.fruitless <= UNMEASURED_FAILURES_MAX {
            true => self.delay_max(pace),
            false => WAITING_DELAY_MAX.min(part_of(pace.block_time, WINDOW_BLOCKS_UNKNOWN)),
        };
        let base = pace.look_every.min(Duration::from_secs(1));
        let delay = backoff::delay(self.fruitless, base, cap, &mut self.jitter);
        let until = now + delay.max(FAILURE_DELAY_MIN);
        self.next_look = NextLook::At(until);
        if let Some(attempt) = &mut self.attempt {
            attempt.trouble = Some(error);
            attempt.not_before = Some(until);
        }
    }

    /// The topic does not exist: asked again ever more slowly, up to a minute. Its first window
    /// opens an epoch after it is made.
    pub fn topic_unknown(&mut self, pace: &Pace, now: Instant) {
        self.fruitless = self.fruitless.saturating_add(1);
        let base = pace.look_every;
        let delay = backoff::delay(self.fruitless, base, WAITING_DELAY_MAX, &mut self.jitter);
        self.next_look = NextLook::At(now + delay.max(FAILURE_DELAY_MIN));
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

    /// The nonce at work ended: the next look follows from the last status.
    pub fn rest(&mut self, pace: &Pace, now: Instant) {
        if let Some((status, height, _)) = self.seen {
            self.next_look = self.look_after(&status, height, pace, false, now);
        }
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

    /// What was last seen does not count any more: the status is looked at before anything else.
    pub fn look_afresh(&mut self, now: Instant) {
        self.next_look = NextLook::At(now);
        self.seen = None;
        if let Some(attempt) = &mut self.attempt {
            attempt.look_again = true;
        }
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

/// How long a model's next URL may take of `limit`, of which `spent` is over. While there is another
/// one behind it (`more`), the last third is kept for that.
#[must_use]
pub fn model_time(limit: Duration, spent: Duration, more: bool) -> Duration {
    let until = if more { limit / 3 * 2 } else { limit };
    until.saturating_sub(spent)
}

/// Whether a forecast goes without the inference that belongs to it, whose model has just failed
/// after so many `failures`: the quick retries are used up, or the window is all but over.
#[must_use]
pub fn forecast_goes_alone(failures: u32, retries: u32, blocks_left: u64) -> bool {
    failures >= retries || blocks_left <= FORECAST_ALONE_BLOCKS
}

/// A quarter of so many blocks' time: a delay that leaves room for more than one try.
fn part_of(block_time: Duration, blocks: u64) -> Duration {
    block_time.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX)) / 4
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod year;
