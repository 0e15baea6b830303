//! A second endpoint of a chain: passes every request on, counts it, and can be stopped while the chain
//! runs.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::rest::Rest;
use crate::server::answer::{Answer, Request};
use crate::server::{Ending, Play, Server, Service};

/// A running endpoint.
pub(super) struct Front {
    server: Server,
    pass: Arc<Pass>,
}

struct Pass {
    rest: Rest,
    chain: String,
    /// How many requests each path got.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Front {
    /// An endpoint on a free port of loopback, before the chain at this URL.
    pub(super) fn start(chain: String) -> io::Result<Front> {
        let rest = Rest::new();
        let asked = Mutex::default();
        let pass = Arc::new(Pass { rest, chain, asked });
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let service = Arc::clone(&pass) as Arc<dyn Service>;
        let server = Server::start("front", any, service, None)?;
        Ok(Front { server, pass })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Refuses connections, or accepts them again.
    pub(super) fn set_up(&self, up: bool) {
        self.server.set_listening(up);
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        let asked = self.pass.asked.lock();
        let asked = asked.unwrap_or_else(PoisonError::into_inner);
        asked.get(path).copied().unwrap_or_default()
    }
}

impl Service for Pass {
    fn answer(&self, request: &Request) -> Play {
        let asked = self.asked.lock();
        let mut asked = asked.unwrap_or_else(PoisonError::into_inner);
        *asked.entry(request.path.clone()).or_default() += 1;
        drop(asked);
        let mut url = format!("{}{}", self.chain, request.path);
        if !request.query.is_empty() {
            url = format!("{url}?{}", request.query);
        }
        let answer = match request.method.as_str() {
            "POST" => self.rest.post(&url, &request.body),
            _ => self.rest.ask(&url, request.height),
        };
        match answer {
            Ok(answer) => Play::from(Answer {
                height: answer.height,
                ..Answer::text(answer.status, "application/json", answer.body)
            }),
            // A node that is down closes connections.
            Err(_) => Play {
                ending: Ending::Close,
                ..Play::from(Answer::text(502, "text/plain", ""))
            },
        }
    }
}
