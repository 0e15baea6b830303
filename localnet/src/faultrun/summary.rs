//! The printed results: a line per run, the table of faults, the last line.

use std::collections::BTreeMap;
use std::fmt;

use super::kind::Kind;
use super::plan::Plan;
use crate::api::routes::{BROADCAST, SIMULATE};
use crate::campaign::result::{Finished, Sum, add_counts};

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
    pub(super) sum: Sum,
    kills: usize,
    paid_twice: u64,
    requests_per_minute_max: u64,
    by_route: BTreeMap<String, u64>,
    ante_failures: u64,
    fee_lost: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn add(&mut self, done: &Finished<Plan>) {
        let report = &done.report;
        self.sum.add(done);
        self.kills += done.kills;
        self.paid_twice += report.paid_twice;
        let asked = report.requests_per_minute_max;
        self.requests_per_minute_max = self.requests_per_minute_max.max(asked);
        self.ante_failures += report.ante_failures.values().sum::<u64>();
        add_counts(&mut self.by_route, &report.faults_by_route);
        add_counts(&mut self.fee_lost, &report.fee_lost);
    }

    /// Number of kills.
    pub(super) fn kills(&self) -> usize {
        self.kills
    }

    /// Number of faults.
    fn injected(&self) -> u64 {
        self.sum.faults.values().sum()
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
            least(name, self.sum.count(name), KIND_MIN);
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
        let sum = &self.sum;
        format!(
            "{name}: runs={} {count} windows={} servable={} served_of_servable={} paid_twice={}",
            sum.runs, sum.windows, sum.asked, sum.served_of_asked, self.paid_twice
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.sum.faults {
            writeln!(f, "  {name:28} {count:>7}")?;
        }
        let sum = &self.sum;
        let percent = sum.asked * 100 / sum.windows.max(1);
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
            sum.windows,
            sum.served,
            sum.asked,
            sum.served_of_asked,
            self.requests_per_minute_max,
            sum.memory_kib_max,
            sum.failed
        )
    }
}

/// A run in one line.
pub(super) fn line(number: u64, done: &Finished<Plan>) -> String {
    let (verdict, report) = (&done.verdict, &done.report);
    let faults: u64 = report.faults.values().sum();
    let what = match done.kills {
        0 => format!("{faults} faults"),
        kills => format!("{kills} kills"),
    };
    let percent = verdict.asked * 100 / verdict.windows.max(1);
    format!(
        "run {number}, seed {}: {}: {what}, windows {}, served {}, servable {} ({percent} %), of \
         these served {}; {} requests a minute, {} a second, {} then {} KiB: {}",
        done.plan.seed,
        done.plan.describe(),
        verdict.windows,
        verdict.served,
        verdict.asked,
        verdict.served_of_asked,
        report.requests_per_minute_max,
        report.requests_per_second_max,
        done.memory.0.now_kib,
        done.memory.1.now_kib,
        done.end(),
    )
}
