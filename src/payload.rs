//! What a topic submits for a nonce, ready to be signed, and the way from a model's answer to it.
//!
//! A payload holds canonical decimals only ([`Decimal`]), so nothing that is made of it can fail
//! for the form of its numbers.

use std::fmt::{self, Write as _};

use crate::decimal::{Decimal, DecimalError};

/// How much of a model's answer an error quotes, in characters.
pub const QUOTE_CHARS_MAX: usize = 80;

/// One label's value of a topic with several outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledValue {
    /// The label as it is sent; it is signed as sent (protocol.md section 2).
    pub label: String,
    /// Its value.
    pub value: Decimal,
}

/// What a worker says a topic's output will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inference {
    /// One number, for topics with a single output, on both API versions.
    Value(Decimal),
    /// A value per label in the given order, for MULTI topics; only v10 knows them, a v9 node
    /// refuses the transaction for nothing (protocol.md section 1.3).
    Labelled(Vec<LabelledValue>),
}

impl fmt::Display for Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inference::Value(value) => value.fmt(f),
            Inference::Labelled(values) => {
                for (at, LabelledValue { label, value }) in values.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {value}", label.escape_debug())?;
                }
                Ok(())
            }
        }
    }
}

/// What a worker says of another worker's loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastElement {
    /// The other worker's address.
    pub inferer: String,
    /// The loss that is forecast for it.
    pub value: Decimal,
}

/// An inference, a forecast, or both; never neither, since the chain refuses that inside a
/// block (protocol.md section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    inference: Option<Inference>,
    forecast: Vec<ForecastElement>,
}

/// There is neither an inference nor a forecast to submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload needs an inference or a forecast; this one has neither")]
pub struct EmptyPayload;

impl Payload {
    /// A payload of an inference, a forecast, or both. No elements mean no forecast, no labels
    /// no inference.
    ///
    /// # Errors
    /// When both are absent.
    pub fn new(
        inference: Option<Inference>,
        forecast: Vec<ForecastElement>,
    ) -> Result<Payload, EmptyPayload> {
        let inference = inference.filter(|inference| match inference {
            Inference::Value(_) => true,
            Inference::Labelled(values) => !values.is_empty(),
        });
        if inference.is_none() && forecast.is_empty() {
            return Err(EmptyPayload);
        }
        Ok(Payload {
            inference,
            forecast,
        })
    }

    /// The payload of most topics: one number.
    #[must_use]
    pub fn from_value(value: Decimal) -> Payload {
        Payload {
            inference: Some(Inference::Value(value)),
            forecast: Vec::new(),
        }
    }

    /// The inference, if there is one.
    #[must_use]
    pub fn inference(&self) -> Option<&Inference> {
        self.inference.as_ref()
    }

    /// The inference alone, if there is one beside a forecast.
    #[must_use]
    pub fn without_forecast(&self) -> Option<Payload> {
        let inference = self.inference.clone().filter(|_| !self.forecast.is_empty());
        inference.map(|inference| Payload {
            inference: Some(inference),
            forecast: Vec::new(),
        })
    }

    /// The forecast's elements; none mean no forecast.
    #[must_use]
    pub fn forecast(&self) -> &[ForecastElement] {
        &self.forecast
    }
}

/// A model's answer that holds no inference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model's answer is {what}; a number is expected, as text or JSON{quote}")]
pub struct BodyError {
    /// What was found instead.
    what: Found,
    /// The answer's beginning, ready to be printed; nothing for an empty answer.
    quote: String,
}

/// What a model answered instead of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    /// Nothing, or white space.
    #[error("empty")]
    Empty,
    /// Bytes that are not UTF-8.
    #[error("no text (not UTF-8)")]
    NotText,
    /// A page for people, mostly a proxy's or a wrong path's.
    #[error("an HTML page")]
    Html,
    /// A JSON object.
    #[error("a JSON object")]
    Object,
    /// A JSON list.
    #[error("a JSON list")]
    List,
    /// `null`, `true` or `false`.
    #[error("a JSON literal without a number")]
    Literal,
    /// Text that the chain would not take as a value.
    #[error("{0}")]
    Refused(DecimalError),
}

impl BodyError {
    /// What was found instead of a number.
    #[must_use]
    pub fn found(&self) -> Found {
        self.what
    }
}

/// Reads a model's answer: a number as text, with white space around it, or a JSON number or a
/// JSON string that holds one. Its digits reach the chain as they are.
///
/// # Errors
/// Any other answer; the error says what it looks like and quotes its beginning.
pub fn inference_from_body(body: &[u8]) -> Result<Decimal, BodyError> {
    read_number(body).map_err(|what| BodyError {
        what,
        quote: quote(body),
    })
}

fn read_number(body: &[u8]) -> Result<Decimal, Found> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Found::NotText)?
        .trim();
    if text.is_empty() {
        return Err(Found::Empty);
    }
    let unquoted = match text.starts_with('"') {
        true => serde_json::from_str::<String>(text).ok(),
        false => None,
    };
    let number = unquoted.as_deref().map_or(text, str::trim);
    Decimal::parse(number).map_err(|error| what_else(text, error))
}

/// Names an answer that is not a number by its looks.
fn what_else(text: &str, error: DecimalError) -> Found {
    if matches!(text, "null" | "true" | "false") {
        return Found::Literal;
    }
    match text.as_bytes().first() {
        Some(b'<') => Found::Html,
        Some(b'{') => Found::Object,
        Some(b'[') => Found::List,
        _ => Found::Refused(error),
    }
}

/// A name out of a model's answer, fit to be printed: bounded, on one line, in backquotes.
pub(crate) fn shown(name: &str) -> String {
    format!("`{}`", shorten(name))
}

/// At most [`QUOTE_CHARS_MAX`] characters of a text, on one line.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        short.push('\u{2026}');
    }
    short.escape_debug().to_string()
}

/// Reads a number as text, as a JSON number or as a JSON string.
///
/// # Errors
/// What is there instead.
pub(crate) fn number(text: &str) -> Result<Decimal, Found> {
    read_number(text.as_bytes())
}

/// The beginning of an answer on one line: nothing in it can move a terminal's cursor.
pub(crate) fn quote(body: &[u8]) -> String {
    // Four bytes are the most that a character takes; one more shows that there is more.
    let beginning = &body[..body.len().min(QUOTE_CHARS_MAX * 4 + 4)];
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let mut quoted = String::from("; it begins with `");
    for character in text.chars().take(QUOTE_CHARS_MAX) {
        match character {
            '"' | '\'' | '\\' => quoted.push(character),
            other => {
                // why: writing to a String cannot fail
                let _ = write!(quoted, "{}", other.escape_debug());
            }
        }
    }
    let more = text.chars().nth(QUOTE_CHARS_MAX).is_some();
    quoted.push_str(if more { "`\u{2026}" } else { "`" });
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(body: &str) -> String {
        inference_from_body(body.as_bytes()).unwrap().to_string()
    }

    fn found(body: &str) -> Found {
        inference_from_body(body.as_bytes()).unwrap_err().found()
    }

    #[test]
    fn numbers_are_read_as_text_and_as_json() {
        assert_eq!(value("2611.01"), "2611.01");
        assert_eq!(value(" \r\n\t2611.01\n"), "2611.01");
        assert_eq!(value("\"2611.01\"\n"), "2611.01");
        assert_eq!(value("\" 1e-7 \""), "1E-7");
        assert_eq!(value("\"\\u0031\""), "1");
        assert_eq!(value("-0.00001"), "-0.00001");
        assert_eq!(
            value("0.1234567890123456789012345"),
            "0.1234567890123456789012345"
        );
    }

    #[test]
    fn anything_else_is_named() {
        assert_eq!(found(""), Found::Empty);
        assert_eq!(found(" \n"), Found::Empty);
        assert_eq!(found("<!doctype html>"), Found::Html);
        assert_eq!(found("{\"value\": 1}"), Found::Object);
        assert_eq!(found("[1]"), Found::List);
        assert_eq!(found("null"), Found::Literal);
        assert_eq!(found("NaN"), Found::Refused(DecimalError::NotFinite));
        assert_eq!(found("\"inf\""), Found::Refused(DecimalError::NotFinite));
        assert_eq!(found("\"\""), Found::Refused(DecimalError::Empty));
        assert_eq!(found("\"1"), Found::Refused(DecimalError::NotANumber));
        assert_eq!(found("1 2"), Found::Refused(DecimalError::NotANumber));
        assert_eq!(found("1e41"), Found::Refused(DecimalError::TooLarge));
        let not_text = inference_from_body(&[b'1', 0xff]).unwrap_err();
        assert_eq!(not_text.found(), Found::NotText);
    }

    #[test]
    fn the_error_quotes_eighty_characters_on_one_line() {
        let body = format!("<html>\u{1b}[2J\n{}", "x".repeat(QUOTE_CHARS_MAX));
        let text = inference_from_body(body.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(text.contains("an HTML page"), "{text}");
        assert!(text.contains("`<html>\\u{1b}[2J\\nx"), "{text}");
        assert!(text.ends_with("x`\u{2026}"), "{text}");
        assert!(!text.contains(char::is_control), "{text}");

        let exact = "y".repeat(QUOTE_CHARS_MAX);
        let text = inference_from_body(exact.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(text.ends_with(&format!("`{exact}`")), "{text}");
        let empty = inference_from_body(b"").unwrap_err().to_string();
        assert_eq!(
            empty,
            "the model's answer is empty; a number is expected, as text or JSON"
        );
    }

    #[test]
    fn a_payload_is_never_empty() {
        assert_eq!(Payload::new(None, Vec::new()), Err(EmptyPayload));
        let no_labels = Inference::Labelled(Vec::new());
        assert_eq!(Payload::new(Some(no_labels), Vec::new()), Err(EmptyPayload));
        let one = Decimal::parse("1").unwrap();
        let element = ForecastElement {
            inferer: "allo1x".to_owned(),
            value: one.clone(),
        };
        assert!(
            Payload::new(None, vec![element])
                .unwrap()
                .inference()
                .is_none()
        );
        assert!(Payload::from_value(one).forecast().is_empty());
    }

    proptest! {
        #[test]
        fn any_body_is_judged_on_one_line(body in any::<Vec<u8>>()) {
            if let Err(error) = inference_from_body(&body) {
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
}
