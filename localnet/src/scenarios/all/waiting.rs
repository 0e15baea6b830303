//! What only somebody else can change: the worker says what it waits for, and goes on by itself.

use crate::scenarios::scene::{Failed, Scene, text};

pub(super) fn whitelist(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    scene.start(0, &[scene.plain(topic)])?;
    scene.wait_for_line(0, "is not on the topic's whitelist")?;
    let address = scene.hands[0].address.clone();
    scene.chain.allow(topic, &address).map_err(text)?;
    goes_on(scene, topic)
}

pub(super) fn inactive(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    scene.start(0, &[scene.plain(topic)])?;
    scene.wait_for_line(0, "the topic is not active")?;
    scene.chain.activate(topic).map_err(text)?;
    goes_on(scene, topic)
}

pub(super) fn unfunded(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    scene.start(0, &[scene.plain(topic)])?;
    scene.wait_for_line(0, "the balance is too low")?;
    let address = scene.hands[0].address.clone();
    scene.chain.fund(&[address]).map_err(text)?;
    goes_on(scene, topic)
}

/// The waiting state ends with its line, and the windows after it are served.
fn goes_on(scene: &mut Scene<'_>, topic: u64) -> Result<(), Failed> {
    scene.wait_for_line(0, "over: ")?;
    scene.wait_for_line(0, "registered in block")?;
    scene.serve(0, &[topic], 2.min(scene.windows))
}
