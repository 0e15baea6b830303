//! Plays an upgrade on all nodes: frozen, down, half up, up (protocol.md section 8).

use std::time::{Duration, Instant};

use crate::play::world::{Gateway, LOOK_AGAIN, Shared};
use crate::server::Server;

/// The schedule of an upgrade (protocol.md section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The first block of the new version.
    pub height: u64,
    /// How long the frozen nodes still answer.
    pub frozen: Duration,
    /// How long connections are refused.
    pub down: Duration,
    /// How long the gateway is up before its back end.
    pub half_up: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Frozen,
    Down,
    HalfUp,
}

/// Plays the upgrade when its height comes; returns when the simulation ends.
pub(super) fn play(shared: &Shared, servers: &[Server], upgrade: Upgrade) {
    let mut world = shared.lock();
    while !world.over && !world.chain.waits_for_upgrade() {
        world = shared.wait(world, LOOK_AGAIN);
    }
    drop(world);
    for phase in [Phase::Frozen, Phase::Down, Phase::HalfUp] {
        let time = match phase {
            Phase::Frozen => upgrade.frozen,
            Phase::Down => {
                servers
                    .iter()
                    .for_each(|server| server.set_listening(false));
                upgrade.down
            }
            Phase::HalfUp => {
                shared.lock().gateway = Gateway::HalfUp;
                servers.iter().for_each(|server| server.set_listening(true));
                upgrade.half_up
            }
        };
        if !passes(shared, time) {
            return;
        }
    }
    let mut world = shared.lock();
    world.chain.apply_upgrade();
    world.gateway = Gateway::Up;
    drop(world);
    shared.ring();
}

/// Waits; `false` if the simulation ends first.
fn passes(shared: &Shared, time: Duration) -> bool {
    let until = Instant::now() + time;
    let mut world = shared.lock();
    while !world.over {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        world = shared.wait(world, left);
    }
    false
}
