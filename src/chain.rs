//! What all threads share about the chain: the client, the emissions version in force, and what is
//! wrong with it at the moment. A failed question makes a fact unknown, never false: nobody here
//! turns an error into a "no".

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::lcd::{Answer, ErrorKind, Lcd, LcdError};
use crate::units::{ApiVersion, Height};
use crate::waiting::{Scope, Waiting, Waits};

/// How long a verdict about the emissions version is taken for granted. Whatever contradicts it
/// (a 501, a message that the node does not know) has it asked again at once.
const API_AGE_MAX: Duration = Duration::from_secs(3600);
/// The shortest time between two probes for the emissions version.
const API_PROBE_EVERY: Duration = Duration::from_secs(1);
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
    first_height: OnceLock<Height>,
    failures: AtomicU32,
    api: Mutex<Api>,
}

#[derive(Debug, Default)]
struct Api {
    known: Option<(ApiVersion, Instant)>,
    suspect: bool,
    asked: Option<Instant>,
}

impl Chain {
    /// A chain that nothing is known of yet.
    #[must_use]
    pub fn new(lcd: Lcd, address: String) -> Chain {
        Chain {
            lcd,
            address,
            waits: Waits::default(),
            first_height: OnceLock::new(),
            failures: AtomicU32::new(0),
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
                if let Some(height) = answer.height {
                    let _ = self.first_height.set(height);
                }
                self.answers();
            }
            Err(error) if is_word_of_chain(error) => self.answers(),
            Err(error) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if matches!(error.kind, ErrorKind::Syncing) {
                    self.waits.begin(Scope::Chain, Waiting::Syncing);
                } else if failures as usize > self.lcd.endpoint_count() {
                    let error = error.line();
                    self.waits
                        .begin(Scope::Chain, Waiting::EndpointDown { error });
                }
            }
        }
        result
    }

    fn answers(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.waits.end_if(Scope::Chain, |waiting| {
            matches!(waiting, Waiting::EndpointDown { .. } | Waiting::Syncing)
        });
        let clock = self.lcd.clock();
        let age = clock.height_age(Instant::now()).unwrap_or_default();
        if age > HALT_AGE_MIN.max(clock.block_time() * HALT_BLOCKS) {
            self.waits.begin(Scope::Blocks, Waiting::Halted { age });
        } else {
            self.waits.end(Scope::Blocks);
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
        let mut api = self.lock_api();
        let now = Instant::now();
        let fresh = |(_, at): &(ApiVersion, Instant)| now.duration_since(*at) < API_AGE_MAX;
        if let Some((version, _)) = api.known.filter(|known| !api.suspect && fresh(known)) {
            return Some(version);
        }
        if api
            .asked
            .is_some_and(|at| now.duration_since(at) < API_PROBE_EVERY)
        {
            return None;
        }
        api.asked = Some(now);
        match self.heard(self.lcd.api_version()) {
            Ok(answer) => {
                self.waits
                    .end_if(Scope::Chain, |w| matches!(w, Waiting::NoApi { .. }));
                self.note_version(&mut api, answer.value, now);
                Some(answer.value)
            }
            Err(error) if matches!(error.kind, ErrorKind::UndecidedVersion { .. }) => {
                let error = error.kind.to_string();
                self.waits.begin(Scope::Chain, Waiting::NoApi { error });
                None
            }
            Err(_) => None,
        }
    }

    fn note_version(&self, api: &mut Api, version: ApiVersion, now: Instant) {
        match api.known {
            None => self.say_connected(version),
            Some((before, _)) if before != version => {
                warn!("the chain was upgraded: emissions {before} → {version}; going on with it");
            }
            Some(_) => {}
        }
        api.known = Some((version, now));
        api.suspect = false;
    }

    fn say_connected(&self, version: ApiVersion) {
        let chain_id = self.lcd.chain_id().unwrap_or_else(|| "unknown".to_owned());
        info!(
            "connected: chain id {chain_id}, emissions {version}, height {}",
            self.height()
        );
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
