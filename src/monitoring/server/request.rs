//! One request, read within bounds: bytes, headers, time.

use std::io::{self, Read};

/// The request line and all headers, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The most headers that a request may have.
const HEADERS_MAX: usize = 64;

/// A GET or HEAD request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Without its query.
    pub(super) path: String,
    /// It is GET: the answer has a body.
    pub(super) with_body: bool,
}

/// Why a request is not answered: the status, and the text that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str, pub(super) &'static str);

const MALFORMED: Refused = Refused("400 Bad Request", "that is not an HTTP request\n");
const METHOD: Refused = Refused("405 Method Not Allowed", "only GET and HEAD are answered\n");
const TOO_LATE: Refused = Refused("408 Request Timeout", "the request did not come in time\n");
const TOO_LARGE: Refused = Refused(
    "431 Request Header Fields Too Large",
    "the request's headers are too large\n",
);

/// Reads a request's head; a body is ignored.
///
/// # Errors
/// When the client closed the connection before its request was complete.
pub(super) fn read(client: &mut impl Read) -> io::Result<Result<Request, Refused>> {
    let mut head = [0; HEAD_BYTES_MAX];
    let mut filled = 0;
    loop {
        let Some(free) = head.get_mut(filled..).filter(|free| !free.is_empty()) else {
            return Ok(Err(TOO_LARGE));
        };
        filled += match client.read(free) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Ok(Err(TOO_LATE));
            }
            Err(error) => return Err(error),
        };
        if let Some(result) = parse(head.get(..filled).unwrap_or_default()) {
            return Ok(result);
        }
    }
}

/// The request; `None` if the head is not complete yet.
fn parse(head: &[u8]) -> Option<Result<Request, Refused>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    Some(match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => match request.method {
            Some(method @ ("GET" | "HEAD")) => Ok(Request {
                path: request
                    .path
                    .unwrap_or_default()
                    .split('?')
                    .take(1)
                    .collect(),
                with_body: method == "GET",
            }),
            _ => Err(METHOD),
        },
        Err(httparse::Error::TooManyHeaders) => Err(TOO_LARGE),
        Err(_) => Err(MALFORMED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Option<Result<Request, Refused>> {
        parse(head.as_bytes())
    }

    #[test]
    fn a_head_is_method_and_path() {
        let request = |with_body, path: &str| {
            let path = path.to_owned();
            Some(Ok(Request { path, with_body }))
        };
        assert_eq!(
            parsed("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\nrest"),
            request(true, "/metrics")
        );
        assert_eq!(
            parsed("HEAD /healthz?x=1 HTTP/1.0\r\n\r\n"),
            request(false, "/healthz")
        );
        assert_eq!(parsed("POST / HTTP/1.1\r\n\r\n"), Some(Err(METHOD)));
        assert_eq!(parsed("GET /metrics HTTP/1.1\r\nhost: a\r\n"), None);
        assert_eq!(parsed("\x16\x03\x01 tls\r\n\r\n"), Some(Err(MALFORMED)));
    }

    #[test]
    fn heads_are_bounded_in_bytes_and_in_headers() {
        let line = |length: usize| {
            let rest = length - "GET / HTTP/1.1\r\na: \r\n\r\n".len();
            format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(rest))
        };
        let read = |text: String| read(&mut text.as_bytes()).unwrap();
        assert!(read(line(HEAD_BYTES_MAX)).is_ok());
        assert_eq!(read(line(HEAD_BYTES_MAX + 1)), Err(TOO_LARGE));
        let headers = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(read(headers(HEADERS_MAX)).is_ok());
        assert_eq!(read(headers(HEADERS_MAX + 1)), Err(TOO_LARGE));
    }

    #[test]
    fn a_client_that_leaves_is_an_error() {
        let error = read(&mut "GET /met".as_bytes()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
