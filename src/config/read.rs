//! One pass over the file's sections: which keys there are, their defaults, their limits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::section::{Findings, Section, whole, wrong_kind};
use super::topics::read_topics;
use super::warning::Warning;
use super::{API_URLS_MAX, Config, ConfigError, Url, json, watch};
use crate::values::decimal::Decimal;
use crate::values::fee::GasFactor;
use crate::values::units::Uallo;

const TX_CHECK_RETRIES: u32 = 10;
const TX_CHECK_FREQ: Duration = Duration::from_secs(3);

pub(super) const ROOT_KEYS: &[&str] = &[
    "debug",
    "seed_phrase",
    "seed_phrase_file",
    "gas_adjustment",
    "max_fee_uallo",
    "metrics_listen",
    "log_format",
    "log_dir",
    "log_bytes_max",
    "log_files_kept",
    "api_params",
    "topics",
];
pub(super) const API_KEYS: &[&str] = &["api_url", "tx_check_retries", "tx_check_freq"];

/// What one pass over the file gives.
#[derive(Debug)]
pub(super) struct Reading {
    /// The settings; nothing when there are problems that leave them incomplete.
    pub(super) config: Option<Config>,
    pub(super) seed_phrase: Option<Zeroizing<String>>,
    pub(super) seed_phrase_file: Option<PathBuf>,
    pub(super) findings: Findings,
}

impl Reading {
    /// `path` is for messages, and files that the text names are looked for beside it.
    pub(super) fn of(text: &str, path: &Path) -> Result<Reading, ConfigError> {
        let mut findings = Findings::default();
        let tree = json::read(text, &mut findings).map_err(|error| ConfigError::NotJson {
            path: path.to_owned(),
            line: error.line,
            column: error.column,
            what: error.what,
        })?;
        let root = Section::open(tree.root(), String::new(), None, ROOT_KEYS, &mut findings);
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
        let config = read_config(&root, path, &mut findings);
        Ok(Reading {
            config,
            seed_phrase,
            seed_phrase_file,
            findings,
        })
    }
}

fn read_config(root: &Section<'_>, path: &Path, findings: &mut Findings) -> Option<Config> {
    let debug = root.bool("debug", false, findings);
    let gas_factor = read_gas_factor(root, findings);
    let max_fee = read_max_fee(root, findings);
    let metrics_listen = watch::read_metrics_listen(root, findings);
    let log = watch::read_log(root, findings);

    // A missing section is an empty one: what it must hold is named then.
    let none = Value::Object(Map::new());
    let api_params = root.get("api_params").unwrap_or(&none);
    let api = Section::open(
        api_params,
        root.path("api_params"),
        None,
        API_KEYS,
        findings,
    );
    let api = api.map(|api| {
        let urls = read_api_urls(&api, findings);
        let retries = api.count("tx_check_retries", TX_CHECK_RETRIES, findings);
        (
            urls,
            retries,
            api.seconds("tx_check_freq", TX_CHECK_FREQ, findings),
        )
    });
    let topics = read_topics(root, path, findings);
    let (api_urls, tx_check_retries, tx_check_freq) = api?;
    Some(Config {
        debug,
        gas_factor,
        max_fee,
        api_urls,
        tx_check_retries,
        tx_check_freq,
        metrics_listen,
        log,
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
                findings.warnings.push(Warning::Clamped {
                    key: root.path(key),
                    min: "1.25",
                });
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
