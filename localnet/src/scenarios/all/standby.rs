//! A second machine for the same worker.

use serde_json::json;

use crate::scenarios::scene::{Failed, Scene, text};

/// The worker's wallet, which the primary also pays with, and the account that the standby pays with.
const PRIMARY: usize = 0;
const STANDBY: usize = 1;
/// How many blocks after the nonce the primary's last block is.
const AFTER_BLOCKS: u64 = 3;
/// A payload of the standby is in a block two blocks after that at the latest.
pub(super) const LATE_BLOCKS: u64 = AFTER_BLOCKS + 2;
/// How many windows both are alive.
const WINDOWS: usize = 6;

/// While both are alive, the standby sends nothing. It serves the window in which the primary is killed,
/// and gives the next one back.
pub(super) fn takes_over(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    start(scene, PRIMARY)?;
    scene.wait_for_line(PRIMARY, "registered in block")?;
    start(scene, STANDBY)?;
    scene.serve(PRIMARY, &[topic], WINDOWS)?;
    let standby = scene.hands[STANDBY].address.clone();
    let sent = scene.rest.sequence(&scene.chain.url(), &standby);
    match sent.map_err(text)? {
        0 => {}
        sent => {
            return Err(format!(
                "the standby sent {sent} transactions beside the primary"
            ));
        }
    }
    // The model of the primary does not answer, so that it is killed in an open window.
    let path = format!("topic/{topic}");
    scene.models.hold(&path);
    let nonce = scene.next_window(topic)?;
    scene.kill(PRIMARY)?;
    scene.models.release(&path);
    scene.wait_for_line(STANDBY, &format!("nonce {nonce}: included in block"))?;
    scene.expect(STANDBY, topic, [nonce]);
    start(scene, PRIMARY)?;
    scene.serve(PRIMARY, &[topic], 1)
}

fn start(scene: &mut Scene<'_>, hand: usize) -> Result<(), Failed> {
    let topic = scene.plain(scene.topic());
    let role = if hand == PRIMARY {
        "primary"
    } else {
        "standby"
    };
    let standby = json!({"role": role, "after_blocks": AFTER_BLOCKS});
    if hand == PRIMARY {
        return scene.start_with(hand, &[topic], json!({"standby": standby}));
    }
    let file = scene.pays_for(hand, PRIMARY)?;
    // The standby has a model of its own.
    let model = scene.models.url("standby");
    let topic = json!({"topic_id": topic["topic_id"], "inference_url": model});
    let settings = json!({"standby": standby, "fee_seed_phrase_file": file});
    scene.start_with(hand, &[topic], settings)
}
