//! The printed results: a line per run, the table of faults, the last line.

use std::collections::BTreeMap;
use std::fmt;

use super::kind::Kind;
use super::run::Finished;
use crate::api::routes::{BROADCAST, SIMULATE};

/// Required number of faults of every kind in a whole campaign.
const KIND_MIN: u64 = 30;
/// Required number of all faults.
const ALL_MIN: u64 = 5_000;
/// Required number of faults on simulation, broadcast and account.
const SENDING_MIN: u64 = 1_000;
/// The route of the account; all accounts are counted together.
const ACCOUNT: &str = "GET /cosmos/auth/v1beta1/account_info/{}";

/// The sum of all runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    runs: u64,
    failed: u64,
    kills: usize,
    windows: usize,
    served: usize,
    servable: usize,
    served_of_servable: usize,
    paid_twice: u64,
    requests_per_minute_max: u64,
    memory_kib_max: u64,
    faults: BTreeMap<String, u64>,
    by_route: BTreeMap<String, u64>,
    ante_failures: u64,
    fee_lost: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn add(&mut self, done: &Finished) {
        let (verdict, report) = (&done.verdict, &done.report);
        self.runs += 1;
        self.failed += u64::from(!verdict.failures.is_empty());
        self.kills += done.kills;
        self.windows += verdict.windows;
        self.served += verdict.served;
        self.servable += verdict.servable;
        self.served_of_servable += verdict.served_of_servable;
        self.paid_twice += report.paid_twice;
        let asked = report.requests_per_minute_max;
        self.requests_per_minute_max = self.requests_per_minute_max.max(asked);
        self.memory_kib_max = self.memory_kib_max.max(done.memory.1.peak_kib);
        self.ante_failures += report.ante_failures.values().sum::<u64>();
        let sums = [
            (&mut self.faults, &report.faults),
            (&mut self.by_route, &report.faults_by_route),
            (&mut self.fee_lost, &report.fee_lost),
        ];
        for (sum, of_run) in sums {
            for (name, count) in of_run {
                *sum.entry(name.clone()).or_insert(0) += count;
            }
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

    /// Number of kills.
    pub(super) fn kills(&self) -> usize {
        self.kills
    }

    /// Number of faults.
    fn injected(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Number of faults on the requests that a transaction needs.
    fn sending(&self) -> u64 {
        let of = |route: &str| self.by_route.get(route).copied().unwrap_or(0);
        of(BROADCAST) + of(SIMULATE) + of(ACCOUNT)
    }

    /// The required numbers that a whole campaign has not reached.
    pub(super) fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        let mut least = |what: &str, count: u64, min: u64| {
            if count < min {
                lacks.push(format!("{what}: {count}, required: {min}"));
            }
        };
        for kind in Kind::all() {
            let name = kind.name;
            least(name, self.faults.get(name).copied().unwrap_or(0), KIND_MIN);
        }
        least("all faults", self.injected(), ALL_MIN);
        least(
            "faults on simulate, broadcast and account",
            self.sending(),
            SENDING_MIN,
        );
        lacks
    }

    /// The last line; `name` is the subcommand.
    pub(super) fn last_line(&self, name: &str) -> String {
        let count = match name {
            "kills" => format!("kills={}", self.kills),
            _ => format!("injected={}", self.injected()),
        };
        format!(
            "{name}: runs={} {count} windows={} servable={} served_of_servable={} paid_twice={}",
            self.runs, self.windows, self.servable, self.served_of_servable, self.paid_twice
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.faults {
            writeln!(f, "  {name:28} {count:>7}")?;
        }
        let percent = self.servable * 100 / self.windows.max(1);
        writeln!(f, "  {:28} {:>7}", "all faults", self.injected())?;
        writeln!(
            f,
            "  {:28} {:>7}",
            "on simulate, broadcast, account",
            self.sending()
        )?;
        writeln!(
            f,
            "  {:28} {:>7}",
            "failed in the ante handler", self.ante_failures
        )?;
        for (code, count) in &self.fee_lost {
            writeln!(f, "  {:28} {count:>7}", format!("fee lost, {code}"))?;
        }
        writeln!(
            f,
            "windows {}, served {}, servable {} ({percent} %), of these served {}; at most {} \
             requests a minute, at most {} KiB of memory; runs that failed: {}",
            self.windows,
            self.served,
            self.servable,
            self.served_of_servable,
            self.requests_per_minute_max,
            self.memory_kib_max,
            self.failed
        )
    }
}

/// A run in one line.
pub(super) fn line(number: u64, done: &Finished) -> String {
    let (verdict, report) = (&done.verdict, &done.report);
    let faults: u64 = report.faults.values().sum();
    let what = match done.kills {
        0 => format!("{faults} faults"),
        kills => format!("{kills} kills"),
    };
    let percent = verdict.servable * 100 / verdict.windows.max(1);
    let end = match verdict.failures.len() {
        0 => "ok".to_owned(),
        failures => format!("FAILED, {failures} reasons"),
    };
    format!(
        "run {number}, seed {}: {}: {what}, windows {}, served {}, servable {} ({percent} %), of \
         these served {}; {} requests a minute, {} a second, {} then {} KiB: {end}",
        done.plan.seed,
        done.plan.describe(),
        verdict.windows,
        verdict.served,
        verdict.servable,
        verdict.served_of_servable,
        report.requests_per_minute_max,
        report.requests_per_second_max,
        done.memory.0.now_kib,
        done.memory.1.now_kib,
    )
}

/// A run's failures, with the log and the report that explain them.
pub(super) fn failures(done: &Finished) -> String {
    let mut text = String::new();
    for failure in &done.verdict.failures {
        text.push_str(&format!("  FAILED: {failure}\n"));
    }
    text.push_str("  the worker's log ends with:\n");
    for line in done.log.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    let report = serde_json::to_string(&done.report).unwrap_or_default();
    text.push_str(&format!("  report: {report}\n"));
    if let Some(folder) = &done.folder {
        text.push_str(&format!("  its files are in {}\n", folder.display()));
    }
    text
}
