//! One sequence number in flight: the transactions that were signed with it, and what the answers
//! to their sendings said.

use std::time::{Duration, Instant};

use super::{Job, Moment, Settled, Verdict};
use crate::backoff::{self, Jitter};
use crate::sign::tx::SignedTx;
use crate::values::units::{Height, Sequence, TxHash};

/// First and longest delay after an answer that is no verdict. Where a block takes less than the
/// longest, the block time takes its place: windows are measured in blocks.
const TROUBLE_DELAY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// The delays after answers that are no verdict.
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

    pub(super) fn set_longest(&mut self, block_time: Duration) {
        let (least, most) = TROUBLE_DELAY;
        self.longest = block_time.clamp(least, most);
    }

    /// When the delay after this many such answers in a row ends.
    pub(super) fn after(&mut self, troubles: u32, now: Instant) -> Instant {
        now + backoff::delay(troubles, TROUBLE_DELAY.0, self.longest, &mut self.jitter)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) signed: SignedTx,
    /// A sending of it was accepted, answered 19 or 20, or has no known answer (R3).
    pub(super) doubtful: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) job: Job,
    pub(super) sequence: Sequence,
    /// Oldest first; the last is the one that is sent again.
    pub(super) variants: Vec<Variant>,
    /// Has to be sent (again).
    pub(super) due: bool,
    /// Not sent before this moment, after an answer that was no verdict.
    pub(super) not_before: Option<Instant>,
    /// Not sent before a block above this one, after a full mempool.
    pub(super) above: Option<Height>,
    /// Answers in a row that were no verdict.
    troubles: u32,
    /// It took a number below others that are alive: they are sent again once a node has it (R6).
    pub(super) fills_gap: bool,
    /// The endpoint that gave the last verdict on its bytes.
    pub(super) endpoint: Option<usize>,
    /// The endpoint that its bytes were last sent to, verdict or not.
    pub(super) tried: Option<usize>,
    /// The highest height known when its bytes were last sent.
    pub(super) sent_at: Height,
    /// How many account answers did not settle it.
    pub(super) asked: u32,
}

impl Variant {
    fn new(signed: SignedTx) -> Variant {
        let doubtful = false;
        Variant { signed, doubtful }
    }
}

impl Flight {
    pub(super) fn new(job: Job, sequence: Sequence, signed: SignedTx, height: Height) -> Flight {
        Flight {
            job,
            sequence,
            variants: vec![Variant::new(signed)],
            due: true,
            not_before: None,
            above: None,
            troubles: 0,
            fills_gap: false,
            endpoint: None,
            tried: None,
            sent_at: height,
            asked: 0,
        }
    }

    /// Adds a transaction with the same number; it is the one that is sent from now on.
    pub(super) fn add(&mut self, signed: SignedTx) {
        // Signatures are deterministic: the same content gives the same bytes again, and what is
        // known of their sendings has to stay.
        let same = |variant: &Variant| variant.signed.hash == signed.hash;
        let variant = match self.variants.iter().position(same) {
            Some(place) => self.variants.remove(place),
            None => Variant::new(signed),
        };
        self.variants.push(variant);
        self.due = true;
    }

    pub(super) fn take_answer(
        &mut self,
        hash: TxHash,
        verdict: Verdict,
        at: Moment,
        delays: &mut Delays,
    ) {
        use Verdict::{Accepted, Cached, Expects, Full, NeverLeft, Refused, Unknown};
        let doubtful = matches!(verdict, Accepted | Cached | Full | Unknown);
        for variant in self.variants.iter_mut().filter(|v| v.signed.hash == hash) {
            variant.doubtful |= doubtful;
        }
        self.variants.retain(|v| v.doubtful);
        self.tried = Some(at.endpoint);
        self.due = matches!(verdict, Full | Unknown | NeverLeft | Expects(_));
        self.above = (verdict == Full).then_some(at.height);
        let troubles = self.troubles.saturating_add(1);
        self.troubles = if self.due { troubles } else { 0 };
        self.not_before = self.due.then(|| delays.after(self.troubles, at.now));
        if verdict != NeverLeft && verdict != Unknown {
            self.endpoint = Some(at.endpoint);
        }
        if matches!(verdict, Accepted | Cached | Refused | Expects(_)) {
            self.sent_at = self.sent_at.max(at.height);
        }
    }

    /// R1 (a) and (b).
    pub(super) fn settle(&mut self, committed: Sequence, height: Height) -> Option<Settled> {
        let consumed = committed > self.sequence;
        let expired = height >= self.expires_at();
        if !consumed && !expired {
            self.asked = self.asked.saturating_add(1);
            return None;
        }
        Some(self.ended(height, consumed))
    }

    /// The height from which on no block may include any of its transactions.
    pub(super) fn expires_at(&self) -> Height {
        let timeouts = self.variants.iter().map(|v| v.signed.timeout_height);
        timeouts.max().unwrap_or_default()
    }

    pub(super) fn ended(&self, height: Height, consumed: bool) -> Settled {
        let hashes = self.variants.iter().map(|v| v.signed.hash).collect();
        Settled {
            job: self.job,
            sequence: self.sequence,
            height,
            consumed,
            hashes,
        }
    }
}
