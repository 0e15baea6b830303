//! Transactions that no worker sends: with a worker's key from outside of it, and to fill a mempool.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::rest::{Rest, number};
use super::test_chain::{CHAIN_ID, TestChain};
use crate::chain::bytes;
use crate::signer::{Terms, Wallet};

/// Enough gas for each of these transactions.
const GAS: u64 = 400_000;
/// Twice the lowest price of a node.
const PRICE_UALLO: u128 = 20;
/// A registration in this topic fails in its block.
const NO_TOPIC: u64 = 999_999;
/// How often what fills a mempool looks for room.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A wallet's next transaction, by the sequence that blocks have.
pub(super) fn next_terms(rest: &Rest, chain: &dyn TestChain, address: &str) -> io::Result<Terms> {
    let path = format!("/cosmos/auth/v1beta1/account_info/{address}");
    let (answer, _) = rest.get(&format!("{}{path}", chain.url()))?;
    Ok(Terms {
        api: chain.api(),
        chain_id: CHAIN_ID.to_owned(),
        account_number: number(&answer["info"]["account_number"])?,
        gas_limit: GAS,
        fee_uallo: u128::from(GAS) * PRICE_UALLO,
        ..Terms::at(number(&answer["info"]["sequence"])?)
    })
}

/// The body of a broadcast.
pub(super) fn broadcast_body(raw: &[u8]) -> Value {
    json!({"tx_bytes": bytes::base64(raw), "mode": "BROADCAST_MODE_SYNC"})
}

pub(super) fn broadcast_url(chain: &dyn TestChain) -> String {
    format!("{}/cosmos/tx/v1beta1/txs", chain.url())
}

/// Broadcasts a transaction; returns its code and hash.
pub(super) fn broadcast(
    rest: &Rest,
    chain: &dyn TestChain,
    raw: &[u8],
) -> io::Result<(u64, String)> {
    let answer = rest.post(
        &broadcast_url(chain),
        broadcast_body(raw).to_string().as_bytes(),
    )?;
    let answer: Value = serde_json::from_slice(&answer.body)?;
    let response = &answer["tx_response"];
    let code = response["code"].as_u64();
    let code = code.ok_or_else(|| io::Error::other(format!("a broadcast gives {answer}")))?;
    let hash = response["txhash"].as_str().unwrap_or_default();
    Ok((code, hash.to_owned()))
}

/// Keeps a mempool full until it is not `wanted` any more; `is_full` tells when it is. The wallet
/// must have funds.
pub(super) fn fill(
    chain: &dyn TestChain,
    wallet: &Wallet,
    wanted: &AtomicBool,
    is_full: &AtomicBool,
) -> io::Result<()> {
    let rest = Rest::new();
    let mut terms = next_terms(&rest, chain, &wallet.address)?;
    while wanted.load(Ordering::Relaxed) {
        match broadcast(&rest, chain, &wallet.register(NO_TOPIC, &terms))? {
            (0, _) => terms.sequence += 1,
            (20, _) => {
                is_full.store(true, Ordering::Relaxed);
                thread::sleep(LOOK_EVERY);
            }
            (32, _) => terms = next_terms(&rest, chain, &wallet.address)?,
            (code, _) => {
                let text = format!("what fills the mempool is refused with code {code}");
                return Err(io::Error::other(text));
            }
        }
    }
    Ok(())
}
