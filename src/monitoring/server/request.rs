//! A request's head, read within bounds, and whether it may be answered.

use std::net::{IpAddr, Ipv6Addr};

/// The request line and all headers, in bytes.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The most headers that a request may have.
const HEADERS_MAX: usize = 64;

/// A GET or HEAD request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Without its query.
    pub path: String,
    /// It is GET: the answer has a body.
    pub with_body: bool,
}

/// Why a request is not answered: the status, and the text that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str, pub &'static str);

const MALFORMED: Refused = Refused("400 Bad Request", "that is not an HTTP request\n");
const METHOD: Refused = Refused("405 Method Not Allowed", "only GET and HEAD are answered\n");
const HOST: Refused = Refused(
    "421 Misdirected Request",
    "/, /healthz and /status.json are answered only if the request's Host is an IP address or \
     localhost, so that a web page cannot read them through a name of its own; use the worker's IP \
     address, or /metrics\n",
);
pub(super) const TOO_LATE: Refused =
    Refused("408 Request Timeout", "the request did not come in time\n");
const TOO_LARGE: Refused = Refused(
    "431 Request Header Fields Too Large",
    "the request's headers are too large\n",
);

/// The request at the beginning of these bytes; `None` if its head is not complete yet. A body is
/// ignored.
pub fn parse(bytes: &[u8]) -> Option<Result<Request, Refused>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    match request.parse(head) {
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => Some(Err(TOO_LARGE)),
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(_)) => Some(judge(&request)),
        Err(httparse::Error::TooManyHeaders) => Some(Err(TOO_LARGE)),
        Err(_) => Some(Err(MALFORMED)),
    }
}

fn judge(request: &httparse::Request<'_, '_>) -> Result<Request, Refused> {
    let method = request.method.unwrap_or_default();
    if !matches!(method, "GET" | "HEAD") {
        return Err(METHOD);
    }
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    // why: Prometheus often knows the worker by the name of its container
    let is_open = path == "/metrics";
    let mut hosts = request.headers.iter();
    if !is_open && !hosts.all(|header| !is_host(header) || is_safe(header.value)) {
        return Err(HOST);
    }
    Ok(Request {
        path: path.to_owned(),
        with_body: method == "GET",
    })
}

fn is_host(header: &httparse::Header<'_>) -> bool {
    header.name.eq_ignore_ascii_case("host")
}

/// Whether a `Host` is an IP address or `localhost`, with or without a port. The owner of any other
/// name can let it lead to this machine's loopback address (DNS rebinding): a page of that name in a
/// browser could then read the answers. Without a `Host` no browser has asked.
fn is_safe(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    if let Some((address, port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
    }
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    let is_local = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    is_local && is_port(port)
}

/// Whether this is nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    let port = text.strip_prefix(':').map(|port| {
        // why: a parsed number may have a plus
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    port.unwrap_or(text.is_empty())
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
        let read = |text: String| parsed(&text).unwrap();
        assert!(read(line(HEAD_BYTES_MAX)).is_ok());
        assert_eq!(read(line(HEAD_BYTES_MAX + 1)), Err(TOO_LARGE));
        let headers = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(read(headers(HEADERS_MAX)).is_ok());
        assert_eq!(read(headers(HEADERS_MAX + 1)), Err(TOO_LARGE));
    }

    #[test]
    fn only_an_address_or_localhost_may_ask_for_state() {
        let asked = |page: &str, hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| format!("HOST: {host}\r\n"));
            let hosts: String = hosts.collect();
            parsed(&format!("GET {page} HTTP/1.1\r\n{hosts}\r\n")).unwrap()
        };
        let safe = [
            "127.0.0.1",
            "127.0.0.1:9464",
            "192.168.1.7:9464",
            "[::1]:9464",
            "[2001:db8::1]",
            "localhost",
            "LocalHost:9464",
        ];
        let unsafe_ones = [
            "evil.example",
            "evil.example:9464",
            "allora-worker:9464",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example:127.0.0.1",
            "[::1].evil.example",
            "[evil.example]",
            "localhost:evil",
            "127.0.0.1:+9464",
            "::1",
            "0x7f000001",
            "",
        ];
        for page in ["/healthz", "/status.json", "/"] {
            assert!(asked(page, &[]).is_ok(), "not a browser");
            for host in safe {
                assert!(asked(page, &[host]).is_ok(), "{host}");
            }
            for host in unsafe_ones {
                assert_eq!(asked(page, &[host]), Err(HOST), "{host}");
                assert_eq!(asked(page, &["127.0.0.1", host]), Err(HOST), "{host}");
            }
        }
        assert!(asked("/metrics", &["allora-worker:9464"]).is_ok());
        let with_page = asked("/status.json?/metrics", &["evil.example"]);
        assert_eq!(with_page, Err(HOST));
    }
}
