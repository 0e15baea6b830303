//! Reports what became of windows: one line and one count per nonce, also for those that no look has
//! shown.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use log::{Level, info, warn};

use super::Topic;
use super::disputed::Over;
use super::nonce::OpenNonce;
use super::passed::{Nonces, Passed};
use super::rate;
use crate::chain::endpoints::EndpointId;
use crate::status::history::Ended;
use crate::status::miss::{Cause, Causes, Miss, Unseen};
use crate::status::outcome::{self, Outcome};
use crate::status::waiting::{Scope, Waiting};
use crate::values::topic::WindowStatus;
use crate::values::units::{Height, Nonce};

/// The most windows that passed between two looks and get a line each.
const PASSED_LINES_MAX: u64 = 20;

/// Windows that ended before the start are reported if the last one served is not older.
const BEFORE_START_MAX: Duration = Duration::from_secs(24 * 3600);

impl Topic {
    /// Why the nonce that is being served ends unserved: its blocks are over.
    pub(super) fn why_over(&self) -> Miss {
        let open = self.open();
        let Some(left) = open.filter(|open| open.is_left_to_standby()) else {
            return self.why_missed(open);
        };
        let last = left.last_block;
        let trouble = left.trouble.as_deref().unwrap_or("no payload was ready");
        format!("left to the standby from block {last} on: {trouble}").into()
    }

    /// Why this nonce is not served, whose window is over.
    pub(super) fn why_missed(&self, nonce: Option<&OpenNonce>) -> Miss {
        self.causes(nonce).miss()
    }

    /// Why a nonce was not served whose window this endpoint called open, and of which nothing else
    /// is known.
    fn why_left_out(&self, nonce: Nonce, endpoint: EndpointId) -> Miss {
        let lengths = self.schedules.lengths_for(endpoint);
        let window_blocks = lengths.map_or(0, |lengths| lengths.window_blocks);
        let beside = self.memory.served_beside(nonce, window_blocks);
        let blocks = u32::try_from(window_blocks).unwrap_or(u32::MAX);
        let causes = Causes {
            open_for: self.pace().block_time.saturating_mul(blocks),
            trouble: beside.map(|other| {
                format!("nonce {other} was being served, whose window was open at the same time")
            }),
            ..self.causes(None)
        };
        causes.miss()
    }

    fn causes(&self, nonce: Option<&OpenNonce>) -> Causes {
        let waits = self.context.chain.waits.snapshot();
        let state_of = |of: Scope| {
            let mut states = waits.iter();
            states.find(|(scope, _)| *scope == of).map(|(_, on)| on)
        };
        let waited_for_sending = nonce.is_some_and(OpenNonce::waits_for_sending);
        let untaken = state_of(Scope::Sending).filter(|_| waited_for_sending);
        let now = Instant::now();
        let opened_at = nonce.and_then(|nonce| nonce.seen_at);
        Causes {
            topic: state_of(Scope::Topic(self.id)).map(|on| on.in_brief().to_owned()),
            unseen: self.blind.cause(SystemTime::now()),
            open_for: opened_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            untaken: untaken.map(Waiting::to_string),
            trouble: nonce.and_then(|nonce| nonce.trouble.clone()),
        }
    }

    /// Reports the outcome of a nonce that has ended, once.
    pub(super) fn report(&mut self, nonce: Nonce, outcome: Outcome) {
        if let Outcome::Included(_) | Outcome::NotAdmitted(_) = outcome {
            self.windows.included(nonce, self.epoch_blocks_min());
        }
        let outcome = self.judged(nonce, outcome, &[]);
        self.report_as(nonce, outcome);
    }

    fn report_as(&mut self, nonce: Nonce, outcome: Outcome) {
        let epoch_blocks = self.epoch_blocks(self.status_from);
        self.windows.ended(Nonces::one(nonce, epoch_blocks));
        let is_one_of_many = self.rate.is_one_of_many(nonce) && outcome.inclusion().is_none();
        let ended = self.ended(nonce, outcome, u64::from(!is_one_of_many));
        let (board, level) = (&self.context.chain.board, ended.outcome.level());
        // why: an endpoint that invents windows would push out those that count
        if is_one_of_many {
            board.ended_unshown(self.id, &ended.outcome);
            return ended.log(self.id, Level::Debug);
        }
        // why: who reads the line finds the outcome on the board
        board.ended(self.id, Arc::clone(&ended), 1);
        ended.log(self.id, level);
    }

    /// A nonce that has ended now, as the last one of `count` nonces.
    fn ended(&mut self, nonce: Nonce, outcome: Outcome, count: u64) -> Arc<Ended> {
        let in_row = match (&outcome, count) {
            // why: whether there was such a window is not known
            (Outcome::Disputed(_), _) | (_, 0) => 0,
            (Outcome::Missed(miss), _) => self.in_row.ended(Some(miss), count),
            _ => self.in_row.ended(None, count),
        };
        let at = SystemTime::now();
        Arc::new(Ended {
            nonce,
            outcome,
            at,
            in_row,
        })
    }

    /// The outcome as it counts: in a dispute, a window that one endpoint alone names is neither missed
    /// nor served, unless a payload was included whole epochs away in another one of that endpoint's
    /// windows. `over` is what was noticed with it.
    fn judged(&self, nonce: Nonce, outcome: Outcome, over: &[(EndpointId, Over)]) -> Outcome {
        let is_disputed =
            self.schedules.is_disputed() || self.was_disputed || self.windows.is_doubted(nonce);
        let why = match &outcome {
            Outcome::Missed(miss) => miss.to_string(),
            // why: the chain names the nonce served last, which also serves those before it
            Outcome::AlreadySubmitted => "a payload for a later nonce is in a block".to_owned(),
            Outcome::Included(_)
            | Outcome::NotAdmitted(_)
            | Outcome::Refused(_)
            | Outcome::Skipped(_)
            | Outcome::Disputed(_) => return outcome,
        };
        let witnesses = self.windows.witnesses(nonce, over);
        if !is_disputed || witnesses.suffice() {
            return outcome;
        }
        let names = |of: &[EndpointId]| {
            let name = |id: &EndpointId| self.context.chain.lcd.endpoint_name(*id);
            of.iter().map(name).collect::<Vec<_>>().join(" and ")
        };
        Outcome::Disputed(format!(
            "only {} names this window, not {} ({why})",
            names(&witnesses.by),
            names(&witnesses.not_by)
        ))
    }

    /// Reports the nonces that gave way to another one and whose windows are over at this height.
    pub(super) fn report_given_way(&mut self, height: Height) {
        for ended in self.memory.given_way_until(height) {
            let why = self.why_missed(Some(&ended));
            self.report(ended.id, Outcome::Missed(why));
        }
    }

    /// Reports the windows that passed unseen before this status, read at `height`. `can_be` tells
    /// whether its windows fit the topic's lengths.
    pub(super) fn report_passed(&mut self, status: &WindowStatus, height: Height, can_be: bool) {
        let now = SystemTime::now();
        let over = self
            .windows
            .take_over(self.context.chain.height().max(height));
        let is_disputed = self.schedules.is_disputed();
        // why: what was over when the endpoints agreed again was named before
        let by_endpoint = is_disputed || self.was_disputed;
        if !can_be && !by_endpoint {
            // why: such a status tells nothing, so what was noted before it stays for the next one
            return;
        }
        if let Some(open) = self.memory.nonce.as_ref().filter(|_| is_disputed) {
            self.windows.doubt(open.id);
        }
        if by_endpoint {
            // why: how long an epoch is, is not known
            self.accounted.interrupted();
        }
        let passed = self
            .accounted
            .saw(status, height, self.epoch_blocks(self.status_from));
        if by_endpoint {
            self.report_over(&over, now);
        }
        let unseen = self.blind.unseen(now);
        self.blind.saw(now);
        self.was_disputed = is_disputed;
        match passed {
            Passed::None => {}
            Passed::Known(nonces) => self.report_unseen(&nonces, &Miss::Unseen(unseen), &[]),
            Passed::AtMost(nonces) => warn!(
                "the topic's windows have moved, so it is not known how many passed, at most {}: \
                 {unseen}",
                nonces.count
            ),
        }
    }

    /// Reports what is over by the word of each endpoint, in a dispute.
    fn report_over(&mut self, over: &[(EndpointId, Over)], now: SystemTime) {
        for (endpoint, what) in over {
            match what {
                Over::Seen(nonce) => {
                    let why = self.why_left_out(*nonce, *endpoint);
                    let nonces = Nonces::one(*nonce, self.epoch_blocks(*endpoint));
                    self.report_unseen(&nonces, &why, over);
                }
                Over::Passed(Passed::Known(nonces), since) => {
                    let unseen = self.unseen_by(*endpoint, *since, now);
                    self.report_unseen(nonces, &Miss::Unseen(unseen), over);
                }
                Over::Passed(Passed::AtMost(nonces), since) => warn!(
                    "the windows that {} names have moved, so it is not known how many passed, at \
                     most {}: {}",
                    self.context.chain.lcd.endpoint_name(*endpoint),
                    nonces.count,
                    self.unseen_by(*endpoint, *since, now)
                ),
                Over::Passed(Passed::None, _) => {}
            }
        }
    }

    /// Why windows of this endpoint, which gave no status since then, were not seen: by what kept the
    /// topic from all of them, if that lasted for most of the time.
    fn unseen_by(&self, endpoint: EndpointId, since: SystemTime, now: SystemTime) -> Unseen {
        let name = self.context.chain.lcd.endpoint_name(endpoint).to_owned();
        let silent = Unseen {
            from: since,
            to: now,
            cause: Cause::Silent(name),
        };
        let of_all = self.blind.cause(now);
        let of_all = of_all.filter(|of_all| of_all.time() * 2 >= silent.time());
        of_all.unwrap_or(silent)
    }

    /// The length of an epoch by the word of this endpoint. The shortest one of all, which plans are
    /// bounded by, would count windows that no endpoint speaks of.
    pub(super) fn epoch_blocks(&self, endpoint: EndpointId) -> Option<u64> {
        let lengths = self.schedules.lengths_for(endpoint)?;
        Some(lengths.epoch_blocks).filter(|blocks| *blocks > 0)
    }

    /// The length of the shortest epoch that this chain can have.
    pub(super) fn epoch_blocks_min(&self) -> u64 {
        let chain_id = self.context.chain.lcd.chain_id().unwrap_or_default();
        rate::epoch_blocks_min(&chain_id)
    }

    /// Reports those of these windows that have no outcome yet and are not being served.
    fn report_unseen(&mut self, nonces: &Nonces, miss: &Miss, over: &[(EndpointId, Over)]) {
        for nonce in nonces.oldest(PASSED_LINES_MAX) {
            if !self.memory.knows(nonce) && !self.windows.has_ended(nonce) {
                let outcome = self.judged(nonce, Outcome::Missed(miss.clone()), over);
                self.report_as(nonce, outcome);
            }
        }
        let Some(rest) = nonces.without_oldest(PASSED_LINES_MAX) else {
            return;
        };
        let (last, more) = (rest.last, self.windows.without_outcome(&rest));
        if more > 0 {
            let outcome = self.judged(last, Outcome::Missed(miss.clone()), over);
            self.windows.ended(rest);
            let ended = self.ended(last, outcome, more);
            let text = ended.text();
            self.context.chain.board.ended(self.id, ended, more);
            warn!(target: outcome::TARGET, "{more} more, up to nonce {last}: {text}");
        }
    }

    /// Reports, once, the windows that ended before this process could serve any, as one line: the
    /// chain names the nonce that it `served` last.
    pub(super) fn report_before_start(&mut self, served: Option<Height>) {
        let Some(epoch_blocks) = self.epoch_blocks(self.status_from) else {
            return;
        };
        let block_time = self.pace().block_time.as_millis().max(1);
        let blocks = BEFORE_START_MAX.as_millis() / block_time;
        let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
        let served = served.map(|height| Nonce(height.0));
        let (some, nonces) = match self.accounted.before_start(served, epoch_blocks, blocks) {
            Passed::None => return,
            Passed::Known(nonces) => ("", nonces),
            Passed::AtMost(nonces) => ("up to ", nonces),
        };
        let board = &self.context.chain.board;
        board.unserved_before_start(self.id, nonces.count);
        let served = served.unwrap_or_default();
        let Nonces {
            first, last, count, ..
        } = nonces;
        info!(
            "before the start: {some}{count} windows ended unserved after nonce {served}, the last \
             one with a payload of this worker: nonces {first} to {last}, if the topic was active; \
             not counted as missed"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossbeam_channel::bounded;

    use super::*;
    use crate::chain::Chain;
    use crate::chain::lcd::Lcd;
    use crate::http::Http;
    use crate::shutdown;
    use crate::topic::{Context, turns::Turns};
    use crate::values::topic::TopicLengths;

    /// A topic with windows of 10 blocks each 100, that has just seen the window of nonce 100.
    fn serving_100() -> Topic {
        let lcd = Lcd::new(Http::default(), &[], None, 0);
        let config = crate::config::sample().topics.remove(0);
        let context = Context {
            chain: Arc::new(Chain::of_one_account(lcd, "allo1x")),
            http: Http::default(),
            outbox: bounded(1).0,
            standby: None,
            turns: Turns::default(),
            stop: shutdown::channel().1,
        };
        let mut topic = Topic::new(config, context);
        let lengths = TopicLengths {
            epoch_blocks: 100,
            window_blocks: 10,
        };
        topic.schedules.lengths_are(EndpointId(0), Some(lengths));
        let status = WindowStatus::serving(Some((100, 110)), Some((200, 210)));
        let pace = topic.pace();
        topic.memory.saw(status, Height(100), &pace);
        topic
    }

    #[test]
    fn a_window_that_was_left_out_gets_the_true_reason() {
        let mut topic = serving_100();
        let why = |topic: &Topic, nonce| {
            let miss = topic.why_left_out(Nonce(nonce), EndpointId(0));
            (miss.reason(), miss.to_string())
        };
        let beside = "nonce 100 was being served, whose window was open at the same time";
        assert_eq!(why(&topic, 105), ("seen", beside.to_owned()));
        topic.memory.finish();
        assert_eq!(why(&topic, 91), ("seen", beside.to_owned()), "it has ended");
        let (_, alone) = why(&topic, 110);
        assert_eq!(alone, "the window ended before a payload was ready");

        let now = SystemTime::now();
        let from = now - Duration::from_secs(20);
        topic.blind.failed(from, now, "timed out".to_owned());
        assert_eq!(why(&topic, 105).0, "seen", "most of the window was seen");
        assert_eq!(why(&topic, 110).0, "no_answer");
        topic.blind.suspended(Duration::from_secs(40), now);
        assert_eq!(why(&topic, 105).0, "suspended");

        let inactive = Waiting::Inactive;
        let (waits, scope) = (&topic.context.chain.waits, Scope::Topic(topic.id));
        waits.begin(scope, inactive);
        let (_, waiting) = why(&topic, 105);
        assert!(waiting.contains("active"), "{waiting}");
    }
}
