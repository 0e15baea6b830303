//! What a scenario works with: a chain, models, wallets with their workers, and the windows that
//! must be served.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::models::Models;
use super::others;
use super::rest::{Rest, number};
use super::test_chain::{CHAIN_ID, TestChain, WINDOW_BLOCKS};
use crate::signer::Wallet;
use crate::worker::{self, LOG, Process};

/// Time between two looks at the chain or a log. Several per block.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Longest wait for anything, at quick blocks and in blocks: several epochs with a node that restarts.
const TIME_MAX: Duration = Duration::from_secs(180);
const BLOCKS_MAX: u32 = 120;
/// Longest time for a worker to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(8);
/// How often a worker's topics ask, in seconds.
const FREQ_S: u64 = 1;

/// Ends a scenario early: what did not happen.
pub(super) type Failed = String;

/// A wallet, the folder of its worker, and the worker while it runs.
pub(super) struct Hand {
    pub(super) address: String,
    folder: PathBuf,
    seed_phrase: String,
    process: Option<Process>,
}

impl Hand {
    /// A new wallet. The worker reports its address.
    pub(super) fn new(worker: &Path, folder: PathBuf) -> io::Result<Hand> {
        Hand::of_phrase(worker, folder, worker::new_seed_phrase()?)
    }

    fn of_phrase(worker: &Path, folder: PathBuf, seed_phrase: String) -> io::Result<Hand> {
        fs::create_dir_all(&folder)?;
        // Asking for the address opens no connection; the configuration only has to be valid.
        let nowhere = "http://127.0.0.1:1";
        let topics = [json!({"topic_id": 1, "inference_url": nowhere})];
        let settings = json!({"api_params": {"api_url": nowhere}});
        write_config(&folder, &seed_phrase, &topics, settings)?;
        let address = worker::ask_address(worker, &folder)?;
        Ok(Hand {
            address,
            folder,
            seed_phrase,
            process: None,
        })
    }

    /// Everything that its workers have logged so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join(LOG)).unwrap_or_default()
    }
}

/// A scenario while it is played.
pub(super) struct Scene<'a> {
    pub(super) chain: &'a dyn TestChain,
    pub(super) models: &'a Models,
    /// Its topics' ids, in the order of its specification.
    pub(super) topics: Vec<u64>,
    pub(super) hands: Vec<Hand>,
    /// How many windows an ordinary scenario waits for.
    pub(super) windows: usize,
    /// The windows that must be served: wallet, topic and nonce.
    pub(super) expected: BTreeSet<(usize, u64, u64)>,
    pub(super) rest: Rest,
    pub(super) worker: &'a Path,
    pub(super) wanted: &'a AtomicBool,
    /// Time between blocks.
    pub(super) block_time: Duration,
}

impl Scene<'_> {
    /// The first topic's id.
    pub(super) fn topic(&self) -> u64 {
        self.topics[0]
    }

    /// A topic of the configuration, with the sample model's number.
    pub(super) fn plain(&self, topic: u64) -> Value {
        json!({"topic_id": topic, "inference_url": self.models.url(&format!("topic/{topic}"))})
    }

    /// Starts a wallet's worker on the chain's own endpoint.
    pub(super) fn start(&mut self, hand: usize, topics: &[Value]) -> Result<(), Failed> {
        self.start_at(hand, topics, &[self.chain.url()])
    }

    /// Starts a wallet's worker on these endpoints.
    pub(super) fn start_at(
        &mut self,
        hand: usize,
        topics: &[Value],
        endpoints: &[String],
    ) -> Result<(), Failed> {
        self.start_with(hand, topics, json!({"api_params": {"api_url": endpoints}}))
    }

    /// Starts a wallet's worker with further settings.
    pub(super) fn start_with(
        &mut self,
        hand: usize,
        topics: &[Value],
        mut settings: Value,
    ) -> Result<(), Failed> {
        if settings.get("api_params").is_none() {
            settings["api_params"] = json!({"api_url": self.chain.url()});
        }
        let of = &mut self.hands[hand];
        write_config(&of.folder, &of.seed_phrase, topics, settings).map_err(text)?;
        let mut command = worker::command(self.worker, &of.folder);
        let process = Process::spawn_logged(command.arg("run"), &of.folder);
        of.process = Some(process.map_err(text)?);
        Ok(())
    }

    /// From now on this wallet pays for the transactions of another one: its worker has the other
    /// one's key. Gives the name of the file with its own seed phrase.
    pub(super) fn pays_for(&mut self, hand: usize, worker: usize) -> Result<&'static str, Failed> {
        const FILE: &str = "fee_seed_phrase";
        let worker = self.hands[worker].seed_phrase.clone();
        let of = &mut self.hands[hand];
        let own = std::mem::replace(&mut of.seed_phrase, worker);
        worker::write_private(&of.folder.join(FILE), &own).map_err(text)?;
        Ok(FILE)
    }

    /// Adds a second folder with the same key as another wallet's.
    pub(super) fn share_key(&mut self, of: usize) -> Result<usize, Failed> {
        let folder = self.hands[of].folder.with_extension("shared");
        let phrase = self.hands[of].seed_phrase.clone();
        let hand = Hand::of_phrase(self.worker, folder, phrase).map_err(text)?;
        self.hands.push(hand);
        Ok(self.hands.len() - 1)
    }

    /// Sends a transfer with a wallet's key, as another program does that has it, and returns once a
    /// node has accepted it. While the worker's own transaction is on its way, it is refused.
    pub(super) fn send_outside(&self, hand: usize) -> Result<String, Failed> {
        let wallet = Wallet::of_phrase(&self.hands[hand].seed_phrase).map_err(text)?;
        let to = self.chain.granter();
        self.wait("transfer from outside", |scene| {
            let terms = others::next_terms(&scene.rest, scene.chain, &wallet.address).ok()?;
            let raw = wallet.send(&to, 1, &terms);
            let (code, hash) = others::broadcast(&scene.rest, scene.chain, &raw).ok()?;
            (code == 0).then_some(hash)
        })
    }

    /// Waits until a transaction is in a block.
    pub(super) fn wait_for_tx(&self, hash: &str) -> Result<(), Failed> {
        let url = format!("{}/cosmos/tx/v1beta1/txs/{hash}", self.chain.url());
        self.wait("block with the transaction", |scene| {
            scene.rest.get(&url).ok().map(|_| ())
        })
    }

    /// Kills a wallet's worker, as a power cut does.
    pub(super) fn kill(&mut self, hand: usize) -> Result<(), Failed> {
        match self.hands[hand].process.take() {
            Some(mut process) => process.kill().map_err(text),
            None => Ok(()),
        }
    }

    /// Stops all workers with SIGTERM. A worker that does not end with exit code 0 is a failure.
    pub(super) fn stop(&mut self) -> Result<(), Failed> {
        let mut failures = Vec::new();
        for (index, hand) in self.hands.iter_mut().enumerate() {
            let Some(mut process) = hand.process.take() else {
                continue;
            };
            if let Some(status) = process.ended().map_err(text)? {
                failures.push(format!("worker {index} stopped by itself ({status})"));
                continue;
            }
            process.terminate();
            let until = Instant::now() + STOP_TIME_MAX;
            let status = loop {
                match process.ended().map_err(text)? {
                    None if Instant::now() < until => thread::sleep(LOOK_EVERY),
                    status => break status,
                }
            };
            match status {
                Some(status) if status.success() => {}
                Some(status) => failures.push(format!("worker {index} after SIGTERM: {status}")),
                None => failures.push(format!("worker {index} did not stop after SIGTERM")),
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("; "))
        }
    }

    /// Runs `check` with a wallet's configuration. It must answer, and without an error if
    /// everything `is_healthy`.
    pub(super) fn check(&self, hand: usize, is_healthy: bool) -> Result<(), Failed> {
        let folder = &self.hands[hand].folder;
        let path = folder.join("check.json");
        let output = File::create(&path).map_err(text)?;
        let mut command = worker::command(self.worker, folder);
        command.args(["check", "--json"]).stdout(output);
        let mut process = Process::spawn(&mut command).map_err(text)?;
        let status = self.wait("end of check", |_| process.ended().ok().flatten())?;
        let answer = fs::read_to_string(&path).map_err(text)?;
        let findings: Value = serde_json::from_str(&answer)
            .map_err(|error| format!("check ended with {status}: {error}: {answer}"))?;
        if status.success() || (!is_healthy && status.code() == Some(1)) {
            return Ok(());
        }
        let list = findings["findings"].as_array().cloned();
        let mut list = list.unwrap_or_default();
        list.retain(|finding| finding["level"] == "fail");
        Err(format!("check ended with {status}: {}", Value::from(list)))
    }

    /// Waits until `look` gives something.
    pub(super) fn wait<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, Failed> {
        let time_max = TIME_MAX.max(self.block_time * BLOCKS_MAX);
        let until = Instant::now() + time_max;
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if !self.wanted.load(Ordering::Relaxed) {
                return Err("interrupted".to_owned());
            }
            if Instant::now() >= until {
                return Err(format!("no {what} within {} s", time_max.as_secs()));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until a worker's log has a line with this text.
    pub(super) fn wait_for_line(&self, hand: usize, part: &str) -> Result<(), Failed> {
        let what = format!("line with {part:?} in the log of worker {hand}");
        self.wait(&what, |scene| {
            scene.hands[hand].log().contains(part).then_some(())
        })
    }

    /// The height of the chain's last block, if it answers.
    pub(super) fn height(&self) -> Option<u64> {
        self.rest.height(&self.chain.url()).ok()
    }

    /// The nonce that is open for a topic, if the chain answers, and the height of the answer.
    fn open_nonce(&self, topic: u64) -> Option<(Option<u64>, u64)> {
        let (url, api) = (self.chain.url(), self.chain.api().name());
        let path = format!("emissions/{api}/open_worker_submission_windows/{topic}");
        let (answer, height) = self.rest.get(&format!("{url}/{path}")).ok()?;
        let nonce = answer["nonces"]["nonces"].as_array()?.first();
        let nonce = nonce.and_then(|nonce| number(&nonce["block_height"]).ok());
        Some((nonce, height?))
    }

    /// Waits for a topic's next window that opens from now on; returns its nonce.
    pub(super) fn next_window(&self, topic: u64) -> Result<u64, Failed> {
        let known = self.wait("answer", |scene| scene.open_nonce(topic))?.0;
        self.wait(&format!("new window of topic {topic}"), |scene| {
            scene
                .open_nonce(topic)?
                .0
                .filter(|nonce| Some(*nonce) != known)
        })
    }

    /// Expects the next windows of these topics to be served by one wallet, and waits until so
    /// many of each are closed.
    pub(super) fn serve(
        &mut self,
        hand: usize,
        topics: &[u64],
        windows: usize,
    ) -> Result<(), Failed> {
        let mut known = BTreeMap::new();
        for topic in topics {
            let open = self.wait("answer", |scene| scene.open_nonce(*topic))?.0;
            known.insert(*topic, open);
        }
        let mut seen: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        self.wait(
            &format!("{windows} windows of topics {topics:?}"),
            |scene| {
                let mut done = true;
                for topic in topics {
                    let of = seen.entry(*topic).or_default();
                    let (open, height) = scene.open_nonce(*topic)?;
                    let new = open.filter(|nonce| Some(*nonce) != known[topic]);
                    if let Some(nonce) = new.filter(|_| of.len() < windows) {
                        of.insert(nonce);
                    }
                    let closed = of.iter().filter(|nonce| **nonce + WINDOW_BLOCKS <= height);
                    done &= closed.count() == windows;
                }
                done.then_some(())
            },
        )?;
        for (topic, nonces) in seen {
            self.expect(hand, topic, nonces);
        }
        Ok(())
    }

    /// Expects a wallet to serve these windows.
    pub(super) fn expect(
        &mut self,
        hand: usize,
        topic: u64,
        nonces: impl IntoIterator<Item = u64>,
    ) {
        self.expected
            .extend(nonces.into_iter().map(|nonce| (hand, topic, nonce)));
    }

    /// Waits until a window is over.
    pub(super) fn wait_for_end(&self, nonce: u64) -> Result<(), Failed> {
        let end = nonce + WINDOW_BLOCKS;
        self.wait(&format!("block {end}"), |scene| {
            scene.height().filter(|height| *height >= end).map(|_| ())
        })
    }
}

/// The text of an error.
pub(super) fn text(error: io::Error) -> Failed {
    error.to_string()
}

fn write_config(
    folder: &Path,
    seed_phrase: &str,
    topics: &[Value],
    mut config: Value,
) -> io::Result<()> {
    let topics: Vec<Value> = topics
        .iter()
        .map(|topic| {
            let mut topic = topic.clone();
            topic["nonce_fetch_freq"] = FREQ_S.into();
            topic["inference_fetch_retry_freq"] = FREQ_S.into();
            topic
        })
        .collect();
    config["seed_phrase"] = seed_phrase.into();
    config["chain_id"] = CHAIN_ID.into();
    config["topics"] = topics.into();
    worker::write_config(folder, &config)
}
