//! Finds an endpoint whose answers on one route are older than its other answers: the nonce's score
//! from a block earlier each time, for example. No such answer counts (R9), and none is a failure, so
//! that what depends on the route would be waited for until the window is over. Pure.

use crate::chain::endpoints::EndpointId;
use crate::chain::route::Route;
use crate::values::units::Height;

/// After answers on one route that are older than others of the same endpoint at this many heights in
/// a row, another endpoint is used. Nodes behind one address are a block apart for a moment, in which
/// many answers can be late.
const LAGS_MAX: u32 = 3;

/// What is known of all endpoints and routes.
#[derive(Clone, Debug, Default)]
pub(super) struct Lags {
    list: Vec<Answers>,
}

/// The answers of one endpoint on one route.
#[derive(Clone, Copy, Debug)]
struct Answers {
    endpoint: EndpointId,
    route: Route,
    /// The height of the last one that counted.
    counted: Option<Height>,
    /// At how many heights since an answer was older than another answer of this endpoint that
    /// counted, or named no height.
    lags: u32,
    /// The highest of these heights.
    lagged_at: Option<Height>,
}

impl Lags {
    /// Notes the height of an answer, and whether it counts, while `highest` is the highest height.
    /// Gives whether its route lags: at [`LAGS_MAX`] heights in a row.
    pub(super) fn heard(
        &mut self,
        endpoint: EndpointId,
        route: Route,
        height: Option<Height>,
        counts: bool,
        highest: Height,
    ) -> bool {
        let others = self.list.iter().filter(|of| of.endpoint == endpoint);
        let mut others = others.filter(|of| of.route != route);
        let is_older = others.any(|of| of.counted.is_some() && height < of.counted);
        let is_it = |of: &Answers| of.endpoint == endpoint && of.route == route;
        let place = self.list.iter().position(is_it).unwrap_or_else(|| {
            self.list.push(Answers {
                endpoint,
                route,
                counted: None,
                lags: 0,
                lagged_at: None,
            });
            self.list.len() - 1
        });
        let of = &mut self.list[place];
        if counts {
            (of.counted, of.lags) = (height, 0);
        } else if is_older && of.lagged_at != Some(highest) {
            of.lags += 1;
            of.lagged_at = Some(highest);
        }
        let lags = of.lags >= LAGS_MAX;
        if lags {
            of.lags = 0;
        }
        lags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: EndpointId = EndpointId(0);

    /// Whether the route lags after answers on two routes from these heights, of which those on the
    /// first one count.
    fn lags(answers: &[(u64, Option<u64>)]) -> bool {
        let mut lags = Lags::default();
        answers.iter().any(|(status, score)| {
            let status = Height(*status);
            assert!(!lags.heard(ID, Route::WindowStatus, Some(status), true, status));
            let counts = *score >= Some(100);
            let score = score.map(Height);
            lags.heard(ID, Route::InfererScoreEma, score, counts, status)
        })
    }

    #[test]
    fn a_route_lags_if_its_answers_are_older_than_others_at_three_heights_in_a_row() {
        assert!(lags(&[(90, Some(89)), (91, Some(90)), (92, Some(91))]));
        let unnamed = [(90, None), (91, None), (92, None)];
        assert!(lags(&unnamed), "it names no height");
        assert!(!lags(&[(90, Some(89)), (91, Some(90))]));
        let once_counted = [(98, Some(97)), (99, Some(98)), (100, Some(100))];
        let again = [(101, Some(99)), (102, Some(99))];
        assert!(!lags(&[once_counted.as_slice(), &again].concat()));
    }

    #[test]
    fn late_answers_of_one_moment_count_once() {
        assert!(!lags(&[(90, Some(89)); 20]));
        assert!(!lags(
            &[[(90, Some(89)); 20], [(91, Some(90)); 20]].concat()
        ));
    }

    #[test]
    fn an_endpoint_that_is_late_as_a_whole_does_not_lag_on_one_route() {
        let mut lags = Lags::default();
        for height in 80..90 {
            let highest = Height(height + 10);
            for route in [Route::WindowStatus, Route::Account] {
                assert!(!lags.heard(ID, route, Some(Height(height)), false, highest));
                assert!(!lags.heard(EndpointId(1), route, Some(highest), true, highest));
            }
        }
    }
}
