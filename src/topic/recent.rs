//! The nonces of a topic that something happened to last.

use crate::values::units::{Height, Nonce};

/// How many are remembered. Windows of so many epochs, of several endpoints, are never open at once.
pub(super) const RECENT_MAX: usize = 16;

/// Up to [`RECENT_MAX`] nonces, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentNonces(Vec<Nonce>);

impl RecentNonces {
    /// Adds a nonce that is not in it yet; the oldest one goes if there are too many.
    pub(super) fn add(&mut self, nonce: Nonce) {
        if self.contains(nonce) {
            return;
        }
        if self.0.len() == RECENT_MAX {
            self.0.remove(0);
        }
        self.0.push(nonce);
    }

    pub(super) fn contains(&self, nonce: Nonce) -> bool {
        self.0.contains(&nonce)
    }

    /// The newest one that is less than `blocks` away from this one.
    pub(super) fn near(&self, nonce: Nonce, blocks: u64) -> Option<Nonce> {
        let mut newest_first = self.0.iter().rev().copied();
        newest_first.find(|other| nonce.0.abs_diff(other.0) < blocks)
    }

    /// Removes those above the highest height: they belong to a past that was forgotten (R9).
    pub(super) fn forget_above(&mut self, highest: Height) {
        self.0.retain(|nonce| nonce.height() <= highest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_nonces_are_kept_up_to_the_highest_height() {
        let mut recent = RecentNonces::default();
        let most = u64::try_from(RECENT_MAX).unwrap();
        for nonce in [0, 0].into_iter().chain(1..most) {
            recent.add(Nonce(nonce));
        }
        assert!(recent.contains(Nonce(0)), "one added twice is kept once");
        recent.add(Nonce(most));
        assert!(!recent.contains(Nonce(0)) && recent.contains(Nonce(1)));
        assert_eq!(recent.near(Nonce(most + 4), 5), Some(Nonce(most)));
        assert_eq!(recent.near(Nonce(most + 4), 4), None);
        recent.forget_above(Height(3));
        assert!(recent.contains(Nonce(3)) && !recent.contains(Nonce(4)));
    }
}
