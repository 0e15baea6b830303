//! Transactions: one message, signed in SIGN_MODE_DIRECT, as the bytes that are broadcast.
//!
//! The same input always gives the same bytes and so the same hash. If they are sent again, the
//! chain answers at no cost, which makes signed bytes the unit of retry.

use cosmrs::proto::cosmos::base::v1beta1::Coin;
use cosmrs::proto::cosmos::tx::v1beta1::{AuthInfo, Fee, SignDoc, TxBody, TxRaw};
use cosmrs::tendermint::crypto::{Sha256 as _, default::Sha256};
use prost::Message as _;

use crate::sign::messages;
use crate::sign::signers::Signers;
use crate::values::payload::Payload;
use crate::values::units::{
    AccountNumber, ApiVersion, DENOM, Gas, Height, Nonce, Sequence, TopicId, TxHash, Uallo,
};

/// The memo of every transaction.
pub const MEMO: &str = concat!("allora-worker/", env!("CARGO_PKG_VERSION"));
/// The gas limit in a simulation; its encoding is as long as that of a real one.
pub const GAS_FOR_SIMULATION: Gas = Gas(300_000);
/// The fee in a simulation, which does not check it (protocol.md section 3.5).
pub const FEE_FOR_SIMULATION: Uallo = Uallo(3_000_000);

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Submits a payload for a nonce.
    Payload {
        topic: TopicId,
        nonce: Nonce,
        payload: &'a Payload,
    },
    /// Registers the worker in a topic. Only the worker itself can send it.
    Register { topic: TopicId },
}

/// Everything of a transaction but its message.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The emissions version that the message is for.
    pub api: ApiVersion,
    /// Part of the signature, like the account number.
    pub chain_id: &'a str,
    pub account_number: AccountNumber,
    pub sequence: Sequence,
    pub gas_limit: Gas,
    /// The chain keeps all of it, used or not.
    pub fee: Uallo,
    /// The account whose allowance pays the fee; `None`: the sender.
    pub granter: Option<&'a str>,
    /// The last block that may include it; 0 sets no limit.
    pub timeout_height: Height,
    /// A note for people, at most 256 characters.
    pub memo: &'a str,
}

/// The hash of a transaction's bytes as they are broadcast.
pub fn hash(bytes: &[u8]) -> TxHash {
    TxHash(Sha256::digest(bytes))
}

/// A signed transaction, ready to be broadcast and to be broadcast again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    /// The encoded `TxRaw`.
    pub bytes: Vec<u8>,
    pub hash: TxHash,
    /// The last block that may include it.
    pub timeout_height: Height,
}

/// Signs a message: its bundle if it has one, then the whole transaction.
pub fn sign(signers: &Signers, message: &Message<'_>, envelope: &Envelope<'_>) -> SignedTx {
    let document = SignDoc {
        body_bytes: body_bytes(signers, message, envelope),
        auth_info_bytes: auth_info_bytes(signers, envelope),
        chain_id: envelope.chain_id.to_owned(),
        account_number: envelope.account_number.0,
    };
    let signature = signers.sender().sign(&document.encode_to_vec());
    let bytes = raw_bytes(document.body_bytes, document.auth_info_bytes, signature);
    SignedTx {
        hash: hash(&bytes),
        bytes,
        timeout_height: envelope.timeout_height,
    }
}

/// The transaction for a simulation: as large as the one that [`sign`] gives, because gas depends
/// on the size, but with 64 zeros for a signature, so that nothing that could be broadcast leaves
/// the process. The bundle's own signature is valid: a simulation verifies it.
pub fn for_simulation(
    signers: &Signers,
    message: &Message<'_>,
    envelope: &Envelope<'_>,
) -> Vec<u8> {
    let body_bytes = body_bytes(signers, message, envelope);
    raw_bytes(body_bytes, auth_info_bytes(signers, envelope), [0; 64])
}

fn body_bytes(signers: &Signers, message: &Message<'_>, envelope: &Envelope<'_>) -> Vec<u8> {
    let any = match *message {
        Message::Register { topic } => {
            messages::register(envelope.api, signers.worker().address(), topic)
        }
        Message::Payload {
            topic,
            nonce,
            payload,
        } => messages::insert_worker_payload(envelope.api, signers, topic, nonce, payload),
    };
    let body = TxBody {
        messages: vec![any],
        memo: envelope.memo.to_owned(),
        timeout_height: envelope.timeout_height.0,
        ..TxBody::default()
    };
    body.encode_to_vec()
}

fn auth_info_bytes(signers: &Signers, envelope: &Envelope<'_>) -> Vec<u8> {
    // A fee is exactly one coin (protocol.md section 6).
    let coin = Coin {
        denom: DENOM.to_owned(),
        amount: envelope.fee.to_string(),
    };
    let fee = Fee {
        amount: vec![coin],
        gas_limit: envelope.gas_limit.0,
        granter: envelope.granter.unwrap_or_default().to_owned(),
        ..Fee::default()
    };
    let auth_info = AuthInfo {
        signer_infos: vec![signers.sender().signer_info(envelope.sequence)],
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
    use crate::sign::wallet::Wallet;
    use crate::values::decimal::Decimal;

    fn wallet() -> Wallet {
        let words = "test test test test test test test test test test test junk";
        Wallet::new(&SeedPhrase::parse(words).unwrap()).unwrap()
    }

    const ENVELOPE: Envelope<'_> = Envelope {
        api: ApiVersion::V10,
        chain_id: "localnet",
        account_number: AccountNumber(7),
        sequence: Sequence(3),
        gas_limit: Gas(200_000),
        fee: Uallo(2_000_000),
        granter: None,
        timeout_height: Height(99),
        memo: "allora-worker/test",
    };

    #[test]
    fn a_simulation_differs_from_the_transaction_in_the_signature_only() {
        let wallet = wallet().into();
        let payload = Payload::from_value(Decimal::parse("1").unwrap());
        let message = Message::Payload {
            topic: TopicId(1),
            nonce: Nonce(9),
            payload: &payload,
        };
        let signed = sign(&wallet, &message, &ENVELOPE).bytes;
        let simulated = for_simulation(&wallet, &message, &ENVELOPE);
        assert_eq!(simulated.len(), signed.len());
        let (head, signature) = simulated.split_at(simulated.len() - 64);
        assert_eq!(signature, [0; 64]);
        assert_eq!(head, &signed[..head.len()]);
    }

    #[test]
    fn signing_again_gives_the_same_transaction() {
        let wallet = wallet().into();
        let message = Message::Register { topic: TopicId(1) };
        let once = sign(&wallet, &message, &ENVELOPE);
        assert_eq!(sign(&wallet, &message, &ENVELOPE), once);
        let next = Envelope {
            sequence: ENVELOPE.sequence.next(),
            ..ENVELOPE
        };
        assert_ne!(sign(&wallet, &message, &next).hash, once.hash);
    }

    #[test]
    fn the_granter_is_in_what_is_signed_and_in_what_is_simulated() {
        let wallet = Signers::from(wallet());
        let granter = "allo102ksu3kx57w0mrhkg37kvymmk2lgxqcan6u7yn";
        let payload = Payload::from_value(Decimal::parse("1").unwrap());
        let payload = Message::Payload {
            topic: TopicId(1),
            nonce: Nonce(9),
            payload: &payload,
        };
        let granted = Envelope {
            granter: Some(granter),
            ..ENVELOPE
        };
        for message in [Message::Register { topic: TopicId(1) }, payload] {
            let simulated = for_simulation(&wallet, &message, &granted);
            for bytes in [sign(&wallet, &message, &granted).bytes, simulated] {
                let raw = TxRaw::decode(bytes.as_slice()).unwrap();
                let info = AuthInfo::decode(raw.auth_info_bytes.as_slice()).unwrap();
                let fee = info.fee.unwrap();
                assert_eq!((fee.granter.as_str(), fee.payer.as_str()), (granter, ""));
                // Field 4 is the last one of the fee, and the fee that of the sign document.
                let field = [&[0x22, 43], granter.as_bytes()].concat();
                assert!(raw.auth_info_bytes.ends_with(&field));
            }
            let raw = TxRaw::decode(sign(&wallet, &message, &granted).bytes.as_slice()).unwrap();
            let document = SignDoc {
                body_bytes: raw.body_bytes,
                auth_info_bytes: raw.auth_info_bytes,
                chain_id: granted.chain_id.to_owned(),
                account_number: granted.account_number.0,
            };
            let covered = wallet.sender().sign(&document.encode_to_vec());
            assert_eq!(raw.signatures, [covered.to_vec()]);
        }
    }

    /// Measured on released nodes: the worker's key signs the bundle, the sender's the transaction.
    #[test]
    fn another_account_sends_and_pays_for_what_the_worker_signs() {
        let fees = SeedPhrase::from_entropy(&[7; 16]).unwrap();
        let signers = Signers::new(wallet(), Some(Wallet::new(&fees).unwrap()));
        let payload = Payload::from_value(Decimal::parse("1").unwrap());
        let message = Message::Payload {
            topic: TopicId(1),
            nonce: Nonce(9),
            payload: &payload,
        };
        let bytes = sign(&signers, &message, &ENVELOPE).bytes;
        let raw = TxRaw::decode(bytes.as_slice()).unwrap();
        let info = AuthInfo::decode(raw.auth_info_bytes.as_slice()).unwrap();
        let sender = signers.sender().signer_info(ENVELOPE.sequence);
        assert_eq!(info.signer_infos, [sender]);
        let alone = sign(&wallet().into(), &message, &ENVELOPE).bytes;
        let alone = TxRaw::decode(alone.as_slice()).unwrap();
        let [own, others] = [alone, raw].map(|raw| {
            let body = TxBody::decode(raw.body_bytes.as_slice()).unwrap();
            body.messages[0].value.clone()
        });
        // Field 1 is the sender; what follows is the bundle with the worker, its key and signature.
        let length = 2 + signers.sender().address().len();
        assert_eq!(others[2..length], *signers.sender().address().as_bytes());
        assert_eq!(others[length..], own[length..]);
        assert_ne!(others[..length], own[..length]);
    }

    #[test]
    fn a_hash_is_printed_as_the_chain_prints_it() {
        assert_eq!(
            hash(b"").to_string(),
            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
        );
    }
}
