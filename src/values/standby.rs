//! How two machines share the blocks of a window, so that both can serve one worker and a nonce is
//! never paid for twice.
//!
//! The primary owns the blocks up to the hand-over, `after_blocks` after the nonce: its transactions
//! expire there, so they can do nothing later, and the state at that height holds all they did. The
//! standby signs only after it has read from such a state that the nonce is not served. The chain is
//! the only thing that both know.

use std::fmt;

use crate::values::topic::Window;
use crate::values::units::Height;

/// The least number of blocks that each of the two gets: one for the transaction, one for an
/// endpoint that is a block late, one for a second try.
pub const BLOCKS_MIN: u64 = 3;
/// The most blocks that a setting may name: a day of blocks of 1 s.
pub const AFTER_BLOCKS_MAX: u64 = 86_400;

/// Which of the two machines this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves the first blocks of each window, and registers.
    Primary,
    /// Serves what the primary has not served by the hand-over.
    Standby,
}

/// The setting `standby`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standby {
    pub role: Role,
    /// How many blocks after the nonce the primary's last block is; half the window by default.
    pub after_blocks: Option<u64>,
}

/// The blocks of a window in which this process may serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Before anything is signed, the state of this height or a later one must say that the nonce is
    /// not served.
    pub proven_at: Option<Height>,
    /// The last block that may include a payload.
    pub last_block: Height,
}

impl Share {
    /// The whole window: no other machine serves this worker.
    pub fn whole(window: Window) -> Share {
        Share {
            proven_at: None,
            last_block: window.end,
        }
    }
}

impl Standby {
    /// The primary's last block. `None` if the window is too short to be shared: then the primary
    /// serves all of it alone.
    pub fn hand_over(&self, window: Window) -> Option<Height> {
        let blocks = window.end.0.saturating_sub(window.nonce.0);
        let after = self.after_blocks.unwrap_or(blocks / 2);
        let left = blocks.checked_sub(after)?;
        let fits = after >= BLOCKS_MIN && left >= BLOCKS_MIN;
        fits.then(|| window.nonce.height().plus(after))
    }

    /// The blocks of this machine. A standby that gets none can sign nothing before the window's end.
    pub fn share(&self, window: Window) -> Share {
        let hand_over = self.hand_over(window).unwrap_or(window.end);
        match self.role {
            Role::Primary => Share {
                proven_at: None,
                last_block: hand_over,
            },
            Role::Standby => Share {
                proven_at: Some(hand_over),
                last_block: window.end,
            },
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Primary => "primary",
            Role::Standby => "standby",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::units::Nonce;

    fn window(blocks: u64) -> Window {
        Window {
            nonce: Nonce(100),
            end: Height(100 + blocks),
        }
    }

    fn shares(window: Window, after_blocks: Option<u64>) -> [Share; 2] {
        [Role::Primary, Role::Standby].map(|role| Standby { role, after_blocks }.share(window))
    }

    /// Whatever the window and the setting: the primary's last block is the first state that the
    /// standby may read, each has its least blocks, or the primary has the whole window.
    #[test]
    fn no_block_belongs_to_both() {
        for blocks in 0..40 {
            for after in (0..45).map(Some).chain([None]) {
                let window = window(blocks);
                let [primary, standby] = shares(window, after);
                assert_eq!(
                    standby.proven_at,
                    Some(primary.last_block),
                    "{blocks} {after:?}"
                );
                assert_eq!(standby.last_block, window.end);
                assert_eq!(primary.proven_at, None);
                let first = primary.last_block.0 - window.nonce.0;
                let is_shared = first >= BLOCKS_MIN && blocks - first >= BLOCKS_MIN;
                assert!(
                    is_shared || primary.last_block == window.end,
                    "{blocks} {after:?}"
                );
            }
        }
    }

    #[test]
    fn the_hand_over_is_where_the_setting_says_or_in_the_middle() {
        let hand_over = |blocks, after_blocks| {
            let [primary, _] = shares(window(blocks), after_blocks);
            primary.last_block.0 - 100
        };
        assert_eq!(hand_over(10, None), 5);
        assert_eq!(hand_over(7, None), 3);
        assert_eq!(hand_over(10, Some(3)), 3);
        assert_eq!(hand_over(10, Some(7)), 7);
        for (blocks, after) in [
            (5, None),
            (10, Some(8)),
            (10, Some(2)),
            (10, Some(u64::MAX)),
        ] {
            assert_eq!(
                hand_over(blocks, after),
                blocks,
                "the primary alone: {after:?}"
            );
        }
    }
}
