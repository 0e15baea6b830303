//! Asks another endpoint than the one in use, for what one endpoint alone must not decide. Which
//! endpoint is in use does not change by it.

use std::time::Instant;

use crate::chain::answers;
use crate::chain::endpoints::EndpointId;
use crate::chain::error::ErrorKind;
use crate::chain::lcd::{Answer, Lcd, LcdResult, Method};
use crate::chain::route::Route;
use crate::http::Reply;
use crate::values::units::DENOM;

/// The most other endpoints that are asked until one answers.
const OTHERS_MAX: usize = 3;

impl Lcd {
    /// The gas price according to another endpoint than `not`, so that an endpoint which demands a
    /// fee does not confirm it itself. If no other one answers, according to the endpoint in use.
    pub fn gas_price_elsewhere(&self, not: EndpointId) -> LcdResult<String> {
        let path = Route::GasPrice.path(&[&DENOM]);
        let others = self.state().endpoints.others(not, Instant::now());
        let asked = others.into_iter().take(OTHERS_MAX);
        let mut answers =
            asked.map(|id| self.ask_aside(id, Route::GasPrice, &path, answers::gas_price));
        match answers.find_map(Result::ok) {
            Some(answer) => Ok(answer),
            None => self.gas_price(),
        }
    }

    /// Asks one endpoint, after its chain was checked, without taking it into use.
    fn ask_aside<T>(
        &self,
        id: EndpointId,
        route: Route,
        path: &str,
        decode: impl Fn(&Reply) -> Result<T, ErrorKind>,
    ) -> LcdResult<T> {
        let now = Instant::now();
        let (floor, unidentified) = {
            let state = self.state();
            let unidentified = state.endpoints.is_unidentified(id, now);
            (state.watch.clock().floor(now), unidentified)
        };
        if unidentified {
            let checked = self.check_identity(id);
            checked.map_err(|kind| self.error(Some(id), Route::NodeInfo, false, kind))?;
        }
        let (height, result) = self.exchange(id, route, path, Method::Get, decode);
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
