//! An HTTP proxy that opens tunnels (`CONNECT`), and records which.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running proxy; it ends with the test process.
pub(crate) struct Proxy {
    /// `host:port`.
    pub(crate) address: String,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy that answers a `CONNECT` without this value of `Proxy-Authorization`, if there is one,
    /// with `refusal`, such as `407`.
    pub(crate) fn start(authorization: Option<&'static str>, refusal: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tunnels = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&tunnels);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&seen);
                // why: a worker that was stopped closes its connections
                thread::spawn(move || drop(serve(stream.unwrap(), authorization, refusal, &seen)));
            }
        });
        Proxy { address, tunnels }
    }

    /// The `host:port` of each tunnel so far.
    pub(crate) fn tunnels(&self) -> Vec<String> {
        self.tunnels.lock().unwrap().clone()
    }
}

fn serve(
    client: TcpStream,
    authorization: Option<&str>,
    refusal: u16,
    tunnels: &Mutex<Vec<String>>,
) -> io::Result<()> {
    // why: a client sends nothing behind its CONNECT before the answer, so nothing stays buffered
    let mut head = String::new();
    let mut reader = BufReader::new(&client);
    while reader.read_line(&mut head)? > 2 {}
    let target = head
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next());
    let is_let_in = authorization.is_none_or(|wanted| {
        let line = format!("proxy-authorization: {wanted}").to_lowercase();
        head.to_lowercase().contains(&line)
    });
    let Some(target) = target.filter(|_| is_let_in) else {
        return write!(&client, "HTTP/1.1 {refusal} X\r\nContent-Length: 0\r\n\r\n");
    };
    tunnels.lock().unwrap().push(target.to_owned());
    let server = TcpStream::connect(target)?;
    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    thread::scope(|scope| {
        scope.spawn(|| pass_on(&client, &server));
        pass_on(&server, &client);
    });
    Ok(())
}

/// Copies until `from` ends; the end is passed on, too.
fn pass_on(mut from: &TcpStream, mut to: &TcpStream) {
    // why: either side may be closed at any moment
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
