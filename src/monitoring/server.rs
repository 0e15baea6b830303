//! Metrics and health over HTTP. A minimal server: it reads a request line and headers within
//! bounds, gives one answer, and closes the connection.
//!
//! One thread serves up to [`CLIENTS_MAX`] clients at a time and never waits for a single one. A
//! further client takes the place of the oldest one that has not sent its request yet, so idle
//! connections delay nobody. The usual libraries start threads of their own and wait for clients
//! without limit.

mod client;
pub mod request;

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use log::warn;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::chain::Chain;
use crate::monitoring::view::View;
use crate::monitoring::{health, json, metrics};
use crate::shutdown::Stop;
use client::Client;
use request::{Refused, Request};

/// How many clients are served at a time.
pub const CLIENTS_MAX: usize = 32;
/// How many bytes of answers are kept for slow clients; with more, a further one is refused.
const ANSWERS_BYTES_MAX: usize = 8 << 20;
/// The pause after a connection could not be accepted, for example for too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
#[error(
    "metrics_listen: {address} can't be listened on; is another process there? Choose another port"
)]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// A listening socket.
#[derive(Debug)]
pub struct HealthServer(TcpListener);

impl HealthServer {
    /// Listens on the address; port 0 takes any that is free.
    ///
    /// # Errors
    /// When the address is in use or is not this machine's.
    pub fn bind(address: SocketAddr) -> Result<HealthServer, ListenError> {
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(HealthServer(listener))
        };
        listen().map_err(|source| ListenError { address, source })
    }

    /// The address, with the port that was taken.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves clients until the process ends.
    pub fn run(&self, chain: &Chain, stop: &Stop) {
        let mut clients = Vec::new();
        let mut logged = false;
        loop {
            let served = self
                .await_event(&clients)
                .and_then(|()| self.accept(&mut clients));
            if let Err(error) = served {
                if !std::mem::replace(&mut logged, true) {
                    warn!("metrics: no connection could be accepted: {error}; trying again");
                }
                if stop.wait(ACCEPT_PAUSE) {
                    return;
                }
            }
            let now = Instant::now();
            let bytes = Cell::new(clients.iter().map(Client::answer_bytes).sum());
            clients.retain_mut(|client| {
                client.go_on(now, |asked| answer_within(&bytes, asked, chain))
            });
        }
    }

    /// Waits until a client connects, sends or takes bytes, or has no time left.
    fn await_event(&self, clients: &[Client]) -> io::Result<()> {
        let mut events = vec![PollFd::new(&self.0, PollFlags::IN)];
        events.extend(clients.iter().map(Client::event));
        let first = clients.iter().map(|client| client.ends).min();
        let left = first.map(|ends| ends.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut events, left.as_ref()) {
            Err(error) if error != rustix::io::Errno::INTR => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Accepts the clients that wait.
    fn accept(&self, clients: &mut Vec<Client>) -> io::Result<()> {
        for _ in 0..CLIENTS_MAX {
            let stream = match self.0.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            if clients.len() >= CLIENTS_MAX {
                let idle = clients.iter().position(Client::is_asking);
                clients.remove(idle.unwrap_or(0)); // the oldest one is the first
            }
            clients.push(Client::new(stream)?);
        }
        Ok(())
    }
}

/// An answer's status, content type and text.
type Answer = (&'static str, &'static str, String);

/// The answer, if there is room for one.
fn answer_within(bytes: &Cell<usize>, asked: &Result<Request, Refused>, chain: &Chain) -> Answer {
    if bytes.get() >= ANSWERS_BYTES_MAX {
        let text = "too many answers are on their way to slow clients; ask again in a minute\n";
        return ("503 Service Unavailable", "text/plain", text.to_owned());
    }
    let answer = answer(asked, chain);
    bytes.set(bytes.get().saturating_add(answer.2.len()));
    answer
}

fn answer(asked: &Result<Request, Refused>, chain: &Chain) -> Answer {
    let request = match asked {
        Ok(request) => request,
        Err(Refused(status, text)) => return (status, "text/plain", (*text).to_owned()),
    };
    match request.path.as_str() {
        "/metrics" => {
            let mut text = String::new();
            match metrics::write(View::of(chain), &mut text) {
                Ok(()) => ("200 OK", metrics::CONTENT_TYPE, text),
                Err(error) => ("500 Internal Server Error", "text/plain", error.to_string()),
            }
        }
        "/healthz" => {
            let reasons = health::unready(&View::of(chain));
            if reasons.is_empty() {
                return ("200 OK", "text/plain", "ready\n".to_owned());
            }
            let text = reasons.join("\n") + "\n";
            ("503 Service Unavailable", "text/plain", text)
        }
        "/" => ("200 OK", "text/html; charset=utf-8", PAGE.to_owned()),
        "/status.json" => ("200 OK", "application/json", json::text(&View::of(chain))),
        _ => ("404 Not Found", "text/plain", PATHS.to_owned()),
    }
}

/// The page for people: it shows `/status.json`, and needs nothing else.
const PAGE: &str = include_str!("page.html");
/// The answer to an unknown path.
const PATHS: &str = "there are /, /metrics, /healthz and /status.json\n";

#[cfg(test)]
mod tests;
