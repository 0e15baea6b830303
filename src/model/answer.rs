//! Reads a model's answer: the inference or forecast in it, and its age. Digits stay text until
//! they are written in the chain's canonical form.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::ask::ModelAnswer;
use crate::model::guard::Age;
use crate::model::number::{self, NotANumber};
use crate::model::pointer::{self, Pointer};
use crate::model::suggest::pointer_to_number;
use crate::sign::wallet;
use crate::text::Foreign;
use crate::values::decimal::{Decimal, Rounding};
use crate::values::payload::{ForecastElement, Inference, LabelledValue};
use crate::values::topic::Arity;

/// A Unix time from this number on is in milliseconds: in seconds it would be after the year 5000.
const MILLISECONDS_FROM: u64 = 100_000_000_000;
/// Examples for messages.
const LABELLED_EXAMPLE: &str = r#"{"up": 0.7, "down": 0.3}"#;
const FORECAST_EXAMPLE: &str = "{\"allo1\u{2026}\": 12.3}";

/// The inference in an answer, at `pointer` or the whole of it, for a topic of this kind. Labelled
/// values are `{"up": 0.5, …}` or `[{"label": "up", "value": "0.5"}, …]`, and keep their order.
///
/// # Errors
/// What is there instead, on one line, with the beginning of the answer; labels that the chain
/// would refuse.
pub fn inference_for(
    arity: &Arity,
    body: &str,
    pointer: Option<&Pointer>,
    label_bytes_max: usize,
) -> Result<Inference, String> {
    let part = part(body, pointer)?;
    let Arity::Multi(rules) = arity else {
        return single(part, pointer).map(Inference::Value);
    };
    let values = labelled(part)?;
    let checked = rules.check(&values, label_bytes_max);
    checked.map_err(|error| format!("the chain would refuse the model's answer: {error}"))?;
    Ok(Inference::Labelled(values))
}

/// Reads one number, from what is at `pointer`.
fn single(text: &str, pointer: Option<&Pointer>) -> Result<Decimal, String> {
    number::read_answer(text).map_err(|error| {
        if let Some(place) = pointer_to_number(text) {
            let before = pointer.map_or_else(String::new, ToString::to_string);
            let place = Foreign::from(format!("{before}{place}"));
            let quote = number::quote(text);
            return format!(
                "the model's answer is not a number alone; to take the one at {place}, set \
                 \"value_pointer\": \"{place}\"{quote}"
            );
        }
        if labelled(text).is_err() {
            return error;
        }
        let quote = number::quote(text);
        format!("the model's answer is of labelled values, this topic takes one number{quote}")
    })
}

fn labelled(text: &str) -> Result<Vec<LabelledValue>, String> {
    if let Ok(number) = number::read(text) {
        // why: a number may have 2,000 digits
        let number = Foreign::from(number.as_str());
        return Err(format!(
            "the model's answer is one number, {number}; this topic takes labelled values, as in \
             {LABELLED_EXAMPLE}"
        ));
    }
    let pairs = pairs(text, "label", LABELLED_EXAMPLE)?;
    let value = |(label, text): (Foreign, &str)| {
        let value = number::read(text).map_err(|found| not_a_number(&label, found))?;
        Ok(LabelledValue { label, value })
    };
    pairs.into_iter().map(value).collect()
}

fn not_a_number(name: &Foreign, found: NotANumber) -> String {
    format!("the model's answer has {found} at `{name}`; a number is expected")
}

/// The forecast in an answer: at `pointer`, or the whole of it. It is `{"allo1…": 12.3, …}` or
/// `[{"inferer": "allo1…", "value": "12.3"}, …]`. A value may be a list of one number, as in models
/// for the official Go node.
///
/// # Errors
/// What is there instead, on one line; an invalid address; a repeated address.
pub fn forecast(body: &str, pointer: Option<&Pointer>) -> Result<Vec<ForecastElement>, String> {
    let pairs = pairs(part(body, pointer)?, "inferer", FORECAST_EXAMPLE)?;
    if pairs.is_empty() {
        return Err("the model's answer is an empty forecast".to_owned());
    }
    let mut elements: Vec<ForecastElement> = Vec::with_capacity(pairs.len());
    for (inferer, text) in pairs {
        if !wallet::is_address(inferer.raw()) {
            return Err(format!(
                "the model's answer has `{inferer}`, which is not a valid address"
            ));
        }
        if elements
            .iter()
            .any(|element| element.inferer == inferer.raw())
        {
            return Err(format!("the model's answer has `{inferer}` twice"));
        }
        let value = match pointer::items(text).as_deref() {
            Some([only]) => number::read(only),
            _ => number::read(text),
        };
        let value = value.map_err(|found| not_a_number(&inferer, found))?;
        let inferer = inferer.raw().to_owned();
        elements.push(ForecastElement { inferer, value });
    }
    Ok(elements)
}

/// Names and values in their order: the members of an object, or of a list of objects that hold
/// them as `name` and `value`.
fn pairs<'a>(text: &'a str, name: &str, example: &str) -> Result<Vec<(Foreign, &'a str)>, String> {
    if let Some(members) = pointer::members(text) {
        let members = members.into_iter();
        return Ok(members.map(|(name, value)| (name.into(), value)).collect());
    }
    let pair = |item: &'a str| {
        let mut found = (None, None);
        for (key, value) in pointer::members(item)? {
            if key == name {
                found.0 = serde_json::from_str::<Foreign>(value).ok();
            } else if key == "value" {
                found.1 = Some(value);
            }
        }
        found.0.zip(found.1)
    };
    let pairs = pointer::items(text).map(|items| items.into_iter().map(pair).collect());
    pairs.flatten().ok_or_else(|| {
        let quote = number::quote(text);
        format!(
            "the model's answer is not as expected: {example}, or a list of {{\"{name}\": \u{2026}, \
             \"value\": \u{2026}}}{quote}"
        )
    })
}

/// The part of an answer at `pointer`.
fn part<'a>(body: &'a str, pointer: Option<&Pointer>) -> Result<&'a str, String> {
    let Some(pointer) = pointer else {
        return Ok(body);
    };
    pointer.find(body).ok_or_else(|| {
        let quote = number::quote(body);
        format!("the model's answer has nothing at {pointer}{quote}")
    })
}

/// How old an answer is `now`: by the time at `pointer`, which is RFC 3339 or seconds or
/// milliseconds since 1970, or by its `Last-Modified`. A time in the future, as from a clock that
/// is ahead, counts as now.
pub fn age(answer: &ModelAnswer, pointer: Option<&Pointer>, now: SystemTime) -> Age {
    let time = match pointer {
        None => answer
            .last_modified
            .ok_or("it has no Last-Modified header")?,
        Some(pointer) => {
            let text = pointer.find(&answer.body);
            let text = text.ok_or_else(|| format!("nothing is at {pointer}"))?;
            read_time(text).ok_or_else(|| format!("no time is at {pointer}"))?
        }
    };
    Ok(now.duration_since(time).unwrap_or_default())
}

fn read_time(text: &str) -> Option<SystemTime> {
    let unquoted = serde_json::from_str::<String>(text).ok();
    let text = unquoted.as_deref().unwrap_or(text).trim();
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(time.into());
    }
    let number = Decimal::parse(text).ok()?;
    let seconds = u64::try_from(number.to_units(0, Rounding::Down).ok()?).ok()?;
    let places = if seconds >= MILLISECONDS_FROM { 6 } else { 9 };
    let nanos = number.to_units(places, Rounding::Down).ok()?;
    let since = Duration::from_nanos(u64::try_from(nanos).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).unwrap()
    }

    fn value(body: &str, at: &str) -> Result<String, String> {
        let inference = inference_for(&Arity::Single, body, Some(&pointer(at)), 0)?;
        Ok(inference.to_string())
    }

    #[test]
    fn a_pointer_finds_the_number_with_its_digits() {
        let body = r#"{"data": [{"price": 2611.010}, {"price": "1e-7"}], "note": "x"}"#;
        assert_eq!(value(body, "/data/0/price").unwrap(), "2611.010");
        assert_eq!(value(body, "/data/1/price").unwrap(), "1E-7");
        let text = value(body, "/data/2/price").unwrap_err();
        assert!(
            text.contains("nothing at /data/2/price; it begins with `{"),
            "{text}"
        );
        let text = value(body, "/data").unwrap_err();
        assert!(text.contains("a JSON list; a number is expected"), "{text}");
        assert!(value("<html>", "/x").unwrap_err().contains("<html>"));
    }

    #[test]
    fn an_answer_with_a_number_in_it_comes_with_the_pointer_that_fits() {
        let text = single(r#"{"value": 3021.57}"#, None).unwrap_err();
        assert!(
            text.contains(r#"set "value_pointer": "/value"; it begins with"#),
            "{text}"
        );
        let text = single("[3021.57]", None).unwrap_err();
        assert!(text.contains(r#"set "value_pointer": "/0""#), "{text}");
        let text = value(r#"{"data": {"value": 3021.57}, "n": 1}"#, "/data").unwrap_err();
        assert!(
            text.contains(r#"set "value_pointer": "/data/value""#),
            "{text}"
        );
    }

    #[test]
    fn labelled_values_keep_their_order_and_digits() {
        let read = |body: &str| labelled(body).map(Inference::Labelled);
        let object = read(r#"{"up": 0.50, "down": "0.3", "Flat ": 2e-1}"#).unwrap();
        assert_eq!(object.to_string(), "up 0.50, down 0.3, Flat  0.2");
        let list = r#"[{"label": "up", "value": "0.5"}, {"value": 0.5, "label": "down", "x": 1}]"#;
        assert_eq!(read(list).unwrap().to_string(), "up 0.5, down 0.5");
        let double = read(r#"{"up": 1, "up": 2}"#).unwrap();
        assert_eq!(
            double.to_string(),
            "up 1, up 2",
            "the topic's rules refuse it"
        );
        let inside = part(r#"{"p": {"b": 1, "a": 0}}"#, Some(&pointer("/p"))).unwrap();
        assert_eq!(read(inside).unwrap().to_string(), "b 1, a 0");
    }

    #[test]
    fn the_wrong_kind_of_answer_is_named() {
        let text = single(r#"{"up": 1, "down": 2}"#, None).unwrap_err();
        assert!(
            text.contains("labelled values, this topic takes one number; it begins"),
            "{text}"
        );
        let text = labelled("1.5").unwrap_err();
        assert!(
            text.contains("one number, 1.5; this topic takes labelled values"),
            "{text}"
        );
        let text = labelled(r#"{"up": "high"}"#).unwrap_err();
        assert!(text.contains("not a decimal number at `up`"), "{text}");
        for other in ["<html>", "", "[1, 2]", r#"[{"label": "up"}]"#, "null"] {
            let text = labelled(other).unwrap_err();
            assert!(text.contains("not as expected"), "{text}");
        }
    }

    #[test]
    fn a_forecast_consists_of_addresses_and_numbers() {
        const OTHER: &str = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";
        let read = |body: String| forecast(&body, None);
        let object = read(format!(r#"{{"{OTHER}": 12.30}}"#)).unwrap();
        let list = read(format!(r#"[{{"inferer": "{OTHER}", "value": "12.30"}}]"#)).unwrap();
        assert_eq!(object, list);
        let of_one = read(format!(r#"{{"{OTHER}": [12.30]}}"#)).unwrap();
        assert_eq!(of_one, object, "as the Go node's models give it");
        assert_eq!(
            (object[0].inferer.as_str(), object[0].value.as_str()),
            (OTHER, "12.30")
        );
        for (body, expected) in [
            ("{}".to_owned(), "an empty forecast"),
            (r#"{"allo1x": 1}"#.to_owned(), "not a valid address"),
            (
                format!(r#"{{"{}": 1}}"#, OTHER.to_uppercase()),
                "not a valid address",
            ),
            (format!(r#"{{"{OTHER}": 1, "{OTHER}": 2}}"#), "twice"),
            (format!(r#"{{"{OTHER}": null}}"#), "a number is expected"),
            (format!(r#"{{"{OTHER}": [1, 2]}}"#), "a number is expected"),
            (format!(r#"{{"{OTHER}": []}}"#), "a number is expected"),
            (format!(r#"{{"{OTHER}": [[1]]}}"#), "a number is expected"),
            ("12.3".to_owned(), "not as expected"),
        ] {
            let text = read(body).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn an_age_is_that_of_the_pointer_or_of_the_header() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_060);
        let minute = Ok(Duration::from_secs(60));
        let at = |text: &str, pointer: Option<&Pointer>| {
            let answer = ModelAnswer {
                body: format!("{{\"t\": {text}}}"),
                last_modified: None,
            };
            age(&answer, pointer, now)
        };
        let t = pointer("/t");
        for text in [
            "1700000000",
            "1700000000.0",
            "\"1700000000\"",
            "1700000000000",
            "\"2023-11-14T22:13:20Z\"",
            "\"2023-11-14T23:13:20.000+01:00\"",
        ] {
            assert_eq!(at(text, Some(&t)), minute, "{text}");
        }
        let future = at("1700000999", Some(&t));
        assert_eq!(future, Ok(Duration::ZERO));
        for text in ["\"yesterday\"", "null", "-5", "1e40"] {
            assert!(at(text, Some(&t)).is_err(), "{text}");
        }
        assert!(at("1", Some(&pointer("/x"))).is_err());
        assert!(at("1700000000", None).is_err(), "no header");
        let answer = ModelAnswer {
            body: "1".to_owned(),
            last_modified: Some(now - Duration::from_secs(60)),
        };
        assert_eq!(age(&answer, None, now), minute);
    }
}
