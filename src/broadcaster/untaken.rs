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

/// What an answer shows about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Nothing,
    Untaken,
    /// The chain's verdict about this transaction, as far as the endpoint tells it.
    Refused,
    Taken,
}

/// How often in a row no transaction was taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Untaken {
    in_a_row: u32,
    /// How many of them came last from the same endpoint.
    by: Option<(EndpointId, u32)>,
    /// Nothing is sent to this endpoint before.
    not_before: Option<(EndpointId, Instant)>,
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
    fn hear(&mut self, shows: Shows, endpoint: EndpointId, most: u32, endpoints: usize) -> Then {
        let endpoints = u32::try_from(endpoints).unwrap_or(u32::MAX);
        let waiting_from = endpoints.saturating_mul(IN_A_ROW_MAX);
        match shows {
            Shows::Nothing => Then::GoOn,
            Shows::Refused | Shows::Taken => {
                let was_waiting = self.in_a_row >= waiting_from;
                // why: refusals in between do not show that the endpoint takes anything
                let by = self.by.filter(|_| shows == Shows::Refused);
                *self = Untaken {
                    by,
                    ..Untaken::default()
                };
                if was_waiting {
                    Then::EndWait
                } else {
                    Then::GoOn
                }
            }
            Shows::Untaken => {
                let of_it = self.by.filter(|(by, _)| *by == endpoint);
                let of_it = of_it.map_or(0, |(_, count)| count).saturating_add(1);
                self.by = Some((endpoint, of_it));
                self.in_a_row = self.in_a_row.saturating_add(1);
                match self.in_a_row.checked_sub(waiting_from) {
                    Some(more) => Then::Wait(more.saturating_add(1)),
                    None if of_it >= most => Then::UseAnother,
                    None => Then::GoOn,
                }
            }
        }
    }

    /// The end of the pause, if nothing may be sent to this endpoint now.
    pub(super) fn paused_until(&self, endpoint: EndpointId, now: Instant) -> Option<Instant> {
        let (_, until) = self.not_before.filter(|(by, _)| *by == endpoint)?;
        (now < until).then_some(until)
    }

    /// Whether a transaction that is signed anew is nothing new any more.
    pub(super) fn is_repeated(&self) -> bool {
        self.in_a_row >= IN_A_ROW_MAX
    }
}

fn shows(attempt: Attempt, answer: &Result<Meaning, LcdError>) -> Shows {
    let untaken_if = |is_untaken| {
        if is_untaken {
            Shows::Untaken
        } else {
            Shows::Nothing
        }
    };
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
                | ErrorKind::NoBalance { .. }
                | ErrorKind::UndecidedVersion { .. } => false,
            };
            return untaken_if(is_no_verdict);
        }
    };
    if attempt == Attempt::Simulation {
        return untaken_if(matches!(meaning, Meaning::Sequence { .. }));
    }
    match meaning.action() {
        // What the sender signs anew for.
        Action::ReadAccount | Action::MoreGas | Action::NewFee | Action::ReprobeApi => {
            Shows::Untaken
        }
        // A mempool that is full is tried once per block.
        Action::ReadState | Action::ResendSame => Shows::Nothing,
        Action::GoOn => Shows::Taken,
        Action::Served
        | Action::Registered
        | Action::Skip
        | Action::Defect
        | Action::RereadTopic
        | Action::Wait(_)
        | Action::Retry => Shows::Refused,
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
            .hear(shows(attempt, answer), endpoint, most, endpoints);
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
                self.untaken.not_before = Some((endpoint, now + pause));
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
        let mut hear = |taken, by| {
            let shows = if taken { Shows::Taken } else { Shows::Untaken };
            untaken.hear(shows, by, IN_A_ROW_MAX, 2)
        };
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
    fn each_endpoint_of_three_is_tried_before_all_are_waited_for() {
        let mut untaken = Untaken::default();
        let ids = [FIRST, SECOND, EndpointId(2)];
        let answers = ids.map(|id| [(); 3].map(|()| untaken.hear(Shows::Untaken, id, 3, 3)));
        assert_eq!(answers[1][2], Then::UseAnother);
        assert_eq!(answers[2][2], Then::Wait(1));
    }

    #[test]
    fn a_refusal_that_takes_fewer_of_one_kind_counts_the_others_before_it() {
        let mut untaken = Untaken::default();
        let mut hear = |most| untaken.hear(Shows::Untaken, FIRST, most, 2);
        assert_eq!([hear(3), hear(3)], [Then::GoOn, Then::GoOn]);
        assert_eq!(hear(CONTRADICTIONS_MAX), Then::UseAnother);
    }

    #[test]
    fn refusals_in_between_do_not_clear_an_endpoint() {
        let mut untaken = Untaken::default();
        let mut hear = |shows| untaken.hear(shows, FIRST, IN_A_ROW_MAX, 2);
        for _ in 0..2 {
            assert_eq!(hear(Shows::Untaken), Then::GoOn);
            assert_eq!(hear(Shows::Refused), Then::GoOn);
        }
        assert_eq!(hear(Shows::Untaken), Then::UseAnother);
        assert_eq!(hear(Shows::Taken), Then::GoOn);
        assert_eq!(hear(Shows::Untaken), Then::GoOn, "counted anew");
    }

    #[test]
    fn a_pause_of_one_endpoint_does_not_delay_another() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let untaken = Untaken {
            not_before: Some((FIRST, until)),
            ..Untaken::default()
        };
        assert_eq!(untaken.paused_until(FIRST, now), Some(until));
        assert_eq!(untaken.paused_until(FIRST, until), None);
        assert_eq!(untaken.paused_until(SECOND, now), None);
    }

    #[test]
    fn a_single_endpoint_is_waited_for_and_tried_ever_more_rarely() {
        let mut untaken = Untaken::default();
        let mut hear = || untaken.hear(Shows::Untaken, FIRST, IN_A_ROW_MAX, 1);
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
        assert_eq!(untaken.hear(Shows::Untaken, FIRST, 1, 2), Then::UseAnother);
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
            (no_verdict(), Shows::Untaken, Shows::Untaken),
            (page(), Shows::Untaken, Shows::Untaken),
            (sequence(), Shows::Untaken, Shows::Untaken),
            (fee, Shows::Untaken, Shows::Nothing),
            (out_of_gas, Shows::Untaken, Shows::Nothing),
            (Ok(Meaning::Success), Shows::Taken, Shows::Nothing),
            (block_full, Shows::Refused, Shows::Nothing),
            (full, Shows::Nothing, Shows::Nothing),
            (silent, Shows::Nothing, Shows::Nothing),
        ] {
            let shown = [Attempt::Broadcast, Attempt::Simulation].map(|of| shows(of, &answer));
            assert_eq!(shown, [broadcast, simulated], "{answer:?}");
        }
    }
}
