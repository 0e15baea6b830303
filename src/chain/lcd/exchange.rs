//! One request to one endpoint, and everything that is learnt from how it went: the height and
//! pace of the chain, the health of the endpoint, the counts, the line in the debug log.

use std::time::{Duration, Instant};

use crate::chain::endpoints::{self, Change, EndpointId};
use crate::chain::lcd::{Answer, Class, ErrorKind, Lcd, LcdError, Request, Route};
use crate::http::{Limits, Reply};
use crate::status::beats;
use crate::values::units::Height;

/// Bytes of an answer's body; a simulated or included payload with its events takes a tenth.
const BODY_BYTES_MAX: usize = 256 * 1024;

impl Lcd {
    /// One request to one endpoint, with everything that is learnt from it.
    pub(super) fn ask<T>(
        &self,
        id: EndpointId,
        route: Route,
        path: &str,
        request: Request<'_>,
        decode: &impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> Result<Answer<T>, LcdError> {
        let floor = self.state().watch.clock().floor(Instant::now());
        let sent = self.exchange(id, route, path, request);
        let now = Instant::now();
        let height = sent.as_ref().ok().and_then(|reply| reply.height);
        let fresh = height.is_some_and(|height| floor.is_none_or(|floor| height >= floor));
        let result = sent.and_then(|reply| decode(&reply));
        self.count(route, &result);
        match result {
            Ok(value) => {
                if height.is_some_and(|height| crate::chain::lcd::is_behind(height, floor)) {
                    self.note_failure(id, &ErrorKind::Behind, false, now);
                } else {
                    self.note_answer(id, height, now);
                }
                Ok(Answer {
                    value,
                    height,
                    fresh,
                    endpoint: id,
                })
            }
            Err(kind) if kind.is_fault() => {
                self.note_failure(id, &kind, false, now);
                Err(self.error(id, route, kind))
            }
            Err(mut kind) => {
                if let ErrorKind::Chain(error) = &mut kind {
                    error.fresh = fresh;
                }
                self.note_answer(id, height, now);
                Err(self.error(id, route, kind))
            }
        }
    }

    fn error(&self, id: EndpointId, route: Route, kind: ErrorKind) -> LcdError {
        let endpoint = self.endpoint_name(id).into();
        LcdError {
            route,
            endpoint,
            endpoint_id: Some(id),
            sent: true,
            kind,
        }
    }

    /// The bare exchange, with its line in the debug log.
    pub(super) fn exchange(
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
        beats::asks_within(self.limit);
        let start = Instant::now();
        let (method, result) = match request {
            Request::Get => ("GET", self.shared.http.get(&url, limits)),
            Request::Post(json) => ("POST", self.shared.http.post(&url, json, limits)),
        };
        let took = start.elapsed();
        self.shared.counters.durations.observe(took.as_secs_f64());
        let ms = took.as_millis();
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

    pub(super) fn count<T>(&self, route: Route, result: &Result<T, ErrorKind>) {
        self.shared
            .counters
            .count(route, Class::of(result.as_ref().map(|_| ())));
    }

    pub(super) fn note_answer(&self, id: EndpointId, height: Option<Height>, now: Instant) {
        let mut state = self.state();
        if let Some(height) = height {
            state.watch.observe(height, now);
        }
        let change = state.endpoints.answered(id, now);
        drop(state);
        self.tell(change);
    }

    /// An endpoint whose chain id could not be learnt counts as failed whatever the reason is.
    pub(super) fn note_failure(
        &self,
        id: EndpointId,
        kind: &ErrorKind,
        identifying: bool,
        now: Instant,
    ) {
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
    pub(super) fn tell(&self, change: Option<Change>) {
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
