//! A fee granter, and grants that end.

use std::time::Duration;

use serde_json::json;

use crate::scenarios::scene::{Failed, Scene, text};
use crate::scenarios::test_chain::{Granted, Limit, Purpose};

const REGISTER: &str = "RegisterRequest";
const PAYLOAD: &str = "InsertWorkerPayloadRequest";
/// What the messages themselves take from the worker's own account.
const REGISTRATION_UALLO: u64 = 200;
const PAYLOAD_UALLO: u64 = 10;
/// Enough for everything.
const ENOUGH_UALLO: u128 = 10_000_000_000;
/// Less than a fee.
const LITTLE_UALLO: u128 = 1_000;
/// Enough gas for a registration and two or three payloads.
const SOME_GAS: u128 = 750_000;
/// Twice the time that a registration and a window take.
const LASTS: Duration = Duration::from_secs(70);

/// A grant for the worker's messages that does not end.
pub(super) const ENOUGH: Granted = Granted {
    limit: Limit::PerPeriod(ENOUGH_UALLO),
    lasts: None,
    messages: &[REGISTER, PAYLOAD],
};

/// The worker waits without an allowance, with one that does not name its message and with one that
/// is too low, and goes on with the next one. The granter pays all fees.
pub(super) fn granter(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let topic = scene.topic();
    let address = scene.hands[0].address.clone();
    let (chain, url) = (scene.chain, scene.chain.url());
    let before = scene.rest.balance(&url, &address).map_err(text)?;
    let grant = |has_one, granted| chain.grant(&address, has_one, granted).map_err(text);
    start(scene, 0, topic)?;
    scene.wait_for_line(0, &format!("grants {address} no fees"))?;
    let for_registrations = Granted {
        messages: &[REGISTER],
        ..ENOUGH
    };
    grant(false, for_registrations)?;
    scene.wait_for_line(0, "registered in block")?;
    scene.wait_for_line(0, "does not name /emissions.")?;
    let too_little = Granted {
        limit: Limit::PerPeriod(LITTLE_UALLO),
        ..ENOUGH
    };
    grant(true, too_little)?;
    scene.wait_for_line(0, "does not pay")?;
    grant(true, ENOUGH)?;
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

/// The grant expires after a window. The chain removes it at the end of the block that is later.
pub(super) fn expires(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let address = scene.hands[0].address.clone();
    let granted = Granted {
        lasts: Some(LASTS),
        ..ENOUGH
    };
    let says = format!("grants {address} no fees; type: allorad tx feegrant grant ");
    ends(scene, granted, &says, false)
}

/// The grant's limit, which no period renews, is spent after a few windows.
pub(super) fn is_spent(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let price = scene.rest.gas_price(&scene.chain.url()).map_err(text)?;
    let granted = Granted {
        limit: Limit::Whole(SOME_GAS * u128::from(price)),
        ..ENOUGH
    };
    let says = "ALLO are left; for a higher limit, type: allorad tx feegrant revoke ";
    ends(scene, granted, says, true)
}

/// A grant ends after at least one window. The worker says what to type, and goes on after it.
fn ends(scene: &mut Scene<'_>, granted: Granted, says: &str, stays: bool) -> Result<(), Failed> {
    let topic = scene.topic();
    let address = scene.hands[0].address.clone();
    scene.chain.grant(&address, false, granted).map_err(text)?;
    start(scene, 0, topic)?;
    scene.wait_for_line(0, "registered in block")?;
    scene.serve(0, &[topic], 1)?;
    scene.wait_for_line(0, says)?;
    scene.chain.grant(&address, stays, ENOUGH).map_err(text)?;
    scene.wait_for_line(0, "over: ")?;
    scene.serve(0, &[topic], 1)
}

/// Starts a wallet's worker whose fees the chain's granter pays.
pub(super) fn start(scene: &mut Scene<'_>, hand: usize, topic: u64) -> Result<(), Failed> {
    let settings = json!({"fee_granter": scene.chain.granter()});
    scene.start_with(hand, &[scene.plain(topic)], settings)
}
