//! A scene: a chain and a worker that runs on it and is observed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::plan::Contestant;
use crate::chain::message::Api;
use crate::chain::report::Report;
use crate::play::handle::Localnet;
use crate::play::options::{FUNDS_UALLO, Options};
use crate::play::trace::{Exchange, Trace};
use crate::worker::{self, CONFIG, LOG, Process};

/// The environment variable that names the trusted certificate authorities.
const TRUST: &str = "SSL_CERT_FILE";
/// File name of the trusted authority in a worker's folder.
const TRUSTED: &str = "authority.pem";
/// Time between two looks at the process.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest time for a worker to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(8);
/// How many times the expected time a chain may take to reach a height.
const PATIENCE: u32 = 2;

/// What the scenes of one contestant share.
pub(super) struct Stage<'a> {
    pub(super) contestant: &'a Contestant,
    /// A new wallet, worth nothing on any other chain.
    pub(super) wallet: &'a Wallet,
    /// The version of the emissions interface of all its chains.
    pub(super) api: Api,
    /// False once the user has asked for an end.
    pub(super) wanted: &'a AtomicBool,
}

impl Stage<'_> {
    /// A scene's chain, with the requests kept and the wallet funded.
    fn chain(&self, options: Options) -> Options {
        let options = Options {
            trace: true,
            api: self.api,
            ..options
        };
        options.with_account(&self.wallet.address, FUNDS_UALLO)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Wallet {
    seed_phrase: String,
    pub(super) address: String,
}

impl Wallet {
    /// Creates a wallet. The worker reports its address.
    pub(super) fn new(worker: &Path) -> io::Result<Wallet> {
        let seed_phrase = worker::new_seed_phrase()?;
        let folder = tempfile::tempdir()?;
        // No request is sent to this URL; it only has to be valid.
        let nowhere = "http://127.0.0.1:1";
        let models = [(1, nowhere.to_owned())];
        write_config(folder.path(), &seed_phrase, nowhere, &models, "1")?;
        let address = worker::ask_address(worker, folder.path())?;
        Ok(Wallet {
            seed_phrase,
            address,
        })
    }
}

pub(super) struct Scene<'a> {
    pub(super) localnet: Localnet,
    pub(super) process: Process,
    /// When the process was started, since the start of the simulation.
    pub(super) started: Duration,
    folder: TempDir,
    block_time: Duration,
    wanted: &'a AtomicBool,
    threads: Vec<String>,
}

/// What remains of a scene.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) report: Report,
    pub(super) trace: Trace,
    /// When each block was made, since the start of the simulation.
    pub(super) moments: BTreeMap<u64, Duration>,
    pub(super) peak_bytes: Option<u64>,
    /// The names of the threads, when their number was largest.
    pub(super) threads: Vec<String>,
}

impl<'a> Scene<'a> {
    /// Starts the chain, funds the wallet, registers it with every topic and starts the worker.
    /// `freq` is its `nonce_fetch_freq`, in seconds.
    pub(super) fn start(stage: &Stage<'a>, options: Options, freq: &str) -> io::Result<Scene<'a>> {
        let topics: Vec<u64> = options.topics.iter().map(|topic| topic.id).collect();
        let block_time = options.block_time.unwrap_or_default();
        let options = stage.chain(options);
        let folder = tempfile::Builder::new().prefix("allora-bench-").tempdir()?;
        let localnet = Localnet::start(&options)?;
        // why: a peer may not read a number in quotes, and would be measured without its topics
        localnet.plain_model();
        for topic in &topics {
            localnet.register(*topic, &stage.wallet.address);
        }
        let models: Vec<(u64, String)> = topics
            .iter()
            .map(|topic| (*topic, localnet.model_url(*topic)))
            .collect();
        let phrase = &stage.wallet.seed_phrase;
        write_config(folder.path(), phrase, &localnet.url(), &models, freq)?;
        let mut command = worker::command(&stage.contestant.program, folder.path());
        command
            .args(
                stage
                    .contestant
                    .arguments(&folder.path().join(CONFIG), folder.path()),
            )
            .env_remove(TRUST);
        if let Some(pem) = localnet.authority_pem() {
            let path = folder.path().join(TRUSTED);
            std::fs::write(&path, pem)?;
            command.env(TRUST, path);
        }
        let started = localnet.elapsed();
        let process = Process::spawn_logged(&mut command, folder.path())?;
        Ok(Scene {
            localnet,
            process,
            started,
            folder,
            block_time,
            wanted: stage.wanted,
            threads: Vec::new(),
        })
    }

    /// Runs until the chain has reached a height.
    pub(super) fn run_until_height(&mut self, height: u64) -> io::Result<()> {
        let blocks = height.saturating_sub(self.localnet.height());
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let until = Instant::now() + self.block_time.saturating_mul(blocks) * PATIENCE;
        while self.localnet.height() < height {
            if Instant::now() > until {
                let text = format!("the chain did not reach height {height} in time");
                return Err(io::Error::other(text));
            }
            self.look_after(LOOK_EVERY)?;
        }
        Ok(())
    }

    /// Runs until `moment` after the start of the simulation.
    pub(super) fn run_until(&mut self, moment: Duration) -> io::Result<()> {
        while let Some(left) = moment.checked_sub(self.localnet.elapsed()) {
            if left.is_zero() {
                break;
            }
            self.look_after(left.min(LOOK_EVERY))?;
        }
        Ok(())
    }

    /// Waits, then checks that the worker runs.
    fn look_after(&mut self, time: Duration) -> io::Result<()> {
        let wanted = || self.wanted.load(Ordering::Relaxed);
        self.localnet
            .pass_until(self.localnet.elapsed() + time, wanted);
        if !wanted() {
            return Err(io::Error::other("interrupted"));
        }
        if let Some(status) = self.process.ended()? {
            let text = format!("the worker stopped by itself ({status})");
            return Err(io::Error::other(self.with_log(text)));
        }
        let threads = self.process.threads();
        if threads.len() > self.threads.len() {
            self.threads = threads;
        }
        Ok(())
    }

    /// Stops the worker and returns the observations.
    pub(super) fn finish(mut self) -> io::Result<Seen> {
        let seen = Seen {
            report: self.localnet.report(),
            trace: self.localnet.trace(),
            moments: self.localnet.moments().into_iter().collect(),
            peak_bytes: self.process.memory().map(|memory| memory.peak_kib * 1024),
            threads: std::mem::take(&mut self.threads),
        };
        self.process.terminate();
        let until = Instant::now() + STOP_TIME_MAX;
        while self.process.ended()?.is_none() && Instant::now() < until {
            let soon = self.localnet.elapsed() + LOOK_EVERY / 10;
            self.localnet.pass_until(soon, || true);
        }
        // A worker that has not stopped is killed when the scene is dropped.
        Ok(seen)
    }

    fn with_log(&self, text: String) -> String {
        let log = std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(10)..].join("\n");
        format!("{text}; the end of its log:\n{tail}")
    }
}

impl Seen {
    /// When a block was made, since the start of the simulation.
    pub(super) fn moment(&self, height: u64) -> Option<Duration> {
        self.moments.get(&height).copied()
    }

    /// All windows with a nonce in this range: topic, nonce and the height of the payload's block,
    /// if it was included.
    pub(super) fn windows(&self, from: u64, to: u64) -> Vec<(u64, u64, Option<u64>)> {
        let mut windows = Vec::new();
        for topic in &self.report.topics {
            for window in &topic.windows {
                let height = window.payload.as_ref().map(|payload| payload.height);
                if (from..=to).contains(&window.nonce) {
                    windows.push((topic.topic, window.nonce, height));
                }
            }
        }
        windows
    }

    /// The first request to a topic's model, from a moment on.
    pub(super) fn model_request(&self, topic: u64, from: Duration) -> Option<&Exchange> {
        let path = format!("/topic/{topic}");
        let asked = |e: &&Exchange| e.at >= from && e.route == path;
        self.trace.model.iter().find(asked)
    }

    /// The first broadcast of a nonce's payload that CheckTx accepted.
    pub(super) fn accepted(&self, topic: u64, nonce: u64) -> Option<&Exchange> {
        self.trace.chain.iter().find(|exchange| {
            let sent = exchange.broadcast.as_ref();
            sent.is_some_and(|b| b.payload == Some((topic, nonce)) && b.is_accepted())
        })
    }

    /// Number of requests to the chain in a span of time.
    pub(super) fn requests_in(&self, from: Duration, to: Duration) -> u64 {
        let chain = self.trace.chain.iter();
        let count = chain.filter(|e| e.at >= from && e.at < to).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Number of transactions that were rejected for their sequence, in CheckTx or a simulation.
    pub(super) fn wrong_sequences(&self) -> u64 {
        let of = |counters: &BTreeMap<String, u64>| counters.get("sdk/32").copied().unwrap_or(0);
        of(&self.report.check_tx_refused) + of(&self.report.simulate_refused)
    }
}

/// Writes a configuration with the keys of the Python worker's.
fn write_config(
    folder: &Path,
    seed_phrase: &str,
    api_url: &str,
    models: &[(u64, String)],
    freq: &str,
) -> io::Result<()> {
    let freq: serde_json::Number = serde_json::from_str(freq)?;
    let topics: Vec<_> = models
        .iter()
        .map(|(topic, url)| {
            json!({"topic_id": topic, "inference_url": url, "nonce_fetch_freq": freq,
                   "inference_fetch_retries": 5, "inference_fetch_retry_freq": 3})
        })
        .collect();
    let config = json!({
        "debug": false, "seed_phrase": seed_phrase, "gas_adjustment": 1.5,
        "api_params": {"api_url": api_url, "tx_check_retries": 10, "tx_check_freq": 3},
        "topics": topics,
    });
    worker::write_config(folder, &config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_serves_the_version_that_is_asked_for() {
        let contestant = Contestant::peer("true {config}").unwrap();
        let wallet = Wallet {
            seed_phrase: String::new(),
            address: "allo102ksu3kx57w0mrhkg37kvymmk2lgxqcan6u7yn".to_owned(),
        };
        for api in [Api::V9, Api::V10] {
            let stage = Stage {
                contestant: &contestant,
                wallet: &wallet,
                api,
                wanted: &AtomicBool::new(true),
            };
            let options = stage.chain(Options::default());
            assert_eq!((options.api, options.trace), (api, true));
            assert_eq!(options.accounts, [(wallet.address.clone(), FUNDS_UALLO)]);
        }
    }
}
