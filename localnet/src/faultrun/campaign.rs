//! A campaign: many runs, several at the same time.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::run::{self, Finished};

/// Largest number of runs at the same time.
pub(super) const JOBS_MAX: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Campaign<'a> {
    pub(super) worker: &'a Path,
    /// The runs have the numbers below this.
    pub(super) runs: u64,
    /// No run begins later than this after the start.
    pub(super) begin_until: Duration,
    /// Number of runs at the same time.
    pub(super) jobs: usize,
    /// Whether the folders of successful runs are kept as well.
    pub(super) keep: bool,
}

/// The result of one run; `None` if it was interrupted.
pub(super) type Outcome = io::Result<Option<Finished>>;

impl Campaign<'_> {
    /// Runs everything. `plan` gives the plan of a run's number, `report` receives the result of
    /// each run. Once `wanted` is false, no run begins and all runs end.
    pub(super) fn run(
        &self,
        plan: &(dyn Fn(u64) -> Plan + Sync),
        wanted: &AtomicBool,
        mut report: impl FnMut(u64, Outcome),
    ) {
        let (began, next) = (Instant::now(), AtomicU64::new(0));
        let (tell, results) = sync_channel(JOBS_MAX);
        let job = |tell: SyncSender<(u64, Outcome)>| {
            while wanted.load(Ordering::Relaxed) && began.elapsed() <= self.begin_until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.runs {
                    return;
                }
                let outcome = run::run(plan(number), self.worker, wanted, self.keep);
                if tell.send((number, outcome)).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, JOBS_MAX) {
                let tell = tell.clone();
                scope.spawn(|| job(tell));
            }
            drop(tell);
            for (number, outcome) in results {
                report(number, outcome);
            }
        });
    }
}
