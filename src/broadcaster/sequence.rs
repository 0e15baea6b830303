//! The sequence rules: which number the next transaction carries, what of ours may still get into
//! a block, what has to be sent again.
//!
//! A fee is paid twice when two transactions for the same thing, with two different numbers, both
//! get into blocks. So the one fact that this file keeps is which signed transactions are *alive*:
//! might still be included, as far as anyone can know. It is pure: answers go in, decisions come
//! out, the clock and the chain are arguments. The rules (R1 to R11 below) in one paragraph:
//!
//! A transaction is alive until the account is read at or above its timeout height, or the
//! account's sequence is above its number, or every single sending of its bytes was definitely
//! refused (R1). While one for a job is alive, another for that job carries the same number, so
//! that they exclude each other (R2). One accepted or unanswered sending outweighs any number of
//! refusals (R3). A new job never takes a number that is alive, and none is given out while the
//! answer to the last sending is unknown (R4). A node that expects less than ours lacks what is in
//! flight: it is sent there again, in order; one that expects more knows what we don't: a block is
//! waited for and the account read (R5). A number that died without being used goes to the next
//! job that has nothing alive (R6). What answers to re-sent bytes mean is R7. State decides, never
//! the transaction index (R8), and only state from a height not below the highest known (R9, kept
//! by the client). After a start nothing is signed for a window that was open already until a new
//! block came, and nothing is pipelined until a first transaction is settled (R10). A new endpoint
//! first gets the bytes in flight, in order (R11).

mod flight;
mod nonces;

use std::fmt;
use std::time::{Duration, Instant};

use crate::backoff::Jitter;
use crate::sign::tx::SignedTx;
use crate::values::units::{Height, Nonce, Sequence, TopicId, TxHash};

use flight::{Delays, Flight};
pub use nonces::SEQUENCES_PER_NONCE_MAX;
use nonces::SignedNonces;

/// The bytes are sent again if the account still lacks them after this many blocks.
pub const RESEND_AFTER_BLOCKS: u64 = 2;
/// Signed variants (other fee, more gas) of one number.
pub const VARIANTS_MAX: usize = 8;
/// For how many blocks new numbers are withheld after another process used the key: at first and at
/// most. It doubles while that process continues.
const FOREIGN_BLOCKS: (u64, u64) = (1, 4);

/// A transaction that expires more blocks above the highest height than this was signed when a
/// height was believed that is not believed any more. Waiting for it would hold the account.
const STRANDED_BLOCKS: u64 = 15;

/// What a transaction is for. At most one of a job's transactions may take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// The payload for one window of a topic.
    Payload { topic: TopicId, nonce: Nonce },
    /// The registration of this worker in a topic.
    Registration { topic: TopicId },
}

impl Job {
    pub fn topic(self) -> TopicId {
        match self {
            Job::Payload { topic, .. } | Job::Registration { topic } => topic,
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Job::Payload { topic, nonce } => write!(f, "topic {topic}, nonce {nonce}"),
            Job::Registration { topic } => write!(f, "topic {topic}, registration"),
        }
    }
}

/// What a decision about the next sending depends on apart from the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The highest height known.
    pub height: Height,
    /// The endpoint that is asked, by its place in the list.
    pub endpoint: usize,
    pub now: Instant,
}

/// What a node's answer to a sending says about the sequence number; what it means for the job is
/// not decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Code 0: the node's mempool has taken these bytes.
    Accepted,
    /// Code 19: the node has, or once had, these bytes; proves nothing more (R7).
    Cached,
    /// Code 20: the mempool is full, checked before its cache, so it may have them.
    Full,
    /// No verdict: cut off, timed out, a proxy's error.
    Unknown,
    /// The request cannot have reached a node.
    NeverLeft,
    /// Code 32, with the sequence that the node expects.
    Expects(Sequence),
    /// Any other definite refusal in CheckTx.
    Refused,
}

/// Whether a job still has a transaction alive after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One may still be included.
    Alive,
    /// None can be: every sending was definitely refused (R1 c).
    Dead,
}

/// Why no new number is given out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The account has to be read first.
    Account,
    /// Bytes in flight have to be sent first (R4, R5, R11), or their answer is awaited.
    Repair,
    /// A block above this height is awaited (R5, another process with the key).
    Block(Height),
    /// A node contradicted the ledger repeatedly: no number before this moment.
    Until(Instant),
    /// This process's first transaction has to be settled before the next one is sent (R10).
    First,
    /// The job had [`SEQUENCES_PER_NONCE_MAX`] numbers: it gets no other one.
    Exhausted,
}

/// What has to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due<'a> {
    Nothing,
    /// These bytes, now.
    Now(Job, &'a SignedTx),
    /// Something, at this moment.
    Later(Instant),
    /// Something, after the next block or a change of the endpoint.
    Block,
}

/// How a transaction's life ended, by the account's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub job: Job,
    pub sequence: Sequence,
    /// The height of the answer that settled it: "served?" is asked at this height or later.
    pub height: Height,
    /// True: the number was used, most likely by one of `hashes`. False: it never was.
    pub consumed: bool,
    /// Every variant that was signed with the number.
    pub hashes: Vec<TxHash>,
}

/// What an account answer changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountReading {
    /// What is settled by it, in the order of the numbers.
    pub settled: Vec<Settled>,
    /// How many numbers another process used with this key.
    pub foreign: u64,
}

/// R10: a window that was open at the start may have been served by an earlier process, whose
/// transaction may still be in a mempool. So it waits for a block newer than the `first` height
/// seen, unless `last_block` is next.
pub fn held_at_start(job: Job, last_block: Option<Height>, first: Height, height: Height) -> bool {
    let old = match job {
        Job::Payload { nonce, .. } => nonce.height() <= first,
        Job::Registration { .. } => true,
    };
    let last_chance = last_block.is_some_and(|last| height.plus(1) >= last);
    // A height below the first one means that the first one was forgotten (R9).
    old && height == first && !last_chance
}

/// Which sequence numbers are used, alive, free.
#[derive(Clone, Debug)]
pub struct Ledger {
    committed: Option<(Sequence, Height)>,
    /// In the order of their numbers.
    flights: Vec<Flight>,
    /// The account has to be read before a new number is given out.
    account_needed: bool,
    /// A block above this one is awaited before a new number is given out.
    block_awaited: Option<Height>,
    /// No new number before this moment: a node keeps contradicting the ledger.
    not_before: Option<Instant>,
    /// Contradictions in a row.
    troubles: u32,
    /// For how many blocks numbers were withheld after another process last used the key.
    foreign_blocks: u64,
    first_settled: bool,
    /// Jobs with a transaction that was given up, and its number: until the number is used, the job
    /// gets no other one (R2).
    stranded: Vec<(Job, Sequence)>,
    nonces: SignedNonces,
    delays: Delays,
}

impl Ledger {
    /// A ledger that knows nothing yet; `jitter` spreads its delays.
    pub fn new(jitter: Jitter) -> Self {
        Ledger {
            committed: None,
            flights: Vec::new(),
            account_needed: true,
            block_awaited: None,
            not_before: None,
            troubles: 0,
            foreign_blocks: 0,
            first_settled: false,
            stranded: Vec::new(),
            nonces: SignedNonces::default(),
            delays: Delays::new(jitter),
        }
    }

    /// Limits the delays to the time of a block.
    pub fn set_block_time(&mut self, block_time: Duration) {
        self.delays.set_longest(block_time);
    }

    /// How many numbers are in flight.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The number in flight for `job`, if there is one.
    pub fn alive(&self, job: Job) -> Option<Sequence> {
        self.flight(job).map(|flight| flight.sequence)
    }

    fn flight(&self, job: Job) -> Option<&Flight> {
        self.flights.iter().find(|flight| flight.job == job)
    }

    /// The account's sequence as last read, and at which height.
    pub fn committed(&self) -> Option<(Sequence, Height)> {
        self.committed
    }

    /// Whether the account must be read before anything new is signed.
    pub fn needs_account(&self) -> bool {
        self.account_needed || self.committed.is_none()
    }

    /// The lowest height at which something in flight was last sent: a newer block may settle it.
    pub fn oldest_sending(&self) -> Option<Height> {
        self.flights.iter().map(|f| f.sent_at).min()
    }

    /// The jobs whose transactions were left unsettled by exactly `asks` answers about the account.
    pub fn unsettled_after(&self, asks: u32) -> impl Iterator<Item = (Job, Sequence)> + '_ {
        let unsettled = self.flights.iter().filter(move |f| f.asked == asks);
        unsettled.map(|f| (f.job, f.sequence))
    }

    /// The number that a transaction for `job` must carry now: the one of its transaction that is
    /// alive (R2), or a free one (R4, R6).
    ///
    /// # Errors
    /// The reason why none is given out now.
    pub fn number_for(&self, job: Job, at: Moment) -> Result<Sequence, Hold> {
        if let Some(alive) = self.alive(job) {
            return Ok(alive);
        }
        if let Some(above) = self.block_awaited.filter(|above| at.height <= *above) {
            return Err(Hold::Block(above));
        }
        let committed = match self.committed {
            Some((sequence, _)) if !self.account_needed => sequence,
            _ => return Err(Hold::Account),
        };
        let mut in_reach = self.in_reach();
        if in_reach.any(|f| f.due || f.endpoint != Some(at.endpoint)) {
            return Err(Hold::Repair);
        }
        if !self.first_settled && !self.flights.is_empty() {
            return Err(Hold::First);
        }
        if let Some(until) = self.not_before.filter(|until| at.now < *until) {
            return Err(Hold::Until(until));
        }
        let last = self.in_reach().last();
        let next = last.map_or(committed, |flight| flight.sequence.next());
        let is_barred = |(of, sequence): &(Job, Sequence)| *of == job && *sequence != next;
        if self.stranded.iter().any(is_barred) {
            return Err(Hold::Block(at.height));
        }
        if !self.nonces.allows(job, next) {
            return Err(Hold::Exhausted);
        }
        Ok(next)
    }

    /// Whether the job needs another number and gets none, after [`SEQUENCES_PER_NONCE_MAX`].
    pub fn is_exhausted(&self, job: Job, at: Moment) -> bool {
        // why: the first question is cheap, is asked of all that wait, and is rarely answered by yes
        self.nonces.has_most(job) && self.number_for(job, at) == Err(Hold::Exhausted)
    }

    /// Whether the account has used a number that was signed for the job: its payload may be in a
    /// block, and another one would be charged without effect.
    pub fn may_be_served(&self, job: Job) -> bool {
        self.nonces.may_be_served(job)
    }

    /// The height above which "served?" has to be asked before the job gets a number, if one of its
    /// transactions was taken for lost and the account has used its number since. Given once.
    pub fn take_doubt(&mut self, job: Job) -> Option<Height> {
        self.nonces.take_doubt(job)
    }

    /// What a node can accept: the flights whose numbers follow the committed one without a gap.
    /// Every node refuses the others with code 32 until the gap is filled (R6).
    fn in_reach(&self) -> impl Iterator<Item = &Flight> + '_ {
        let first = self.committed.map(|(sequence, _)| sequence);
        let first = first.or(self.flights.first().map(|flight| flight.sequence));
        let mut next = first.unwrap_or_default();
        self.flights.iter().take_while(move |flight| {
            let follows = flight.sequence == next;
            next = next.next();
            follows
        })
    }

    /// Records a newly signed transaction, *before* it is sent.
    ///
    /// # Panics
    /// If the number is not the one that [`Ledger::number_for`] allows: paying twice is worse than
    /// ending the process.
    pub fn signed(&mut self, job: Job, sequence: Sequence, signed: SignedTx, height: Height) {
        self.nonces.signed(job, sequence);
        if let Some(flight) = self.flights.iter_mut().find(|f| f.job == job) {
            let is_same = flight.sequence == sequence;
            assert!(is_same, "R2: {job} is alive with another sequence");
            return flight.add(signed);
        }
        let at = self.flights.partition_point(|f| f.sequence < sequence);
        let taken = self.flights.get(at).is_some_and(|f| f.sequence == sequence);
        assert!(!taken, "R4: sequence {sequence} is alive");
        let mut flight = Flight::new(job, sequence, signed, height);
        flight.fills_gap = at < self.flights.len();
        self.flights.insert(at, flight);
    }

    /// Whether the job has fewer than [`VARIANTS_MAX`] variants, so that another may be signed.
    pub fn may_sign_again(&self, job: Job) -> bool {
        let flight = self.flight(job);
        flight.is_none_or(|flight| flight.variants.len() < VARIANTS_MAX)
    }

    /// The bytes that have to be sent next to the endpoint, if any. They are sent in the order of
    /// their numbers, so one that has to wait delays those behind it.
    pub fn due(&self, at: Moment) -> Due<'_> {
        let read_at = self.committed.map_or(Height(0), |(_, height)| height);
        for flight in self.in_reach() {
            let moved = flight.tried.is_some_and(|tried| tried != at.endpoint);
            let late = read_at >= flight.sent_at.plus(RESEND_AFTER_BLOCKS);
            if !(flight.due || moved || late) {
                continue;
            }
            if !moved && flight.above.is_some_and(|above| at.height <= above) {
                return Due::Block;
            }
            if let Some(until) = flight.not_before.filter(|until| !moved && at.now < *until) {
                return Due::Later(until);
            }
            if let Some(variant) = flight.variants.last() {
                return Due::Now(flight.job, &variant.signed);
            }
        }
        Due::Nothing
    }

    /// Takes a node's answer to the sending of the transaction `hash`; `at` is the endpoint that
    /// was asked and the highest height known when it was asked.
    pub fn answered(&mut self, hash: TxHash, verdict: Verdict, at: Moment) -> Standing {
        let known = |f: &Flight| f.variants.iter().any(|v| v.signed.hash == hash);
        let Some(place) = self.flights.iter().position(known) else {
            return Standing::Dead;
        };
        let flight = &mut self.flights[place];
        let is_first = flight.variants.iter().all(|variant| !variant.doubtful);
        flight.take_answer(hash, verdict, at, &mut self.delays);
        let (sequence, is_dead) = (flight.sequence, flight.variants.is_empty());
        let is_in = matches!(verdict, Verdict::Accepted | Verdict::Cached);
        if is_in && std::mem::take(&mut flight.fills_gap) {
            let behind = &mut self.flights[place + 1..];
            behind.iter_mut().for_each(|flight| flight.due = true);
        }
        if is_dead {
            let dead = self.flights.remove(place);
            self.nonces.refused(dead.job, sequence);
        }
        match verdict {
            Verdict::Expects(expected) => self.expects(sequence, expected, at),
            // A number of ours was right just now: the contradictions are over. Not if the bytes
            // were sent before: a node can accept them again and again, and lack them each time.
            Verdict::Accepted if is_first => {
                self.troubles = 0;
                self.not_before = None;
            }
            _ => {}
        }
        if is_dead {
            Standing::Dead
        } else {
            Standing::Alive
        }
    }

    /// R5, after CheckTx or a simulation: a node expects `expected` where `sequence` was sent.
    pub fn expects(&mut self, sequence: Sequence, expected: Sequence, at: Moment) {
        if expected > sequence {
            self.block_awaited = self.block_awaited.max(Some(at.height));
            self.account_needed = true;
            return;
        }
        let lacks = self.flights.iter().any(|f| f.sequence == expected);
        self.account_needed |= !lacks;
        for flight in &mut self.flights {
            flight.due |= lacks && flight.sequence >= expected && flight.sequence != sequence;
        }
        if self.troubles > 0 || !lacks {
            self.not_before = Some(self.delays.after(self.troubles.max(1), at.now));
        }
        self.troubles = self.troubles.saturating_add(1);
    }

    /// Takes the account's sequence as read at `height` (an answer that counts by R9), and settles
    /// what it settles (R1 a and b).
    pub fn account_read(&mut self, sequence: Sequence, height: Height) -> AccountReading {
        let before = self.committed.map_or(sequence, |(sequence, _)| sequence);
        if self.committed.is_some_and(|(_, known)| height < known) {
            return AccountReading::default();
        }
        self.committed = Some((sequence, height));
        self.account_needed = false;
        // why: the account cannot be further than all that was signed since; a number beyond was signed
        // after an account that was a lie, and would bar its job for ever
        let signed = u64::try_from(self.flights.len() + self.stranded.len()).unwrap_or(u64::MAX);
        let furthest = Sequence(sequence.0.saturating_add(signed));
        self.stranded
            .retain(|(_, stranded)| (sequence..=furthest).contains(stranded));
        let mut settled = Vec::new();
        self.flights.retain_mut(|flight| {
            let end = flight.settle(sequence, height);
            let lives_on = end.is_none();
            settled.extend(end);
            lives_on
        });
        self.nonces.account_read(sequence, height, &settled);
        self.first_settled |= !settled.is_empty();
        let is_ours = |end: &&Settled| end.consumed && end.sequence >= before;
        let ours = settled.iter().filter(is_ours).count() as u64;
        let foreign = sequence.0.saturating_sub(before.0).saturating_sub(ours);
        self.give_way(foreign, ours, height);
        AccountReading { settled, foreign }
    }

    /// Withholds numbers for some blocks while another process uses the key, so that the two do not
    /// take each other's numbers.
    fn give_way(&mut self, foreign: u64, ours: u64, height: Height) {
        let (first, most) = FOREIGN_BLOCKS;
        if foreign > 0 {
            self.foreign_blocks = (self.foreign_blocks * 2).clamp(first, most);
            let until = height.plus(self.foreign_blocks - 1);
            self.block_awaited = self.block_awaited.max(Some(until));
        } else if ours > 0 {
            self.foreign_blocks = 0;
        }
    }

    /// Has everything in flight sent again, in order, before a new number is given out.
    pub fn make_all_due(&mut self) {
        self.flights.iter_mut().for_each(|flight| flight.due = true);
    }

    /// `height` is the highest height known. If it was higher, because of a lie, another chain or a
    /// rollback (R9), everything that was derived from the higher one falls with it. Returns the
    /// transactions that are given up: they expire at a height that is far away now, and the next
    /// transaction takes their number, so that both exclude each other.
    pub fn height_is(&mut self, height: Height) -> Vec<Settled> {
        if self.committed.is_some_and(|(_, known)| height < known) {
            self.forget_account();
        }
        let held_most = height.plus(FOREIGN_BLOCKS.1);
        self.block_awaited = self.block_awaited.map(|above| above.min(held_most));
        for flight in &mut self.flights {
            flight.sent_at = flight.sent_at.min(height);
            flight.above = flight.above.map(|above| above.min(height));
        }
        let far = height.plus(STRANDED_BLOCKS);
        let mut given_up = Vec::new();
        self.flights.retain(|flight| {
            let is_stranded = flight.expires_at() > far;
            given_up.extend(is_stranded.then(|| flight.ended(height, false)));
            !is_stranded
        });
        let numbers = given_up.iter().map(|end: &Settled| (end.job, end.sequence));
        self.stranded.extend(numbers);
        given_up
    }

    /// Forgets what was read of the account: its height was another chain's or was rolled back
    /// (R9).
    pub fn forget_account(&mut self) {
        self.committed = None;
        self.block_awaited = None;
        self.account_needed = true;
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
