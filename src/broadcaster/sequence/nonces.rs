//! The sequences that payloads were signed with, for the newest nonce of each topic. Each of them
//! may be charged, whatever answers said about it: a node that lies about the account makes every
//! attempt look free.

use std::collections::BTreeMap;

use super::{Job, Settled};
use crate::values::units::{Height, Nonce, Sequence, TopicId};

/// The most sequences that transactions for one nonce may carry, so the most that are charged for
/// it. With honest nodes each is settled before the next: one may fail in a block, and another
/// process may take up to three.
pub const SEQUENCES_PER_NONCE_MAX: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct SignedNonces(BTreeMap<TopicId, OfNonce>);

#[derive(Clone, Debug, Default)]
struct OfNonce {
    nonce: Nonce,
    sequences: BTreeMap<Sequence, Fate>,
    /// "Served?" has to be asked above this height before the next attempt.
    ask_above: Option<Height>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It may still be used by the transaction for this nonce.
    Open,
    /// Every sending was refused.
    Refused,
    /// The account has used it, most likely by the transaction for this nonce.
    Used,
}

impl SignedNonces {
    fn of(&self, job: Job) -> Option<&OfNonce> {
        let Job::Payload { topic, nonce } = job else {
            return None;
        };
        self.0.get(&topic).filter(|one| one.nonce == nonce)
    }

    fn of_mut(&mut self, job: Job) -> Option<&mut OfNonce> {
        let Job::Payload { topic, nonce } = job else {
            return None;
        };
        self.0.get_mut(&topic).filter(|one| one.nonce == nonce)
    }

    pub(super) fn signed(&mut self, job: Job, sequence: Sequence) {
        let Job::Payload { topic, nonce } = job else {
            return;
        };
        let one = self.0.entry(topic).or_default();
        if one.nonce != nonce {
            *one = OfNonce {
                nonce,
                ..OfNonce::default()
            };
        }
        one.sequences.insert(sequence, Fate::Open);
    }

    pub(super) fn refused(&mut self, job: Job, sequence: Sequence) {
        if let Some(one) = self.of_mut(job) {
            one.sequences.insert(sequence, Fate::Refused);
        }
    }

    /// Whether a transaction for the job may carry this sequence.
    pub(super) fn allows(&self, job: Job, sequence: Sequence) -> bool {
        self.of(job).is_none_or(|one| {
            let is_new = !one.sequences.contains_key(&sequence);
            !is_new || one.sequences.len() < SEQUENCES_PER_NONCE_MAX
        })
    }

    /// Whether the account has used a sequence that was signed for the job: it may be served.
    pub(super) fn may_be_served(&self, job: Job) -> bool {
        let is_used = |one: &OfNonce| one.sequences.values().any(|fate| *fate == Fate::Used);
        self.of(job).is_some_and(is_used)
    }

    /// Takes the account's next sequence, as read at `height`, with what is settled by it. A
    /// transaction that was given up or had expired, and whose sequence is used now, may be in a
    /// block nevertheless.
    pub(super) fn account_read(&mut self, next: Sequence, height: Height, settled: &[Settled]) {
        for (topic, one) in &mut self.0 {
            let (topic, nonce) = (*topic, one.nonce);
            let is_known = |sequence: Sequence| {
                let job = Job::Payload { topic, nonce };
                settled
                    .iter()
                    .any(|end| end.job == job && end.sequence == sequence)
            };
            for (sequence, fate) in one.sequences.range_mut(..next) {
                if *fate == Fate::Open {
                    *fate = Fate::Used;
                    let doubt = (!is_known(*sequence)).then_some(height);
                    one.ask_above = one.ask_above.max(doubt);
                }
            }
        }
    }

    /// The height above which "served?" has to be asked first, once.
    pub(super) fn take_doubt(&mut self, job: Job) -> Option<Height> {
        self.of_mut(job)?.ask_above.take()
    }
}
