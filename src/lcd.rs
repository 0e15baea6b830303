//! The client of the chain's REST API (LCD): one function per route with its typed answer, over one
//! or several endpoints.
//!
//! Every answer's height header feeds one [`ChainClock`], and every answer says whether it is
//! *fresh*: from a height at or above the highest one known when its request was sent. Only a fresh
//! answer is ground for a decision (design.md R9). An error is never a "no": what the chain said is
//! told apart from everything else in [`LcdError`]. Which endpoint is asked is decided in
//! [`endpoints`], what an answer's bytes say in [`answers`]; here the two meet the network.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::chain_clock::ChainClock;
use crate::http::{self, Http, Limits, Reply};
use crate::units::Height;

pub mod answers;
pub mod endpoints;
mod error;
mod route;
mod routes;

use endpoints::{Change, Choice, EndpointId, Endpoints};
pub use error::{ChainError, ErrorKind, LcdError};
pub use route::{Class, Count, Counters, Route};
pub use routes::LcdResult;

/// Bytes of an answer's body; a simulated or included payload with its events takes a tenth.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Endpoints that may be asked for their chain id on behalf of one request.
const IDENTIFICATIONS_MAX: usize = 2;

/// An answer, with where and when in the chain's life it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was answered.
    pub value: T,
    /// The height that it was answered at, if the node said.
    pub height: Option<Height>,
    /// Whether it counts for a decision: its height is known, and at or above the highest height
    /// known when the request was sent (design.md R9).
    pub fresh: bool,
    /// Who answered.
    pub endpoint: EndpointId,
}

impl<T> Answer<T> {
    /// The same answer with its value made into another.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        let Answer {
            value,
            height,
            fresh,
            endpoint,
        } = self;
        Answer {
            value: f(value),
            height,
            fresh,
            endpoint,
        }
    }
}

/// The client. A clone is cheap and shares everything but its time limit.
#[derive(Clone, Debug)]
pub struct Lcd {
    shared: Arc<Shared>,
    limit: Duration,
}

#[derive(Debug)]
struct Shared {
    http: Http,
    bases: Vec<Base>,
    state: Mutex<State>,
    counters: Counters,
}

#[derive(Debug)]
struct Base {
    /// Without a slash at its end.
    url: String,
    /// Fit to be shown.
    name: Arc<str>,
}

#[derive(Debug)]
struct State {
    clock: ChainClock,
    endpoints: Endpoints,
    chain_id: Option<String>,
}

/// What is sent.
#[derive(Clone, Copy)]
enum Request<'a> {
    Get,
    Post(&'a str),
}

impl Lcd {
    /// A client of the endpoints `urls`, the favourite first. `seed` spreads the pauses of failing
    /// endpoints. The configuration sees to it that the list is not empty: with an empty one every
    /// request fails without being sent.
    #[must_use]
    pub fn new(http: Http, urls: &[String], seed: u64) -> Lcd {
        let bases = urls.iter().map(|url| Base {
            url: url.trim_end_matches('/').to_owned(),
            name: http::origin(url).into(),
        });
        let state = State {
            clock: ChainClock::new(),
            endpoints: Endpoints::new(urls.len(), seed),
            chain_id: None,
        };
        let shared = Shared {
            http,
            bases: bases.collect(),
            state: Mutex::new(state),
            counters: Counters::default(),
        };
        Lcd {
            shared: Arc::new(shared),
            limit: http::REQUEST_TIME_MAX,
        }
    }

    /// The same client with another time limit for each request, from
    /// [`REQUEST_TIME_MIN`](http::REQUEST_TIME_MIN) to [`REQUEST_TIME_MAX`](http::REQUEST_TIME_MAX).
    #[must_use]
    pub fn within(&self, limit: Duration) -> Lcd {
        let limit = limit.clamp(http::REQUEST_TIME_MIN, http::REQUEST_TIME_MAX);
        Lcd {
            shared: Arc::clone(&self.shared),
            limit,
        }
    }

    /// What is known of the chain's height and pace.
    #[must_use]
    pub fn clock(&self) -> ChainClock {
        self.state().clock.clone()
    }

    /// The chain's id, once an endpoint named it.
    #[must_use]
    pub fn chain_id(&self) -> Option<String> {
        self.state().chain_id.clone()
    }

    /// The endpoint that answers at present. A sender with something in flight compares it with the
    /// one that took its transactions, before and after a request (design.md R11).
    #[must_use]
    pub fn current_endpoint(&self) -> EndpointId {
        self.state().endpoints.current()
    }

    /// How many endpoints are configured.
    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.shared.bases.len()
    }

    /// An endpoint's scheme, host and port, for a log.
    #[must_use]
    pub fn endpoint_name(&self, id: EndpointId) -> &str {
        self.shared
            .bases
            .get(id.0)
            .map_or("no endpoint", |base| &base.name)
    }

    /// How many requests were sent, by route and result.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two of its calls, also if a thread died holding the lock.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request to the endpoint whose turn it is.
    fn request<T>(
        &self,
        route: Route,
        path: &str,
        request: Request<'_>,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> Result<Answer<T>, LcdError> {
        let mut identified = Vec::with_capacity(IDENTIFICATIONS_MAX);
        loop {
            let now = Instant::now();
            let choice = self.choose(now);
            match choice {
                Choice::Use(id) => return self.ask(id, route, path, request, &decode),
                Choice::Wait(until) => {
                    let wait = until.saturating_duration_since(now);
                    return Err(self.unsent(None, route, ErrorKind::Wait { wait }));
                }
                Choice::Identify(id) => {
                    let outcome = self.identify(id);
                    let again = identified.contains(&id) || identified.len() >= IDENTIFICATIONS_MAX;
                    identified.push(id);
                    match outcome {
                        Err(kind) if again || self.is_next(id) => {
                            return Err(self.unsent(Some(id), Route::NodeInfo, kind));
                        }
                        Ok(()) | Err(_) => {}
                    }
                }
            }
        }
    }

    /// Chooses, and notes the beginning of a try to return to a better endpoint.
    fn choose(&self, now: Instant) -> Choice {
        let mut state = self.state();
        let choice = state.endpoints.choose(now);
        if let Choice::Identify(id) = choice {
            state.endpoints.trying(id, now);
        }
        choice
    }

    /// Whether there is nothing better to ask than this endpoint, which has just failed.
    fn is_next(&self, id: EndpointId) -> bool {
        match self.state().endpoints.choose(Instant::now()) {
            Choice::Identify(next) => next == id,
            Choice::Wait(_) => true,
            Choice::Use(_) => false,
        }
    }

    fn unsent(&self, id: Option<EndpointId>, route: Route, kind: ErrorKind) -> LcdError {
        let endpoint = match id.and_then(|id| self.shared.bases.get(id.0)) {
            Some(base) => Arc::clone(&base.name),
            None => "any endpoint".into(),
        };
        LcdError {
            route,
            endpoint,
            endpoint_id: id,
            sent: false,
            kind,
        }
    }

    /// Asks an endpoint for its chain id, which must be that of the others.
    fn identify(&self, id: EndpointId) -> Result<(), ErrorKind> {
        // Quickly: a request is waiting, and a chain id that comes slowly is no good sign.
        let quick = Lcd {
            shared: Arc::clone(&self.shared),
            limit: http::REQUEST_TIME_MIN,
        };
        let sent = quick.exchange(id, Route::NodeInfo, routes::NODE_INFO, Request::Get);
        let result = sent.and_then(|reply| answers::node_info(&reply).map(|info| (reply, info)));
        self.count(Route::NodeInfo, &result);
        let now = Instant::now();
        let (reply, info) = match result {
            Ok(answer) => answer,
            Err(kind) => {
                self.note_failure(id, &kind, true, now);
                return Err(kind);
            }
        };
        let mut state = self.state();
        let expected = state
            .chain_id
            .get_or_insert_with(|| info.chain_id.clone())
            .clone();
        if expected != info.chain_id {
            let is_new = state.endpoints.wrong_chain(id, now);
            drop(state);
            if is_new {
                log::warn!(
                    "{} serves chain {}, not {expected}: it is not used; remove it from api_url",
                    self.endpoint_name(id),
                    info.chain_id,
                );
            }
            return Err(ErrorKind::WrongChain {
                expected,
                got: info.chain_id,
            });
        }
        if let Some(height) = reply.height {
            state.clock.observe(height, now);
        }
        let change = state.endpoints.identified(id, now);
        drop(state);
        self.tell(change);
        Ok(())
    }

    /// One request to one endpoint, with everything that is learnt from it.
    fn ask<T>(
        &self,
        id: EndpointId,
        route: Route,
        path: &str,
        request: Request<'_>,
        decode: &impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> Result<Answer<T>, LcdError> {
        let floor = self.state().clock.floor(Instant::now());
        let sent = self.exchange(id, route, path, request);
        let now = Instant::now();
        let height = sent.as_ref().ok().and_then(|reply| reply.height);
        let fresh = height.is_some_and(|height| floor.is_none_or(|floor| height >= floor));
        let result = sent.and_then(|reply| decode(&reply));
        self.count(route, &result);
        match result {
            Ok(value) => {
                self.note_answer(id, height, now);
                Ok(Answer {
                    value,
                    height,
                    fresh,
                    endpoint: id,
                })
            }
            Err(mut kind) => {
                if let ErrorKind::Chain(error) = &mut kind {
                    error.fresh = fresh;
                }
                if kind.is_fault() {
                    self.note_failure(id, &kind, false, now);
                } else {
                    self.note_answer(id, height, now);
                }
                let endpoint = self.endpoint_name(id).into();
                Err(LcdError {
                    route,
                    endpoint,
                    endpoint_id: Some(id),
                    sent: true,
                    kind,
                })
            }
        }
    }

    /// The bare exchange, with its line in the debug log.
    fn exchange(
        &self,
        id: EndpointId,
        route: Route,
        path: &str,
        request: Request<'_>,
    ) -> Result<Reply, ErrorKind> {
        let Some(base) = self.shared.bases.get(id.0) else {
            return Err(ErrorKind::Wait {
                wait: Duration::ZERO,
            });
        };
        let url = format!("{}{path}", base.url);
        let limits = Limits {
            time: self.limit,
            body_bytes_max: BODY_BYTES_MAX,
        };
        let start = Instant::now();
        let (method, result) = match request {
            Request::Get => ("GET", self.shared.http.get(&url, limits)),
            Request::Post(json) => ("POST", self.shared.http.post(&url, json, limits)),
        };
        let ms = start.elapsed().as_millis();
        let name = &base.name;
        match &result {
            Ok(Reply {
                status,
                height: Some(height),
                ..
            }) => {
                log::debug!("{method} {route} {path} at {name}: {status}, {ms} ms, block {height}");
            }
            Ok(reply) => log::debug!(
                "{method} {route} {path} at {name}: {}, {ms} ms",
                reply.status
            ),
            Err(error) => log::debug!("{method} {route} {path} at {name}: {error}, {ms} ms"),
        }
        result.map_err(ErrorKind::Transport)
    }

    fn count<T>(&self, route: Route, result: &Result<T, ErrorKind>) {
        self.shared
            .counters
            .count(route, Class::of(result.as_ref().map(|_| ())));
    }

    fn note_answer(&self, id: EndpointId, height: Option<Height>, now: Instant) {
        let mut state = self.state();
        if let Some(height) = height {
            state.clock.observe(height, now);
        }
        let change = state.endpoints.answered(id, now);
        drop(state);
        self.tell(change);
    }

    /// An endpoint whose chain id could not be learnt counts as failed whatever the reason is.
    fn note_failure(&self, id: EndpointId, kind: &ErrorKind, identifying: bool, now: Instant) {
        let retry_after = match kind {
            // Without a time named, a 429 still means: not at once.
            ErrorKind::RateLimited { retry_after } => retry_after.or(Some(endpoints::BACK_OFF_MIN)),
            ErrorKind::Server { retry_after, .. } => *retry_after,
            _ => None,
        };
        if identifying || kind.is_fault() {
            self.state().endpoints.failed(id, now, retry_after);
        }
    }

    /// Says that another endpoint answers now.
    fn tell(&self, change: Option<Change>) {
        let Some(Change { from, to }) = change else {
            return;
        };
        let (old, new) = (self.endpoint_name(from), self.endpoint_name(to));
        if to < from {
            log::warn!("back to the endpoint {new}, it answers again (from {old})");
        } else {
            log::warn!("the endpoint {old} does not answer, using {new}");
        }
    }
}

/// A path's part or query value: whatever stands in it cannot become another path. Addresses, hashes
/// and numbers, which is all that is asked for, stay as they are.
fn safe(part: &dyn Display) -> String {
    part.to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect()
}
