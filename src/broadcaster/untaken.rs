//! Notices nodes that answer, but take no transaction: every one gets an error that is no verdict, or
//! is said to carry the wrong sequence. Each of these answers alone has an innocent cause and is
//! followed by another attempt; many in a row have not.

use super::Broadcaster;
use crate::chain::endpoints::EndpointId;
use crate::chain::error::{ErrorKind, LcdError};
use crate::chain::meaning::Meaning;
use crate::status::waiting::{Scope, Waiting};

/// After this many in a row another endpoint is used for a while.
const IN_A_ROW_MAX: u32 = 3;
/// After this many in a row, of whatever endpoints, it is a waiting state.
const WAITING_FROM: u32 = 2 * IN_A_ROW_MAX;

/// What a node was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Broadcast,
    /// Its success says nothing: nothing is taken by it.
    Simulation,
}

/// How often in a row no transaction was taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Untaken(u32);

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    /// Another endpoint is used for a while.
    UseAnother,
    Wait,
    EndWait,
}

impl Untaken {
    fn hear(&mut self, attempt: Attempt, answer: &Result<Meaning, LcdError>) -> Then {
        let is_untaken = match answer {
            Ok(Meaning::Sequence { .. }) => true,
            Ok(_) if attempt == Attempt::Broadcast => {
                let was_waiting = std::mem::take(&mut self.0) >= WAITING_FROM;
                return if was_waiting {
                    Then::EndWait
                } else {
                    Then::GoOn
                };
            }
            Ok(_) => false,
            // why: without an answer the endpoint is down, which is another state
            Err(error) => matches!(error.kind, ErrorKind::Chain(_)),
        };
        if !is_untaken {
            return Then::GoOn;
        }
        self.0 = self.0.saturating_add(1);
        if self.0 >= WAITING_FROM {
            Then::Wait
        } else if self.0 == IN_A_ROW_MAX {
            Then::UseAnother
        } else {
            Then::GoOn
        }
    }
}

impl Broadcaster {
    /// Takes note of an answer to a transaction, or to its simulation.
    pub(super) fn note_untaken(
        &mut self,
        attempt: Attempt,
        answer: &Result<Meaning, LcdError>,
        endpoint: EndpointId,
    ) {
        let then = self.untaken.hear(attempt, answer);
        let (lcd, waits) = (&self.chain.lcd, &self.chain.waits);
        let said = || match answer {
            Ok(meaning) => (endpoint, meaning.to_string()),
            Err(error) => (
                error.endpoint_id.unwrap_or(endpoint),
                error.kind.to_string(),
            ),
        };
        match then {
            Then::UseAnother => {
                let (endpoint, text) = said();
                lcd.use_another(endpoint, &format!("takes no transaction: {text}"));
            }
            Then::Wait => {
                let (endpoint, text) = said();
                let endpoint = lcd.endpoint_name(endpoint).to_owned();
                let waiting = Waiting::NothingTaken { endpoint, text };
                waits.begin(Scope::Sending, waiting);
            }
            Then::EndWait => waits.end(Scope::Sending),
            Then::GoOn => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::error::ChainError;
    use crate::chain::route::Route;
    use crate::http::TransportError;
    use crate::values::units::Sequence;

    fn error(kind: ErrorKind) -> Result<Meaning, LcdError> {
        Err(LcdError {
            route: Route::Broadcast,
            endpoint: "http://node".into(),
            endpoint_id: Some(EndpointId(0)),
            sent: true,
            kind,
        })
    }

    fn no_verdict() -> Result<Meaning, LcdError> {
        error(ErrorKind::Chain(ChainError {
            status: 400,
            grpc_code: 3,
            registered: None,
            text: "no".into(),
            height: None,
            fresh: false,
        }))
    }

    fn wrong_sequence() -> Result<Meaning, LcdError> {
        Ok(Meaning::Sequence {
            expected: Sequence(9),
            got: Sequence(5),
        })
    }

    #[test]
    fn only_many_in_a_row_are_a_state_and_a_verdict_ends_it() {
        for answer in [no_verdict(), wrong_sequence()] {
            let mut untaken = Untaken::default();
            let mut hear = |answer: &_| untaken.hear(Attempt::Broadcast, answer);
            assert_eq!([hear(&answer), hear(&answer)], [Then::GoOn; 2]);
            assert_eq!(hear(&Ok(Meaning::Success)), Then::GoOn);
            let six = [(); 6].map(|()| hear(&answer));
            let expected = [
                Then::GoOn,
                Then::GoOn,
                Then::UseAnother,
                Then::GoOn,
                Then::GoOn,
                Then::Wait,
            ];
            assert_eq!(six, expected);
            assert_eq!(hear(&answer), Then::Wait);
            assert_eq!(hear(&Ok(Meaning::Success)), Then::EndWait);
            assert_eq!(hear(&answer), Then::GoOn, "counted anew");
        }
    }

    #[test]
    fn an_endpoint_without_an_answer_or_with_a_simulation_changes_nothing() {
        let mut untaken = Untaken::default();
        for _ in 0..WAITING_FROM {
            let silent = error(ErrorKind::Transport(TransportError::Refused));
            assert_eq!(untaken.hear(Attempt::Broadcast, &silent), Then::GoOn);
        }
        for _ in 1..IN_A_ROW_MAX {
            untaken.hear(Attempt::Simulation, &no_verdict());
        }
        let full = Ok(Meaning::BlockFull);
        assert_eq!(untaken.hear(Attempt::Simulation, &full), Then::GoOn);
        let last = untaken.hear(Attempt::Simulation, &no_verdict());
        assert_eq!(last, Then::UseAnother, "in a row all the same");
    }
}
