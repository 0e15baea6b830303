//! The sequence rules: which number the next transaction carries, what of ours may still get into
//! a block, what has to be sent again.
//!
//! A fee is paid twice when two transactions for the same thing, with two different numbers, both
//! get into blocks. So the one fact that this file keeps is which signed transactions are *alive*:
//! might still be included, as far as anybody can know. It is pure: answers go in, decisions come
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

use std::fmt;
use std::time::{Duration, Instant};

use crate::backoff::Jitter;
use crate::values::units::{Height, Nonce, Sequence, TopicId};

use flight::{Delays, Flight};

/// How many blocks a transaction may take before its bytes are sent again.
pub const RESEND_AFTER_BLOCKS: u64 = 2;
/// How many signed variants (other fee, more gas) of one number are kept at most.
pub const VARIANTS_MAX: usize = 8;
/// For how many blocks new numbers are withheld after somebody else used the key, at first and at
/// most: it doubles from one to the other.
const FOREIGN_BLOCKS: (u64, u64) = (1, 4);

/// What a transaction is for. At most one of a job's transactions may take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// The payload for one window of a topic.
    Payload {
        /// The topic.
        topic: TopicId,
        /// Its window.
        nonce: Nonce,
    },
    /// The registration of this worker in a topic.
    Registration {
        /// The topic.
        topic: TopicId,
    },
}

impl Job {
    /// The topic that the job belongs to.
    #[must_use]
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

/// A signed transaction: the unit of retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<H> {
    /// Its hash, by which its answers are matched to it.
    pub hash: H,
    /// The bytes that are sent, always the same.
    pub bytes: Vec<u8>,
    /// The last block that may include it.
    pub timeout_height: Height,
}

/// What a node's answer to a sending says about the number, other than its meaning for the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Code 0: the node's mempool has taken these bytes.
    Accepted,
    /// Code 19: the node has, or once had, these bytes; proves nothing more (R7).
    Cached,
    /// Code 20: the mempool is full, checked before its cache, so it may have them.
    Full,
    /// Nothing was learnt: cut, timed out, a proxy's error.
    Unknown,
    /// The request can't have reached anybody.
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

/// Why no number is given out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The account has to be read first.
    Account,
    /// Bytes in flight have to be sent first (R4, R5, R11), or their answer is awaited.
    Repair,
    /// A block above this height is awaited (R5, another process with the key).
    Block(Height),
    /// A node contradicted us more than once: not before this moment.
    Until(Instant),
    /// Nothing is pipelined before this process's first transaction is settled (R10).
    First,
}

/// What has to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due<'a, H> {
    /// Nothing.
    Nothing,
    /// These bytes, now.
    Now {
        /// What they are for.
        job: Job,
        /// Their number.
        sequence: Sequence,
        /// The bytes and their hash.
        signed: &'a Signed<H>,
    },
    /// Something, at this moment.
    Later(Instant),
    /// Something, once a new block came or the endpoint changed.
    Block,
}

/// How a transaction's life ended, by the account's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled<H> {
    /// What it was for.
    pub job: Job,
    /// The number that it carried.
    pub sequence: Sequence,
    /// The height of the answer that settled it: "served?" is asked at this height or later.
    pub height: Height,
    /// True: the number was used, most likely by one of `hashes`. False: it never was.
    pub consumed: bool,
    /// Every variant that was signed with the number.
    pub hashes: Vec<H>,
}

/// What an account answer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading<H> {
    /// What is settled by it, in the order of the numbers.
    pub settled: Vec<Settled<H>>,
    /// Numbers that were used by somebody else with this key.
    pub foreign: u64,
}

/// R10: what was open already at the start may have been served by an earlier process, whose
/// transaction may be in a mempool still, so it waits for a block newer than the `first` height
/// seen; not so long that a payload for `last_block` would come too late.
#[must_use]
pub fn held_at_start(job: Job, last_block: Option<Height>, first: Height, height: Height) -> bool {
    let old = match job {
        Job::Payload { nonce, .. } => nonce.height() <= first,
        Job::Registration { .. } => true,
    };
    let last_chance = last_block.is_some_and(|last| height.plus(1) >= last);
    // why: a height below the first one means that the first one was forgotten (R9)
    old && height == first && !last_chance
}

/// Which numbers are used, alive, free. `H` is a transaction's hash.
#[derive(Clone, Debug)]
pub struct Ledger<H> {
    committed: Option<(Sequence, Height)>,
    /// In the order of their numbers.
    flights: Vec<Flight<H>>,
    /// The account has to be read before another number is given out.
    account_needed: bool,
    /// A block above this one is awaited before another number is given out.
    block_awaited: Option<Height>,
    /// No number is given out before this moment: a node keeps contradicting us.
    not_before: Option<Instant>,
    /// Contradictions in a row.
    troubles: u32,
    /// For how many blocks the last use of the key by somebody else made us wait.
    foreign_blocks: u64,
    first_settled: bool,
    delays: Delays,
}

impl<H: Copy + PartialEq> Ledger<H> {
    /// A ledger that knows nothing yet; `jitter` spreads its delays.
    #[must_use]
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
            delays: Delays::new(jitter),
        }
    }

    /// Takes note of how long a block takes: no delay here is longer than that.
    pub fn set_block_time(&mut self, block_time: Duration) {
        self.delays.set_longest(block_time);
    }

    /// How many numbers are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The number in flight for `job`, if there is one.
    #[must_use]
    pub fn alive(&self, job: Job) -> Option<Sequence> {
        self.flights
            .iter()
            .find(|f| f.job == job)
            .map(|f| f.sequence)
    }

    /// The account's sequence as last read, and at which height.
    #[must_use]
    pub fn committed(&self) -> Option<(Sequence, Height)> {
        self.committed
    }

    /// Whether the account must be read before anything new is signed.
    #[must_use]
    pub fn needs_account(&self) -> bool {
        self.account_needed || self.committed.is_none()
    }

    /// The lowest height at which something in flight was last sent: a newer block may settle it.
    #[must_use]
    pub fn oldest_sending(&self) -> Option<Height> {
        self.flights.iter().map(|f| f.sent_at).min()
    }

    /// The jobs whose transactions were left unsettled by exactly `asks` answers about the account.
    pub fn unsettled_after(&self, asks: u32) -> impl Iterator<Item = (Job, Sequence)> + '_ {
        self.flights
            .iter()
            .filter(move |f| f.asked == asks)
            .map(|f| (f.job, f.sequence))
    }

    /// The number that a transaction for `job` must carry now: the one of its transaction that is
    /// alive (R2), or a free one (R4, R6).
    ///
    /// # Errors
    /// The reason why none is given out now.
    pub fn number_for(
        &self,
        job: Job,
        height: Height,
        endpoint: usize,
        now: Instant,
    ) -> Result<Sequence, Hold> {
        if let Some(alive) = self.alive(job) {
            return Ok(alive);
        }
        if let Some(above) = self.block_awaited.filter(|above| height <= *above) {
            return Err(Hold::Block(above));
        }
        let committed = match self.committed {
            Some((sequence, _)) if !self.account_needed => sequence,
            _ => return Err(Hold::Account),
        };
        if self
            .in_reach()
            .any(|f| f.due || f.endpoint != Some(endpoint))
        {
            return Err(Hold::Repair);
        }
        if !self.first_settled && !self.flights.is_empty() {
            return Err(Hold::First);
        }
        if let Some(until) = self.not_before.filter(|until| now < *until) {
            return Err(Hold::Until(until));
        }
        let last = self.in_reach().last();
        Ok(last.map_or(committed, |flight| flight.sequence.next()))
    }

    /// What a node can take: those whose numbers follow the committed one without a gap. The rest
    /// is refused with code 32 everywhere until the gap is filled (R6).
    fn in_reach(&self) -> impl Iterator<Item = &Flight<H>> + '_ {
        let first = self.committed.map(|(sequence, _)| sequence);
        let first = first.or(self.flights.first().map(|flight| flight.sequence));
        let mut next = first.unwrap_or_default();
        self.flights.iter().take_while(move |flight| {
            let follows = flight.sequence == next;
            next = next.next();
            follows
        })
    }

    /// Puts a freshly signed transaction on record, *before* it is sent.
    ///
    /// # Panics
    /// If the number is not the one that [`Ledger::number_for`] allows: paying twice is worse than
    /// ending the process.
    pub fn signed(&mut self, job: Job, sequence: Sequence, signed: Signed<H>, height: Height) {
        if let Some(flight) = self.flights.iter_mut().find(|f| f.job == job) {
            assert_eq!(
                flight.sequence, sequence,
                "R2: one number per job while it is alive"
            );
            flight.add(signed);
            return;
        }
        let at = self.flights.partition_point(|f| f.sequence < sequence);
        let taken = self.flights.get(at).is_some_and(|f| f.sequence == sequence);
        assert!(!taken, "R4: sequence {sequence} is alive");
        let fills_gap = at < self.flights.len();
        self.flights
            .insert(at, Flight::new(job, sequence, signed, height, fills_gap));
    }

    /// Whether one more variant may be signed for the job: a bound on what is kept.
    #[must_use]
    pub fn may_sign_again(&self, job: Job) -> bool {
        let flight = self.flights.iter().find(|f| f.job == job);
        flight.is_none_or(|f| f.variants.len() < VARIANTS_MAX)
    }

    /// The bytes that have to be sent next at `endpoint`, if any: those in flight go out in the
    /// order of their numbers, so one that has to wait holds up those behind it.
    #[must_use]
    pub fn due(&self, height: Height, endpoint: usize, now: Instant) -> Due<'_, H> {
        let read_at = self.committed.map_or(Height(0), |(_, height)| height);
        for flight in self.in_reach() {
            let moved = flight.tried.is_some_and(|tried| tried != endpoint);
            let late = read_at >= flight.sent_at.plus(RESEND_AFTER_BLOCKS);
            if !(flight.due || moved || late) {
                continue;
            }
            if !moved && flight.above.is_some_and(|above| height <= above) {
                return Due::Block;
            }
            if let Some(until) = flight.not_before.filter(|until| !moved && now < *until) {
                return Due::Later(until);
            }
            if let Some(variant) = flight.variants.last() {
                return Due::Now {
                    job: flight.job,
                    sequence: flight.sequence,
                    signed: &variant.signed,
                };
            }
        }
        Due::Nothing
    }

    /// Takes an answer to a sending of the transaction `hash` at `endpoint`, sent when `height`
    /// was the highest height known. What it means for the job is for the caller to say.
    pub fn answered(
        &mut self,
        hash: H,
        verdict: Verdict,
        endpoint: usize,
        height: Height,
        now: Instant,
    ) -> Standing {
        let known = |f: &Flight<H>| f.variants.iter().any(|v| v.signed.hash == hash);
        let Some(at) = self.flights.iter().position(known) else {
            return Standing::Dead;
        };
        let flight = &mut self.flights[at];
        flight.take_answer(hash, verdict, endpoint, height, now, &mut self.delays);
        let sequence = flight.sequence;
        let is_in = matches!(verdict, Verdict::Accepted | Verdict::Cached);
        let filled = (is_in && std::mem::take(&mut flight.fills_gap)).then_some(sequence);
        let standing = if flight.variants.is_empty() {
            Standing::Dead
        } else {
            Standing::Alive
        };
        if standing == Standing::Dead {
            self.flights.remove(at);
        }
        match verdict {
            Verdict::Expects(expected) => self.expects(sequence, expected, height, now),
            Verdict::Accepted | Verdict::Cached => self.agreed(verdict, filled),
            _ => {}
        }
        standing
    }

    /// A node has a number of ours: taken just now, that is no contradiction any more; and if it
    /// filled a gap, those behind it are sent again (R6).
    fn agreed(&mut self, verdict: Verdict, filled: Option<Sequence>) {
        if verdict == Verdict::Accepted {
            self.troubles = 0;
            self.not_before = None;
        }
        for flight in &mut self.flights {
            if filled.is_some_and(|filled| flight.sequence > filled) {
                flight.make_due();
            }
        }
    }

    /// R5, for CheckTx and for a simulation alike: a node expects `expected` where ours was
    /// `sequence`.
    pub fn expects(
        &mut self,
        sequence: Sequence,
        expected: Sequence,
        height: Height,
        now: Instant,
    ) {
        if expected > sequence {
            self.block_awaited = self.block_awaited.max(Some(height));
            self.account_needed = true;
            return;
        }
        let lacks = self.flights.iter().any(|f| f.sequence == expected);
        self.account_needed |= !lacks;
        for flight in &mut self.flights {
            if lacks && flight.sequence >= expected && flight.sequence != sequence {
                flight.make_due();
            }
        }
        if self.troubles > 0 || !lacks {
            self.not_before = Some(self.delays.after(self.troubles.max(1), now));
        }
        self.troubles = self.troubles.saturating_add(1);
    }

    /// Takes the account's sequence as read at `height` (an answer that R9 lets count), and
    /// settles what it settles (R1 a and b).
    pub fn account_read(&mut self, sequence: Sequence, height: Height) -> Reading<H> {
        let before = self.committed.map_or(sequence, |(sequence, _)| sequence);
        if self.committed.is_some_and(|(_, known)| height < known) {
            return Reading {
                settled: Vec::new(),
                foreign: 0,
            };
        }
        self.committed = Some((sequence, height));
        self.account_needed = false;
        let mut settled = Vec::new();
        self.flights
            .retain_mut(|flight| match flight.settle(sequence, height) {
                Some(end) => {
                    settled.push(end);
                    false
                }
                None => true,
            });
        self.first_settled |= !settled.is_empty();
        let ours = settled
            .iter()
            .filter(|s| s.consumed && s.sequence >= before)
            .count() as u64;
        let foreign = sequence.0.saturating_sub(before.0).saturating_sub(ours);
        self.back_off(foreign, ours, height);
        Reading { settled, foreign }
    }

    /// Somebody else uses the key: no fight, numbers are withheld for some blocks.
    fn back_off(&mut self, foreign: u64, ours: u64, height: Height) {
        let (first, most) = FOREIGN_BLOCKS;
        if foreign > 0 {
            self.foreign_blocks = (self.foreign_blocks * 2).clamp(first, most);
            self.block_awaited = self
                .block_awaited
                .max(Some(height.plus(self.foreign_blocks - 1)));
        } else if ours > 0 {
            self.foreign_blocks = 0;
        }
    }

    /// Everything in flight is sent again, in order: no node takes its bytes as they are any more,
    /// which has to be found out before a new number is given out.
    pub fn make_all_due(&mut self) {
        self.flights.iter_mut().for_each(Flight::make_due);
    }

    /// The highest height turned out to be another chain's, or was rolled back (R9): what was read
    /// there does not count any more.
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
