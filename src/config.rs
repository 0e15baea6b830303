//! The configuration file: what it says is turned into what the program uses, once, at start.
//!
//! The file is that of the Python worker, unchanged, so its users can keep theirs. It is read by
//! hand rather than through derived types, because all its problems are told at once, each with
//! its path, and because it may hold the seed phrase: no text of it is ever repeated, and the
//! buffers that it passes through are wiped. [`Config`] itself holds no secret but what a URL
//! carries, which it does not print; the seed phrase comes out beside it.

mod error;
mod guards;
mod json;
mod model;
mod read;
mod section;
mod topics;
mod warning;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::error::ConfigError;
pub use self::model::{Header, MODEL_TIME_MAX, MODEL_URLS_MAX, ModelConfig};
use self::read::Reading;
use self::section::Findings;
pub use self::section::Problem;
pub use self::warning::Warning;
pub use crate::http::url::{Url, UrlError};
use crate::logging;
use crate::model::guard::Guards;
pub use crate::model::template::{BodyTemplate, Question, UrlTemplate};
use crate::sign::secret_file::read_secret;
use crate::sign::seed_phrase::{self, PhraseSettings, PhraseSource, SeedPhrase};
use crate::text::with_causes;
use crate::values::fee::GasFactor;
use crate::values::units::{TopicId, Uallo};

/// Largest configuration file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The most topics that one worker serves.
pub const TOPICS_MAX: usize = 1_000;
/// The most endpoints that one worker knows.
pub const API_URLS_MAX: usize = 16;
/// Mode bits that let other users read a file.
const OTHERS_READ_MODE: u32 = 0o044;
/// Where the file is looked for when no place is given, in this order.
pub const SEARCH_PATHS: [&str; 2] = ["./config.json", "/etc/allora-worker/config.json"];

/// What the program uses: checked, complete, free of the seed phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `debug`: every request in the log. Off by default.
    pub debug: bool,
    /// `gas_adjustment`, 1.5 by default; what is in effect is 1.25 at least.
    pub gas_factor: GasFactor,
    /// `max_fee_uallo`: no transaction may cost more. None by default.
    pub max_fee: Option<Uallo>,
    /// `api_params.api_url`: the chain's nodes, the first one preferred; at least one, all
    /// different, without a slash at the end.
    pub api_urls: Vec<Url>,
    /// `api_params.tx_check_retries`: how often settlement is asked for before a warning;
    /// 1 to 1,000, 10 by default.
    pub tx_check_retries: u32,
    /// `api_params.tx_check_freq`: the time between two such questions; 3 s by default.
    pub tx_check_freq: Duration,
    /// `metrics_listen`: where metrics and health are asked for; nowhere by default.
    pub metrics_listen: Option<SocketAddr>,
    /// `log_format`, `log_dir`, `log_bytes_max`, `log_files_kept`.
    pub log: logging::LogSettings,
    /// `topics`: at least one, all different.
    pub topics: Vec<TopicConfig>,
}

/// One topic to be served. Its times are between a millisecond and a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// `topic_id`, from 1.
    pub topic: TopicId,
    /// `inference_url` and what belongs to it: where the model answers. There is this, or a
    /// forecast, or both.
    pub inference: Option<ModelConfig>,
    /// `forecast_url` and what belongs to it: where the model forecasts.
    pub forecast: Option<ModelConfig>,
    /// `min`, `max`, `max_change`, `max_age`, `time_pointer`, `on_guard`.
    pub guards: Guards,
    /// `nonce_fetch_freq`: the time between two polls of the window; 5 s by default.
    pub nonce_fetch_freq: Duration,
    /// `inference_fetch_retries`: quick retries of the model; 1 to 1,000, 5 by default.
    pub inference_fetch_retries: u32,
    /// `inference_fetch_retry_freq`: the time between two of them; 3 s by default.
    pub inference_fetch_retry_freq: Duration,
}

/// All that a start needs.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The wallet's words; to be dropped as soon as the wallet is made.
    pub seed_phrase: SeedPhrase,
    /// Where the words were found.
    pub seed_phrase_origin: PhraseSource,
    /// What the log and `check` report about it.
    pub warnings: Vec<Warning>,
}

/// The first of these files that is there.
///
/// # Errors
/// [`ConfigError::NotFound`], with the places.
pub fn find(paths: &[PathBuf]) -> Result<PathBuf, ConfigError> {
    // A file that is there but can't be looked at is taken: reading it tells why.
    let is_absent = |path: &Path| {
        path.metadata()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let found = paths.iter().find(|path| !is_absent(path));
    found.cloned().ok_or_else(|| ConfigError::NotFound {
        looked: paths.to_vec(),
    })
}

impl Config {
    /// Reads the file, and the seed phrase from where it says or from the service manager's
    /// folder of credentials (`$CREDENTIALS_DIRECTORY`), if there is one.
    ///
    /// # Errors
    /// No file, no JSON, or every problem of the file and the seed phrase at once.
    pub fn load(path: &Path, credentials_directory: Option<&Path>) -> Result<Loaded, ConfigError> {
        let (reading, seed_phrase) = read(path, credentials_directory)?;
        let Findings { problems, warnings } = reading.findings;
        match (reading.config, seed_phrase) {
            (Some(config), Some((seed_phrase, seed_phrase_origin))) if problems.is_empty() => {
                Ok(Loaded {
                    config,
                    seed_phrase,
                    seed_phrase_origin,
                    warnings,
                })
            }
            _ => Err(ConfigError::Invalid {
                path: path.to_owned(),
                problems,
            }),
        }
    }

    /// Reads the seed phrase alone: who asks for an address may not have filled in the rest yet.
    ///
    /// # Errors
    /// No file, no JSON, or what is wrong with the seed phrase.
    pub fn load_seed_phrase(
        path: &Path,
        credentials_directory: Option<&Path>,
    ) -> Result<SeedPhrase, ConfigError> {
        let (reading, seed_phrase) = read(path, credentials_directory)?;
        let problems = reading.findings.problems.into_iter();
        seed_phrase
            .map(|(phrase, _)| phrase)
            .ok_or_else(|| ConfigError::Invalid {
                path: path.to_owned(),
                problems: problems.filter(is_about_seed_phrase).collect(),
            })
    }
}

/// The file and the seed phrase, with all that is wrong with both among the findings.
fn read(
    path: &Path,
    credentials_directory: Option<&Path>,
) -> Result<(Reading, Option<(SeedPhrase, PhraseSource)>), ConfigError> {
    let (text, mode) = read_secret(path, FILE_BYTES_MAX).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::NotFound {
            looked: vec![path.to_owned()],
        },
        _ => ConfigError::Read {
            path: path.to_owned(),
            source,
        },
    })?;
    let mut reading = Reading::of(&text, path)?;
    let settings = PhraseSettings {
        file: reading
            .seed_phrase_file
            .take()
            .map(|file| beside(path, &file)),
        words: reading.seed_phrase.take(),
    };
    let seed_phrase = load_seed_phrase(credentials_directory, &settings, &mut reading.findings);
    if let (Some(_), Some((_, origin))) = (&settings.words, &seed_phrase) {
        let warnings = unsafe_words(path, mode, origin);
        reading.findings.warnings.extend(warnings);
    }
    Ok((reading, seed_phrase))
}

/// What is doubtful about a seed phrase that stands in the configuration file: another one is in
/// use, or other users can read it.
fn unsafe_words(path: &Path, mode: u32, origin: &PhraseSource) -> impl Iterator<Item = Warning> {
    let key = PhraseSource::Config.key();
    let unused = (*origin != PhraseSource::Config).then(|| Warning::Unused {
        key: key.to_owned(),
        origin: origin.clone(),
    });
    let open = (mode & OTHERS_READ_MODE != 0).then(|| Warning::OpenToOthers {
        key: key.to_owned(),
        path: path.to_owned(),
        mode,
    });
    unused.into_iter().chain(open)
}

fn is_about_seed_phrase(problem: &Problem) -> bool {
    problem.path.starts_with("seed_phrase")
}

/// A relative path in the file is meant from the file's own folder.
fn beside(config_path: &Path, file: &Path) -> PathBuf {
    config_path.parent().unwrap_or(Path::new("")).join(file)
}

fn load_seed_phrase(
    credentials_directory: Option<&Path>,
    settings: &PhraseSettings,
    findings: &mut Findings,
) -> Option<(SeedPhrase, PhraseSource)> {
    match seed_phrase::load(credentials_directory, settings) {
        Ok(found) => Some(found),
        Err(error) => {
            // A problem with the setting itself has been told, and says more than its absence.
            if !findings.problems.iter().any(is_about_seed_phrase) {
                findings.problem(error.key().to_owned(), with_causes(&error));
            }
            None
        }
    }
}

#[cfg(test)]
mod tests;
