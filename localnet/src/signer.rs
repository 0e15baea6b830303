//! A worker's key and transactions, made independently of the worker's code, for tests and for the
//! comparison with released nodes.

use crate::chain::bech32;
use crate::chain::bytes;
use crate::chain::message::Api;
use crate::chain::wire;
use bip32::XPrv;
use bip39::Mnemonic;
use k256::ecdsa::signature::Signer as _;
use k256::ecdsa::{Signature, SigningKey};
use std::io;

/// Where the key of an account is derived from a seed phrase.
const PATH: &str = "m/44'/118'/0'/0/0";

pub struct Wallet {
    key: SigningKey,
    pub address: String,
}

/// What a transaction consists of, apart from its message.
#[derive(Clone)]
pub struct Terms {
    pub api: Api,
    pub chain_id: String,
    pub account_number: u64,
    pub sequence: u64,
    pub gas_limit: u64,
    pub fee_uallo: u128,
    pub timeout_height: u64,
    pub memo: String,
    /// Empty for none.
    pub granter: String,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            api: Api::V10,
            chain_id: "localnet".to_owned(),
            account_number: 1,
            sequence: 0,
            gas_limit: 200_000,
            fee_uallo: 2_000_000,
            timeout_height: 0,
            memo: String::new(),
            granter: String::new(),
        }
    }
}

impl Terms {
    pub fn at(sequence: u64) -> Terms {
        Terms {
            sequence,
            ..Terms::default()
        }
    }
}

fn message(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    fill(&mut out);
    out
}

/// A name and a value, as labelled values and elements of forecasts have them.
fn pair((name, value): &(&str, &str)) -> Vec<u8> {
    message(|out| {
        wire::put_bytes(out, 1, name.as_bytes());
        wire::put_always(out, 2, value.as_bytes());
    })
}

fn coin(amount_uallo: u128) -> Vec<u8> {
    message(|out| {
        wire::put_bytes(out, 1, b"uallo");
        wire::put_bytes(out, 2, amount_uallo.to_string().as_bytes());
    })
}

impl Wallet {
    /// The wallet whose key has this byte 32 times.
    ///
    /// # Errors
    /// If that is no key: with 0 and 255.
    pub fn new(seed: u8) -> Result<Wallet, k256::ecdsa::Error> {
        SigningKey::from_slice(&[seed; 32]).map(Wallet::of_key)
    }

    /// The wallet of a seed phrase.
    ///
    /// # Errors
    /// If the phrase is not valid.
    pub fn of_phrase(phrase: &str) -> io::Result<Wallet> {
        let mnemonic = Mnemonic::parse_normalized(phrase).map_err(io::Error::other)?;
        let path = PATH.parse().map_err(io::Error::other)?;
        let seed = mnemonic.to_seed_normalized("");
        let key = XPrv::derive_from_path(seed, &path).map_err(io::Error::other)?;
        Ok(Wallet::of_key(key.private_key().clone()))
    }

    fn of_key(key: SigningKey) -> Wallet {
        let address = bech32::address_of_key(&key.verifying_key().to_sec1_bytes());
        Wallet { key, address }
    }

    fn public(&self) -> Vec<u8> {
        self.key.verifying_key().to_sec1_bytes().to_vec()
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(bytes);
        signature
            .normalize_s()
            .unwrap_or(signature)
            .to_bytes()
            .to_vec()
    }

    /// A registration with a topic.
    pub fn register(&self, topic: u64, terms: &Terms) -> Vec<u8> {
        let body = message(|out| {
            wire::put_bytes(out, 1, self.address.as_bytes());
            wire::put_u64(out, 4, topic);
            wire::put_bytes(out, 5, self.address.as_bytes());
        });
        self.tx("RegisterRequest", &body, terms)
    }

    /// A transfer of the bank module.
    pub fn send(&self, to: &str, amount_uallo: u128, terms: &Terms) -> Vec<u8> {
        let body = message(|out| {
            wire::put_bytes(out, 1, self.address.as_bytes());
            wire::put_bytes(out, 2, to.as_bytes());
            wire::put_always(out, 3, &coin(amount_uallo));
        });
        self.signed("/cosmos.bank.v1beta1.MsgSend", &body, terms)
    }

    /// A payload with one number, in exactly this spelling.
    pub fn payload(&self, topic: u64, nonce: u64, value: &str, terms: &Terms) -> Vec<u8> {
        let fields = message(|out| wire::put_always(out, 4, value.as_bytes()));
        self.content(topic, nonce, 1, &fields, terms)
    }

    /// A payload with labelled numbers.
    pub fn labelled(
        &self,
        topic: u64,
        nonce: u64,
        values: &[(&str, &str)],
        terms: &Terms,
    ) -> Vec<u8> {
        let fields = message(|out| {
            wire::put_always(out, 4, b"0");
            for value in values {
                wire::put_always(out, 7, &pair(value));
            }
        });
        self.content(topic, nonce, 1, &fields, terms)
    }

    /// A payload with a forecast of these workers' losses, and no inference.
    pub fn forecast(
        &self,
        topic: u64,
        nonce: u64,
        elements: &[(&str, &str)],
        terms: &Terms,
    ) -> Vec<u8> {
        let fields = message(|out| {
            for element in elements {
                wire::put_always(out, 4, &pair(element));
            }
        });
        self.content(topic, nonce, 2, &fields, terms)
    }

    /// A payload with an inference (1) or a forecast (2), whose own fields are given.
    fn content(&self, topic: u64, nonce: u64, field: u64, fields: &[u8], terms: &Terms) -> Vec<u8> {
        let mut part = message(|out| {
            wire::put_u64(out, 1, topic);
            wire::put_u64(out, 2, nonce);
            wire::put_bytes(out, 3, self.address.as_bytes());
        });
        part.extend(fields);
        let content = message(|out| wire::put_always(out, field, &part));
        let signature = self.sign(&content);
        let nonce = message(|out| wire::put_u64(out, 1, nonce));
        let bundle = message(|out| {
            wire::put_bytes(out, 1, self.address.as_bytes());
            wire::put_always(out, 2, &nonce);
            wire::put_u64(out, 3, topic);
            wire::put_always(out, 4, &content);
            wire::put_bytes(out, 5, &signature);
            wire::put_bytes(out, 6, bytes::hex(&self.public()).as_bytes());
        });
        let body = message(|out| {
            wire::put_bytes(out, 1, self.address.as_bytes());
            wire::put_always(out, 2, &bundle);
        });
        self.tx("InsertWorkerPayloadRequest", &body, terms)
    }

    fn tx(&self, name: &str, body: &[u8], terms: &Terms) -> Vec<u8> {
        self.signed(
            &format!("/emissions.{}.{name}", terms.api.name()),
            body,
            terms,
        )
    }

    fn signed(&self, url: &str, body: &[u8], terms: &Terms) -> Vec<u8> {
        let any = |url: &str, value: &[u8]| {
            message(|out| {
                wire::put_bytes(out, 1, url.as_bytes());
                wire::put_bytes(out, 2, value);
            })
        };
        let body = message(|out| {
            wire::put_always(out, 1, &any(url, body));
            wire::put_bytes(out, 2, terms.memo.as_bytes());
            wire::put_u64(out, 3, terms.timeout_height);
        });
        let key = message(|out| wire::put_bytes(out, 1, &self.public()));
        let direct = message(|out| wire::put_u64(out, 1, 1));
        let signer = message(|out| {
            wire::put_always(out, 1, &any("/cosmos.crypto.secp256k1.PubKey", &key));
            wire::put_always(out, 2, &message(|out| wire::put_always(out, 1, &direct)));
            wire::put_u64(out, 3, terms.sequence);
        });
        let fee = message(|out| {
            wire::put_always(out, 1, &coin(terms.fee_uallo));
            wire::put_u64(out, 2, terms.gas_limit);
            wire::put_bytes(out, 4, terms.granter.as_bytes());
        });
        let auth = message(|out| {
            wire::put_always(out, 1, &signer);
            wire::put_always(out, 2, &fee);
        });
        let doc = message(|out| {
            wire::put_bytes(out, 1, &body);
            wire::put_bytes(out, 2, &auth);
            wire::put_bytes(out, 3, terms.chain_id.as_bytes());
            wire::put_u64(out, 4, terms.account_number);
        });
        let signature = self.sign(&doc);
        message(|out| {
            wire::put_always(out, 1, &body);
            wire::put_always(out, 2, &auth);
            wire::put_always(out, 3, &signature);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_phrase_gives_the_address_that_other_wallets_show() {
        let phrase = "test test test test test test test test test test test junk";
        let wallet = Wallet::of_phrase(phrase).unwrap();
        assert_eq!(
            wallet.address,
            "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8"
        );
        assert!(Wallet::of_phrase("test test junk").is_err());
    }
}
