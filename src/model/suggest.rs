//! Finds the one number in an answer that is an object or a list, so that the message about the answer
//! can name the setting that fits.

use crate::model::number;
use crate::model::pointer::{items, members};

/// Names that models give to their number. One that is under such a name is preferred to others.
const NAMES: [&str; 4] = ["value", "inference", "prediction", "log_return_prediction"];
/// The most objects and lists within each other, and the most numbers, that are searched.
const DEPTH_MAX: usize = 4;
const NUMBERS_MAX: usize = 64;

/// The pointer to an answer's number: to the only one, or to the only one under a usual name.
pub(super) fn pointer_to_number(text: &str) -> Option<String> {
    let mut places = Vec::new();
    search(text, "", DEPTH_MAX, &mut places);
    if let [only] = places.as_slice() {
        return Some(only.clone());
    }
    NAMES.iter().find_map(|name| {
        let is_named = |place: &&String| place.rsplit('/').next() == Some(name);
        let mut named = places.iter().filter(is_named);
        named.next().filter(|_| named.next().is_none()).cloned()
    })
}

/// Notes the places of the numbers in `text`, which is at `at`.
fn search(text: &str, at: &str, depth: usize, places: &mut Vec<String>) {
    let parts: Vec<(String, &str)> = match (members(text), items(text)) {
        (Some(members), _) => {
            let escaped = |name: String| name.replace('~', "~0").replace('/', "~1");
            members
                .into_iter()
                .map(|(name, value)| (escaped(name), value))
                .collect()
        }
        (None, Some(items)) => {
            let place = |(at, value): (usize, _)| (at.to_string(), value);
            items.into_iter().enumerate().map(place).collect()
        }
        (None, None) => return,
    };
    for (name, value) in parts {
        let place = format!("{at}/{name}");
        if places.len() >= NUMBERS_MAX {
            return;
        }
        if number::read(value).is_ok() {
            places.push(place);
        } else if depth > 1 {
            search(value, &place, depth - 1, places);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_answer_is_found() {
        for (answer, expected) in [
            (r#"{"value": 3021.57}"#, Some("/value")),
            (
                r#"{"inference": "3021.57", "topic_id": "1"}"#,
                Some("/inference"),
            ),
            (
                r#"{"prediction": 3021.57, "confidence": 0.9}"#,
                Some("/prediction"),
            ),
            (
                r#"{"log_return_prediction": -0.01, "at": 17}"#,
                Some("/log_return_prediction"),
            ),
            (
                r#"{"data": {"value": 3021.57}, "at": 17}"#,
                Some("/data/value"),
            ),
            (r#"{"price": 3021.57, "unit": "USD"}"#, Some("/price")),
            ("[3021.57]", Some("/0")),
            (r#"[{"a/b~c": 1}]"#, Some("/0/a~1b~0c")),
            (r#"{"up": 0.7, "down": 0.3}"#, None),
            (r#"[{"value": 1}, {"value": 2}]"#, None),
            ("[[[[[1]]]]]", None),
            ("{}", None),
            ("3021.57", None),
            ("<html>", None),
        ] {
            let found = pointer_to_number(answer);
            assert_eq!(found.as_deref(), expected, "{answer}");
        }
        let many = format!("[{}1]", "1,".repeat(10_000));
        assert_eq!(pointer_to_number(&many), None);
    }
}
