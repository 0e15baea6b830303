//! The subcommand `hostile`.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::plan::Plan;
use super::run;
use super::summary::{self, Summary};
use crate::campaign::Campaign;
use crate::campaign::options::CampaignOptions;
use crate::terminal::{self, print};
use crate::worker;

const HELP: &str = "\
Runs a worker against nodes that lie, alone or beside an honest node, and judges it.

Usage: allora-localnet hostile --worker PATH [OPTIONS]

Options:
  --worker PATH   the worker's binary
  --seed N        determines everything; by default made from the clock, and printed
  --runs N        number of runs [200]
  --minutes N     longest time [10]
  --jobs N        number of runs at the same time [24]
  --keep          keeps each run's folder, with the worker's log and the plan
  -h, --help      this text

Run number n has the seed N + n, so --seed N+n --runs 1 repeats it.
Exit code 0: no lie cost more than the limits, led to another chain, or kept the worker from a
window that an honest node in its list knew.
";

/// Number of runs in a whole campaign.
const RUNS: u64 = 200;
/// From this number of runs on, every lie must have been told.
const RUNS_WHOLE: u64 = 200;
const MINUTES: u64 = 10;
const JOBS: usize = 24;
/// Longest time of a run; none begins later than this before the end.
const RUN_TIME_MAX: Duration = Duration::from_secs(80);

/// Runs `allora-localnet hostile`; `arguments` are those after the subcommand.
pub fn hostile(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let settings = CampaignOptions::parse(arguments, HELP);
    terminal::command("allora-localnet", HELP, settings, run_hostile)
}

fn run_hostile(settings: &CampaignOptions) -> io::Result<bool> {
    let seed = settings.first_seed();
    print(&format!("seed {seed}\n"))?;
    let minutes = Duration::from_secs(60 * settings.minutes.unwrap_or(MINUTES));
    let campaign = Campaign {
        runs: settings.runs.unwrap_or(RUNS),
        begin_until: minutes.saturating_sub(RUN_TIME_MAX),
        jobs: settings.jobs.unwrap_or(JOBS),
    };
    let worker = worker::find(&settings.worker)?;
    let mut summary = Summary::default();
    let play = |number: u64, wanted: &AtomicBool| {
        let plan = Plan::new(seed.wrapping_add(number));
        run::run(plan, &worker, wanted, settings.keep)
    };
    campaign.run(play, |number, outcome| match outcome {
        Ok(done) => {
            summary.add(&done);
            let mut text = summary::line(number, &done) + "\n";
            if !done.verdict.failures.is_empty() {
                text += &summary::failures(&done);
            }
            text
        }
        Err(error) => {
            summary.sum.add_broken();
            format!("run {number}: cannot be made: {error}\n")
        }
    })?;
    let is_whole = summary.sum.runs >= RUNS_WHOLE;
    let lacks = if is_whole {
        summary.lacks()
    } else {
        Vec::new()
    };
    let mut text = format!("\n{summary}");
    for lack in &lacks {
        text.push_str(&format!("FAILED: too few lies of {lack}\n"));
    }
    print(&format!("{text}{}\n", summary.last_line()))?;
    Ok(summary.sum.has_succeeded() && lacks.is_empty())
}
