//! A transaction, decoded as strictly as by the chain (protocol.md section 1).

use k256::ecdsa::signature::Verifier as _;
use k256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::chain::bech32;
use crate::chain::bytes;
use crate::chain::envelope::{
    AT_FIELDS, any_message, any_pubkey, mode_info, raw_parts, raw_signatures,
};
use crate::chain::error::TxError;
use crate::chain::message::{self, Api, Message};
use crate::chain::wire::{self, Reader, Value};

const MODE_DIRECT: u64 = 1;

#[derive(Clone, Debug)]
pub struct Tx {
    /// SHA-256 of the bytes, in upper-case hexadecimal.
    pub hash: String,
    pub size_bytes: usize,
    /// The messages with their type URLs.
    pub messages: Vec<(String, Message)>,
    pub memo: String,
    /// The last block that may include the transaction; 0 for no limit.
    pub timeout_height: u64,
    /// The signer of every message.
    pub signer: String,
    /// Compressed, 33 bytes; `None` if the account supplies it.
    pub pubkey: Option<Vec<u8>>,
    /// The sequence that the signer used.
    pub sequence: u64,
    /// The offered coins: denomination and amount.
    pub fee: Vec<(String, u128)>,
    pub gas_limit: u64,
    /// The account whose allowance pays the fee.
    pub granter: Option<String>,
    /// The signature over the sign document.
    pub signature: Vec<u8>,
    body_bytes: Vec<u8>,
    auth_info_bytes: Vec<u8>,
}

#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    bytes::hex_upper(&Sha256::digest(bytes))
}

impl Tx {
    /// Decodes a transaction for a chain that serves `api`.
    ///
    /// # Errors
    /// `sdk` 2 for invalid bytes, `sdk` 6 for a message without a handler, and the chain's error
    /// for an invalid sender address.
    pub fn decode(raw: &[u8], api: Api) -> Result<Tx, TxError> {
        let [body_bytes, auth_info_bytes] = raw_parts(raw)?;
        let signature = raw_signatures(raw)?;
        let mut tx = Tx {
            hash: hash(raw),
            size_bytes: raw.len(),
            messages: Vec::new(),
            memo: String::new(),
            timeout_height: 0,
            signer: String::new(),
            pubkey: None,
            sequence: 0,
            fee: Vec::new(),
            gas_limit: 0,
            granter: None,
            signature,
            body_bytes: body_bytes.to_vec(),
            auth_info_bytes: auth_info_bytes.to_vec(),
        };
        tx.read_body(body_bytes, api)?;
        tx.read_auth_info(auth_info_bytes)
            .map_err(|e| TxError::decode(e).at(AT_FIELDS))?;
        tx.signer = tx.single_signer()?;
        Ok(tx)
    }

    fn read_body(&mut self, bytes: &[u8], api: Api) -> Result<(), TxError> {
        let malformed = |e: String| TxError::decode(e).at(AT_FIELDS);
        let mut reader = Reader::new("cosmos.tx.v1beta1.TxBody", bytes).map_err(malformed)?;
        let mut unknown = None;
        while let Some(field) = reader.next() {
            match field {
                (1, Value::Bytes(b)) => match any_message(b, api) {
                    // The chain looks for a handler only after it has decoded everything.
                    Err(error) if error.code == 6 => unknown = Some(error),
                    found => self.messages.push(found?),
                },
                (2, Value::Bytes(b)) => self.memo = wire::text(b).map_err(malformed)?,
                (3, Value::Varint(v)) => self.timeout_height = v,
                (number, value) => return Err(malformed(reader.unknown(number, value))),
            }
        }
        match unknown {
            Some(error) => Err(error),
            None if self.messages.is_empty() => Err(TxError::sdk(
                18,
                "must contain at least one message: invalid request",
            )),
            None => Ok(()),
        }
    }

    fn read_auth_info(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new("cosmos.tx.v1beta1.AuthInfo", bytes)?;
        let mut signers = 0;
        while let Some(field) = reader.next() {
            match field {
                (1, Value::Bytes(b)) => {
                    signers += 1;
                    self.read_signer_info(b)?;
                }
                (2, Value::Bytes(b)) => self.read_fee(b)?,
                (number, value) => return Err(reader.unknown(number, value)),
            }
        }
        if signers != 1 {
            return Err(format!("expected 1 signer info, got {signers}"));
        }
        Ok(())
    }

    fn read_signer_info(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new("cosmos.tx.v1beta1.SignerInfo", bytes)?;
        let mut mode = 0;
        while let Some(field) = reader.next() {
            match field {
                (1, Value::Bytes(b)) => self.pubkey = Some(any_pubkey(b)?),
                (2, Value::Bytes(b)) => mode = mode_info(b)?,
                (3, Value::Varint(v)) => self.sequence = v,
                (number, value) => return Err(reader.unknown(number, value)),
            }
        }
        if mode != MODE_DIRECT {
            return Err(format!("sign mode {mode} is not SIGN_MODE_DIRECT"));
        }
        Ok(())
    }

    fn read_fee(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new("cosmos.tx.v1beta1.Fee", bytes)?;
        while let Some(field) = reader.next() {
            match field {
                (1, Value::Bytes(b)) => self.fee.push(message::coin(b)?),
                (2, Value::Varint(v)) => self.gas_limit = v,
                (4, Value::Bytes(b)) => {
                    let granter = wire::text(b)?;
                    bech32::decode(&granter)?;
                    self.granter = Some(granter);
                }
                // Workers do not use another payer.
                (3, _) => return Err("fee field 3 is not simulated".to_owned()),
                (number, value) => return Err(reader.unknown(number, value)),
            }
        }
        Ok(())
    }

    /// The account that pays the fee.
    #[must_use]
    pub fn payer(&self) -> &str {
        self.granter.as_deref().unwrap_or(&self.signer)
    }

    fn single_signer(&self) -> Result<String, TxError> {
        let first = self.messages[0].1.sender().to_owned();
        for (_, message) in &self.messages {
            bech32::decode(message.sender()).map_err(TxError::undefined)?;
            if message.sender() != first {
                let text = "invalid number of signers;  expected: 2, got 1";
                return Err(TxError::sdk(8, format!("{text}: invalid pubkey")));
            }
        }
        Ok(first)
    }

    /// Whether the signature is valid for this key, chain and account.
    #[must_use]
    pub fn is_signed_by(&self, pubkey: &[u8], chain_id: &str, account_number: u64) -> bool {
        verify(
            pubkey,
            &self.sign_doc(chain_id, account_number),
            &self.signature,
        )
    }

    /// The bytes that are signed: the `SignDoc` of SIGN_MODE_DIRECT.
    #[must_use]
    pub fn sign_doc(&self, chain_id: &str, account_number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, 1, &self.body_bytes);
        wire::put_bytes(&mut out, 2, &self.auth_info_bytes);
        wire::put_bytes(&mut out, 3, chain_id.as_bytes());
        wire::put_u64(&mut out, 4, account_number);
        out
    }
}

/// Verifies an ECDSA signature over the SHA-256 of `bytes`. Like the chain, it accepts only 64
/// bytes in the low-S form.
#[must_use]
pub fn verify(pubkey: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (
        VerifyingKey::from_sec1_bytes(pubkey),
        Signature::from_slice(signature),
    ) else {
        return false;
    };
    signature.normalize_s().is_none() && key.verify(bytes, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> Vec<serde_json::Value> {
        crate::vectors::read("signed-tx")
    }

    fn api_of(vector: &serde_json::Value) -> Api {
        if vector["api"] == "v9" {
            Api::V9
        } else {
            Api::V10
        }
    }

    #[test]
    fn vectors_signed_tx_decode_and_verify() {
        let all = vectors();
        assert!(all.len() >= 60);
        for vector in &all {
            let raw = bytes::unhex(vector["tx_bytes_hex"].as_str().unwrap()).unwrap();
            let tx = Tx::decode(&raw, api_of(vector)).unwrap();
            assert_eq!(vector["txhash"], tx.hash);
            assert_eq!(vector["address"], tx.signer);
            assert_eq!(vector["sequence"], tx.sequence);
            let key = tx.pubkey.clone().unwrap();
            assert_eq!(bech32::address_of_key(&key), tx.signer);
            let chain_id = vector["chain_id"].as_str().unwrap();
            let number = vector["account_number"].as_u64().unwrap();
            let doc = tx.sign_doc(chain_id, number);
            assert_eq!(vector["sign_doc_sha256"], bytes::hex(&Sha256::digest(&doc)));
            assert!(tx.is_signed_by(&key, chain_id, number));
            assert!(!tx.is_signed_by(&key, chain_id, number + 1));
            let Message::Insert(insert) = &tx.messages[0].1 else {
                continue;
            };
            let bundle = insert.bundle.as_ref().unwrap();
            let signed = bundle.content.as_ref().unwrap().encode();
            assert_eq!(vector["bundle_hex"], bytes::hex(&signed));
            assert!(verify(&key, &signed, &bundle.signature));
        }
    }

    #[test]
    fn a_truncated_or_altered_transaction_is_rejected() {
        let vector = &vectors()[0];
        let raw = bytes::unhex(vector["tx_bytes_hex"].as_str().unwrap()).unwrap();
        for length in 1..raw.len() {
            let tx = Tx::decode(&raw[..length], api_of(vector));
            assert!(tx.is_err(), "cut after {length} bytes");
        }
        let mut more = raw.clone();
        more.extend([0x22, 1, 0]);
        let error = Tx::decode(&more, api_of(vector)).unwrap_err();
        assert_eq!(error.code, 2);
        assert!(error.text.starts_with("errUnknownField"), "{error}");
    }

    #[test]
    fn a_high_s_signature_is_rejected() {
        let vector = &vectors()[0];
        let raw = bytes::unhex(vector["tx_bytes_hex"].as_str().unwrap()).unwrap();
        let tx = Tx::decode(&raw, api_of(vector)).unwrap();
        let key = tx.pubkey.clone().unwrap();
        let doc = tx.sign_doc(
            "allora-testnet-1",
            vector["account_number"].as_u64().unwrap(),
        );
        let low = Signature::from_slice(&tx.signature).unwrap();
        let (r, s) = low.split_scalars();
        let high = Signature::from_scalars(r.to_bytes(), (-*s.as_ref()).to_bytes()).unwrap();
        assert!(verify(&key, &doc, &tx.signature));
        assert!(!verify(&key, &doc, &high.to_bytes()));
    }
}
