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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Server, answer, refusing_url};

    const LIMIT: Duration = Duration::from_secs(2);

    #[test]
    fn a_body_comes_back_as_it_is() {
        let server = Server::start(|_| answer(200, "", " 1.50\n"));
        let url = format!("{}/inference/ETH?when=now", server.url);
        assert_eq!(fetch(&Http::new(), &url, LIMIT).unwrap(), " 1.50\n");
        assert_eq!(server.requests(), ["GET /inference/ETH?when=now"]);
    }

    #[test]
    fn another_status_quotes_the_beginning_of_the_body() {
        let page = format!("<html>\n<p>not here{}</p>", "!".repeat(200));
        let server = Server::start(move |_| answer(404, "", &page));
        let url = server.url.replace("http://", "http://user:secret@") + "/x?key=secret";
        let line = fetch(&Http::new(), &url, LIMIT).unwrap_err().line();
        let quoted = format!("\"<html> <p>not here{}\"", "!".repeat(80 - 18));
        assert!(line.contains("404") && line.contains(&quoted), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let server = Server::start(|_| answer(302, "Location: /elsewhere\r\n", ""));
        let error = fetch(&Http::new(), &server.url, LIMIT).unwrap_err();
        assert!(
            matches!(error, InferenceError::Status { status: 302, .. }),
            "{error:?}"
        );
        assert_eq!(server.count("elsewhere"), 0);
    }

    #[test]
    fn a_body_is_bounded_and_text() {
        let large = Server::start(|_| answer(200, "", &"1".repeat(BODY_BYTES_MAX + 1)));
        let error = fetch(&Http::new(), &large.url, LIMIT).unwrap_err();
        assert!(error.line().contains("larger"), "{}", error.line());
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe";
        let binary = Server::start(|_| crate::test_server::Act::Send(bytes.to_vec()));
        let error = fetch(&Http::new(), &binary.url, LIMIT).unwrap_err();
        assert!(matches!(error, InferenceError::NotText { .. }), "{error:?}");
    }

    #[test]
    fn a_model_that_is_not_there_is_an_error_with_its_cause() {
        let error = fetch(&Http::new(), &refusing_url(), LIMIT).unwrap_err();
        assert!(error.line().contains("refused"), "{}", error.line());
        assert!(
            !error.to_string().contains("refused"),
            "Display leaves the cause to its source"
        );
    }
}
