//! One run: plays a plan on a chain with a worker and passes the evidence to the judge.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::judge::{self, Evidence, Verdict};
use super::kind::UPGRADE;
use super::limits::{FREQ, MODEL_RETRIES, STOP_TIME_MAX};
use super::plan::Plan;
use super::stage::{self, Action};
use crate::chain::report::Report;
use crate::play::handle::Localnet;
use crate::worker::{self, LOG, Memory, Process};

/// A well-known seed phrase. Its wallet is worth nothing on any chain but a simulated one.
const SEED_PHRASE: &str = "test test test test test test test test test test test junk";
/// Number of lines of the worker's log that are printed after a failure.
const LOG_LINES: usize = 60;
/// Length of the end of the log in which these lines are looked for.
const LOG_BYTES: usize = 64 * 1024;
/// How long after the last fault an upgrade may still happen.
const UPGRADE_TIME_MAX: Duration = Duration::from_secs(20);
/// Age from which on a worker's memory is measured.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Longer than `STOP_TIME_MAX`, so that a worker that stops late is reported as such.
const STOP_TIME_SEEN: Duration = Duration::from_secs(12);

/// The result of a run.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) plan: Plan,
    pub(super) verdict: Verdict,
    pub(super) report: Report,
    pub(super) kills: usize,
    pub(super) memory: (Memory, Memory),
    /// The folder with its files, if they are kept.
    pub(super) folder: Option<PathBuf>,
    /// The end of the worker's log, after a failure.
    pub(super) log: String,
}

/// Plays a plan to its end. Returns `None` if `wanted` becomes false.
///
/// # Errors
/// When the run cannot be made, for lack of a folder, a port or a worker.
pub(super) fn run(
    plan: Plan,
    worker: &Path,
    wanted: &AtomicBool,
    keep: bool,
) -> io::Result<Option<Finished>> {
    let folder = tempfile::Builder::new()
        .prefix(&format!("allora-faults-{}-", plan.seed))
        .tempdir()?;
    let place = Place {
        worker: worker.to_owned(),
        folder: folder.path().to_owned(),
    };
    // Asking for the address opens no connection; the configuration only has to be valid.
    let nowhere = ["http://127.0.0.1:1".to_owned()];
    write_config(folder.path(), &nowhere, &nowhere)?;
    let address = worker::ask_address(worker, folder.path())?;
    let mut run = Run::start(plan, place, address, wanted)?;
    run.play_faults()?;
    run.be_quiet()?;
    if !wanted.load(Ordering::Relaxed) {
        return Ok(None);
    }
    run.finish(folder, keep).map(Some)
}

struct Run<'a> {
    plan: Plan,
    place: Place,
    address: String,
    localnet: Localnet,
    process: Process,
    started: Duration,
    kills: Vec<(Duration, Duration)>,
    quiet_from: Duration,
    quiet_height: u64,
    memory: (Memory, Memory),
    wanted: &'a AtomicBool,
}

impl<'a> Run<'a> {
    fn start(
        plan: Plan,
        place: Place,
        address: String,
        wanted: &'a AtomicBool,
    ) -> io::Result<Run<'a>> {
        let mut localnet = Localnet::start(&stage::options(&plan, &address))?;
        if let Some(upgrade) = plan.upgrade {
            localnet.upgrade_at(upgrade)?;
        }
        if plan.registered {
            (1..=plan.topics).for_each(|topic| localnet.register(topic, &address));
        }
        place.write_config(&plan, &localnet, false)?;
        stage::add_rules(&plan, &localnet);
        let process = place.start()?;
        let started = localnet.elapsed();
        Ok(Run {
            plan,
            place,
            address,
            localnet,
            process,
            started,
            kills: Vec::new(),
            quiet_from: Duration::ZERO,
            quiet_height: 0,
            memory: (Memory::default(), Memory::default()),
            wanted,
        })
    }

    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn play_faults(&mut self) -> io::Result<()> {
        for (at, action) in stage::actions(&self.plan) {
            if !self.localnet.pass_until(at, || self.is_wanted()) {
                return Ok(());
            }
            match action {
                Action::Switch(span, on) => {
                    let span = &self.plan.spans[span];
                    stage::switch(&self.plan, span, &self.localnet, &self.address, on);
                }
                Action::Kill(after_broadcast) => {
                    if let Some(delay) = after_broadcast {
                        self.await_broadcast(delay);
                    }
                    self.kill()?;
                }
            }
        }
        let until = self.plan.faults_until;
        self.localnet.pass_until(until, || self.is_wanted());
        if self.plan.upgrade.is_some() {
            // Halts and slow blocks may have delayed it.
            let upgraded = |report: &Report| report.api == "v10";
            if self.localnet.wait_for(UPGRADE_TIME_MAX, upgraded) {
                self.localnet.note_fault(UPGRADE);
            }
        }
        Ok(())
    }

    /// Waits until `delay` after the next accepted transaction, or for an epoch if there is none.
    fn await_broadcast(&self, delay: Duration) {
        let before = self.localnet.report().check_tx_accepted;
        let epoch = u32::try_from(self.plan.geometry().epoch).unwrap_or(u32::MAX);
        let most = self.plan.geometry().block * epoch;
        self.localnet
            .wait_for(most, |report| report.check_tx_accepted > before);
        let until = self.localnet.elapsed() + delay;
        self.localnet.pass_until(until, || self.is_wanted());
    }

    /// Kills the worker and starts it again at once. Every third restart reverses its endpoints.
    fn kill(&mut self) -> io::Result<()> {
        let at = self.localnet.elapsed();
        self.process.kill()?;
        let turned = self.kills.len() % 3 == 1;
        self.place
            .write_config(&self.plan, &self.localnet, turned)?;
        self.process = self.place.start()?;
        self.kills.push((at, self.localnet.elapsed()));
        Ok(())
    }

    /// Waits until each topic has had a whole window without faults.
    fn be_quiet(&mut self) -> io::Result<()> {
        self.quiet_from = self.localnet.elapsed();
        self.quiet_height = self.localnet.height();
        // A worker that has just been started has not touched most of its memory yet.
        let born = self.kills.last().map_or(self.started, |(_, at)| *at);
        self.localnet
            .pass_until(born + SETTLED_AFTER, || self.is_wanted());
        self.memory.0 = self.process.memory().unwrap_or_default();
        let until = self.quiet_from + self.plan.geometry().quiet_max();
        while self.localnet.elapsed() < until && self.is_wanted() && !self.is_over() {
            let next = self.localnet.elapsed() + self.plan.geometry().block;
            self.localnet.pass_until(next, || self.is_wanted());
        }
        self.memory.1 = self.process.memory().unwrap_or_default();
        Ok(())
    }

    fn is_over(&self) -> bool {
        let report = self.localnet.report();
        (1..=self.plan.topics).all(|topic| {
            judge::first_quiet_window(&report, topic, self.quiet_height)
                .is_some_and(|window| window.closed)
        })
    }

    /// Stops the worker and has the run judged.
    fn finish(mut self, folder: TempDir, keep: bool) -> io::Result<Finished> {
        let threads = self.process.threads().into_iter().collect();
        let exit = self.stop()?;
        let evidence = Evidence {
            report: self.localnet.report(),
            moments: self.localnet.moments(),
            started: self.started,
            kills: self.kills.clone(),
            quiet_from: self.quiet_from,
            ended: self.localnet.elapsed(),
            threads,
            memory: self.memory,
            exit,
        };
        let verdict = judge::judge(&self.plan, &evidence);
        let (mut kept, mut log) = (None, String::new());
        if keep || !verdict.failures.is_empty() {
            log = tail(&folder.path().join(LOG));
            let report = serde_json::to_vec_pretty(&evidence.report)?;
            fs::write(folder.path().join("report.json"), report)?;
            let text = format!("{:#?}\n{:#?}\n", self.plan, evidence.faults(&self.plan));
            fs::write(folder.path().join("plan.txt"), text)?;
            let moments = format!("{:?}\n", evidence.moments);
            fs::write(folder.path().join("blocks.txt"), moments)?;
            kept = Some(folder.keep());
        }
        Ok(Finished {
            verdict,
            report: evidence.report,
            kills: self.kills.len(),
            memory: self.memory,
            folder: kept,
            log,
            plan: self.plan,
        })
    }

    /// Sends SIGTERM. Returns the exit code and the time until then, if the worker was running and
    /// has stopped.
    fn stop(&mut self) -> io::Result<Option<(i32, Duration)>> {
        if self.process.ended()?.is_some() {
            return Ok(None);
        }
        let from = self.localnet.elapsed();
        self.process.terminate();
        let ended = Cell::new(None);
        while self.localnet.elapsed() < from + STOP_TIME_SEEN {
            if let Some(status) = self.process.ended()? {
                ended.set(Some((
                    status.code().unwrap_or(-1),
                    self.localnet.elapsed() - from,
                )));
                break;
            }
            let next = self.localnet.elapsed() + STOP_TIME_MAX / 100;
            self.localnet.pass_until(next, || true);
        }
        Ok(ended.get())
    }
}

/// The worker's binary and its folder.
struct Place {
    worker: PathBuf,
    folder: PathBuf,
}

impl Place {
    fn start(&self) -> io::Result<Process> {
        let mut command = worker::command(&self.worker, &self.folder);
        Process::spawn_logged(command.arg("run"), &self.folder)
    }

    /// Writes the configuration for a plan's chain; `turned` reverses the order of the endpoints.
    fn write_config(&self, plan: &Plan, localnet: &Localnet, turned: bool) -> io::Result<()> {
        let mut urls: Vec<_> = (0..plan.nodes)
            .map(|node| localnet.node_url(node))
            .collect();
        if turned {
            urls.reverse();
        }
        let models: Vec<_> = (1..=plan.topics)
            .map(|topic| localnet.model_url(topic))
            .collect();
        write_config(&self.folder, &urls, &models)
    }
}

/// Writes a configuration with these endpoints and a topic for each model.
fn write_config(folder: &Path, api_urls: &[String], models: &[String]) -> io::Result<()> {
    let seconds = format!("{}.{:03}", FREQ.as_secs(), FREQ.subsec_millis());
    let seconds: serde_json::Number = serde_json::from_str(&seconds)?;
    let topics: Vec<_> = (1..)
        .zip(models)
        .map(|(id, url)| {
            json!({"topic_id": id, "inference_url": url, "nonce_fetch_freq": seconds,
                   "inference_fetch_retries": MODEL_RETRIES,
                   "inference_fetch_retry_freq": seconds})
        })
        .collect();
    let config = json!({
        "debug": true, "seed_phrase": SEED_PHRASE, "chain_id": "localnet",
        "api_params": {"api_url": api_urls, "tx_check_freq": seconds}, "topics": topics,
    });
    worker::write_config(folder, &config)
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let bytes = &bytes[bytes.len().saturating_sub(LOG_BYTES)..];
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
