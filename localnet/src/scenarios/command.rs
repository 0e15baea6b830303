//! The subcommand `scenarios`.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::all::ALL;
use super::models::Models;
use super::run::{self, Stage};
use super::scenario::{Scenario, Turn};
use super::simulated::Simulated;
use super::summary::{self, OfVersion};
use crate::chain::message::Api;
use crate::terminal::{self, end_on_signal, print, print_error};
use crate::worker;

/// The name in front of messages.
const WHO: &str = "scenarios";

const HELP: &str = "\
Plays scenarios with a worker on the simulated chain, as v9 and as v10, and judges by the blocks.

Usage: allora-localnet scenarios --worker PATH [OPTIONS]

Options:
  --worker PATH      the worker's binary
  --only NAME        plays only this scenario; repeat it for further scenarios
  --windows COUNT    windows of an ordinary scenario [3]
  --block-ms N       time between blocks, in milliseconds [1000]
  --keep             keeps the folder with configurations and logs
  -h, --help         this text

It takes about five minutes. Exit code 0: all scenarios passed.
";

/// Largest number of windows, and longest time between blocks.
const WINDOWS_MAX: u64 = 20;
const BLOCK_MS_MAX: u64 = 60_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct ScenarioOptions {
    worker: PathBuf,
    only: Vec<String>,
    windows: usize,
    block_time: Duration,
    keep: bool,
}

/// Runs `allora-localnet scenarios`; `arguments` are those after the subcommand.
pub fn scenarios(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    terminal::command(WHO, HELP, parse(arguments), run)
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<ScenarioOptions>, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut worker = None;
    let mut options = ScenarioOptions {
        worker: PathBuf::new(),
        only: Vec::new(),
        windows: 3,
        block_time: Duration::from_secs(1),
        keep: false,
    };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let name = match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long(name) => name.to_owned(),
            other => return Err(other.unexpected().to_string()),
        };
        let mut value = || -> Result<String, String> {
            let value = parser.value().map_err(|error| error.to_string())?;
            Ok(value.to_string_lossy().into_owned())
        };
        match name.as_str() {
            "worker" => worker = Some(value()?.into()),
            "only" => options.only.push(scenario(value()?)?),
            "windows" => {
                let count = count(&name, &value()?, WINDOWS_MAX)?;
                options.windows = usize::try_from(count).unwrap_or(usize::MAX);
            }
            "block-ms" => {
                let time_ms = count(&name, &value()?, BLOCK_MS_MAX)?;
                options.block_time = Duration::from_millis(time_ms);
            }
            "keep" => options.keep = true,
            _ => return Err(format!("unknown option --{name}")),
        }
    }
    options.worker = worker.ok_or("--worker is missing: the path of the worker's binary")?;
    Ok(Some(options))
}

fn scenario(name: String) -> Result<String, String> {
    if ALL.iter().any(|scenario| scenario.name == name) {
        return Ok(name);
    }
    let names: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
    Err(format!(
        "--only {name}: the scenarios are {}",
        names.join(", ")
    ))
}

fn count(name: &str, text: &str, max: u64) -> Result<u64, String> {
    let parsed = text.parse().ok().filter(|n| (1..=max).contains(n));
    parsed.ok_or_else(|| format!("--{name} {text}: use a whole number from 1 to {max}"))
}

fn run(options: &ScenarioOptions) -> io::Result<bool> {
    let worker = worker::find(&options.worker)?;
    let wanted = Arc::new(AtomicBool::new(true));
    end_on_signal(&wanted)?;
    let folder = tempfile::Builder::new()
        .prefix("allora-scenarios-")
        .disable_cleanup(options.keep)
        .tempdir()?;
    if options.keep {
        print_error(
            WHO,
            &format!("configurations and logs: {}", folder.path().display()),
        );
    }
    let mut versions = Vec::new();
    for api in [Api::V9, Api::V10] {
        let stage = Stage {
            worker: &worker,
            folder: &folder.path().join(api.name()),
            windows: options.windows,
            wanted: &wanted,
        };
        versions.push(run_version(options, &stage, api)?);
        if !wanted.load(Ordering::Relaxed) {
            return Err(io::Error::other(
                "interrupted; the workers have been stopped",
            ));
        }
    }
    print(&summary::tables(&versions, ALL))?;
    Ok(versions.iter().all(OfVersion::has_succeeded))
}

/// The scenarios for a chain that may have a next version.
fn chosen(only: &[String], api: Api, has_next: bool) -> Vec<&'static Scenario> {
    ALL.iter()
        .filter(|scenario| only.is_empty() || only.iter().any(|name| name == scenario.name))
        .filter(|scenario| api == Api::V10 || !scenario.needs_labels())
        .filter(|scenario| has_next || scenario.turn != Turn::Upgrade)
        .collect()
}

fn run_version(options: &ScenarioOptions, stage: &Stage<'_>, api: Api) -> io::Result<OfVersion> {
    let title = format!("simulated {}", api.name());
    let (ready, needs) = run::prepare(stage, &chosen(&options.only, api, api == Api::V9))?;
    let chain = Simulated::start(api, options.block_time, &needs.topics, &needs.funded)?;
    let models = Models::start()?;
    let report = |played: &run::Played| {
        // A closed pipe does not stop the scenarios.
        let _ = print(&summary::line(&title, played));
    };
    let mut played = run::play(stage, &chain, &models, ready, &report);
    played.sort_by_key(|played| ALL.iter().position(|s| s.name == played.scenario.name));
    Ok(OfVersion { title, played })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Option<ScenarioOptions>, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn the_command_line_is_understood() {
        let options = parsed(&[
            "--worker",
            "w",
            "--only",
            "serve",
            "--block-ms=500",
            "--keep",
        ]);
        let options = options.unwrap().unwrap();
        assert_eq!(
            (options.only, options.keep),
            (vec!["serve".to_owned()], true)
        );
        assert_eq!(options.block_time, Duration::from_millis(500));
        assert_eq!(parsed(&["--help"]), Ok(None));
        for wrong in [
            &[][..],
            &["w"],
            &["--worker", "w", "--only", "nothing"],
            &["--worker", "w", "--windows", "0"],
            &["--worker", "w", "--windows", "21"],
            &["--worker", "w", "--block-ms", "60001"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_version_plays_what_it_has() {
        let names = |api, has_next| -> Vec<&str> {
            chosen(&[], api, has_next)
                .iter()
                .map(|scenario| scenario.name)
                .collect()
        };
        assert!(names(Api::V10, false).contains(&"labels"));
        assert!(!names(Api::V10, false).contains(&"upgrade"));
        assert!(!names(Api::V9, true).contains(&"labels"));
        assert!(names(Api::V9, true).contains(&"upgrade"));
        assert_eq!(chosen(&["serve".to_owned()], Api::V9, true).len(), 1);
    }
}
