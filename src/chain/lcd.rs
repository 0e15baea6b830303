//! The client of the chain's REST API (LCD): one function per route with its typed answer, over one
//! or several endpoints.
//!
//! Every answer's height header feeds one [`BlockWatch`], and every answer says whether it is
//! *fresh*: from a height at or above the highest one known when its request was sent. Only a fresh
//! answer is ground for a decision (R9). An error is never a "no": what the chain said is
//! told apart from everything else in [`LcdError`]. Which endpoint is asked is decided in
//! [`endpoints`], what an answer's bytes say in [`answers`]; here the two meet the network.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::chain::clock::{BlockWatch, ChainClock};
pub use crate::chain::counters::{Count, Counters, Timing};
pub use crate::chain::error::{ChainError, Class, ErrorKind, LcdError};

pub use crate::chain::route::Route;
use crate::http::{self, Http, Reply};
use crate::values::units::Height;

mod exchange;

use crate::chain::answers;
use crate::chain::endpoints::{Choice, EndpointId, Endpoints};

/// Choices made on behalf of one request: so many endpoints less one may be asked for their chain
/// id first.
const CHOICES_MAX: usize = 3;

/// A request's result: what was answered, or why nothing is known.
pub type LcdResult<T> = Result<Answer<T>, LcdError>;

/// An answer, with where and when in the chain's life it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was answered.
    pub value: T,
    /// The height that it was answered at, if the node said.
    pub height: Option<Height>,
    /// Whether it counts for a decision: its height is known, and at or above the highest height
    /// known when the request was sent (R9).
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
    watch: BlockWatch,
    endpoints: Endpoints,
    chain_id: Option<String>,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
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
            watch: BlockWatch::new(),
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
        self.state().watch.clock()
    }

    /// The chain's id, once an endpoint named it.
    #[must_use]
    pub fn chain_id(&self) -> Option<String> {
        self.state().chain_id.clone()
    }

    /// The endpoint that answers at present. A sender with something in flight compares it with the
    /// one that took its transactions, before and after a request (R11).
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

    /// The height of the endpoint in use stands still: with others to ask, one of them is asked
    /// next, to tell whether the chain halts or only this node does.
    pub fn leave_halted(&self, now: Instant) {
        let mut state = self.state();
        if self.shared.bases.len() > 1 {
            let current = state.endpoints.current();
            state.endpoints.failed(current, now, None);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two of its calls, also if a thread died holding the lock.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request to the endpoint whose turn it is.
    pub(super) fn request<T>(
        &self,
        route: Route,
        path: &str,
        request: Request<'_>,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> Result<Answer<T>, LcdError> {
        let mut failed = None;
        for _ in 0..CHOICES_MAX {
            let now = Instant::now();
            let error = match self.choose(now) {
                Choice::Use(id) => return self.ask(id, route, path, request, &decode),
                Choice::Wait(until) => {
                    let wait = until.saturating_duration_since(now);
                    return Err(self.unsent(None, route, ErrorKind::Wait { wait }));
                }
                Choice::Identify(id) => match self.identify(id) {
                    Ok(()) => continue,
                    Err(kind) => self.unsent(Some(id), Route::NodeInfo, kind),
                },
            };
            if self.is_next(error.endpoint_id) {
                return Err(error);
            }
            failed = Some(error);
        }
        let wait = Duration::ZERO;
        Err(failed.unwrap_or_else(|| self.unsent(None, route, ErrorKind::Wait { wait })))
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
    fn is_next(&self, failed: Option<EndpointId>) -> bool {
        match self.state().endpoints.choose(Instant::now()) {
            Choice::Identify(next) => failed == Some(next),
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

    /// Asks an endpoint for its chain id, which must be that of the others, and whether it has
    /// caught up with its chain.
    fn identify(&self, id: EndpointId) -> Result<(), ErrorKind> {
        // On the way back from another one that is well: quickly, a request is waiting.
        let returning = id < self.current_endpoint();
        let client = if returning {
            self.within(http::REQUEST_TIME_MIN)
        } else {
            self.clone()
        };
        let sent = client.exchange(id, Route::NodeInfo, Route::NODE_INFO_PATH, Request::Get);
        let result = sent.and_then(|reply| answers::node_info(&reply).map(|info| (reply, info)));
        self.count(Route::NodeInfo, &result);
        let result = result.and_then(|found| client.caught_up(id).map(|()| found));
        let now = Instant::now();
        match result {
            Ok((reply, info)) => self.admit(id, info.chain_id, reply.height, now),
            Err(kind) => {
                self.note_failure(id, &kind, true, now);
                Err(kind)
            }
        }
    }

    /// A node that is catching up answers from the past, and what is sent to it gets nowhere.
    fn caught_up(&self, id: EndpointId) -> Result<(), ErrorKind> {
        let sent = self.exchange(id, Route::Syncing, Route::SYNCING_PATH, Request::Get);
        let result = sent.and_then(|reply| answers::syncing(&reply));
        self.count(Route::Syncing, &result);
        if result? {
            Err(ErrorKind::Syncing)
        } else {
            Ok(())
        }
    }

    /// Lets an endpoint be used if its chain id is that of the first one asked.
    fn admit(
        &self,
        id: EndpointId,
        got: String,
        height: Option<Height>,
        now: Instant,
    ) -> Result<(), ErrorKind> {
        let mut state = self.state();
        let expected = state.chain_id.get_or_insert_with(|| got.clone()).clone();
        if expected != got {
            let is_new = state.endpoints.wrong_chain(id, now);
            drop(state);
            let kind = ErrorKind::WrongChain { expected, got };
            if is_new {
                log::warn!("{}: {kind}; it is not used", self.endpoint_name(id));
            }
            return Err(kind);
        }
        if let Some(height) = height {
            if is_behind(height, state.watch.clock().floor(now)) {
                state.endpoints.failed(id, now, None);
                return Err(ErrorKind::Behind);
            }
            state.watch.observe(height, now);
        }
        let change = state.endpoints.identified(id, now);
        drop(state);
        self.tell(change);
        Ok(())
    }
}

/// So far below the highest height known a load balancer's nodes are from each other (protocol.md
/// section 3.1); one that is further behind is cut off from the chain, or not upgraded.
const BEHIND_BLOCKS_MAX: u64 = 2;

/// Whether an endpoint at this height is too far behind for its answers to be of use.
pub(crate) fn is_behind(height: Height, floor: Option<Height>) -> bool {
    floor.is_some_and(|floor| height.plus(BEHIND_BLOCKS_MAX) < floor)
}

/// A path's part or query value: whatever stands in it cannot become another path. Addresses, hashes
/// and numbers, which is all that is asked for, stay as they are.
pub(super) fn safe(part: &dyn Display) -> String {
    part.to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

#[cfg(test)]
mod tests;
