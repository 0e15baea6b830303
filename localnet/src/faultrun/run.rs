//! One run: plays a plan on a chain with a worker and passes the evidence to the judge.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::judge::{self, Evidence};
use super::kind::UPGRADE;
use super::plan::Plan;
use super::stage::{self, Action};
use crate::campaign::place::{self, Place};
use crate::campaign::result::Finished;
use crate::chain::report::Report;
use crate::play::handle::Localnet;
use crate::worker::{Memory, Process};

/// How long after the last fault an upgrade may still happen.
const UPGRADE_TIME_MAX: Duration = Duration::from_secs(20);
/// Age from which on a worker's memory is measured.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Plays a plan to its end. Returns `None` if `wanted` becomes false.
///
/// # Errors
/// When the run cannot be made, for lack of a folder, a port or a worker.
pub(super) fn run(
    plan: Plan,
    worker: &Path,
    wanted: &AtomicBool,
    keep: bool,
) -> io::Result<Option<Finished<Plan>>> {
    let place = Place::new(worker, &format!("allora-faults-{}-", plan.seed))?;
    let mut run = Run::start(plan, place, wanted)?;
    run.play_faults()?;
    run.be_quiet()?;
    if !wanted.load(Ordering::Relaxed) {
        return Ok(None);
    }
    run.finish(keep).map(Some)
}

struct Run<'a> {
    plan: Plan,
    place: Place,
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
    fn start(plan: Plan, place: Place, wanted: &'a AtomicBool) -> io::Result<Run<'a>> {
        let mut localnet = Localnet::start(&stage::options(&plan, &place.address))?;
        if let Some(upgrade) = plan.upgrade {
            localnet.upgrade_at(upgrade)?;
        }
        if plan.registered {
            (1..=plan.topics).for_each(|topic| localnet.register(topic, &place.address));
        }
        write_config(&place, &plan, &localnet, false)?;
        stage::add_rules(&plan, &localnet);
        let process = place.start()?;
        let started = localnet.elapsed();
        Ok(Run {
            plan,
            place,
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
                    stage::switch(&self.plan, span, &self.localnet, &self.place.address, on);
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
        self.write_config(turned)?;
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
    fn finish(mut self, keep: bool) -> io::Result<Finished<Plan>> {
        let threads = self.process.threads().into_iter().collect();
        let exit = place::stop(&mut self.process, &self.localnet)?;
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
        let (text, log_bytes) = self.place.log();
        let (mut kept, mut log) = (None, String::new());
        if keep || !verdict.failures.is_empty() {
            log = place::tail(&text);
            let report = serde_json::to_vec_pretty(&evidence.report)?;
            self.place.add("report.json", report)?;
            let text = format!("{:#?}\n{:#?}\n", self.plan, evidence.faults(&self.plan));
            self.place.add("plan.txt", text)?;
            let moments = format!("{:?}\n", evidence.moments);
            self.place.add("blocks.txt", moments)?;
            kept = Some(self.place.keep());
        }
        Ok(Finished {
            verdict,
            report: evidence.report,
            kills: self.kills.len(),
            memory: self.memory,
            log_bytes,
            folder: kept,
            log,
            plan: self.plan,
        })
    }

    /// Writes the configuration for the plan's chain; `turned` reverses the order of the endpoints.
    fn write_config(&self, turned: bool) -> io::Result<()> {
        write_config(&self.place, &self.plan, &self.localnet, turned)
    }
}

fn write_config(place: &Place, plan: &Plan, localnet: &Localnet, turned: bool) -> io::Result<()> {
    let mut urls: Vec<_> = (0..plan.nodes)
        .map(|node| localnet.node_url(node))
        .collect();
    if turned {
        urls.reverse();
    }
    let models: Vec<_> = (1..=plan.topics)
        .map(|topic| localnet.model_url(topic))
        .collect();
    place.write_config(&place::config(&urls, &models)?)
}
