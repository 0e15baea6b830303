//! `allora-worker check`: would the worker work, and if not, what is to be done?
//!
//! `gather` asks everybody once, and sends nothing that could be included in a block; [`judge`]
//! makes findings of the facts, without asking anybody; [`render`] prints them. The requests are
//! those of the worker itself, through its own client, so that what is well here is well there.

use std::path::Path;

use crate::config::{ConfigError, Loaded};
use crate::sign::wallet::{Wallet, WalletError};

pub mod facts;
pub mod finding;
mod gather;
pub mod health;
pub mod judge;
mod parallel;
pub mod render;

use finding::{Finding, Report};

/// Checks a configuration that could be read; `path` is where it was read from.
///
/// # Errors
/// The seed phrase leads to no key.
pub fn check(path: &Path, loaded: Loaded) -> Result<Report, WalletError> {
    let wallet = Wallet::new(&loaded.seed_phrase)?;
    let facts = gather::gather(path, loaded, &wallet);
    Ok(Report(judge::judge(&facts)))
}

/// The report on a configuration that the worker would not start with.
#[must_use]
pub fn of_refused(error: &ConfigError) -> Report {
    let texts = match error {
        ConfigError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    };
    let finding = |text| {
        let advice = "mend it, then check again; the worker does not start before";
        Finding::fail("configuration", "configuration", text, advice)
    };
    Report(texts.into_iter().map(finding).collect())
}
