//! Transactions of others: with the worker's key, and in a mempool that they fill.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::scenarios::others;
use crate::scenarios::scene::{Failed, Scene, text};
use crate::scenarios::test_chain::Purpose;
use crate::signer::Wallet;

/// How many transactions the mempool of a chain with this scenario holds: more than any other scenario
/// sends in a block, and few enough to be filled within a part of a block's time.
pub(super) const MEMPOOL_TXS: usize = 100;
/// The byte of the key that fills the mempool.
const FILLER: u8 = 90;

/// Another program uses the worker's key: between two windows, just before the payload, whose
/// sequence it takes, and after the payload.
pub(super) fn outside(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let path = format!("topic/{topic}");
    scene.start(0, &[scene.plain(topic)])?;
    scene.wait_for_line(0, "registered in block")?;
    scene.serve(0, &[topic], 1)?;
    let hash = scene.send_outside(0)?;
    scene.wait_for_tx(&hash)?;
    scene.models.hold(&path);
    let nonce = scene.next_window(topic)?;
    scene.send_outside(0)?;
    scene.models.release(&path);
    scene.wait_for_end(nonce)?;
    scene.expect(0, topic, [nonce]);
    let nonce = scene.next_window(topic)?;
    scene.wait_for_line(0, &format!("nonce {nonce}: included in block"))?;
    let hash = scene.send_outside(0)?;
    scene.wait_for_tx(&hash)?;
    scene.expect(0, topic, [nonce]);
    scene.serve(0, &[topic], 1)?;
    let landed = scene.chain.landed(&scene.hands[0].address).map_err(text)?;
    let of_others = landed.iter().filter(|l| l.purpose == Purpose::Other);
    match of_others.count() {
        3 => Ok(()),
        count => Err(format!("{count} transfers from outside are in blocks")),
    }
}

/// The mempool is full when the payload is ready. It is sent again until there is room.
pub(super) fn full_mempool(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let path = format!("topic/{topic}");
    let filler = Wallet::new(FILLER).map_err(|error| error.to_string())?;
    let address = filler.address.clone();
    scene.chain.fund(&[address]).map_err(text)?;
    scene.start_with(0, &[scene.plain(topic)], json!({"debug": true}))?;
    scene.wait_for_line(0, "registered in block")?;
    scene.models.hold(&path);
    let nonce = scene.next_window(topic)?;
    let (wanted, is_full) = (AtomicBool::new(true), AtomicBool::new(false));
    let met = thread::scope(|scope| {
        let filling = scope.spawn(|| others::fill(scene.chain, &filler, &wanted, &is_full));
        let full = |_: &Scene<'_>| is_full.load(Ordering::Relaxed).then_some(());
        let met = scene.wait("full mempool", full).and_then(|()| {
            scene.models.release(&path);
            scene.wait_for_line(0, "→ Full")
        });
        wanted.store(false, Ordering::Relaxed);
        let filled = filling.join();
        let filled = filled.unwrap_or_else(|_| Err(std::io::Error::other("filling panicked")));
        filled.map_err(text).and(met)
    });
    scene.models.release(&path);
    met?;
    scene.wait_for_end(nonce)?;
    scene.expect(0, topic, [nonce]);
    scene.serve(0, &[topic], 1)
}
