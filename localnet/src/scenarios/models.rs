//! The models of the scenarios: the sample model, and paths with an answer that a scenario sets.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::play::model::Model;
use crate::server::answer::{Answer, Request};
use crate::server::{Play, Server, Service};

/// Seed of the sample model's numbers.
const SEED: u64 = 1;

/// Paths with this beginning answer late.
const LATE: &str = "/late/";
/// How much later: after the others' payloads are sent, and before the next block.
const LATE_BY: Duration = Duration::from_millis(400);

/// Longest time for which an answer is held.
const HELD_TIME_MAX: Duration = Duration::from_secs(60);

/// A server of models on loopback.
pub(super) struct Models {
    server: Server,
    state: Arc<State>,
}

struct State {
    sample: Mutex<Model>,
    fixed: Mutex<BTreeMap<String, String>>,
    /// The paths whose answers are held.
    held: Mutex<BTreeSet<String>>,
    released: Condvar,
}

impl Models {
    pub(super) fn start() -> io::Result<Models> {
        let state = Arc::new(State {
            sample: Mutex::new(Model::new(SEED)),
            fixed: Mutex::default(),
            held: Mutex::default(),
            released: Condvar::new(),
        });
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start("models", any, Arc::clone(&state) as Arc<dyn Service>, None)?;
        Ok(Models { server, state })
    }

    /// The URL of a path of the sample model.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.server.address())
    }

    /// The URL of a path of the sample model that answers late.
    pub(super) fn late_url(&self, path: &str) -> String {
        format!("http://{}{LATE}{path}", self.server.address())
    }

    /// Holds the answers of a path until it is released.
    pub(super) fn hold(&self, path: &str) {
        let held = self.state.held.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        held.insert(format!("/{path}"));
    }

    pub(super) fn release(&self, path: &str) {
        let held = self.state.held.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        held.remove(&format!("/{path}"));
        self.state.released.notify_all();
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
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_held = |held: &mut BTreeSet<String>| held.contains(&request.path);
        let released = self
            .released
            .wait_timeout_while(held, HELD_TIME_MAX, is_held);
        drop(released);
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
        let is_late = request.path.starts_with(LATE);
        Play {
            delay: if is_late { LATE_BY } else { Duration::ZERO },
            ..Play::from(answer)
        }
    }
}
