//! Compares answers of a released node with those of the simulated chain.

use serde_json::Value;

/// An answer to a question.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    /// Names the question.
    pub(super) name: String,
    pub(super) status: u16,
    pub(super) body: Value,
}

/// Fields whose texts must agree.
const TEXTS: [&str; 6] = ["message", "raw_log", "codespace", "type", "@type", "log"];

/// What is different, one line for each question.
pub(super) fn differences(real: &[Answered], simulated: &[Answered]) -> Vec<String> {
    let mut all = Vec::new();
    if real.len() != simulated.len() {
        let (theirs, ours) = (real.len(), simulated.len());
        all.push(format!("the node gave {theirs} answers, here {ours}"));
    }
    for (theirs, ours) in real.iter().zip(simulated) {
        let name = &theirs.name;
        if theirs.name != ours.name {
            all.push(format!("{name}: another question here: {}", ours.name));
        } else if theirs.status != ours.status {
            let bodies = (&theirs.body, &ours.body);
            let (node, here) = (theirs.status, ours.status);
            all.push(format!("{name}: status {node}, here {here}: {bodies:?}"));
        } else if let Err(why) = compare("", &theirs.body, &ours.body) {
            all.push(format!("{name}: {why}"));
        }
    }
    all
}

/// Compares two values: keys and types, whether something is true, codes and texts, and gas within
/// 2 %. Other texts and numbers are each chain's own.
fn compare(path: &str, real: &Value, ours: &Value) -> Result<(), String> {
    let key = path.rsplit('.').next().unwrap_or_default();
    match (real, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let (keys, others): (Vec<_>, Vec<_>) = (a.keys().collect(), b.keys().collect());
            if keys != others {
                return Err(format!("{path}: {keys:?}, here {others:?}"));
            }
            let inner = |(key, value): (&String, &Value)| {
                compare(&format!("{path}.{key}"), value, &ours[key])
            };
            a.iter().try_for_each(inner)
        }
        (Value::Array(a), Value::Array(b)) if key == "events" => {
            let names = |list: &[Value]| -> Vec<String> {
                list.iter().map(|event| event["type"].to_string()).collect()
            };
            let (names, others) = (names(a), names(b));
            agree(names == others, path, &names.join(" "), &others.join(" "))
        }
        (Value::Array(a), Value::Array(b)) => match (a.first(), b.first()) {
            (Some(a), Some(b)) => compare(&format!("{path}.0"), a, b),
            _ => agree(a.len() == b.len(), path, real, ours),
        },
        (Value::String(a), Value::String(b)) if key == "gas_used" => {
            let gas = |text: &str| text.parse::<u64>().unwrap_or_default();
            let is_near = gas(a).abs_diff(gas(b)).saturating_mul(50) <= gas(a);
            agree(is_near, path, a, b)
        }
        (Value::String(a), Value::String(b)) if TEXTS.contains(&key) => {
            let (a, b) = (essence(a), essence(b));
            agree(a == b, path, &a, &b)
        }
        (Value::String(_), Value::String(_)) => Ok(()),
        (Value::Number(_), Value::Number(_)) if key != "code" => Ok(()),
        (a, b) => agree(a == b, path, a, b),
    }
}

fn agree(
    is_so: bool,
    path: &str,
    real: &dyn std::fmt::Display,
    ours: &dyn std::fmt::Display,
) -> Result<(), String> {
    if is_so {
        return Ok(());
    }
    Err(format!("{path}: {real}, here {ours}"))
}

/// A text without what is each chain's own: numbers, the places in the chain's sources, and where
/// gas ran out.
fn essence(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(']') {
        match part.rfind('[').filter(|at| part[*at..].contains(".go:")) {
            Some(at) => out.push_str(&part[..at]),
            None => out.push_str(part),
        }
    }
    let words = out.split(' ').map(|word| {
        let is_address = word.starts_with("allo1");
        let word = if is_address { "ADDRESS" } else { word };
        let mut text = String::new();
        for char in word.chars() {
            let char = if char.is_ascii_digit() { '#' } else { char };
            if char != '#' || !text.ends_with('#') {
                text.push(char);
            }
        }
        text
    });
    let words: Vec<String> = words.collect();
    let out = words.join(" ");
    match out.split_once("out of gas in location: ") {
        Some((before, rest)) => {
            let rest = rest.split_once(';').map_or("", |(_, rest)| rest);
            format!("{before}out of gas;{rest}")
        }
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::slice::from_ref;

    fn differ(a: Value, b: Value) -> bool {
        compare("", &a, &b).is_err()
    }

    #[test]
    fn keys_types_codes_texts_and_gas_count_and_other_values_do_not() {
        let body = json!({"code": 2, "message": "height 7 [x/y.go:3] is old", "at": "7", "on": true,
            "gas_used": "100000", "list": [{"a": 1}], "events": [{"type": "tx"}]});
        assert!(!differ(body.clone(), body.clone()));
        for (key, same) in [
            ("message", json!("height 8000 [x/y.go:4] is old")),
            ("at", json!("8")),
            ("gas_used", json!("101999")),
            ("list", json!([{"a": 2}, {"b": 1}])),
        ] {
            let mut other = body.clone();
            other[key] = same;
            assert!(!differ(body.clone(), other), "{key}");
        }
        for (key, new) in [
            ("code", json!(3)),
            ("message", json!("height 7 is new")),
            ("at", json!(7)),
            ("on", json!(false)),
            ("gas_used", json!("102001")),
            ("list", json!([])),
            ("list", json!([{"b": 1}])),
            ("events", json!([{"type": "tx"}, {"type": "tx"}])),
            ("more", json!(1)),
        ] {
            let mut other = body.clone();
            other[key] = new;
            assert!(differ(body.clone(), other), "{key}");
        }
    }

    #[test]
    fn a_difference_names_the_question() {
        let answer = |status, body| Answered {
            name: "topic".to_owned(),
            status,
            body,
        };
        let (a, b) = (answer(200, json!({"a": 1})), answer(404, json!({"b": 1})));
        let lines = differences(from_ref(&a), from_ref(&b));
        assert!(
            lines[0].starts_with("topic: status 200, here 404"),
            "{lines:?}"
        );
        assert_eq!(differences(from_ref(&a), from_ref(&a)).len(), 0);
        assert_eq!(differences(&[a.clone(), b], &[a]).len(), 1);
    }
}
