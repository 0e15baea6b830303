//! More workers than places.

use serde_json::json;

use crate::scenarios::scene::{Failed, Scene, text};
use crate::scenarios::test_chain::{PLACES, Place, Purpose};

/// Windows that are played.
const WINDOWS: usize = 10;

/// A score for each worker: ascending for those that are in time. Of the two that are late, the
/// first one is better than all, the second one is worse than all.
pub(super) const SCORES: [u8; PLACES + 2] = {
    let mut scores = [0; PLACES + 2];
    let (mut hand, mut score) = (0, 2);
    while hand < PLACES {
        scores[hand] = score;
        hand += 1;
        score += 1;
    }
    scores[PLACES] = 200;
    scores[PLACES + 1] = 1;
    scores
};

/// The workers in time take all places. Then a better one evicts the worst of them, and one that is
/// worse than all is not admitted.
pub(super) fn places(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let late = scene.models.late_url(&format!("topic/{topic}"));
    for hand in 0..scene.hands.len() {
        let mut configured = scene.plain(topic);
        if hand >= PLACES {
            configured["inference_url"] = json!(late);
        }
        scene.start(hand, &[configured])?;
    }
    for hand in 0..scene.hands.len() {
        scene.wait_for_line(hand, "registered in block")?;
    }
    let windows = if scene.windows < 3 { 1 } else { WINDOWS };
    scene.serve(0, &[topic], windows)?;
    let nonces: Vec<u64> = scene.expected.iter().map(|(_, _, nonce)| *nonce).collect();
    for hand in 1..scene.hands.len() {
        scene.expect(hand, topic, nonces.iter().copied());
    }
    for (hand, place) in [(PLACES, Place::OfAnother), (PLACES + 1, Place::None)] {
        let landed = scene.chain.landed(&scene.hands[hand].address);
        let payloads = landed.map_err(text)?.into_iter().filter(|landed| {
            matches!(landed.purpose, Purpose::Payload(_)) && landed.place == place
        });
        // In some windows, a worker that should be in time may be later on a busy machine.
        let (count, least) = (payloads.count(), windows.div_ceil(2));
        if count < least {
            let of = format!("{count} of {windows} windows");
            return Err(format!(
                "worker {hand} got the place {place:?} in {of} only"
            ));
        }
    }
    Ok(())
}
