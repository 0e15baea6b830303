//! What a worker signed, decoded from the bytes that nodes received.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::chain::message::Api;
use crate::chain::state::{Account, DENOM};
use crate::chain::tx::Tx;
use crate::play::lies::ACCOUNT_NUMBERS;
use crate::play::trace::Received;

/// A signed transaction, when a node first received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) hash: String,
    pub(super) at: Duration,
    /// The chain's height then.
    pub(super) height: u64,
    pub(super) fee_uallo: u128,
    pub(super) sequence: u64,
    pub(super) timeout_height: u64,
    /// Topic and nonce of the payload, if there is one.
    pub(super) payload: Option<(u64, u64)>,
    /// Whether the signature is for the chain, with the account's number or one that was claimed.
    pub(super) is_for_chain: bool,
}

/// All transactions that a worker signed, once each, in the order of their arrival.
pub(super) fn signed(
    received: &[Received],
    chain_id: &str,
    account: &Account,
) -> Result<Vec<Signed>, String> {
    let mut found: BTreeMap<String, Signed> = BTreeMap::new();
    for received in received {
        let raw = &received.raw;
        let tx = Tx::decode(raw, Api::V10).or_else(|_| Tx::decode(raw, Api::V9));
        let tx = tx.map_err(|error| format!("a transaction that cannot be decoded: {error:?}"))?;
        // A simulation needs no signature.
        if tx.signature.iter().all(|byte| *byte == 0) {
            continue;
        }
        let key = tx.pubkey.clone().or_else(|| account.pubkey.clone());
        let key = key.unwrap_or_default();
        let mut numbers = ACCOUNT_NUMBERS.iter().chain([&account.number]);
        let fees = tx.fee.iter().filter(|(denom, _)| denom == DENOM);
        let signed = Signed {
            hash: tx.hash.clone(),
            at: received.at,
            height: received.height,
            fee_uallo: fees.map(|(_, amount)| amount).sum(),
            sequence: tx.sequence,
            timeout_height: tx.timeout_height,
            payload: tx.messages.iter().find_map(|(_, message)| {
                let (topic, nonce, _) = message.payload_key()?;
                Some((topic, nonce))
            }),
            is_for_chain: numbers.any(|number| tx.is_signed_by(&key, chain_id, *number)),
        };
        found.entry(tx.hash).or_insert(signed);
    }
    let mut all: Vec<Signed> = found.into_values().collect();
    all.sort_by_key(|signed| signed.at);
    Ok(all)
}

/// What all these transactions can cost at most: of those with the same sequence, a chain includes
/// only one.
pub(super) fn cost_uallo(signed: &[Signed]) -> u128 {
    let mut fees: BTreeMap<u64, u128> = BTreeMap::new();
    for tx in signed {
        let fee = fees.entry(tx.sequence).or_default();
        *fee = tx.fee_uallo.max(*fee);
    }
    fees.values().fold(0, |sum, fee| sum.saturating_add(*fee))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::bytes;

    #[test]
    fn the_chain_of_a_signature_and_its_cost_are_found() {
        let vectors = crate::vectors::read("signed-tx");
        let vector = vectors
            .iter()
            .find(|vector| vector["api"] == "v10")
            .unwrap();
        let raw = bytes::unhex(vector["tx_bytes_hex"].as_str().unwrap()).unwrap();
        let at = Duration::from_secs(1);
        let received = |node| Received {
            at: at * (1 + u32::try_from(node).unwrap()),
            node,
            height: 100,
            raw: raw.clone(),
        };
        let account = Account {
            number: vector["account_number"].as_u64().unwrap(),
            ..Account::default()
        };
        let of_chain = |id: &str| signed(&[received(1), received(0)], id, &account).unwrap();
        let here = of_chain(vector["chain_id"].as_str().unwrap());
        assert_eq!(here.len(), 1, "the same bytes at two nodes");
        assert!(here[0].is_for_chain && here[0].fee_uallo > 0);
        assert!(!of_chain("localnet")[0].is_for_chain);
        let mut others = vec![here[0].clone(); 3];
        others[1].fee_uallo += 5;
        others[2].sequence += 1;
        assert_eq!(cost_uallo(&others), 2 * here[0].fee_uallo + 5);
        let junk = Received {
            raw: vec![1, 2, 3],
            ..received(0)
        };
        assert!(signed(&[junk], "localnet", &account).is_err());
    }
}
