//! Reads the part of YAML that configurations of the Python SDK's runner use: blocks of keys and of
//! list items by their indentation, plain and quoted texts, comments. What else YAML has is refused.

use serde_json::{Map, Value};

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 16;

/// Why a text is not read; lines count from 1. The text is not repeated, it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum YamlError {
    #[error("line {line}: a tab in the indentation, which YAML does not allow")]
    Tab { line: usize },
    #[error("line {line}: it is not indented like the lines before it")]
    Indentation { line: usize },
    #[error("line {line}: `key: value` or `- item` is expected")]
    NotAnEntry { line: usize },
    #[error("line {line}: the key is there already")]
    Repeated { line: usize },
    #[error("line {line}: a text in quotes does not end, or something follows it")]
    Quotes { line: usize },
    #[error("line {line}: this part of YAML is not read here ({what}); write it as plain lines")]
    Unread { line: usize, what: &'static str },
    #[error("line {line}: it is nested too deeply")]
    Depth { line: usize },
}

/// A line without its comment and indentation; empty lines are left out.
#[derive(Clone, Copy)]
struct YamlLine<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

/// Reads a text as a tree.
pub(super) fn read(text: &str) -> Result<Value, YamlError> {
    let lines = lines(text)?;
    let mut rest = lines.as_slice();
    let Some(first) = rest.first() else {
        return Ok(Value::Null);
    };
    let value = block(&mut rest, first.indent, 0)?;
    match rest.first() {
        None => Ok(value),
        Some(line) => Err(YamlError::Indentation { line: line.number }),
    }
}

fn lines(text: &str) -> Result<Vec<YamlLine<'_>>, YamlError> {
    let mut lines = Vec::new();
    for (index, whole) in text.lines().enumerate() {
        let number = index + 1;
        let text = whole.trim_start_matches(' ');
        let indent = whole.len() - text.len();
        let text = without_comment(text).trim_end();
        if text.is_empty() || text == "---" && indent == 0 && lines.is_empty() {
            continue;
        }
        if text.starts_with('\t') {
            return Err(YamlError::Tab { line: number });
        }
        lines.push(YamlLine {
            number,
            indent,
            text,
        });
    }
    Ok(lines)
}

/// The text up to a `#` that stands at the beginning or after a space, outside of quotes.
fn without_comment(text: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match quote {
            Some(mark) if c == mark && before != '\\' => quote = None,
            Some(_) => {}
            None if c == '#' && before.is_whitespace() => return text.split_at(at).0,
            None if "'\"".contains(c) && (before.is_whitespace() || before == ':') => {
                quote = Some(c)
            }
            None => {}
        }
        before = c;
    }
    text
}

/// The lines of one indentation: a list or an object.
fn block<'a>(rest: &mut &[YamlLine<'a>], indent: usize, depth: usize) -> Result<Value, YamlError> {
    let Some(first) = rest.first().copied() else {
        return Ok(Value::Null);
    };
    if depth > DEPTH_MAX {
        return Err(YamlError::Depth { line: first.number });
    }
    if is_item(first.text) {
        let mut items = Vec::new();
        while let Some(line) = next(rest, indent)?.filter(|line| is_item(line.text)) {
            items.push(item(rest, line, depth)?);
        }
        return Ok(Value::Array(items));
    }
    let mut members = Map::new();
    while let Some(line) = next(rest, indent)?.filter(|line| !is_item(line.text)) {
        let number = line.number;
        let (key, value) = entry(line)?;
        *rest = rest.get(1..).unwrap_or_default();
        let value = if value.is_empty() {
            below(rest, indent, depth)?
        } else {
            scalar(value, number)?
        };
        if members.insert(key, value).is_some() {
            return Err(YamlError::Repeated { line: number });
        }
    }
    Ok(Value::Object(members))
}

/// The next line of a block; `None` where it ends.
fn next<'a>(rest: &[YamlLine<'a>], indent: usize) -> Result<Option<YamlLine<'a>>, YamlError> {
    match rest.first() {
        Some(line) if line.indent > indent => Err(YamlError::Indentation { line: line.number }),
        Some(line) if line.indent == indent => Ok(Some(*line)),
        _ => Ok(None),
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// An item: what follows its dash is the first line of its block.
fn item<'a>(
    rest: &mut &[YamlLine<'a>],
    line: YamlLine<'a>,
    depth: usize,
) -> Result<Value, YamlError> {
    let after = line.text.trim_start_matches('-').trim_start();
    let tail = rest.get(1..).unwrap_or_default();
    if after.is_empty() {
        *rest = tail;
        return below(rest, line.indent, depth);
    }
    let indent = line.indent + (line.text.len() - after.len());
    let first = YamlLine {
        text: after,
        indent,
        ..line
    };
    if entry(first).is_err() && !is_item(after) {
        *rest = tail;
        return scalar(after, line.number);
    }
    let inside = tail.iter().take_while(|line| line.indent >= indent).count();
    let (inside, others) = tail.split_at(inside);
    let lines: Vec<YamlLine<'a>> = [&[first], inside].concat();
    let mut lines = lines.as_slice();
    let value = block(&mut lines, indent, depth + 1)?;
    if let Some(line) = lines.first() {
        return Err(YamlError::Indentation { line: line.number });
    }
    *rest = others;
    Ok(value)
}

/// What stands below a key or a dash. A list may be as far left as its key.
fn below(rest: &mut &[YamlLine<'_>], indent: usize, depth: usize) -> Result<Value, YamlError> {
    match rest.first().copied() {
        Some(line) if line.indent > indent || line.indent == indent && is_item(line.text) => {
            block(rest, line.indent, depth + 1)
        }
        _ => Ok(Value::Null),
    }
}

/// The key and the text after it.
fn entry(line: YamlLine<'_>) -> Result<(String, &str), YamlError> {
    let refused = YamlError::NotAnEntry { line: line.number };
    let (key, value) = match line.text.split_once(": ") {
        Some(parts) => parts,
        None => (line.text.strip_suffix(':').ok_or(refused)?, ""),
    };
    let key = key.trim();
    if key.is_empty() || key.starts_with(['{', '[', '?', '&', '*', '!']) {
        return Err(refused);
    }
    Ok((key.trim_matches(['"', '\'']).to_owned(), value.trim()))
}

fn scalar(text: &str, line: usize) -> Result<Value, YamlError> {
    let unread = |what| Err(YamlError::Unread { line, what });
    match text.chars().next() {
        Some('"' | '\'') => return quoted(text, line).map(Value::String),
        Some('{' | '[') if !["{}", "[]"].contains(&text) => return unread("braces and brackets"),
        Some('|' | '>') => return unread("a text of several lines"),
        Some('&' | '*' | '!' | '%' | '@' | '`') => return unread("anchors and tags"),
        _ => {}
    }
    Ok(match text {
        "{}" => Value::Object(Map::new()),
        "[]" => Value::Array(Vec::new()),
        "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match serde_json::from_str(text) {
            Ok(Value::Number(number)) => Value::Number(number),
            _ => Value::String(text.to_owned()),
        },
    })
}

/// A text in quotes; within double ones, JSON's escapes are read.
fn quoted(text: &str, line: usize) -> Result<String, YamlError> {
    let refused = YamlError::Quotes { line };
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|_| refused);
    }
    let inside = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    let inside = inside.ok_or(refused)?;
    if inside.replace("''", "").contains('\'') {
        return Err(refused);
    }
    Ok(inside.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_lists_and_texts_are_read() {
        let text = "---\n# a comment\nwallet:\n  mnemonic_file: /run/secrets/words # mine\n\nlist:\n- 1\n- two\n\
                    workers:\n  - role: inferer\n    topic_id: 69\n    source:\n      url: \"http://a/#x?b={n}\"\n\
                    \x20     field: 'it''s'\n  -\n    role: 'reputer'\n    empty: {}\n    on: true\n    none:\n";
        assert_eq!(
            read(text),
            Ok(json!({
                "wallet": {"mnemonic_file": "/run/secrets/words"},
                "list": [1, "two"],
                "workers": [
                    {"role": "inferer", "topic_id": 69, "source": {"url": "http://a/#x?b={n}", "field": "it's"}},
                    {"role": "reputer", "empty": {}, "on": true, "none": null},
                ],
            }))
        );
        assert_eq!(read("# nothing\n"), Ok(Value::Null));
        assert_eq!(read("- - 1\n  - 2\n- 3"), Ok(json!([[1, 2], 3])));
        assert_eq!(
            read("url: http://host:80/x"),
            Ok(json!({"url": "http://host:80/x"}))
        );
    }

    #[test]
    fn what_is_not_read_is_refused_with_its_line() {
        for (text, expected) in [
            ("a: 1\n\tb: 2", YamlError::Tab { line: 2 }),
            ("a: 1\n  b: 2", YamlError::Indentation { line: 2 }),
            ("  a: 1\nb: 2", YamlError::Indentation { line: 2 }),
            ("a: 1\nsecret", YamlError::NotAnEntry { line: 2 }),
            ("a: 1\na: 2", YamlError::Repeated { line: 2 }),
            ("a: 'secret", YamlError::Quotes { line: 1 }),
            ("a: \"secret\" more", YamlError::Quotes { line: 1 }),
            (
                "a: |\n  secret",
                YamlError::Unread {
                    line: 1,
                    what: "a text of several lines",
                },
            ),
            (
                "a: {b: secret}",
                YamlError::Unread {
                    line: 1,
                    what: "braces and brackets",
                },
            ),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let deep: String = (0..40)
            .map(|at| format!("{}a:\n", " ".repeat(at)))
            .collect();
        assert!(matches!(read(&deep), Err(YamlError::Depth { .. })));
        assert!(matches!(
            read(&"- ".repeat(40)),
            Err(YamlError::Depth { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "([ -:#'\"a-c0-2{}\\[\\]|\\n]|.){0,60}") {
            let _ = read(&text);
        }
    }
}
