//! More workers than places.

use std::ops::Range;

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

/// The workers in time take all places of a window. Then a better one joins them and evicts the
/// worst of them in each window, and one that is worse than all is not admitted.
pub(super) fn places(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    start(
        scene,
        0..PLACES,
        scene.models.url(&format!("topic/{topic}")),
    )?;
    scene.serve(0, &[topic], 1)?;
    let late = scene.models.late_url(&format!("topic/{topic}"));
    start(scene, PLACES..SCORES.len(), late)?;
    let windows = if scene.windows < 3 { 1 } else { WINDOWS };
    scene.serve(PLACES, &[topic], windows)?;
    let nonces = |scene: &Scene<'_>, hand| -> Vec<u64> {
        let of = scene.expected.iter().filter(|(of, ..)| *of == hand);
        of.map(|(_, _, nonce)| *nonce).collect()
    };
    let (first, others) = (nonces(scene, 0), nonces(scene, PLACES));
    scene.expect(PLACES + 1, topic, others.iter().copied());
    for hand in 0..PLACES {
        scene.expect(hand, topic, first.iter().chain(&others).copied());
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

/// Starts workers with one model and waits until they are registered.
fn start(scene: &mut Scene<'_>, hands: Range<usize>, model: String) -> Result<(), Failed> {
    let configured = json!({"topic_id": scene.topic(), "inference_url": model});
    for hand in hands.clone() {
        scene.start(hand, std::slice::from_ref(&configured))?;
    }
    for hand in hands {
        scene.wait_for_line(hand, "registered in block")?;
    }
    Ok(())
}
