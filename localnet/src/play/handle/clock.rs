//! The simulation's own clock, for a schedule of faults and for judging what happened when; and the
//! faults that stand still.

use std::time::Duration;

use super::Localnet;

/// Longest wait without looking whether it is wanted any more.
const SLICE: Duration = Duration::from_millis(500);

impl Localnet {
    /// Time since the start, which fault rules and block moments are counted from.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.lock().elapsed()
    }

    /// Waits until so much time has passed since the start; gives up early, with `false`, when
    /// `wanted` says so, which is asked twice a second and must not ask the simulation.
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

    /// Every block that was made since the start, and when.
    #[must_use]
    pub fn moments(&self) -> Vec<(u64, Duration)> {
        self.shared.lock().moments.iter().copied().collect()
    }

    /// Counts a fault that was played by other means than a rule.
    pub fn note_fault(&self, kind: &str) {
        self.shared.lock().note_fault(kind);
    }

    /// Has a node stand still at the last block while its LCD goes on answering, or catch up.
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
