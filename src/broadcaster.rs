//! The single sender. It owns the key, the account's number and sequence, the purse and what is in
//! flight; everything else only asks it to send. One bounded attempt per submission, the window
//! that ends first goes first, and it never waits for a block: the next submission takes the next
//! number at once. What is in flight is settled by one question about the account per block, for
//! all topics together.
//!
//! The loop here only schedules; what may be sent and what must be sent again is decided by
//! [`crate::broadcaster::sequence`], how a transaction is made and sent is in `send`, when the account is
//! read in `account`, what a transaction may cost in `purse`.

mod account;
pub mod order;
mod purse;
mod send;
pub mod sequence;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use log::debug;

use crate::backoff::Jitter;
use crate::broadcaster::order::{Order, Submission, Trouble, Word};
use crate::broadcaster::sequence::{Due, Hold, Ledger};
use crate::chain::Chain;
use crate::shutdown::Stop;
use crate::sign::wallet::Wallet;
use crate::status::beats;
use crate::values::fee::GasFactor;
use crate::values::units::TxHash;
use crate::values::units::{AccountNumber, ApiVersion, Height, Sequence, Uallo};

use purse::Purse;
use send::Flying;

/// How long what is in flight is awaited after a stop.
pub const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait of the loop; it wakes earlier for whatever comes up.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// What a step may take beside its requests, which report for themselves.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);
/// A submission that could not be sent for so many block times goes back to its topic, which may
/// need a newer inference by then.
const QUEUE_AGE_BLOCKS_MAX: u32 = 6;

/// What the configuration says about sending.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Gas limit by simulated gas.
    pub gas_factor: GasFactor,
    /// The most that any transaction may offer.
    pub fee_max: Option<Uallo>,
    /// The shortest regular time between two questions about what is in flight.
    pub tx_check_every: Duration,
    /// After so many of them without settlement there is a warning.
    pub tx_check_retries: u32,
}

/// The sender; [`Broadcaster::run`] is its thread.
pub struct Broadcaster {
    chain: Arc<Chain>,
    wallet: Wallet,
    settings: Settings,
    inbox: Receiver<Order>,
    stop: Stop,
    ledger: Ledger<TxHash>,
    queue: Vec<Submission>,
    flying: Vec<Flying>,
    /// A window opens soon: what is looked after next for it.
    freshen: Option<Fresh>,
    account_number: Option<AccountNumber>,
    account_read: Option<Instant>,
    account_failures: u32,
    account_not_before: Option<Instant>,
    purse: Purse,
    api_noticed: Option<ApiVersion>,
    jitter: Jitter,
}

/// What a sending needs to know, in the order in which it is looked after before a window: one thing
/// at a time, each once, so that a submission that comes meanwhile waits for one answer at most.
#[derive(Clone, Copy, Debug)]
enum Fresh {
    Account,
    Price,
    Params,
    Balance,
}

/// What the queue gives.
enum Pick {
    /// The submission at this place may go, with this number.
    Ready(usize, Sequence),
    /// Nothing may go now.
    Held(Hold),
    /// There is nothing.
    Empty,
}

impl Broadcaster {
    /// A sender with nothing in flight; `stop` ends it.
    #[must_use]
    pub fn new(
        chain: Arc<Chain>,
        wallet: Wallet,
        settings: Settings,
        inbox: Receiver<Order>,
        stop: Stop,
    ) -> Broadcaster {
        let purse = Purse::new(settings.fee_max);
        Broadcaster {
            chain,
            wallet,
            settings,
            inbox,
            stop,
            ledger: Ledger::new(Jitter::from_clock(1)),
            queue: Vec::new(),
            flying: Vec::new(),
            freshen: None,
            account_number: None,
            account_read: None,
            account_failures: 0,
            account_not_before: None,
            purse,
            api_noticed: None,
            jitter: Jitter::from_clock(2),
        }
    }

    /// Sends until the stop signal, then awaits what is in flight for a moment.
    pub fn run(mut self) {
        let mut patience_ends = None;
        loop {
            let now = Instant::now();
            if self.stop.is_given() {
                self.turn_away();
                let ends = *patience_ends.get_or_insert(now + STOP_PATIENCE);
                if self.flying.is_empty() || now >= ends {
                    return;
                }
            }
            self.take_in();
            beats::reports_within(STEP_TIME_MAX);
            if let Some(until) = self.step(now) {
                self.wait(until.saturating_duration_since(now));
            }
        }
    }

    /// Does the most urgent thing, or says until when there is nothing to do.
    fn step(&mut self, now: Instant) -> Option<Instant> {
        let (height, endpoint) = (self.chain.height(), self.chain.lcd.current_endpoint().0);
        self.ledger
            .set_block_time(self.chain.lcd.clock().cautious_block_time(now));
        self.forget_higher(height);
        let mut wake = now + IDLE_MAX;
        self.notice_upgrade();
        match self.ledger.due(height, endpoint, now) {
            Due::Now { job, signed, .. } => {
                let signed = signed.clone();
                self.send_again(job, signed);
                return None;
            }
            Due::Later(at) => wake = wake.min(at),
            Due::Block | Due::Nothing => {}
        }
        self.return_stale(height, now);
        self.return_old(height);
        let held = match self.pick(height, endpoint, now) {
            Pick::Ready(at, sequence) => {
                let submission = self.queue.remove(at);
                self.attempt(submission, sequence);
                return None;
            }
            Pick::Held(hold) => Some(hold),
            Pick::Empty => None,
        };
        if let Some(Hold::Until(at)) = held {
            wake = wake.min(at);
        }
        if let Some(fresh) = self.freshen.take().filter(|_| !self.stop.is_given()) {
            self.make_fresh(fresh, now);
            return None;
        }
        match self.account_due(held, height, now) {
            Some(at) if at <= now => {
                self.read_account(now);
                None
            }
            Some(at) => Some(wake.min(at)),
            None => Some(wake),
        }
    }

    /// The submission that goes next: the window that ends first.
    fn pick(&mut self, height: Height, endpoint: usize, now: Instant) -> Pick {
        self.queue
            .sort_by_key(|s| s.last_block.unwrap_or(Height(0)));
        let mut held = None;
        for (at, submission) in self.queue.iter().enumerate() {
            if let Some(above) = self.held_at_start(submission, height) {
                held = held.or(Some(Hold::Block(above)));
                continue;
            }
            match self
                .ledger
                .number_for(submission.job, height, endpoint, now)
            {
                Ok(sequence) => return Pick::Ready(at, sequence),
                Err(hold) => held = Some(hold),
            }
        }
        held.map_or(Pick::Empty, Pick::Held)
    }

    /// R10: what was open already at the start may have been served by an earlier process, whose
    /// transaction may be in a mempool still. Gives the height above which it may go.
    fn held_at_start(&self, submission: &Submission, height: Height) -> Option<Height> {
        let first = self.chain.first_height()?;
        sequence::held_at_start(submission.job, submission.last_block, first, height)
            .then_some(first)
    }

    /// Sends payloads that R10 holds back to their topics: "served?" is asked again once the new
    /// block is there. A registration stays: the simulation before it asks the same.
    fn return_old(&mut self, height: Height) {
        let (old, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|s| s.payload.is_some() && self.held_at_start(s, height).is_some());
        self.queue = rest;
        for submission in old {
            say(&submission, Word::NotNow(Trouble::AskServedAbove(height)));
        }
    }

    /// After an upgrade nobody takes the bytes in flight any more: they are sent at once, and the
    /// refusal has them signed anew with the same numbers.
    fn notice_upgrade(&mut self) {
        let api = self.chain.api_last_known();
        if self.flying.iter().any(|flying| Some(flying.api()) != api) && self.api_noticed != api {
            self.ledger.make_all_due();
        }
        self.api_noticed = api;
    }

    /// Gives back what waited too long: its topic looks again.
    fn return_stale(&mut self, height: Height, now: Instant) {
        let age_max = self.chain.lcd.clock().block_time() * QUEUE_AGE_BLOCKS_MAX;
        self.queue.retain(|submission| {
            let over = submission.last_block.is_some_and(|last| height >= last);
            let stale = now.saturating_duration_since(submission.at) > age_max;
            if over {
                say(submission, Word::NotNow(Trouble::WindowOver));
            } else if stale {
                let text = "what is in flight has to be cleared up first".to_owned();
                say(submission, Word::NotNow(Trouble::Lcd(text)));
            }
            !over && !stale
        });
    }

    fn return_all(&mut self, trouble: &Trouble) {
        for submission in self.queue.drain(..) {
            say(&submission, Word::NotNow(trouble.clone()));
        }
    }

    fn turn_away(&mut self) {
        self.take_in();
        self.return_all(&Trouble::Stopping);
    }

    fn take_in(&mut self) {
        while let Ok(order) = self.inbox.try_recv() {
            self.take(order);
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Send(submission) => self.queue.push(submission),
            Order::Freshen => self.freshen = Some(Fresh::Account),
        }
    }

    /// Waits for a submission, the stop signal or the time.
    fn wait(&mut self, time: Duration) {
        beats::reports_within(time);
        let stopped = never();
        let stop = if self.stop.is_given() {
            &stopped
        } else {
            self.stop.receiver()
        };
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

/// Tells a topic. Its channel has room for every word of a submission; one that is gone has
/// stopped.
fn say(submission: &Submission, word: Word) {
    if submission.reply.try_send(word).is_err() {
        debug!("{}: its topic does not listen any more", submission.job);
    }
}
