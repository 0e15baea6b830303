//! One number in flight: the transactions that were signed with it, and what their sendings said.

use std::time::{Duration, Instant};

use super::{Job, Settled, Signed, Verdict};
use crate::backoff::{self, Jitter};
use crate::values::units::{Height, Sequence};

/// First and longest delay before an attempt after an answer that settled nothing. Where blocks
/// come faster than the longest, a block's time takes its place: windows are measured in blocks.
const TROUBLE_DELAY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// The delays after answers that settled nothing.
#[derive(Clone, Debug)]
pub(super) struct Delays {
    longest: Duration,
    jitter: Jitter,
}

impl Delays {
    pub(super) fn new(jitter: Jitter) -> Delays {
        let longest = TROUBLE_DELAY.1;
        Delays { longest, jitter }
    }

    /// No delay is longer than a block.
    pub(super) fn set_longest(&mut self, block_time: Duration) {
        let (least, most) = TROUBLE_DELAY;
        self.longest = block_time.clamp(least, most);
    }

    /// The end of the delay after so many of them in a row.
    pub(super) fn after(&mut self, troubles: u32, now: Instant) -> Instant {
        now + backoff::delay(troubles, TROUBLE_DELAY.0, self.longest, &mut self.jitter)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Variant<H> {
    pub(super) signed: Signed<H>,
    /// A sending of it was accepted, answered 19 or 20, or has no known answer (R3).
    pub(super) doubtful: bool,
}

/// One number in flight.
#[derive(Clone, Debug)]
pub(super) struct Flight<H> {
    pub(super) job: Job,
    pub(super) sequence: Sequence,
    /// Oldest first; the last is the one that is sent again.
    pub(super) variants: Vec<Variant<H>>,
    /// Has to be sent (again).
    pub(super) due: bool,
    /// Not before this moment, after an answer that settled nothing.
    pub(super) not_before: Option<Instant>,
    /// Not before a block above this one, after a full mempool.
    pub(super) above: Option<Height>,
    /// Answers in a row that settled nothing.
    pub(super) troubles: u32,
    /// It took a number below others that are alive: these are sent again once it is in (R6).
    pub(super) fills_gap: bool,
    /// Where its bytes got a verdict last.
    pub(super) endpoint: Option<usize>,
    /// Where its bytes went last, verdict or not.
    pub(super) tried: Option<usize>,
    /// The highest height known when its bytes went out last.
    pub(super) sent_at: Height,
    /// How many account answers left it unsettled.
    pub(super) asked: u32,
}

impl<H: Copy + PartialEq> Flight<H> {
    pub(super) fn new(
        job: Job,
        sequence: Sequence,
        signed: Signed<H>,
        height: Height,
        fills_gap: bool,
    ) -> Self {
        Flight {
            job,
            sequence,
            variants: vec![Variant {
                signed,
                doubtful: false,
            }],
            due: true,
            not_before: None,
            above: None,
            troubles: 0,
            fills_gap,
            endpoint: None,
            tried: None,
            sent_at: height,
            asked: 0,
        }
    }

    /// Another transaction with the same number: it is the one that is sent from now on.
    pub(super) fn add(&mut self, signed: Signed<H>) {
        // why: signatures are deterministic, so the same content gives the same bytes again
        let before = self
            .variants
            .iter()
            .position(|v| v.signed.hash == signed.hash);
        let variant = match before {
            Some(at) => self.variants.remove(at),
            None => Variant {
                signed,
                doubtful: false,
            },
        };
        self.variants.push(variant);
        self.make_due();
    }

    pub(super) fn make_due(&mut self) {
        self.due = true;
    }

    pub(super) fn take_answer(
        &mut self,
        hash: H,
        verdict: Verdict,
        endpoint: usize,
        height: Height,
        now: Instant,
        delays: &mut Delays,
    ) {
        use Verdict::{Accepted, Cached, Expects, Full, NeverLeft, Refused, Unknown};
        let doubtful = matches!(verdict, Accepted | Cached | Full | Unknown);
        for variant in self.variants.iter_mut().filter(|v| v.signed.hash == hash) {
            variant.doubtful |= doubtful;
        }
        self.variants.retain(|v| v.doubtful);
        self.tried = Some(endpoint);
        self.due = matches!(verdict, Full | Unknown | NeverLeft | Expects(_));
        self.above = (verdict == Full).then_some(height);
        self.troubles = if self.due {
            self.troubles.saturating_add(1)
        } else {
            0
        };
        self.not_before = self.due.then(|| delays.after(self.troubles, now));
        if verdict != NeverLeft && verdict != Unknown {
            self.endpoint = Some(endpoint);
        }
        if matches!(verdict, Accepted | Cached | Refused | Expects(_)) {
            self.sent_at = self.sent_at.max(height);
        }
    }

    /// R1 (a) and (b).
    pub(super) fn settle(&mut self, committed: Sequence, height: Height) -> Option<Settled<H>> {
        let consumed = committed > self.sequence;
        let expired = self
            .variants
            .iter()
            .all(|v| height >= v.signed.timeout_height);
        if !consumed && !expired {
            self.asked = self.asked.saturating_add(1);
            return None;
        }
        let hashes = self.variants.iter().map(|v| v.signed.hash).collect();
        Some(Settled {
            job: self.job,
            sequence: self.sequence,
            height,
            consumed,
            hashes,
        })
    }
}
