//! A small HTTP/1.1 server with one thread per connection, keep-alive and bounded buffers. It works
//! on plain sockets, because faults close, hang and cut connections.

pub mod answer;
pub mod black_hole;
mod connection;
mod port;
mod request;
pub mod tls;

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::server::answer::{Answer, Request};
use crate::server::connection::Connection;
use crate::server::port::Port;
use crate::server::request::{Read, read_request};

/// A real node closes a connection that has been idle this long (protocol.md section 8).
const IDLE: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 512;
/// A preliminary answer.
const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\n\r\n";
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Complete; the connection stays open.
    Whole,
    /// After this many bytes of head and body; then the connection is closed.
    CutAfter(usize),
    /// The connection is closed without an answer.
    Close,
    /// `Whole` for the first request of a connection, `Close` for a later one.
    CloseKept,
    /// After this time without an answer, the connection is closed.
    Hang(Duration),
}

/// An answer and how it is sent.
#[derive(Clone, Debug)]
pub struct Play {
    pub answer: Answer,
    pub ending: Ending,
    /// Time before the first byte.
    pub delay: Duration,
    /// Time for which new connections are refused afterwards.
    pub refuse: Option<Duration>,
    /// Number of preliminary answers (status 103) before the answer.
    pub interim: u32,
}

impl From<Answer> for Play {
    fn from(answer: Answer) -> Play {
        Play {
            answer,
            ending: Ending::Whole,
            delay: Duration::ZERO,
            refuse: None,
            interim: 0,
        }
    }
}

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// A connection was accepted.
    fn connected(&self) {}
    /// Reports the size of a request and of its answer, headers included.
    fn transferred(&self, _received: usize, _sent: usize) {}
    fn answer(&self, request: &Request) -> Play;
}

/// Whether the port accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// Refuses connections until this time, or until it is opened again.
    Shut(Option<Instant>),
    Over,
}

struct Inner {
    port: Port,
    service: Arc<dyn Service>,
    tls: Option<Arc<ServerConfig>>,
    gate: Mutex<Gate>,
    turned: Condvar,
    over: AtomicBool,
    connections: Mutex<BTreeMap<u64, TcpStream>>,
}

/// A running server. Dropping it closes every connection.
pub struct Server {
    inner: Arc<Inner>,
    acceptor: Option<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Listens at the address and answers in threads of this process, over TLS if `tls` is given.
    ///
    /// # Errors
    /// When the port is taken, the address is not local, or a thread cannot be started.
    pub fn start(
        name: &str,
        address: SocketAddr,
        service: Arc<dyn Service>,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Server> {
        let port = Port::take(address)?;
        let listener = port.listen()?;
        let inner = Arc::new(Inner {
            port,
            service,
            tls,
            gate: Mutex::new(Gate::Open),
            turned: Condvar::new(),
            over: AtomicBool::new(false),
            connections: Mutex::new(BTreeMap::new()),
        });
        let shared = Arc::clone(&inner);
        let acceptor = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || accept_all(&shared, listener))?;
        Ok(Server {
            inner,
            acceptor: Some(acceptor),
        })
    }

    /// The address with the actual port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.inner.port.address()
    }

    /// Refuses connections and closes the open ones, or accepts connections again.
    pub fn set_listening(&self, listening: bool) {
        self.inner.turn(if listening {
            Gate::Open
        } else {
            Gate::Shut(None)
        });
        if !listening {
            self.inner.close_all();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        self.inner.turn(Gate::Over);
        self.inner.close_all();
        if let Some(acceptor) = self.acceptor.take() {
            // The thread has already printed its panic.
            let _ = acceptor.join();
        }
        self.inner.close_all();
    }
}

impl Inner {
    fn turn(&self, gate: Gate) {
        *lock(&self.gate) = gate;
        self.turned.notify_all();
        if gate != Gate::Open {
            // Wakes the accepting thread. If the port is not listening, no thread has to be woken.
            let _ = TcpStream::connect_timeout(&self.port.address(), Duration::from_secs(1));
        }
    }

    fn close_all(&self) {
        for stream in lock(&self.connections).values() {
            // Fails only if the peer has closed the connection already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits until the gate opens; `false` if the server ends first.
    fn wait_open(&self) -> bool {
        let mut gate = lock(&self.gate);
        loop {
            let now = Instant::now();
            let left = match *gate {
                Gate::Open => return true,
                Gate::Over => return false,
                Gate::Shut(Some(until)) if until <= now => {
                    *gate = Gate::Open;
                    return true;
                }
                Gate::Shut(Some(until)) => until - now,
                Gate::Shut(None) => Duration::from_secs(60),
            };
            let waited = self.turned.wait_timeout(gate, left);
            gate = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for this time, or until the server ends.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut gate = lock(&self.gate);
        while *gate != Gate::Over {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            let waited = self.turned.wait_timeout(gate, left);
            gate = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn accept_all(inner: &Arc<Inner>, listener: TcpListener) {
    let mut listener = Some(listener);
    let mut next_id = 0u64;
    loop {
        if *lock(&inner.gate) != Gate::Open {
            listener = None;
            if !inner.wait_open() {
                return;
            }
        }
        let Some(open) = listener.take().or_else(|| inner.port.listen().ok()) else {
            inner.pause(Duration::from_millis(50));
            continue;
        };
        let accepted = open.accept();
        listener = Some(open);
        let Ok((stream, _)) = accepted else { continue };
        if *lock(&inner.gate) != Gate::Open {
            continue;
        }
        next_id += 1;
        if lock(&inner.connections).len() < CONNECTIONS_MAX {
            spawn_connection(inner, next_id, stream);
        }
    }
}

fn spawn_connection(inner: &Arc<Inner>, id: u64, stream: TcpStream) {
    let Ok(handle) = stream.try_clone() else {
        return;
    };
    lock(&inner.connections).insert(id, handle);
    inner.service.connected();
    let shared = Arc::clone(inner);
    let spawned = thread::Builder::new()
        .name(format!("connection-{id}"))
        .spawn(move || {
            // An error means that the peer is gone, which ends the connection as well.
            let _ = serve(&shared, stream);
            lock(&shared.connections).remove(&id);
        });
    if spawned.is_err() {
        lock(&inner.connections).remove(&id);
    }
}

/// Answers the requests of a connection until one side closes it.
fn serve(inner: &Inner, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut stream = Connection::new(stream, inner.tls.as_ref())?;
    let mut buffer = Vec::new();
    let mut is_first = true;
    while !inner.over.load(Ordering::SeqCst) {
        let (request, close, received) = match read_request(&mut stream, &mut buffer)? {
            Read::Request {
                request,
                close,
                length,
            } => (request, close, length),
            Read::End => return Ok(()),
            Read::Malformed(status, why) => {
                let answer = Answer::text(status, "text/plain; charset=utf-8", why);
                return stream.write_all(&head_and_body(&answer, true));
            }
        };
        let mut play = inner.service.answer(&request);
        if play.ending == Ending::CloseKept {
            play.ending = if is_first {
                Ending::Whole
            } else {
                Ending::Close
            };
        }
        is_first = false;
        let (stays_open, sent) = act(inner, &mut stream, &play, close)?;
        inner.service.transferred(received, sent);
        if !stays_open || close {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends an answer. Returns whether the connection stays open, and the number of bytes sent.
fn act(
    inner: &Inner,
    stream: &mut Connection,
    play: &Play,
    close: bool,
) -> io::Result<(bool, usize)> {
    if let Some(time) = play.refuse {
        inner.turn(Gate::Shut(Some(Instant::now() + time)));
    }
    if !play.delay.is_zero() {
        inner.pause(play.delay);
    }
    for _ in 0..play.interim {
        stream.write_all(INTERIM)?;
    }
    let bytes = head_and_body(&play.answer, close);
    let mut sent = 0;
    match play.ending {
        Ending::Whole => {
            stream.write_all(&bytes)?;
            stream.flush()?;
            return Ok((true, bytes.len()));
        }
        Ending::CutAfter(count) => {
            sent = count.min(bytes.len());
            stream.write_all(&bytes[..sent])?;
            stream.flush()?;
        }
        Ending::Close | Ending::CloseKept => {}
        Ending::Hang(time) => {
            let limit = Some(time.max(Duration::from_millis(1)));
            stream.socket().set_read_timeout(limit)?;
            // Ends when the peer closes the connection, after `time`, or when the server ends.
            let _ = stream.read(&mut [0; 1]);
        }
    }
    stream.socket().shutdown(Shutdown::Both)?;
    Ok((false, sent))
}

fn head_and_body(answer: &Answer, close: bool) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
        answer.status,
        reason(answer.status),
        answer.content_type,
        answer.body.len()
    );
    if let Some(height) = answer.height {
        head.push_str(&format!(
            "Grpc-Metadata-X-Cosmos-Block-Height: {height}\r\n"
        ));
    }
    if let Some(seconds) = answer.retry_after_s {
        head.push_str(&format!("Retry-After: {seconds}\r\n"));
    }
    head.push_str(&answer.more_head);
    if close {
        head.push_str("Connection: close\r\n");
    }
    head.push_str("\r\n");
    let mut out = head.into_bytes();
    out.extend_from_slice(&answer.body);
    out
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
