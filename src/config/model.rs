//! A model's endpoint: where it is asked, with what, and where in its answer the value stands.

use std::cmp::Reverse;
use std::env;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::section::{Findings, Section, child_path, wrong_kind};
use super::warning::Warning;
use super::{UrlError, beside};
use crate::model::pointer::Pointer;
use crate::model::template::{BodyTemplate, PLACES, UrlTemplate};
use crate::sign::secret_file::read_secret;
use crate::values::payload::Inference;

/// The most URLs of one model: the usual one and one for when that fails.
pub const MODEL_URLS_MAX: usize = 2;
/// The longest time that a model is given for one answer where the file says nothing; never more
/// than half of what is left of the window.
pub const MODEL_TIME_MAX: Duration = Duration::from_secs(30);
/// The most headers of one model.
const HEADERS_MAX: usize = 16;
/// Bytes of all their names and values: with a URL they fit into the client's buffer.
const HEADER_BYTES_MAX: usize = 4_096;
/// Bytes of a body's template.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Values of headers, from so many characters on, are not shown where an answer repeats them.
const HIDDEN_CHARS_MIN: usize = 4;
/// What stands in their place.
const HIDDEN: &str = "\u{2026}";
/// Headers that the HTTP client sets by itself.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
];

/// A model's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelConfig {
    /// One or two URLs, the first one preferred.
    pub urls: Vec<UrlTemplate>,
    /// Sent with every request.
    pub headers: Vec<Header>,
    /// With it the request is a POST, without it a GET.
    pub body: Option<BodyTemplate>,
    /// Where in the answer the value is; `None`: the answer is the value.
    pub pointer: Option<Pointer>,
    /// `inference_timeout`: the longest time for one answer; 30 s by default.
    pub time_max: Duration,
}

impl ModelConfig {
    /// A model that is asked plainly at one URL.
    #[must_use]
    pub fn at(url: UrlTemplate) -> ModelConfig {
        ModelConfig {
            urls: vec![url],
            headers: Vec::new(),
            body: None,
            pointer: None,
            time_max: MODEL_TIME_MAX,
        }
    }

    /// A text of the model's without the values of the headers that it was sent: a model, or a
    /// proxy before it, may repeat what it was asked with. It has to be the whole text: of a value
    /// that is cut the rest would be shown.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let each = self.headers.iter().flat_map(Header::secrets);
        let mut secrets: Vec<Zeroizing<String>> = each.collect();
        // why: a key by itself is a part of the value that it stands in
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        let hide = |text: String, secret: &Zeroizing<String>| text.replace(secret.as_str(), HIDDEN);
        secrets.iter().fold(text.to_owned(), hide)
    }

    /// An inference as text, without the values of the headers in its labels.
    #[must_use]
    pub fn hide_in(&self, inference: &Inference) -> String {
        match inference {
            Inference::Value(value) => value.to_string(),
            labelled @ Inference::Labelled(_) => self.hide(&labelled.to_string()),
        }
    }
}

/// A request header. Its value may be a key, so it is wiped after use and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Zeroizing<String>,
}

impl Header {
    /// What must not be shown of it, as it may stand in an answer: the value, the key behind a
    /// scheme such as `Bearer`, and both as JSON writes them.
    fn secrets(&self) -> Vec<Zeroizing<String>> {
        let key = self.value.split_once(' ').map(|(_, key)| key.trim());
        let parts = [Some(self.value.as_str()), key].into_iter().flatten();
        let hidden = parts.filter(|part| part.len() >= HIDDEN_CHARS_MIN);
        let spellings = |part: &str| {
            let json = part.replace('\\', r"\\").replace('"', "\\\"");
            let slashed = json.replace('/', r"\/");
            [part.to_owned(), json, slashed].map(Zeroizing::new)
        };
        hidden.flat_map(spellings).collect()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}: \u{2026})", self.name)
    }
}

/// The names of a model's keys in the file.
pub(super) struct Keys {
    url: &'static str,
    headers: &'static str,
    body: &'static str,
    pointer: &'static str,
}

pub(super) const INFERENCE: Keys = Keys {
    url: "inference_url",
    headers: "inference_headers",
    body: "inference_body",
    pointer: "value_pointer",
};

pub(super) const FORECAST: Keys = Keys {
    url: "forecast_url",
    headers: "forecast_headers",
    body: "forecast_body",
    pointer: "forecast_pointer",
};

/// Reads a model. `Ok(None)`: there is none, by its URL; `Err`: something is wrong, and noted.
pub(super) fn read_model(
    section: &Section<'_>,
    keys: &Keys,
    config_path: &Path,
    findings: &mut Findings,
) -> Result<Option<ModelConfig>, ()> {
    let problems_before = findings.problems.len();
    let urls = read_urls(section, keys.url, findings);
    let headers = read_headers(section, keys.headers, config_path, findings);
    let body = read_body(section, keys.body, findings);
    let pointer = read_pointer(section, keys.pointer, findings);
    let time_max = section.seconds_if_set("inference_timeout", MODEL_TIME_MAX, findings);
    if findings.problems.len() > problems_before {
        return Err(());
    }
    if urls.is_empty() {
        for key in [keys.headers, keys.body, keys.pointer] {
            if section.get(key).is_some() {
                let text = format!("is of no use without {}", keys.url);
                findings.problem(section.path(key), text);
            }
        }
    }
    if findings.problems.len() > problems_before {
        return Err(());
    }
    Ok((!urls.is_empty()).then_some(ModelConfig {
        urls,
        headers,
        body,
        pointer,
        time_max,
    }))
}

fn read_urls(section: &Section<'_>, key: &str, findings: &mut Findings) -> Vec<UrlTemplate> {
    let path = section.path(key);
    let one = |value: &Value, path: String, findings: &mut Findings| match value {
        Value::String(text) => UrlTemplate::parse(text.trim())
            .map_err(|error| findings.problem(path, url_problem(text, error)))
            .ok(),
        other => {
            let expected = "a text in quotes, or a list of two";
            findings.problem(path, wrong_kind(expected, other));
            None
        }
    };
    match section.get(key) {
        None => Vec::new(),
        Some(Value::String(text)) if text.trim().is_empty() => Vec::new(),
        Some(Value::Array(values)) if values.len() > MODEL_URLS_MAX => {
            let text = format!(
                "has {} URLs; at most {MODEL_URLS_MAX} are asked",
                values.len()
            );
            findings.problem(path, text);
            Vec::new()
        }
        Some(Value::Array(values)) => {
            let each = values.iter().enumerate();
            each.filter_map(|(at, value)| one(value, format!("{path}[{at}]"), findings))
                .collect()
        }
        Some(value) => one(value, path, findings).into_iter().collect(),
    }
}

/// An unknown place shows itself as a brace that a URL can't have.
fn url_problem(text: &str, error: UrlError) -> String {
    let without = PLACES
        .iter()
        .fold(text.to_owned(), |text, place| text.replace(place, ""));
    match without.contains(['{', '}']) {
        true => format!(
            "is no URL; only {} and {} stand in braces",
            PLACES[0], PLACES[1]
        ),
        false => error.to_string(),
    }
}

fn read_headers(
    section: &Section<'_>,
    key: &str,
    config_path: &Path,
    findings: &mut Findings,
) -> Vec<Header> {
    let path = section.path(key);
    let map = match section.get(key) {
        None => return Vec::new(),
        Some(Value::Object(map)) => map,
        Some(other) => {
            findings.problem(path, wrong_kind("an object of names and texts", other));
            return Vec::new();
        }
    };
    let mut headers = Vec::new();
    for (name, value) in map {
        let path = child_path(&path, name);
        let read = check_name(name)
            .and_then(|()| header_value(value, config_path, &path, findings))
            .and_then(|value| check_value(value).map(|value| (name.clone(), value)));
        match read {
            Ok((name, value)) => headers.push(Header { name, value }),
            Err(problem) => findings.problem(path, problem),
        }
    }
    let bytes = |header: &Header| header.name.len() + header.value.len();
    let total: usize = headers.iter().map(bytes).sum();
    if headers.len() > HEADERS_MAX || total > HEADER_BYTES_MAX {
        let text = format!(
            "are too many or too long; at most {HEADERS_MAX} headers and {HEADER_BYTES_MAX} bytes \
             are sent"
        );
        findings.problem(path, text);
    }
    headers
}

fn check_name(name: &str) -> Result<(), String> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("is no name of a header".to_owned());
    }
    if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err("is set by the worker itself; leave it out".to_owned());
    }
    Ok(())
}

fn check_value(value: Zeroizing<String>) -> Result<Zeroizing<String>, String> {
    if value.is_empty() {
        return Err("is empty".to_owned());
    }
    if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(
            "has a character that a header can't have (a line end, a letter beyond ASCII)"
                .to_owned(),
        );
    }
    Ok(value)
}

/// The value as it stands, or from where `{"env": NAME}` or `{"file": PATH}` says.
fn header_value(
    value: &Value,
    config_path: &Path,
    path: &str,
    findings: &mut Findings,
) -> Result<Zeroizing<String>, String> {
    let trimmed = |text: &str| Zeroizing::new(text.trim().to_owned());
    if let Value::String(text) = value {
        return Ok(trimmed(text));
    }
    let from = value.as_object().filter(|from| from.len() == 1);
    let from = from.and_then(|from| Some((from.iter().next()?.0.as_str(), from)));
    let place = |from: &serde_json::Map<String, Value>, key: &str| {
        from.get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .filter(|text| !text.is_empty())
    };
    match from {
        Some(("env", from)) => {
            let name = place(from, "env").ok_or("env must name an environment variable")?;
            let told = env::var(&name).map(Zeroizing::new);
            told.map(|text| trimmed(&text))
                .map_err(|_| "its environment variable is not set, or no text".to_owned())
        }
        Some(("file", from)) => {
            let file = place(from, "file").ok_or("file must name a file")?;
            let file = beside(config_path, Path::new(&file));
            let read = read_secret(&file, HEADER_BYTES_MAX);
            let (text, mode) = read.map_err(|error| format!("its file can't be read: {error}"))?;
            // why: what a service manager hands over may show group bits that give nothing away
            if mode & 0o007 != 0 {
                findings.warnings.push(Warning::OpenToOthers {
                    key: path.to_owned(),
                    path: file,
                    mode,
                });
            }
            Ok(trimmed(&text))
        }
        _ => Err(r#"must be a text, {"env": NAME} or {"file": PATH}"#.to_owned()),
    }
}

fn read_body(section: &Section<'_>, key: &str, findings: &mut Findings) -> Option<BodyTemplate> {
    let value = section.get(key)?;
    if !value.is_object() && !value.is_array() {
        let expected = "a JSON object or list";
        findings.problem(section.path(key), wrong_kind(expected, value));
        return None;
    }
    if value.to_string().len() > BODY_BYTES_MAX {
        let text = format!("is longer than {BODY_BYTES_MAX} bytes");
        findings.problem(section.path(key), text);
        return None;
    }
    Some(BodyTemplate::new(value.clone()))
}

pub(super) fn read_pointer(
    section: &Section<'_>,
    key: &str,
    findings: &mut Findings,
) -> Option<Pointer> {
    let text = section.text(key, findings)?;
    Pointer::parse(text)
        .map_err(|error| findings.problem(section.path(key), error.to_string()))
        .ok()
}
