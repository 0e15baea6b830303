//! One nonce, from the moment its window is seen open until its outcome is known. Everything that
//! concerns this nonce alone is one value, which is dropped whole when the nonce ends. Pure.

use std::time::{Duration, Instant};

use crate::broadcaster::order::Offer;
use crate::broadcaster::sequence::Settled;
use crate::chain::meaning::{Action, Stage, WaitReason};
use crate::values::payload::Payload;
use crate::values::standby::Share;
use crate::values::topic::Window;
use crate::values::units::{ApiVersion, Height, Nonce};

/// How many transactions for one nonce may fail in a block, each at the price of its fee: the one
/// that fails, and one more that uses what was learnt from it.
const FAILED_IN_BLOCK_MAX: u32 = 2;

/// How often a nonce is tried again after another transaction used its sequence: two processes with
/// one key must not compete, and a transaction index that lags far behind looks the same.
const TAKEN_MAX: u32 = 3;

/// How often a nonce is asked about, once its blocks are over, that another machine may have served: at
/// most four times a second, so for the time of a few blocks.
const ASKED_MAX: u32 = 80;

/// A payload that is ready to be sent.
#[derive(Clone, Debug)]
struct Ready {
    payload: Payload,
    at: Instant,
    /// When it becomes older than the guard `max_age` allows.
    old_from: Option<Instant>,
}

/// A transaction whose sequence is settled.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) settled: Settled,
    pub(super) offered: Offer,
    /// The last answer to it, if no node accepted it.
    pub(super) refusal: Option<String>,
    /// The emissions version that it was made for, if a node accepted it.
    pub(super) api: Option<ApiVersion>,
}

/// What a topic does after a payload was refused or failed in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// End it as already submitted.
    Served,
    /// End it as refused.
    Refused,
    /// End it as refused, with an error in the log.
    Defect,
    /// Send the inference without its forecast.
    WithoutForecast,
    /// Read the topic's rules for labels and ask the model again.
    RereadRules,
    /// Begin the waiting state, and try again.
    Wait(WaitReason),
    /// Determine the emissions version, and try again.
    ReprobeApi,
    /// Try again.
    Retry,
}

impl Next {
    /// The next step for actions that the sender carries out, and for those that only wait. What
    /// the sender did, if anything, did not help.
    pub(super) fn again(action: Action) -> Next {
        match action {
            Action::Wait(reason) => Next::Wait(reason),
            Action::ReprobeApi => Next::ReprobeApi,
            Action::GoOn
            | Action::Served
            | Action::Registered
            | Action::Skip
            | Action::Defect
            | Action::RereadTopic
            | Action::MoreGas
            | Action::NewFee
            | Action::ReadAccount
            | Action::ReadState
            | Action::ResendSame
            | Action::Retry => Next::Retry,
        }
    }
}

/// A nonce that is being served.
#[derive(Clone, Debug, Default)]
pub struct OpenNonce {
    pub(super) id: Nonce,
    /// When its window was first seen open.
    pub(super) seen_at: Option<Instant>,
    /// The last block that may include a payload for it.
    pub(super) last_block: Height,
    /// "Served?" has to be asked at this height or later before anything is signed.
    pub(super) ask_served_from: Option<Height>,
    /// Beside a primary: only an answer to "served?" from this height or later counts.
    pub(super) proof_from: Option<Height>,
    /// How often "served?" had no answer that counts once its blocks were over.
    pub(super) asked_in_vain: u32,
    /// It was reported that this standby serves it.
    took_over: bool,
    /// Another machine may serve it as well, so "served?" is asked before it ends.
    is_shared: bool,
    /// The last height at which the nonce is known not to be served by an inference.
    not_served_at: Option<Height>,
    /// A transaction whose effect is not known yet: the nonce does not end before it is.
    pub(super) sent: Option<Sent>,
    ready: Option<Ready>,
    /// The model's failures in a row.
    pub(super) model_failures: u32,
    /// Failures of everything else since the window opened.
    failures: u32,
    /// How many of them there were when it was chosen again after it had given way.
    failures_before: u32,
    /// Nothing is tried before this moment.
    pub(super) not_before: Option<Instant>,
    /// The status has to be read again first.
    pub(super) look_again: bool,
    /// The last failure, for the outcome line of a missed nonce.
    pub(super) trouble: Option<String>,
    failed_in_block: u32,
    /// The last transaction failed in a block for lack of funds.
    pub(super) balance_doubtful: bool,
    /// Transactions whose sequence another transaction of the account used.
    taken: u32,
    /// The chain refused the forecast: the inference goes alone.
    forecast_refused: bool,
    /// The forecast's model failed while an inference was ready: the inference goes alone.
    pub(super) forecast_failed: bool,
    /// The topic's rules for labels were read for this nonce.
    pub(super) rules_read: bool,
    /// The chain refused the labels, and the rules were read again for that.
    labels_reread: bool,
}

impl OpenNonce {
    pub(super) fn new(window: Window, share: Share) -> OpenNonce {
        OpenNonce {
            id: window.nonce,
            last_block: share.last_block,
            ask_served_from: share.proof_from.or(Some(window.nonce.height())),
            proof_from: share.proof_from,
            is_shared: share != Share::whole(window),
            ..OpenNonce::default()
        }
    }

    /// Whether a transaction may have served it, so that "served?" is asked before it ends at this
    /// height: one of this process, of an earlier one, or of another machine.
    pub(super) fn may_be_served(&self, height: Height) -> bool {
        let is_later = |from: Height| from > self.id.height();
        let is_known_of = !self.is_shared && self.ask_served_from.is_some_and(is_later);
        self.sent.is_some() || is_known_of || self.is_to_be_asked(height)
    }

    /// Whether its blocks are over at this height, and another machine may have served it, which is
    /// still to be asked: up to `ASKED_MAX` times, since a node may never answer it.
    pub(super) fn is_to_be_asked(&self, height: Height) -> bool {
        let is_over = height >= self.last_block && self.asked_in_vain < ASKED_MAX;
        self.is_shared && self.ask_served_from.is_some() && is_over
    }

    /// Whether the standby has the rest of the window, from this primary's last block on.
    pub(super) fn is_left_to_standby(&self) -> bool {
        self.is_shared && self.proof_from.is_none()
    }

    /// Whether this standby is the one to serve it, which is not served at this height; only once.
    pub(super) fn takes_over(&mut self, height: Height) -> bool {
        let is_to_serve = self.proof_from.is_some() && height < self.last_block;
        is_to_serve && !std::mem::replace(&mut self.took_over, true)
    }

    /// Nobody but this process can have served it since it opened: "served?" is asked only after a
    /// transaction.
    pub(super) fn is_ours(&mut self) {
        let opened_at = Some(self.id.height());
        if self.proof_from.is_none() && self.sent.is_none() && self.ask_served_from == opened_at {
            (self.ask_served_from, self.not_served_at) = (None, opened_at);
        }
    }

    /// Notes that a transaction's sequence is settled. Its effect is known once "served?" is
    /// answered.
    pub(super) fn settled(&mut self, sent: Sent) {
        self.ask_served_from = Some(sent.settled.height);
        self.sent = Some(sent);
    }

    /// Notes the answer to "served?". If the nonce is not served by an inference, `not_served_at`
    /// is the height of the answer. Returns the transaction whose effect is known now.
    pub(super) fn served_is_known(&mut self, not_served_at: Option<Height>) -> Option<Sent> {
        self.ask_served_from = None;
        self.not_served_at = not_served_at.or(self.not_served_at);
        self.sent.take()
    }

    /// The last height at which the nonce is known not to be served; `None` if that has to be
    /// asked, or if anything failed for this nonce.
    pub(super) fn vouched_at(&self) -> Option<Height> {
        let is_sound = self.ask_served_from.is_none() && self.failures == 0;
        self.not_served_at.filter(|_| is_sound)
    }

    /// Something other than the model failed. Gives how often that happened.
    pub(super) fn failed(&mut self, error: String) -> u32 {
        self.trouble = Some(error);
        self.look_again = true;
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Whether something other than the model failed for it.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether anything failed for it since it was chosen.
    pub(super) fn fails(&self) -> bool {
        self.failures > self.failures_before || self.model_failures > 0
    }

    /// It is served again after it gave way: what is ready is kept, and so are the pauses, which grow
    /// with each failure. A transaction is simulated.
    pub(super) fn chosen_again(&mut self) {
        self.failures_before = self.failures;
        (self.model_failures, self.not_served_at) = (0, None);
    }

    /// Whether a transaction for it failed in a block.
    pub(super) fn has_cost(&self) -> bool {
        self.failed_in_block > 0 || self.taken > 0
    }

    /// The model failed. Gives how often in a row.
    pub(super) fn model_failed(&mut self, error: String) -> u32 {
        self.trouble = Some(error);
        self.model_failures = self.model_failures.saturating_add(1);
        self.model_failures
    }

    /// Keeps what the models answered at `at` for the sending.
    pub(super) fn made_ready(&mut self, payload: Payload, at: Instant, old_from: Option<Instant>) {
        self.model_failures = 0;
        self.ready = Some(Ready {
            payload,
            at,
            old_from,
        });
    }

    pub(super) fn payload(&self) -> Option<&Payload> {
        self.ready.as_ref().map(|ready| &ready.payload)
    }

    /// Whether there is a payload that may still be sent.
    pub(super) fn is_ready(&self, age_max: Duration, now: Instant) -> bool {
        self.old_from(age_max).is_some_and(|from| now < from)
    }

    /// From when on the payload is too old to be sent, if there is one.
    pub(super) fn old_from(&self, age_max: Duration) -> Option<Instant> {
        let ready = self.ready.as_ref()?;
        let by_age = ready.at + age_max;
        Some(ready.old_from.map_or(by_age, |from| from.min(by_age)))
    }

    /// Whether the models have answered, so that only the sending is left.
    pub(super) fn waits_for_sending(&self) -> bool {
        self.ready.is_some() && self.model_failures == 0
    }

    /// Whether a forecast still goes with the payload; beside an inference only if its model has
    /// not failed.
    pub(super) fn takes_forecast(&self, beside_inference: bool) -> bool {
        !(self.forecast_refused || beside_inference && self.forecast_failed)
    }

    /// Whether it is a payload whose gas and effect were seen before: without a forecast, and none
    /// was dropped.
    pub(super) fn is_plain(&self) -> bool {
        let is_plain = |payload: &Payload| payload.forecast().is_empty();
        !self.forecast_refused && self.payload().is_some_and(is_plain)
    }

    pub(super) fn drop_forecast(&mut self) {
        if let Some(ready) = &mut self.ready
            && let Some(alone) = ready.payload.without_forecast()
        {
            ready.payload = alone;
            self.forecast_refused = true;
        }
    }

    /// The chain refused the labels: the rules have to be read and the model asked again.
    pub(super) fn reread_rules(&mut self) {
        self.ready = None;
        self.rules_read = false;
        self.labels_reread = true;
    }

    /// Another transaction used the sequence. Gives whether that happened too often.
    pub(super) fn sequence_taken(&mut self) -> bool {
        self.taken += 1;
        self.taken >= TAKEN_MAX
    }

    /// A transaction was included and failed; its fee is lost.
    pub(super) fn failed_in_block(&mut self, action: Action) {
        self.failed_in_block += 1;
        self.balance_doubtful = action == Action::Wait(WaitReason::Unfunded);
    }

    /// What follows from a refusal, which is free ([`Stage::CheckTx`]), or from a failure in a
    /// block.
    pub(super) fn after(&self, action: Action, stage: Stage) -> Next {
        let alone = self.payload().and_then(Payload::without_forecast);
        if action.blames_whole_payload() && alone.is_some() {
            return Next::WithoutForecast;
        }
        let in_block = stage == Stage::Block;
        match action {
            Action::Served if in_block => Next::Refused,
            Action::Served => Next::Served,
            Action::Skip => Next::Refused,
            Action::Defect => Next::Defect,
            Action::RereadTopic if in_block || self.labels_reread => Next::Defect,
            Action::RereadTopic => Next::RereadRules,
            // `Next::again` names every action.
            other => {
                if in_block && self.failed_in_block >= FAILED_IN_BLOCK_MAX {
                    Next::Refused
                } else {
                    Next::again(other)
                }
            }
        }
    }
}

#[cfg(test)]
impl Sent {
    /// A transaction for nonce 100 that used its sequence at this height.
    pub(super) fn used_at(height: Height) -> Sent {
        use crate::broadcaster::sequence::Job;
        use crate::values::units::{Gas, Sequence, TopicId, Uallo};

        let job = Job::Payload {
            topic: TopicId(1),
            nonce: Nonce(100),
        };
        let settled = Settled {
            job,
            sequence: Sequence(4),
            height,
            consumed: true,
            hashes: Vec::new(),
        };
        let offered = Offer {
            fee: Uallo(1),
            gas_limit: Gas(1),
        };
        Sent {
            settled,
            offered,
            refusal: None,
            api: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::meaning::table::{ROWS, Row};
    use crate::values::decimal::Decimal;
    use crate::values::payload::{ForecastElement, Inference};

    fn open(with_forecast: bool) -> OpenNonce {
        let window = Window {
            nonce: Nonce(100),
            end: Height(110),
        };
        let mut open = OpenNonce::new(window, Share::whole(window));
        let value = Decimal::parse("1.5").unwrap();
        let element = ForecastElement {
            inferer: String::new(),
            value: value.clone(),
        };
        let elements = Some(element)
            .filter(|_| with_forecast)
            .into_iter()
            .collect();
        let payload = Payload::new(Some(Inference::Value(value)), elements).unwrap();
        open.made_ready(payload, Instant::now(), None);
        open
    }

    fn action(row: &Row) -> Action {
        row.meaning("expected 4, got 7").unwrap().action()
    }

    #[test]
    fn a_nonce_that_only_this_process_can_serve_is_asked_about_after_a_transaction_only() {
        let mut open = open(false);
        assert_eq!(
            (open.ask_served_from, open.vouched_at()),
            (Some(Height(100)), None)
        );
        open.is_ours();
        assert_eq!(
            (open.ask_served_from, open.vouched_at()),
            (None, Some(Height(100)))
        );
        open.ask_served_from = Some(Height(102));
        open.is_ours();
        assert_eq!(open.ask_served_from, Some(Height(102)), "a node knows more");
        open.settled(Sent::used_at(Height(100)));
        open.is_ours();
        assert_eq!(
            open.ask_served_from,
            Some(Height(100)),
            "its effect is not known"
        );
    }

    /// The column "action" of protocol.md section 4.3, read for a payload that was refused.
    fn expected(row: &Row) -> Next {
        match (row.codespace, row.code, row.hint) {
            ("emissions", 6 | 23, _) => Next::Wait(WaitReason::UnknownTopic),
            ("emissions", 83, _) => Next::Wait(WaitReason::NotWhitelisted),
            ("emissions", 73, _) | ("sdk", 5, _) => Next::Wait(WaitReason::Unfunded),
            ("sdk", 9, _) => Next::Wait(WaitReason::UnknownAccount),
            ("sdk", 38, _) | ("feegrant", ..) => Next::Wait(WaitReason::NotGranted),
            // the status shows that the worker is not registered, or that the window is over
            ("emissions", 10 | 13 | 67 | 75, _) | ("sdk", 30, _) => Next::Retry,
            ("emissions", 8, _) => Next::Retry,
            ("emissions", 52 | 53 | 77 | 98, _) => Next::Defect,
            ("emissions", 78, _) => Next::Served,
            ("emissions", 95..=97, _) => Next::RereadRules,
            ("emissions", 100, _) => Next::Refused,
            ("undefined", 1, hint) => match hint {
                "inference already submitted" | "forecast already submitted" => Next::Served,
                "tx type not allowed" | "circuit breaker disables" => {
                    Next::Wait(WaitReason::ChainPaused)
                }
                "error resolving denom" | "Error validating worker address" => Next::Defect,
                _ => Next::Retry,
            },
            ("undefined", 111_222, _) => Next::Defect,
            ("sdk", 2, "value is out of range" | "parse mantissa" | "parse exponent") => {
                Next::Defect
            }
            ("sdk", 2 | 6, _) => Next::ReprobeApi,
            ("sdk", 4, _) if action(row) == Action::ReadAccount => Next::Retry,
            ("sdk", 11 | 13 | 19 | 20 | 32, _) => Next::Retry,
            ("sdk", 4 | 7 | 8 | 12 | 18 | 21 | 29 | 41, _) | ("feemarket", ..) => Next::Defect,
            _ => panic!("a new row: {row:?}"),
        }
    }

    #[test]
    fn the_topic_does_what_the_action_of_each_row_says() {
        for row in ROWS {
            let next = open(false).after(action(row), Stage::CheckTx);
            assert_eq!(next, expected(row), "{row:?}");
        }
    }

    #[test]
    fn a_failure_in_a_block_is_tried_again_once() {
        for row in ROWS {
            let mut open = open(false);
            open.failed_in_block(action(row));
            let first = match expected(row) {
                // why: its fee is lost, and a second transaction would fail in the same way
                Next::Served => Next::Refused,
                Next::RereadRules => Next::Defect,
                other => other,
            };
            assert_eq!(open.after(action(row), Stage::Block), first, "{row:?}");
            open.failed_in_block(action(row));
            let second = open.after(action(row), Stage::Block);
            assert!(
                matches!(second, Next::Refused | Next::Defect),
                "{row:?}: {second:?}"
            );
        }
    }

    #[test]
    fn a_payload_at_fault_is_tried_without_its_forecast_once() {
        for row in ROWS {
            let mut open = open(true);
            let next = open.after(action(row), Stage::CheckTx);
            if !matches!(expected(row), Next::Served | Next::Defect) {
                assert_eq!(next, expected(row), "{row:?}");
                continue;
            }
            assert_eq!(next, Next::WithoutForecast, "{row:?}");
            open.drop_forecast();
            let next = open.after(action(row), Stage::CheckTx);
            assert_eq!(next, expected(row), "{row:?}");
        }
    }

    #[test]
    fn a_nonce_waits_for_the_sending_once_its_model_has_answered() {
        assert!(!OpenNonce::default().waits_for_sending());
        let mut open = open(false);
        assert!(open.waits_for_sending());
        open.failed("refused".to_owned());
        assert!(open.waits_for_sending());
        open.model_failed("NaN".to_owned());
        assert!(!open.waits_for_sending(), "the payload became too old");
    }

    #[test]
    fn labels_are_read_again_once_per_nonce() {
        let mut open = open(false);
        open.reread_rules();
        assert_eq!(
            open.after(Action::RereadTopic, Stage::CheckTx),
            Next::Defect
        );
        assert!(open.payload().is_none() && !open.rules_read);
    }
}
