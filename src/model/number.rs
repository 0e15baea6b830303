//! Reads the one number that a model answers with. Its digits reach the chain as they are.

use crate::text::Foreign;
use crate::values::decimal::{Decimal, DecimalError};

/// What a model answered instead of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    #[error("empty")]
    Empty,
    /// Mostly a proxy's page, or that of a wrong path.
    #[error("an HTML page")]
    Html,
    #[error("a JSON object")]
    Object,
    #[error("a JSON list")]
    List,
    #[error("a JSON literal without a number")]
    Literal,
    /// Written for people, with separators between digits or a comma for the point.
    #[error("a number with a comma")]
    Comma,
    /// Text that the chain would not accept as a value.
    #[error("{0}")]
    Refused(DecimalError),
}

/// Reads a number as text, with white space around it, as a JSON number or as a JSON string.
///
/// # Errors
/// What is there instead.
pub(crate) fn read(text: &str) -> Result<Decimal, NotANumber> {
    let text = text.trim();
    let unquoted = serde_json::from_str::<String>(text).ok();
    let number = unquoted.as_deref().map_or(text, str::trim);
    Decimal::parse(number).map_err(|error| match text.as_bytes().first() {
        None => NotANumber::Empty,
        _ if matches!(text, "null" | "true" | "false") => NotANumber::Literal,
        Some(b'<') => NotANumber::Html,
        Some(b'{') => NotANumber::Object,
        Some(b'[') => NotANumber::List,
        _ if Decimal::parse(&number.replace(',', "")).is_ok() => NotANumber::Comma,
        _ => NotANumber::Refused(error),
    })
}

impl NotANumber {
    /// What to do about it, if more is known than that a number is expected.
    fn advice(self) -> Option<&'static str> {
        match self {
            NotANumber::Empty | NotANumber::Refused(DecimalError::Empty) => {
                Some("let the model write the number into the body of its answer")
            }
            NotANumber::Html => {
                Some("check the path of the model's URL, this is a page for browsers")
            }
            NotANumber::Comma => {
                Some("write it with a point and without separators, as in 3021.57")
            }
            NotANumber::Refused(DecimalError::NotFinite) => {
                Some("the model computed no number: check its input")
            }
            NotANumber::Literal => Some("the model has no value yet: check its input"),
            NotANumber::Object | NotANumber::List | NotANumber::Refused(_) => None,
        }
    }
}

/// Reads an answer that is one number.
///
/// # Errors
/// What is there instead, with the beginning of the answer.
pub(crate) fn read_answer(text: &str) -> Result<Decimal, String> {
    read(text).map_err(|what| {
        let quote = quote(text);
        let advice = what
            .advice()
            .map_or_else(String::new, |advice| format!("; {advice}"));
        format!(
            "the model's answer is {what}; a number is expected, as text or JSON{advice}{quote}"
        )
    })
}

/// The beginning of an answer; nothing for an empty one.
pub(crate) fn quote(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    format!("; it begins with `{}`", Foreign::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::FOREIGN_CHARS_MAX;
    use proptest::prelude::*;

    fn value(body: &str) -> String {
        read(body).unwrap().to_string()
    }

    fn found(body: &str) -> NotANumber {
        read(body).unwrap_err()
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
        assert_eq!(found(""), NotANumber::Empty);
        assert_eq!(found(" \n"), NotANumber::Empty);
        assert_eq!(found("<!doctype html>"), NotANumber::Html);
        assert_eq!(found("{\"value\": 1}"), NotANumber::Object);
        assert_eq!(found("[1]"), NotANumber::List);
        assert_eq!(found("null"), NotANumber::Literal);
        assert_eq!(found("NaN"), NotANumber::Refused(DecimalError::NotFinite));
        assert_eq!(
            found("\"inf\""),
            NotANumber::Refused(DecimalError::NotFinite)
        );
        assert_eq!(found("\"\""), NotANumber::Refused(DecimalError::Empty));
        assert_eq!(found("\"1"), NotANumber::Refused(DecimalError::NotANumber));
        assert_eq!(found("1 2"), NotANumber::Refused(DecimalError::NotANumber));
        assert_eq!(found("1e41"), NotANumber::Refused(DecimalError::TooLarge));
    }

    #[test]
    fn the_error_quotes_the_beginning_on_one_line() {
        let body = format!("<html>\u{1b}[2J\n{}", "x".repeat(FOREIGN_CHARS_MAX));
        let text = read_answer(&body).unwrap_err();
        assert!(text.contains("an HTML page"), "{text}");
        assert!(text.contains("`<html>\\u{1b}[2J\\nx"), "{text}");
        assert!(text.ends_with("x\u{2026}`"), "{text}");
        assert!(!text.contains(char::is_control), "{text}");

        let exact = "y".repeat(FOREIGN_CHARS_MAX);
        let text = read_answer(&exact).unwrap_err();
        assert!(text.ends_with(&format!("`{exact}`")), "{text}");
        let empty = read_answer("").unwrap_err();
        assert_eq!(
            empty,
            "the model's answer is empty; a number is expected, as text or JSON; let the model write \
             the number into the body of its answer"
        );
    }

    #[test]
    fn what_is_no_number_comes_with_its_own_advice() {
        for (body, expected) in [
            (
                "",
                "empty; a number is expected, as text or JSON; let the model write the number into",
            ),
            ("\"\"", "let the model write the number into the body"),
            (
                "3,021.57",
                "a number with a comma; a number is expected, as text or JSON; write it with",
            ),
            ("3021,57", "a number with a comma"),
            (
                "NaN",
                "the model computed no number: check its input; it begins with `NaN`",
            ),
            ("\"-inf\"", "the model computed no number"),
            ("null", "the model has no value yet"),
            ("<html>", "check the path of the model's URL"),
        ] {
            let text = read_answer(body).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_judged_on_one_line(body in any::<String>()) {
            if let Err(error) = read_answer(&body) {
                prop_assert!(!error.contains(char::is_control));
            }
        }
    }
}
