//! Judges JSON by a JSON Schema, with the keywords that the schemas in docs/ use. A keyword that is
//! not known is a failure, so that no rule is passed over.

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords without a rule.
const NOTES: [&str; 7] = [
    "$schema",
    "$defs",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
];

/// How a value differs from a schema: a line for each place.
pub(crate) fn differences(value: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Judge { all: schema }.judge(value, schema, "", &mut found);
    found
}

struct Judge<'a> {
    /// The schema as a whole, which references lead into.
    all: &'a Value,
}

impl Judge<'_> {
    fn fits(&self, value: &Value, schema: &Value) -> bool {
        let mut found = Vec::new();
        self.judge(value, schema, "", &mut found);
        found.is_empty()
    }

    fn judge(&self, value: &Value, schema: &Value, place: &str, found: &mut Vec<String>) {
        let rules = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return found.push(format!("{place} is not allowed")),
            Value::Object(rules) => rules,
            other => panic!("{other} is not a schema"),
        };
        for (keyword, rule) in rules {
            if !self.keeps(value, rules, keyword, rule, place, found) {
                found.push(format!("{place} is {value}, against {keyword} {rule}"));
            }
        }
    }

    /// Whether a value keeps one rule. What is wrong within it goes to `found`.
    fn keeps(
        &self,
        value: &Value,
        rules: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        place: &str,
        found: &mut Vec<String>,
    ) -> bool {
        let number = || rule.as_f64().unwrap();
        let size = || usize::try_from(rule.as_u64().unwrap()).unwrap();
        let (text, list, object) = (value.as_str(), value.as_array(), value.as_object());
        let schemas = || rule.as_array().unwrap().iter();
        match keyword {
            _ if NOTES.contains(&keyword) => true,
            "$ref" => {
                let name = rule.as_str().unwrap().trim_start_matches('#');
                self.judge(value, self.all.pointer(name).unwrap(), place, found);
                true
            }
            "anyOf" => schemas().any(|schema| self.fits(value, schema)),
            "allOf" => schemas().all(|schema| self.fits(value, schema)),
            "not" => !self.fits(value, rule),
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                kind => is_a(value, kind),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => as_number(value).is_none_or(|value| value >= number()),
            "maximum" => as_number(value).is_none_or(|value| value <= number()),
            "exclusiveMinimum" => as_number(value).is_none_or(|value| value > number()),
            "minLength" => text.is_none_or(|text| text.chars().count() >= size()),
            "maxLength" => text.is_none_or(|text| text.chars().count() <= size()),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                text.is_none_or(|text| pattern.is_match(text))
            }
            "minItems" => list.is_none_or(|list| list.len() >= size()),
            "maxItems" => list.is_none_or(|list| list.len() <= size()),
            "uniqueItems" => list.is_none_or(|list| {
                let mut items = list.iter().enumerate();
                items.all(|(at, item)| !list[..at].contains(item))
            }),
            "items" => {
                for (at, item) in list.into_iter().flatten().enumerate() {
                    self.judge(item, rule, &format!("{place}[{at}]"), found);
                }
                true
            }
            "maxProperties" => object.is_none_or(|object| object.len() <= size()),
            "required" => object.is_none_or(|object| has_all(object, rule)),
            "dependentRequired" => object.is_none_or(|object| {
                let mut rules = rule.as_object().unwrap().iter();
                rules.all(|(key, others)| !object.contains_key(key) || has_all(object, others))
            }),
            "propertyNames" => object.is_none_or(|object| {
                let mut names = object.keys();
                names.all(|name| self.fits(&Value::from(name.as_str()), rule))
            }),
            "properties" => {
                for (key, value) in object.into_iter().flatten() {
                    if let Some(schema) = rule.get(key) {
                        self.judge(value, schema, &format!("{place}.{key}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = rules.get("properties");
                let is_known = |key: &str| known.is_some_and(|known| known.get(key).is_some());
                for (key, value) in object.into_iter().flatten() {
                    if !is_known(key) {
                        self.judge(value, rule, &format!("{place}.{key}"), found);
                    }
                }
                true
            }
            unknown => panic!("the keyword {unknown} is not known"),
        }
    }
}

fn has_all(object: &Map<String, Value>, keys: &Value) -> bool {
    let mut keys = keys.as_array().unwrap().iter();
    keys.all(|key| object.contains_key(key.as_str().unwrap()))
}

/// A number of any size; one that is too large for a float is infinite.
fn as_number(value: &Value) -> Option<f64> {
    Some(value.as_number()?.to_string().parse().unwrap())
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => as_number(value).is_some_and(|number| number.trunc() == number),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("the type {unknown} is not known"),
    }
}
