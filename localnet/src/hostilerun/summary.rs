//! The printed results: a line per run, the table of lies, the last line.

use std::collections::BTreeMap;
use std::fmt;

use super::run::Finished;
use crate::play::lies::Lie;

/// Required number of answers with every lie in a whole campaign. How often a route is asked depends
/// on how the threads interleave; some, such as the balance, are asked rarely.
const LIE_MIN: u64 = 1;

/// The sum of all runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) runs: u64,
    failed: u64,
    windows: usize,
    served: usize,
    asked: usize,
    served_of_asked: usize,
    spent: u64,
    peak_kib_max: u64,
    log_bytes_max: u64,
    lies: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn add(&mut self, done: &Finished) {
        let verdict = &done.verdict;
        self.runs += 1;
        self.failed += u64::from(!verdict.failures.is_empty());
        self.windows += verdict.windows;
        self.served += verdict.served;
        self.asked += verdict.asked;
        self.served_of_asked += verdict.served_of_asked;
        self.spent += u64::from(verdict.spent);
        self.peak_kib_max = self.peak_kib_max.max(done.peak_kib);
        self.log_bytes_max = self.log_bytes_max.max(done.log_bytes);
        for (name, count) in &done.report.faults {
            *self.lies.entry(name.clone()).or_insert(0) += count;
        }
    }

    /// Adds a run that could not be made.
    pub(super) fn add_broken(&mut self) {
        self.runs += 1;
        self.failed += 1;
    }

    /// Whether every run succeeded.
    pub(super) fn has_succeeded(&self) -> bool {
        self.failed == 0 && self.runs > 0
    }

    /// The lies that were told too rarely in a whole campaign.
    pub(super) fn lacks(&self) -> Vec<String> {
        let told = |name: &str| self.lies.get(name).copied().unwrap_or(0);
        let few = Lie::names().filter(|name| told(name) < LIE_MIN);
        few.map(|name| format!("{name}: {}, required: {LIE_MIN}", told(name)))
            .collect()
    }

    pub(super) fn last_line(&self) -> String {
        let lies: u64 = self.lies.values().sum();
        format!(
            "hostile: runs={} lies={lies} windows={} asked={} served_of_asked={} failed={}",
            self.runs, self.windows, self.asked, self.served_of_asked, self.failed
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.lies {
            writeln!(f, "  {name:28} {count:>7}")?;
        }
        writeln!(
            f,
            "windows {}, served {}, asked for {}, of these served {}; runs that reached the limit \
             of a day: {}; at most {} KiB of memory, {} bytes of log; runs that failed: {}",
            self.windows,
            self.served,
            self.asked,
            self.served_of_asked,
            self.spent,
            self.peak_kib_max,
            self.log_bytes_max,
            self.failed
        )
    }
}

/// A run in one line.
pub(super) fn line(number: u64, done: &Finished) -> String {
    let verdict = &done.verdict;
    let lies: u64 = done.report.faults.values().sum();
    let end = match verdict.failures.len() {
        0 => "ok".to_owned(),
        failures => format!("FAILED, {failures} reasons"),
    };
    format!(
        "run {number}, seed {}: {}: {lies} lies, windows {}, served {}, asked for {}, of these \
         served {}; {} uallo signed{}, {} KiB, {} bytes of log: {end}",
        done.plan.seed,
        done.plan.describe(),
        verdict.windows,
        verdict.served,
        verdict.asked,
        verdict.served_of_asked,
        verdict.cost_uallo,
        if verdict.spent {
            ", no more allowed"
        } else {
            ""
        },
        done.peak_kib,
        done.log_bytes,
    )
}

/// A run's failures, with the log that explains them.
pub(super) fn failures(done: &Finished) -> String {
    let mut text = String::new();
    for failure in &done.verdict.failures {
        text.push_str(&format!("  FAILED: {failure}\n"));
    }
    text.push_str("  the worker's log ends with:\n");
    for line in done.log.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    if let Some(folder) = &done.folder {
        text.push_str(&format!("  its files are in {}\n", folder.display()));
    }
    let seed = done.plan.seed;
    text + &format!("  repeat with: make hostile SEED={seed} RUNS=1\n")
}
