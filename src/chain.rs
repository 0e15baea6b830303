//! What all threads share about the chain: the client, the emissions version in force, and what is
//! wrong with it at the moment. A failed question makes a fact unknown, never false: nobody here
//! turns an error into a "no".

pub mod answers;
pub mod clock;
mod counters;
mod decode;
pub mod endpoints;
mod error;
pub mod lcd;
pub mod meaning;
mod queries;
mod route;
pub mod topic_answer;
pub mod tx_answers;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::chain::lcd::{Answer, ErrorKind, Lcd, LcdError};
use crate::status::Board;
use crate::status::waiting::{Scope, Waiting, Waits};
use crate::values::units::{ApiVersion, Height};

/// How long a verdict about the emissions version is taken for granted. Whatever contradicts it
/// (a 501, a message that the node does not know) has it asked again at once.
const API_AGE_MAX: Duration = Duration::from_secs(3600);
/// The shortest time between two probes for the emissions version: a block's, within these bounds.
/// What was sent before an upgrade can be sent anew only when its new version is known, and is void
/// after a few blocks.
const API_PROBE_EVERY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// How often a node whose height stands still is left for another endpoint.
const ELSEWHERE_EVERY: Duration = Duration::from_secs(60);
/// Endpoints that answer now and then are not down: so long nobody must have answered.
const SILENCE_MIN: Duration = Duration::from_secs(3);
/// A height that stands still for so long, or so many block times if these are more, is a halt.
const HALT_AGE_MIN: Duration = Duration::from_secs(10);
const HALT_BLOCKS: u32 = 6;

/// The chain as the threads see it.
#[derive(Debug)]
pub struct Chain {
    /// The client.
    pub lcd: Lcd,
    /// This worker's address.
    pub address: String,
    /// What is waited for.
    pub waits: Waits,
    /// What all threads report to.
    pub board: Board,
    first_height: OnceLock<Height>,
    silence: Mutex<Silence>,
    api: Mutex<Api>,
}

#[derive(Debug, Default)]
struct Api {
    known: Option<(ApiVersion, Instant)>,
    suspect: bool,
    asked: Option<Instant>,
    /// A thread is asking right now.
    probing: bool,
}

/// For how long nobody answered.
#[derive(Debug, Default)]
struct Silence {
    answered: Option<Instant>,
    failures: usize,
    /// When a node that stands still was last left for another.
    elsewhere: Option<Instant>,
}

impl Chain {
    /// A chain that nothing is known of yet.
    #[must_use]
    pub fn new(lcd: Lcd, address: String) -> Chain {
        Chain {
            lcd,
            address,
            waits: Waits::default(),
            board: Board::default(),
            first_height: OnceLock::new(),
            silence: Mutex::default(),
            api: Mutex::default(),
        }
    }

    /// The first height that this process saw; whatever was open then may have been served by an
    /// earlier one (R10).
    #[must_use]
    pub fn first_height(&self) -> Option<Height> {
        self.first_height.get().copied()
    }

    /// The highest height known.
    #[must_use]
    pub fn height(&self) -> Height {
        self.lcd.clock().highest().unwrap_or_default()
    }

    /// Takes note of a result on its way to whoever asked: an answer ends "endpoint down", a
    /// height that stands still begins "no new blocks".
    ///
    /// # Errors
    /// The result's own.
    pub fn heard<T>(&self, result: Result<Answer<T>, LcdError>) -> Result<Answer<T>, LcdError> {
        match &result {
            Ok(answer) => {
                if let Some(highest) = self.lcd.clock().highest() {
                    let _ = self.first_height.set(highest);
                }
                self.answers(answer.height.is_some());
            }
            Err(error) if is_word_of_chain(error) => self.answers(false),
            Err(error) => {
                if matches!(error.kind, ErrorKind::Syncing) {
                    self.waits.begin(Scope::Chain, Waiting::Syncing);
                } else if self.is_down() {
                    let error = error.line();
                    self.waits
                        .begin(Scope::Chain, Waiting::EndpointDown { error });
                }
            }
        }
        result
    }

    /// Whether more requests failed than there are endpoints, and none was answered for a while.
    fn is_down(&self) -> bool {
        let mut silence = self.lock_silence();
        silence.failures = silence.failures.saturating_add(1);
        let long = |at: Instant| at.elapsed() >= SILENCE_MIN;
        silence.failures > self.lcd.endpoint_count() && silence.answered.is_none_or(long)
    }

    fn answers(&self, with_height: bool) {
        let mut silence = self.lock_silence();
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

    /// Now and then another endpoint is asked whether the chain stands still or only this node.
    fn try_elsewhere(&self, now: Instant) {
        let mut silence = self.lock_silence();
        let long_ago = |at: Instant| now.saturating_duration_since(at) >= ELSEWHERE_EVERY;
        if silence.elsewhere.is_none_or(long_ago) {
            silence.elsewhere = Some(now);
            self.lcd.leave_halted(now);
        }
    }

    /// An answer that should carry its height did, or did not: without heights no answer counts.
    pub fn height_is_told(&self, told: bool) {
        if told {
            self.waits
                .end_if(Scope::Chain, |w| matches!(w, Waiting::NoHeights));
        } else {
            self.waits.begin(Scope::Chain, Waiting::NoHeights);
        }
    }

    /// The emissions version last found, right or not, without asking.
    #[must_use]
    pub fn api_last_known(&self) -> Option<ApiVersion> {
        self.lock_api().known.map(|(version, _)| version)
    }

    /// Something contradicted the known emissions version: it is asked again before its next use.
    pub fn suspect_api(&self) {
        self.lock_api().suspect = true;
    }

    /// The emissions version in force, asked if need be (protocol.md section 0). `None`: unknown
    /// for now.
    #[must_use]
    pub fn api(&self) -> Option<ApiVersion> {
        let now = Instant::now();
        match self.may_probe(now) {
            Err(known) => known,
            Ok(()) => self.probe(now),
        }
    }

    /// Whether it is on the caller to ask for the version; if not, what is known of it. Nobody
    /// waits for another thread's question.
    fn may_probe(&self, now: Instant) -> Result<(), Option<ApiVersion>> {
        let (least, most) = API_PROBE_EVERY;
        let every = self.lcd.clock().cautious_block_time(now).clamp(least, most);
        let mut api = self.lock_api();
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
        let mut api = self.lock_api();
        api.probing = false;
        match result {
            Ok(answer) => {
                self.waits
                    .end_if(Scope::Chain, |w| matches!(w, Waiting::NoApi { .. }));
                let before = api.known.map(|(version, _)| version);
                if before.is_some_and(|before| before != answer.value) && !answer.fresh {
                    return None; // a node from before an upgrade
                }
                self.say_version(before, answer.value);
                api.known = Some((answer.value, now));
                api.suspect = false;
            }
            Err(error) if matches!(error.kind, ErrorKind::UndecidedVersion { .. }) => {
                let error = error.kind.to_string();
                self.waits.begin(Scope::Chain, Waiting::NoApi { error });
            }
            Err(_) => {}
        }
        api.known
            .filter(|_| !api.suspect)
            .map(|(version, _)| version)
    }

    fn say_version(&self, before: Option<ApiVersion>, version: ApiVersion) {
        match before {
            None => self.say_connected(version),
            Some(before) if before != version => {
                warn!("the chain was upgraded: emissions {before} → {version}; going on with it");
            }
            Some(_) => {}
        }
    }

    fn say_connected(&self, version: ApiVersion) {
        let chain_id = self.lcd.chain_id().unwrap_or_else(|| "unknown".to_owned());
        info!(
            "connected: chain id {chain_id}, emissions {version}, height {}",
            self.height()
        );
    }

    fn lock_silence(&self) -> std::sync::MutexGuard<'_, Silence> {
        // why: as below
        self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_api(&self) -> std::sync::MutexGuard<'_, Api> {
        // why: a panic ends the process; until then the value is as good as before
        self.api.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the endpoint is up and a chain speaks through it, even if it says no.
fn is_word_of_chain(error: &LcdError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Chain(_) | ErrorKind::UndecidedVersion { .. }
    )
}
