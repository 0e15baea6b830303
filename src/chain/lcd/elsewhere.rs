//! Asks another endpoint than the one in use, for what one endpoint alone must not decide. Which
//! endpoint is in use does not change by it.

use std::time::Instant;

use crate::chain::answers;
use crate::chain::belief::Judgement;
use crate::chain::endpoints::EndpointId;
use crate::chain::error::ErrorKind;
use crate::chain::lcd::{Answer, Lcd, LcdResult, Method, height_claim};
use crate::chain::route::Route;
use crate::http::{REQUEST_TIME_MIN, Reply};
use crate::values::units::{DENOM, Height};

/// The most other endpoints that are asked until one answers.
const OTHERS_MAX: usize = 3;

impl Lcd {
    /// The gas price according to another endpoint than `not`, so that an endpoint which demands a
    /// fee does not confirm it itself. If no other one answers, according to the endpoint in use.
    pub fn gas_price_elsewhere(&self, not: EndpointId) -> LcdResult<String> {
        let path = Route::GasPrice.path(&[&DENOM]);
        let others = self.state().endpoints.others(not, Instant::now());
        let asked = others.into_iter().take(OTHERS_MAX);
        let mut answers = asked
            .map(|id| self.ask_aside(id, Route::GasPrice, &path, Method::Get, answers::gas_price));
        match answers.find_map(Result::ok) {
            Some(answer) => Ok(answer),
            None => self.gas_price(),
        }
    }

    /// Whether a healthy endpoint says "yes" with a fresh answer where `said` says "no", which would
    /// make the worker wait or lose a nonce. If so, `said` is not used for a while, and the caller
    /// asks again as usual.
    pub fn contradicted<T>(
        &self,
        said: EndpointId,
        no: &str,
        ask: impl Fn(&Lcd) -> LcdResult<T>,
        is_yes: impl Fn(&T) -> bool,
    ) -> bool {
        let others = self.state().endpoints.healthy_others(said, Instant::now());
        let says_yes = |other: &EndpointId| {
            let mut lcd = self.within(REQUEST_TIME_MIN);
            lcd.only = Some(*other);
            ask(&lcd).is_ok_and(|answer| answer.fresh && is_yes(&answer.value))
        };
        let Some(other) = others.into_iter().take(OTHERS_MAX).find(says_yes) else {
            return false;
        };
        self.state().endpoints.set_aside(said, Instant::now());
        let (said, other) = (self.endpoint_name(said), self.endpoint_name(other));
        log::warn!("{said} says: {no}; {other} says otherwise and is used for a while");
        true
    }

    /// Judges the height of an answer. If heights are in doubt, the other endpoints are asked for
    /// theirs first. An endpoint whose height is refuted is left.
    pub(super) fn hear(&self, id: EndpointId, route: Route, height: Height) -> Judgement {
        let now = Instant::now();
        let (mut judged, asks_others) = {
            let mut state = self.state();
            let judged = state.belief.hear(id, height, now);
            (judged, state.belief.asks_others(now))
        };
        if asks_others {
            let any = self.hear_others(id);
            let (mut state, now) = (self.state(), Instant::now());
            if !any {
                state.belief.hear_alone(height, now);
            }
            judged = state.belief.hear(id, height, now);
        }
        if judged == Judgement::Refuted {
            self.disbelieve(id, route, height_claim(height));
        }
        judged
    }

    /// Takes the heights of the other endpoints; whether any has named one.
    fn hear_others(&self, id: EndpointId) -> bool {
        let now = Instant::now();
        let others = {
            let state = self.state();
            let mut others = state.endpoints.others(id, now);
            others.retain(|other| !state.endpoints.is_distrusted(*other, now));
            others
        };
        let (brief, route) = (self.within(REQUEST_TIME_MIN), Route::Syncing);
        let ask = |other| {
            brief.ask_aside(
                other,
                route,
                &route.path(&[]),
                Method::Get,
                answers::syncing,
            )
        };
        let answers = others
            .into_iter()
            .take(OTHERS_MAX)
            .filter_map(|other| ask(other).ok());
        let heights: Vec<_> = answers
            .filter(|answer| !answer.value)
            .filter_map(|answer| Some((answer.endpoint, answer.height?)))
            .collect();
        for (other, height) in &heights {
            let judged = self.state().belief.hear(*other, *height, Instant::now());
            if judged == Judgement::Refuted {
                self.disbelieve(*other, route, height_claim(*height));
            }
        }
        !heights.is_empty()
    }

    /// Asks one endpoint, after its chain was checked, without taking it into use.
    pub(super) fn ask_aside<T>(
        &self,
        id: EndpointId,
        route: Route,
        path: &str,
        method: Method<'_>,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> LcdResult<T> {
        let now = Instant::now();
        let (floor, unidentified) = {
            let state = self.state();
            let unidentified = state.endpoints.is_unidentified(id, now);
            (state.belief.clock().floor(now), unidentified)
        };
        if unidentified {
            let checked = self.check_identity(id);
            checked.map_err(|kind| self.error(Some(id), Route::NodeInfo, false, kind))?;
        }
        let (height, result) = self.exchange(id, route, path, method, decode);
        match result {
            Ok(value) => Ok(Answer {
                value,
                height,
                fresh: height.is_some_and(|height| floor.is_none_or(|floor| height >= floor)),
                endpoint: id,
            }),
            Err(kind) => {
                if kind.is_fault() {
                    self.note_failure(id, &kind, Instant::now());
                }
                Err(self.error(Some(id), route, true, kind))
            }
        }
    }
}
