//! When to ask another endpoint about a "no" that makes the worker wait or lose a nonce: at once,
//! and, while all of them say the same, ever more rarely. So an endpoint that lies is noticed by its
//! first "no", and a true "no" costs a few requests. Pure: `now` is passed in.

use std::time::{Duration, Instant};

use crate::backoff;

/// First and longest delay after an answer that was not contradicted; it doubles.
const DELAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// What is remembered about one question. A "yes" ends it: [`SecondOpinion::default`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SecondOpinion {
    /// How often in a row no other endpoint contradicted.
    agreed: u32,
    not_before: Option<Instant>,
}

impl SecondOpinion {
    /// Notes a "no" and, if it is time, asks with `contradicted`. Gives whether another endpoint
    /// says "yes".
    pub fn differs(&mut self, now: Instant, contradicted: impl FnOnce() -> bool) -> bool {
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        if contradicted() {
            *self = SecondOpinion::default();
            return true;
        }
        self.agreed = self.agreed.saturating_add(1);
        self.not_before = Some(now + backoff::doubled(self.agreed, DELAY.0, DELAY.1));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often another endpoint is asked in these seconds of a "no" each 100 ms.
    fn asked_in(opinion: &mut SecondOpinion, start: Instant, seconds: u32) -> u32 {
        let mut asked = 0;
        for tenth in 0..seconds * 10 {
            let now = start + Duration::from_millis(100) * tenth;
            let differs = opinion.differs(now, || {
                asked += 1;
                false
            });
            assert!(!differs);
        }
        asked
    }

    #[test]
    fn a_no_that_all_share_is_asked_about_ever_more_rarely() {
        let start = Instant::now();
        let mut opinion = SecondOpinion::default();
        assert_eq!(asked_in(&mut opinion, start, 60), 6);
        let day_s = 24 * 3600;
        let asked = asked_in(&mut opinion, start + Duration::from_secs(60), day_s);
        assert!((144..=150).contains(&asked), "{asked}");
    }

    #[test]
    fn a_contradiction_makes_the_next_no_be_asked_about_at_once() {
        let start = Instant::now();
        let mut opinion = SecondOpinion::default();
        assert!(opinion.differs(start, || true));
        assert!(!opinion.differs(start, || false));
        assert!(!opinion.differs(start, || true), "asked within the delay");
        assert!(opinion.differs(start + Duration::from_secs(1), || true));
    }
}
