//! Labelled values against a topic's rules, both from outside: what is accepted keeps every rule by
//! another reading of it, and what is refused breaks the one that is named.

use std::collections::BTreeSet;

use allora_worker::chain::answers;
use allora_worker::http::Reply;
use allora_worker::model::answer;
use allora_worker::values::labels::{LabelError, LabelRules};
use allora_worker::values::payload::{Inference, LabelledValue};
use allora_worker::values::topic::Arity;
use serde_json::Value;

use super::input;
use crate::{Target, assert_message};

pub(crate) const TARGET: Target = Target {
    name: "labels",
    run,
    corpus,
    choice_bytes: 0,
};

const LABEL_BYTES_MAX: usize = 16;

fn corpus() -> Vec<Vec<u8>> {
    let topic = |rest: &str| {
        format!(
            r#"{{"id": "1", "epoch_length": "10", "worker_submission_window": "5", "epoch_last_ended": "7",
            "output_arity": "TOPIC_OUTPUT_ARITY_MULTI", {rest}}}"#
        )
    };
    let strict = topic(
        r#""require_unity": true, "unity_tolerance": "0.001", "max_labels_per_submission": "3",
        "label_whitelist": ["up", "down", "flat"], "label_default_value": "0",
        "label_case_sensitive": false"#,
    );
    let free = topic(
        r#""require_unity": false, "unity_tolerance": "0", "max_labels_per_submission": "64",
        "label_whitelist": [], "label_default_value": "-1", "label_case_sensitive": true"#,
    );
    let pairs = [
        (&strict, r#"{"up": 0.7, "down": 0.3}"#),
        (&strict, r#"{"UP": "0.5", "flat": 0.4995}"#),
        (&strict, r#"{"up": 0.7, " UP ": 0.3}"#),
        (&strict, r#"{"up": 0, "down": 0.0}"#),
        (&strict, r#"{"up": 1, "down": 0, "flat": 0, "more": 0}"#),
        (&strict, r#"{"sideways": 1}"#),
        (&strict, r#"{"up": 1e39, "down": -1e39, "flat": 1}"#),
        (&free, r#"{"UP": 3, "up": 4, "a/b_c.d-e f": -12.5}"#),
        (&free, r#"{"a": -1, "b": -1.0}"#),
        (&free, r#"{"": 1}"#),
        (&free, r#"{"a label of too many bytes": 1}"#),
    ];
    let inputs = pairs
        .iter()
        .map(|(topic, values)| input(&[], &format!(r#"{{"topic": {topic}, "values": {values}}}"#)));
    inputs.collect()
}

/// The rules and the values in an input, as the worker reads them.
fn read(bytes: &[u8]) -> Option<(LabelRules, Vec<LabelledValue>)> {
    let whole: Value = serde_json::from_slice(bytes).ok()?;
    let topic = Reply {
        status: 200,
        height: None,
        retry_after: None,
        location: None,
        last_modified: None,
        repeated: false,
        body: format!(r#"{{"topic": {}}}"#, whole.get("topic")?).into_bytes(),
    };
    let Arity::Multi(rules) = answers::topic(&topic).ok()?.arity else {
        return None;
    };
    // With rules that allow everything, the values are read and not judged.
    let free = Arity::Multi(LabelRules {
        whitelist: Vec::new(),
        count_max: u64::MAX,
        case_sensitive: true,
        require_unity: false,
        ..rules.clone()
    });
    let values = whole.get("values")?.to_string();
    match answer::inference_for(&free, &values, None, LABEL_BYTES_MAX * 2) {
        Ok(Inference::Labelled(values)) => Some((rules, values)),
        _ => None,
    }
}

fn run(bytes: &[u8]) -> bool {
    let Some((rules, values)) = read(bytes) else {
        return false;
    };
    match rules.check(&values, LABEL_BYTES_MAX) {
        Ok(()) => {
            assert_kept(&rules, &values, LABEL_BYTES_MAX);
            true
        }
        Err(error) => {
            assert_message(&error.to_string());
            assert_broken(&rules, &values, &error);
            false
        }
    }
}

/// The label as the topic compares it.
fn compared(rules: &LabelRules, label: &str) -> String {
    let label = label.trim();
    if rules.case_sensitive {
        label.to_owned()
    } else {
        label.to_ascii_lowercase()
    }
}

/// Panics unless the values keep the rules, by plain sets and an approximate sum.
pub(super) fn assert_kept(rules: &LabelRules, values: &[LabelledValue], bytes_max: usize) {
    assert!(!values.is_empty(), "no values");
    assert!(u64::try_from(values.len()).is_ok_and(|count| count <= rules.count_max));
    let labels: BTreeSet<String> = values
        .iter()
        .map(|one| compared(rules, one.label.raw()))
        .collect();
    assert_eq!(
        labels.len(),
        values.len(),
        "a label occurs twice: {values:?}"
    );
    let listed: BTreeSet<&str> = rules.whitelist.iter().map(|label| label.raw()).collect();
    for label in &labels {
        assert!((1..=bytes_max).contains(&label.len()), "{label:?}");
        assert!(
            label.is_ascii() && !label.contains(char::is_control),
            "{label:?}"
        );
        assert!(
            listed.is_empty() || listed.contains(label.as_str()),
            "{label:?} is not listed"
        );
    }
    for value in values {
        super::decimal::assert_canonical(&value.value);
    }
    if rules.require_unity {
        assert!(is_unity(rules, values), "the sum is not 1: {values:?}");
    }
}

/// Whether the values add up to 1 within the tolerance, as far as floating point can tell.
#[allow(
    clippy::float_arithmetic,
    reason = "another reading than the exact one"
)]
fn is_unity(rules: &LabelRules, values: &[LabelledValue]) -> bool {
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    let numbers = values.iter().map(|one| number(one.value.as_str()));
    let (sum, size) = numbers.fold((0.0, 0.0), |(sum, size), one| (sum + one, size + one.abs()));
    let error = size * 1e-9 + 1e-9;
    (sum - 1.0).abs() <= number(rules.unity_tolerance.as_str()) + error
}

/// Panics unless the values break the rule that the error names.
fn assert_broken(rules: &LabelRules, values: &[LabelledValue], error: &LabelError) {
    let same = |one: &LabelledValue, label: &str| {
        compared(rules, one.label.raw()) == compared(rules, label)
    };
    let is_true = match error {
        LabelError::None => values.is_empty(),
        LabelError::TooMany { count, .. } => *count == values.len(),
        LabelError::Empty => values.iter().any(|one| one.label.raw().trim().is_empty()),
        LabelError::TooLong { label, .. } => label.raw().trim().len() > LABEL_BYTES_MAX,
        LabelError::Character { label } => label
            .raw()
            .chars()
            .any(|c| !c.is_ascii_alphanumeric() && !"_./ -".contains(c)),
        LabelError::Twice { label } => {
            values.iter().filter(|one| same(one, label.raw())).count() > 1
        }
        LabelError::NotListed { label, .. } => {
            let label = compared(rules, label.raw());
            rules.whitelist.iter().all(|listed| listed.raw() != label)
        }
        LabelError::AllDefault { default_value } => {
            let zero = |value: &LabelledValue| value.value.is_zero();
            default_value.is_zero() == values.iter().all(zero)
        }
        LabelError::NoUnity { .. } => rules.require_unity,
    };
    assert!(is_true, "{error:?} is not what is wrong with {values:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "the sum is not 1")]
    fn a_wrong_sum_is_noticed() {
        let (rules, mut values) = read(&corpus()[0]).unwrap();
        values.truncate(1);
        assert_kept(&rules, &values, LABEL_BYTES_MAX);
    }

    #[test]
    #[should_panic(expected = "is not what is wrong")]
    fn a_wrong_reason_is_noticed() {
        let (rules, values) = read(&corpus()[0]).unwrap();
        let label = "up".into();
        assert_broken(&rules, &values, &LabelError::Twice { label });
    }
}
