//! The client of the chain's REST API (LCD), over one or several endpoints. `queries.rs` has one
//! function per route.
//!
//! Every answer's height is judged by one [`Belief`], and every answer says whether it is *fresh*:
//! from a height that is believed, at or above the highest one known when its request was sent. Only
//! a fresh answer counts for a decision (R9). An error is never a "no": [`LcdError`] distinguishes the chain's own
//! errors from all others. [`endpoints`](crate::chain::endpoints) decides which endpoint is asked.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::chain::answers;
use crate::chain::belief::{APART_BLOCKS, Belief, Judgement};
use crate::chain::clock::ChainClock;
use crate::chain::clock::alarm::HeightAlarm;
use crate::chain::clock::wall::WallWatch;
use crate::chain::counters::Counters;
use crate::chain::endpoints::{ChainDoubt, Choice, EndpointId, Endpoints, is_behind};
use crate::chain::error::{ErrorKind, LcdError};
use crate::chain::lag::Lags;
use crate::chain::route::Route;
use crate::http::header::Secrets;
use crate::http::url::Url;
use crate::http::{self, Http, Reply};
use crate::shutdown::Stop;
use crate::threads::{self, lock};
use crate::values::units::Height;

mod balance;
mod elsewhere;
mod exchange;

use balance::OlderRoute;

/// The most endpoints chosen for one request. All but the last may have to be identified first.
const CHOICES_MAX: usize = 3;

/// The least time limit of a request to an endpoint that is asked aside: 0 is no limit.
const ASIDE_TIME_MIN: Duration = Duration::from_millis(1);

/// An answer, or why there is none.
pub type LcdResult<T> = Result<Answer<T>, LcdError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    pub value: T,
    /// The height that it was answered at, if the node named it.
    pub height: Option<Height>,
    /// Whether it counts for a decision: its height is believed, and at or above the highest height
    /// known when the request was sent (R9); of an endpoint that was asked beside the one in use, a few
    /// blocks below it at most.
    pub fresh: bool,
    pub endpoint: EndpointId,
}

/// The client. A clone is cheap and shares everything but its time limit.
#[derive(Clone, Debug)]
pub struct Lcd {
    shared: Arc<ClientShared>,
    limit: Duration,
    /// Asks this endpoint, whichever one is in use, without taking it into use.
    only: Option<Aside>,
}

#[derive(Clone, Copy, Debug)]
struct Aside {
    id: EndpointId,
    /// Its requests end at this moment.
    until: Instant,
}

#[derive(Debug)]
struct ClientShared {
    http: Http,
    bases: Vec<Base>,
    state: Mutex<ClientState>,
    counters: Counters,
    alarm: HeightAlarm,
}

#[derive(Debug)]
struct Base {
    url: Url,
    /// Scheme, host and port, for logs.
    name: Arc<str>,
    /// What no text of an answer may show.
    secrets: Secrets,
}

#[derive(Debug)]
struct ClientState {
    belief: Belief,
    wall: WallWatch,
    endpoints: Endpoints,
    lags: Lags,
    chain_id: Option<String>,
    older_route: OlderRoute,
    /// Whether a thread is trying the way back to a better endpoint.
    is_returning: bool,
}

/// The method of a request, with the JSON that a POST carries.
#[derive(Clone, Copy)]
pub(super) enum Method<'a> {
    Get,
    Post(&'a str),
}

impl Lcd {
    /// A client of the endpoints `urls`, the preferred one first. Endpoints of another chain than
    /// `chain_id` are refused; if it is `None`, the first one that answers decides. `seed` varies
    /// the pauses of failing endpoints. The configuration never has an empty list; with one, every
    /// request fails unsent.
    pub fn new(http: Http, urls: &[String], chain_id: Option<String>, seed: u64) -> Lcd {
        let names = http::names(urls.iter().map(String::as_str));
        let bases = urls.iter().zip(names).map(|(url, name)| Base {
            url: Url::unchecked(url),
            name: name.into(),
            secrets: Secrets::of_request(http.headers(), url),
        });
        let bases = bases.collect();
        let state = ClientState {
            belief: Belief::new(urls.len()),
            wall: WallWatch::default(),
            endpoints: Endpoints::new(urls.len(), seed),
            lags: Lags::default(),
            chain_id,
            older_route: OlderRoute::default(),
            is_returning: false,
        };
        let shared = ClientShared {
            http,
            bases,
            state: Mutex::new(state),
            counters: Counters::default(),
            alarm: HeightAlarm::default(),
        };
        Lcd {
            shared: Arc::new(shared),
            limit: http::REQUEST_TIME_MAX,
            only: None,
        }
    }

    /// The same client with another time limit for each request, from
    /// [`REQUEST_TIME_MIN`](http::REQUEST_TIME_MIN) to
    /// [`REQUEST_TIME_MAX`](http::REQUEST_TIME_MAX).
    pub fn within(&self, limit: Duration) -> Lcd {
        Lcd {
            shared: Arc::clone(&self.shared),
            limit: limit.clamp(http::REQUEST_TIME_MIN, http::REQUEST_TIME_MAX),
            only: self.only,
        }
    }

    /// The chain's height and pace, as far as they are known.
    pub fn clock(&self) -> ChainClock {
        self.state().belief.clock()
    }

    /// Sleeps for `time`, until an answer brings this height, or until the stop signal.
    pub fn sleep(&self, time: Duration, height: Height, stop: &Stop) {
        self.shared.alarm.sleep(time, height, stop);
    }

    /// The height that a `timeout_height` is counted from, which is not above
    /// [`clock`](Self::clock)'s.
    pub fn sure_height(&self) -> Option<Height> {
        self.state().belief.sure_height(Instant::now())
    }

    /// The chain's id, once an endpoint has named it.
    pub fn chain_id(&self) -> Option<String> {
        self.state().chain_id.clone()
    }

    /// The endpoint in use. A sender with transactions in flight compares it with the one that took
    /// them, before and after a request (R11).
    pub fn current_endpoint(&self) -> EndpointId {
        self.state().endpoints.current()
    }

    /// The endpoint that the next request is meant for.
    fn asked_endpoint(&self) -> EndpointId {
        let current = || self.current_endpoint();
        self.only.map_or_else(current, |aside| aside.id)
    }

    /// How many endpoints are configured.
    pub fn endpoint_count(&self) -> usize {
        self.shared.bases.len()
    }

    /// An endpoint's scheme, host and port, for logs.
    pub fn endpoint_name(&self, id: EndpointId) -> &str {
        let base = self.shared.bases.get(id.0);
        base.map_or("no endpoint", |base| &base.name)
    }

    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// An endpoint claims what cannot be: it is left for a long time, and what it said counts as no
    /// answer.
    pub fn disbelieve(&self, id: EndpointId, route: Route, claim: String) -> LcdError {
        self.distrust(id, Instant::now());
        let error = LcdError {
            route,
            endpoint: self.endpoint_name(id).into(),
            endpoint_id: Some(id),
            sent: true,
            kind: ErrorKind::Unbelievable(claim),
        };
        log::warn!("{}", error.line());
        error
    }

    /// What an endpoint says excludes itself, or is of no use: another one is used, if there is one,
    /// with each relapse for longer. Its word alone raises no height.
    pub fn use_another(&self, id: EndpointId, why: &str) {
        self.leave(id, why, Endpoints::is_useless);
        self.lower(id);
    }

    /// An endpoint names heights or windows that may be wrong: another one is used, for as long each
    /// time, and its word alone raises no height.
    pub fn set_aside_with_height(&self, id: EndpointId, why: &str) {
        self.set_aside(id, why);
        self.lower(id);
    }

    /// An endpoint may be of no use for now: another one is used for a moment, if there is one.
    pub fn pause(&self, id: EndpointId, now: Instant) {
        if self.endpoint_count() > 1 {
            self.state().endpoints.failed(id, now, None);
        }
    }

    /// What an endpoint says of the account does not follow from its answers before: the chain behind
    /// the address may be a new one, as after the reset of a test network. Returns whether its chain id
    /// is asked next.
    pub fn doubt_account(&self, id: EndpointId) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        state.endpoints.doubt_chain(id, ChainDoubt::Account, now)
    }

    /// What an endpoint says may have an innocent cause: another one is used, for as long each time.
    pub fn set_aside(&self, id: EndpointId, why: &str) {
        self.leave(id, why, Endpoints::set_aside);
    }

    fn leave(
        &self,
        id: EndpointId,
        why: &str,
        note: impl FnOnce(&mut Endpoints, EndpointId, Instant),
    ) {
        if self.endpoint_count() > 1 {
            note(&mut self.state().endpoints, id, Instant::now());
            let name = self.endpoint_name(id);
            log::warn!("{name} {why}; another endpoint is used for a while");
        }
    }

    /// The word of an endpoint that was left raises no height alone.
    fn lower(&self, id: EndpointId) {
        if self.endpoint_count() > 1 {
            let mut state = self.state();
            state.belief.left(id, Instant::now());
            self.set_alarm(&state);
        }
    }

    fn distrust(&self, id: EndpointId, now: Instant) {
        let mut state = self.state();
        state.belief.distrust(id);
        if self.endpoint_count() > 1 {
            state.endpoints.distrust(id, now);
        }
        self.set_alarm(&state);
    }

    /// Tells those that wait for a height the highest one, whenever it may have risen or fallen. A
    /// height that is known no more would let them look again and again.
    fn set_alarm(&self, state: &ClientState) {
        let highest = state.belief.clock().highest().unwrap_or_default();
        // why: under the state's lock, so that no older height replaces a newer one
        self.shared.alarm.is_at(highest);
    }

    fn state(&self) -> MutexGuard<'_, ClientState> {
        lock(&self.shared.state)
    }

    /// Sends a request to the endpoint whose turn it is; to the next one as well if this one's answer
    /// makes another one be used.
    pub(super) fn request<T>(
        &self,
        route: Route,
        path: &str,
        method: Method<'_>,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> LcdResult<T> {
        if let Some(Aside { id, .. }) = self.only {
            if self.state().endpoints.is_unidentified(id, Instant::now()) {
                let checked = self.check_identity(id);
                checked.map_err(|kind| {
                    self.state()
                        .endpoints
                        .heard_aside(id, false, Instant::now());
                    self.error(Some(id), Route::NodeInfo, false, kind)
                })?;
            }
            return self.ask(id, route, path, method, &decode);
        }
        let (mut failed, mut late) = (None, None);
        for _ in 0..CHOICES_MAX {
            let now = Instant::now();
            let error = match self.choose(now) {
                Choice::Use(id) => {
                    let answer = self.ask(id, route, path, method, &decode);
                    if late.is_some() || !self.is_left_for_lag(id, route, &answer) {
                        return answer;
                    }
                    late = Some(answer);
                    continue;
                }
                Choice::Wait(until) => {
                    let wait = until.saturating_duration_since(now);
                    self.error(None, route, false, ErrorKind::Wait { wait })
                }
                Choice::Identify(id) => match self.identify(id) {
                    Ok(()) => continue,
                    Err(kind) => self.error(Some(id), Route::NodeInfo, false, kind),
                },
            };
            let is_last = self.is_next(error.endpoint_id);
            failed = Some(error);
            if is_last {
                break;
            }
        }
        let wait = ErrorKind::Wait {
            wait: Duration::ZERO,
        };
        let unasked = || self.error(None, route, false, wait);
        late.unwrap_or_else(|| Err(failed.unwrap_or_else(unasked)))
    }

    /// Notes the height of an answer. Whether the endpoint is set aside because its answers on this
    /// route are older than its other ones.
    fn is_left_for_lag<T>(&self, id: EndpointId, route: Route, answer: &LcdResult<T>) -> bool {
        let (height, fresh) = match answer {
            Ok(answer) => (answer.height, answer.fresh),
            Err(LcdError {
                kind: ErrorKind::Chain(error),
                ..
            }) => (error.height, error.fresh),
            Err(_) => return false,
        };
        let mut state = self.state();
        let highest = state.belief.clock().highest().unwrap_or_default();
        // why: the answer to a broadcast names no height
        let lags = route != Route::Broadcast
            && state.lags.heard(id, route, height, fresh, highest)
            && !state.endpoints.is_avoided(id, Instant::now());
        drop(state);
        if lags {
            let why = format!("answers {route} from earlier blocks than other requests");
            self.leave(id, &why, Endpoints::lags);
        }
        lags && self.endpoint_count() > 1
    }

    /// Chooses an endpoint. If a better one is due to be tried, this begins beside the request, which
    /// may be a broadcast; of several, one after the other.
    fn choose(&self, now: Instant) -> Choice {
        let mut state = self.state();
        let choice = state.endpoints.choose(now);
        let tried = match choice {
            Choice::Identify(id) => Some(id),
            Choice::Use(_) if !state.is_returning => state.endpoints.way_back(now),
            Choice::Use(_) => None,
            Choice::Wait(_) => None,
        };
        if let Some(id) = tried {
            state.endpoints.trying(id, now);
        }
        if let (Choice::Use(_), Some(id)) = (choice, tried) {
            let client = self.clone();
            let body = move || {
                // A failure is noted.
                let _ = client.identify(id);
                client.state().is_returning = false;
            };
            // Without a thread, the next attempt is due later.
            state.is_returning = threads::spawn("way-back", body).is_ok();
        }
        choice
    }

    /// Whether no other endpoint would be asked next than this one, which has just failed.
    fn is_next(&self, failed: Option<EndpointId>) -> bool {
        match self.state().endpoints.choose(Instant::now()) {
            Choice::Identify(next) => failed == Some(next),
            Choice::Wait(_) => true,
            Choice::Use(_) => false,
        }
    }

    fn error(&self, id: Option<EndpointId>, route: Route, sent: bool, kind: ErrorKind) -> LcdError {
        let base = id.and_then(|id| self.shared.bases.get(id.0));
        LcdError {
            route,
            endpoint: base.map_or_else(|| "any endpoint".into(), |base| Arc::clone(&base.name)),
            endpoint_id: id,
            sent,
            kind,
        }
    }

    /// The time limit of a request that begins now.
    fn time_limit(&self, now: Instant) -> Duration {
        let left = |aside: Aside| aside.until.saturating_duration_since(now);
        let left = self.only.map_or(self.limit, left);
        left.clamp(ASIDE_TIME_MIN, self.limit)
    }

    /// Checks that an endpoint serves the same chain as the others, and has caught up with it, and
    /// lets it be used.
    fn identify(&self, id: EndpointId) -> Result<(), ErrorKind> {
        let mut client = self.clone();
        if id < self.current_endpoint() {
            // Another endpoint is in use, and may answer sooner.
            client.limit = http::REQUEST_TIME_MIN;
        }
        let height = client.check_identity(id)?;
        self.admit(id, height, Instant::now())
    }

    /// Asks an endpoint for its chain, which must be the expected one, and whether it is syncing: a
    /// node that is syncing answers from the past, and nothing sent to it reaches the chain. Returns
    /// its height.
    fn check_identity(&self, id: EndpointId) -> Result<Option<Height>, ErrorKind> {
        let node_info = Route::NodeInfo.path(&[]);
        let (height, info) = self.exchange(
            id,
            Route::NodeInfo,
            &node_info,
            Method::Get,
            answers::node_info,
        );
        let result = info.and_then(|info| {
            let (route, path) = (Route::Syncing, Route::Syncing.path(&[]));
            let (_, caught_up) = self.exchange(id, route, &path, Method::Get, answers::caught_up);
            caught_up.map(|()| info.chain_id)
        });
        let now = Instant::now();
        match result {
            Ok(chain_id) => self.check_chain(id, chain_id, now).map(|()| height),
            Err(kind) => {
                self.note_failure(id, &kind, now);
                Err(kind)
            }
        }
    }

    fn check_chain(&self, id: EndpointId, got: String, now: Instant) -> Result<(), ErrorKind> {
        let mut state = self.state();
        let expected = state.chain_id.get_or_insert_with(|| got.clone()).clone();
        if expected == got {
            state.endpoints.right_chain(id);
            return Ok(());
        }
        let is_new = state.endpoints.wrong_chain(id, now);
        drop(state);
        let base = self.shared.bases.get(id.0);
        let got = base.map_or(got.clone(), |base| base.secrets.hide(&got));
        let kind = ErrorKind::WrongChain { expected, got };
        if is_new {
            log::warn!("{}: {kind}; it is not used", self.endpoint_name(id));
        }
        Err(kind)
    }

    /// Lets an endpoint be used if its height is believed and not too far behind.
    fn admit(&self, id: EndpointId, height: Option<Height>, now: Instant) -> Result<(), ErrorKind> {
        if let Some(height) = height {
            let judged = self.hear(id, Route::NodeInfo, height);
            let (clock, is_current) = (self.clock(), self.current_endpoint() == id);
            let is_leap = judged == Judgement::Unconfirmed && clock.highest().is_some();
            if judged == Judgement::Refuted || is_leap && !is_current {
                self.state().endpoints.failed(id, now, None);
                return Err(ErrorKind::Unbelievable(height_claim(height)));
            }
            // why: the others may name a few blocks too many, but a node that is late delays every
            // window while it is used
            let floor = clock.floor(now);
            if let Some(floor) = floor.filter(|floor| is_behind(height, *floor)) {
                let mut state = self.state();
                let is_apart = height.plus(APART_BLOCKS) >= floor;
                let has_other =
                    !is_current && state.endpoints.is_healthy(state.endpoints.current(), now);
                // why: the lead of the one in use may be invented, so this one keeps its say beside it
                if !is_apart || !has_other {
                    state.endpoints.failed(id, now, None);
                }
                return Err(ErrorKind::Behind);
            }
        }
        let change = self.state().endpoints.answered(id, now);
        self.log_change(change);
        Ok(())
    }
}

/// What an endpoint claims whose height is not believed.
fn height_claim(height: Height) -> String {
    format!("that the chain is at block {height}")
}

#[cfg(test)]
mod tests;
