//! Transactions: one message, signed in SIGN_MODE_DIRECT, as the bytes that are broadcast.
//!
//! The same input always gives the same bytes and so the same hash: the chain answers a second
//! sending of them for nothing, which makes signed bytes the unit of retry.

use cosmrs::Any;
use cosmrs::proto::cosmos::base::v1beta1::Coin;
use cosmrs::proto::cosmos::crypto::secp256k1::PubKey;
use cosmrs::proto::cosmos::tx::signing::v1beta1::SignMode;
use cosmrs::proto::cosmos::tx::v1beta1::{
    AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw, mode_info,
};
use cosmrs::tendermint::crypto::{Sha256 as _, default::Sha256};
use prost::Message as _;

use crate::sign::messages::{self, Worker};
use crate::sign::wallet::Wallet;
use crate::values::payload::Payload;
use crate::values::units::{
    AccountNumber, ApiVersion, Gas, Height, Nonce, Sequence, TopicId, TxHash, Uallo,
};

/// The one coin that fees are paid in; a fee is exactly one coin (protocol.md section 6).
pub const FEE_DENOM: &str = "uallo";

/// The memo of every transaction.
pub const MEMO: &str = concat!("allora-worker/", env!("CARGO_PKG_VERSION"));
/// The gas limit that a simulation carries; its size in bytes is that of a real one.
pub const GAS_FOR_SIMULATION: Gas = Gas(300_000);
/// The fee that a simulation carries; it is not checked there (protocol.md section 3.5).
pub const FEE_FOR_SIMULATION: Uallo = Uallo(3_000_000);

const PUBLIC_KEY_TYPE_URL: &str = "/cosmos.crypto.secp256k1.PubKey";

/// What a transaction does; the sender is always the wallet's account.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Submits a payload for a nonce.
    Payload {
        /// The topic.
        topic: TopicId,
        /// The window's nonce.
        nonce: Nonce,
        /// What is submitted.
        payload: &'a Payload,
    },
    /// Registers the account as a worker of a topic.
    Register {
        /// The topic.
        topic: TopicId,
    },
}

/// What stands around the message.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The chain's id, part of the signature.
    pub chain_id: &'a str,
    /// The account's number, part of the signature.
    pub account_number: AccountNumber,
    /// The account's sequence that this transaction takes.
    pub sequence: Sequence,
    /// The gas that it may use.
    pub gas_limit: Gas,
    /// The fee, all of which the chain keeps.
    pub fee: Uallo,
    /// The last block that may include it; 0 sets no limit.
    pub timeout_height: Height,
    /// A note for people, at most 256 characters.
    pub memo: &'a str,
}

/// The hash of a transaction's bytes as they are broadcast.
#[must_use]
pub fn hash(bytes: &[u8]) -> TxHash {
    TxHash(Sha256::digest(bytes))
}

/// A transaction that is ready to be broadcast, and to be broadcast again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    /// The encoded `TxRaw`.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub hash: TxHash,
}

/// Signs a message: its bundle if it has one, then the whole transaction.
#[must_use]
pub fn sign(
    wallet: &Wallet,
    api: ApiVersion,
    message: &Message<'_>,
    envelope: &Envelope<'_>,
) -> SignedTx {
    let body_bytes = body_bytes(wallet, api, message, envelope);
    let auth_info_bytes = auth_info_bytes(wallet, envelope);
    let document = SignDoc {
        body_bytes: body_bytes.clone(),
        auth_info_bytes: auth_info_bytes.clone(),
        chain_id: envelope.chain_id.to_owned(),
        account_number: envelope.account_number.0,
    };
    let signature = wallet.sign(&document.encode_to_vec());
    let bytes = raw_bytes(body_bytes, auth_info_bytes, signature);
    SignedTx {
        hash: hash(&bytes),
        bytes,
    }
}

/// The transaction for a simulation: of the size that [`sign`] gives, so that gas which depends
/// on the size is the same, but with 64 zeros for a signature, so that nothing that could be
/// broadcast leaves the process. The bundle's own signature is right: simulating verifies it.
#[must_use]
pub fn for_simulation(
    wallet: &Wallet,
    api: ApiVersion,
    message: &Message<'_>,
    envelope: &Envelope<'_>,
) -> Vec<u8> {
    let body_bytes = body_bytes(wallet, api, message, envelope);
    raw_bytes(body_bytes, auth_info_bytes(wallet, envelope), [0; 64])
}

fn body_bytes(
    wallet: &Wallet,
    api: ApiVersion,
    message: &Message<'_>,
    envelope: &Envelope<'_>,
) -> Vec<u8> {
    let body = TxBody {
        messages: vec![any(wallet, api, message)],
        memo: envelope.memo.to_owned(),
        timeout_height: envelope.timeout_height.0,
        ..TxBody::default()
    };
    body.encode_to_vec()
}

fn any(wallet: &Wallet, api: ApiVersion, message: &Message<'_>) -> Any {
    let address = wallet.address();
    match *message {
        Message::Payload {
            topic,
            nonce,
            payload,
        } => {
            let bundle = messages::bundle_bytes(address, topic, nonce, payload);
            let signature = wallet.sign(&bundle);
            let worker = Worker {
                address,
                public_key: wallet.public_key(),
            };
            messages::insert_worker_payload(api, worker, topic, nonce, payload, signature)
        }
        Message::Register { topic } => messages::register(api, address, topic),
    }
}

fn auth_info_bytes(wallet: &Wallet, envelope: &Envelope<'_>) -> Vec<u8> {
    let public_key = PubKey {
        key: wallet.public_key().to_vec(),
    };
    let single = mode_info::Single {
        mode: SignMode::Direct.into(),
    };
    let signer = SignerInfo {
        public_key: Some(Any {
            type_url: PUBLIC_KEY_TYPE_URL.to_owned(),
            value: public_key.encode_to_vec(),
        }),
        mode_info: Some(ModeInfo {
            sum: Some(mode_info::Sum::Single(single)),
        }),
        sequence: envelope.sequence.0,
    };
    let coin = Coin {
        denom: FEE_DENOM.to_owned(),
        amount: envelope.fee.to_string(),
    };
    let fee = Fee {
        amount: vec![coin],
        gas_limit: envelope.gas_limit.0,
        ..Fee::default()
    };
    let auth_info = AuthInfo {
        signer_infos: vec![signer],
        fee: Some(fee),
        ..AuthInfo::default()
    };
    auth_info.encode_to_vec()
}

fn raw_bytes(body_bytes: Vec<u8>, auth_info_bytes: Vec<u8>, signature: [u8; 64]) -> Vec<u8> {
    TxRaw {
        body_bytes,
        auth_info_bytes,
        signatures: vec![signature.to_vec()],
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::seed_phrase::SeedPhrase;
    use crate::values::decimal::Decimal;

    fn wallet() -> Wallet {
        let words = "test test test test test test test test test test test junk";
        Wallet::new(&SeedPhrase::parse(words).unwrap()).unwrap()
    }

    const ENVELOPE: Envelope<'_> = Envelope {
        chain_id: "localnet",
        account_number: AccountNumber(7),
        sequence: Sequence(3),
        gas_limit: Gas(200_000),
        fee: Uallo(2_000_000),
        timeout_height: Height(99),
        memo: "allora-worker/test",
    };

    #[test]
    fn a_simulation_differs_from_the_transaction_in_the_signature_only() {
        let wallet = wallet();
        let payload = Payload::from_value(Decimal::parse("1").unwrap());
        let message = Message::Payload {
            topic: TopicId(1),
            nonce: Nonce(9),
            payload: &payload,
        };
        let signed = sign(&wallet, ApiVersion::V10, &message, &ENVELOPE).bytes;
        let simulated = for_simulation(&wallet, ApiVersion::V10, &message, &ENVELOPE);
        assert_eq!(simulated.len(), signed.len());
        let (head, signature) = simulated.split_at(simulated.len() - 64);
        assert_eq!(signature, [0; 64]);
        assert_eq!(head, &signed[..head.len()]);
    }

    #[test]
    fn signing_again_gives_the_same_transaction() {
        let wallet = wallet();
        let message = Message::Register { topic: TopicId(1) };
        let once = sign(&wallet, ApiVersion::V9, &message, &ENVELOPE);
        assert_eq!(sign(&wallet, ApiVersion::V9, &message, &ENVELOPE), once);
        let next = Envelope {
            sequence: ENVELOPE.sequence.next(),
            ..ENVELOPE
        };
        assert_ne!(
            sign(&wallet, ApiVersion::V9, &message, &next).hash,
            once.hash
        );
    }

    #[test]
    fn a_hash_is_printed_as_the_chain_prints_it() {
        assert_eq!(
            hash(b"").to_string(),
            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
        );
    }
}
