//! A model's endpoint: which URLs are asked, with what, and where in the answer the value is.

use std::time::Duration;

use crate::http::header::{Header, Secrets};
use crate::http::url::Url;
use crate::model::pointer::Pointer;
use crate::model::template::{BodyTemplate, UrlTemplate};
use crate::values::payload::{Inference, LabelledValue};

/// The default limit for one answer, in seconds. A request never gets more than half of what is
/// left of the submission window.
pub const MODEL_SECONDS_MAX: u64 = 30;

/// A model's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelConfig {
    /// One or two URLs, the first one preferred.
    pub urls: Vec<UrlTemplate>,
    /// Sent with every request.
    pub headers: Vec<Header>,
    /// With a body the request is a POST, without one a GET.
    pub body: Option<BodyTemplate>,
    /// Where in the answer the value is; `None`: the whole answer is the value.
    pub pointer: Option<Pointer>,
    /// The longest time for one answer.
    pub time_max: Duration,
}

impl ModelConfig {
    /// An endpoint with one URL and defaults for the rest.
    #[cfg(test)]
    pub(crate) fn at(url: UrlTemplate) -> ModelConfig {
        ModelConfig {
            urls: vec![url],
            headers: Vec::new(),
            body: None,
            pointer: None,
            time_max: Duration::from_secs(MODEL_SECONDS_MAX),
        }
    }

    /// A text from the model with the values of the request's headers replaced, because a model or
    /// a proxy may repeat what it was sent. `text` must be whole: the rest of a truncated value
    /// would not be recognised.
    pub fn hide(&self, text: &str) -> String {
        Secrets::of_headers(&self.headers).hide(text)
    }

    /// What no text about a request to `url` may show: the values of the headers, and what may be a
    /// key in the URL.
    pub fn secrets(&self, url: &Url) -> Secrets {
        Secrets::of_request(&self.headers, url.as_str())
    }

    /// An inference as text, with the values of the headers replaced in its labels.
    pub fn hide_in(&self, inference: &Inference) -> String {
        match inference {
            Inference::Value(_) => inference.to_string(),
            Inference::Labelled(values) => {
                let hide = |one: &LabelledValue| LabelledValue {
                    label: self.hide(one.label.raw()).into(),
                    value: one.value.clone(),
                };
                Inference::Labelled(values.iter().map(hide).collect()).to_string()
            }
        }
    }
}
