//! Metrics and health over HTTP, for whoever is allowed to reach the address. As little of a server
//! as will do: a request line and headers are read within bounds, one answer is given, and the
//! connection is closed.
//!
//! Each of the two threads serves one connection at a time; a third client waits in the system's
//! queue. A client is given [`REQUEST_TIME_MAX`] for its request and [`ANSWER_TIME_MAX`] for taking
//! the answer, so two that dawdle keep others waiting for less than `check --health` waits. No
//! library does this as plainly: the usual ones start threads of their own and wait for clients
//! without limit.

mod exchange;
mod request;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use log::{debug, warn};

use crate::monitoring::metrics;
use crate::monitoring::view::Source;
use crate::monitoring::{health, json};
use crate::shutdown::Stop;
use exchange::Exchange;
use request::{Method, Refused, Request};

/// How many clients are served at a time: so many threads there are.
pub const CONNECTIONS_MAX: usize = 2;
/// The time that a client is given for its whole request: it has nothing to think about.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(1);
/// The time that it is given for taking the answer.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// The pause after a connection could not be taken, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics_listen: {address} can't be listened on; is another process there? Choose another port"
)]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// A place to ask, open from the moment that it is made.
#[derive(Debug)]
pub struct HealthServer {
    listener: TcpListener,
}

impl HealthServer {
    /// Opens the place; port 0 takes any that is free.
    ///
    /// # Errors
    /// When the address is taken or is not this machine's.
    pub fn bind(address: SocketAddr) -> Result<HealthServer, ListenError> {
        let listener = TcpListener::bind(address);
        let listener = listener.map_err(|source| ListenError { address, source })?;
        Ok(HealthServer { listener })
    }

    /// Where it is; the port that was free, where any was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Another handle to the same place, for another thread.
    ///
    /// # Errors
    /// The system's.
    pub fn try_clone(&self) -> io::Result<HealthServer> {
        let listener = self.listener.try_clone()?;
        Ok(HealthServer { listener })
    }

    /// Serves one client after the other until the process ends: a thread that waits for clients
    /// has nothing to finish.
    pub fn run(&self, source: &Source, stop: &Stop) {
        let mut said = false;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = serve(&mut Exchange::new(stream, REQUEST_TIME_MAX), source)
                    {
                        debug!("metrics: a client went away: {error}");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        warn!("metrics: no connection can be taken: {error}; trying on");
                    }
                    if stop.wait(ACCEPT_PAUSE) {
                        return;
                    }
                }
            }
        }
    }
}

/// What there is to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Metrics,
    Health,
    Status,
}

impl Page {
    fn of(path: &str) -> Option<Page> {
        match path {
            "/metrics" => Some(Page::Metrics),
            "/healthz" => Some(Page::Health),
            "/status.json" => Some(Page::Status),
            _ => None,
        }
    }
}

fn serve(exchange: &mut Exchange, source: &Source) -> io::Result<()> {
    let request = request::read(exchange)?;
    exchange.within(ANSWER_TIME_MAX);
    match request {
        Ok(request) => answer(exchange, &request, source)?,
        Err(refused) => refuse(exchange, refused)?,
    }
    exchange.finish()
}

fn answer(exchange: &mut Exchange, request: &Request, source: &Source) -> io::Result<()> {
    let with_body = match request.method {
        Method::Get => true,
        Method::Head => false,
        Method::Other => return refuse(exchange, Refused::Method),
    };
    match Page::of(&request.path) {
        None => exchange.say("404 Not Found", "text/plain", PAGES, with_body),
        Some(Page::Metrics) => {
            exchange.begin("200 OK", metrics::CONTENT_TYPE, None)?;
            if with_body {
                exchange.streamed(|writer| metrics::write(source.view(), writer))?;
            }
            Ok(())
        }
        Some(Page::Health) => {
            let reasons = health::unready(&source.view());
            let (status, text) = match reasons.is_empty() {
                true => ("200 OK", "ready\n".to_owned()),
                false => ("503 Service Unavailable", reasons.join("\n") + "\n"),
            };
            exchange.say(status, "text/plain", &text, with_body)
        }
        Some(Page::Status) => {
            let text = json::text(&source.view()).map_err(io::Error::other)?;
            exchange.say("200 OK", "application/json", &text, with_body)
        }
    }
}

/// What an unknown path is answered with.
const PAGES: &str = "there are /metrics, /healthz and /status.json\n";

fn refuse(exchange: &mut Exchange, refused: Refused) -> io::Result<()> {
    let text = format!("{refused}\n");
    exchange.say(refused.status(), "text/plain", &text, true)
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Malformed => "that is no HTTP request",
            Refused::Method => "only GET and HEAD are answered",
            Refused::TooLate => "the request did not come in time",
            Refused::TooLarge => "the request's headers are too large",
        })
    }
}

#[cfg(test)]
mod tests;
