//! Asks another endpoint than the one in use, for what one endpoint alone must not decide. Which
//! endpoint is in use does not change by it.

use std::thread;
use std::time::{Duration, Instant};

use crate::chain::belief::{Judgement, is_little_ahead};
use crate::chain::endpoints::{ChainDoubt, EndpointId};
use crate::chain::lcd::{Answer, Aside, Lcd, LcdResult, height_claim};
use crate::chain::route::Route;
use crate::http::REQUEST_TIME_MIN;
use crate::values::units::Height;

/// The pause after an endpoint is contradicted again at once.
const AGAIN_PAUSE: Duration = Duration::from_millis(100);
/// The most other endpoints that are asked until one answers.
const OTHERS_MAX: usize = 3;
/// The most time that one of them gets, its chain id included.
const ASIDE_TIME_MAX: Duration = REQUEST_TIME_MIN;

impl Lcd {
    /// The client that asks this endpoint, without taking it into use. All its requests together
    /// take at most `ASIDE_TIME_MAX`, because those to the endpoint in use wait for them.
    pub fn asking(&self, id: EndpointId) -> Lcd {
        self.asking_within(id, ASIDE_TIME_MAX)
    }

    /// The same with less time, if `time` is less.
    pub fn asking_within(&self, id: EndpointId, time: Duration) -> Lcd {
        Lcd {
            only: Some(Aside {
                id,
                until: Instant::now() + time.min(ASIDE_TIME_MAX),
            }),
            ..self.clone()
        }
    }

    /// The other endpoints whose word counts beside that of `said`, up to `OTHERS_MAX`.
    pub fn witnesses(&self, said: EndpointId) -> Vec<EndpointId> {
        // why: one that is only set aside is heard, or it would be enough to be set aside first
        let mut others = self.state().endpoints.witnesses(said, Instant::now());
        others.truncate(OTHERS_MAX);
        others
    }

    /// Those of them that answer, to compare with what `said` says.
    pub fn comparable(&self, said: EndpointId) -> Vec<EndpointId> {
        let mut others = self.state().endpoints.comparable(said, Instant::now());
        others.truncate(OTHERS_MAX);
        others
    }

    /// The gas price according to another endpoint than `not`, so that an endpoint which demands a
    /// fee does not confirm it itself. If no other one answers, according to the endpoint in use.
    pub fn gas_price_elsewhere(&self, not: EndpointId) -> LcdResult<String> {
        let others = self.state().endpoints.others(not, Instant::now());
        let asked = others.into_iter().take(OTHERS_MAX);
        let mut answers = asked.map(|id| self.asking(id).gas_price());
        match answers.find_map(Result::ok) {
            Some(answer) => Ok(answer),
            None => self.gas_price(),
        }
    }

    /// Whether another endpoint says "yes" with a fresh answer where `said` says "no", which would
    /// make the worker wait or lose a nonce. If so, `said` is not used for a while, and the caller
    /// asks again as usual.
    pub fn contradicted<T>(
        &self,
        said: EndpointId,
        no: &str,
        ask: impl Fn(&Lcd) -> LcdResult<T>,
        is_yes: impl Fn(&Answer<T>) -> bool,
    ) -> bool {
        let others = self.witnesses(said);
        let says_yes = |other: &EndpointId| {
            ask(&self.asking(*other)).is_ok_and(|answer| answer.fresh && is_yes(&answer))
        };
        let Some(other) = others.into_iter().find(says_yes) else {
            return false;
        };
        let now = Instant::now();
        let mut state = self.state();
        let is_again = state.endpoints.is_just_set_aside(said, now);
        state.endpoints.set_aside(said, now);
        drop(state);
        self.lower(said);
        let (said, other) = (self.endpoint_name(said), self.endpoint_name(other));
        log::warn!("{said} says: {no}; {other} says otherwise and is used for a while");
        if is_again {
            // why: where the other one is left for another reason, this one is back at once, and so on
            // without end until a block or a refuted height decides
            thread::sleep(AGAIN_PAUSE);
        }
        true
    }

    /// Judges the height of an answer. If heights are in doubt, the other endpoints are asked for
    /// theirs first; not for an answer that is itself asked aside. An endpoint whose height is
    /// refuted is left.
    pub(super) fn hear(&self, id: EndpointId, route: Route, height: Height) -> Judgement {
        let now = Instant::now();
        let (highest_before, mut judged, asks_others) = {
            let mut state = self.state();
            let highest = state.belief.clock().highest();
            let judged = if self.only.is_none() {
                state.belief.hear(id, height, now)
            } else {
                state.belief.hear_beside(id, height, now)
            };
            if judged != Judgement::Believed && highest.is_some() {
                state.endpoints.doubt_chain(id, ChainDoubt::Height, now);
            }
            let asks_others = self.only.is_none() && state.belief.asks_others(now);
            (highest, judged, asks_others)
        };
        if asks_others {
            let any = self.hear_others(id);
            let mut state = self.state();
            if !any {
                // why: it was named before the others were asked, and the chain has gone on
                state.belief.hear_alone(height, now);
            }
            let now = Instant::now();
            judged = state.belief.hear(id, height, now);
        }
        if judged == Judgement::Refuted {
            let highest = self.clock().highest().unwrap_or_default();
            if is_little_ahead(height, highest) {
                self.state().belief.distrust(id);
                let why = format!("names block {height}, which another endpoint contradicts");
                self.set_aside_with_height(id, &why);
            } else {
                self.disbelieve(id, route, height_claim(height));
            }
        }
        let state = self.state();
        let highest = state.belief.clock().highest().unwrap_or_default();
        self.set_alarm(&state);
        drop(state);
        if let Some(before) =
            highest_before.filter(|before| Height(0) < highest && highest < *before)
        {
            log::warn!(
                "the height fell from {before} to {highest}: the chain was reset, or the higher one was \
                 wrong"
            );
        }
        judged
    }

    /// Takes the height of another endpoint, if none was heard for a while.
    pub fn compare_heights(&self) {
        let (id, now) = (self.current_endpoint(), Instant::now());
        let wanted = self.state().belief.wants_comparison(id, now);
        let others = if wanted {
            self.comparable(id)
        } else {
            Vec::new()
        };
        if let Some(other) = others.first().copied() {
            // why: the answer's height is what is asked for
            let _ = self.asking(other).caught_up();
        }
    }

    /// Takes the heights of the other endpoints; whether any has named one. Those that failed last
    /// are asked only if no other one has named a height.
    fn hear_others(&self, id: EndpointId) -> bool {
        let mut any = false;
        for other in self.witnesses(id) {
            let is_healthy = self.state().endpoints.is_healthy(other, Instant::now());
            if is_healthy || !any {
                let answer = self.asking(other).caught_up();
                any |= answer.is_ok_and(|answer| answer.height.is_some());
            }
        }
        any
    }
}
