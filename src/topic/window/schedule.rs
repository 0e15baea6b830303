//! How long a topic may rest on the schedule that its status names. An endpoint that is alone can
//! name any schedule: a next window in 90 days, in epochs as long, contradicts nothing. Such an
//! answer ends at some time, and the windows after it must not be slept through. So a topic rests on
//! a schedule for at most as long as it has been named already, until a window of it has opened. Pure.

use std::time::{Duration, Instant};

use super::LOOK_DELAY_MAX;
use crate::backoff::Jitter;
use crate::values::topic::WindowStatus;
use crate::values::units::Nonce;

/// The first rests are up to this many thousandths longer, by chance: many topics that start together
/// look ever further apart.
const SPREAD_PERMILLE: u64 = 200;

/// The schedule that the last status named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    next: Nonce,
    epoch_blocks: Option<u64>,
    /// When a status first named it.
    since: Instant,
    /// A window that it announced has opened.
    has_opened: bool,
    spread_permille: u32,
}

impl Announced {
    /// The schedule of a status that counts, of a topic with these epochs; `None` if it names no next
    /// window.
    pub(super) fn by(
        status: &WindowStatus,
        epoch_blocks: Option<u64>,
        before: Option<Announced>,
        jitter: &mut Jitter,
        now: Instant,
    ) -> Option<Announced> {
        let next = status.next?.nonce;
        let open = status.open.map(|window| window.nonce);
        let before = before.filter(|before| before.epoch_blocks == epoch_blocks);
        if let Some(before) = before {
            // why: not in the very block that was announced if the chain puts an opening off
            let opens = open.is_some_and(|open| open >= before.next);
            if opens || before.continues_with(next) {
                let has_opened = before.has_opened || opens;
                return Some(Announced {
                    next,
                    has_opened,
                    ..before
                });
            }
        }
        let spread_permille = jitter.number() % (SPREAD_PERMILLE + 1);
        Some(Announced {
            next,
            epoch_blocks,
            since: now,
            has_opened: false,
            spread_permille: u32::try_from(spread_permille).unwrap_or_default(),
        })
    }

    /// Whether this is the same next window, or one some epochs later.
    fn continues_with(&self, next: Nonce) -> bool {
        let later = next.0.checked_sub(self.next.0);
        let is_epochs = |blocks| {
            self.epoch_blocks
                .is_some_and(|epoch| blocks % epoch.max(1) == 0)
        };
        later.is_some_and(|blocks| blocks == 0 || is_epochs(blocks))
    }

    /// The longest rest after a look at this moment; at least about `least`.
    pub(super) fn rest_max(&self, looked_at: Instant, least: Duration) -> Duration {
        if self.has_opened {
            return LOOK_DELAY_MAX;
        }
        let named_for = looked_at.saturating_duration_since(self.since);
        let least = least + least / 1_000 * self.spread_permille;
        named_for.max(least).min(LOOK_DELAY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const LEAST: Duration = Duration::from_secs(20);

    fn hears(
        before: Option<Announced>,
        open: Option<u64>,
        next: u64,
        epoch: u64,
        now: Instant,
    ) -> Option<Announced> {
        let window = |nonce| (nonce, nonce + 10);
        let status = WindowStatus::serving(open.map(window), Some(window(next)));
        Announced::by(&status, Some(epoch), before, &mut Jitter::new(3), now)
    }

    #[test]
    fn a_topic_rests_for_as_long_as_a_schedule_has_been_named() {
        let start = Instant::now();
        let mut now = start;
        let (mut announced, mut looks) = (None, 0);
        while now < start + LOOK_DELAY_MAX * 2 {
            announced = hears(announced, None, 1_000_000, 1_000_000, now);
            let rest = announced.unwrap().rest_max(now, LEAST);
            let named_for = now - start;
            assert!(
                rest <= named_for.max(LEAST + LEAST / 5),
                "{rest:?} after {named_for:?}"
            );
            assert!(
                rest >= named_for.min(LOOK_DELAY_MAX),
                "{rest:?} after {named_for:?}"
            );
            now += rest;
            looks += 1;
        }
        assert!((8..=10).contains(&looks), "{looks}");
    }

    #[test]
    fn a_schedule_of_which_a_window_has_opened_is_rested_on_for_long() {
        let now = Instant::now();
        let rest = |announced: Option<Announced>| announced.unwrap().rest_max(now, LEAST);
        let first = hears(None, Some(100), 820, 720, now);
        assert!(rest(first) < LEAST * 2, "an open window was not announced");
        for opened in [820, 823] {
            let opens = hears(first, Some(opened), opened + 720, 720, now);
            assert_eq!(rest(opens), LOOK_DELAY_MAX, "{opened}");
            let over = hears(opens, None, opened + 720, 720, now);
            assert_eq!(rest(over), LOOK_DELAY_MAX, "{opened}");
        }
    }

    #[test]
    fn another_schedule_is_rested_on_anew() {
        let now = Instant::now();
        let later = now + S * 600;
        let first = hears(None, None, 820, 720, now);
        let opened = hears(first, Some(820), 1_540, 720, now);
        for (before, next, epoch, named_for) in [
            (first, 820, 720, 600),
            // it opened and closed without a look
            (first, 1_540, 720, 600),
            (first, 1_541, 720, 0),
            (first, 820, 1_000_000, 0),
            (opened, 1_541, 720, 0),
            (opened, 1_000_000, 1_000_000, 0),
            // the chain was reset
            (opened, 100, 720, 0),
        ] {
            let after = hears(before, None, next, epoch, later).unwrap();
            let rest = after.rest_max(later, S);
            let expected = S * named_for;
            assert!(
                rest >= expected && rest <= expected.max(S + S / 5),
                "{next} {epoch}: {rest:?}"
            );
        }
        let inactive = WindowStatus {
            next: None,
            ..WindowStatus::serving(None, None)
        };
        let none = Announced::by(&inactive, Some(720), opened, &mut Jitter::new(3), now);
        assert!(none.is_none());
    }
}
