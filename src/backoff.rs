//! Delays between attempts: growing, capped, and spread at random ("full jitter"), so that many
//! workers that lost the same node do not all reconnect at the same moment.

use std::time::Duration;

/// A small generator of random numbers (xorshift64*): good enough to spread delays, and seeded so
/// that a test can be repeated.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    pub fn new(seed: u64) -> Self {
        // why: a state of 0 would stay 0
        Jitter(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    /// A generator seeded by the clock and by `salt`, which differs between threads that are
    /// started together.
    pub fn from_clock(salt: u64) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.map_or(0, |d| d.as_secs() ^ u64::from(d.subsec_nanos()) << 32);
        Jitter::new(nanos ^ salt.wrapping_mul(0xA24B_AED4_963E_E407))
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A duration between `from` and `to`.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span_us = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX - 1);
        from + Duration::from_micros(self.number() % (span_us + 1))
    }
}

/// The delay after this many failures: none after 0, else between a tenth and the whole of
/// `base` × 2^(`failures` − 1), which is limited to `cap`.
pub fn delay(failures: u32, base: Duration, cap: Duration, jitter: &mut Jitter) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let whole = doubled(failures, base, cap);
    jitter.between(whole / 10, whole)
}

/// `base` × 2^(`failures` − 1), limited to `cap`; `base` after no failure.
pub fn doubled(failures: u32, base: Duration, cap: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    base.saturating_mul(1 << doublings).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_spread() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut jitter = Jitter::new(7);
        assert_eq!(delay(0, base, cap, &mut jitter), Duration::ZERO);
        let mut seen = std::collections::BTreeSet::new();
        for failures in 1..200 {
            let whole = base
                .saturating_mul(1 << (failures - 1_u32).min(20))
                .min(cap);
            let delay = delay(failures, base, cap, &mut jitter);
            assert!(
                delay >= whole / 10 && delay <= whole,
                "{failures}: {delay:?}"
            );
            seen.insert(delay);
        }
        assert!(seen.len() > 150, "the delays are spread: {}", seen.len());
    }
}
