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
    pub proof_from: Option<Height>,
    /// The last block that may include a payload.
    pub last_block: Height,
}

impl Share {
    /// The whole window: no other machine serves this worker.
    pub fn whole(window: Window) -> Share {
        Share {
            proof_from: None,
            last_block: window.end,
        }
    }
}

impl Standby {
    /// The primary's last block. With `after_blocks` it depends on the nonce alone, but for the
    /// window's end: two nodes that name windows of different lengths name the same block. Without it,
    /// a window that is too short for both belongs to the primary.
    pub fn last_of_primary(&self, window: Window) -> Height {
        let blocks = window.end.0.saturating_sub(window.nonce.0);
        let after = match self.after_blocks {
            Some(after) => after,
            None if blocks < 2 * BLOCKS_MIN => blocks,
            None => blocks / 2,
        };
        window.end.min(window.nonce.height().plus(after))
    }

    /// The blocks of this machine. Where the primary has all of them, a standby signs nothing: it may
    /// read the state at the window's end, when it is too late.
    pub fn share(&self, window: Window) -> Share {
        let hand_over = self.last_of_primary(window);
        match self.role {
            Role::Primary => Share {
                proof_from: None,
                last_block: hand_over,
            },
            Role::Standby => Share {
                proof_from: Some(hand_over),
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

    /// Whatever the setting and the lengths of the window that two nodes name: the primary's last
    /// block is not above the first state that the standby may read.
    #[test]
    fn no_block_belongs_to_both() {
        for (blocks, named) in (0..30).flat_map(|blocks| (0..30).map(move |named| (blocks, named)))
        {
            for after in BLOCKS_MIN..35 {
                let primary = shares(window(named), Some(after))[0].last_block;
                let proof = shares(window(blocks), Some(after))[1].proof_from;
                let end = window(blocks).end;
                let is_apart = primary <= proof.unwrap() || primary > end;
                assert!(is_apart || proof == Some(end), "{blocks} {named} {after}");
            }
            let [primary, standby] = shares(window(blocks), None);
            let first = primary.last_block.0 - 100;
            let is_shared = first >= BLOCKS_MIN && blocks - first >= BLOCKS_MIN;
            assert!(
                is_shared || primary.last_block == window(blocks).end,
                "{blocks}"
            );
            assert!(standby.proof_from >= Some(primary.last_block), "{blocks}");
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
        assert_eq!(hand_over(10, Some(8)), 8);
        for (blocks, after) in [(5, None), (10, Some(10)), (10, Some(u64::MAX))] {
            assert_eq!(
                hand_over(blocks, after),
                blocks,
                "the primary alone: {after:?}"
            );
        }
    }
}
