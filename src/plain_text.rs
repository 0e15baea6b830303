//! Other people's words, fit to be printed: what a node or a model says neither ends a line, nor
//! steers a terminal, nor turns the order of the text around it. Pure.

use std::borrow::Cow;

/// Whether a character does something instead of being seen: control characters, and those of
/// Unicode that change the direction of writing.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}

/// The text on one line, each character that [`is_unseen`] written as Rust writes it: `\n`,
/// `\u{1b}`.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_unseen(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_not_seen_is_left() {
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
