//! Tests of a topic's settings: its models and its guards.

use super::*;

/// The smallest file with these members added to its topic.
fn topic_with(more: Value) -> Value {
    let mut topic = json!({"topic_id": 1, "inference_url": "http://localhost:8000/ETH"});
    let members = more.as_object().unwrap().clone();
    topic.as_object_mut().unwrap().extend(members);
    with("/topics", json!([topic]))
}

fn first_topic(more: Value) -> TopicConfig {
    config(&topic_with(more)).topics.remove(0)
}

#[test]
fn all_settings_of_a_models_endpoint_are_read() {
    let urls = ["http://m/{topic_id}/{block_height}", "http://n/"];
    let topic = first_topic(json!({
        "inference_url": urls,
        "inference_headers": {"X-Api-Key": " k1 "},
        "inference_body": {"topic": "{topic_id}"},
        "value_pointer": "/data/0/value",
        "inference_timeout": 2.5,
    }));
    let model = topic.inference.unwrap();
    assert_eq!(
        model
            .urls
            .iter()
            .map(UrlTemplate::as_str)
            .collect::<Vec<_>>(),
        urls
    );
    assert_eq!(model.headers[0].name, "X-Api-Key");
    assert_eq!(model.headers[0].value.as_str(), "k1");
    assert_eq!(model.pointer.unwrap().to_string(), "/data/0/value");
    assert_eq!(model.time_max, Duration::from_millis(2_500));
    assert!(model.body.is_some());
}

#[test]
fn header_values_come_from_the_environment_or_a_file_and_are_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "file-secret\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (name, from_environment) = std::env::vars()
        .find(|(_, value)| {
            let is_plain = value.bytes().all(|b| b.is_ascii_graphic());
            is_plain && (1..200).contains(&value.len())
        })
        .unwrap();
    let value = topic_with(json!({"inference_headers": {
        "A": {"env": name},
        "B": {"file": "key"},
    }}));
    let reading = read_at(&value.to_string(), &folder.path().join("config.json")).unwrap();
    assert_eq!(reading.problems, []);
    let warning = Warning::OpenToOthers {
        key: "topics[0].inference_headers.B".to_owned(),
        path: file,
        mode: 0o644,
    };
    let warnings = &reading.warnings;
    assert!(warnings.contains(&warning), "{warnings:?}");
    let config = reading.config.unwrap();
    let headers = &config.topics[0].inference.as_ref().unwrap().headers;
    assert_eq!(headers[0].value.as_str(), from_environment);
    assert_eq!(headers[1].value.as_str(), "file-secret");
    assert!(!format!("{config:?}").contains("file-secret"));
}

#[test]
fn problems_of_a_models_endpoint_are_reported_without_their_text() {
    let found = |more: Value| problems(&topic_with(more)).join("\n");
    for (more, expected) in [
        (
            json!({"inference_url": "http://m/{secret}"}),
            "only {topic_id} and {block_height} stand",
        ),
        (
            json!({"inference_url": ["http://a", "http://b", "http://c"]}),
            "at most 2",
        ),
        (
            json!({"inference_url": ["http://a", 5]}),
            "inference_url[1]: must be a text",
        ),
        (json!({"inference_url": []}), "inference_url: is empty"),
        (
            json!({"inference_headers": ["secret"]}),
            "must be an object",
        ),
        (
            json!({"inference_headers": {"A b": "secret"}}),
            "not a valid name of a header",
        ),
        (
            json!({"inference_headers": {"Host": "secret"}}),
            "set by the worker itself",
        ),
        (
            json!({"inference_headers": {"A": "sec\nret"}}),
            "a header can't have",
        ),
        (
            json!({"inference_headers": {"A": ""}}),
            "inference_headers.A: is empty",
        ),
        (
            json!({"inference_headers": {"A": {"env": "NO_SUCH_secret"}}}),
            "is not set",
        ),
        (
            json!({"inference_headers": {"A": {"file": "no/such/secret"}}}),
            "can't be read",
        ),
        (
            json!({"inference_headers": {"A": {"path": "secret"}}}),
            "{\"env\": NAME}",
        ),
        (
            json!({"inference_headers": {"A": "x".repeat(5_000)}}),
            "too many or too long",
        ),
        (json!({"inference_body": "secret"}), "must be a JSON object"),
        (json!({"value_pointer": "secret"}), "must begin with /"),
        (
            json!({"inference_timeout": 100_000}),
            "inference_timeout: is too long",
        ),
    ] {
        let text = found(more.clone());
        assert!(text.contains(expected), "{more}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn guards_are_off_unless_set_and_refused_when_they_make_no_sense() {
    assert_eq!(first_topic(json!({})).guards, Guards::default());
    let guards = first_topic(json!({
        "min": "-1.50", "max": "1e3", "max_change": 0.2, "max_age": 90, "time_pointer": "/at",
        "max_deviation": "0.05", "value_pointer": "/value", "on_guard": "warn",
    }))
    .guards;
    assert_eq!(guards.min.unwrap().as_str(), "-1.50");
    assert_eq!(guards.max.unwrap().as_str(), "1E+3");
    assert_eq!(guards.max_change.unwrap().as_str(), "0.2");
    assert_eq!(guards.max_deviation.unwrap().as_str(), "0.05");
    assert_eq!(guards.max_age, Some(Duration::from_secs(90)));
    assert_eq!(guards.time_pointer.unwrap().to_string(), "/at");
    assert_eq!(guards.on_guard, crate::model::guard::OnGuard::Warn);
    for (more, expected) in [
        (json!({"min": 2, "max": 1}), "topics[0].min: is above max"),
        (json!({"min": "low"}), "topics[0].min: must be a number"),
        (
            json!({"max_change": 0}),
            "topics[0].max_change: must be a ratio above zero",
        ),
        (
            json!({"max_deviation": -0.1}),
            "topics[0].max_deviation: must be a ratio above zero",
        ),
        (
            json!({"max_age": 0}),
            "topics[0].max_age: must be a time above zero",
        ),
        (
            json!({"time_pointer": "/at"}),
            "is of no use without max_age",
        ),
        (
            json!({"max_age": 9, "time_pointer": "/at"}),
            "topics[0].time_pointer: is of no use without value_pointer",
        ),
        (
            json!({"inference_url": "", "forecast_url": "http://m/f", "max": 1}),
            "topics[0].max: is of no use without inference_url",
        ),
        (
            json!({"on_guard": "stop"}),
            "on_guard: must be \"skip\" or \"warn\"",
        ),
    ] {
        let text = problems(&topic_with(more)).join("\n");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_topic_may_have_a_forecast_with_or_without_an_inference() {
    let both = first_topic(json!({"forecast_url": "http://m/f", "forecast_pointer": "/f"}));
    assert!(both.inference.is_some() && both.forecast.unwrap().pointer.is_some());
    let alone = first_topic(json!({"inference_url": "", "forecast_url": "http://m/f"}));
    assert!(alone.inference.is_none() && alone.forecast.is_some());
    let text = problems(&topic_with(json!({"inference_url": ""}))).join("\n");
    assert!(text.contains("inference_url: is empty"), "{text}");
    let text = problems(&topic_with(json!({"forecast_headers": {"A": "b"}}))).join("\n");
    assert!(
        text.contains("forecast_headers: is of no use without forecast_url"),
        "{text}"
    );
}
