//! Changes of JSON by its parts: values of other kinds, members that are missing or renamed, deep and
//! long lists. The result is JSON again, so that it reaches what is behind the parser.

use fastrand::Rng;
use serde_json::{Map, Value};

use super::WORDS;

/// The deepest nesting that is made; the parser's own limit is 128.
const DEPTH_MAX: usize = 140;
/// The most copies of a list's items.
const COPIES_MAX: usize = 60;

/// The text with one part changed; `None` if it is not JSON.
pub(super) fn changed(text: &[u8], random: &mut Rng) -> Option<Vec<u8>> {
    let mut whole: Value = serde_json::from_slice(text).ok()?;
    let mut wanted = random.usize(..count(&whole));
    change(part(&mut whole, &mut wanted)?, random);
    serde_json::to_vec(&whole).ok()
}

/// How many values there are, the whole one included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The value with this number, in the order of `count`.
fn part<'a>(value: &'a mut Value, wanted: &mut usize) -> Option<&'a mut Value> {
    if *wanted == 0 {
        return Some(value);
    }
    *wanted -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| part(item, wanted)),
        Value::Object(members) => members.values_mut().find_map(|member| part(member, wanted)),
        _ => None,
    }
}

fn change(value: &mut Value, random: &mut Rng) {
    match value {
        Value::Object(members) if random.bool() => change_members(members, random),
        Value::Array(items) if random.bool() => change_items(items, random),
        Value::String(text) if random.bool() => change_text(text, random),
        _ => *value = another(value, random),
    }
}

fn change_members(members: &mut Map<String, Value>, random: &mut Rng) {
    let names: Vec<String> = members.keys().cloned().collect();
    let Some(name) = random.choice(&names) else {
        return;
    };
    let Some(value) = members.remove(name) else {
        return;
    };
    let other = random.choice(&names).unwrap_or(name).clone();
    match random.u8(..4) {
        0 => {}
        1 => drop(members.insert(word(random), value)),
        2 => drop(members.insert(other, value)),
        _ => {
            members.insert(name.clone(), value.clone());
            members.insert(word(random), value);
        }
    }
}

fn change_items(items: &mut Vec<Value>, random: &mut Rng) {
    if items.is_empty() {
        items.push(scalar(random));
        return;
    }
    let at = random.usize(..items.len());
    match random.u8(..3) {
        0 => drop(items.remove(at)),
        1 => {
            let item = items[at].clone();
            let copies = random.usize(1..COPIES_MAX);
            items.extend(std::iter::repeat_n(item, copies));
        }
        _ => items.swap(0, at),
    }
}

fn change_text(text: &mut String, random: &mut Rng) {
    let mut places = text
        .char_indices()
        .map(|(at, _)| at)
        .collect::<Vec<usize>>();
    places.push(text.len());
    let at = random.choice(places).unwrap_or_default();
    match random.u8(..4) {
        0 => text.insert_str(at, &word(random)),
        1 => text.truncate(at),
        2 => *text = text.repeat(2),
        _ => text.insert(at, random.char(..)),
    }
}

/// A value in the place of this one.
fn another(value: &Value, random: &mut Rng) -> Value {
    match random.u8(..8) {
        0 => Value::Array(vec![value.clone()]),
        1 => Value::Object(Map::from_iter([(word(random), value.clone())])),
        2 => {
            let depth = random.usize(..DEPTH_MAX);
            (0..depth).fold(value.clone(), |inner, _| Value::Array(vec![inner]))
        }
        // The same text as a number, or the same number as a text.
        3 => match value {
            Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            other => Value::String(other.to_string()),
        },
        _ => scalar(random),
    }
}

fn scalar(random: &mut Rng) -> Value {
    match random.u8(..6) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => serde_json::from_str(&word(random)).unwrap_or(Value::Null),
        3 => Value::from(random.u64(..1000)),
        _ => Value::String(word(random)),
    }
}

fn word(random: &mut Rng) -> String {
    random.choice(WORDS).unwrap_or_default().to_owned()
}
