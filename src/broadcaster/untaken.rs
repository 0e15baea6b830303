//! Notices endpoints that answer, but take no transaction: they refuse each one, or what they said
//! themselves, or something in front of them answers instead. A single such answer has an innocent
//! cause and is followed by another attempt; several in a row have not. Then another endpoint is used,
//! and where none takes a transaction, they are tried ever more rarely.

use std::time::{Duration, Instant};

use super::Broadcaster;
use crate::backoff;
use crate::chain::endpoints::EndpointId;
use crate::chain::error::{ErrorKind, LcdError};
use crate::chain::meaning::{Action, Meaning};
use crate::status::waiting::{Scope, Waiting};
use crate::values::units::Sequence;

/// After this many in a row of one endpoint another one is used for a while.
const IN_A_ROW_MAX: u32 = 3;
/// The same, if the endpoint refuses what it says itself of the account. A single such refusal may
/// come from a node that is a block late.
const CONTRADICTIONS_MAX: u32 = 2;
/// The first and the longest pause before the next attempt while none takes a transaction.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// The same in blocks at most, since windows are measured in blocks.
const PAUSE_BLOCKS_MAX: u32 = 3;

/// What a node was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Broadcast,
    /// Its success says nothing: nothing is taken by it.
    Simulation,
}

/// How often in a row no transaction was taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Untaken {
    in_a_row: u32,
    /// How many of them came last from the same endpoint.
    by: Option<(EndpointId, u32)>,
    /// Nothing is sent before.
    not_before: Option<Instant>,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    /// Another endpoint is used for a while.
    UseAnother,
    /// After a pause, which grows with this number.
    Wait(u32),
    EndWait,
}

impl Untaken {
    /// Takes note of an answer of one of `endpoints`, of which `most` in a row are too many.
    fn hear(
        &mut self,
        is_taken: Option<bool>,
        endpoint: EndpointId,
        most: u32,
        endpoints: usize,
    ) -> Then {
        let waiting_from = if endpoints > 1 { 2 } else { 1 } * IN_A_ROW_MAX;
        match is_taken {
            None => Then::GoOn,
            Some(true) => {
                let was_waiting = std::mem::take(self).in_a_row >= waiting_from;
                if was_waiting {
                    Then::EndWait
                } else {
                    Then::GoOn
                }
            }
            Some(false) => {
                let of_it = self.by.filter(|(by, _)| *by == endpoint);
                let of_it = of_it.map_or(0, |(_, count)| count).saturating_add(1);
                self.by = Some((endpoint, of_it));
                self.in_a_row = self.in_a_row.saturating_add(1);
                match self.in_a_row.checked_sub(waiting_from) {
                    Some(more) => Then::Wait(more.saturating_add(1)),
                    None if of_it == most => Then::UseAnother,
                    None => Then::GoOn,
                }
            }
        }
    }

    /// The end of the pause, if nothing may be sent now.
    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|until| now < *until)
    }

    /// Whether a transaction that is signed anew is nothing new any more.
    pub(super) fn is_repeated(&self) -> bool {
        self.in_a_row >= IN_A_ROW_MAX
    }
}

/// Whether an answer shows that transactions are taken; `None` if it says nothing about that.
fn is_taken(attempt: Attempt, answer: &Result<Meaning, LcdError>) -> Option<bool> {
    let meaning = match answer {
        Ok(meaning) => meaning,
        Err(error) => {
            let is_no_verdict = match error.kind {
                ErrorKind::Chain(_)
                | ErrorKind::RateLimited { .. }
                | ErrorKind::Server { .. }
                | ErrorKind::Redirect { .. }
                | ErrorKind::NotANode { .. }
                | ErrorKind::Shape { .. }
                | ErrorKind::Unbelievable(_) => true,
                // why: without an answer the endpoint is down, which is another state
                ErrorKind::Transport(_)
                | ErrorKind::Wait { .. }
                | ErrorKind::WrongChain { .. }
                | ErrorKind::Behind
                | ErrorKind::Syncing
                | ErrorKind::UndecidedVersion { .. } => false,
            };
            return is_no_verdict.then_some(false);
        }
    };
    if attempt == Attempt::Simulation {
        return matches!(meaning, Meaning::Sequence { .. }).then_some(false);
    }
    match meaning.action() {
        // What the sender signs anew for.
        Action::ReadAccount | Action::MoreGas | Action::NewFee | Action::ReprobeApi => Some(false),
        // A mempool that is full is tried once per block.
        Action::ReadState | Action::ResendSame => None,
        Action::GoOn
        | Action::Served
        | Action::Registered
        | Action::Skip
        | Action::Defect
        | Action::RereadTopic
        | Action::Wait(_)
        | Action::Retry => Some(true),
    }
}

/// How many such answers in a row are too many, if there is another endpoint.
fn patience(answer: &Result<Meaning, LcdError>, contradicts_itself: bool) -> u32 {
    match answer {
        _ if contradicts_itself => CONTRADICTIONS_MAX,
        // why: a proxy that refuses transactions does so until somebody changes it
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::NotANode { .. } | ErrorKind::Redirect { .. }
            ) =>
        {
            1
        }
        _ => IN_A_ROW_MAX,
    }
}

impl Broadcaster {
    /// Takes note of an answer to a transaction with this sequence, or to its simulation.
    pub(super) fn note_untaken(
        &mut self,
        attempt: Attempt,
        answer: &Result<Meaning, LcdError>,
        endpoint: EndpointId,
        sequence: Sequence,
    ) {
        let endpoint = match answer {
            Ok(_) => endpoint,
            Err(error) => error.endpoint_id.unwrap_or(endpoint),
        };
        let contradiction = self.self_contradiction(answer, endpoint, sequence);
        let most = patience(answer, contradiction.is_some());
        let endpoints = self.chain.lcd.endpoint_count();
        let then = self
            .untaken
            .hear(is_taken(attempt, answer), endpoint, most, endpoints);
        let text = || match answer {
            Ok(meaning) => meaning.to_string(),
            Err(error) => error.kind.to_string(),
        };
        match then {
            Then::UseAnother => {
                let why =
                    contradiction.unwrap_or_else(|| format!("takes no transaction: {}", text()));
                self.chain.lcd.use_another(endpoint, &why);
            }
            Then::Wait(times) => {
                let (base, longest) = PAUSE;
                let now = Instant::now();
                let block_time = self.chain.lcd.clock().cautious_block_time(now);
                let longest = (block_time * PAUSE_BLOCKS_MAX).clamp(base, longest);
                let pause = backoff::doubled(times, base, longest);
                let pause = self.jitter.between(pause / 2, pause);
                self.untaken.not_before = Some(now + pause);
                let endpoint = self.chain.lcd.endpoint_name(endpoint).to_owned();
                let waiting = Waiting::NothingTaken {
                    endpoint,
                    text: text(),
                };
                self.chain.waits.begin(Scope::Sending, waiting);
            }
            Then::EndWait => self.chain.waits.end(Scope::Sending),
            Then::GoOn => {}
        }
    }

    /// How an endpoint refuses what it says itself of the account, if it does: nothing else is in
    /// flight that could explain it.
    fn self_contradiction(
        &self,
        answer: &Result<Meaning, LcdError>,
        endpoint: EndpointId,
        sequence: Sequence,
    ) -> Option<String> {
        let is_own = self.account.read_from == Some(endpoint);
        match answer.as_ref().ok().filter(|_| is_own)? {
            Meaning::Sequence { expected, .. } if self.ledger.in_flight() == 0 => Some(format!(
                "names sequence {sequence} and expects {expected} in a transaction"
            )),
            Meaning::Unauthorized => {
                Some("names an account number and refuses a signature for it".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::error::ChainError;
    use crate::chain::route::Route;
    use crate::http::TransportError;

    const FIRST: EndpointId = EndpointId(0);
    const SECOND: EndpointId = EndpointId(1);

    fn error(kind: ErrorKind) -> Result<Meaning, LcdError> {
        Err(LcdError {
            route: Route::Broadcast,
            endpoint: "http://node".into(),
            endpoint_id: Some(FIRST),
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

    fn page() -> Result<Meaning, LcdError> {
        error(ErrorKind::NotANode {
            status: 403,
            text: "<html>".into(),
        })
    }

    fn sequence() -> Result<Meaning, LcdError> {
        Ok(Meaning::Sequence {
            expected: Sequence(9),
            got: Sequence(5),
        })
    }

    #[test]
    fn only_many_in_a_row_are_a_state_and_a_verdict_ends_it() {
        let mut untaken = Untaken::default();
        let mut hear = |taken, by| untaken.hear(Some(taken), by, IN_A_ROW_MAX, 2);
        assert_eq!([(); 2].map(|()| hear(false, FIRST)), [Then::GoOn; 2]);
        assert_eq!(hear(true, FIRST), Then::GoOn);
        let of_first = [(); 3].map(|()| hear(false, FIRST));
        assert_eq!(of_first, [Then::GoOn, Then::GoOn, Then::UseAnother]);
        let of_second = [(); 4].map(|()| hear(false, SECOND));
        assert_eq!(
            of_second,
            [Then::GoOn, Then::GoOn, Then::Wait(1), Then::Wait(2)]
        );
        assert_eq!(hear(true, SECOND), Then::EndWait);
        assert_eq!(hear(false, SECOND), Then::GoOn, "counted anew");
    }

    #[test]
    fn a_single_endpoint_is_waited_for_and_tried_ever_more_rarely() {
        let mut untaken = Untaken::default();
        let mut hear = || untaken.hear(Some(false), FIRST, IN_A_ROW_MAX, 1);
        let answers = [(); 4].map(|()| hear());
        assert_eq!(
            answers,
            [Then::GoOn, Then::GoOn, Then::Wait(1), Then::Wait(2)]
        );
    }

    #[test]
    fn a_contradiction_takes_two_and_a_front_that_refuses_takes_one() {
        assert_eq!(patience(&sequence(), true), 2);
        assert_eq!(patience(&sequence(), false), 3);
        assert_eq!(
            (patience(&page(), false), patience(&no_verdict(), false)),
            (1, 3)
        );
        let mut untaken = Untaken::default();
        assert_eq!(untaken.hear(Some(false), FIRST, 1, 2), Then::UseAnother);
    }

    #[test]
    fn what_the_sender_signs_anew_for_is_not_taken_and_silence_says_nothing() {
        let fee = Ok(Meaning::FeeTooLow { required: None });
        let silent = error(ErrorKind::Transport(TransportError::Refused));
        let out_of_gas = Ok(Meaning::OutOfGas {
            wanted: None,
            used: None,
        });
        let (full, block_full) = (Ok(Meaning::MempoolFull), Ok(Meaning::BlockFull));
        for (answer, broadcast, simulated) in [
            (no_verdict(), Some(false), Some(false)),
            (page(), Some(false), Some(false)),
            (sequence(), Some(false), Some(false)),
            (fee, Some(false), None),
            (out_of_gas, Some(false), None),
            (Ok(Meaning::Success), Some(true), None),
            (block_full, Some(true), None),
            (full, None, None),
            (silent, None, None),
        ] {
            let taken = [Attempt::Broadcast, Attempt::Simulation].map(|of| is_taken(of, &answer));
            assert_eq!(taken, [broadcast, simulated], "{answer:?}");
        }
    }
}
