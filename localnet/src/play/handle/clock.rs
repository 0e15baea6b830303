//! The simulation's clock, by which faults are scheduled and runs are judged, and the faults that
//! depend on no rule.

use std::time::Duration;

use super::Localnet;

/// Longest wait before `wanted` is asked again.
const SLICE: Duration = Duration::from_millis(500);

impl Localnet {
    /// Time since the start, to which fault rules and block times refer.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.lock().elapsed()
    }

    /// Waits until `moment` after the start. Returns `false` as soon as `wanted` does, which is
    /// asked every `SLICE` and must not use the simulation.
    pub fn pass_until(&self, moment: Duration, wanted: impl Fn() -> bool) -> bool {
        let mut world = self.shared.lock();
        loop {
            let left = moment.saturating_sub(world.elapsed());
            if left.is_zero() || world.over {
                return true;
            }
            if !wanted() {
                return false;
            }
            world = self.shared.wait(world, left.min(SLICE));
        }
    }

    /// The heights of all blocks since the start, and when they were made.
    #[must_use]
    pub fn moments(&self) -> Vec<(u64, Duration)> {
        self.shared.lock().moments.iter().copied().collect()
    }

    /// Counts a fault that no rule has played.
    pub fn note_fault(&self, kind: &str) {
        self.shared.lock().note_fault(kind);
    }

    /// Freezes a node at the last block, or lets it catch up. Its LCD answers all the same.
    pub fn set_frozen(&self, node: usize, frozen: bool) {
        self.with_chain(|chain| {
            if frozen {
                chain.freeze(node);
            } else {
                chain.thaw(node);
            }
        });
    }
}
