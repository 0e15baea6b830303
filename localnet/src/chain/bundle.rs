//! Validates a payload's bundle without any state (protocol.md section 4.1, step 3).

use crate::chain::bech32;
use crate::chain::bytes;
use crate::chain::error::TxError;
use crate::chain::message::{Api, Bundle, Forecast, Inference, WorkerBundle};
use crate::chain::tx;

const AT_SIGNATURE: &str =
    "allora-network/allora-chain@v0.17.0/x/emissions/types/validations.go:462";
/// Length of a compressed public key.
const KEY_BYTES: usize = 33;

/// The content of a valid bundle.
#[derive(Clone, Copy, Debug)]
pub struct Valid<'a> {
    /// The nonce, above 0.
    pub nonce: u64,
    /// What the worker signed.
    pub content: &'a Bundle,
}

/// Validates a bundle at block `height`.
///
/// # Errors
/// `sdk` 4, 7, 18 or 29, with the text of the chain's version.
pub fn validate<'a>(
    bundle: Option<&'a WorkerBundle>,
    api: Api,
    height: u64,
) -> Result<Valid<'a>, TxError> {
    check(bundle).map_err(|error| match api {
        Api::V9 => error
            .wrap("failed to validate worker data bundle")
            .wrap(format!("Worker bad data format for block: {height}")),
        Api::V10 => error.wrap("Error validating worker data bundle"),
    })
}

fn invalid_request(text: &str) -> TxError {
    TxError::sdk(18, format!("{text}: invalid request"))
}

fn invalid_type(text: &str) -> TxError {
    TxError::sdk(29, format!("{text}: invalid type"))
}

fn unauthorized(text: &str) -> TxError {
    TxError::sdk(4, format!("{text}: unauthorized")).at(AT_SIGNATURE)
}

fn check(bundle: Option<&WorkerBundle>) -> Result<Valid<'_>, TxError> {
    let bundle = bundle.ok_or_else(|| invalid_request("worker data bundle cannot be nil"))?;
    let nonce = bundle
        .nonce
        .ok_or_else(|| invalid_request("nonce cannot be nil"))?;
    let height = u64::try_from(nonce).ok().filter(|&n| n > 0);
    let height = height.ok_or_else(|| invalid_type("nonce block height must be positive"))?;
    if bundle.worker.is_empty() || bundle.pubkey.is_empty() || bundle.signature.is_empty() {
        return Err(invalid_request(
            "worker, pubkey and signature cannot be empty",
        ));
    }
    let key = bytes::unhex(&bundle.pubkey)
        .filter(|key| key.len() == KEY_BYTES)
        .ok_or_else(|| invalid_request("pubkey must be 33 bytes in hexadecimal"))?;
    let content = bundle
        .content
        .as_ref()
        .filter(|c| c.inference.is_some() || c.forecast.is_some());
    let content = content.ok_or_else(|| invalid_request("inference and forecast are both nil"))?;
    let owner = bech32::address_of_key(&key);
    if let Some(inference) = &content.inference {
        check_inference(inference, bundle, nonce, &owner)?;
    }
    if let Some(forecast) = &content.forecast {
        check_forecast(forecast, bundle, nonce, &owner)?;
    }
    if !tx::verify(&key, &content.encode(), &bundle.signature) {
        return Err(unauthorized("signature verification failed"));
    }
    Ok(Valid {
        nonce: height,
        content,
    })
}

/// Checks worker, topic and nonce of an inference or a forecast.
fn check_part(
    (topic_id, block_height, address): (u64, i64, &str),
    bundle: &WorkerBundle,
    nonce: i64,
    owner: &str,
) -> Result<(), TxError> {
    if topic_id == 0 {
        return Err(invalid_type("topic id must be positive"));
    }
    if let Err(why) = bech32::decode(address) {
        return Err(TxError::sdk(7, format!("{why}: invalid address")));
    }
    if block_height < 0 {
        return Err(invalid_type("block height cannot be negative"));
    }
    if address != owner {
        return Err(unauthorized("address does not belong to the pubkey"));
    }
    if address != bundle.worker {
        return Err(unauthorized(
            "worker is another address than the inferer or forecaster",
        ));
    }
    if topic_id != bundle.topic_id {
        return Err(invalid_request("topic id differs from the bundle's"));
    }
    if block_height != nonce {
        return Err(invalid_request("block height differs from the nonce"));
    }
    Ok(())
}

fn check_inference(
    inference: &Inference,
    bundle: &WorkerBundle,
    nonce: i64,
    owner: &str,
) -> Result<(), TxError> {
    let part = (
        inference.topic_id,
        inference.block_height,
        inference.inferer.as_str(),
    );
    check_part(part, bundle, nonce, owner)
}

fn check_forecast(
    forecast: &Forecast,
    bundle: &WorkerBundle,
    nonce: i64,
    owner: &str,
) -> Result<(), TxError> {
    let part = (
        forecast.topic_id,
        forecast.block_height,
        forecast.forecaster.as_str(),
    );
    check_part(part, bundle, nonce, owner)?;
    if forecast.elements.is_empty() {
        return Err(invalid_request("forecast must have at least one element"));
    }
    for (inferer, _) in &forecast.elements {
        if let Err(why) = bech32::decode(inferer) {
            return Err(TxError::sdk(7, format!("{why}: invalid address")));
        }
    }
    Ok(())
}
