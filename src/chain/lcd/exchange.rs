//! One request to one endpoint, and what its result says about the chain's height and pace and the
//! endpoint's health.

use std::time::{Duration, Instant, SystemTime};

use crate::chain::belief::{APART_BLOCKS, Judgement, is_little_ahead};
use crate::chain::decode::readable;
use crate::chain::endpoints::{ChainDoubt, Change, EndpointId, is_behind};
use crate::chain::error::{Class, ErrorKind};
use crate::chain::lcd::{Answer, Lcd, LcdResult, Method};
use crate::chain::route::Route;
use crate::http::header::Secrets;
use crate::http::url::with_route;
use crate::http::{self, Limits, Reply};
use crate::status::beats;
use crate::values::units::Height;

/// The largest body of an answer; a payload's transaction with its events takes a tenth of it.
const BODY_BYTES_MAX: usize = 256 * 1024;

impl Lcd {
    /// Sends a request and takes note of the endpoint's answer or failure.
    pub(super) fn ask<T>(
        &self,
        id: EndpointId,
        route: Route,
        path: &str,
        method: Method<'_>,
        decode: &impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> LcdResult<T> {
        // why: the endpoint in use may name more blocks than there are, and must not silence the others
        let tolerated = self.only.map_or(0, |_| APART_BLOCKS);
        let floor = self.floor(Instant::now());
        let floor = floor.map(|floor| Height(floor.0.saturating_sub(tolerated)));
        let (height, result) = self.exchange(id, route, path, method, decode);
        let is_fault = matches!(&result, Err(kind) if kind.is_fault());
        let judged = height
            .filter(|_| !is_fault)
            .map(|height| self.hear(id, route, height));
        let now = Instant::now();
        let is_believed = judged == Some(Judgement::Believed);
        let fresh = is_believed && floor.is_none_or(|floor| height >= Some(floor));
        let (is_query, both) = (matches!(method, Method::Get), height.zip(floor));
        if self.only.is_some() {
            let is_answer = !is_fault && height.is_some() && height >= floor;
            self.state().endpoints.heard_aside(id, is_answer, now);
        }
        match &result {
            Err(kind) if kind.is_fault() || is_query && kind.is_unknown() => {
                self.note_failure(id, kind, now);
                // why: a node without a transaction index says so in words of its own, and without the
                // count of workers a topic is served all the same
                let is_needed = !matches!(route, Route::Tx | Route::LatestInferences);
                if kind.is_unknown_answer() && is_needed && self.only.is_none() {
                    self.set_aside(id, "gives an answer that is not known");
                }
            }
            Ok(_) if both.is_some_and(|(height, floor)| is_behind(height, floor)) => {
                self.note_failure(id, &ErrorKind::Behind, now);
                if is_far_below(both) {
                    let mut state = self.state();
                    state.endpoints.doubt_chain(id, ChainDoubt::Height, now);
                }
            }
            _ if self.only.is_none() => self.note_answer(id, now),
            _ => {}
        }
        match result {
            Ok(value) => Ok(Answer {
                value,
                height,
                fresh,
                endpoint: id,
            }),
            Err(mut kind) => {
                if let ErrorKind::Chain(error) = &mut kind {
                    error.fresh = fresh;
                }
                Err(self.error(Some(id), route, true, kind))
            }
        }
    }

    /// Asks the endpoint in use what no payload depends on. That it does not answer says nothing about
    /// it: public endpoints often refuse routes that few ask for.
    pub(in crate::chain) fn ask_in_passing<T>(
        &self,
        route: Route,
        path: &str,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> Option<T> {
        let (id, now) = (self.current_endpoint(), Instant::now());
        if self.state().endpoints.is_unidentified(id, now) {
            return None;
        }
        let (_, result) = self.exchange(id, route, path, Method::Get, decode);
        let unanswered = |error: &ErrorKind| log::debug!("{route}: {error}");
        result.inspect_err(unanswered).ok()
    }

    /// Sends a request and decodes the answer, of which it also returns the height. The request is
    /// counted and logged.
    pub(super) fn exchange<T>(
        &self,
        id: EndpointId,
        route: Route,
        path: &str,
        method: Method<'_>,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> (Option<Height>, Result<T, ErrorKind>) {
        let Some(base) = self.shared.bases.get(id.0) else {
            let wait = Duration::ZERO;
            return (None, Err(ErrorKind::Wait { wait }));
        };
        let url = with_route(base.url.as_str(), path);
        let start = Instant::now();
        let limits = Limits {
            time: self.time_limit(start),
            body_bytes_max: BODY_BYTES_MAX,
        };
        beats::asks_within(limits.time);
        let (verb, reply) = match method {
            Method::Get => ("GET", self.shared.http.get(&url, &[], limits)),
            Method::Post(json) => ("POST", self.shared.http.post(&url, json, &[], limits)),
        };
        let took = start.elapsed();
        self.shared.counters.durations.0.observe(took.as_secs_f64());
        let height = reply.as_ref().ok().and_then(|reply| reply.height);
        let outcome = match &reply {
            Ok(reply) => reply.status.to_string(),
            Err(error) => error.to_string(),
        };
        let block = height.map_or_else(String::new, |height| format!(", block {height}"));
        let (name, ms) = (&base.name, took.as_millis());
        log::debug!("{verb} {route} {path} at {name}: {outcome}, {ms} ms{block}");
        let leads_to = |location: String| {
            let to = http::redirect_of(base.url.as_str(), &location)?;
            Some(base.secrets.hide(&to))
        };
        let reply = reply.map(|mut reply| {
            reply.location = reply.location.take().and_then(leads_to);
            reply
        });
        let reply = reply.map_err(ErrorKind::Transport);
        let result = reply.and_then(|reply| decode_hiding(&base.secrets, readable(reply), decode));
        self.shared.counters.count(route, Class::of(&result));
        (height, result)
    }

    /// The height that an answer must reach to count. Notes if the machine was suspended.
    fn floor(&self, now: Instant) -> Option<Height> {
        let mut state = self.state();
        if let Some(time) = state.wall.jump(now, SystemTime::now()) {
            state.belief.slept(time);
            let time_s = time.as_secs();
            log::info!(
                "the machine was suspended or its clock was set ({time_s} s): looking at once"
            );
        }
        state.belief.clock().floor(now)
    }

    fn note_answer(&self, id: EndpointId, now: Instant) {
        let mut state = self.state();
        let change = state.endpoints.answered(id, now);
        drop(state);
        self.log_change(change);
    }

    pub(super) fn note_failure(&self, id: EndpointId, kind: &ErrorKind, now: Instant) {
        let mut state = self.state();
        state.endpoints.failed(id, now, kind.retry_after());
        if matches!(kind, ErrorKind::Shape { .. }) {
            state.endpoints.set_aside(id, now);
        }
    }

    /// Logs that another endpoint is in use.
    pub(super) fn log_change(&self, change: Option<Change>) {
        let Some(Change { from, to }) = change else {
            return;
        };
        let (old, new) = (self.endpoint_name(from), self.endpoint_name(to));
        let is_avoided = self.state().endpoints.is_avoided(from, Instant::now());
        if to < from {
            log::warn!("back to the endpoint {new}, it answers again (from {old})");
        } else if is_avoided {
            log::warn!("the endpoint {old} is not believed for now, using {new}");
        } else {
            log::warn!("the endpoint {old} does not answer, using {new}");
        }
    }
}

/// Decodes an answer without the keys that it may repeat. If one of them is part of what the answer
/// has to contain, such as a chain's name, the answer is decoded as it is.
fn decode_hiding<T>(
    secrets: &Secrets,
    reply: Reply,
    decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
) -> Result<T, ErrorKind> {
    let Some(body) = secrets.hide_in(&reply.body) else {
        return decode(&reply);
    };
    let hidden = Reply {
        body,
        ..reply.clone()
    };
    decode(&hidden).or_else(|error| decode(&reply).map_err(|_| error))
}

/// Whether an answer from `height` is from so far below the highest height that no late node of the
/// same chain gives it.
fn is_far_below(both: Option<(Height, Height)>) -> bool {
    both.is_some_and(|(height, floor)| !is_little_ahead(floor, height))
}
