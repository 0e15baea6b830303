//! A model's endpoint: which URLs are asked, with what, and where in the answer the value is.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::model::pointer::Pointer;
use crate::model::template::{BodyTemplate, UrlTemplate};
use crate::values::payload::{Inference, LabelledValue};

/// The default limit for one answer, in seconds. A request never gets more than half of what is
/// left of the submission window.
pub const MODEL_SECONDS_MAX: u64 = 30;
/// Header values shorter than this, in characters, are not hidden where an answer repeats them.
const HIDDEN_CHARS_MIN: usize = 4;
/// Replaces a hidden value.
const HIDDEN: &str = "\u{2026}";

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
        let each = self.headers.iter().flat_map(Header::secrets);
        let mut secrets: Vec<Zeroizing<String>> = each.collect();
        // why: a key without its scheme is a part of the value that holds it
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        let hide = |text: String, secret: &Zeroizing<String>| text.replace(secret.as_str(), HIDDEN);
        secrets.iter().fold(text.to_owned(), hide)
    }

    /// An inference as text, with the values of the headers replaced in its labels.
    pub fn hide_in(&self, inference: &Inference) -> String {
        match inference {
            Inference::Value(value) => value.to_string(),
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

/// A request header. Its value may be a key, so it is wiped after use and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: Zeroizing<String>,
}

impl Header {
    /// What to hide: the value and the key behind a scheme such as `Bearer`, each as it is and as
    /// JSON writes it.
    fn secrets(&self) -> Vec<Zeroizing<String>> {
        let key = self.value.split_once(' ').map(|(_, key)| key.trim());
        let parts = [Some(self.value.as_str()), key].into_iter().flatten();
        let hidden = parts.filter(|part| part.len() >= HIDDEN_CHARS_MIN);
        let spellings = |part: &str| {
            let json = part.replace('\\', r"\\").replace('"', "\\\"");
            let slashed = json.replace('/', r"\/");
            [part.to_owned(), json, slashed].map(Zeroizing::new)
        };
        hidden.flat_map(spellings).collect()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}: \u{2026})", self.name)
    }
}
