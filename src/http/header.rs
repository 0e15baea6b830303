//! Headers of requests, whose values may be keys, and hiding keys where an answer repeats them.

use std::cmp::Reverse;
use std::fmt;

use zeroize::Zeroizing;

use crate::http::url::{self, looks_like_key};

/// Header values, and a URL's user, password and query values, that are shorter than this, in bytes,
/// are not hidden.
const HIDDEN_BYTES_MIN: usize = 4;
/// Parts of a URL's path that are shorter than this are not hidden, unless they look like a key: words
/// such as `cosmos` and `testnet` are in many answers.
const PATH_BYTES_MIN: usize = 12;
/// A URL's user, if it is a word of letters that is shorter than this, is hidden where it stands alone:
/// `allo` is a part of the coin's name.
const USER_BYTES_MIN: usize = 12;
/// Numbers that are shorter than this, in digits, are not hidden: they may be in any answer, where a
/// height or a sequence without them would be another one.
const NUMBER_DIGITS_MIN: usize = 12;
/// Replaces a hidden value.
const HIDDEN: &str = "\u{2026}";

/// A request header. Its value may be a key, so it is wiped after use and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: Zeroizing<String>,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}: \u{2026})", self.name)
    }
}

/// The texts that a request carries and nobody else may see.
#[derive(Clone, Default)]
pub struct Secrets {
    texts: Vec<Zeroizing<String>>,
    /// Hidden where it stands alone.
    user: Option<Zeroizing<String>>,
}

impl Secrets {
    /// The values of these headers, and the keys behind a scheme such as `Bearer`.
    pub fn of_headers(headers: &[Header]) -> Secrets {
        let parts = headers.iter().flat_map(|header| {
            let key = header.value.split_once(' ').map(|(_, key)| key.trim());
            [Some(header.value.as_str()), key].into_iter().flatten()
        });
        Secrets::of(parts.filter(|part| is_hidden(part)))
    }

    /// The same, and user, password, query values and long parts of the path of a URL.
    pub fn of_request(headers: &[Header], url: &str) -> Secrets {
        let mut all = Secrets::of_headers(headers);
        let (values, path) = url::secret_parts(url);
        let user = url::user_name(url).filter(|name| {
            name.len() < USER_BYTES_MIN && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        let values = values.iter();
        let values = values.filter(|part| is_hidden(part) && Some(part.as_str()) != user);
        let is_long =
            |part: &&Zeroizing<String>| part.len() >= PATH_BYTES_MIN || looks_like_key(part);
        let path = path.iter().filter(is_long);
        let of_url = values.chain(path).map(|part| part.as_str());
        all.texts.extend(Secrets::of(of_url).texts);
        all.user = user
            .filter(|name| is_hidden(name))
            .map(|name| Zeroizing::new(name.to_owned()));
        all.sorted()
    }

    /// Each text as it is, and as JSON writes it.
    fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Secrets {
        let spellings = |text: &str| {
            let json = text.replace('\\', r"\\").replace('"', "\\\"");
            let slashed = json.replace('/', r"\/");
            [text.to_owned(), json, slashed].map(Zeroizing::new)
        };
        let texts = texts.flat_map(spellings).collect();
        Secrets { texts, user: None }.sorted()
    }

    fn sorted(mut self) -> Secrets {
        // why: a key without its scheme is a part of the value that holds it
        self.texts.sort_by_key(|secret| Reverse(secret.len()));
        self.texts.dedup();
        self
    }

    /// A text with each of the secrets replaced. `text` must be whole: the rest of a truncated value
    /// would not be recognised.
    pub fn hide(&self, text: &str) -> String {
        let hide = |text: String, secret: &Zeroizing<String>| text.replace(secret.as_str(), HIDDEN);
        let text = self.texts.iter().fold(text.to_owned(), hide);
        match &self.user {
            Some(user) => hide_alone(&text, user),
            None => text,
        }
    }

    /// The same for the bytes of a body; `None` if none of the secrets is in it.
    pub fn hide_in(&self, body: &[u8]) -> Option<Vec<u8>> {
        if self.texts.is_empty() && self.user.is_none() {
            return None;
        }
        let text = String::from_utf8_lossy(body);
        let hidden = self.hide(&text);
        (*hidden != *text).then(|| hidden.into_bytes())
    }
}

/// A text with a word replaced where no letter or digit stands beside it.
fn hide_alone(text: &str, word: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(word) {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let is_part =
            before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        if !is_part {
            hidden.push_str(&text[done..at]);
            hidden.push_str(HIDDEN);
            done = at + word.len();
        }
    }
    hidden.push_str(&text[done..]);
    hidden
}

/// Whether a value may be a key, and no word that answers are made of.
fn is_hidden(value: &str) -> bool {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    value.len() >= HIDDEN_BYTES_MIN
        && !["true", "false", "null"].contains(&value)
        && !(is_number && value.len() < NUMBER_DIGITS_MIN)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_request_that_may_be_keys_are_hidden() {
        let header = Header {
            name: "Authorization".to_owned(),
            value: "Bearer he\"ader/key".to_owned().into(),
        };
        assert!(!format!("{header:?}").contains("key"));
        let url = "http://user:p%40ssword@host/testnet/pathkey12345678?apikey=querykey&x=1";
        let secrets = Secrets::of_request(&[header], url);
        assert!(!format!("{secrets:?}").contains("key"));
        for (text, expected) in [
            ("he\"ader/key", "\u{2026}"),
            (r#"{"at": "he\"ader\/key"}"#, "{\"at\": \"\u{2026}\"}"),
            ("no Bearer he\"ader/key!", "no \u{2026}!"),
            ("user p@ssword p%40ssword", "\u{2026} \u{2026} \u{2026}"),
            (
                "Authorization: Basic dXNlcjpwQHNzd29yZA==",
                "Authorization: \u{2026}",
            ),
            ("dXNlcjpwQHNzd29yZA==", "\u{2026}"),
            (
                "/testnet/pathkey12345678?apikey=querykey&x=1",
                "/testnet/\u{2026}?apikey=\u{2026}&x=1",
            ),
            ("host", "host"),
        ] {
            assert_eq!(secrets.hide(text), expected);
            let hidden = secrets.hide_in(text.as_bytes());
            let hidden = hidden.map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(hidden.as_deref(), Some(expected).filter(|it| *it != text));
        }
        let words = Secrets::of_request(&[], "http://host/?prod=true&id=2024&key=123456789012");
        let text = r#"{"syncing": true, "expected": 12024, "key": 123456789012}"#;
        let shown = text.replace("123456789012", HIDDEN);
        assert_eq!(
            words.hide(text),
            shown,
            "an answer keeps its numbers and words"
        );
        let short = Secrets::of_request(&[], "http://allo@host/lcd/a1b2c3d4/k%65y45678/testnet");
        for (text, expected) in [
            (r#"{"denom":"uallo","of":"allo1x"}"#, None),
            (
                "no user allo, \"allo\"",
                Some("no user \u{2026}, \"\u{2026}\""),
            ),
            ("allo", Some("\u{2026}")),
            ("/lcd/a1b2c3d4/testnet", Some("/lcd/\u{2026}/testnet")),
            ("at key45678 or k%65y45678", Some("at \u{2026} or \u{2026}")),
        ] {
            assert_eq!(short.hide(text), expected.unwrap_or(text));
        }
        let none = Secrets::of_request(&[], "http://host:80/api?x=1");
        assert_eq!(none.hide_in(b"http://host:80/api?x=1"), None);
    }
}
