//! Answers of models: what would be signed is canonical and keeps the topic's rules, and what is not
//! becomes a message on one line.

use std::time::{Duration, SystemTime};

use allora_worker::model::answer;
use allora_worker::model::ask::ModelAnswer;
use allora_worker::model::pointer::Pointer;
use allora_worker::sign::wallet::is_address;
use allora_worker::values::decimal::Decimal;
use allora_worker::values::labels::LabelRules;
use allora_worker::values::payload::{Inference, Payload};
use allora_worker::values::topic::Arity;

use super::decimal::assert_canonical;
use super::labels::assert_kept;
use super::{chosen, input, split};
use crate::{Target, assert_message};

pub(crate) const TARGET: Target = Target {
    name: "model",
    run,
    corpus,
    choice_bytes: 2,
};

const POINTERS: [Option<&str>; 5] = [
    None,
    Some("/value"),
    Some("/data/0/value"),
    Some("/up"),
    Some(""),
];
const LABEL_BYTES_MAX: usize = 64;

/// How an answer is read.
#[derive(Clone, Copy)]
enum Reading {
    One,
    Labels,
    AnyLabels,
    Forecast,
    Age,
}

const READINGS: [Reading; 5] = [
    Reading::One,
    Reading::Labels,
    Reading::AnyLabels,
    Reading::Forecast,
    Reading::Age,
];

fn corpus() -> Vec<Vec<u8>> {
    let texts: [(u8, u8, &str); 17] = [
        (0, 0, "97250.5"),
        (0, 0, "\"1e-7\"\n"),
        (0, 1, r#"{"value": -0.5, "at": 1764230000}"#),
        (0, 2, r#"{"data": [{"value": "3021.57"}]}"#),
        (0, 0, "1,234.5"),
        (0, 0, "NaN"),
        (0, 0, ""),
        (1, 0, r#"{"up": 0.7, "down": 0.3}"#),
        (
            1,
            0,
            r#"[{"label": "UP", "value": "0.5"}, {"label": "flat", "value": 0.50}]"#,
        ),
        (1, 0, r#"{"up": 0.7, "up": 0.3}"#),
        (1, 0, r#"{"sideways": 1}"#),
        (2, 0, r#"{"a b/c_d.e-f": 1e-3, "g": 12}"#),
        (
            3,
            0,
            r#"{"allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8": [12.3]}"#,
        ),
        (
            3,
            0,
            r#"[{"inferer": "allo140ej6ysk3hyxkh53xy9m60pynfyktwtmqzyqaz", "value": "12.3"}]"#,
        ),
        (3, 0, r#"{"allo1x": 1}"#),
        (4, 1, r#"{"value": "2026-11-27T18:00:00Z"}"#),
        (4, 1, r#"{"value": 1764230000123}"#),
    ];
    let inputs = texts
        .iter()
        .map(|(reading, pointer, text)| input(&[*reading, *pointer], text));
    inputs.collect()
}

fn rules(whitelist: &[&str], require_unity: bool) -> Option<LabelRules> {
    Some(LabelRules {
        whitelist: whitelist.iter().map(|label| (*label).into()).collect(),
        count_max: 8,
        case_sensitive: false,
        require_unity,
        unity_tolerance: Decimal::parse("0.000001").ok()?,
        default_value: Decimal::parse("0").ok()?,
    })
}

fn run(bytes: &[u8]) -> bool {
    let Some(([reading, pointer], body)) = split(bytes) else {
        return false;
    };
    let body = String::from_utf8_lossy(body);
    let pointer = chosen(&POINTERS, pointer).and_then(|text| Pointer::parse(text).ok());
    let pointer = pointer.as_ref();
    let read = match chosen(&READINGS, reading) {
        Reading::One => inference(None, &body, pointer),
        Reading::Labels => inference(rules(&["up", "down", "flat"], true), &body, pointer),
        Reading::AnyLabels => inference(rules(&[], false), &body, pointer),
        Reading::Forecast => forecast(&body, pointer),
        Reading::Age => age(&body, pointer),
    };
    match read {
        Ok(()) => true,
        Err(message) => {
            assert_message(&message);
            false
        }
    }
}

fn inference(rules: Option<LabelRules>, body: &str, at: Option<&Pointer>) -> Result<(), String> {
    let arity = rules.clone().map_or(Arity::Single, Arity::Multi);
    let inference = answer::inference_for(&arity, body, at, LABEL_BYTES_MAX)?;
    assert_message(&inference.to_string());
    match (&inference, rules) {
        (Inference::Value(value), None) => assert_canonical(value),
        (Inference::Labelled(values), Some(rules)) => assert_kept(&rules, values, LABEL_BYTES_MAX),
        (other, _) => panic!("an inference of the other kind: {other}"),
    }
    assert!(
        Payload::new(Some(inference), Vec::new()).is_ok(),
        "an empty payload"
    );
    Ok(())
}

fn forecast(body: &str, at: Option<&Pointer>) -> Result<(), String> {
    let elements = answer::forecast(body, at)?;
    assert!(!elements.is_empty(), "an empty forecast");
    for (index, element) in elements.iter().enumerate() {
        assert!(is_address(&element.inferer), "{:?}", element.inferer);
        assert_canonical(&element.value);
        let earlier = &elements[..index];
        assert!(
            earlier.iter().all(|other| other.inferer != element.inferer),
            "twice"
        );
    }
    Ok(())
}

fn age(body: &str, at: Option<&Pointer>) -> Result<(), String> {
    let answer = ModelAnswer {
        body: body.to_owned(),
        last_modified: None,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_230_000);
    answer::age(&answer, at, now).map(|_| ())
}
