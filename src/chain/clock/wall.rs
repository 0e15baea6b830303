//! Detects that the machine was suspended, by the clock of the wall: `Instant` stands still
//! meanwhile on Linux, so that no delay and no pace knows of it. No clock is read here.

use std::time::{Duration, Instant, SystemTime};

/// A smaller difference between the two clocks is a correction of the clock.
const JUMP_MIN: Duration = Duration::from_secs(5);

/// The longest time that counts as suspended: a longer one is a clock that was set.
const SUSPENDED_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Compares the two clocks with what they were last.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallWatch {
    last: Option<(Instant, SystemTime)>,
}

impl WallWatch {
    /// The time that passed unnoticed by `now` since the last call, if the clocks moved apart: zero
    /// if the clock of the wall was set back.
    pub fn jump(&mut self, now: Instant, wall: SystemTime) -> Option<Duration> {
        let (then, wall_then) = self.last.replace((now, wall))?;
        let passed = now.saturating_duration_since(then);
        match wall.duration_since(wall_then) {
            Ok(more) if more > passed => {
                Some((more - passed).min(SUSPENDED_MAX)).filter(|more| *more >= JUMP_MIN)
            }
            Ok(less) => (passed - less >= JUMP_MIN).then_some(Duration::ZERO),
            Err(back) => (passed + back.duration() >= JUMP_MIN).then_some(Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_moves_against_the_other_is_a_jump() {
        const S: Duration = Duration::from_secs(1);
        let (start, wall) = (Instant::now(), SystemTime::now());
        let mut watch = WallWatch::default();
        assert_eq!(watch.jump(start, wall), None, "nothing to compare with");
        assert_eq!(watch.jump(start + 10 * S, wall + 10 * S), None);
        assert_eq!(watch.jump(start + 20 * S, wall + 24 * S), None, "corrected");
        let suspended = watch.jump(start + 30 * S, wall + 3_634 * S);
        assert_eq!(suspended, Some(3_600 * S));
        assert_eq!(watch.jump(start + 40 * S, wall + 3_644 * S), None, "once");
        let back = watch.jump(start + 50 * S, wall + 44 * S);
        assert_eq!(back, Some(Duration::ZERO), "set back");
        let stopped = watch.jump(start + 60 * S, wall + 44 * S);
        assert_eq!(stopped, Some(Duration::ZERO));
        let set = watch.jump(start + 70 * S, wall + 50 * 365 * 24 * 3_600 * S);
        assert_eq!(
            set,
            Some(SUSPENDED_MAX),
            "a clock that was set for the first time"
        );
    }
}
