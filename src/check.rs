//! `allora-worker check`: a dry run that tests configuration, wallet, endpoints, topics and models.
//!
//! `gather` asks (the only I/O; nothing it sends can be included in a block), [`facts`] are the
//! typed answers, [`judge`] turns them into findings without any I/O, and [`render`] prints those.
//! The requests go through the worker's own client, so that a result here holds for the worker.

use std::path::Path;

use crate::config::{ConfigError, Loaded};
use crate::sign::signers::Signers;
use crate::sign::wallet::WalletError;

pub mod facts;
pub mod finding;
mod gather;
pub mod judge;
mod parallel;
pub mod render;

use finding::{Finding, Report};

/// Checks a configuration that could be read from `path`.
///
/// # Errors
/// No key can be derived from the seed phrase.
pub fn check(path: &Path, loaded: Loaded) -> Result<Report, WalletError> {
    let signers = Signers::of(&loaded.secret, loaded.fee_seed_phrase.as_ref())?;
    let (worker, fees) = (signers.worker().address(), signers.fee_account());
    if let Err(error) = loaded.config.check_accounts(worker, fees) {
        return Ok(of_problems(vec![error.to_string()]));
    }
    let gathered = gather::gather(path, loaded, &signers);
    Ok(Report(judge::judge(&gathered)))
}

/// The report on a configuration that the worker would not start with.
pub fn of_refused(error: &ConfigError) -> Report {
    let texts = match error {
        ConfigError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect(),
        other => other
            .to_string()
            .lines()
            .take(1)
            .map(str::to_owned)
            .collect(),
    };
    of_problems(texts)
}

/// The report on a configuration that has these problems.
fn of_problems(texts: Vec<String>) -> Report {
    let finding = |text| {
        let advice = "fix it, then check again; the worker does not start until then";
        Finding::new("configuration", "configuration", text).fail(advice)
    };
    Report(texts.into_iter().map(finding).collect())
}
