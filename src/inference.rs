//! Asks a model for its inference: one bounded GET. What the answer says is read elsewhere, as text
//! and never as a float; here it is only fetched.

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::http::{self, Http, Limits, TransportError};
use crate::lcd::excerpt;

/// Bytes of a model's answer: a number needs a few dozen, labelled values a few thousand.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Why a model gave no answer. What it was that failed stands in front: the model's URL, without
/// user, password or query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InferenceError {
    /// No whole answer came.
    #[error("asking the model at {url} failed")]
    Transport {
        /// The model's URL, fit to be shown.
        url: String,
        /// What went wrong.
        source: TransportError,
    },
    /// The answer's status is not 200.
    #[error(
        "the model at {url} answered with status {status} instead of 200, its body begins: {text}"
    )]
    Status {
        /// The model's URL, fit to be shown.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body, in quotes.
        text: String,
    },
    /// The body is not UTF-8.
    #[error("the model at {url} answered with bytes that are no text, they begin: {text}")]
    NotText {
        /// The model's URL, fit to be shown.
        url: String,
        /// The beginning of the body, in quotes.
        text: String,
    },
}

impl InferenceError {
    /// The whole text in one line, cause included, for a log.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            InferenceError::Transport { source, .. } => format!("{self}: {source}"),
            InferenceError::Status { .. } | InferenceError::NotText { .. } => self.to_string(),
        }
    }
}

/// Fetches the body of `url`, within `limit` but never less than
/// [`REQUEST_TIME_MIN`](http::REQUEST_TIME_MIN). Redirects are not followed.
///
/// # Errors
/// When no whole answer with status 200 and a text came.
pub fn fetch(http: &Http, url: &str, limit: Duration) -> Result<String, InferenceError> {
    let time = limit.max(http::REQUEST_TIME_MIN);
    let shown = || http::origin_and_path(url);
    let start = Instant::now();
    let result = http.get(
        url,
        Limits {
            time,
            body_bytes_max: BODY_BYTES_MAX,
        },
    );
    let ms = start.elapsed().as_millis();
    let reply = match result {
        Ok(reply) => reply,
        Err(source) => {
            log::debug!("GET model {}: {source}, {ms} ms", shown());
            return Err(InferenceError::Transport {
                url: shown(),
                source,
            });
        }
    };
    log::debug!(
        "GET model {}: {}, {} bytes, {ms} ms",
        shown(),
        reply.status,
        reply.body.len()
    );
    if reply.status != 200 {
        let (status, text) = (reply.status, excerpt(&reply.body));
        return Err(InferenceError::Status {
            url: shown(),
            status,
            text,
        });
    }
    String::from_utf8(reply.body).map_err(|error| InferenceError::NotText {
        url: shown(),
        text: excerpt(error.as_bytes()),
    })
}
