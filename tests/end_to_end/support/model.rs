//! A model of a test's own: it answers each request as the test says and keeps what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a model answers: a status, further headers (each with its line end) and a body; `None`
/// hangs until the worker goes away.
pub(crate) type Said = Option<(u16, String, String)>;

/// A running model; it ends with the test process.
pub(crate) struct Model {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Model {
    /// Answers each request, that is its line, headers and body, by `answer`.
    pub(crate) fn start(answer: impl Fn(&str) -> Said + Send + Sync + 'static) -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || serve(stream.unwrap(), &seen, &*answer));
            }
        });
        Model { url, requests }
    }

    /// Gives the same body to everybody.
    pub(crate) fn saying(body: &str) -> Model {
        let body = body.to_owned();
        Model::start(move |_| Some((200, String::new(), body.clone())))
    }

    /// Every request so far: its line, headers and body, in lines.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Said) {
    let request = read_request(&stream);
    seen.lock().unwrap().push(request.clone());
    let Some((status, headers, body)) = answer(&request) else {
        // why: nothing comes, so this ends when the worker does
        let _ = stream.read(&mut [0]);
        return;
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n");
    // why: a worker that goes away in between is a worker that was stopped
    let _ = stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes());
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        request += &line;
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    request + &String::from_utf8(body).unwrap()
}
