//! What the threads share about the chain: the client, the emissions version in force, and the
//! problems that are waited for. A failed request leaves a fact unknown; an error never becomes a
//! "no".

pub mod allowance_answer;
pub mod answers;
pub mod belief;
pub mod clock;
pub mod counters;
mod decode;
pub mod endpoints;
pub mod error;
mod lag;
pub mod lcd;
pub mod meaning;
pub mod opinion;
mod queries;
pub mod route;
pub mod tx_answers;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::chain::error::{ErrorKind, LcdError};
use crate::chain::lcd::{Lcd, LcdResult};
use crate::status::Board;
use crate::status::news::News;
use crate::status::waiting::{Scope, Waiting, Waits};
use crate::threads::lock;
use crate::values::units::{ApiVersion, Height};

/// How long the emissions version is used without asking again. A contradiction (a 501, a message
/// that the node does not know) makes the next use ask again.
const API_AGE_MAX: Duration = Duration::from_secs(3600);
/// The shortest and longest time between two requests for the emissions version; in between, it is
/// the block time. A transaction from before an upgrade can be replaced only once the new version
/// is known, and expires after a few blocks.
const API_PROBE_EVERY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// How often another endpoint is tried while the height stands still.
const ELSEWHERE_EVERY: Duration = Duration::from_secs(60);
/// The endpoints are down only if none has answered for this long, since some answer irregularly.
const SILENCE_MIN: Duration = Duration::from_secs(3);
/// The chain has halted if its height stands still for `HALT_AGE_MIN` and for `HALT_BLOCKS` block
/// times.
const HALT_AGE_MIN: Duration = Duration::from_secs(10);
const HALT_BLOCKS: u32 = 6;
/// For how many blocks after another process with the key was seen, each sequence that is used may
/// be by it: a day of blocks of 5 s.
const OTHERS_DOUBTED_BLOCKS: u64 = 17_280;

#[derive(Debug)]
pub struct Chain {
    pub lcd: Lcd,
    /// This worker's address.
    pub address: String,
    /// The account that sends its transactions and pays for them: the worker's own, or another one.
    pub sender: String,
    pub waits: Waits,
    /// What all threads report to.
    pub board: Board,
    /// What the webhook is to say.
    pub news: News,
    first_height: Mutex<Option<Height>>,
    others: Mutex<Others>,
    silence: Mutex<Silence>,
    api: Mutex<Api>,
}

/// What is known of other processes with the same key. Pure.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    /// The last block that may have a transaction of theirs; `None`: any.
    until: Option<Height>,
    /// When one of theirs was last seen.
    seen_at: Option<Height>,
}

impl Others {
    /// A sequence that this process had signed for is used. Where another process was seen up to
    /// `OTHERS_DOUBTED_BLOCKS` ago, it may have used it. Otherwise it counts as this process's: the
    /// many windows that open in one block would be simulated one after the other.
    fn own_used(&mut self, height: Height) {
        let is_recent = |seen: Height| height <= seen.plus(OTHERS_DOUBTED_BLOCKS);
        if self.seen_at.is_some_and(is_recent) {
            self.until = self.until.max(Some(height));
        }
    }

    fn are_silent_since(&self, height: Height) -> bool {
        self.until.is_some_and(|until| until <= height)
    }
}

#[derive(Debug, Default)]
struct Api {
    known: Option<(ApiVersion, Instant)>,
    suspect: bool,
    asked: Option<Instant>,
    /// A thread is asking for it.
    probing: bool,
}

/// How long no endpoint has answered.
#[derive(Debug, Default)]
struct Silence {
    answered: Option<Instant>,
    failures: usize,
    /// When a halted node was last left for another endpoint.
    elsewhere: Option<Instant>,
}

impl Chain {
    pub fn new(lcd: Lcd, address: String, sender: String) -> Chain {
        let news = News::default();
        Chain {
            lcd,
            address,
            sender,
            waits: Waits::telling(news.clone()),
            board: Board::telling(news.clone()),
            news,
            first_height: Mutex::default(),
            others: Mutex::default(),
            silence: Mutex::default(),
            api: Mutex::default(),
        }
    }

    /// A worker that sends its transactions itself.
    #[cfg(test)]
    pub fn of_one_account(lcd: Lcd, address: &str) -> Chain {
        Chain::new(lcd, address.to_owned(), address.to_owned())
    }

    /// The first height that this process saw, or a lower one that replaced it. An earlier process
    /// may have served the nonce that was open then (R10).
    pub fn first_height(&self) -> Option<Height> {
        *lock(&self.first_height)
    }

    /// Notes that transactions of other processes with this key may be in blocks up to `height`.
    pub fn others_may_have_sent(&self, height: Height) {
        lock(&self.others).until = Some(height);
    }

    /// Notes that another process has sent a transaction, which is in a block up to `height`.
    pub fn others_have_sent(&self, height: Height) {
        *lock(&self.others) = Others {
            until: Some(height),
            seen_at: Some(height),
        };
    }

    /// Notes that a sequence which this process had signed for is used, as of `height`.
    pub fn own_sequence_is_used(&self, height: Height) {
        lock(&self.others).own_used(height);
    }

    /// R12: whether all transactions of the account in blocks above `height` are this process's, or
    /// would have used the sequence of its next one. Then no other process has served a later window. One
    /// that took a sequence of this process counts as its own until the state or the index shows
    /// that, unless another process was seen lately.
    pub fn is_ours_since(&self, height: Height) -> bool {
        lock(&self.others).are_silent_since(height)
    }

    /// The highest height known, 0 if none is.
    pub fn height(&self) -> Height {
        self.lcd.clock().highest().unwrap_or_default()
    }

    /// Passes a result on, and updates the waiting states by it: an answer ends "endpoint down", a
    /// height that stands still begins "no new blocks".
    pub fn heard<T>(&self, result: LcdResult<T>) -> LcdResult<T> {
        match &result {
            Ok(answer) => {
                if let Some(highest) = self.lcd.clock().highest() {
                    let mut first = lock(&self.first_height);
                    *first = Some(first.map_or(highest, |first| first.min(highest)));
                }
                self.answers(answer.height.is_some());
            }
            Err(error) => match &error.kind {
                // The endpoint works and the chain answers through it, though with an error.
                ErrorKind::Chain(_) | ErrorKind::UndecidedVersion { .. } => {
                    self.answers(false);
                }
                ErrorKind::Syncing => self.waits.begin(Scope::Chain, Waiting::Syncing),
                ErrorKind::Transport(_)
                | ErrorKind::RateLimited { .. }
                | ErrorKind::Server { .. }
                | ErrorKind::Redirect { .. }
                | ErrorKind::NotANode { .. }
                | ErrorKind::Shape { .. }
                | ErrorKind::Unbelievable(_)
                | ErrorKind::Wait { .. }
                | ErrorKind::WrongChain { .. }
                | ErrorKind::NoBalance { .. }
                | ErrorKind::Behind => self.fails(error),
            },
        }
        result
    }

    /// Begins "endpoint down" if more requests failed than there are endpoints, and none answered
    /// for [`SILENCE_MIN`].
    fn fails(&self, error: &LcdError) {
        let mut silence = lock(&self.silence);
        silence.failures = silence.failures.saturating_add(1);
        let long_ago = |at: Instant| at.elapsed() >= SILENCE_MIN;
        if silence.failures > self.lcd.endpoint_count() && silence.answered.is_none_or(long_ago) {
            let error = error.line();
            let waiting = Waiting::EndpointDown { error };
            self.waits.begin(Scope::Chain, waiting);
        }
    }

    fn answers(&self, with_height: bool) {
        let mut silence = lock(&self.silence);
        silence.answered = Some(Instant::now());
        silence.failures = 0;
        drop(silence);
        self.waits.end_if(Scope::Chain, |waiting| {
            matches!(waiting, Waiting::EndpointDown { .. } | Waiting::Syncing)
        });
        if with_height {
            self.check_halt();
        }
    }

    fn check_halt(&self) {
        let clock = self.lcd.clock();
        let age = clock.height_age(Instant::now()).unwrap_or_default();
        if age > HALT_AGE_MIN.max(clock.block_time() * HALT_BLOCKS) {
            self.waits.begin(Scope::Blocks, Waiting::Halted { age });
            self.try_elsewhere(Instant::now());
        } else {
            self.waits.end(Scope::Blocks);
        }
    }

    /// Asks another endpoint every [`ELSEWHERE_EVERY`], in case only this node has halted.
    fn try_elsewhere(&self, now: Instant) {
        let mut silence = lock(&self.silence);
        let long_ago = |at: Instant| now.saturating_duration_since(at) >= ELSEWHERE_EVERY;
        if silence.elsewhere.is_none_or(long_ago) {
            silence.elsewhere = Some(now);
            let id = self.lcd.current_endpoint();
            self.lcd.pause(id, now);
        }
    }

    /// Updates the waiting state "no heights": without its height no answer counts.
    pub fn note_height(&self, has_height: bool) {
        if has_height {
            self.waits
                .end_if(Scope::Chain, |w| matches!(w, Waiting::NoHeights));
        } else {
            self.waits.begin(Scope::Chain, Waiting::NoHeights);
        }
    }

    /// The emissions version found last, which may be in doubt; sends no request.
    pub fn api_last_known(&self) -> Option<ApiVersion> {
        lock(&self.api).known.map(|(version, _)| version)
    }

    /// Notes a contradiction to the known emissions version: its next use asks for it again.
    pub fn suspect_api(&self) {
        lock(&self.api).suspect = true;
    }

    /// The emissions version in force (protocol.md section 0), after a request if it is not known
    /// or too old. `None` if it is unknown for now.
    pub fn api(&self) -> Option<ApiVersion> {
        let now = Instant::now();
        match self.may_probe(now) {
            Err(known) => known,
            Ok(()) => self.probe(now),
        }
    }

    /// Whether the caller should ask for the version; if not, the version as known. No thread waits
    /// for another's request.
    fn may_probe(&self, now: Instant) -> Result<(), Option<ApiVersion>> {
        let (least, most) = API_PROBE_EVERY;
        let every = self.lcd.clock().cautious_block_time(now).clamp(least, most);
        let mut api = lock(&self.api);
        let trusted = api.known.filter(|_| !api.suspect);
        let version = trusted.map(|(version, _)| version);
        let since = |at: Instant| now.saturating_duration_since(at);
        let is_old = trusted.is_none_or(|(_, at)| since(at) >= API_AGE_MAX);
        let just_asked = api.asked.is_some_and(|at| since(at) < every);
        if !is_old || api.probing || just_asked {
            return Err(version);
        }
        api.probing = true;
        api.asked = Some(now);
        Ok(())
    }

    fn probe(&self, now: Instant) -> Option<ApiVersion> {
        let result = self.heard(self.lcd.api_version());
        let mut api = lock(&self.api);
        api.probing = false;
        match result {
            Ok(answer) => {
                self.waits
                    .end_if(Scope::Chain, |w| matches!(w, Waiting::NoApi { .. }));
                let before = api.known.map(|(version, _)| version);
                if before.is_some_and(|before| before != answer.value) && !answer.fresh {
                    return None; // why: the node may not have been upgraded yet
                }
                self.log_version(before, answer.value);
                api.known = Some((answer.value, now));
                api.suspect = false;
            }
            Err(error) if matches!(error.kind, ErrorKind::UndecidedVersion { .. }) => {
                let error = error.kind.to_string();
                self.waits.begin(Scope::Chain, Waiting::NoApi { error });
            }
            Err(_) => {}
        }
        let trusted = api.known.filter(|_| !api.suspect);
        trusted.map(|(version, _)| version)
    }

    fn log_version(&self, before: Option<ApiVersion>, version: ApiVersion) {
        let Some(before) = before else {
            let chain_id = self.lcd.chain_id().unwrap_or_else(|| "unknown".to_owned());
            let height = self.lcd.clock().highest();
            let height = height.map_or_else(|| "not yet known".to_owned(), |h| h.to_string());
            return info!("connected: chain id {chain_id}, emissions {version}, height {height}");
        };
        if before != version {
            warn!("the chain was upgraded: emissions {before} → {version}; going on with it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_ours_if_no_other_process_can_have_sent_anything_since_it_opened() {
        let mut others = Others::default();
        assert!(!others.are_silent_since(Height(100)), "nothing is known");
        others.until = Some(Height(100));
        assert!(!others.are_silent_since(Height(99)));
        assert!(others.are_silent_since(Height(100)));
        others.own_used(Height(120));
        assert!(
            others.are_silent_since(Height(100)),
            "no other one was seen"
        );
    }

    #[test]
    fn what_is_used_after_another_process_was_seen_may_be_by_it() {
        let seen = Others {
            until: Some(Height(100)),
            seen_at: Some(Height(100)),
        };
        let used_at = |height: u64| {
            let mut others = seen;
            others.own_used(Height(height));
            others
        };
        assert!(!used_at(120).are_silent_since(Height(119)));
        assert!(used_at(120).are_silent_since(Height(120)));
        let last = 100 + OTHERS_DOUBTED_BLOCKS;
        assert!(!used_at(last).are_silent_since(Height(last - 1)));
        assert!(used_at(last + 1).are_silent_since(Height(100)));
    }
}
