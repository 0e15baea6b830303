//! Text for logs and terminals. Text from outside, for example from a node or a model, must not
//! break a line, control a terminal, hide or reorder the text around it, or fill the log.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde::Deserialize;

pub mod nearest;
pub mod secret;

/// The most characters that are shown of one text from outside, escapes and `CUT` included.
pub const FOREIGN_CHARS_MAX: usize = 300;

/// The last character of a text that was cut.
const CUT: char = '\u{2026}';

/// Text from outside: an answer of a node or a model, an error that quotes one, a server's
/// certificate. It is shown, by [`Display`](fmt::Display) only, as [`escaped`] and cut to
/// [`FOREIGN_CHARS_MAX`] characters. So whatever is formatted from it may be logged.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Foreign(String);

/// The text, cut to this many characters; the last one then says so.
pub fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let cut = text.chars().take(chars_max.saturating_sub(1));
    cut.chain([CUT]).collect()
}

impl Foreign {
    /// The text as it came: to be compared, signed or sent, never shown.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The beginning of a body.
    pub fn beginning(body: &[u8]) -> Foreign {
        if body.is_empty() {
            return Foreign::from("an empty body");
        }
        // why: one character more than is shown, of up to 4 bytes each, so that a cut is marked
        let bytes = body.len().min((FOREIGN_CHARS_MAX + 1) * 4);
        Foreign(String::from_utf8_lossy(&body[..bytes]).into_owned())
    }
}

impl<T: Into<String>> From<T> for Foreign {
    fn from(text: T) -> Foreign {
        Foreign(text.into())
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut shown, mut chars, mut cut_at) = (String::new(), 0, 0);
        for c in self.0.chars() {
            chars += push_escaped(&mut shown, c);
            if chars < FOREIGN_CHARS_MAX {
                cut_at = shown.len();
            }
            if chars > FOREIGN_CHARS_MAX {
                shown.truncate(cut_at);
                shown.push(CUT);
                break;
            }
        }
        f.write_str(&shown)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Whether a character is invisible or changes how the text around it is shown: control characters,
/// line and paragraph separators, marks of annotations, and what Unicode calls ignorable: marks of
/// the writing direction, joiners, variation selectors, fillers, tags.
pub fn is_unseen(c: char) -> bool {
    let is_ignorable = matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_ignorable || c.is_control()
}

/// The text on one line, each character that [`is_unseen`] written as Rust writes it: `\n`,
/// `\u{1b}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push_escaped(&mut safe, c);
    }
    Cow::Owned(safe)
}

/// Appends a character, as its escape if it [`is_unseen`]. Returns how many characters that are.
fn push_escaped(text: &mut String, c: char) -> usize {
    if !is_unseen(c) {
        text.push(c);
        return 1;
    }
    let escape = c.escape_default();
    let chars = escape.len();
    text.extend(escape);
    chars
}

/// An error and its causes on one line, each behind a colon.
pub fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(cut("3021.57", 7), "3021.57");
        assert_eq!(cut("3021.57", 6), "3021.\u{2026}");
        assert_eq!(cut(&"\u{e9}".repeat(2_000), 100).chars().count(), 100);
    }

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

    /// First and last of each range that must not be shown as it is.
    const UNSEEN: &[(u32, u32)] = &[
        (0x0000, 0x001f),
        (0x007f, 0x009f),
        (0x00ad, 0x00ad),
        (0x061c, 0x061c),
        (0x180e, 0x180e),
        (0x200b, 0x200f),
        (0x2028, 0x202e),
        (0x2060, 0x2069),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xfff9, 0xfffb),
        (0xe0000, 0xe007f),
        (0xe0100, 0xe01ef),
    ];

    fn shown(text: &str) -> String {
        Foreign::from(text).to_string()
    }

    #[test]
    fn invisible_characters_are_escaped() {
        let forged = "number\n<0>kernel: on fire\r\x1b[2J\u{85}\u{202e}";
        let safe = "number\\n<0>kernel: on fire\\r\\u{1b}[2J\\u{85}\\u{202e}";
        assert_eq!((shown(forged).as_str(), &*escaped(forged)), (safe, safe));
        for c in UNSEEN.iter().flat_map(|&(first, last)| first..=last) {
            let c = char::from_u32(c).unwrap();
            let expected = format!("a{}b", c.escape_default());
            assert_eq!(shown(&format!("a{c}b")), expected);
        }
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for kept in [
            "",
            "größer → 1",
            "שלום",
            "日本語",
            "e\u{301}",
            "☂ 🚀",
            r"a\n",
        ] {
            assert_eq!((shown(kept).as_str(), &*escaped(kept)), (kept, kept));
        }
    }

    #[test]
    fn a_long_text_is_cut_with_a_mark() {
        let fits = "ä".repeat(FOREIGN_CHARS_MAX);
        assert_eq!(shown(&fits), fits);
        let cut = "ä".repeat(FOREIGN_CHARS_MAX - 1) + "…";
        assert_eq!(shown(&format!("{fits}x")), cut);
        let escapes = shown(&"\u{202e}".repeat(1_000));
        assert!(escapes.ends_with("\\u{202e}…"), "no part of an escape");
        let body = Foreign::beginning(&[b'x'; 262_144]);
        assert!(body.raw().len() < 2_000 && body.to_string().ends_with("x…"));
        assert_eq!(Foreign::beginning(b"").to_string(), "an empty body");
        assert_eq!(Foreign::beginning(b"\xff\0").to_string(), "\u{fffd}\\u{0}");
    }

    proptest! {
        #[test]
        fn no_text_is_shown_longer_or_with_an_unseen_character(
            text in "(?s:.{0,400})|[\u{0}-\u{ff}\u{200b}-\u{2069}\u{e0001}-\u{e007f}]{0,400}"
        ) {
            let once = shown(&text);
            prop_assert!(once.chars().count() <= FOREIGN_CHARS_MAX);
            for c in once.chars() {
                let is_bad = |&(first, last): &(u32, u32)| (first..=last).contains(&(c as u32));
                prop_assert!(!UNSEEN.iter().any(is_bad), "{:?}", c);
            }
            prop_assert_eq!(shown(&once), once.as_str(), "idempotent");
            if once.ends_with('…') || text.contains(is_unseen) {
                prop_assert!(escaped(&text).starts_with(once.trim_end_matches('…')));
            } else {
                prop_assert_eq!(once, text);
            }
        }
    }
}
