//! What models give: numbers of all kinds, labelled values, forecasts.

use serde_json::json;

use crate::chain::decimal::Decimal;
use crate::scenarios::scene::{Failed, Scene, text};
use crate::scenarios::test_chain::{Payload, Purpose};

/// Numbers that a worker with floating point would change.
const NUMBERS: [&str; 3] = [
    "0.00000012",
    "0.1234567890123456789012345678901234",
    "-2611.01109296",
];

/// A worker that is not registered yet.
pub(super) fn serve(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    scene.start(0, &[scene.plain(topic)])?;
    scene.wait_for_line(0, "registered in block")?;
    scene.serve(0, &[topic], scene.windows)
}

/// One worker for many topics.
pub(super) fn many(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topics = scene.topics.clone();
    let configured: Vec<_> = topics.iter().map(|topic| scene.plain(*topic)).collect();
    scene.start(0, &configured)?;
    for topic in &topics {
        scene.wait_for_line(0, &format!("topic-{topic}: registered in block"))?;
    }
    scene.serve(0, &topics, scene.windows)
}

/// The digits of the model must be those in the block.
pub(super) fn numbers(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topics = scene.topics.clone();
    let configured: Vec<_> = topics
        .iter()
        .zip(NUMBERS)
        .map(|(topic, number)| {
            let url = scene.models.fixed(&format!("number/{topic}"), number);
            json!({"topic_id": topic, "inference_url": url})
        })
        .collect();
    scene.start(0, &configured)?;
    scene.serve(0, &topics, scene.windows)?;
    for (topic, number) in topics.iter().zip(NUMBERS) {
        let expected = Decimal::parse(number)?;
        for payload in payloads(scene, 0)?.iter().filter(|p| p.topic == *topic) {
            if !payload.value.as_ref().is_some_and(|v| v.equals(&expected)) {
                return Err(format!("{number} is in the block as {payload:?}"));
            }
        }
    }
    Ok(())
}

pub(super) fn labels(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let url = scene.models.url(&format!("labels/{topic}"));
    scene.start(0, &[json!({"topic_id": topic, "inference_url": url})])?;
    scene.serve(0, &[topic], scene.windows)?;
    let labels = payloads(scene, 0)?;
    match labels.iter().find(|payload| payload.labels != 3) {
        Some(payload) => Err(format!("three labels were expected: {payload:?}")),
        None => Ok(()),
    }
}

/// The first worker infers, the second one forecasts its loss, the third one does both.
pub(super) fn forecasts(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let body = json!({scene.hands[0].address.clone(): "0.25"}).to_string();
    let url = scene.models.fixed(&format!("loss/{topic}"), &body);
    scene.start(0, &[scene.plain(topic)])?;
    scene.start(1, &[json!({"topic_id": topic, "forecast_url": url})])?;
    let mut both = scene.plain(topic);
    both["forecast_url"] = url.into();
    scene.start(2, &[both])?;
    let first = scene.next_window(topic)?;
    scene.serve(0, &[topic], scene.windows.saturating_sub(1).max(1))?;
    let nonces: Vec<u64> = scene.expected.iter().map(|(_, _, nonce)| *nonce).collect();
    for hand in 0..3 {
        scene.expect(hand, topic, nonces.iter().copied().chain([first]));
    }
    for (hand, infers, forecasts) in [(0, true, None), (1, false, Some(1)), (2, true, Some(1))] {
        for payload in payloads(scene, hand)? {
            if (payload.value.is_some(), payload.forecast) != (infers, forecasts) {
                return Err(format!("worker {hand} sent {payload:?}"));
            }
        }
    }
    Ok(())
}

/// The payloads of a wallet that are in blocks.
fn payloads(scene: &Scene<'_>, hand: usize) -> Result<Vec<Payload>, Failed> {
    let landed = scene
        .chain
        .landed(&scene.hands[hand].address)
        .map_err(text)?;
    Ok(landed
        .into_iter()
        .filter_map(|landed| match landed.purpose {
            Purpose::Payload(payload) => Some(payload),
            Purpose::Registration | Purpose::Other => None,
        })
        .collect())
}
