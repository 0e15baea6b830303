//! The subcommands `faults` and `kills`.

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

/// The name in front of messages.
const WHO: &str = "allora-localnet";

const FAULTS_HELP: &str = "\
Runs a worker against simulated chains with one fault after the other, and judges it.

Usage: allora-localnet faults --worker PATH [OPTIONS]

Options:
  --worker PATH   the worker's binary
  --seed N        determines everything; by default made from the clock, and printed
  --runs N        number of runs [200; with --minutes as many as fit into the time]
  --minutes N     longest time [10]
  --jobs N        number of runs at the same time [26]
  --brief         makes runs of 30 s and requires no number of faults
  --keep          keeps each run's folder, with the worker's log and the plan
  -h, --help      this text

Run number n has the seed N + n, so --seed N+n --runs 1 repeats it.
Exit code 0: every window that could be served was served, and nothing was paid twice.
";

const KILLS_HELP: &str = "\
Kills a worker at random times, restarts it at once, and judges it by what the chain saw.

Usage: allora-localnet kills --worker PATH [OPTIONS]

Options:
  --worker PATH   the worker's binary
  --seed N        determines everything; by default made from the clock, and printed
  --times N       number of kills [100]
  --jobs N        number of chains at the same time [8]
  --keep          keeps each run's folder, with the worker's log and the plan
  -h, --help      this text
";

/// Number of runs in a whole campaign.
const RUNS: u64 = 200;
/// From this number of runs on, a number of faults is required.
const RUNS_WHOLE: u64 = 100;
const MINUTES: u64 = 10;
const FAULT_JOBS: usize = 26;
const KILL_JOBS: usize = 8;
const KILL_TIMES: u64 = 100;
/// Longest time of a run; none begins later than this before the end.
const RUN_TIME_MAX: Duration = Duration::from_secs(110);

/// Runs `allora-localnet faults`; `arguments` are those after the subcommand.
pub fn faults(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    terminal::command(
        WHO,
        FAULTS_HELP,
        CampaignOptions::parse(arguments, FAULTS_HELP),
        run_faults,
    )
}

/// Runs `allora-localnet kills`; `arguments` are those after the subcommand.
pub fn kills(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    terminal::command(
        WHO,
        KILLS_HELP,
        CampaignOptions::parse(arguments, KILLS_HELP),
        run_kills,
    )
}

fn run_faults(settings: &CampaignOptions) -> io::Result<bool> {
    let seed = settings.first_seed();
    print(&format!("seed {seed}\n"))?;
    let minutes = Duration::from_secs(60 * settings.minutes.unwrap_or(MINUTES));
    let all = if settings.minutes.is_some() {
        u64::MAX
    } else {
        RUNS
    };
    let campaign = Campaign {
        runs: settings.runs.unwrap_or(all),
        begin_until: minutes.saturating_sub(RUN_TIME_MAX),
        jobs: settings.jobs.unwrap_or(FAULT_JOBS),
    };
    let brief = settings.brief;
    let plan = |number: u64| Plan::of_faults(seed.wrapping_add(number), brief);
    let (summary, ran) = run_all(campaign, settings, &plan, "make faults SEED={seed} RUNS=1")?;
    let lacks = if ran >= RUNS_WHOLE && !brief {
        summary.lacks()
    } else {
        Vec::new()
    };
    finish(&summary, "faults", seed, &lacks)
}

fn run_kills(settings: &CampaignOptions) -> io::Result<bool> {
    let seed = settings.first_seed();
    print(&format!("seed {seed}\n"))?;
    let times = settings.times.unwrap_or(KILL_TIMES).max(1);
    let jobs = settings.jobs.unwrap_or(KILL_JOBS).max(1);
    let chains = u64::try_from(jobs).unwrap_or(1).min(times);
    let campaign = Campaign {
        runs: chains,
        begin_until: Duration::MAX,
        jobs,
    };
    let plan = |number: u64| {
        let more = u64::from(number < times % chains);
        let kills = usize::try_from(times / chains + more).unwrap_or(1);
        Plan::of_kills(seed.wrapping_add(number), kills)
    };
    let (summary, _) = run_all(
        campaign,
        settings,
        &plan,
        "make kills SEED={seed} TIMES={kills} JOBS=1",
    )?;
    let mut lacks = Vec::new();
    if u64::try_from(summary.kills()).unwrap_or(0) < times {
        lacks.push(format!("kills: {}, required: {times}", summary.kills()));
    }
    finish(&summary, "kills", seed, &lacks)
}

/// Runs the campaign and prints a line for each run. Gives the number of runs that were made.
fn run_all(
    campaign: Campaign,
    settings: &CampaignOptions,
    plan: &(dyn Fn(u64) -> Plan + Sync),
    repeat: &str,
) -> io::Result<(Summary, u64)> {
    let worker = worker::find(&settings.worker)?;
    let (mut summary, mut ran) = (Summary::default(), 0);
    let play = |number, wanted: &AtomicBool| run::run(plan(number), &worker, wanted, settings.keep);
    campaign.run(play, |number, outcome| {
        let done = match outcome {
            Ok(done) => done,
            Err(error) => {
                summary.sum.add_broken();
                return format!("run {number}: cannot be made: {error}\n");
            }
        };
        ran += 1;
        summary.add(&done);
        let mut text = summary::line(number, &done) + "\n";
        if !done.verdict.failures.is_empty() {
            text += &done.failures(true);
            let repeat = repeat
                .replace("{seed}", &done.plan.seed.to_string())
                .replace("{kills}", &done.kills.to_string());
            text += &format!("  repeat with: {repeat}\n");
        }
        text
    })?;
    Ok((summary, ran))
}

fn finish(summary: &Summary, name: &str, seed: u64, lacks: &[String]) -> io::Result<bool> {
    let succeeded = summary.sum.has_succeeded() && lacks.is_empty();
    let mut text = format!("\n{summary}");
    for lack in lacks {
        text.push_str(&format!("FAILED: too few {lack}\n"));
    }
    if !succeeded {
        text.push_str(&format!("repeat with: make {name} SEED={seed}\n"));
    }
    text.push_str(&summary.last_line(name));
    text.push('\n');
    print(&text)?;
    Ok(succeeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str], help: &str) -> Result<Option<CampaignOptions>, String> {
        CampaignOptions::parse(arguments.iter().map(OsString::from), help)
    }

    #[test]
    fn each_command_accepts_only_its_own_options() {
        let settings = parsed(&["--worker", "w", "--seed=5", "--runs", "2"], FAULTS_HELP);
        let settings = settings.unwrap().unwrap();
        assert_eq!((settings.seed, settings.runs), (Some(5), Some(2)));
        let settings = parsed(&["--worker", "w", "--times", "9"], KILLS_HELP);
        assert_eq!(settings.unwrap().unwrap().times, Some(9));
        assert!(
            parsed(&["--worker", "w", "--brief"], FAULTS_HELP)
                .unwrap()
                .unwrap()
                .brief
        );
        assert_eq!(parsed(&["-h"], FAULTS_HELP), Ok(None));
        for wrong in [
            &["--times", "9"][..],
            &["--seed", "x"],
            &["--runs"],
            &["w"],
            &[],
        ] {
            assert!(parsed(wrong, FAULTS_HELP).is_err(), "{wrong:?}");
        }
        assert!(parsed(&["--worker", "w", "--runs", "1"], KILLS_HELP).is_err());
    }
}
