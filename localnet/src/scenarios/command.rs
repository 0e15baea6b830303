//! The subcommand `scenarios`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::all::ALL;
use super::allorad::Allorad;
use super::models::Models;
use super::run::{self, Stage};
use super::scenario::{Scenario, Turn};
use super::simulated::Simulated;
use super::summary::{self, OfVersion};
use super::test_chain::{Needs, TestChain};
use super::version::{self, Version};
use crate::chain::message::Api;
use crate::terminal::{self, end_on_signal, print, print_error};
use crate::worker;

/// The name in front of messages.
const WHO: &str = "scenarios";

const HELP: &str = "\
Plays scenarios with a worker and judges by the blocks: on one-node chains of released versions, or
on the simulated chain, as v9 and as v10.

Usage: allora-localnet scenarios --worker PATH [OPTIONS]

Options:
  --worker PATH      the worker's binary
  --nodes FOLDER     released nodes by version, such as FOLDER/v0.17.0, which `make nodes` builds
  --version NAME     plays on this version of them only; repeat it for further versions
  --docs FILE        writes the tables as a page of the documentation, if everything was played
                     on released nodes and passed
  --only NAME        plays only this scenario; repeat it for further scenarios
  --windows COUNT    windows of an ordinary scenario [3]
  --block-ms N       time between blocks, in milliseconds [1000]
  --keep             keeps the folder with configurations and logs
  -h, --help         this text

It takes about nine minutes; all chains run at the same time. Exit code 0: all scenarios passed.
";

/// Largest number of windows, and longest time between blocks.
const WINDOWS_MAX: u64 = 20;
const BLOCK_MS_MAX: u64 = 60_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct ScenarioOptions {
    worker: PathBuf,
    /// The folder of released nodes; `None` for the simulated chain.
    nodes: Option<PathBuf>,
    versions: Vec<String>,
    docs: Option<PathBuf>,
    only: Vec<String>,
    windows: usize,
    block_time: Duration,
    keep: bool,
}

/// What scenarios are played on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ground {
    Simulated(Api),
    /// A released version, and the next one for an upgrade.
    Released(Version, Option<Version>),
}

type Chain = Box<dyn TestChain>;

/// Runs `allora-localnet scenarios`; `arguments` are those after the subcommand.
pub fn scenarios(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    terminal::command(WHO, HELP, parse(arguments), run)
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<ScenarioOptions>, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut worker = None;
    let mut options = ScenarioOptions {
        worker: PathBuf::new(),
        nodes: None,
        versions: Vec::new(),
        docs: None,
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
            "nodes" => options.nodes = Some(value()?.into()),
            "version" => options.versions.push(value()?),
            "docs" => options.docs = Some(value()?.into()),
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
    if options.nodes.is_none() && !(options.versions.is_empty() && options.docs.is_none()) {
        return Err("--version and --docs need --nodes".to_owned());
    }
    if options.docs.is_some() && !(options.only.is_empty() && options.versions.is_empty()) {
        return Err("--docs needs all versions and all scenarios".to_owned());
    }
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
    let play = |ground: &Ground| {
        let stage = Stage {
            worker: &worker,
            folder: &folder.path().join(ground.title().replace(' ', "-")),
            windows: options.windows,
            wanted: &wanted,
        };
        play_on(options, &stage, ground)
    };
    let versions = on_each(&grounds(options)?, &play)?;
    if !wanted.load(Ordering::Relaxed) {
        return Err(io::Error::other(
            "interrupted; workers and nodes have been stopped",
        ));
    }
    print(&summary::tables(&versions, ALL))?;
    let has_succeeded = versions.iter().all(OfVersion::has_succeeded);
    if let Some(docs) = options.docs.as_deref().filter(|_| has_succeeded) {
        fs::write(docs, summary::page(&versions, ALL))?;
    }
    Ok(has_succeeded)
}

/// Plays on all chains at the same time.
fn on_each(
    grounds: &[Ground],
    play: &(dyn Fn(&Ground) -> io::Result<OfVersion> + Sync),
) -> io::Result<Vec<OfVersion>> {
    thread::scope(|scope| {
        let threads: Vec<_> = grounds
            .iter()
            .map(|ground| scope.spawn(|| play(ground)))
            .collect();
        let panicked = |_| Err(io::Error::other("a chain's scenarios panicked"));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(panicked))
            .collect()
    })
}

/// The chains to play on, oldest version first.
fn grounds(options: &ScenarioOptions) -> io::Result<Vec<Ground>> {
    let Some(nodes) = &options.nodes else {
        return Ok(vec![
            Ground::Simulated(Api::V9),
            Ground::Simulated(Api::V10),
        ]);
    };
    let all = version::find(nodes)?;
    let wanted = |name: &String| options.versions.is_empty() || options.versions.contains(name);
    let nexts = all.iter().skip(1).cloned().map(Some).chain([None]);
    let grounds: Vec<Ground> = all
        .iter()
        .cloned()
        .zip(nexts)
        .filter(|(version, _)| wanted(&version.name))
        .map(|(version, next)| Ground::Released(version, next))
        .collect();
    if grounds.is_empty() {
        let text = format!("no such node in {}; run make nodes", nodes.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(grounds)
}

impl Ground {
    fn title(&self) -> String {
        match self {
            Ground::Simulated(api) => format!("simulated {}", api.name()),
            Ground::Released(version, _) => format!("{} {}", version.name, version.api().name()),
        }
    }

    /// The version of the emissions interface at the start.
    fn api(&self) -> Api {
        match self {
            Ground::Simulated(api) => *api,
            Ground::Released(version, _) => version.api(),
        }
    }

    /// Whether it can be upgraded from v9 to v10, the upgrade that a worker knows.
    fn has_next(&self) -> bool {
        match self {
            Ground::Simulated(api) => *api == Api::V9,
            Ground::Released(version, next) => {
                let next = next.as_ref().map(Version::api);
                (version.api(), next) == (Api::V9, Some(Api::V10))
            }
        }
    }

    fn start(&self, folder: &Path, block_time: Duration, needs: &Needs) -> io::Result<Chain> {
        Ok(match self {
            Ground::Simulated(api) => Box::new(Simulated::start(*api, block_time, needs)?),
            Ground::Released(version, next) => {
                let home = folder.join("node");
                Box::new(Allorad::start(
                    version,
                    next.clone(),
                    &home,
                    block_time,
                    needs,
                )?)
            }
        })
    }
}

/// The scenarios for a chain that may have a next version.
fn chosen(only: &[String], api: Api, has_next: bool) -> Vec<&'static Scenario> {
    ALL.iter()
        .filter(|scenario| only.is_empty() || only.iter().any(|name| name == scenario.name))
        .filter(|scenario| api == Api::V10 || !scenario.needs_labels())
        .filter(|scenario| has_next || scenario.turn != Turn::Upgrade)
        .collect()
}

fn play_on(options: &ScenarioOptions, stage: &Stage<'_>, ground: &Ground) -> io::Result<OfVersion> {
    let title = ground.title();
    let scenarios = chosen(&options.only, ground.api(), ground.has_next());
    let (ready, needs) = run::prepare(stage, &scenarios)?;
    let chain = ground.start(stage.folder, options.block_time, &needs)?;
    let models = Models::start()?;
    let report = |played: &run::Played| {
        // A closed pipe does not stop the scenarios.
        let _ = print(&summary::line(&title, played));
    };
    let mut played = run::play(stage, chain.as_ref(), &models, ready, &report);
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
            &["--worker", "w", "--docs", "f"],
            &["--worker", "w", "--version", "v0.17.0"],
            &[
                "--worker", "w", "--nodes", "n", "--docs", "f", "--only", "serve",
            ],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_version_is_upgraded_to_the_next_one_if_a_worker_knows_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["v0.15.0", "v0.16.0", "v0.17.0", "v0.18.0"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let nodes = folder.path().display().to_string();
        let options = parsed(&["--worker", "w", "--nodes", &nodes])
            .unwrap()
            .unwrap();
        let all = grounds(&options).unwrap();
        let with_next = all.iter().filter(|ground| ground.has_next());
        let titles: Vec<String> = with_next.map(Ground::title).collect();
        assert_eq!(titles, ["v0.16.0 v9"]);
        let options = parsed(&["--worker", "w", "--nodes", &nodes, "--version", "v1.0.0"]);
        assert!(grounds(&options.unwrap().unwrap()).is_err());
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
