//! The sequences that payloads were signed with, for the last nonces of each topic: where endpoints
//! name different windows, several are served by turns. Each of the sequences
//! may be charged, whatever answers said about it: a node that lies about the account makes every
//! attempt look free.

use std::collections::BTreeMap;

use super::{Job, Settled};
use crate::values::units::{Height, Nonce, Sequence, TopicId};

/// The most sequences that transactions for one nonce may carry, so the most that are charged for
/// it. With honest nodes each is settled before the next: one may fail in a block, and another
/// process may take up to three.
pub const SEQUENCES_PER_NONCE_MAX: usize = 4;

/// How many nonces of a topic are kept. Those of invented windows are at most one per epoch and
/// endpoint, so none is forgotten while its window is open.
const NONCES_MAX: usize = 16;

/// Of each topic the nonces that were signed for, the last one at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct SignedNonces(BTreeMap<TopicId, Vec<OfNonce>>);

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
        self.0.get(&topic)?.iter().find(|one| one.nonce == nonce)
    }

    fn of_mut(&mut self, job: Job) -> Option<&mut OfNonce> {
        let Job::Payload { topic, nonce } = job else {
            return None;
        };
        let mut of_topic = self.0.get_mut(&topic)?.iter_mut();
        of_topic.find(|one| one.nonce == nonce)
    }

    pub(super) fn signed(&mut self, job: Job, sequence: Sequence) {
        let Job::Payload { topic, nonce } = job else {
            return;
        };
        let of_topic = self.0.entry(topic).or_default();
        let place = of_topic.iter().position(|one| one.nonce == nonce);
        let mut one = place.map_or_else(OfNonce::default, |place| of_topic.remove(place));
        one.nonce = nonce;
        one.sequences.insert(sequence, Fate::Open);
        if of_topic.len() == NONCES_MAX {
            of_topic.remove(0);
        }
        of_topic.push(one);
    }

    pub(super) fn refused(&mut self, job: Job, sequence: Sequence) {
        if let Some(one) = self.of_mut(job) {
            one.sequences.insert(sequence, Fate::Refused);
        }
    }

    /// Whether transactions for the job carried as many sequences as they may.
    pub(super) fn has_most(&self, job: Job) -> bool {
        let has_most = |one: &OfNonce| one.sequences.len() >= SEQUENCES_PER_NONCE_MAX;
        self.of(job).is_some_and(has_most)
    }

    /// Whether a transaction for the job may carry this sequence.
    pub(super) fn allows(&self, job: Job, sequence: Sequence) -> bool {
        self.of(job).is_none_or(|one| {
            let is_new = !one.sequences.contains_key(&sequence);
            !is_new || !self.has_most(job)
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
        let of_topics = self.0.iter_mut();
        let all = of_topics.flat_map(|(topic, nonces)| nonces.iter_mut().map(|one| (*topic, one)));
        for (topic, one) in all {
            let nonce = one.nonce;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job(nonce: u64) -> Job {
        Job::Payload {
            topic: TopicId(1),
            nonce: Nonce(nonce),
        }
    }

    #[test]
    fn nonces_that_are_served_by_turns_keep_their_limits() {
        let mut signed = SignedNonces::default();
        for sequence in 0..8 {
            let job = job(100 + sequence % 2);
            assert!(signed.allows(job, Sequence(sequence)), "{sequence}");
            signed.signed(job, Sequence(sequence));
        }
        for nonce in [100, 101] {
            assert!(!signed.allows(job(nonce), Sequence(8)), "{nonce}");
        }
        signed.account_read(Sequence(8), Height(110), &[]);
        for nonce in [100, 101] {
            assert!(signed.may_be_served(job(nonce)), "{nonce}");
            assert_eq!(signed.take_doubt(job(nonce)), Some(Height(110)), "{nonce}");
        }
    }

    #[test]
    fn the_nonce_that_was_signed_for_the_longest_ago_is_forgotten() {
        let mut signed = SignedNonces::default();
        let kept = u64::try_from(NONCES_MAX).unwrap();
        signed.signed(job(0), Sequence(0));
        for nonce in (1..kept).chain([0, kept]) {
            signed.signed(job(nonce), Sequence(nonce));
        }
        assert_eq!(signed.0[&TopicId(1)].len(), NONCES_MAX);
        assert!(signed.of(job(0)).is_some() && signed.of(job(kept)).is_some());
        assert!(signed.of(job(1)).is_none());
    }
}
