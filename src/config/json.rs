//! The configuration's text as a JSON tree that is wiped when dropped, since it may hold the
//! seed phrase. The tree keeps the last of two equal keys, so those are looked for on their own.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use zeroize::Zeroize as _;

use super::section::{Findings, child_path};

/// A JSON tree whose texts are overwritten when it is dropped.
pub(super) struct WipedTree(Value);

impl WipedTree {
    pub(super) fn root(&self) -> &Value {
        &self.0
    }
}

impl Drop for WipedTree {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Where and why a text is no JSON; without any of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

impl From<serde_json::Error> for SyntaxError {
    fn from(error: serde_json::Error) -> SyntaxError {
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            // The library's words for these kinds are fixed texts; they quote nothing.
            Category::Syntax | Category::Eof => without_place(&error.to_string()),
            Category::Data | Category::Io => "a value of an unexpected kind".to_owned(),
        };
        SyntaxError { line, column, what }
    }
}

/// The place has fields of its own.
fn without_place(text: &str) -> String {
    text.rsplit_once(" at line ")
        .map_or(text, |(what, _)| what)
        .to_owned()
}

/// Reads a whole text, and reports keys that an object has twice.
pub(super) fn read(text: &str, findings: &mut Findings) -> Result<WipedTree, SyntaxError> {
    let tree = WipedTree(serde_json::from_str(text)?);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    DuplicateKeys {
        path: String::new(),
        findings,
    }
    .deserialize(&mut deserializer)?;
    Ok(tree)
}

/// Goes through a text for its objects' keys alone.
struct DuplicateKeys<'a> {
    path: String,
    findings: &'a mut Findings,
}

impl<'de> DeserializeSeed<'de> for DuplicateKeys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DuplicateKeys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = child_path(&self.path, &key);
            if !seen.insert(key) {
                self.findings
                    .problem(path.clone(), "is written twice; remove one of them");
            }
            map.next_value_seed(DuplicateKeys {
                path,
                findings: &mut *self.findings,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        loop {
            let path = format!("{}[{index}]", self.path);
            let seed = DuplicateKeys {
                path,
                findings: &mut *self.findings,
            };
            if items.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let mut findings = Findings::default();
        read(text, &mut findings).map(|_| ()).unwrap();
        findings.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_written_twice_are_found_at_any_depth() {
        assert_eq!(
            problems(r#"{"a": 1.5, "b": [{"c": null}, {"c": true}]}"#),
            [""; 0]
        );
        assert_eq!(
            problems(r#"{"a": 1, "b": [{}, {"c": "x", "c": {"d": 1e5, "d": -1}}], "a": 2}"#),
            [
                "b[1].c: is written twice; remove one of them",
                "b[1].c.d: is written twice; remove one of them",
                "a: is written twice; remove one of them",
            ]
        );
    }

    #[test]
    fn a_text_that_is_no_json_is_placed_and_not_quoted() {
        for text in [
            "{\n \"seed_phrase\": secret }",
            "{\"secret\" 1}",
            "\"secret",
            "{} secret",
        ] {
            let Err(error) = read(text, &mut Findings::default()) else {
                panic!("{text} was read");
            };
            assert!(!error.what.contains("secret"), "{error:?}");
            assert!(!error.what.contains(" at line "), "{error:?}");
            assert!(error.line >= 1, "{error:?}");
        }
        let Err(error) = read("{\n \"a\": x}", &mut Findings::default()) else {
            panic!("that was read");
        };
        assert_eq!((error.line, error.column), (2, 7));
        assert_eq!(error.what, "expected value");
    }

    #[test]
    fn texts_are_wiped_at_any_depth() {
        let mut value = serde_json::json!({"a": ["secret", {"b": "secret"}], "c": "secret"});
        wipe(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["", {"b": ""}], "c": ""}));
    }
}
