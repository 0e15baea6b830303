//! The models of the scenarios: the sample model, and paths with an answer that a scenario sets.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::play::model::Model;
use crate::server::answer::{Answer, Request};
use crate::server::{Play, Server, Service};

/// Seed of the sample model's numbers.
const SEED: u64 = 1;

/// A server of models on loopback.
pub(super) struct Models {
    server: Server,
    state: Arc<State>,
}

struct State {
    sample: Mutex<Model>,
    fixed: Mutex<BTreeMap<String, String>>,
}

impl Models {
    pub(super) fn start() -> io::Result<Models> {
        let state = Arc::new(State {
            sample: Mutex::new(Model::new(SEED)),
            fixed: Mutex::default(),
        });
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start("models", any, Arc::clone(&state) as Arc<dyn Service>, None)?;
        Ok(Models { server, state })
    }

    /// The URL of a path of the sample model.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.server.address())
    }

    /// Sets the answer of a path; returns its URL.
    pub(super) fn fixed(&self, path: &str, body: &str) -> String {
        let mut fixed = self
            .state
            .fixed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        fixed.insert(format!("/{path}"), body.to_owned());
        self.url(path)
    }
}

impl Service for State {
    fn answer(&self, request: &Request) -> Play {
        let fixed = self.fixed.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match fixed.get(&request.path) {
            Some(body) => Answer::text(200, "application/json", body.clone()),
            None => {
                let sample = self.sample.lock();
                sample
                    .unwrap_or_else(PoisonError::into_inner)
                    .answer(&request.path)
            }
        };
        Play::from(answer)
    }
}
