//! The routes of the answers that were recorded from nodes and that the worker's decoders are tested
//! with (`tests/fixtures/lcd.jsonl`): they are asked again, for the wallets that take part.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use crate::chain::message::Api;

const RECORDED: &str = include_str!("../../../../tests/fixtures/lcd.jsonl");
/// The worker of the recordings. All other addresses in them are of accounts without a registration.
const WORKER: &str = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";
const ADDRESS: &str = "allo1";
/// Transactions are each chain's own, and what a node says about itself is not simulated. The latest
/// block is asked for when it has no transaction.
const OWN: [&str; 3] = [
    "/cosmos/tx/v1beta1/txs/",
    "/cosmos/base/tendermint/v1beta1/node_info",
    "/cosmos/base/tendermint/v1beta1/blocks/latest",
];

/// The requests with GET to a version: each path once, with a worker, an account that is not
/// registered, and a nonce in place of the recorded ones, and the recorded path, which names it.
pub(super) fn paths(
    api: Api,
    worker: &str,
    poor: &str,
    nonce: u64,
) -> io::Result<BTreeMap<String, String>> {
    let version = format!("/{}/", api.name());
    let mut all = BTreeMap::new();
    for line in RECORDED.lines() {
        let recorded: Value = serde_json::from_str(line)?;
        let path = recorded["path"].as_str().unwrap_or_default();
        let is_own = OWN.iter().any(|own| path.starts_with(own));
        let is_other = path.starts_with("/emissions/") && !path.contains(&version);
        if recorded["method"] == "GET" && !is_own && !is_other {
            all.insert(substituted(path, worker, poor, nonce), path.to_owned());
        }
    }
    Ok(all)
}

fn substituted(path: &str, worker: &str, poor: &str, nonce: u64) -> String {
    let path = path.replace(WORKER, worker);
    let mut parts: Vec<String> = path
        .split_inclusive(['/', '?', '='])
        .map(str::to_owned)
        .collect();
    let is_nonce = path.contains("/inferences/");
    if let Some(last) = parts.last_mut().filter(|_| is_nonce) {
        *last = nonce.to_string();
    }
    for part in &mut parts {
        let address = part.trim_end_matches('/');
        // A valid address has 43 characters; the invalid ones are asked as they are.
        if address.starts_with(ADDRESS) && address != worker && is_valid(address) {
            *part = part.replace(address, poor);
        }
    }
    parts.concat()
}

fn is_valid(address: &str) -> bool {
    crate::chain::bech32::decode(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_paths_are_asked_for_the_own_wallets() {
        let all = paths(Api::V10, "W", "P", 7).unwrap();
        for path in [
            "/emissions/v10/worker_submission_window_status/1?address=W",
            "/emissions/v10/topics/1/workers/P/latest_input_inference",
            "/emissions/v10/inferences/1/7",
            "/cosmos/auth/v1beta1/account_info/W",
            "/cosmos/base/tendermint/v1beta1/syncing",
        ] {
            assert!(all.contains_key(path), "{path} is not in {all:?}");
        }
        let is_own = |path: &String| path.contains("v9") || path.contains("/txs/");
        assert!(!all.keys().any(is_own), "{all:?}");
    }
}
