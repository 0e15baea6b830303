//! The configuration file: its settings are read and checked once, at the start.
//!
//! The format is that of the Python worker, so that its users can keep their files. The file is
//! read by hand rather than through derived types, because all its problems are reported at once,
//! each with its path, and because it may hold the seed phrase: no text of it is ever repeated, and
//! the buffers that it passes through are wiped. [`Config`] holds no secret except in URLs, headers
//! and bodies, which are not printed; the seed phrase is returned beside it.

mod error;
mod global;
mod headers;
mod inference;
mod json;
mod keys;
mod network;
mod section;
mod standby;
mod topics;
mod warning;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use self::error::ConfigError;
pub use self::global::{Config, OneAccount};
use self::global::{FileContent, read_file, read_metrics_listen};
pub use self::section::Problem;
use self::section::{Findings, Setting, beside};
pub use self::topics::{TOPICS_MAX, TopicConfig};
pub use self::warning::Warning;
use crate::sign::secret_file::read_secret;
use crate::sign::seed_phrase::SeedPhrase;
use crate::sign::wallet_source::{self, SecretSettings, SecretSource, WalletSecret};
use crate::text::with_causes;

/// Largest configuration file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Where the file is searched if the command line names none, in this order.
pub const SEARCH_PATHS: [&str; 2] = ["./config.json", "/etc/allora-worker/config.json"];
/// Mode bits that let other users read a file.
const OTHERS_READ_MODE: u32 = 0o044;

/// All that a start needs.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// To be dropped as soon as the wallet is made.
    pub secret: WalletSecret,
    pub secret_origin: SecretSource,
    /// That of `fee_seed_phrase_file`, the account that sends and pays.
    pub fee_seed_phrase: Option<SeedPhrase>,
    pub warnings: Vec<Warning>,
}

/// The first of these files that exists.
///
/// # Errors
/// [`ConfigError::NotFound`].
pub fn find(paths: &[PathBuf]) -> Result<PathBuf, ConfigError> {
    // why: reading a file that can't be accessed reports the reason
    let exists = |path: &&PathBuf| path.try_exists().unwrap_or(true);
    let found = paths.iter().find(exists);
    found.cloned().ok_or_else(|| ConfigError::NotFound {
        looked: paths.to_vec(),
    })
}

impl Config {
    /// Reads the file, and the seed phrase or the private key from where the file says or from the service manager's
    /// folder of credentials (`$CREDENTIALS_DIRECTORY`).
    ///
    /// # Errors
    /// No file, invalid JSON, or all problems of the file and the seed phrase.
    pub fn load(path: &Path, credentials_directory: Option<&Path>) -> Result<Loaded, ConfigError> {
        let findings = Findings::default();
        let read = read(path, credentials_directory, &findings)?;
        let (problems, warnings) = findings.into_parts();
        let path = path.to_owned();
        match read {
            Read {
                config: Some(config),
                secret: Some((secret, secret_origin)),
                fee_seed_phrase,
            } if problems.is_empty() => Ok(Loaded {
                config,
                secret,
                secret_origin,
                fee_seed_phrase,
                warnings,
            }),
            _ => Err(ConfigError::Invalid { path, problems }),
        }
    }

    /// Reads `metrics_listen` alone, for commands that ask the running worker: the other settings may
    /// need files and variables that only the worker has.
    ///
    /// # Errors
    /// No file, invalid JSON, or the problem of this setting.
    pub fn load_metrics_listen(
        path: &Path,
        _: Option<&Path>,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        let findings = Findings::default();
        let tree = json::read(&read_text(path)?.0, path, &findings)?;
        let root = Setting::root(&tree.0, &findings);
        let key = "metrics_listen";
        let listen = root.section(|root| read_metrics_listen(&root.key(key)));
        let (mut problems, _) = findings.into_parts();
        problems.retain(|problem| problem.path == key);
        let path = path.to_owned();
        if problems.is_empty() {
            Ok(listen.flatten())
        } else {
            Err(ConfigError::Invalid { path, problems })
        }
    }

    /// Reads the wallet's secret with a file whose other settings may not be filled in yet.
    ///
    /// # Errors
    /// No file, invalid JSON, or the problems of the secret.
    pub fn load_secret(
        path: &Path,
        credentials_directory: Option<&Path>,
    ) -> Result<WalletSecret, ConfigError> {
        let findings = Findings::default();
        let secret = read(path, credentials_directory, &findings)?.secret;
        let (mut problems, _) = findings.into_parts();
        problems.retain(Problem::is_about_secret);
        let path = path.to_owned();
        match secret {
            Some((secret, _)) if problems.is_empty() => Ok(secret),
            _ => Err(ConfigError::Invalid { path, problems }),
        }
    }
}

/// The problems of a text as a configuration, without those of the wallet's secret.
pub fn problems(text: &str, path: &Path) -> Vec<String> {
    let findings = Findings::default();
    if let Err(error) = parse(text, path, &findings) {
        return vec![error.to_string()];
    }
    let (problems, _) = findings.into_parts();
    problems.iter().map(ToString::to_string).collect()
}

/// What a configuration file leads to.
struct Read {
    /// Incomplete if there are problems.
    config: Option<Config>,
    secret: Option<(WalletSecret, SecretSource)>,
    fee_seed_phrase: Option<SeedPhrase>,
}

fn read(
    path: &Path,
    credentials_directory: Option<&Path>,
    findings: &Findings,
) -> Result<Read, ConfigError> {
    let (text, mode) = read_text(path)?;
    let content = parse(&text, path, findings)?;
    let settings = SecretSettings {
        phrase_file: content.seed_phrase_file.map(|file| beside(path, &file)),
        key_file: content.private_key_file.map(|file| beside(path, &file)),
        words: content.seed_phrase,
    };
    // why: with `map_err` and `ok`, a rest of the phrase on the stack was copied to the heap
    let secret = match wallet_source::load(credentials_directory, &settings) {
        Ok(found) => Some(found),
        Err(error) => {
            findings.secret_problem(error.key(), with_causes(&error));
            None
        }
    };
    if let (Some(_), Some((_, origin))) = (&settings.words, &secret) {
        warn_of_words(path, mode, origin, findings);
    } else if let Some(key) = content.written_key {
        warn_if_open(key, path, mode, findings);
    }
    let fee_seed_phrase = content.fee_seed_phrase_file.and_then(|file| {
        let loaded = wallet_source::load_fee_phrase(credentials_directory, &beside(path, &file));
        let problem = |error| findings.problem("fee_seed_phrase_file", with_causes(&error));
        loaded.map_err(problem).ok()
    });
    Ok(Read {
        config: content.config,
        secret,
        fee_seed_phrase,
    })
}

/// The file's text, which is wiped when it is dropped, and its mode.
fn read_text(path: &Path) -> Result<(Zeroizing<String>, u32), ConfigError> {
    read_secret(path, FILE_BYTES_MAX).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::NotFound {
            looked: vec![path.to_owned()],
        },
        _ => ConfigError::Read {
            path: path.to_owned(),
            source,
        },
    })
}

fn parse(text: &str, path: &Path, findings: &Findings) -> Result<FileContent, ConfigError> {
    let tree = json::read(text, path, findings)?;
    json::report_secrets(&tree.0, "", findings);
    let root = Setting::root(&tree.0, findings);
    let content = root.section(|root| read_file(root, path));
    Ok(FileContent {
        written_key: json::written_key(&tree.0, ""),
        ..content.unwrap_or_default()
    })
}

/// Warns if a seed phrase in the configuration file is unused, or readable for other users.
fn warn_of_words(path: &Path, mode: u32, origin: &SecretSource, findings: &Findings) {
    let key = SecretSource::Config.key().to_owned();
    if *origin != SecretSource::Config {
        findings.warning(Warning::Unused {
            key: key.clone(),
            origin: origin.clone(),
        });
    }
    warn_if_open(key, path, mode, findings);
}

/// Warns if other users can read the file with the secret of this setting.
fn warn_if_open(key: String, path: &Path, mode: u32, findings: &Findings) {
    if mode & OTHERS_READ_MODE != 0 {
        findings.warning(Warning::OpenToOthers {
            key,
            path: path.to_owned(),
            mode,
        });
    }
}

#[cfg(test)]
pub(crate) use self::tests::sample;

#[cfg(test)]
mod tests;
