//! The configuration file: what it says is turned into what the program uses, once, at start.
//!
//! The file is that of the Python worker, unchanged, so its users can keep theirs. It is read by
//! hand rather than through derived types, because all its problems are told at once, each with
//! its path, and because it may hold the seed phrase: no text of it is ever repeated, and the
//! buffers that it passes through are wiped. [`Config`] itself holds no secret but what a URL
//! carries, which it does not print; the seed phrase comes out beside it.

mod json;
mod url;
mod walk;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

pub use self::url::{Url, UrlError};
pub use self::walk::Problem;
use self::walk::{Findings, Section, whole, wrong_kind};
use crate::decimal::Decimal;
use crate::fee::GasFactor;
use crate::seed_phrase::{self, Origin, SeedPhrase, Settings, read_secret};
use crate::units::{TopicId, Uallo};

/// Largest configuration file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The most topics that one worker serves.
pub const TOPICS_MAX: usize = 1_000;
/// The most endpoints that one worker knows.
pub const API_URLS_MAX: usize = 16;
/// Where the file is looked for when no place is given, in this order.
pub const SEARCH_PATHS: [&str; 2] = ["./config.json", "/etc/allora-worker/config.json"];

const TX_CHECK_RETRIES: u32 = 10;
const TX_CHECK_FREQ: Duration = Duration::from_secs(3);
const NONCE_FETCH_FREQ: Duration = Duration::from_secs(5);
const INFERENCE_FETCH_RETRIES: u32 = 5;
const INFERENCE_FETCH_RETRY_FREQ: Duration = Duration::from_secs(3);

const ROOT_KEYS: &[&str] = &[
    "debug",
    "seed_phrase",
    "seed_phrase_file",
    "gas_adjustment",
    "max_fee_uallo",
    "api_params",
    "topics",
];
const API_KEYS: &[&str] = &["api_url", "tx_check_retries", "tx_check_freq"];
const TOPIC_KEYS: &[&str] = &[
    "topic_id",
    "inference_url",
    "nonce_fetch_freq",
    "inference_fetch_retries",
    "inference_fetch_retry_freq",
];

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
    /// `topics`: at least one, all different.
    pub topics: Vec<TopicConfig>,
}

/// One topic to be served. Its times are between a millisecond and a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// `topic_id`, from 1.
    pub topic: TopicId,
    /// `inference_url`: where the model answers.
    pub inference_url: Url,
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
    pub seed_phrase_origin: Origin,
    /// What the log should say, each with the path of the setting that it is about.
    pub warnings: Vec<String>,
}

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file in any of the places.
    #[error(
        "no configuration file; looked for {}. Copy the config.json of this project to one of \
         these places and fill it in, or name yours with --config FILE (`make demo` needs none)",
        places(looked)
    )]
    NotFound {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// The system does not give the file out.
    #[error("the configuration file {} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no JSON. Its text is not repeated: it may hold the seed phrase.
    #[error("{} is no JSON: {what} at line {line}, column {column}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, in bytes from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// The file says things that can't be used; here are all of them.
    #[error("{}", Invalid { path, problems })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, in the order of reading.
        problems: Vec<Problem>,
    },
}

/// A header that names the file, then one problem per line.
struct Invalid<'a> {
    path: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Invalid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.problems.len() == 1 { "" } else { "s" };
        write!(
            f,
            "{}: {} problem{plural} to mend:",
            self.path.display(),
            self.problems.len()
        )?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

fn places(looked: &[PathBuf]) -> String {
    let places: Vec<_> = looked
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    places.join(" and ")
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
        let (text, mode) =
            read_secret(path, FILE_BYTES_MAX).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => ConfigError::NotFound {
                    looked: vec![path.to_owned()],
                },
                _ => ConfigError::Read {
                    path: path.to_owned(),
                    source,
                },
            })?;
        let mut reading = Reading::of(&text, path)?;
        let settings = Settings {
            file: reading.seed_phrase_file.map(|file| beside(path, &file)),
            words: reading.seed_phrase,
            config_path: path.to_owned(),
            config_mode: mode,
        };
        let findings = &mut reading.findings;
        let seed_phrase = load_seed_phrase(credentials_directory, &settings, findings);
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
}

/// A relative path in the file is meant from the file's own folder.
fn beside(config_path: &Path, file: &Path) -> PathBuf {
    config_path.parent().unwrap_or(Path::new("")).join(file)
}

fn load_seed_phrase(
    credentials_directory: Option<&Path>,
    settings: &Settings,
    findings: &mut Findings,
) -> Option<(SeedPhrase, Origin)> {
    match seed_phrase::load(credentials_directory, settings) {
        Ok((phrase, origin, warnings)) => {
            findings.warnings.extend(warnings);
            Some((phrase, origin))
        }
        Err(error) => {
            // A problem with the setting itself has been told, and says more than its absence.
            let is_told = |problem: &Problem| problem.path.starts_with("seed_phrase");
            if !findings.problems.iter().any(is_told) {
                findings.problem(error.key().to_owned(), with_sources(&error));
            }
            None
        }
    }
}

/// An error's text with those of its sources behind it, on one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// What one pass over the file gives.
#[derive(Debug)]
struct Reading {
    /// The settings; nothing when there are problems that leave them incomplete.
    config: Option<Config>,
    seed_phrase: Option<Zeroizing<String>>,
    seed_phrase_file: Option<PathBuf>,
    findings: Findings,
}

impl Reading {
    /// `path` is for messages only.
    fn of(text: &str, path: &Path) -> Result<Reading, ConfigError> {
        let mut findings = Findings::default();
        let tree = json::read(text, &mut findings).map_err(|error| ConfigError::NotJson {
            path: path.to_owned(),
            line: error.line,
            column: error.column,
            what: error.what,
        })?;
        let root = Section::open(tree.root(), String::new(), ROOT_KEYS, &mut findings);
        let Some(root) = root else {
            return Ok(Reading {
                config: None,
                seed_phrase: None,
                seed_phrase_file: None,
                findings,
            });
        };
        let seed_phrase = root.text("seed_phrase", &mut findings);
        let seed_phrase = seed_phrase.map(|words| Zeroizing::new(words.to_owned()));
        let seed_phrase_file = root
            .text("seed_phrase_file", &mut findings)
            .map(PathBuf::from);
        let config = read_config(&root, &mut findings);
        Ok(Reading {
            config,
            seed_phrase,
            seed_phrase_file,
            findings,
        })
    }
}

fn read_config(root: &Section<'_>, findings: &mut Findings) -> Option<Config> {
    let debug = root.bool("debug", false, findings);
    let gas_factor = read_gas_factor(root, findings);
    let max_fee = read_max_fee(root, findings);

    // A missing section is an empty one: what it must hold is named then.
    let none = Value::Object(Map::new());
    let api_params = root.get("api_params").unwrap_or(&none);
    let api = Section::open(api_params, root.path("api_params"), API_KEYS, findings);
    let api = api.map(|api| {
        let urls = read_api_urls(&api, findings);
        let retries = api.count("tx_check_retries", TX_CHECK_RETRIES, findings);
        (
            urls,
            retries,
            api.seconds("tx_check_freq", TX_CHECK_FREQ, findings),
        )
    });
    let topics = read_topics(root, findings);
    let (api_urls, tx_check_retries, tx_check_freq) = api?;
    Some(Config {
        debug,
        gas_factor,
        max_fee,
        api_urls,
        tx_check_retries,
        tx_check_freq,
        topics,
    })
}

fn read_gas_factor(root: &Section<'_>, findings: &mut Findings) -> GasFactor {
    let key = "gas_adjustment";
    let Some(number) = root.positive(key, "1.5", findings) else {
        return GasFactor::DEFAULT;
    };
    match GasFactor::from_decimal(&number) {
        Ok(factor) => {
            if factor < GasFactor::MIN_EFFECTIVE {
                findings.warnings.push(format!(
                    "{}: below 1.25, using 1.25 (a block uses 12 to 13 % more gas than \
                     simulating says)",
                    root.path(key)
                ));
            }
            factor.effective()
        }
        Err(error) => {
            findings.problem(
                root.path(key),
                format!("must be at most 100; found {error}"),
            );
            GasFactor::DEFAULT
        }
    }
}

fn read_max_fee(root: &Section<'_>, findings: &mut Findings) -> Option<Uallo> {
    let key = "max_fee_uallo";
    let default = "no limit";
    let number = match root.get(key) {
        // Amounts beyond 2^53 are mostly written as text, since many tools spoil such numbers.
        Some(Value::String(text)) => {
            let number = Decimal::parse(text.trim()).map_err(|error| error.to_string());
            root.above_zero(key, number, default, findings)
        }
        _ => root.positive(key, default, findings),
    }?;
    let fee = whole(&number);
    if fee.is_none() {
        findings.problem(root.path(key), "must be a whole number of uallo");
    }
    fee.map(Uallo)
}

fn read_api_urls(api: &Section<'_>, findings: &mut Findings) -> Vec<Url> {
    let key = "api_url";
    let path = api.path(key);
    let empty = "is empty; fill in the URL of a chain node's API (LCD), such as \
                 https://allora-api.testnet.allora.network";
    let one = |value: &Value, path: String, findings: &mut Findings| match value {
        Value::String(text) if text.trim().is_empty() => {
            findings.problem(path, empty);
            None
        }
        Value::String(text) => {
            let url = Url::parse_base(text.trim());
            url.map_err(|error| findings.problem(path, error.to_string()))
                .ok()
        }
        other => {
            findings.problem(
                path,
                wrong_kind("a text in quotes, or a list of them", other),
            );
            None
        }
    };
    let values = match api.get(key) {
        None => {
            findings.problem(path, empty);
            return Vec::new();
        }
        Some(Value::Array(values)) => values,
        Some(value) => return one(value, path, findings).into_iter().collect(),
    };
    if values.is_empty() || values.len() > API_URLS_MAX {
        let text = format!(
            "must name 1 to {API_URLS_MAX} nodes; found {}",
            values.len()
        );
        findings.problem(path, text);
        return Vec::new();
    }
    let mut urls = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match one(value, path.clone(), findings) {
            Some(url) if urls.contains(&url) => {
                findings.problem(path, "is in the list already; remove one of them");
            }
            url => urls.extend(url),
        }
    }
    urls
}

fn read_topics(root: &Section<'_>, findings: &mut Findings) -> Vec<TopicConfig> {
    let path = root.path("topics");
    let values = match root.get("topics") {
        None => &Vec::new(),
        Some(Value::Array(values)) => values,
        Some(other) => {
            findings.problem(path, wrong_kind("a list of topics", other));
            return Vec::new();
        }
    };
    if values.is_empty() {
        let example = r#"{"topic_id": 1, "inference_url": "http://localhost:8000/ETH"}"#;
        findings.problem(
            path,
            format!("is empty; add a topic to serve, such as {example}"),
        );
        return Vec::new();
    }
    if values.len() > TOPICS_MAX {
        let text = format!(
            "has {} topics; at most {TOPICS_MAX} are served",
            values.len()
        );
        findings.problem(path, text);
        return Vec::new();
    }
    let mut first_places = HashMap::new();
    let mut topics = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(section) = Section::open(value, path.clone(), TOPIC_KEYS, findings) else {
            continue;
        };
        let topic = read_topic_id(&section, findings);
        if let Some(topic) = topic
            && let Some(first) = first_places.insert(topic, path)
        {
            let text = format!("topic {topic} is in {first} already; remove one of them");
            findings.problem(section.path("topic_id"), text);
        }
        topics.extend(read_topic(&section, topic, findings));
    }
    topics
}

fn read_topic(
    section: &Section<'_>,
    topic: Option<TopicId>,
    findings: &mut Findings,
) -> Option<TopicConfig> {
    let inference_url = read_inference_url(section, findings);
    let nonce_fetch_freq = section.seconds("nonce_fetch_freq", NONCE_FETCH_FREQ, findings);
    let inference_fetch_retries =
        section.count("inference_fetch_retries", INFERENCE_FETCH_RETRIES, findings);
    let inference_fetch_retry_freq = section.seconds(
        "inference_fetch_retry_freq",
        INFERENCE_FETCH_RETRY_FREQ,
        findings,
    );
    Some(TopicConfig {
        topic: topic?,
        inference_url: inference_url?,
        nonce_fetch_freq,
        inference_fetch_retries,
        inference_fetch_retry_freq,
    })
}

fn read_topic_id(section: &Section<'_>, findings: &mut Findings) -> Option<TopicId> {
    let key = "topic_id";
    let text = match section.get(key) {
        None => "is missing; fill in the number of the topic to serve".to_owned(),
        Some(Value::Number(number)) => match number.as_u64() {
            Some(id @ 1..) => return Some(TopicId(id)),
            _ => "must be a whole number from 1".to_owned(),
        },
        Some(other) => wrong_kind("a number", other),
    };
    findings.problem(section.path(key), text);
    None
}

fn read_inference_url(section: &Section<'_>, findings: &mut Findings) -> Option<Url> {
    let key = "inference_url";
    let problems_before = findings.problems.len();
    let Some(text) = section.text(key, findings) else {
        if findings.problems.len() == problems_before {
            let text = "is empty; fill in the URL where your model answers with a number, such \
                        as http://localhost:8000/ETH";
            findings.problem(section.path(key), text);
        }
        return None;
    };
    let url = Url::parse(text);
    url.map_err(|error| findings.problem(section.path(key), error.to_string()))
        .ok()
}

#[cfg(test)]
mod tests;
