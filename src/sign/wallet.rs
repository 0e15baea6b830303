//! The key that signs: derived from the seed phrase or read as it is, used, wiped.
//!
//! There is one wallet, it cannot be cloned, and nothing gives the key out: it moves into the
//! broadcaster's thread. The key has a heap allocation of its own, so moving the wallet copies only
//! a pointer, and its type wipes itself when dropped. Deriving it and signing leave copies on the
//! stack, which is overwritten afterwards.

use std::fmt;

use cosmrs::AccountId;
use cosmrs::bip32::{DerivationPath, XPrv};
use cosmrs::crypto::PublicKey;
use cosmrs::crypto::secp256k1::SigningKey;
use cosmrs::proto::cosmos::tx::v1beta1::SignerInfo;

use crate::sign::private_key::PrivateKey;
use crate::sign::seed_phrase::{SeedPhrase, wipe_stack};
use crate::sign::wallet_source::WalletSecret;
use crate::values::units::Sequence;

/// The prefix of every address on the chain (protocol.md section 0).
pub const ADDRESS_PREFIX: &str = "allo";

/// Where the account's key is derived: the first account of a Cosmos wallet.
const DERIVATION_PATH: &str = "m/44'/118'/0'/0/0";

/// A key with its address. `Debug` shows the address only.
pub struct Wallet {
    key: SigningKey,
    public_key: PublicKey,
    address: String,
}

/// Why a secret makes no wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Happens about once in 2^127 times; no wallet can use such a phrase.
    #[error("the seed phrase leads to no key at {DERIVATION_PATH}; use another seed phrase")]
    Phrase,
    /// Zero, or not below the order of the curve.
    #[error(
        "private_key_file: the curve secp256k1 has no such key; copy the key again, or use another"
    )]
    Key,
}

/// Whether a text is an address on the chain, spelled as the chain spells it.
pub fn is_address(text: &str) -> bool {
    let id = text.parse::<AccountId>();
    id.is_ok_and(|id| id.prefix() == ADDRESS_PREFIX && id.as_ref() == text)
}

impl Wallet {
    /// Derives the first account's key.
    ///
    /// # Errors
    /// Only for phrases that no wallet can use.
    pub fn new(phrase: &SeedPhrase) -> Result<Wallet, WalletError> {
        let wallet = Wallet::derive(phrase);
        wipe_stack();
        wallet.ok_or(WalletError::Phrase)
    }

    /// The wallet of this key.
    ///
    /// # Errors
    /// The curve does not have the key.
    pub fn of_key(key: &PrivateKey) -> Result<Wallet, WalletError> {
        let wallet = Wallet::take(key);
        wipe_stack();
        wallet.ok_or(WalletError::Key)
    }

    /// The wallet of this seed phrase or key.
    ///
    /// # Errors
    /// It makes no wallet.
    pub fn of(secret: &WalletSecret) -> Result<Wallet, WalletError> {
        match secret {
            WalletSecret::Phrase(phrase) => Wallet::new(phrase),
            WalletSecret::Key(key) => Wallet::of_key(key),
        }
    }

    #[inline(never)] // why: its stack is wiped once it has returned
    fn take(key: &PrivateKey) -> Option<Wallet> {
        Wallet::with_key(SigningKey::from_slice(key.bytes()).ok()?)
    }

    #[inline(never)] // why: its stack is wiped once it has returned
    fn derive(phrase: &SeedPhrase) -> Option<Wallet> {
        let path: DerivationPath = DERIVATION_PATH.parse().ok()?;
        let seed = phrase.to_seed();
        let extended = XPrv::derive_from_path(seed.as_slice(), &path).ok()?;
        Wallet::with_key(SigningKey::from(&extended))
    }

    fn with_key(key: SigningKey) -> Option<Wallet> {
        let public_key = key.public_key();
        let address = public_key.account_id(ADDRESS_PREFIX).ok()?.to_string();
        Some(Wallet {
            key,
            public_key,
            address,
        })
    }

    /// The account's address, `allo1…`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The public key, compressed to 33 bytes.
    pub fn public_key(&self) -> Vec<u8> {
        self.public_key.to_bytes()
    }

    /// The signer's part of a transaction, for SIGN_MODE_DIRECT.
    pub(super) fn signer_info(&self, sequence: Sequence) -> SignerInfo {
        cosmrs::tx::SignerInfo::single_direct(Some(self.public_key), sequence.0).into()
    }

    /// Signs the SHA-256 of `bytes` with ECDSA over secp256k1: R then S, each 32 bytes big
    /// endian, S low as the chain demands. Deterministic (RFC 6979): the same bytes always have
    /// the same signature, so a transaction that is built again is the same transaction.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let signature = self.signature(bytes);
        wipe_stack();
        signature
    }

    #[inline(never)] // why: its stack is wiped once it has returned
    fn signature(&self, bytes: &[u8]) -> [u8; 64] {
        #[expect(clippy::expect_used, reason = "R or S would have to be 0: 1 in 2^255")]
        let signature = self.key.sign(bytes).expect("a signature");
        signature.to_bytes().into()
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cosmrs::tendermint::crypto::default::ecdsa_secp256k1;
    use zeroize::ZeroizeOnDrop;

    fn wallet() -> Wallet {
        let words = "test test test test test test test test test test test junk";
        Wallet::new(&SeedPhrase::parse(words).unwrap()).unwrap()
    }

    #[test]
    fn the_address_is_the_first_cosmos_account() {
        assert_eq!(
            wallet().address(),
            "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8"
        );
    }

    #[test]
    fn a_private_key_has_the_wallet_of_its_phrase() {
        let words = "test test test test test test test test test test test junk";
        let seed = SeedPhrase::parse(words).unwrap().to_seed();
        let path: DerivationPath = DERIVATION_PATH.parse().unwrap();
        let key = XPrv::derive_from_path(seed.as_slice(), &path)
            .unwrap()
            .to_bytes();
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = PrivateKey::parse(&digits).unwrap();
        let of_key = Wallet::of(&WalletSecret::Key(key)).unwrap();
        assert_eq!(of_key.address(), wallet().address());
        assert_eq!(of_key.sign(b"a"), wallet().sign(b"a"));
        for none in ["0".repeat(64), "f".repeat(64)] {
            let key = PrivateKey::parse(&none).unwrap();
            assert_eq!(Wallet::of_key(&key).unwrap_err(), WalletError::Key);
        }
    }

    #[test]
    fn printing_a_wallet_shows_its_address_only() {
        let wallet = wallet();
        assert_eq!(
            format!("{wallet:?}"),
            format!("Wallet({})", wallet.address())
        );
    }

    #[test]
    fn the_key_wipes_itself_and_may_move_to_a_thread() {
        fn wiped<T: ZeroizeOnDrop>() {}
        fn moves<T: Send>() {}
        wiped::<ecdsa_secp256k1::SigningKey>();
        moves::<Wallet>();
    }

    #[test]
    fn signing_twice_gives_the_same_low_signature() {
        let wallet = wallet();
        for message in [b"a".as_slice(), b"", b"another"] {
            let signature = wallet.sign(message);
            assert_eq!(signature, wallet.sign(message));
            let parsed = ecdsa_secp256k1::Signature::from_slice(&signature).unwrap();
            assert!(parsed.normalize_s().is_none(), "S must be low");
        }
    }
}
