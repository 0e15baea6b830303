//! The accounts behind a transaction: the worker, whose key signs payloads, and the sender, which
//! signs the transaction and pays for it. They are one account unless the configuration names another
//! one for the fees: the chain looks up registration and whitelist for the worker only (protocol.md
//! section 4.1).

use crate::sign::seed_phrase::SeedPhrase;
use crate::sign::wallet::{Wallet, WalletError};
use crate::sign::wallet_source::WalletSecret;

/// The keys of a worker; they move into the broadcaster's thread.
#[derive(Debug)]
pub struct Signers {
    worker: Wallet,
    fees: Option<Wallet>,
}

impl Signers {
    /// A worker that pays its fees itself, or has `fees` pay them.
    ///
    /// # Errors
    /// A phrase or a key that no wallet can use.
    pub fn of(worker: &WalletSecret, fees: Option<&SeedPhrase>) -> Result<Signers, WalletError> {
        let fees = fees.map(Wallet::new).transpose()?;
        Ok(Signers::new(Wallet::of(worker)?, fees))
    }

    /// The same of keys.
    pub fn new(worker: Wallet, fees: Option<Wallet>) -> Signers {
        Signers { worker, fees }
    }

    pub fn worker(&self) -> &Wallet {
        &self.worker
    }

    /// The address of the account that sends and pays, if it is not the worker's own.
    pub fn fee_account(&self) -> Option<&str> {
        self.fees.as_ref().map(Wallet::address)
    }

    /// The account whose sequence a transaction uses.
    pub fn sender(&self) -> &Wallet {
        self.fees.as_ref().unwrap_or(&self.worker)
    }
}

impl From<Wallet> for Signers {
    fn from(worker: Wallet) -> Signers {
        Signers::new(worker, None)
    }
}
