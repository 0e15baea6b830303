//! Text for logs and terminals. Text from outside, for example from a node or a model, must not
//! break a line, control a terminal, or change the writing direction of the text around it.

use std::borrow::Cow;
use std::error::Error;

pub mod secret;

/// Whether a character is a control character, or one of Unicode's that change the direction of
/// writing.
pub fn is_unseen(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}

/// The text on one line, each character that [`is_unseen`] written as Rust writes it: `\n`,
/// `\u{1b}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unseen(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// An error and its causes on one line, each behind a colon.
pub fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// How much of a model's answer an error quotes, in characters.
pub const QUOTE_CHARS_MAX: usize = 80;

/// A name from a model's answer: shortened, on one line, in backquotes.
pub(crate) fn shown(name: &str) -> String {
    format!("`{}`", shorten(name))
}

/// The first [`QUOTE_CHARS_MAX`] characters of a text, on one line.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        short.push('\u{2026}');
    }
    short.escape_debug().to_string()
}

/// The first characters of a body, on one line and in quotes.
pub fn excerpt(body: &[u8]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let start = &body[..body.len().min(QUOTE_CHARS_MAX * 4)];
    let text = String::from_utf8_lossy(start);
    let line: String = text
        .chars()
        .take(QUOTE_CHARS_MAX)
        .map(|c| if is_unseen(c) { ' ' } else { c })
        .collect();
    format!("\"{line}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_followed_by_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Layer {
            text: &'static str,
            source: Option<Box<Layer>>,
        }
        let layer = |text, source| Layer { text, source };
        let inner = layer("the disk is full", None);
        let outer = layer(
            "can't save",
            Some(Box::new(layer("can't write", Some(Box::new(inner))))),
        );
        assert_eq!(
            with_causes(&outer),
            "can't save: can't write: the disk is full"
        );
    }

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(
            escaped("number\n<0>kernel: on fire\r\x1b[2J\u{85}"),
            "number\\n<0>kernel: on fire\\r\\u{1b}[2J\\u{85}"
        );
        for c in [
            '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}',
        ] {
            let text = format!("a{c}b");
            assert_eq!(escaped(&text), format!("a{}b", c.escape_unicode()));
        }
        for kept in ["größer → 1", "\u{200d}", "שלום"] {
            assert_eq!(escaped(kept), kept);
        }
    }
}
