//! Metrics and health over HTTP. A minimal server: it reads a request line and headers within
//! bounds, gives one answer, and closes the connection.
//!
//! Each of [`CONNECTIONS_MAX`] threads serves one connection at a time; further clients wait in the
//! system's queue. A client has [`REQUEST_TIME_MAX`] for its request and [`ANSWER_TIME_MAX`] to
//! take the answer, so two slow clients keep others waiting for less than `check --health` waits.
//! The usual libraries start threads of their own and wait for clients without limit.

mod exchange;
mod request;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use log::{debug, warn};

use crate::chain::Chain;
use crate::monitoring::view::View;
use crate::monitoring::{health, json, metrics};
use crate::shutdown::Stop;
use exchange::Exchange;
use request::{Refused, Request};

/// How many clients are served at a time, each by a thread.
pub const CONNECTIONS_MAX: usize = 2;
/// The time that a client has for its whole request.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(1);
/// The time that a client has to take the answer.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
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
        TcpListener::bind(address)
            .map(HealthServer)
            .map_err(|source| ListenError { address, source })
    }

    /// The address, with the port that was taken.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves one client after the other until the process ends.
    pub fn run(&self, chain: &Chain, stop: &Stop) {
        let mut logged = false;
        loop {
            match self.0.accept() {
                Ok((stream, _)) => {
                    let ends = Instant::now() + REQUEST_TIME_MAX;
                    if let Err(error) = serve(&mut Exchange { stream, ends }, chain) {
                        debug!("metrics: a client went away: {error}");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut logged, true) {
                        warn!("metrics: no connection could be accepted: {error}; trying again");
                    }
                    if stop.wait(ACCEPT_PAUSE) {
                        return;
                    }
                }
            }
        }
    }
}

fn serve(exchange: &mut Exchange, chain: &Chain) -> io::Result<()> {
    let request = request::read(exchange)?;
    exchange.within(ANSWER_TIME_MAX);
    match request {
        Ok(request) => answer(exchange, &request, chain)?,
        Err(Refused(status, text)) => exchange.send(status, "text/plain", text, true)?,
    }
    exchange.finish()
}

fn answer(exchange: &mut Exchange, request: &Request, chain: &Chain) -> io::Result<()> {
    let with_body = request.with_body;
    match request.path.as_str() {
        "/metrics" => {
            exchange.begin("200 OK", metrics::CONTENT_TYPE, None)?;
            if with_body {
                exchange.streamed(|writer| metrics::write(View::of(chain), writer))?;
            }
            Ok(())
        }
        "/healthz" => {
            let reasons = health::unready(&View::of(chain));
            let (status, text) = if reasons.is_empty() {
                ("200 OK", "ready\n".to_owned())
            } else {
                ("503 Service Unavailable", reasons.join("\n") + "\n")
            };
            exchange.send(status, "text/plain", &text, with_body)
        }
        "/status.json" => {
            let text = json::text(&View::of(chain));
            exchange.send("200 OK", "application/json", &text, with_body)
        }
        _ => exchange.send("404 Not Found", "text/plain", PATHS, with_body),
    }
}

/// The answer to an unknown path.
const PATHS: &str = "there are /metrics, /healthz and /status.json\n";

#[cfg(test)]
mod tests;
