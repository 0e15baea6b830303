//! The client against servers that misbehave, and the redaction of URLs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use allora_localnet::server::black_hole::BlackHole;

use super::*;
use crate::test_server::{Act, Server, answer, at_height, refusing_url};

const QUICK: Limits = Limits {
    time: Duration::from_millis(300),
    body_bytes_max: 100,
};
const USUAL: Limits = Limits {
    time: REQUEST_TIME_MAX,
    body_bytes_max: 100,
};

fn get(server: &Server, limits: Limits) -> Result<Reply, TransportError> {
    Http::default().get(&server.url, &[], limits)
}

#[test]
fn a_height_that_no_chain_has_is_none() {
    for (height, expected) in [
        (u64::MAX, None),
        (Height::MAX.0 + 1, None),
        (Height::MAX.0, Some(Height::MAX)),
    ] {
        let server = Server::start(move |_| at_height(height, "hello"));
        let reply = get(&server, USUAL);
        assert_eq!(reply.unwrap().height, expected);
    }
}

#[test]
fn a_height_is_read_by_its_newer_name_too() {
    let server = Server::start(|_| answer(200, "X-Cosmos-Block-Height: 42\r\n", ""));
    assert_eq!(get(&server, USUAL).unwrap().height, Some(Height(42)));
}

#[test]
fn a_reply_has_body_and_height() {
    let server = Server::start(|_| at_height(42, "hello"));
    let reply = get(&server, USUAL).unwrap();
    let height = Some(Height(42));
    assert_eq!(
        reply,
        Reply {
            status: 200,
            height,
            retry_after: None,
            location: None,
            last_modified: None,
            repeated: false,
            body: b"hello".to_vec()
        }
    );
}

#[test]
fn a_post_carries_its_json() {
    let server = Server::start(|_| answer(200, "", ""));
    Http::default()
        .post(&format!("{}/path", server.url), "{\"a\":1}", &[], QUICK)
        .unwrap();
    assert_eq!(server.requests(), ["POST /path {\"a\":1}"]);
}

#[test]
fn headers_are_sent_and_last_modified_is_parsed() {
    use std::time::{Duration, UNIX_EPOCH};
    let server = Server::start_with_headers(|_| {
        answer(200, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "")
    });
    let headers = [("X-Api-Key", "k1"), ("Content-Type", "text/x-mine")];
    let reply = Http::default().get(&server.url, &headers, QUICK).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(reply.last_modified, Some(time));
    Http::default()
        .post(&server.url, "{}", &headers, QUICK)
        .unwrap();
    assert_eq!(server.count("x-api-key: k1"), 2, "{:?}", server.requests());
    assert_eq!(server.count("content-type: text/x-mine"), 2);
    assert_eq!(server.count("application/json"), 0);
}

#[test]
fn user_and_password_of_a_url_are_sent_decoded_unless_a_header_replaces_them() {
    let server = Server::start_with_headers(|_| answer(200, "", ""));
    let url = server.url.replace("http://", "http://user:p%40ss@");
    Http::default().get(&url, &[], USUAL).unwrap();
    assert_eq!(server.count("authorization: basic dxnlcjpwqhnz"), 1);
    let own = [("Authorization", "Bearer k1")];
    Http::default().get(&url, &own, USUAL).unwrap();
    assert_eq!(server.count("authorization: bearer k1"), 1);
    assert_eq!(
        server.count("authorization: basic"),
        1,
        "{:?}",
        server.requests()
    );
}

#[test]
fn the_pause_that_a_server_asks_for_is_given_in_seconds_or_as_a_time() {
    let asked = |value: &str| {
        let headers = format!("Retry-After: {value}\r\n");
        let server = Server::start(move |_| answer(429, &headers, ""));
        get(&server, USUAL).unwrap().retry_after
    };
    assert_eq!(asked("7"), Some(Duration::from_secs(7)));
    assert_eq!(asked("soon"), None);
    assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    let day = time::Duration::DAY;
    let tomorrow = (OffsetDateTime::now_utc() + day).format(&Rfc2822).unwrap();
    let pause = asked(&tomorrow.replace("+0000", "GMT")).unwrap();
    let hours = pause.as_secs().div_ceil(3600);
    assert_eq!(hours, 24, "{pause:?}");
}

#[test]
fn every_status_is_an_answer_and_redirects_are_not_followed() {
    for status in [301, 302, 307, 308, 404, 429, 500, 501, 503] {
        let headers = "Location: /elsewhere\r\nRetry-After: 7\r\n";
        let server = Server::start(move |_| answer(status, headers, "body"));
        let reply = get(&server, USUAL).unwrap();
        assert_eq!((reply.status, reply.body), (status, b"body".to_vec()));
        assert_eq!(reply.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(reply.location.as_deref(), Some("/elsewhere"));
        let post = Http::default().post(&server.url, "{}", &[], USUAL).unwrap();
        assert_eq!(post.status, status);
        assert_eq!(server.count("elsewhere"), 0);
    }
}

/// An https URL whose server speaks something else at once.
fn no_tls_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let _ = stream.read(&mut [0; 1_000]);
    });
    url
}

#[test]
fn without_a_connection_the_request_never_left() {
    let refused = Http::default()
        .get(&refusing_url(), &[], USUAL)
        .unwrap_err();
    assert_eq!(refused, TransportError::Refused);
    let unknown = Http::default()
        .get("http://no.such.name.invalid/", &[], USUAL)
        .unwrap_err();
    assert!(
        matches!(unknown, TransportError::NameNotFound { .. }),
        "{unknown:?}"
    );
    let tls = Http::default().get(&no_tls_url(), &[], USUAL).unwrap_err();
    assert_eq!(tls, TransportError::PlainPort);
    for error in [refused, unknown, tls] {
        assert!(error.never_left(), "{error:?}");
    }
}

#[test]
fn a_tls_handshake_that_hangs_never_left_either() {
    let server = Server::start(|_| Act::Hang);
    let url = server.url.replace("http:", "https:");
    let start = Instant::now();
    let error = Http::default().get(&url, &[], QUICK).unwrap_err();
    assert!(error.never_left(), "{error:?}");
    assert!(start.elapsed() < REQUEST_TIME_MIN, "{:?}", start.elapsed());
}

#[test]
fn a_proxy_that_trickles_its_answer_has_one_time_limit() {
    let head = "HTTP/1.1 200 OK\r\nX: ";
    let proxy = Server::start(move |_| Act::Drip([head, &"x".repeat(1_000)].concat().into()));
    let proxies = Proxies::one(proxy::Proxy::parse(&proxy.url).unwrap());
    let http = Http::default().for_endpoints(&proxies, &[]);
    let start = Instant::now();
    let error = http.get(&refusing_url(), &[], QUICK).unwrap_err();
    assert!(start.elapsed() < QUICK.time * 5, "{:?}", start.elapsed());
    assert!(error.never_left(), "{error:?}");
    let cure = format!(
        "the proxy {}: no answer in time; correct the proxy",
        proxy.url
    );
    assert!(error.to_string().contains(&cure), "{error}");
}

#[test]
fn an_invalid_url_is_an_error_not_a_panic() {
    for url in [
        "",
        "no url",
        "ftp://host/",
        "http://",
        "http:///path",
        "/path",
    ] {
        let error = Http::default().get(url, &[], QUICK).unwrap_err();
        assert!(error.never_left(), "{url}: {error:?}");
    }
}

#[test]
fn a_time_out_after_the_connection_may_have_had_an_effect() {
    let silent = Server::start(|_| Act::Hang);
    let start = Instant::now();
    let error = get(&silent, QUICK).unwrap_err();
    assert_eq!(
        error,
        TransportError::TimedOut {
            phase: Phase::Waiting
        }
    );
    assert!(!error.never_left());
    assert!(start.elapsed() >= QUICK.time);
    assert!(start.elapsed() < QUICK.time * 5, "{:?}", start.elapsed());
}

#[test]
fn a_slow_drip_ends_at_the_time_limit() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n";
    let body = Server::start(move |_| Act::Drip([head, &"x".repeat(90)].concat().into()));
    let start = Instant::now();
    let error = get(&body, QUICK).unwrap_err();
    assert!(
        matches!(error, TransportError::TimedOut { .. }),
        "{error:?}"
    );
    assert!(start.elapsed() < QUICK.time * 5, "{:?}", start.elapsed());
    assert!(!error.never_left());
}

#[test]
fn a_broken_connection_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n";
    for (cut, phase) in [
        ("", Phase::Waiting),
        ("HTTP/1.1 200 OK\r\nContent-Le", Phase::Waiting),
        (head, Phase::Reading),
        (&[head, "half"].concat(), Phase::Reading),
    ] {
        let bytes = cut.as_bytes().to_vec();
        let server = Server::start(move |_| Act::Send(bytes.clone()));
        let error = get(&server, USUAL).unwrap_err();
        let is_cut = matches!(&error, TransportError::Cut { phase: p, .. } if *p == phase);
        assert!(is_cut, "{cut:?}: {error:?}");
        assert!(!error.never_left());
    }
}

#[test]
fn an_answer_without_a_length_ends_with_an_orderly_close_and_not_with_a_reset() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\n\r\n";
    let closing = Server::start(|_| Act::Send([HEAD, "3021.57"].concat().into()));
    assert_eq!(get(&closing, USUAL).unwrap().body, b"3021.57");
    for part in ["30", ""] {
        let resetting = Server::start(move |_| Act::Reset([HEAD, part].concat().into()));
        let error = get(&resetting, USUAL).unwrap_err();
        let phase = Phase::Reading;
        let is_cut = matches!(&error, TransportError::Cut { phase: p, .. } if *p == phase);
        assert!(is_cut, "{part:?}: {error:?}");
    }
}

/// A server for this many connections, one after the other: it answers the first request of each
/// and closes it once it has read the second one. Also returns the number of requests.
fn closing_after_the_first(connections_max: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming().take(connections_max) {
            let mut stream = stream.unwrap();
            for is_first in [true, false] {
                if stream.read(&mut [0; 4_096]).unwrap() > 0 {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
                if is_first {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    stream.write_all(answer).unwrap();
                }
            }
        }
    });
    (url, requests)
}

#[test]
fn a_request_without_an_answer_on_a_kept_connection_is_repeated_once_on_a_new_one() {
    let (url, requests) = closing_after_the_first(3);
    let http = Http::default();
    let repeated = [(); 3].map(|()| http.get(&url, &[], USUAL).unwrap().repeated);
    assert_eq!(
        repeated,
        [false, true, true],
        "each kept connection is closed"
    );
    assert_eq!(requests.load(Ordering::SeqCst), 5);
}

#[test]
fn a_repeated_request_that_finds_no_server_may_have_had_an_effect() {
    let (url, requests) = closing_after_the_first(1);
    let http = Http::default();
    assert!(!http.get(&url, &[], USUAL).unwrap().repeated);
    let error = http.get(&url, &[], USUAL).unwrap_err();
    assert!(!error.never_left(), "{error:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

/// Each answer ends its connection, so each request makes a new one.
#[test]
fn addresses_that_swallow_packets_cost_a_part_of_a_second_once() {
    let holes = [(); 3].map(|()| BlackHole::new().unwrap());
    let server = Server::start(|_| answer(200, "", "ok"));
    let mut found: Vec<SocketAddr> = holes.iter().map(|hole| hole.address).collect();
    found.push(server.url.trim_start_matches("http://").parse().unwrap());
    let addresses = Addresses::default();
    addresses.store("a.name:80", Ok(found)).unwrap();
    let http = Http::with(addresses, 1);
    let mut took = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        let reply = http.get("http://a.name/", &[], USUAL).unwrap();
        assert_eq!(reply.body, b"ok");
        took.push(start.elapsed());
    }
    let (first, later) = (took[0], took[1].min(took[2]));
    assert!(first < Duration::from_secs(2), "{took:?}");
    assert!(later < Duration::from_millis(250), "{took:?}");
}

#[test]
fn a_body_is_bounded() {
    let fits = Server::start(|_| answer(200, "", &"x".repeat(100)));
    assert_eq!(get(&fits, USUAL).unwrap().body.len(), 100);
    let large = Server::start(|_| answer(200, "", &"x".repeat(101)));
    let error = get(&large, USUAL).unwrap_err();
    assert_eq!(error, TransportError::TooLarge { bytes_max: 100 });
    assert!(!error.never_left());
}

/// Floods that never complete an answer: each ends with an error long before the time limit.
#[test]
fn a_flood_around_the_answer_is_bounded() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const LAST_CHUNK: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for (start, more) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        ("", "x"),
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n"),
        ("HTTP/1.1 200 OK\r\nX: ", "y"),
        ("HTTP/1.1 200 ", "y"),
        (CHUNKED, "0"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            "x",
        ),
        (CHUNKED, "1;extension=abc\r\nx\r\n"),
        (LAST_CHUNK, "X: y\r\n"),
        ("HTTP/1.1 200 OK\r\n\r\n", "x"),
    ] {
        let server = Server::start(move |_| Act::Flood(start, more));
        let begun = Instant::now();
        let error = get(&server, USUAL).expect_err(start);
        assert!(
            !error.timed_out() && begun.elapsed() < USUAL.time,
            "{start:?} {more:?}: {error:?}"
        );
        assert!(!error.never_left(), "{error:?}");
    }
}

#[test]
fn no_body_is_unpacked() {
    let headers = "Content-Encoding: gzip\r\n";
    let server = Server::start_with_headers(move |_| answer(200, headers, "packed"));
    assert_eq!(get(&server, USUAL).unwrap().body, b"packed");
    assert_eq!(server.count("accept-encoding"), 0);
}

#[test]
fn headers_are_bounded() {
    let of_bytes = |bytes| {
        let server = Server::start(move |_| {
            let header = format!("X: {}\r\n", "x".repeat(bytes));
            answer(200, &header, &"y".repeat(20_000))
        });
        let body_bytes_max = 20_000;
        Http::default().get(
            &server.url,
            &[],
            Limits {
                body_bytes_max,
                ..USUAL
            },
        )
    };
    assert_eq!(of_bytes(8_000).unwrap().body.len(), 20_000);
    for bytes in [8_192, 20_000] {
        let error = of_bytes(bytes).unwrap_err();
        let expected = TransportError::HeadersTooLarge { bytes_max: 8_192 };
        assert_eq!(error, expected, "{bytes}");
        assert!(!error.never_left(), "{error:?}");
    }
}

#[test]
fn an_answer_that_is_not_http_is_an_error() {
    let server = Server::start(|_| Act::Send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()));
    let error = get(&server, USUAL).unwrap_err();
    assert!(!error.never_left(), "{error:?}");
}

#[test]
fn a_server_of_another_protocol_is_recognised() {
    use TransportError::{GrpcPort, TlsPort};
    let page = |text: &str| {
        let page = format!("HTTP/1.0 400 Bad Request\r\n\r\n<p>{text}</p>");
        page.into_bytes()
    };
    for (sent, expected) in [
        (vec![0x15, 3, 3, 0, 2, 2, 10], TlsPort), // an alert of rustls
        (
            page("Client sent an HTTP request to an HTTPS server."),
            TlsPort,
        ),
        (
            page("The plain HTTP request was sent to HTTPS port"),
            TlsPort,
        ),
        (
            page("Reason: You're speaking plain HTTP to an SSL-enabled server port."),
            TlsPort,
        ),
        // what a gRPC server in Go sends at once: SETTINGS_MAX_FRAME_SIZE is 16,384
        (
            vec![0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0x40, 0],
            GrpcPort,
        ),
    ] {
        let server = Server::start(move |_| Act::Send(sent.clone()));
        let error = get(&server, USUAL).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.never_left(), "{error:?}");
    }
}

#[test]
fn a_body_that_looks_like_another_protocol_is_a_body() {
    let body = b"\x15\x03\x03\x00\x02";
    let whole = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &body[..]].concat();
    for act in [Act::Send as fn(Vec<u8>) -> Act, Act::Drip] {
        let whole = whole.clone();
        let server = Server::start(move |_| act(whole.clone()));
        assert_eq!(get(&server, USUAL).unwrap().body, body);
    }
}

#[test]
fn a_redirect_is_shown_without_secrets() {
    for (location, expected) in [
        ("/x/?key=secret", Some("http://host:8000/x/")),
        ("https://user:secret@other/x/", Some("https://other/x/")),
        ("//other:81/x", Some("http://other:81/x")),
        ("x/", None),
        ("", None),
    ] {
        let shown = redirect_of("http://user:secret@host:8000/x", location);
        assert_eq!(shown.as_deref(), expected, "{location}");
    }
}

#[test]
fn origins_are_shown_without_secrets() {
    let url = "https://user:secret@host.example:8443/v1/model?key=secret";
    assert_eq!(origin(url), "https://host.example:8443");
    assert_eq!(origin_and_path(url), "https://host.example:8443/v1/model");
    assert_eq!(origin("http://[::1]/x"), "http://[::1]");
    assert!(!origin("user:secret@").contains("secret"));
}
