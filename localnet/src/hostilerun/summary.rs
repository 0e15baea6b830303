//! The printed results: a line per run, the table of lies, the last line.

use std::fmt;

use super::plan::Plan;
use crate::campaign::result::{Finished, Sum};
use crate::play::lies::Lie;

/// Required number of answers with every lie in a whole campaign. How often a route is asked depends
/// on how the threads interleave; some, such as the balance, are asked rarely.
const LIE_MIN: u64 = 1;

/// The sum of all runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) sum: Sum,
    spent: u64,
    log_bytes_max: u64,
}

impl Summary {
    pub(super) fn add(&mut self, done: &Finished<Plan>) {
        self.sum.add(done);
        self.spent += u64::from(done.verdict.spent);
        self.log_bytes_max = self.log_bytes_max.max(done.log_bytes);
    }

    /// The lies that were told too rarely in a whole campaign.
    pub(super) fn lacks(&self) -> Vec<String> {
        let few = Lie::names().filter(|name| self.sum.count(name) < LIE_MIN);
        few.map(|name| format!("{name}: {}, required: {LIE_MIN}", self.sum.count(name)))
            .collect()
    }

    pub(super) fn last_line(&self) -> String {
        let sum = &self.sum;
        let lies: u64 = sum.faults.values().sum();
        format!(
            "hostile: runs={} lies={lies} windows={} asked={} served_of_asked={} failed={}",
            sum.runs, sum.windows, sum.asked, sum.served_of_asked, sum.failed
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.sum.faults {
            writeln!(f, "  {name:28} {count:>7}")?;
        }
        writeln!(
            f,
            "windows {}, served {}, asked for {}, of these served {}; runs that reached the limit \
             of a day: {}; at most {} KiB of memory, {} bytes of log; runs that failed: {}",
            self.sum.windows,
            self.sum.served,
            self.sum.asked,
            self.sum.served_of_asked,
            self.spent,
            self.sum.memory_kib_max,
            self.log_bytes_max,
            self.sum.failed
        )
    }
}

/// A run in one line.
pub(super) fn line(number: u64, done: &Finished<Plan>) -> String {
    let verdict = &done.verdict;
    let lies: u64 = done.report.faults.values().sum();
    format!(
        "run {number}, seed {}: {}: {lies} lies, windows {}, served {}, asked for {}, of these \
         served {}; {} uallo signed{}, {} KiB, {} bytes of log: {}",
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
        done.memory.1.peak_kib,
        done.log_bytes,
        done.end(),
    )
}

/// A run's failures, with the log that explains them.
pub(super) fn failures(done: &Finished<Plan>) -> String {
    let (text, seed) = (done.failures(false), done.plan.seed);
    text + &format!("  repeat with: make hostile SEED={seed} RUNS=1\n")
}
