use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use super::client::REQUEST_TIME_MAX;
use super::*;
use crate::monitoring::view::tests::chain;
use crate::shutdown;

/// A server whose thread ends with the process.
fn server() -> SocketAddr {
    let server = HealthServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.address().unwrap();
    thread::spawn(move || {
        let (_stopper, stop) = shutdown::channel();
        server.run(&chain(), &stop);
    });
    address
}

/// What the server answers to these bytes, up to its end.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn status_line(answer: &str) -> &str {
    answer.lines().next().unwrap()
}

#[test]
fn each_page_is_answered_and_closed() {
    let address = server();
    let metrics = ask(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(status_line(&metrics), "HTTP/1.1 200 OK");
    assert!(metrics.contains("content-type: application/openmetrics-text"));
    assert!(metrics.ends_with("# EOF\n"), "whole");
    let health = ask(address, "GET /healthz HTTP/1.1\r\n\r\n");
    assert_eq!(status_line(&health), "HTTP/1.1 200 OK");
    assert!(health.ends_with("\r\n\r\nready\n"), "{health}");
    let status = ask(address, "GET /status.json?x HTTP/1.0\r\n\r\n");
    let (head, body) = status.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["address"], "allo1address");
}

#[test]
fn what_is_not_served_is_refused_by_the_right_status() {
    let address = server();
    let status = |request: &str| status_line(&ask(address, request)).to_owned();
    assert_eq!(status("GET /x HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
    let post = ask(
        address,
        "POST /metrics HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
    );
    assert_eq!(status_line(&post), "HTTP/1.1 405 Method Not Allowed");
    assert!(post.contains("allow: GET, HEAD\r\n"));
    assert_eq!(status("nonsense\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    let large = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(
        status(&large),
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
}

#[test]
fn head_is_get_without_a_body() {
    let address = server();
    for page in ["/metrics", "/healthz", "/status.json", "/none"] {
        let get = ask(address, &format!("GET {page} HTTP/1.1\r\n\r\n"));
        let head = ask(address, &format!("HEAD {page} HTTP/1.1\r\n\r\n"));
        assert_eq!(status_line(&get), status_line(&head), "{page}");
        assert!(head.ends_with("\r\n\r\n"), "{page}: {head}");
    }
}

/// Clients that only connect, clients that stop in the middle of a request, clients that send a
/// byte now and then, and clients that do not read: each crowd is larger than what is served at a
/// time.
#[test]
fn idle_and_slow_clients_do_not_delay_others() {
    const HALF: &str = "GET /status.json HTT";
    const WHOLE: &str = "GET /metrics HTTP/1.1\r\n\r\n";
    for (count, begin, drip) in [
        (20, "", ""),
        (200, "", ""),
        (200, HALF, ""),
        (200, HALF, "x"),
        (200, WHOLE, ""),
    ] {
        let address = server();
        let connect = |_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(begin.as_bytes()).unwrap();
            stream
        };
        let mut crowd: Vec<TcpStream> = (0..count).map(connect).collect();
        for _ in 0..3 {
            for stream in &mut crowd {
                let _ = stream.write_all(drip.as_bytes()); // some are closed by now
            }
            let begun = Instant::now();
            let health = ask(address, "GET /healthz HTTP/1.1\r\n\r\n");
            assert_eq!(status_line(&health), "HTTP/1.1 200 OK");
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(1), "{count} {begin}: {took:?}");
        }
    }
}

#[test]
fn the_oldest_idle_client_makes_room_for_the_next() {
    let address = server();
    let connect = |_| TcpStream::connect(address).unwrap();
    let begun = Instant::now();
    let mut idle: Vec<TcpStream> = (0..CLIENTS_MAX).map(connect).collect();
    let health = ask(address, "GET /healthz HTTP/1.1\r\n\r\n");
    assert_eq!(status_line(&health), "HTTP/1.1 200 OK");
    assert_eq!(idle[0].read(&mut [0]).unwrap_or(0), 0, "closed unanswered");
    assert!(begun.elapsed() < REQUEST_TIME_MAX, "{:?}", begun.elapsed());
    let mut answer = String::new();
    idle[CLIENTS_MAX - 1].read_to_string(&mut answer).unwrap();
    assert_eq!(status_line(&answer), "HTTP/1.1 408 Request Timeout");
}

#[test]
fn a_page_of_another_name_cannot_read_the_state() {
    let address = server();
    for page in ["/healthz", "/status.json"] {
        let of = |host: &str| {
            ask(
                address,
                &format!("GET {page} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            )
        };
        let refused = of("evil.example:9464");
        assert_eq!(status_line(&refused), "HTTP/1.1 421 Misdirected Request");
        assert!(!refused.contains("allo1address"), "{refused}");
        assert_eq!(status_line(&of(&address.to_string())), "HTTP/1.1 200 OK");
    }
}

#[test]
fn an_address_that_is_in_use_is_named() {
    let taken = HealthServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.address().unwrap();
    let error = HealthServer::bind(address).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(error.starts_with("metrics_listen: "), "{error}");
}
