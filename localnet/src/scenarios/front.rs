//! A second endpoint of a chain: passes every request on, and can be stopped while the chain runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::rest::Rest;
use crate::server::answer::{Answer, Request};
use crate::server::{Ending, Play, Server, Service};

/// A running endpoint.
pub(super) struct Front(Server);

struct Pass {
    rest: Rest,
    chain: String,
}

impl Front {
    /// An endpoint on a free port of loopback, before the chain at this URL.
    pub(super) fn start(chain: String) -> io::Result<Front> {
        let rest = Rest::new();
        let pass = Arc::new(Pass { rest, chain });
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Server::start("front", any, pass, None).map(Front)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }

    /// Refuses connections, or accepts them again.
    pub(super) fn set_up(&self, up: bool) {
        self.0.set_listening(up);
    }
}

impl Service for Pass {
    fn answer(&self, request: &Request) -> Play {
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
