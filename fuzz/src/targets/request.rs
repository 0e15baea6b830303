//! Request heads of the health server: what is answered is a bounded head, and the rest behind it
//! changes nothing.

use allora_worker::monitoring::server::request::{HEAD_BYTES_MAX, Request, parse};

use super::input;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "request",
    run,
    corpus,
    choice_bytes: 0,
};

fn corpus() -> Vec<Vec<u8>> {
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(64));
    let long = format!(
        "GET / HTTP/1.1\r\na: {}\r\n\r\n",
        "x".repeat(HEAD_BYTES_MAX - 30)
    );
    let heads = [
        "GET /metrics HTTP/1.1\r\nHost: allora-worker:9464\r\nAccept: */*\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n",
        "HEAD /status.json?pretty HTTP/1.0\r\nHOST: LocalHost\r\nHost: [::1]:9464\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\nCookie: a=b\r\n\r\n",
        "GET /status.json HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\nrest",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\x16\x03\x01 tls\r\n\r\n",
        &many,
        &long,
    ];
    heads.iter().map(|head| input(&[], head)).collect()
}

/// Whether a request may read the state: an address or `localhost` as its `Host`.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let is_address = |b: u8| b.is_ascii_hexdigit() || b":.[]".contains(&b);
    name.eq_ignore_ascii_case("localhost") || !name.is_empty() && name.bytes().all(is_address)
}

fn run(bytes: &[u8]) -> bool {
    let Some(parsed) = parse(bytes) else {
        // An incomplete head is waited for, but not without limit.
        assert!(
            bytes.len() <= HEAD_BYTES_MAX,
            "{} bytes are no head",
            bytes.len()
        );
        return false;
    };
    let longer = [bytes, b"rest"].concat();
    if bytes.len() <= HEAD_BYTES_MAX - 4 {
        assert_eq!(
            parse(&longer).as_ref(),
            Some(&parsed),
            "the rest changes the answer"
        );
    }
    let Ok(request) = parsed else {
        return false;
    };
    assert_answerable(bytes, &request);
    true
}

/// Panics unless the head may be answered, by another reading of it.
fn assert_answerable(bytes: &[u8], request: &Request) {
    let head = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().skip_while(|line| line.is_empty());
    let first = lines.next().unwrap_or_default();
    let method = if request.with_body { "GET " } else { "HEAD " };
    assert!(first.starts_with(method), "{first:?} is answered");
    assert!(
        !request.path.contains([' ', '?', '\r', '\n']),
        "{:?}",
        request.path
    );
    if request.path == "/metrics" {
        return;
    }
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, host) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("host") {
            assert!(is_local(host.trim()), "{host:?} may read {}", request.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "may read /healthz")]
    fn a_foreign_name_is_noticed() {
        let request = Request {
            path: "/healthz".to_owned(),
            with_body: true,
        };
        assert_answerable(
            b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            &request,
        );
    }
}
