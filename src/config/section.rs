//! Reads settings out of a JSON object. A missing setting takes its default; a wrong one becomes a
//! problem and reading continues, so that all problems are reported at once. No text of the file is
//! repeated, since any of it may be a secret in the wrong place.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::keys;
use super::warning::Warning;
use crate::text::secret::is_secret;
use crate::values::decimal::{Decimal, Rounding};

/// The longest key that is repeated to the user, in characters.
const KEY_CHARS_MAX: usize = 40;
/// The longest time that a setting may name, in seconds: a day.
const SECONDS_MAX: u64 = 86_400;
/// The shortest time that a setting may name; a shorter one would be a busy loop.
const DURATION_MIN: Duration = Duration::from_millis(1);
/// The largest number of retries that a setting may name.
const COUNT_MAX: u32 = 1_000;

/// A configuration error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, such as `topics[2].inference_url`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and how to fix it.
    pub text: String,
}

impl Problem {
    pub(super) fn is_about_secret(&self) -> bool {
        let places = ["seed_phrase", "private_key", "$CREDENTIALS_DIRECTORY"];
        places.iter().any(|place| self.path.starts_with(place))
    }
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
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
}

impl Findings {
    pub(super) fn problem(&self, path: &str, text: impl Into<String>) {
        self.problems.borrow_mut().push(Problem {
            path: path.to_owned(),
            text: text.into(),
        });
    }

    pub(super) fn warning(&self, warning: Warning) {
        self.warnings.borrow_mut().push(warning);
    }

    /// A problem with the wallet's secret; not if the setting itself has one, which says more.
    pub(super) fn secret_problem(&self, path: &str, text: String) {
        let is_known = self.problems.borrow().iter().any(Problem::is_about_secret);
        if !is_known {
            self.problem(path, text);
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Warning>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

/// The path of an object's member. A key that can't be a setting's name is not repeated.
pub(super) fn child_path(parent: &str, key: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.$".contains(c);
    let is_shown = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.chars().all(is_name);
    let key = if is_shown && !is_secret(key) {
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

/// A relative path in the file is relative to the file's own folder.
pub(super) fn beside(config_path: &Path, file: &Path) -> PathBuf {
    config_path.parent().unwrap_or(Path::new("")).join(file)
}

/// An object of the file. Every key that is asked for is known; all others are refused.
pub(super) struct Section<'a> {
    /// If its value is missing, so is each of its members.
    object: Setting<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// A setting; `null` counts as missing.
    pub(super) fn key(&self, name: &'static str) -> Setting<'a> {
        self.known.borrow_mut().push(name);
        let value = self.object.value.and_then(|object| object.get(name));
        Setting {
            name,
            path: child_path(&self.object.path, name),
            value: value.filter(|value| !value.is_null()),
            ..self.object
        }
    }

    /// The names of all settings that were asked for.
    pub(super) fn known(&self) -> Vec<&'static str> {
        self.known.borrow().clone()
    }

    fn unknown_keys(&self) -> Vec<Problem> {
        let known = self.known();
        let map = self.object.value.and_then(Value::as_object);
        let keys = map.into_iter().flat_map(Map::keys);
        let unknown = keys.filter(|key| !known.contains(&key.as_str()));
        let problem = |key: &String| Problem {
            path: child_path(&self.object.path, key),
            text: keys::unknown(key, &known),
        };
        unknown.map(problem).collect()
    }
}

/// One setting: its path, its value, and where to report what is wrong with it. One chain of calls
/// names it and states its default and limits: `section.key("freq").in_check().seconds(5)`.
pub(super) struct Setting<'a> {
    name: &'static str,
    pub(super) path: String,
    place: Option<usize>,
    pub(super) value: Option<&'a Value>,
    or_text: bool,
    /// Whether `check` reports that the default is used, and whether the log does.
    in_check: bool,
    in_log: bool,
    pub(super) findings: &'a Findings,
}

impl<'a> Setting<'a> {
    /// The file's outermost value.
    pub(super) fn root(value: &'a Value, findings: &'a Findings) -> Setting<'a> {
        Setting {
            name: "",
            path: String::new(),
            place: None,
            value: Some(value),
            or_text: false,
            in_check: false,
            in_log: false,
            findings,
        }
    }

    /// If the default is used, `check` reports it.
    pub(super) fn in_check(self) -> Setting<'a> {
        let in_check = true;
        Setting { in_check, ..self }
    }

    /// If the default is used, `check` and the log report it.
    pub(super) fn in_check_and_log(self) -> Setting<'a> {
        let in_log = true;
        Setting { in_log, ..self }.in_check()
    }

    /// A number may also be a text: many tools round large numbers and long fractions.
    pub(super) fn or_text(self) -> Setting<'a> {
        let or_text = true;
        Setting { or_text, ..self }
    }

    pub(super) fn is_set(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn problem(&self, text: impl Into<String>) {
        self.findings.problem(&self.path, text);
    }

    pub(super) fn wrong_kind(&self, expected: &str) {
        let found = match self.value {
            None | Some(Value::Null) => "null",
            Some(Value::Bool(_)) => "true or false",
            Some(Value::Number(_)) => "a number",
            Some(Value::String(_)) => "a text",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
        };
        self.problem(format!("must be {expected}; found {found}"));
    }

    /// A value within this one.
    pub(super) fn part(&self, path: String, value: &'a Value) -> Setting<'a> {
        Setting {
            path,
            value: Some(value),
            ..*self
        }
    }

    /// The items of a list; a value that is not a list is its only item.
    pub(super) fn items(&self) -> Vec<Setting<'a>> {
        let Some(Value::Array(values)) = self.value else {
            let only = self.value.map(|value| self.part(self.path.clone(), value));
            return only.into_iter().collect();
        };
        let item = |(at, value)| Setting {
            place: Some(at),
            ..self.part(format!("{}[{at}]", self.path), value)
        };
        values.iter().enumerate().map(item).collect()
    }

    /// Reads an object with `read`, and refuses the keys that `read` does not ask for. A missing
    /// object is an empty one: the settings that it must have are reported then.
    pub(super) fn section<T>(&self, read: impl FnOnce(&Section<'a>) -> T) -> Option<T> {
        if self.value.is_some_and(|value| !value.is_object()) {
            self.wrong_kind("an object in braces");
            return None;
        }
        let path = self.path.clone();
        let section = Section {
            object: Setting { path, ..*self },
            known: RefCell::default(),
        };
        let start = self.findings.problems.borrow().len();
        let result = read(&section);
        // why: a misspelt key explains the problems of the setting that was meant
        let mut problems = self.findings.problems.borrow_mut();
        problems.splice(start..start, section.unknown_keys());
        Some(result)
    }

    pub(super) fn bool(&self) -> bool {
        let value = self.value.map(Value::as_bool);
        value.unwrap_or(Some(false)).unwrap_or_else(|| {
            self.wrong_kind("true or false");
            false
        })
    }

    /// A text without the white space around it; nothing when it is missing or empty.
    pub(super) fn text(&self) -> Option<&'a str> {
        let Value::String(text) = self.value? else {
            self.wrong_kind("a text in quotes");
            return None;
        };
        Some(text.trim()).filter(|text| !text.is_empty())
    }

    /// One of two texts, each with its meaning; the first one is the default.
    pub(super) fn one_of<T: Copy>(&self, choices: [(&str, T); 2]) -> T {
        let [(first, default), (second, other)] = choices;
        match self.text() {
            None => default,
            Some(text) if text == first => default,
            Some(text) if text == second => other,
            Some(_) => {
                self.problem(format!(r#"must be "{first}" or "{second}""#));
                default
            }
        }
    }

    /// A number of any sign, if it is set.
    pub(super) fn number(&self) -> Option<Decimal> {
        let number = match self.value? {
            Value::Number(number) => Decimal::parse(number.as_str()),
            Value::String(text) if self.or_text => Decimal::parse(text.trim()),
            _ => {
                self.wrong_kind("a number");
                return None;
            }
        };
        let problem = |error| self.problem(format!("must be a number; found {error}"));
        number.map_err(problem).ok()
    }

    /// A number above zero, if it is set; the error says what else it is.
    fn above_zero(&self) -> Result<Option<Decimal>, &'static str> {
        let number = self.number();
        let is_positive = |number: &Decimal| !number.is_zero() && !number.is_negative();
        if number.as_ref().is_none_or(is_positive) {
            Ok(number)
        } else {
            Err("zero or negative")
        }
    }

    /// A number above zero. `None`: the default applies, or the value is a problem.
    pub(super) fn positive(&self, default: &str) -> Option<Decimal> {
        self.or_default(self.above_zero(), default)
    }

    /// A time in seconds, fractions allowed, if it is set; the error says why it is too short.
    pub(super) fn time(&self) -> Result<Option<Duration>, &'static str> {
        let Some(number) = self.above_zero()? else {
            return Ok(None);
        };
        let nanos = number.to_units(9, Rounding::Down).ok();
        let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok());
        match nanos.map(Duration::from_nanos) {
            Some(time) if time < DURATION_MIN => Err("shorter than a millisecond"),
            Some(time) if time <= Duration::from_secs(SECONDS_MAX) => Ok(Some(time)),
            _ => {
                let text = format!("is too long; at most {SECONDS_MAX} s (a day) are allowed");
                self.problem(text);
                Ok(None)
            }
        }
    }

    /// A time in seconds, fractions allowed.
    pub(super) fn seconds(&self, default: u64) -> Duration {
        let time = self.or_default(self.time(), &format!("{default} s"));
        time.unwrap_or(Duration::from_secs(default))
    }

    /// A number of times.
    pub(super) fn count(&self, default: u32) -> u32 {
        let Some(number) = self.positive(&default.to_string()) else {
            return default;
        };
        let count = whole(&number).and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| *count <= COUNT_MAX);
        count.unwrap_or_else(|| {
            self.problem(format!("must be a whole number, at most {COUNT_MAX}"));
            default
        })
    }

    /// Reports that the default is used, for a value that is missing or too small.
    fn or_default<T>(&self, value: Result<Option<T>, &'static str>, default: &str) -> Option<T> {
        if !self.is_set() && self.in_check {
            self.default_used(default);
        }
        value.unwrap_or_else(|what| {
            self.findings.warning(Warning::Replaced {
                key: self.path.clone(),
                what,
                default: default.to_owned(),
            });
            None
        })
    }

    /// Notes that the default is used. The same setting of several topics is one warning.
    fn default_used(&self, default: &str) {
        let new_key = self.place.map_or(self.path.as_str(), |_| self.name);
        let mut warnings = self.findings.warnings.borrow_mut();
        let topics = warnings.iter_mut().find_map(|warning| match warning {
            Warning::Default { key, topics, .. } if key == new_key => Some(topics),
            _ => None,
        });
        match topics {
            Some(topics) => topics.extend(self.place),
            None => warnings.push(Warning::Default {
                key: new_key.to_owned(),
                topics: self.place.into_iter().collect(),
                value: default.to_owned(),
                in_log: self.in_log,
            }),
        }
    }
}

/// A number without a fraction, however it is written.
pub(super) fn whole(number: &Decimal) -> Option<u128> {
    let down = number.to_units(0, Rounding::Down).ok()?;
    let up = number.to_units(0, Rounding::Up).ok()?;
    (down == up).then_some(down)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Reads one setting of an object with `read`; returns the result, the problems and the
    /// warnings.
    fn reading<T>(
        value: &Value,
        name: &'static str,
        read: impl Fn(&Setting<'_>) -> T,
    ) -> (T, Vec<String>, Vec<String>) {
        let findings = Findings::default();
        let object = Setting {
            path: "s".to_owned(),
            ..Setting::root(value, &findings)
        };
        let result = object.section(|section| {
            let names = ["freq", "retries", "name"];
            let others = names.into_iter().filter(|other| *other != name);
            others.for_each(|other| drop(section.key(other)));
            read(&section.key(name).in_check())
        });
        let (problems, warnings) = findings.into_parts();
        let problems = problems.iter().map(ToString::to_string).collect();
        let warnings = warnings.iter().map(ToString::to_string).collect();
        (result.unwrap(), problems, warnings)
    }

    fn seconds(value: &Value) -> (Duration, Vec<String>, Vec<String>) {
        reading(value, "freq", |freq| freq.seconds(5))
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
        let text = reading(&json!({"name": 5}), "name", |name| name.text().is_some());
        assert_eq!(text.1, ["s.name: must be a text in quotes; found a number"]);
        let flag = reading(&json!({"name": "true"}), "name", |name| name.bool());
        assert_eq!(flag.1, ["s.name: must be true or false; found a text"]);
    }

    #[test]
    fn counts_are_whole_and_bounded() {
        let count = |value: Value| reading(&value, "retries", |retries| retries.count(10));
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
        let problems = |value: Value| reading(&value, "name", |_| ()).1;
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
        let short_words = problems(json!({"act-add-age-aim-air-all-any-arm-art": 1}));
        assert!(
            short_words[0].starts_with("s.(a key that is no name): "),
            "{short_words:?}"
        );
        let long = problems(json!({"x".repeat(KEY_CHARS_MAX + 1): 1}));
        assert!(
            long[0].starts_with("s.(a key that is no name): "),
            "{long:?}"
        );
    }
}
