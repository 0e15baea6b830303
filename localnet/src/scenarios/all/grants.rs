//! A fee granter.

use serde_json::json;

use crate::scenarios::scene::{Failed, Scene, text};
use crate::scenarios::test_chain::{Granted, Purpose};

const REGISTER: &str = "RegisterRequest";
const PAYLOAD: &str = "InsertWorkerPayloadRequest";
/// What the messages themselves take from the worker's own account.
const REGISTRATION_UALLO: u64 = 200;
const PAYLOAD_UALLO: u64 = 10;
/// Enough for everything.
const ENOUGH_UALLO: u128 = 10_000_000_000;
/// Less than a fee.
const LITTLE_UALLO: u128 = 1_000;

/// The worker waits without an allowance, with one that does not name its message and with one that
/// is too low, and goes on with the next one. The granter pays all fees.
pub(super) fn granter(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let address = scene.hands[0].address.clone();
    let (chain, url) = (scene.chain, scene.chain.url());
    let before = scene.rest.balance(&url, &address).map_err(text)?;
    let grant = |has_one, per_period_uallo, messages| {
        let granted = Granted {
            per_period_uallo,
            messages,
        };
        chain.grant(&address, has_one, granted).map_err(text)
    };
    scene.start_with(
        0,
        &[scene.plain(topic)],
        json!({"fee_granter": chain.granter()}),
    )?;
    scene.wait_for_line(0, &format!("grants {address} no fees"))?;
    grant(false, ENOUGH_UALLO, &[REGISTER])?;
    scene.wait_for_line(0, "registered in block")?;
    scene.wait_for_line(0, "does not name /emissions.")?;
    grant(true, LITTLE_UALLO, &[REGISTER, PAYLOAD])?;
    scene.wait_for_line(0, "does not pay")?;
    grant(true, ENOUGH_UALLO, &[REGISTER, PAYLOAD])?;
    scene.serve(0, &[topic], 2.min(scene.windows))?;
    let after = scene.rest.balance(&url, &address).map_err(text)?;
    let landed = chain.landed(&address).map_err(text)?;
    let payloads = landed
        .iter()
        .filter(|landed| matches!(landed.purpose, Purpose::Payload(_)));
    let own = u64::try_from(payloads.count()).unwrap_or(u64::MAX) * PAYLOAD_UALLO;
    match before - after == own + REGISTRATION_UALLO {
        true => Ok(()),
        false => Err(format!(
            "the worker paid {} uallo by itself",
            before - after
        )),
    }
}
