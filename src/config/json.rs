//! The configuration's text as a JSON tree that is wiped when dropped, since it may hold the seed
//! phrase. The tree keeps only the last of two equal keys, so repeated keys are searched
//! separately.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use serde_json::error::Category;
use zeroize::Zeroize as _;

use super::error::ConfigError;
use super::keys;
use super::section::{Findings, child_path};
use crate::http::url::holds_key;
use crate::model::pointer::{items, members};
use crate::text::secret::is_secret;

/// The problem of a setting that holds a secret by mistake.
const MISPLACED: &str = "looks like a seed phrase or a private key, which does not belong here and \
                         is not shown; write the seed phrase into a file that only you can read \
                         (chmod 600), and name that file in seed_phrase_file; the file of a private \
                         key is named in private_key_file";

/// The most characters of a line that are shown.
const SHOWN_CHARS_MAX: usize = 76;

/// A JSON tree whose texts are overwritten when it is dropped.
pub(super) struct WipedTree(pub(super) Value);

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

/// Reads the whole text of the file at `path`, and reports keys that an object has twice.
pub(super) fn read(text: &str, path: &Path, findings: &Findings) -> Result<WipedTree, ConfigError> {
    let tree = serde_json::from_str(text).map_err(|error| {
        let what = match error.classify() {
            // The texts of these kinds are fixed; they quote nothing.
            Category::Syntax | Category::Eof => error.to_string(),
            Category::Data | Category::Io => "a value of an unexpected kind".to_owned(),
        };
        // why: line and column have their own fields
        let what = what.split(" at line ").next().unwrap_or_default();
        let (line, column) = (error.line(), error.column());
        let place = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        ConfigError::NotJson {
            path: path.to_owned(),
            line,
            column,
            what: format!("{what}{}", advice(what, place, column)),
            shown: pointed_out(place, column),
        }
    })?;
    report_repeated_keys(text, "", findings);
    Ok(WipedTree(tree))
}

/// What to do about some frequent mistakes; `what` is the parser's text.
fn advice(what: &str, line: &str, column: usize) -> &'static str {
    let at = line.as_bytes().get(column.saturating_sub(1));
    match at {
        Some(b'/' | b'#') => " (JSON has no comments: remove it)",
        Some(b'\'') => " (JSON has double quotes only)",
        _ if what == "trailing comma" => " (remove the comma before it)",
        _ => "",
    }
}

/// The line of a mistake without what may be a secret, and under it a mark at the mistake. Names of
/// settings, punctuation and the words of JSON stay; all else is an ellipsis.
fn pointed_out(line: &str, column: usize) -> String {
    let is_word = |c: char| !c.is_ascii_whitespace() && !"{}[]:,\"'".contains(c);
    let stays = |word: &str| {
        let lists = [keys::TOP, keys::STANDBY, keys::API_PARAMS, keys::TOPIC];
        let is_comment = word.chars().all(|c| "/#*".contains(c));
        lists.iter().any(|keys| keys.contains(&word))
            || is_comment
            || ["true", "false", "null"].contains(&word)
    };
    let (mut shown, mut mark, mut bytes) = (String::new(), 0, 0);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (part, after) = rest.split_at(length);
        if bytes < column {
            mark = shown.chars().count();
        }
        shown.push_str(if first.is_ascii_whitespace() {
            " "
        } else if is_word(first) && !stays(part) {
            "\u{2026}"
        } else {
            part
        });
        (bytes, rest) = (bytes + length, after);
    }
    let start = mark.saturating_sub(SHOWN_CHARS_MAX / 2);
    let shown: String = shown.chars().skip(start).take(SHOWN_CHARS_MAX).collect();
    format!("\n  {shown}\n  {}^", " ".repeat(mark - start))
}

/// The text is valid JSON, so its depth is limited.
fn report_repeated_keys(text: &str, path: &str, findings: &Findings) {
    let mut seen = HashSet::new();
    for (key, value) in members(text).unwrap_or_default() {
        let path = child_path(path, &key);
        if !seen.insert(key) {
            findings.problem(&path, "is written twice; remove one of them");
        }
        report_repeated_keys(value, &path, findings);
    }
    for (at, item) in items(text).unwrap_or_default().into_iter().enumerate() {
        report_repeated_keys(item, &format!("{path}[{at}]"), findings);
    }
}

/// Reports each key and text that looks like a seed phrase or a private key, except where one may
/// be: in `seed_phrase`, and in the headers and bodies of requests, which are never printed.
pub(super) fn report_secrets(value: &Value, path: &str, findings: &Findings) {
    let may_hold_one = |path: &str| {
        ["seed_phrase", "api_params.headers"].contains(&path)
            || path.ends_with("_headers")
            || path.ends_with("_body")
    };
    match value {
        Value::String(text) if is_secret(text) => findings.problem(path, MISPLACED),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                report_secrets(item, &format!("{path}[{at}]"), findings);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                let path = child_path(path, key);
                if is_secret(key) {
                    findings.problem(&path, MISPLACED);
                }
                if !may_hold_one(&path) {
                    report_secrets(value, &path, findings);
                }
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The path of the first setting, apart from the seed phrase, that holds a key or a password itself: a
/// header that is written out, or a URL with one.
pub(super) fn written_key(value: &Value, path: &str) -> Option<String> {
    match value {
        // why: a model's path is made of words with numbers, such as `prediction5min`
        Value::String(text) => {
            let may_be_in_path = path.starts_with("api_params.api_url") || path == "webhook_url";
            holds_key(text, may_be_in_path).then(|| path.to_owned())
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| written_key(item, &format!("{path}[{at}]")))
        }
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            let is_header = path.ends_with("headers") && value.is_string();
            let path = child_path(path, key);
            if is_header {
                return Some(path);
            }
            written_key(value, &path)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let findings = Findings::default();
        read(text, Path::new("x"), &findings).map(|_| ()).unwrap();
        let (problems, _) = findings.into_parts();
        problems.iter().map(ToString::to_string).collect()
    }

    /// The line, the column and the text of a syntax error.
    fn refused(text: &str) -> (usize, usize, String) {
        match read(text, Path::new("x"), &Findings::default()) {
            Err(ConfigError::NotJson {
                line, column, what, ..
            }) => (line, column, what),
            _ => panic!("{text} was read"),
        }
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
    fn a_syntax_error_has_its_place_and_no_text() {
        for text in [
            "{\n \"seed_phrase\": secret }",
            "{\"secret\" 1}",
            "\"secret",
            "{} secret",
        ] {
            let (line, _, what) = refused(text);
            assert!(!what.contains("secret"), "{what}");
            assert!(!what.contains(" at line "), "{what}");
            assert!(line >= 1, "{text}");
        }
        let expected = (2, 7, "expected value".to_owned());
        assert_eq!(refused("{\n \"a\": x}"), expected);
    }

    #[test]
    fn frequent_mistakes_have_their_advice() {
        for (text, advice) in [
            ("{\"debug\": true, // all\n}", "JSON has no comments"),
            ("# mine\n{}", "JSON has no comments"),
            ("{\"debug\": true,}", "remove the comma before it"),
            ("[1, 2,]", "remove the comma before it"),
            ("{'debug': true}", "double quotes only"),
        ] {
            let (.., what) = refused(text);
            assert!(what.contains(advice), "{text}: {what}");
        }
    }

    #[test]
    fn the_place_of_a_mistake_is_pointed_out_without_what_may_be_a_secret() {
        let shown = |line: &str, column| pointed_out(line, column);
        assert_eq!(
            shown("  \"debug\": true // s3cret", 17),
            "\n    \"debug\": true // \u{2026}\n                  ^"
        );
        assert_eq!(
            shown("\"seed_phrase\": \"abandon, ability able\" 5", 40),
            "\n  \"seed_phrase\": \"\u{2026}, \u{2026} \u{2026}\" \u{2026}\n                          ^"
        );
        assert_eq!(shown("\t{\r,\u{c}", 2), "\n   { , \n   ^");
        assert_eq!(shown("", 0), "\n  \n  ^");
        let long = format!("{} \"debug\" x", "\"a\": 1, ".repeat(99));
        let shown = shown(&long, long.len());
        assert!(shown.contains("\"debug\" \u{2026}"), "{shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() <= 80),
            "{shown}"
        );
    }

    #[test]
    fn texts_are_wiped_at_any_depth() {
        let mut value = serde_json::json!({"a": ["secret", {"b": "secret"}], "c": "secret"});
        wipe(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["", {"b": ""}], "c": ""}));
    }

    #[test]
    fn a_key_that_is_written_out_is_found() {
        for (text, expected) in [
            (
                r#"{"api_params": {"headers": {"X-Key": "k"}}}"#,
                Some("api_params.headers.X-Key"),
            ),
            (
                r#"{"api_params": {"headers": {"X-Key": {"env": "K"}}}}"#,
                None,
            ),
            (
                r#"{"topics": [{"inference_headers": {"A": "b"}}]}"#,
                Some("topics[0].inference_headers.A"),
            ),
            (
                r#"{"api_params": {"api_url": "https://a/lcd/k1e2y3456"}}"#,
                Some("api_params.api_url"),
            ),
            (
                r#"{"api_params": {"api_url": ["http://a", "http://a?x=k1e2y3456"]}}"#,
                Some("api_params.api_url[1]"),
            ),
            (
                r#"{"api_params": {"proxy": "http://me:pw@a:1"}}"#,
                Some("api_params.proxy"),
            ),
            (
                r#"{"api_params": {"proxy": "environment", "api_url": "https://a.b:1317/v1beta1"}}"#,
                None,
            ),
            (
                r#"{"topics": [{"inference_url": "http://a/prediction5min?topic={topic_id}&a=ETH"}]}"#,
                None,
            ),
            (
                r#"{"webhook_url": "https://hooks.slack.com/services/T0/B0/k1e2y3456"}"#,
                Some("webhook_url"),
            ),
            (
                r#"{"seed_phrase": "a b c", "topics": [{"topic_id": 1}]}"#,
                None,
            ),
        ] {
            let tree = read(text, Path::new("x"), &Findings::default())
                .map(|tree| written_key(&tree.0, ""));
            assert_eq!(tree.unwrap().as_deref(), expected, "{text}");
        }
    }
}
