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
use super::scenario::{Pace, Scenario, Turn};
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
on the simulated chain, as v9 and as v10. Each version is played with a block each second, and a part of
the scenarios with a block every 5 s too.

Usage: allora-localnet scenarios --worker PATH [OPTIONS]

Options:
  --worker PATH      the worker's binary
  --nodes FOLDER     released nodes by version, such as FOLDER/v0.17.0, which `make nodes` builds
  --version NAME     plays on this version of them only; repeat it for further versions
  --docs FILE        writes the tables as a page of the documentation, if everything was played
                     on released nodes and passed
  --only NAME        plays only this scenario; repeat it for further scenarios
  --windows COUNT    windows of an ordinary scenario [3]
  --block-ms N       plays everything with this time between blocks, in milliseconds
  --keep             keeps the folder with configurations and logs
  -h, --help         this text

It takes about nine minutes; all chains run at the same time. A scenario in which nothing failed but
that a payload's block came late is played once more at the end, with little beside it, and that run
counts. Exit code 0: all scenarios passed.
";

/// Largest number of windows, and longest time between blocks.
const WINDOWS_MAX: u64 = 20;
const BLOCK_MS_MAX: u64 = 60_000;
/// The paces, with the time between blocks and the most windows of an ordinary scenario.
const PACES: [(Pace, Duration, usize); 2] = [
    (Pace::Quick, Duration::from_secs(1), usize::MAX),
    (Pace::Slow, Duration::from_secs(5), 2),
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct ScenarioOptions {
    worker: PathBuf,
    /// The folder of released nodes; `None` for the simulated chain.
    nodes: Option<PathBuf>,
    versions: Vec<String>,
    docs: Option<PathBuf>,
    only: Vec<String>,
    windows: usize,
    /// `None`: both paces.
    block_time: Option<Duration>,
    keep: bool,
}

/// What scenarios are played on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ground {
    Simulated(Api),
    /// A released version, and the next one for an upgrade.
    Released(Version, Option<Version>),
}

/// A chain with its time between blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Course {
    ground: Ground,
    /// Whose scenarios are played; `None` for all.
    pace: Option<Pace>,
    block_time: Duration,
    windows: usize,
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
        block_time: None,
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
                options.block_time = Some(Duration::from_millis(time_ms));
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
    let play = |course: &Course, run: &str, scenarios: &[&'static Scenario]| {
        let name = format!("{}{run}", course.title().replace(' ', "-"));
        let stage = Stage {
            worker: &worker,
            folder: &folder.path().join(name),
            windows: course.windows,
            wanted: &wanted,
            block_time: course.block_time,
        };
        // The other chains go on, which takes minutes.
        let failed = |error: &io::Error| print_error(WHO, &format!("{}: {error}", course.title()));
        play_on(&stage, course, scenarios).inspect_err(failed)
    };
    let courses = courses(options)?;
    let mut versions = on_each(&courses, &|course| {
        play(course, "", &course.chosen(&options.only))
    })?;
    for (course, version) in courses.iter().zip(&mut versions) {
        let late = version.late();
        if !late.is_empty() {
            version.replace(play(course, "-again", &late)?);
        }
    }
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
    courses: &[Course],
    play: &(dyn Fn(&Course) -> io::Result<OfVersion> + Sync),
) -> io::Result<Vec<OfVersion>> {
    thread::scope(|scope| {
        let threads: Vec<_> = courses
            .iter()
            .map(|course| scope.spawn(|| play(course)))
            .collect();
        let panicked = |_| Err(io::Error::other("a chain's scenarios panicked"));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(panicked))
            .collect()
    })
}

/// The chains to play on at each pace that has a scenario, oldest version first.
fn courses(options: &ScenarioOptions) -> io::Result<Vec<Course>> {
    let mut all = Vec::new();
    for ground in grounds(options)? {
        let course = |pace, block_time, windows_max: usize| Course {
            ground: ground.clone(),
            pace,
            block_time,
            windows: options.windows.min(windows_max),
        };
        all.extend(match options.block_time {
            Some(block_time) => vec![course(None, block_time, usize::MAX)],
            None => PACES
                .map(|(pace, time, windows_max)| course(Some(pace), time, windows_max))
                .into(),
        });
    }
    all.retain(|course| !course.chosen(&options.only).is_empty());
    if all.is_empty() {
        let text = "the chosen versions do not have the chosen scenarios";
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(all)
}

impl Course {
    fn title(&self) -> String {
        let title = self.ground.title();
        match self.pace {
            Some(Pace::Slow) => format!("{title}, {} s", self.block_time.as_secs()),
            _ => title,
        }
    }

    /// The scenarios to play.
    fn chosen(&self, only: &[String]) -> Vec<&'static Scenario> {
        let (api, has_next) = (self.ground.api(), self.ground.has_next());
        let of_pace = |scenario: &&Scenario| {
            let pace = scenario.pace;
            pace == Pace::Both || self.pace.is_none_or(|own| own == pace)
        };
        ALL.iter()
            .filter(of_pace)
            .filter(|scenario| only.is_empty() || only.iter().any(|name| name == scenario.name))
            .filter(|scenario| api == Api::V10 || !scenario.needs_labels())
            .filter(|scenario| has_next || scenario.turn != Turn::Upgrade)
            .collect()
    }
}

/// The chains, oldest version first.
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

fn play_on(
    stage: &Stage<'_>,
    course: &Course,
    scenarios: &[&'static Scenario],
) -> io::Result<OfVersion> {
    let title = course.title();
    let (ready, needs) = run::prepare(stage, scenarios)?;
    let chain = course
        .ground
        .start(stage.folder, course.block_time, &needs)?;
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
        assert_eq!(options.block_time, Some(Duration::from_millis(500)));
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
    fn a_version_plays_what_it_has_at_each_pace() {
        let of = |arguments: &[&str]| -> Vec<(String, Vec<&str>)> {
            let options = parsed(&[&["--worker", "w"], arguments].concat());
            let options = options.unwrap().unwrap();
            let names = |course: &Course| {
                let chosen = course.chosen(&options.only);
                (course.title(), chosen.iter().map(|s| s.name).collect())
            };
            courses(&options).unwrap().iter().map(names).collect()
        };
        let all = of(&[]);
        let titles: Vec<&str> = all.iter().map(|(title, _)| title.as_str()).collect();
        let (v9, v10) = ("simulated v9", "simulated v10");
        assert_eq!(titles, [v9, "simulated v9, 5 s", v10, "simulated v10, 5 s"]);
        let plays = |index: usize, name: &str| all[index].1.contains(&name);
        assert!(plays(0, "upgrade") && !plays(1, "upgrade") && !plays(2, "upgrade"));
        assert!(!plays(0, "labels") && plays(2, "labels") && plays(3, "labels"));
        assert!(!plays(0, "full mempool") && plays(1, "full mempool"));
        assert_eq!(of(&["--only", "price"]).len(), 2);
        let same_pace = of(&["--block-ms", "700"]);
        assert_eq!(same_pace.len(), 2);
        assert!(same_pace[0].1.contains(&"full mempool") && same_pace[0].1.contains(&"price"));
    }
}
