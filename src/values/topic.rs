//! What the chain says about a topic: its kind, its windows, and whether this worker is registered
//! and whitelisted in it.

use crate::text::Foreign;
use crate::values::labels::LabelRules;
use crate::values::units::{Height, Nonce, TopicId};

/// The answer to a poll (protocol.md section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStatus {
    pub open: Option<Window>,
    /// The next window; `None` while the topic is inactive.
    pub next: Option<Window>,
    /// Whether the address is registered in the topic; counts only in a fresh answer.
    pub is_registered: bool,
    /// Whether the address may submit.
    pub is_whitelisted: bool,
    pub is_topic_active: bool,
}

/// What the chain fixes when it creates a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLengths {
    /// Blocks from one nonce to the next.
    pub epoch_blocks: u64,
    pub window_blocks: u64,
}

impl WindowStatus {
    /// Whether its windows have this length.
    pub fn has_windows_of(&self, blocks: u64) -> bool {
        let mut windows = [self.open, self.next].into_iter().flatten();
        windows.all(|window| window.nonce.height().plus(blocks) == window.end)
    }

    /// Which part of this status, read at `height`, no chain says about a topic with these lengths
    /// (protocol.md section 3.2).
    pub fn contradiction(&self, height: Height, lengths: TopicLengths) -> Option<&'static str> {
        let TopicLengths {
            epoch_blocks,
            window_blocks,
        } = lengths;
        let is_there = |window: Window| (window.nonce.height()..=window.end).contains(&height);
        let opens_late = |window: Window| window.nonce.height() > height.plus(epoch_blocks);
        let is_over = |window: Window| height >= window.end;
        let opens_early = |(open, next): (Window, Window)| {
            next.nonce.height() < open.nonce.height().plus(epoch_blocks)
        };
        if !self.has_windows_of(window_blocks) {
            Some("a window has another length than the topic's windows")
        } else if !self.open.is_none_or(is_there) {
            Some("a window is open that does not include this block")
        } else if self.is_topic_active && self.next.is_none() {
            Some("the topic is active and has no next window")
        } else if self.next.is_some_and(opens_late) {
            Some("the next window is more than an epoch away")
        } else if self.next.is_some_and(is_over) {
            Some("the next window is over already")
        } else if self.open.zip(self.next).is_some_and(opens_early) {
            Some("the next window opens before the epoch is over")
        } else {
            None
        }
    }

    /// Whether it says that the worker may submit in the windows it names.
    pub fn is_serving(&self) -> bool {
        self.is_whitelisted && self.is_registered && (self.is_topic_active || self.open.is_some())
    }

    /// The same as it follows for `height` from this status, which was read at `said_at`: a window that
    /// it announced is open, one that is over is not, and one that opens after `height` is the next one.
    pub fn as_of(self, said_at: Height, height: Height) -> WindowStatus {
        let opened = |window: &Window| {
            let nonce = window.nonce.height();
            said_at < nonce && nonce <= height
        };
        let lasts = |window: &Window| height < window.end;
        let is_ahead = |window: &Window| window.nonce.height() > height;
        let open = self
            .open
            .filter(|window| lasts(window) && !is_ahead(window));
        let to_open = self.open.filter(is_ahead);
        WindowStatus {
            open: open.or(self.next.filter(|next| opened(next) && lasts(next))),
            next: to_open.or(self.next.filter(is_ahead)),
            ..self
        }
    }

    /// Whether this status, read at `height`, and another one cannot be of the same windows. What
    /// changed between the heights of both is no difference.
    pub fn differs(&self, height: Height, other: &WindowStatus, other_height: Height) -> bool {
        let (early, late, at) = if height <= other_height {
            (self, other, other_height)
        } else {
            (other, self, height)
        };
        let (Some(next), Some(late_next)) = (early.next, late.next) else {
            return false;
        };
        if next.nonce.height() <= at {
            return at < next.end && late.open != Some(next) && late_next != next;
        }
        let is_missing = early.open.is_some_and(|window| at < window.end) && late.open.is_none();
        let is_another = late.open.is_some() && late.open != early.open;
        next != late_next || is_missing || is_another
    }
}

/// A submission window: payloads are accepted from block `nonce + 1` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub nonce: Nonce,
    /// Its last block.
    pub end: Height,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub id: TopicId,
    pub lengths: TopicLengths,
    pub arity: Arity,
    /// The newest nonce, open or closed; `None` if there never was one.
    pub last_nonce: Option<Nonce>,
}

/// The kind of payload that a topic takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One number; the only kind on v9.
    Single,
    /// Labelled numbers that follow these rules.
    Multi(LabelRules),
    /// A kind that this program does not know, by its name.
    Other(Foreign),
}

#[cfg(test)]
impl WindowStatus {
    /// Of an active topic for a registered and whitelisted worker; each window as its nonce and end.
    pub(crate) fn serving(open: Option<(u64, u64)>, next: Option<(u64, u64)>) -> WindowStatus {
        let window = |(nonce, end)| Window {
            nonce: Nonce(nonce),
            end: Height(end),
        };
        WindowStatus {
            open: open.map(window),
            next: next.map(window),
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: TopicLengths = TopicLengths {
        epoch_blocks: 20,
        window_blocks: 10,
    };

    fn contradiction(
        height: u64,
        open: Option<(u64, u64)>,
        next: Option<(u64, u64)>,
    ) -> Option<&'static str> {
        let window = |(nonce, end)| Window {
            nonce: Nonce(nonce),
            end: Height(end),
        };
        let status = WindowStatus {
            open: open.map(window),
            next: next.map(window),
            is_registered: true,
            is_whitelisted: true,
            is_topic_active: next.is_some(),
        };
        status.contradiction(Height(height), LENGTHS)
    }

    #[test]
    fn every_status_of_a_topic_that_keeps_its_epochs_can_be() {
        for height in 100..140 {
            let nonce = height - height % 20;
            let open = (height % 20 <= 10).then_some((nonce, nonce + 10));
            let next = Some((nonce + 20, nonce + 30));
            assert_eq!(contradiction(height, open, next), None, "{height}");
            assert_eq!(
                contradiction(height, open, None),
                None,
                "{height}: inactive"
            );
        }
        let overdue = contradiction(129, None, Some((120, 130)));
        assert_eq!(overdue, None, "the chain had too many topics in that block");
    }

    #[test]
    fn windows_that_no_topic_with_these_lengths_has() {
        let next = Some((120, 130));
        for (open, next, part) in [
            (Some((100, 111)), next, "another length"),
            (Some((100, 110)), Some((120, 140)), "another length"),
            (
                Some((u64::MAX, u64::MAX)),
                None,
                "does not include this block",
            ),
            (
                Some((106, 116)),
                Some((126, 136)),
                "does not include this block",
            ),
            (
                Some((90, 100)),
                Some((110, 120)),
                "does not include this block",
            ),
            (None, Some((126, 136)), "more than an epoch away"),
            (None, Some((95, 105)), "over already"),
            (None, Some((1, 11)), "over already"),
            (
                Some((100, 110)),
                Some((105, 115)),
                "before the epoch is over",
            ),
        ] {
            let said = contradiction(105, open, next);
            assert!(
                said.is_some_and(|said| said.contains(part)),
                "{part}: {said:?}"
            );
        }
    }

    fn status(open: Option<(u64, u64)>, next: (u64, u64)) -> WindowStatus {
        WindowStatus::serving(open, Some(next))
    }

    /// What a topic with these lengths and this phase says.
    fn at(height: u64, phase: u64) -> WindowStatus {
        let nonce = height - (height - phase) % 20;
        let open = (height <= nonce + 10).then_some((nonce, nonce + 10));
        status(open, (nonce + 20, nonce + 30))
    }

    #[test]
    fn statuses_of_one_topic_never_differ_and_those_of_another_one_do() {
        for height in 100..140 {
            for later in height..height + 9 {
                let (early, late) = (at(height, 0), at(later, 0));
                assert!(
                    !early.differs(Height(height), &late, Height(later)),
                    "{height} {later}"
                );
                assert!(
                    !late.differs(Height(later), &early, Height(height)),
                    "{height} {later}"
                );
                for phase in [3, 10, 17] {
                    let other = at(later, phase);
                    let differs = early.differs(Height(height), &other, Height(later));
                    assert!(differs, "{height} {later} {phase}");
                }
            }
        }
        let far = status(None, (900_000, 900_010));
        assert!(far.differs(Height(100), &at(101, 0), Height(101)));
        assert!(at(119, 0).differs(Height(119), &far, Height(121)));
        let overdue = status(None, (100, 110));
        assert!(!overdue.differs(Height(105), &overdue, Height(106)));
    }

    #[test]
    fn what_follows_from_an_earlier_status_is_what_the_topic_says_later() {
        for said in 100..120 {
            for height in said..130 {
                let expected = at(height, 0);
                let told = at(said, 0).as_of(Height(said), Height(height));
                // a window's last block is too late for a payload
                let open = expected.open.filter(|window| Height(height) < window.end);
                assert_eq!(told.open, open, "{said} {height}");
                let is_known = height < 120;
                assert_eq!(
                    told.next,
                    expected.next.filter(|_| is_known || said == height)
                );
            }
        }
        let ahead = at(120, 0).as_of(Height(120), Height(119));
        assert_eq!(
            (ahead.open, ahead.next),
            (None, at(119, 0).next),
            "a block before it opens"
        );
        let overdue = status(None, (100, 110));
        let told = overdue.as_of(Height(105), Height(106));
        assert_eq!(told.open, None, "it did not open in its block");
    }
}
