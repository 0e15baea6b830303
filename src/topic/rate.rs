//! How many windows of a topic payloads are signed for: not more than the chain can have had.
//!
//! An endpoint can invent windows, and every payload for one costs its fee wherever it is included.
//! Heights, nonces and the pace of blocks are that endpoint's own words, so none of them limits the
//! count. Two things do: the time of this machine, and the topic's epoch length, which the chain
//! fixes when the topic is created. A window every `epoch length × shortest block time` is the most
//! that any chain of this name can open. It is counted per endpoint that names the windows, so that
//! those which one invents take nothing from those of the others. Pure.

use std::time::{Duration, Instant};

use crate::chain::endpoints::EndpointId;
use crate::values::units::Nonce;

/// No block of a public network comes sooner: its validators wait 5 s (protocol.md section 6). The
/// bound is half of that and less, so that a quicker chain is still served.
const BLOCK_TIME_PUBLIC_MIN: Duration = Duration::from_secs(2);
/// The same for a private chain, which the signatures name: they are worth nothing on a public one.
const BLOCK_TIME_PRIVATE_MIN: Duration = Duration::from_millis(50);
/// The shortest epoch that public networks allow, their parameter `min_epoch_length` (protocol.md
/// section 3).
const EPOCH_BLOCKS_PUBLIC_MIN: u64 = 12;
/// The ids of all public networks begin with this.
const PUBLIC_PREFIX: &str = "allora-";
/// So many windows at once: one may come late and the next one early.
const WINDOWS_AT_ONCE: u32 = 2;
/// Where an epoch would last longer, this is used: it only loosens the bound.
const EPOCH_TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// A shorter epoch than the one first heard counts after this time, or at once if another endpoint
/// names it. The first one may have been a lie, which must not lock the windows out for longer; and
/// one that is too short gains little, as [`EPOCH_BLOCKS_PUBLIC_MIN`] applies all the same.
const SHORTER_BELIEVED_AFTER: Duration = Duration::from_secs(20);

/// The count of windows that payloads were signed for, as the time by which the chain can have had
/// them.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowRate {
    epoch: Option<Epoch>,
    /// A shorter epoch has been named since then.
    shorter_since: Option<Instant>,
    used: Vec<Used>,
    /// The last window that was refused.
    refused: Option<Nonce>,
    /// Windows refused since all that count can have been there.
    refusals: u32,
    /// The epoch is asked for again.
    doubtful: bool,
}

/// The windows of one endpoint that count.
#[derive(Clone, Copy, Debug)]
struct Used {
    endpoint: EndpointId,
    /// All of them can have been there at this moment, if each took the shortest time.
    up_to: Instant,
    last: Nonce,
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    blocks: u64,
    endpoint: EndpointId,
    /// The shortest time that it can take.
    time: Duration,
}

/// More windows than the chain can have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    /// It was refused before.
    pub(super) is_repeat: bool,
    /// Until the chain can have had one more.
    pub(super) wait: Duration,
}

impl WindowRate {
    /// Whether the epoch length has to be read: it is not known, or a window was refused by it.
    pub(super) fn needs_epoch(&self) -> bool {
        self.epoch.is_none() || self.doubtful
    }

    /// Notes the epoch length that an endpoint names. A longer one than before changes nothing: the
    /// bound would become tighter on its word.
    pub(super) fn epoch_is(
        &mut self,
        blocks: u64,
        chain_id: &str,
        endpoint: EndpointId,
        now: Instant,
    ) {
        self.doubtful = false;
        let before = self.epoch.filter(|before| blocks >= before.blocks);
        if before.is_some() {
            self.shorter_since = None;
            return;
        }
        if let Some(before) = self.epoch {
            let since = *self.shorter_since.get_or_insert(now);
            let is_confirmed = now.saturating_duration_since(since) >= SHORTER_BELIEVED_AFTER;
            if before.endpoint == endpoint && !is_confirmed {
                return;
            }
        }
        self.shorter_since = None;
        let time = epoch_time(blocks, chain_id);
        self.epoch = Some(Epoch {
            blocks,
            endpoint,
            time,
        });
        // why: what is used up was counted in longer epochs
        let at_most = now + time * WINDOWS_AT_ONCE;
        for used in &mut self.used {
            used.up_to = used.up_to.min(at_most);
        }
    }

    /// Whether a payload for this window, as `endpoint` names it, may be signed `now`. Another one
    /// for its window that counted last always may.
    ///
    /// # Errors
    /// When the chain cannot have had so many windows yet.
    pub(super) fn allows(
        &mut self,
        nonce: Nonce,
        endpoint: EndpointId,
        now: Instant,
    ) -> Result<(), TooMany> {
        let wait = self.wait(nonce, endpoint, now);
        if wait.is_zero() {
            return Ok(());
        }
        let is_repeat = self.refused.replace(nonce) == Some(nonce);
        self.refusals = self.refusals.saturating_add(u32::from(!is_repeat));
        self.doubtful = true;
        Err(TooMany { is_repeat, wait })
    }

    /// Of the endpoints that name this window, the one whose count leaves the most room for it.
    pub(super) fn freest(
        &self,
        nonce: Nonce,
        by: &[EndpointId],
        now: Instant,
    ) -> Option<EndpointId> {
        let wait = |endpoint: &EndpointId| self.wait(nonce, *endpoint, now);
        by.iter().copied().min_by_key(wait)
    }

    /// How long a payload for this window has to wait.
    fn wait(&self, nonce: Nonce, endpoint: EndpointId, now: Instant) -> Duration {
        let mut used = self.used.iter();
        let used = used.find(|used| used.endpoint == endpoint && used.last != nonce);
        let ahead = used.map_or(Duration::ZERO, |used| {
            used.up_to.saturating_duration_since(now)
        });
        ahead.saturating_sub(self.epoch_time() * (WINDOWS_AT_ONCE - 1))
    }

    /// Counts the window, once.
    pub(super) fn count(&mut self, nonce: Nonce, endpoint: EndpointId, now: Instant) {
        if self.used.iter().all(|used| used.up_to <= now) {
            self.refusals = 0;
        }
        let time = self.epoch_time();
        let of_it = self.used.iter_mut().find(|used| used.endpoint == endpoint);
        match of_it {
            Some(used) if used.last == nonce => {}
            Some(used) => (used.up_to, used.last) = (used.up_to.max(now) + time, nonce),
            None => self.used.push(Used {
                endpoint,
                up_to: now + time,
                last: nonce,
            }),
        }
    }

    /// The shortest time that an epoch can take; the longest of all while the epoch is unknown.
    pub(super) fn epoch_time(&self) -> Duration {
        self.epoch.map_or(EPOCH_TIME_MAX, |epoch| epoch.time)
    }

    /// Whether this nonce was refused, and others shortly before it.
    pub(super) fn is_one_of_many(&self, nonce: Nonce) -> bool {
        self.refused == Some(nonce) && self.refusals > 1
    }
}

/// The shortest epoch of a topic on this chain.
pub(super) fn epoch_blocks_min(chain_id: &str) -> u64 {
    if chain_id.starts_with(PUBLIC_PREFIX) {
        EPOCH_BLOCKS_PUBLIC_MIN
    } else {
        1
    }
}

/// The shortest time that an epoch can take on this chain.
fn epoch_time(blocks: u64, chain_id: &str) -> Duration {
    let block_time = if chain_id.starts_with(PUBLIC_PREFIX) {
        BLOCK_TIME_PUBLIC_MIN
    } else {
        BLOCK_TIME_PRIVATE_MIN
    };
    let blocks = blocks.max(epoch_blocks_min(chain_id));
    let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
    block_time.saturating_mul(blocks).min(EPOCH_TIME_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "allora-mainnet-1";
    const HONEST: EndpointId = EndpointId(1);
    const LIAR: EndpointId = EndpointId(0);
    /// What an epoch of 60 blocks takes at the least.
    const EPOCH: Duration = Duration::from_secs(120);

    fn rate(blocks: u64, chain_id: &str, now: Instant) -> WindowRate {
        let mut rate = WindowRate::default();
        assert!(rate.needs_epoch());
        rate.epoch_is(blocks, chain_id, LIAR, now);
        assert!(!rate.needs_epoch());
        rate
    }

    /// How many windows are paid for if a node names a new one every second.
    fn paid(rate: &mut WindowRate, start: Instant, seconds: u64) -> u64 {
        let nonces = (0..=seconds).map(|at| (Nonce(1_000 + at), start + Duration::from_secs(at)));
        let mut paid = 0;
        for (nonce, now) in nonces {
            if rate.allows(nonce, LIAR, now).is_ok() {
                rate.count(nonce, LIAR, now);
                paid += 1;
            }
        }
        paid
    }

    #[test]
    fn a_node_that_invents_windows_gets_one_payload_per_epoch_and_one_more() {
        let start = Instant::now();
        let mut invented = rate(60, MAIN, start);
        assert_eq!(paid(&mut invented, start, 3_600), 3_600 / 120 + 2);
        // why: its words cannot raise the bound of a public network further
        let mut shortest = rate(1, MAIN, start);
        assert_eq!(paid(&mut shortest, start, 3_600), 3_600 / 24 + 2);
        let mut after_a_year = rate(60, MAIN, start);
        paid(&mut after_a_year, start, 600);
        let later = start + Duration::from_secs(365 * 24 * 3600);
        assert_eq!(
            paid(&mut after_a_year, later, 600),
            600 / 120 + 2,
            "no credit is saved up"
        );
    }

    #[test]
    fn every_window_of_a_chain_is_paid_for() {
        for (chain_id, block_time) in [
            (MAIN, Duration::from_secs(5)),
            (MAIN, BLOCK_TIME_PUBLIC_MIN),
            ("localnet", BLOCK_TIME_PRIVATE_MIN),
        ] {
            let start = Instant::now();
            let mut rate = rate(12, chain_id, start);
            for epoch in 0..100_u32 {
                // why: one window is served at its end and the next one at its beginning
                let late = block_time * if epoch % 2 == 0 { 11 } else { 0 };
                let now = start + block_time * 12 * epoch + late;
                let nonce = Nonce(u64::from(epoch) * 12 + 12);
                assert_eq!(
                    rate.allows(nonce, HONEST, now),
                    Ok(()),
                    "{chain_id} {epoch}"
                );
                rate.count(nonce, HONEST, now);
            }
        }
    }

    #[test]
    fn another_payload_for_the_same_window_counts_once() {
        let now = Instant::now();
        let mut rate = rate(60, MAIN, now);
        for nonce in [10, 10, 10, 11, 11] {
            assert_eq!(rate.allows(Nonce(nonce), LIAR, now), Ok(()), "{nonce}");
            rate.count(Nonce(nonce), LIAR, now);
        }
        assert!(rate.allows(Nonce(12), LIAR, now).is_err());
        assert_eq!(rate.allows(Nonce(11), LIAR, now), Ok(()));
        let back = rate.allows(Nonce(10), LIAR, now);
        assert!(back.is_err(), "a fall of the heights changes nothing");
    }

    #[test]
    fn a_surplus_is_logged_once_and_ends_with_time() {
        let now = Instant::now();
        let mut rate = rate(60, MAIN, now);
        for nonce in [10, 11] {
            rate.count(Nonce(nonce), LIAR, now);
        }
        let first = rate.allows(Nonce(12), LIAR, now).unwrap_err();
        assert_eq!((first.is_repeat, first.wait), (false, EPOCH));
        assert!(!rate.is_one_of_many(Nonce(12)));
        assert!(rate.allows(Nonce(12), LIAR, now).unwrap_err().is_repeat);
        assert!(rate.allows(Nonce(5), LIAR, now).is_err());
        assert!(rate.is_one_of_many(Nonce(5)));
        assert_eq!(rate.allows(Nonce(5), LIAR, now + EPOCH), Ok(()), "later");
        rate.count(Nonce(5), LIAR, now + EPOCH);
        assert!(rate.allows(Nonce(13), LIAR, now + EPOCH).is_err());
        assert!(rate.is_one_of_many(Nonce(13)), "the same surplus goes on");
        let later = now + EPOCH * 4;
        for nonce in [6, 7] {
            rate.count(Nonce(nonce), LIAR, later);
        }
        assert!(rate.allows(Nonce(14), LIAR, later).is_err());
        assert!(!rate.is_one_of_many(Nonce(14)), "a new one is logged");
    }

    #[test]
    fn windows_that_one_endpoint_invents_take_nothing_from_those_of_another_one() {
        let now = Instant::now();
        let mut rate = rate(60, MAIN, now);
        for nonce in [10, 11] {
            rate.count(Nonce(nonce), LIAR, now);
        }
        assert!(rate.allows(Nonce(20), LIAR, now).is_err());
        let real = Nonce(20);
        let freest = |rate: &WindowRate| rate.freest(real, &[LIAR, HONEST], now);
        assert_eq!(freest(&rate), Some(HONEST));
        assert_eq!(rate.allows(real, HONEST, now), Ok(()));
        rate.count(real, HONEST, now);
        // it gave way to an invented one, and its turn comes again
        assert!(rate.allows(Nonce(12), LIAR, now).is_err());
        assert_eq!(freest(&rate), Some(HONEST));
        assert_eq!(rate.allows(real, HONEST, now), Ok(()));
        assert_eq!(rate.freest(Nonce(11), &[HONEST, LIAR], now), Some(HONEST));
        assert_eq!(rate.freest(real, &[], now), None);
    }

    #[test]
    fn a_shorter_epoch_needs_another_endpoint_or_time() {
        let now = Instant::now();
        let is_epoch =
            |rate: &WindowRate, blocks: u32| rate.epoch_time() == blocks * BLOCK_TIME_PUBLIC_MIN;
        let mut rate = rate(60, MAIN, now);
        rate.epoch_is(1 << 60, MAIN, HONEST, now);
        assert!(
            is_epoch(&rate, 60),
            "a longer one would lock the windows out"
        );
        rate.epoch_is(30, MAIN, LIAR, now);
        rate.epoch_is(60, MAIN, LIAR, now + SHORTER_BELIEVED_AFTER);
        rate.epoch_is(30, MAIN, LIAR, now + SHORTER_BELIEVED_AFTER);
        assert!(is_epoch(&rate, 60), "the time begins anew");
        rate.epoch_is(30, MAIN, LIAR, now + SHORTER_BELIEVED_AFTER * 2);
        assert!(is_epoch(&rate, 30));
        rate.count(Nonce(1), LIAR, now);
        rate.count(Nonce(2), LIAR, now);
        rate.epoch_is(20, MAIN, HONEST, now);
        assert!(is_epoch(&rate, 20));
        let wait = rate.allows(Nonce(3), LIAR, now).unwrap_err().wait;
        assert_eq!(wait, rate.epoch_time(), "counted in the new epochs");
    }

    #[test]
    fn an_epoch_that_cannot_be_is_no_overflow() {
        let now = Instant::now();
        for chain_id in [MAIN, "localnet"] {
            let mut rate = rate(u64::MAX, chain_id, now);
            assert_eq!(rate.epoch_time(), EPOCH_TIME_MAX);
            for nonce in 0..5 {
                rate.count(Nonce(nonce), LIAR, now);
            }
            assert!(rate.allows(Nonce(9), LIAR, now).is_err());
        }
    }
}
