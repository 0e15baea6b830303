//! Reading values out of a JSON object: what is missing takes its default with a warning, what
//! is wrong becomes a problem, and reading goes on, so that all problems are told at once.
//! No text of the file is ever repeated, since any of it may be a secret in the wrong place.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::warning::Warning;
use crate::values::decimal::{Decimal, Rounding};

/// The settings whose defaults the log names: what is paid, and how often the chain is asked.
const IN_LOG: [&str; 3] = ["gas_adjustment", "max_fee_uallo", "nonce_fetch_freq"];

/// The longest key that is repeated to the user, in characters.
const KEY_CHARS_MAX: usize = 40;
/// The longest time that a setting may name, in seconds: a day.
const SECONDS_MAX: u64 = 86_400;
/// The shortest time that a setting may name; a shorter one would be a busy loop.
const DURATION_MIN: Duration = Duration::from_millis(1);
/// The largest number of retries that a setting may name.
const COUNT_MAX: u32 = 1_000;

/// Something in the file that keeps the worker from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, such as `topics[2].inference_url`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do about it.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.text),
            path => write!(f, "{path}: {}", self.text),
        }
    }
}

/// What was found while reading.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn problem(&mut self, path: String, text: impl Into<String>) {
        self.problems.push(Problem {
            path,
            text: text.into(),
        });
    }

    /// Notes that a default is used. The same setting of several topics is one warning.
    fn default_used(&mut self, section: &Section<'_>, name: &str, default: &str) {
        let new_key = section
            .topic
            .map_or_else(|| section.path(name), |_| name.to_owned());
        let known = self.warnings.iter_mut().find_map(|warning| match warning {
            Warning::Default { key, topics, .. } if *key == new_key => Some(topics),
            _ => None,
        });
        match known {
            Some(topics) => topics.extend(section.topic),
            None => self.warnings.push(Warning::Default {
                in_log: IN_LOG.contains(&name),
                key: new_key,
                topics: section.topic.into_iter().collect(),
                value: default.to_owned(),
            }),
        }
    }

    fn replaced(&mut self, key: String, what: &'static str, default: &str) {
        self.warnings.push(Warning::Replaced {
            key,
            what,
            default: default.to_owned(),
        });
    }
}

/// The path of an object's member. A key that looks like no name is not repeated.
pub(super) fn child_path(parent: &str, key: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let is_shown = key.len() <= KEY_CHARS_MAX && !key.is_empty() && key.chars().all(is_name);
    let key = if is_shown {
        key
    } else {
        "(a key that is no name)"
    };
    if parent.is_empty() {
        key.to_owned()
    } else {
        format!("{parent}.{key}")
    }
}

/// An object of the file.
pub(super) struct Section<'a> {
    path: String,
    /// The place of a topic in its list.
    topic: Option<usize>,
    map: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    /// Opens an object and refuses the keys that it should not have.
    pub(super) fn open(
        value: &'a Value,
        path: String,
        topic: Option<usize>,
        known: &[&str],
        findings: &mut Findings,
    ) -> Option<Section<'a>> {
        let Value::Object(map) = value else {
            findings.problem(path, wrong_kind("an object in braces", value));
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let text = format!("unknown key; did you mean `{}`?", nearest(key, known));
            findings.problem(child_path(&path, key), text);
        }
        Some(Section { path, topic, map })
    }

    pub(super) fn path(&self, key: &str) -> String {
        child_path(&self.path, key)
    }

    /// A member; `null` counts as none.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn bool(&self, key: &str, default: bool, findings: &mut Findings) -> bool {
        match self.get(key) {
            None => default,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                findings.problem(self.path(key), wrong_kind("true or false", other));
                default
            }
        }
    }

    /// A text without the white space around it; nothing when it is missing or empty.
    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Option<&'a str> {
        match self.get(key)? {
            Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            other => {
                findings.problem(self.path(key), wrong_kind("a text in quotes", other));
                None
            }
        }
    }

    /// A number above zero. Nothing when the default applies, which is said here, or when it is
    /// no number, which is a problem.
    pub(super) fn positive(
        &self,
        key: &str,
        default: &str,
        findings: &mut Findings,
    ) -> Option<Decimal> {
        let path = self.path(key);
        let number = match self.get(key) {
            None => {
                findings.default_used(self, key, default);
                return None;
            }
            Some(Value::Number(number)) => Decimal::parse(number.as_str()),
            Some(other) => {
                findings.problem(path, wrong_kind("a number", other));
                return None;
            }
        };
        self.above_zero(
            key,
            number.map_err(|error| error.to_string()),
            default,
            findings,
        )
    }

    pub(super) fn above_zero(
        &self,
        key: &str,
        number: Result<Decimal, String>,
        default: &str,
        findings: &mut Findings,
    ) -> Option<Decimal> {
        let path = self.path(key);
        match number {
            Ok(number) if number.is_zero() || number.is_negative() => {
                findings.replaced(path, "zero or negative", default);
                None
            }
            Ok(number) => Some(number),
            Err(error) => {
                findings.problem(path, error);
                None
            }
        }
    }

    /// A time in seconds, fractions allowed.
    pub(super) fn seconds(
        &self,
        key: &str,
        default: Duration,
        findings: &mut Findings,
    ) -> Duration {
        let default_text = format!("{} s", default.as_secs());
        let Some(number) = self.positive(key, &default_text, findings) else {
            return default;
        };
        let nanos = number.to_units(9, Rounding::Down).ok();
        let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok());
        match nanos.map(Duration::from_nanos) {
            Some(time) if time < DURATION_MIN => {
                let what = "shorter than a millisecond";
                findings.replaced(self.path(key), what, &default_text);
                default
            }
            Some(time) if time <= Duration::from_secs(SECONDS_MAX) => time,
            _ => {
                let text = format!("is too long; at most {SECONDS_MAX} s (a day) are allowed");
                findings.problem(self.path(key), text);
                default
            }
        }
    }

    /// A time that most files leave at its default, which is not worth a word then.
    pub(super) fn seconds_if_set(
        &self,
        key: &str,
        default: Duration,
        findings: &mut Findings,
    ) -> Duration {
        match self.get(key) {
            None => default,
            Some(_) => self.seconds(key, default, findings),
        }
    }

    /// A number of any sign, also as a text, if it is set.
    pub(super) fn decimal(&self, key: &str, findings: &mut Findings) -> Option<Decimal> {
        let number = match self.get(key)? {
            Value::Number(number) => Decimal::parse(number.as_str()),
            Value::String(text) => Decimal::parse(text.trim()),
            other => {
                findings.problem(self.path(key), wrong_kind("a number", other));
                return None;
            }
        };
        number
            .map_err(|error| {
                findings.problem(self.path(key), format!("must be a number; found {error}"))
            })
            .ok()
    }

    /// A number of times.
    pub(super) fn count(&self, key: &str, default: u32, findings: &mut Findings) -> u32 {
        let Some(number) = self.positive(key, &default.to_string(), findings) else {
            return default;
        };
        match whole(&number).and_then(|count| u32::try_from(count).ok()) {
            Some(count) if count <= COUNT_MAX => count,
            _ => {
                let text = format!("must be a whole number, at most {COUNT_MAX}");
                findings.problem(self.path(key), text);
                default
            }
        }
    }
}

/// A number without a fraction, however it is written.
pub(super) fn whole(number: &Decimal) -> Option<u128> {
    let down = number.to_units(0, Rounding::Down).ok()?;
    let up = number.to_units(0, Rounding::Up).ok()?;
    (down == up).then_some(down)
}

pub(super) fn wrong_kind(expected: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("must be {expected}; found {found}")
}

/// The known name that a key is most like.
fn nearest<'k>(key: &str, known: &[&'k str]) -> &'k str {
    let cut: String = key.chars().take(KEY_CHARS_MAX).collect();
    let distance = |name: &&&str| strsim::damerau_levenshtein(&cut.to_lowercase(), name);
    known
        .iter()
        .min_by_key(distance)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KNOWN: &[&str] = &["freq", "retries", "name"];

    /// Reads one member with `read`; gives the result and what was found.
    fn reading<T>(
        value: &Value,
        read: impl Fn(&Section<'_>, &mut Findings) -> T,
    ) -> (T, Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let section = Section::open(value, "s".to_owned(), None, KNOWN, &mut findings).unwrap();
        let result = read(&section, &mut findings);
        let problems = findings.problems.iter().map(ToString::to_string).collect();
        let warnings = findings.warnings.iter();
        (
            result,
            problems,
            warnings.map(ToString::to_string).collect(),
        )
    }

    fn seconds(value: &Value) -> (Duration, Vec<String>, Vec<String>) {
        reading(value, |s, f| s.seconds("freq", Duration::from_secs(5), f))
    }

    #[test]
    fn seconds_may_have_fractions_within_a_day() {
        let time = |text: &str| {
            let value = serde_json::from_str(&format!("{{\"freq\": {text}}}")).unwrap();
            seconds(&value)
        };
        for (text, nanos) in [
            ("3", 3_000_000_000),
            ("0.25", 250_000_000),
            ("5e-1", 500_000_000),
            ("0.001", 1_000_000),
            ("0.3333333333333333", 333_333_333),
            ("86400", 86_400_000_000_000),
        ] {
            assert_eq!(
                time(text),
                (Duration::from_nanos(nanos), vec![], vec![]),
                "{text}"
            );
        }
        assert_eq!(
            time("0.0009").2,
            ["s.freq: is shorter than a millisecond, using 5 s"]
        );
        assert_eq!(
            time("86400.1").1,
            ["s.freq: is too long; at most 86400 s (a day) are allowed"]
        );
        assert_eq!(time("1e39").1.len(), 1);
        assert_eq!(time("1e400").1.len(), 1);
    }

    #[test]
    fn missing_zero_and_negative_numbers_take_the_default_with_a_warning() {
        let five = Duration::from_secs(5);
        let warned = |text: &str| (five, vec![], vec![text.to_owned()]);
        assert_eq!(seconds(&json!({})), warned("s.freq 5 s"));
        assert_eq!(seconds(&json!({"freq": null})), warned("s.freq 5 s"));
        assert_eq!(
            seconds(&json!({"freq": 0})),
            warned("s.freq: is zero or negative, using 5 s")
        );
        assert_eq!(
            seconds(&json!({"freq": -3})),
            warned("s.freq: is zero or negative, using 5 s")
        );
    }

    #[test]
    fn a_wrong_kind_is_a_problem_that_does_not_repeat_it() {
        let (_, problems, warnings) = seconds(&json!({"freq": "secret"}));
        assert_eq!(problems, ["s.freq: must be a number; found a text"]);
        assert_eq!(warnings, [""; 0]);
        let text = reading(&json!({"name": 5}), |s, f| {
            s.text("name", f).map(str::to_owned)
        });
        assert_eq!(text.1, ["s.name: must be a text in quotes; found a number"]);
        let flag = reading(&json!({"name": "true"}), |s, f| s.bool("name", false, f));
        assert_eq!(flag.1, ["s.name: must be true or false; found a text"]);
    }

    #[test]
    fn counts_are_whole_and_bounded() {
        let count = |value: Value| reading(&value, |s, f| s.count("retries", 10, f));
        assert_eq!(count(json!({"retries": 1000})), (1_000, vec![], vec![]));
        assert_eq!(count(json!({"retries": 3.0})), (3, vec![], vec![]));
        for wrong in [json!(1001), json!(2.5)] {
            assert_eq!(
                count(json!({"retries": wrong})).1,
                ["s.retries: must be a whole number, at most 1000"]
            );
        }
        assert_eq!(count(json!({})).2, ["s.retries 10"]);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_name() {
        let problems = |value: Value| reading(&value, |_, _| ()).1;
        assert_eq!(
            problems(json!({"retrys": 1})),
            ["s.retrys: unknown key; did you mean `retries`?"]
        );
        assert_eq!(
            problems(json!({"Freq": 1})),
            ["s.Freq: unknown key; did you mean `freq`?"]
        );
        let secret = problems(json!({"abandon ability able": 1}));
        assert!(
            secret[0].starts_with("s.(a key that is no name): "),
            "{secret:?}"
        );
        let long = problems(json!({"x".repeat(KEY_CHARS_MAX + 1): 1}));
        assert!(
            long[0].starts_with("s.(a key that is no name): "),
            "{long:?}"
        );
    }
}
