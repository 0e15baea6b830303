use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::*;
use crate::monitoring::view::tests::chain;
use crate::shutdown;

/// A server with its two threads, which end with the process.
fn server() -> SocketAddr {
    let server = HealthServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.address().unwrap();
    let server = Arc::new(server);
    for _ in 0..CONNECTIONS_MAX {
        let server = Arc::clone(&server);
        thread::spawn(move || {
            let (_stopper, stop) = shutdown::channel();
            server.run(&chain(), &stop);
        });
    }
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
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
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

#[test]
fn slow_clients_delay_others_for_a_bounded_time() {
    let address = server();
    let begun = Instant::now();
    let mut slow: Vec<TcpStream> = (0..CONNECTIONS_MAX)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HTT").unwrap();
    }
    let third = ask(address, "GET /healthz HTTP/1.1\r\n\r\n");
    assert_eq!(status_line(&third), "HTTP/1.1 200 OK");
    assert!(begun.elapsed() < ANSWER_TIME_MAX, "{:?}", begun.elapsed());
    let mut answer = String::new();
    slow[0].read_to_string(&mut answer).unwrap();
    assert_eq!(status_line(&answer), "HTTP/1.1 408 Request Timeout");
}

#[test]
fn an_address_that_is_in_use_is_named() {
    let taken = HealthServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.address().unwrap();
    let error = HealthServer::bind(address).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(error.starts_with("metrics_listen: "), "{error}");
}
