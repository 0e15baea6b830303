//! docs/config.schema.json and the parser judge alike: each configuration of the tests is judged by
//! both, and the schema's keys, limits, defaults and descriptions are those of the parser and of
//! docs/configuration.md.

use regex::Regex;

use super::*;

#[path = "../../../tests/support/schema.rs"]
mod validator;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/config.schema.json")).unwrap()
}

/// What no schema can express: parts of these texts.
const BEYOND: [&str; 22] = [
    "name its seed phrase in fee_seed_phrase_file",
    "is written twice",
    "looks like a seed phrase or a private key",
    "is in topics[",
    "is in the list already",
    "is above max",
    "is not the id of network",
    "is a node of",
    "its environment variable",
    "its file can't be read",
    "are too many or too long",
    "its host is neither",
    "its port is not",
    "it is longer than",
    "is longer than",
    "the environment variable",
    "names no port",
    "a number nearer to zero",
    "a number outside the chain's bounds",
    "a number with an exponent beyond",
    "a number of more than",
    "a character that a header can't have",
];

/// Whether a schema can't express what the parser found. A text that is a number, an amount or an
/// address by its look is wrong by its value.
fn is_beyond(problem: &Problem, file: &Value) -> bool {
    let text = at(file, &problem.path).and_then(Value::as_str);
    let looks = |pattern: &str| {
        let pattern = Regex::new(pattern).unwrap();
        text.is_some_and(|text| pattern.is_match(text.trim()))
    };
    let said = |part: &str| problem.text.contains(part);
    BEYOND.into_iter().any(said)
        || said("whole number") && looks(r"^[+]?[0-9.]+([eE][+-]?[0-9]+)?( *(?i-u:ALLO))?$")
        || said("is not an account's address") && looks("^allo1[0-9a-z]{38}")
        || said("an address and a port") && looks("^[0-9.]+:[0-9]{1,5}$")
}

/// The value at a problem's path.
fn at<'a>(file: &'a Value, path: &str) -> Option<&'a Value> {
    let pointer = path.replace('[', "/").replace(']', "").replace('.', "/");
    file.pointer(&format!("/{pointer}"))
}

/// The file as the schema sees it: `null` is a missing setting, and texts have no white space around
/// them.
fn plain(file: &Value) -> Value {
    fn trim(value: &mut Value) {
        match value {
            Value::String(text) => *text = text.trim().to_owned(),
            Value::Array(items) => items.iter_mut().for_each(trim),
            _ => {}
        }
    }
    fn settings(value: &mut Value, sections: &[&str]) {
        let Some(members) = value.as_object_mut() else {
            return;
        };
        members.retain(|_, value| !value.is_null());
        for (key, value) in members {
            match value {
                Value::Array(items) if key == "topics" && sections.contains(&"topics") => {
                    items.iter_mut().for_each(|item| settings(item, &[]));
                }
                value if sections.contains(&key.as_str()) => settings(value, &[]),
                value if key.ends_with("headers") => {
                    let headers = value.as_object_mut().into_iter().flatten();
                    headers.for_each(|(_, value)| trim(value));
                }
                _ if key.ends_with("body") => {}
                value => trim(value),
            }
        }
    }
    let mut file = file.clone();
    settings(&mut file, &["standby", "api_params", "topics"]);
    file
}

/// Compares the parser's judgement with that of the schema. A number that is replaced by its default
/// with a warning counts as wrong.
pub(super) fn compare(text: &str, problems: &[Problem], warnings: &[Warning]) {
    let Ok(file) = serde_json::from_str(text) else {
        return;
    };
    let differences = validator::differences(&plain(&file), &schema());
    let is_replaced = |warning: &Warning| matches!(warning, Warning::Replaced { .. });
    let is_replaced = warnings.iter().any(is_replaced);
    if problems.is_empty() && !is_replaced {
        assert_eq!(differences, [""; 0], "only the schema refuses {file}");
    }
    let expressible = problems.iter().find(|problem| !is_beyond(problem, &file));
    if differences.is_empty() {
        assert_eq!(expressible, None, "the schema accepts {file}");
        assert!(!is_replaced, "the schema accepts {file}: {warnings:?}");
    }
}

/// The settings of the schema: the top level, `standby`, `api_params` and a topic.
fn sections() -> [Value; 4] {
    let schema = schema();
    let section = |pointer: &str| schema.pointer(pointer).unwrap().clone();
    [
        section("/properties"),
        section("/properties/standby/properties"),
        section("/properties/api_params/properties"),
        section("/properties/topics/items/properties"),
    ]
}

/// Each setting with where it is in the smallest file, and its schema without a reference.
fn settings() -> Vec<(String, Value)> {
    let all = schema();
    let places = ["", "/standby", "/api_params", "/topics/0"];
    let mut settings = Vec::new();
    for (place, section) in places.into_iter().zip(sections()) {
        for (key, rules) in section.as_object().unwrap() {
            let mut rules = rules.clone();
            if let Some(name) = rules["$ref"].as_str() {
                let referred = all.pointer(name.trim_start_matches('#')).unwrap();
                let referred = referred.as_object().unwrap().clone();
                rules.as_object_mut().unwrap().extend(referred);
            }
            settings.push((format!("{place}/{key}"), rules));
        }
    }
    settings
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    for (section, known) in sections().iter().zip(known_keys()) {
        let described: BTreeSet<&str> = section
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(described, known.into_iter().collect());
    }
}

#[test]
fn the_defaults_of_the_schema_are_those_that_are_used() {
    let mut value = smallest();
    let mut count = 0;
    for (pointer, rules) in settings() {
        if let Some(default) = rules.get("default") {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            value.pointer_mut(parent).unwrap()[key] = default.clone();
            count += 1;
        }
    }
    assert_eq!(config(&value), sample());
    assert!(count > 10, "{count} defaults");
}

#[test]
fn the_limits_of_the_schema_are_those_of_the_parser() {
    let judged = |pointer: &str, number: &str| {
        let mut value = smallest();
        if pointer.starts_with("/standby/") {
            value["standby"] = json!({"role": "primary"});
        }
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        value.pointer_mut(parent).unwrap()[key] = serde_json::from_str(number).unwrap();
        // why: the reading compares schema and parser
        let reading = read(&value.to_string()).unwrap();
        let is_replaced = |warning: &Warning| matches!(warning, Warning::Replaced { .. });
        reading.problems.is_empty() && !reading.warnings.iter().any(is_replaced)
    };
    let mut count = 0;
    for (pointer, rules) in settings() {
        if let Some(limit) = rules.get("maximum") {
            assert!(judged(&pointer, &limit.to_string()), "{pointer} {limit}");
            assert!(
                !judged(&pointer, &format!("{limit}1")),
                "{pointer} {limit}1"
            );
            count += 1;
        }
        if let Some(limit) = rules.get("minimum") {
            assert!(judged(&pointer, &limit.to_string()), "{pointer} {limit}");
            assert!(!judged(&pointer, "0.0009"), "{pointer}");
            assert!(!judged(&pointer, "0"), "{pointer}");
            assert!(!judged(&pointer, "-1"), "{pointer}");
        }
    }
    assert!(count > 5, "{count} limits");
}

/// The rows of the table in docs/configuration.md: the keys, the meaning and the default.
fn rows() -> Vec<(Vec<String>, String, String)> {
    let page = include_str!("../../../docs/configuration.md").replace("\\|", "\u{a6}");
    let code = Regex::new("`([^`]+)`").unwrap();
    let lines = page.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let names = code.captures_iter(cells[0]);
        let names = names.map(|name| name[1].rsplit('.').next().unwrap().to_owned());
        (names.collect(), cells[1].to_owned(), cells[3].to_owned())
    };
    lines.map(row).collect()
}

#[test]
fn the_schema_says_what_the_page_says() {
    let link = Regex::new(r"\[([^\]]+)\]\([^)]*\)").unwrap();
    let settings = settings();
    let rows = rows();
    for (names, meaning, default) in &rows {
        let meaning = link.replace_all(meaning, "$1").replace('`', "");
        let default = default
            .strip_prefix('`')
            .and_then(|it| it.strip_suffix('`'));
        let default = default.filter(|text| !text.contains('`'));
        let default = default.map(|text| serde_json::from_str(text).unwrap_or(json!(text)));
        for name in names {
            let is_it = |(pointer, _): &&(String, Value)| pointer.ends_with(&format!("/{name}"));
            let (_, rules) = settings.iter().find(is_it).unwrap();
            assert_eq!(rules["description"], json!(meaning), "{name}");
            assert_eq!(rules.get("default"), default.as_ref(), "{name}");
        }
    }
    assert!(rows.len() > 30, "{} rows", rows.len());
}
