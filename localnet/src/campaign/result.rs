//! The result of a run, and the sum of all runs, of every campaign.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::chain::report::Report;
use crate::worker::Memory;

/// The result of the judgement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) windows: usize,
    pub(crate) served: usize,
    /// The windows that had to be served.
    pub(crate) asked: usize,
    pub(crate) served_of_asked: usize,
    /// Whether the limit of a day was reached, after which nothing has to be served.
    pub(crate) spent: bool,
    /// What all transactions can cost at most, where lies are told.
    pub(crate) cost_uallo: u128,
    /// One line for each failure.
    pub(crate) failures: Vec<String>,
}

/// The result of a run with a plan.
#[derive(Debug)]
pub(crate) struct Finished<P> {
    pub(crate) plan: P,
    pub(crate) verdict: Verdict,
    pub(crate) report: Report,
    pub(crate) kills: usize,
    /// The worker's memory at the beginning and at the end of the phase without faults.
    pub(crate) memory: (Memory, Memory),
    pub(crate) log_bytes: u64,
    /// The folder with its files, if they are kept.
    pub(crate) folder: Option<PathBuf>,
    /// The end of the worker's log, after a failure.
    pub(crate) log: String,
}

impl<P> Finished<P> {
    /// The end of a run's line.
    pub(crate) fn end(&self) -> String {
        match self.verdict.failures.len() {
            0 => "ok".to_owned(),
            failures => format!("FAILED, {failures} reasons"),
        }
    }

    /// The failures, with what explains them: the log and, if it is short, the chain's report.
    pub(crate) fn failures(&self, with_report: bool) -> String {
        let mut text = String::new();
        for failure in &self.verdict.failures {
            text.push_str(&format!("  FAILED: {failure}\n"));
        }
        text.push_str("  the worker's log ends with:\n");
        for line in self.log.lines() {
            text.push_str(&format!("    {line}\n"));
        }
        if with_report {
            let report = serde_json::to_string(&self.report).unwrap_or_default();
            text.push_str(&format!("  report: {report}\n"));
        }
        if let Some(folder) = &self.folder {
            text.push_str(&format!("  its files are in {}\n", folder.display()));
        }
        text
    }
}

/// The sum of all runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) runs: u64,
    pub(crate) failed: u64,
    pub(crate) windows: usize,
    pub(crate) served: usize,
    pub(crate) asked: usize,
    pub(crate) served_of_asked: usize,
    pub(crate) memory_kib_max: u64,
    /// The faults or lies by name.
    pub(crate) faults: BTreeMap<String, u64>,
}

impl Sum {
    pub(crate) fn add<P>(&mut self, done: &Finished<P>) {
        let verdict = &done.verdict;
        self.runs += 1;
        self.failed += u64::from(!verdict.failures.is_empty());
        self.windows += verdict.windows;
        self.served += verdict.served;
        self.asked += verdict.asked;
        self.served_of_asked += verdict.served_of_asked;
        self.memory_kib_max = self.memory_kib_max.max(done.memory.1.peak_kib);
        add_counts(&mut self.faults, &done.report.faults);
    }

    /// Adds a run that could not be made.
    pub(crate) fn add_broken(&mut self) {
        self.runs += 1;
        self.failed += 1;
    }

    /// Whether every run succeeded.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.failed == 0 && self.runs > 0
    }

    /// How many faults or lies have this name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.faults.get(name).copied().unwrap_or(0)
    }
}

/// Adds counts by name to others.
pub(crate) fn add_counts(sum: &mut BTreeMap<String, u64>, of_run: &BTreeMap<String, u64>) {
    for (name, count) in of_run {
        *sum.entry(name.clone()).or_insert(0) += count;
    }
}
