//! A model server whose answers the test decides. It records every request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A model's answer: status, additional headers (each with its line end) and body. `None` hangs
/// until the worker closes the connection.
pub(crate) type ModelReply = Option<(u16, String, String)>;

/// A running model server; it ends with the test process.
pub(crate) struct Model {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Model {
    /// Answers each request with `answer(request)`, where the request is its line, headers and
    /// body.
    pub(crate) fn start(answer: impl Fn(&str) -> ModelReply + Send + Sync + 'static) -> Model {
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

    /// A model with one thread, which hands each connection to `serve` before it accepts the next.
    pub(crate) fn one_by_one(
        mut serve: impl FnMut(TcpStream, &Mutex<Vec<String>>) + Send + 'static,
    ) -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            let streams = listener.incoming();
            streams.for_each(|stream| serve(stream.unwrap(), &seen));
        });
        Model { url, requests }
    }

    /// A model that answers every request with this body.
    pub(crate) fn answering(body: &str) -> Model {
        let body = body.to_owned();
        Model::start(move |_| Some((200, String::new(), body.clone())))
    }

    /// Every request so far, each as its line, headers and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<String>>,
    answer: &dyn Fn(&str) -> ModelReply,
) {
    let request = read_request(&stream);
    requests.lock().unwrap().push(request.clone());
    let Some((status, headers, body)) = answer(&request) else {
        // why: the worker sends nothing more, so this read returns when it closes the connection
        let _ = stream.read(&mut [0]);
        return;
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n");
    // why: the connection is closed early only by a worker that was stopped
    let _ = stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes());
}

/// A request's line, headers and body; empty once the worker has closed the connection.
pub(crate) fn read_request(stream: &TcpStream) -> String {
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
