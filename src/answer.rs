//! What a model's answer says: the inference in it, and of when it is. Its digits stay text all the
//! way to the chain's own spelling of them.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::decimal::{Decimal, Rounding};
use crate::guard::Age;
use crate::inference::Answer;
use crate::json_text::Pointer;
use crate::payload::{self, Inference};

/// A time of so many seconds since 1970 or more is one in milliseconds: as seconds it would be
/// beyond the year 5000.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// The inference in an answer: at `pointer`, or the whole of it.
///
/// # Errors
/// What is there instead, on one line, with the answer's beginning.
pub fn inference(body: &str, pointer: Option<&Pointer>) -> Result<Inference, String> {
    let number = payload::inference_from_body(part(body, pointer)?.as_bytes());
    number
        .map(Inference::Value)
        .map_err(|error| error.to_string())
}

/// The piece of an answer that counts.
fn part<'a>(body: &'a str, pointer: Option<&Pointer>) -> Result<&'a str, String> {
    let Some(pointer) = pointer else {
        return Ok(body);
    };
    pointer.find(body).ok_or_else(|| {
        let quote = payload::quote(body.as_bytes());
        format!("the model's answer has nothing at {pointer}{quote}")
    })
}

/// How old an answer is `now`: by the time at `pointer`, RFC 3339 or seconds or milliseconds since
/// 1970, or by its `Last-Modified`. One from the future, as of a clock that is ahead, is of now.
#[must_use]
pub fn age(answer: &Answer, pointer: Option<&Pointer>, now: SystemTime) -> Age {
    let time = match pointer {
        None => answer
            .last_modified
            .ok_or_else(|| "it has no Last-Modified header".to_owned()),
        Some(pointer) => match pointer.find(&answer.body) {
            None => Err(format!("nothing is at {pointer}")),
            Some(text) => read_time(text).ok_or_else(|| format!("no time is at {pointer}")),
        },
    };
    match time {
        Ok(time) => Age::Known(now.duration_since(time).unwrap_or_default()),
        Err(why) => Age::Unknown(why),
    }
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
        match inference(body, Some(&pointer(at)))? {
            Inference::Value(value) => Ok(value.to_string()),
            Inference::Labelled(_) => panic!("{body} holds no labels"),
        }
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
    fn an_age_is_told_by_the_pointer_or_by_the_header() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_060);
        let minute = Age::Known(Duration::from_secs(60));
        let at = |text: &str, pointer: Option<&Pointer>| {
            let answer = Answer {
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
        assert_eq!(future, Age::Known(Duration::ZERO));
        for text in ["\"yesterday\"", "null", "-5", "1e40"] {
            assert!(matches!(at(text, Some(&t)), Age::Unknown(_)), "{text}");
        }
        assert!(matches!(at("1", Some(&pointer("/x"))), Age::Unknown(_)));
        assert!(
            matches!(at("1700000000", None), Age::Unknown(_)),
            "no header"
        );
        let answer = Answer {
            body: "1".to_owned(),
            last_modified: Some(now - Duration::from_secs(60)),
        };
        assert_eq!(age(&answer, None, now), minute);
    }
}
