//! A test server with scripted answers and failures. It listens on a free loopback port; its
//! threads end with the test process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// The reaction to a request.
pub(crate) enum Act {
    /// Send these bytes, then close.
    Send(Vec<u8>),
    /// Send these bytes, then reset the connection.
    Reset(Vec<u8>),
    /// Send these bytes one by one, 20 ms apart, then close.
    Drip(Vec<u8>),
    /// Send these bytes, then these others again and again, until the client goes away.
    Flood(&'static str, &'static str),
    /// Send nothing until the client goes away.
    Hang,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every request line and body by `act`.
    pub(crate) fn start(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Server {
        Server::start_keeping(false, act)
    }

    /// As [`Server::start`]; recorded requests include their headers, in lower case, after the
    /// line.
    pub(crate) fn start_with_headers(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Server {
        Server::start_keeping(true, act)
    }

    fn start_keeping(headers: bool, act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, act) = (Arc::clone(&requests), Arc::new(act));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, act) = (Arc::clone(&seen), Arc::clone(&act));
                thread::spawn(move || serve(&stream.unwrap(), headers, &seen, &*act));
            }
        });
        Server { url, requests }
    }

    /// The requests so far: line without the protocol, and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests so far contain `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.contains(text))
            .count()
    }
}

/// A URL at which nothing listens.
pub(crate) fn refusing_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A complete answer with a status, headers (each with its line end) and a body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Send(
        format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .into_bytes(),
    )
}

/// A node's answer at a height.
pub(crate) fn at_height(height: u64, body: &str) -> Act {
    answer(
        200,
        &format!("Grpc-Metadata-X-Cosmos-Block-Height: {height}\r\n"),
        body,
    )
}

fn serve(stream: &TcpStream, headers: bool, seen: &Mutex<Vec<String>>, act: &dyn Fn(&str) -> Act) {
    let request = read_request(stream, headers);
    seen.lock().unwrap().push(request.clone());
    let mut stream = stream;
    // Writing fails if the client closes the connection, which some tests do.
    match act(&request) {
        Act::Send(bytes) => drop(stream.write_all(&bytes)),
        Act::Reset(bytes) => {
            stream.write_all(&bytes).unwrap();
            // why: a socket that doesn't linger sends a reset when it is closed
            set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
        }
        Act::Drip(bytes) => {
            stream
                .set_read_timeout(Some(Duration::from_millis(20)))
                .unwrap();
            for byte in bytes {
                // The client sends nothing, so the read's time limit is the pause.
                let _ = stream.read(&mut [0]);
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
            }
        }
        Act::Flood(start, more) => {
            let more = more.repeat(4_096 / more.len());
            let mut sent = stream.write_all(start.as_bytes());
            while sent.is_ok() {
                sent = stream.write_all(more.as_bytes());
            }
        }
        Act::Hang => drop(stream.read(&mut [0])),
    }
}

/// The request line without the protocol, a space, and the body.
fn read_request(stream: &TcpStream, headers: bool) -> String {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let _ = reader.read_line(&mut line);
    let mut request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
            break;
        }
        if headers {
            request.push(' ');
            request.push_str(&header.trim_end().to_lowercase());
        }
        if let Some(text) = header.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
    }
    if length > 0 {
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        request.push(' ');
        request.push_str(&String::from_utf8(body).unwrap());
    }
    request
}
