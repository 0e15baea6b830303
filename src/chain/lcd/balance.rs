//! What an account can spend. Some providers let requests pass to the older route for balances only,
//! which counts locked (vesting) funds too: for such an endpoint, that route is used.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::chain::answers;
use crate::chain::endpoints::EndpointId;
use crate::chain::error::ErrorKind;
use crate::chain::lcd::{Answer, Lcd, LcdResult};
use crate::chain::route::Route;
use crate::http::Reply;
use crate::values::units::{DENOM, Uallo};

/// How long the older route is used before the other one is tried again: a node that is starting
/// serves less than it will.
const OLDER_ROUTE_TIME: Duration = Duration::from_secs(3600);

/// The endpoints that serve only the older route, and until when that is believed.
#[derive(Debug, Default)]
pub(super) struct OlderRoute(Vec<(EndpointId, Instant)>);

impl OlderRoute {
    fn is_used(&self, id: EndpointId, now: Instant) -> bool {
        self.0.iter().any(|(of, until)| *of == id && now < *until)
    }

    /// Notes that the endpoint serves only the older route; whether that is news.
    fn note(&mut self, id: EndpointId, now: Instant) -> bool {
        let until = now + OLDER_ROUTE_TIME;
        if let Some((_, known)) = self.0.iter_mut().find(|(of, _)| *of == id) {
            *known = until;
            return false;
        }
        self.0.push((id, until));
        true
    }
}

impl Lcd {
    /// What the account can spend now; locked (vesting) funds do not count, unless the endpoint
    /// serves only the route that includes them.
    pub fn balance(&self, address: &str) -> LcdResult<Uallo> {
        let asked = self.asked_endpoint();
        if self.state().older_route.is_used(asked, Instant::now()) {
            let whole = self.whole_balance(address);
            // why: if another endpoint has answered, it may serve the other route
            let by = match &whole {
                Ok(answer) => Some(answer.endpoint),
                Err(error) => error.endpoint_id,
            };
            if by.is_none_or(|by| by == asked) {
                return whole;
            }
        }
        let spendable = self.spendable(address)?;
        let id = spendable.endpoint;
        if let Some(value) = spendable.value {
            return Ok(Answer {
                value,
                height: spendable.height,
                fresh: spendable.fresh,
                endpoint: id,
            });
        }
        // why: another endpoint may be in use by now
        let whole = self.asking(id).whole_balance(address)?;
        if self.state().older_route.note(id, Instant::now()) {
            log::warn!(
                "{} serves no spendable_balances: the balance is that of \
                 /cosmos/bank/v1beta1/balances, which includes locked (vesting) funds",
                self.endpoint_name(id)
            );
        }
        Ok(whole)
    }

    /// What the account can spend now, if the endpoint serves the route that knows.
    pub fn spendable(&self, address: &str) -> LcdResult<Option<Uallo>> {
        let parts: &[&dyn Display] = &[&address, &DENOM];
        self.get(Route::Balance, parts, |reply| {
            if is_refused(reply) {
                return Ok(None);
            }
            answers::balance(reply).map(Some)
        })
    }

    fn whole_balance(&self, address: &str) -> LcdResult<Uallo> {
        let parts: &[&dyn Display] = &[&address, &DENOM];
        self.get(Route::WholeBalance, parts, |reply| {
            if is_refused(reply) {
                let status = reply.status;
                return Err(ErrorKind::NoBalance { status });
            }
            answers::balance(reply)
        })
    }
}

/// Whether the node, or what stands before it, does not serve the route. No account and no height
/// makes a node answer so: for an account that it does not know, it names a balance of 0.
fn is_refused(reply: &Reply) -> bool {
    matches!(reply.status, 403..=405 | 501)
}
