//! Workers, endpoints and nodes that stop, and transactions that a worker does not know of.

use std::thread;
use std::time::Duration;

use super::grants;
use crate::scenarios::front::Front;
use crate::scenarios::scene::{Failed, Scene, text};
use crate::scenarios::test_chain::{EPOCH_BLOCKS, PRICE_FACTOR, WINDOW_BLOCKS};

/// Times after the opening at which a worker is killed, three in each window: before the payload
/// is sent, while it is in flight, and after its block.
const KILL_MS: [[u64; 3]; 7] = [
    [0, 600, 1_200],
    [50, 650, 1_300],
    [100, 700, 1_400],
    [150, 800, 1_500],
    [200, 900, 1_600],
    [300, 1_000, 1_800],
    [400, 1_100, 2_000],
];

/// The route of the gas price.
const PRICE: &str = "/feemarket/v1/gas_price/uallo";

/// What a worker says whose fee grant names the messages of v9 only, on v10.
const NAMES_V9_ONLY: &str = "does not name /emissions.v10.InsertWorkerPayloadRequest; type: allorad tx \
                             feegrant revoke ";

/// Epochs from the first window to the one that is open across the upgrade: enough for the vote,
/// which takes 10 s on the real chain.
const VOTE_EPOCHS: u64 = 3;

pub(super) fn kills(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let configured = [scene.plain(topic)];
    scene.start(0, &configured)?;
    scene.wait_for_line(0, "registered in block")?;
    let windows = if scene.windows < 3 { 1 } else { KILL_MS.len() };
    for moments in &KILL_MS[..windows] {
        let nonce = scene.next_window(topic)?;
        let mut before = 0;
        for moment in moments {
            thread::sleep(Duration::from_millis(moment - before));
            before = *moment;
            scene.kill(0)?;
            scene.start(0, &configured)?;
        }
        scene.wait_for_end(nonce)?;
        scene.expect(0, topic, [nonce]);
    }
    Ok(())
}

/// The first endpoint stops before a window opens and comes back after it.
pub(super) fn endpoints(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let front = Front::start(scene.chain.url()).map_err(text)?;
    scene.start_at(0, &[scene.plain(topic)], &[front.url(), scene.chain.url()])?;
    scene.wait_for_line(0, "registered in block")?;
    for up in [true, false, true] {
        front.set_up(up);
        scene.serve(0, &[topic], 1)?;
    }
    Ok(())
}

/// Both workers sign with the next sequence of one account when their windows open in one block.
pub(super) fn shared_key(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topics = scene.topics.clone();
    let other = scene.share_key(0)?;
    scene.start(0, &[scene.plain(topics[0])])?;
    scene.start(other, &[scene.plain(topics[1])])?;
    scene.wait_for_line(0, "registered in block")?;
    scene.wait_for_line(other, "registered in block")?;
    scene.serve(0, &topics, scene.windows)?;
    // The second topic's windows are those of the second folder's log.
    let of_other: Vec<_> = scene
        .expected
        .iter()
        .filter(|e| e.1 == topics[1])
        .copied()
        .collect();
    for (hand, topic, nonce) in of_other {
        scene.expected.remove(&(hand, topic, nonce));
        scene.expect(other, topic, [nonce]);
    }
    Ok(())
}

pub(super) fn restart(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    scene.start(0, &[scene.plain(topic)])?;
    scene.wait_for_line(0, "registered in block")?;
    let nonce = scene.next_window(topic)?;
    scene.chain.restart().map_err(text)?;
    scene.wait_for_end(nonce)?;
    scene.expect(0, topic, [nonce]);
    scene.serve(0, &[topic], 1)
}

/// The price rises between the worker's reading of it and its next payload, whose fee is then too
/// low (code 13): it is signed again with the fee that the node names.
pub(super) fn price(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let front = Front::start(scene.chain.url()).map_err(text)?;
    scene.start_at(0, &[scene.plain(topic)], &[front.url()])?;
    scene.wait_for_line(0, "registered in block")?;
    // A price that is the same in its second reading, 30 s later or more, counts for a minute or
    // more; a vote and the wait for the next window take less than half of that.
    scene.wait("second reading of the gas price", |_| {
        (front.asked(PRICE) >= 2).then_some(())
    })?;
    scene.chain.raise_price().map_err(text)?;
    scene.serve(0, &[topic], 2)?;
    scene.wait_for_line(0, " ALLO required; signed anew with the same sequence")?;
    let landed = scene.chain.landed(&scene.hands[0].address).map_err(text)?;
    let fees = landed.iter().map(|landed| landed.fee_uallo);
    let (first, last) = (fees.clone().min(), fees.max());
    let has_risen = |(first, last): (u128, u128)| last > first * u128::from(PRICE_FACTOR - 1);
    match first.zip(last).is_some_and(has_risen) {
        true => Ok(()),
        false => Err(format!("the fees did not rise: {first:?} to {last:?}")),
    }
}

/// The upgrade comes two blocks after a nonce. The second worker's fee grant names the messages of v9
/// only: it ends with the upgrade, and the worker goes on after a new one.
pub(super) fn upgrade(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    scene.start(0, &[scene.plain(topic)])?;
    scene.wait_for_line(0, "registered in block")?;
    let granted = scene.hands[1].address.clone();
    scene
        .chain
        .grant(&granted, false, grants::ENOUGH)
        .map_err(text)?;
    grants::start(scene, 1, topic)?;
    scene.wait_for_line(1, "registered in block")?;
    let nonce = scene.next_window(topic)?;
    let open = nonce + VOTE_EPOCHS * EPOCH_BLOCKS;
    scene.check(0, true)?;
    let mut frozen = Ok(());
    let upgraded = scene
        .chain
        .upgrade(open + 2, &mut || frozen = scene.check(0, false));
    upgraded.map_err(text)?;
    frozen?;
    scene.wait_for_end(open)?;
    scene.wait_for_line(1, NAMES_V9_ONLY)?;
    scene
        .chain
        .grant(&granted, true, grants::ENOUGH)
        .map_err(text)?;
    scene.wait_for_line(1, "over: ")?;
    scene.expect(
        0,
        topic,
        (0..=VOTE_EPOCHS).map(|epoch| nonce + epoch * EPOCH_BLOCKS),
    );
    let before: Vec<u64> = scene.expected.iter().map(|(_, _, nonce)| *nonce).collect();
    scene.serve(0, &[topic], scene.windows)?;
    let of_both = scene.expected.iter().map(|(_, _, nonce)| *nonce);
    let of_both: Vec<u64> = of_both
        .filter(|nonce| *nonce < open || !before.contains(nonce))
        .collect();
    scene.expect(1, topic, of_both);
    scene.check(0, true)?;
    let end = open + WINDOW_BLOCKS;
    match scene.height() {
        Some(height) if height > end => Ok(()),
        _ => Err("the chain makes no blocks after the upgrade".to_owned()),
    }
}
