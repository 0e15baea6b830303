//! Splits JSON into pieces of its text, without decoding them. A model's answer is signed digit by
//! digit and label by label, so the order of members, repeated members and the spelling of numbers
//! must be preserved; a tree of values would lose all three.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// Longest JSON pointer, in bytes.
const POINTER_BYTES_MAX: usize = 512;

/// The members of a JSON object in their order, each value as its own text; `None` if the text is
/// not a JSON object.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    // why: with arbitrary precision, serde_json offers a number as an object too
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = deserializer.deserialize_map(Members).ok()?;
    deserializer.end().is_ok().then_some(found)
}

/// The items of a JSON list, each as its own text; `None` if the text is not a JSON list.
pub fn items(text: &str) -> Option<Vec<&str>> {
    // why: the error about another kind of value would copy the value, which may be a secret
    if !text.trim_start().starts_with('[') {
        return None;
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            found.push((name, value.get()));
        }
        Ok(found)
    }
}

/// A JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(String);

/// Why a text is not a JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    #[error("is not a JSON pointer; it must begin with /, as in /data/value")]
    NoSlash,
    #[error("is not a JSON pointer; ~ is written as ~0 and / as ~1 in it")]
    Escape,
    #[error("is not a JSON pointer; it is longer than {POINTER_BYTES_MAX} bytes")]
    Length,
}

impl Pointer {
    /// Parses a pointer; the empty one means the whole text.
    ///
    /// # Errors
    /// What RFC 6901 does not allow, and more than 512 bytes.
    pub fn parse(text: &str) -> Result<Pointer, PointerError> {
        if text.len() > POINTER_BYTES_MAX {
            return Err(PointerError::Length);
        }
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError::NoSlash);
        }
        let mut escapes = text.split('~').skip(1);
        if !escapes.all(|rest| rest.starts_with(['0', '1'])) {
            return Err(PointerError::Escape);
        }
        Ok(Pointer(text.to_owned()))
    }

    /// The piece of `text` that it points to; of repeated members, the last one.
    pub fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut tokens = self.0.split('/').skip(1);
        tokens.try_fold(text, |text, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            if let Some(members) = members(text) {
                let named = |(name, value): (String, &'a str)| (name == token).then_some(value);
                return members.into_iter().rev().find_map(named);
            }
            let index: usize = token.parse().ok()?;
            let is_index = token == index.to_string(); // no sign, no leading zeros
            items(text)?.get(index).copied().filter(|_| is_index)
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find<'a>(pointer: &str, text: &'a str) -> Option<&'a str> {
        Pointer::parse(pointer).unwrap().find(text)
    }

    #[test]
    fn order_repeated_members_and_digits_are_preserved() {
        let text = r#" {"z": 1.50, "a": "x", "z": [1e-7], "\u0061": {}} "#;
        let expected = [("z", "1.50"), ("a", "\"x\""), ("z", "[1e-7]"), ("a", "{}")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(members(text).unwrap(), expected);
        assert_eq!(
            items(r#"[1, "a", {"b": 0.10}]"#).unwrap(),
            ["1", "\"a\"", "{\"b\": 0.10}"]
        );
        for other in ["1.5", "\"a\"", "null", "", "{", "{} x", "[1]"] {
            assert_eq!(members(other), None, "{other}");
        }
        for other in ["1", "[1", "[1] 2", "{}", "[nope]"] {
            assert_eq!(items(other), None, "{other}");
        }
    }

    /// The examples of RFC 6901, section 5.
    #[test]
    fn pointers_lead_where_the_standard_says() {
        let text = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4,
            "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}"#;
        assert_eq!(find("", text), Some(text));
        assert_eq!(find("/foo", text), Some(r#"["bar", "baz"]"#));
        assert_eq!(find("/foo/0", text), Some("\"bar\""));
        for (pointer, value) in [
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(find(pointer, text), Some(value), "{pointer}");
        }
        for nowhere in ["/bar", "/foo/2", "/foo/-", "/foo/00", "/foo/+1", "/foo/0/x"] {
            assert_eq!(find(nowhere, text), None, "{nowhere}");
        }
        assert_eq!(find("/a", r#"{"a": 1, "a": 2}"#), Some("2"));
    }

    #[test]
    fn an_invalid_pointer_is_refused() {
        assert_eq!(Pointer::parse("a/b"), Err(PointerError::NoSlash));
        assert_eq!(Pointer::parse("/a~"), Err(PointerError::Escape));
        assert_eq!(Pointer::parse("/a~2"), Err(PointerError::Escape));
        let long = format!("/{}", "x".repeat(POINTER_BYTES_MAX));
        assert_eq!(Pointer::parse(&long), Err(PointerError::Length));
    }

    proptest! {
        #[test]
        fn a_pointer_finds_what_a_tree_finds(
            pointer in "(/[ab01~]{0,2}){0,3}", key in "[ab01]", other in "[ab01]",
        ) {
            let text = format!(r#"{{"{key}": [{{"{other}": 1}}, 2], "": 3}}"#);
            let tree: serde_json::Value = serde_json::from_str(&text).unwrap();
            if let Ok(parsed) = Pointer::parse(&pointer) {
                let found = parsed.find(&text).map(|found| serde_json::from_str(found).unwrap());
                prop_assert_eq!(found.as_ref(), tree.pointer(&pointer));
            }
        }

        #[test]
        fn any_text_is_searched_without_a_panic(text in ".*", pointer in "(/.{0,4}){0,3}") {
            if let Ok(pointer) = Pointer::parse(&pointer) {
                let _ = pointer.find(&text);
            }
        }
    }
}
