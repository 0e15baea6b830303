//! The settings of a model's endpoint, for the inference or for the forecast.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::headers::read_headers;
use super::section::{Section, Setting};
use crate::http::url::UrlError;
use crate::model::endpoint::ModelConfig;
use crate::model::pointer::Pointer;
use crate::model::template::{BodyTemplate, PLACES, UrlTemplate};

/// The most URLs of one model: the usual one, and one for when that fails.
const URLS_MAX: usize = 2;
/// Bytes of a body's template.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A model's settings: its URL, headers, body and pointer.
type Keys = [&'static str; 4];

pub(super) const INFERENCE: Keys = [
    "inference_url",
    "inference_headers",
    "inference_body",
    "value_pointer",
];
pub(super) const FORECAST: Keys = [
    "forecast_url",
    "forecast_headers",
    "forecast_body",
    "forecast_pointer",
];

/// Reads a model. `None`: it has no URL. A model with a problem may be incomplete.
pub(super) fn read_model(
    section: &Section<'_>,
    keys: Keys,
    time_max: Duration,
    config_path: &Path,
) -> Option<ModelConfig> {
    let [url, headers, body, pointer] = keys.map(|key| section.key(key));
    let has_url = match url.value {
        None => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(values)) => !values.is_empty(),
        Some(_) => true,
    };
    if !has_url {
        for setting in [headers, body, pointer].iter().filter(|it| it.is_set()) {
            setting.problem(format!("is of no use without {}", keys[0]));
        }
        return None;
    }
    Some(ModelConfig {
        urls: read_urls(&url),
        headers: read_headers(&headers, config_path),
        body: read_body(&body),
        pointer: read_pointer(&pointer),
        time_max,
    })
}

fn read_urls(setting: &Setting<'_>) -> Vec<UrlTemplate> {
    let items = setting.items();
    if items.len() > URLS_MAX {
        let found = items.len();
        setting.problem(format!("has {found} URLs; at most {URLS_MAX} are asked"));
        return Vec::new();
    }
    let read = |item: &Setting<'_>| {
        let Some(Value::String(text)) = item.value else {
            item.wrong_kind("a text in quotes, or a list of two");
            return None;
        };
        let problem = |error| item.problem(url_problem(text, error));
        UrlTemplate::parse(text.trim()).map_err(problem).ok()
    };
    items.iter().filter_map(read).collect()
}

/// An unknown placeholder would be reported as a character that a URL can't have.
fn url_problem(text: &str, error: UrlError) -> String {
    let [topic, height] = PLACES;
    let rest = text.replace(topic, "").replace(height, "");
    if rest.contains(['{', '}']) {
        format!("is not a valid URL; only {topic} and {height} stand in braces")
    } else {
        error.to_string()
    }
}

fn read_body(setting: &Setting<'_>) -> Option<BodyTemplate> {
    let value = setting.value?;
    if !value.is_object() && !value.is_array() {
        setting.wrong_kind("a JSON object or list");
        return None;
    }
    if value.to_string().len() > BODY_BYTES_MAX {
        setting.problem(format!("is longer than {BODY_BYTES_MAX} bytes"));
        return None;
    }
    Some(BodyTemplate(value.clone()))
}

pub(super) fn read_pointer(setting: &Setting<'_>) -> Option<Pointer> {
    let pointer = Pointer::parse(setting.text()?).map_err(|error| error.to_string());
    pointer.map_err(|problem| setting.problem(problem)).ok()
}
