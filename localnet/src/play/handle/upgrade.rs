//! An upgrade day, played on the whole network: frozen, down, half up, up (protocol.md section 8).

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{LOOK_AGAIN, Localnet};
use crate::play::world::{Gateway, Shared};
use crate::server::http::Server;

/// How the machines go through an upgrade (protocol.md section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The first block of the new version.
    pub height: u64,
    /// How long the frozen node goes on answering.
    pub frozen: Duration,
    /// How long connections are refused.
    pub down: Duration,
    /// How long the gateway is up before its back end.
    pub half_up: Duration,
}

/// Where an upgrade stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Frozen,
    Down,
    HalfUp,
}

impl Localnet {
    /// Plans the upgrade from v9 to v10 and plays it when its height comes.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn upgrade_at(&mut self, upgrade: Upgrade) -> io::Result<()> {
        self.with_chain(|chain| chain.upgrade_height = Some(upgrade.height));
        let (shared, servers) = (Arc::clone(&self.shared), Arc::clone(&self.servers));
        let thread = thread::Builder::new()
            .name("upgrade".to_owned())
            .spawn(move || play_upgrade(&shared, &servers, upgrade))?;
        self.upgrader = Some(thread);
        Ok(())
    }
}

fn play_upgrade(shared: &Shared, servers: &[Server], upgrade: Upgrade) {
    let mut world = shared.lock();
    while !world.over && !world.chain.waits_for_upgrade() {
        world = shared.wait(world, LOOK_AGAIN);
    }
    drop(world);
    for stage in [Stage::Frozen, Stage::Down, Stage::HalfUp] {
        let time = match stage {
            Stage::Frozen => upgrade.frozen,
            Stage::Down => {
                servers
                    .iter()
                    .for_each(|server| server.set_listening(false));
                upgrade.down
            }
            Stage::HalfUp => {
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

/// Lets a time pass; `false` when the simulation ends before.
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
