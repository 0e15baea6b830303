//! Reads the one number that a model answers with. Its digits reach the chain as they are.

use std::fmt::Write as _;

use crate::text::QUOTE_CHARS_MAX;
use crate::values::decimal::{Decimal, DecimalError};

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

    proptest! {
        #[test]
        fn any_body_is_judged_on_one_line(body in any::<Vec<u8>>()) {
            if let Err(error) = inference_from_body(&body) {
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
}
