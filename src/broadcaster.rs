//! The single sender. It owns the key, the account's number and sequence, the purse and what is in
//! flight; all other threads only ask it to send. It makes one bounded attempt per submission, the
//! window that ends first goes first, and it never waits for a block: the next submission takes the
//! next sequence number at once. One request for the account per block settles what is in flight,
//! for all topics together.
//!
//! This file schedules. What may be sent and what must be sent again is decided in
//! [`crate::broadcaster::sequence`]; `prepare` makes a transaction, `send` gets it to a node,
//! `account` reads the account, `price` reads the gas price, `purse` decides what may be paid,
//! `untaken` notices endpoints that take no transaction, and delays the next attempt then.

mod account;
mod grant;
pub mod order;
mod prepare;
mod price;
mod purse;
mod send;
pub mod sequence;
mod untaken;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use log::debug;

use crate::backoff::Jitter;
use crate::broadcaster::order::{Order, SendTrouble, Submission, Word};
use crate::broadcaster::sequence::{Due, Hold, Ledger, Moment};
use crate::chain::Chain;
use crate::chain::endpoints::EndpointId;
use crate::chain::opinion::SecondOpinion;
use crate::http::REQUEST_TIME_MAX;
use crate::shutdown::Stop;
use crate::sign::signers::Signers;
use crate::status::beats;
use crate::values::fee::GasFactor;
use crate::values::units::{ApiVersion, Height, Sequence, TopicId, Uallo};

use account::AccountState;
use grant::FeeGrant;
use prepare::TIMEOUT_BLOCKS;
use purse::Purse;
use send::Flying;
use untaken::Untaken;

/// How long the broadcaster waits for transactions in flight after the stop signal.
pub const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait of the loop; an order or the stop signal ends it earlier.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// The time that a step may take without its requests, which announce their own time limits.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);
/// If no node accepted anything for this many block times, the submissions return to their topics.
/// While others are accepted, one stays until its turn comes: a topic that gets it back needs several
/// requests, and a simulation, before it is in the queue again.
const QUEUE_AGE_BLOCKS_MAX: u32 = 6;
/// While submissions wait for their turn, the account is read after this many block times.
const ACCOUNT_OVERDUE_BLOCKS: u32 = 3;

/// What the configuration says about sending.
#[derive(Clone, Debug)]
pub struct SenderSettings {
    /// The gas limit divided by the simulated gas.
    pub gas_factor: GasFactor,
    /// The highest fee that a transaction may offer.
    pub fee_max: Uallo,
    /// The highest sum of the fees of all transactions signed within 24 hours.
    pub fee_per_day_max: Uallo,
    /// The account whose allowance pays the fees; `None`: the sender's own.
    pub fee_granter: Option<String>,
    /// The shortest regular time between two reads of the account.
    pub tx_check_every: Duration,
    /// A warning is logged after this many reads that do not settle a transaction.
    pub tx_check_retries: u32,
}

#[cfg(test)]
impl SenderSettings {
    /// Limits of 500 and 1,200 uallo, and no fee granter.
    fn sample() -> SenderSettings {
        SenderSettings {
            gas_factor: GasFactor::DEFAULT,
            fee_max: Uallo(500),
            fee_per_day_max: Uallo(1_200),
            fee_granter: None,
            tx_check_every: Duration::from_secs(3),
            tx_check_retries: 10,
        }
    }
}

/// The sender; [`Broadcaster::run`] is the body of its thread.
pub struct Broadcaster {
    chain: Arc<Chain>,
    signers: Signers,
    settings: SenderSettings,
    inbox: Receiver<Order>,
    stop: Stop,
    ledger: Ledger,
    queue: Vec<Submission>,
    /// When a node last accepted a new submission.
    accepted_at: Option<Instant>,
    flying: Vec<Flying>,
    /// What to request next to prepare for a window that opens soon.
    freshen: Option<Fresh>,
    account: AccountState,
    purse: Purse,
    /// If another account pays the fees.
    grant: Option<FeeGrant>,
    /// The emissions version when it was last compared with what is in flight.
    api_noticed: Option<ApiVersion>,
    /// About refused transactions, by topic.
    opinions: BTreeMap<TopicId, SecondOpinion>,
    untaken: Untaken,
    jitter: Jitter,
}

/// What has to be known before a transaction can be sent, in the order in which it is requested
/// before a window. There is one request at a time, so that a submission that arrives meanwhile
/// waits for one answer at most.
#[derive(Clone, Copy, Debug)]
enum Fresh {
    /// Another endpoint's height.
    Heights,
    Account,
    Price,
    Params,
    Balance,
    /// The fee granter's balance, if there is one.
    Grant,
}

impl Broadcaster {
    /// A sender with nothing in flight; `stop` ends it.
    pub fn new(
        chain: Arc<Chain>,
        signers: Signers,
        settings: SenderSettings,
        inbox: Receiver<Order>,
        stop: Stop,
    ) -> Broadcaster {
        Broadcaster {
            purse: Purse::new(Arc::clone(&chain), &settings),
            grant: FeeGrant::new(&chain, &settings),
            chain,
            signers,
            settings,
            inbox,
            stop,
            ledger: Ledger::new(Jitter::from_clock(1)),
            queue: Vec::new(),
            accepted_at: None,
            flying: Vec::new(),
            freshen: None,
            account: AccountState::default(),
            api_noticed: None,
            opinions: BTreeMap::new(),
            untaken: Untaken::default(),
            jitter: Jitter::from_clock(2),
        }
    }

    /// Sends until the stop signal, then waits up to [`STOP_PATIENCE`] for what is in flight.
    pub fn run(mut self) {
        let mut patience_ends = None;
        loop {
            let now = Instant::now();
            while let Ok(order) = self.inbox.try_recv() {
                self.take(order);
            }
            if self.stop.is_given() {
                self.return_all(&SendTrouble::Stopping);
                let ends = *patience_ends.get_or_insert(now + STOP_PATIENCE);
                if self.flying.is_empty() || now >= ends {
                    return;
                }
            }
            beats::reports_within(STEP_TIME_MAX);
            if let Some(until) = self.step(now) {
                self.wait(until.saturating_duration_since(now));
            }
        }
    }

    /// Does what is most urgent, or returns the time until which there is nothing to do.
    fn step(&mut self, now: Instant) -> Option<Instant> {
        let block_time = self.chain.lcd.clock().cautious_block_time(now);
        self.ledger.set_block_time(block_time);
        let at = self.moment(now);
        if at.height > Height(0) {
            self.note_height(at.height);
        }
        self.notice_upgrade();
        self.purse.end_outdated(now);
        if self.account_is_overdue(now) {
            // why: what waits could be sent meanwhile
            self.read_account(self.chain.lcd.clock().block_time());
            return None;
        }
        let (held, wake) = match self.send_next(at) {
            Ok(()) => return None,
            Err((held, due)) => (held, due.unwrap_or(now + IDLE_MAX).min(now + IDLE_MAX)),
        };
        if let Some(fresh) = self.freshen.take().filter(|_| !self.stop.is_given()) {
            self.make_fresh(fresh, now);
            return None;
        }
        let wake = match self.grant_due() {
            Some(due) if due <= now => {
                self.look_at_grant(now);
                return None;
            }
            due => due.map_or(wake, |due| wake.min(due)),
        };
        match self.account_due(held, at) {
            Some(due) if due <= now => {
                self.read_account(REQUEST_TIME_MAX);
                None
            }
            due => Some(due.map_or(wake, |due| wake.min(due))),
        }
    }

    /// Sends what is most urgent.
    ///
    /// # Errors
    /// Nothing may be sent: why no new number is given out, and until when.
    fn send_next(&mut self, at: Moment) -> Result<(), (Option<Hold>, Option<Instant>)> {
        if let Some(until) = self.untaken.paused_until(EndpointId(at.endpoint), at.now) {
            self.return_late(at);
            return Err((None, Some(until)));
        }
        let due = match self.ledger.due(at) {
            Due::Now(job, signed) => {
                let signed = signed.clone();
                self.send_again(job, signed);
                return Ok(());
            }
            Due::Later(due) => Some(due),
            Due::Block | Due::Nothing => None,
        };
        self.return_late(at);
        let (place, sequence) = self.pick(at).map_err(|held| {
            let until = match held {
                Some(Hold::Until(until)) => Some(until),
                _ => None,
            };
            (held, due.into_iter().chain(until).min())
        })?;
        let submission = self.queue.remove(place);
        self.attempt(submission, sequence);
        Ok(())
    }

    fn moment(&self, now: Instant) -> Moment {
        Moment {
            height: self.chain.height(),
            endpoint: self.chain.lcd.current_endpoint().0,
            now,
        }
    }

    /// The index and the sequence of the submission to send next: of those that may be sent, the
    /// one whose window ends first; of several, one that needs no simulation, since that takes half
    /// the time. If none may be sent, the reason.
    fn pick(&mut self, at: Moment) -> Result<(usize, Sequence), Option<Hold>> {
        let expires = at.height.plus(TIMEOUT_BLOCKS);
        self.queue.sort_by_key(|waiting| waiting.urgency(expires));
        let first = self.chain.first_height();
        let mut held = None;
        for (place, submission) in self.queue.iter().enumerate() {
            if let Some(above) = submission.held_above(first, at.height) {
                held = held.or(Some(Hold::Block(above)));
                continue;
            }
            match self.ledger.number_for(submission.job, at) {
                Ok(sequence) => return Ok((place, sequence)),
                Err(hold) => held = Some(hold),
            }
        }
        Err(held)
    }

    /// After an upgrade no node accepts the bytes in flight any more. They are sent again at once:
    /// each is refused, and then signed again for the new version with the same sequence.
    fn notice_upgrade(&mut self) {
        let api = self.chain.api_last_known();
        let is_other = |flying: &Flying| Some(flying.draft.api) != api;
        if self.api_noticed != api && self.flying.iter().any(is_other) {
            self.ledger.make_all_due();
        }
        self.api_noticed = api;
    }

    /// Hands submissions back to their topics that cannot, or should not, be sent any more.
    fn return_late(&mut self, at: Moment) {
        let age_max = self.chain.lcd.clock().block_time() * QUEUE_AGE_BLOCKS_MAX;
        let first = self.chain.first_height();
        let is_recent = |time: Instant| at.now.saturating_duration_since(time) <= age_max;
        let unread = self.account.trouble.clone();
        self.queue.retain(|submission| {
            let accepted = self.accepted_at;
            let goes_on = accepted.is_some_and(|time| time > submission.at && is_recent(time));
            let is_stale = !goes_on && !is_recent(submission.at);
            let is_held = submission.held_above(first, at.height).is_some();
            let trouble = if submission.is_over(at.height) && goes_on {
                SendTrouble::NoTurn
            } else if submission.is_over(at.height) {
                unread.clone().unwrap_or(SendTrouble::WindowOver)
            } else if submission.is_old(at.now) {
                SendTrouble::Outdated
            } else if let Some(height) = self.ledger.take_doubt(submission.job) {
                SendTrouble::AskServedAbove(height)
            } else if self.ledger.is_exhausted(submission.job, at) {
                SendTrouble::SequencesExhausted
            } else if is_stale {
                let unsettled = || "what is in flight has to be settled first".into();
                unread.clone().unwrap_or_else(unsettled)
            } else if is_held && submission.payload.is_some() {
                // "Served?" is asked again after the next block. A registration stays: the
                // simulation before it asks the same.
                SendTrouble::AskServedAbove(at.height)
            } else {
                return true;
            };
            say(submission, Word::NotNow(trouble));
            false
        });
    }

    fn return_all(&mut self, trouble: &SendTrouble) {
        for submission in self.queue.drain(..) {
            say(&submission, Word::NotNow(trouble.clone()));
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Send(submission) => self.queue.push(*submission),
            Order::Freshen => self.freshen = Some(Fresh::Heights),
        }
    }

    /// Waits for an order, the stop signal or the time.
    fn wait(&mut self, time: Duration) {
        beats::reports_within(time);
        let (given, idle) = (self.stop.is_given(), never());
        let stop = if given { &idle } else { self.stop.receiver() };
        select! {
            recv(self.inbox) -> order => match order {
                Ok(order) => self.take(order),
                Err(_) => self.inbox = never(),
            },
            recv(stop) -> _ => {},
            default(time) => {},
        }
    }
}

/// Sends a message to a submission's topic. The channel has room for all messages about a
/// submission; if sending fails, the topic has stopped.
fn say(submission: &Submission, word: Word) {
    if submission.reply.try_send(word).is_err() {
        debug!("{}: its topic has stopped", submission.job);
    }
}
