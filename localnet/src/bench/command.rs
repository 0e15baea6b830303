//! The subcommand `bench`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::binary::Binary;
use super::figure::Figure;
use super::plan::{Contestant, Name};
use super::scene::{Seen, Stage, Wallet};
use super::table::{self, Measured};
use super::{burst, honest, idle, long, start, thousand, tls};
use crate::chain::message::Api;
use crate::terminal::{self, end_on_signal, print, print_error};
use crate::worker;

/// The name in front of messages.
const WHO: &str = "bench";

const HELP: &str = "\
Measures a worker against simulated chains: requests, round trips, times, memory, threads.

Usage: allora-localnet bench --worker PATH [OPTIONS]

Options:
  --worker PATH     the worker's binary
  --peer COMMAND    another worker, measured on the same chains and configuration; {config} stands
                    for the configuration's path, {folder} for a folder to write to; no shell
  --api v9|v10      version of the chains' emissions interface [v10]
  --only NAME       measures only this scene: honest, long, idle, burst, tls, start or thousand;
                    repeat it for further scenes; thousand is measured only if it is named
  --out FILE        writes all results as JSON
  -h, --help        this text

It takes about eight minutes, and as long again with a peer.
Exit code 0: no count misses its target. Times are only shown; sizes are judged for a static
binary only.
";

#[derive(Clone, Debug, PartialEq, Eq)]
struct BenchOptions {
    worker: PathBuf,
    peer: Option<String>,
    api: Api,
    only: Vec<Name>,
    out: Option<PathBuf>,
}

/// Runs `allora-localnet bench`; `arguments` are those after the subcommand.
pub fn bench(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    terminal::command(WHO, HELP, parse(arguments), run)
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<BenchOptions>, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut settings = BenchOptions {
        worker: PathBuf::new(),
        peer: None,
        api: Api::V10,
        only: Vec::new(),
        out: None,
    };
    let mut worker = None;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let name = match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long(name) => name.to_owned(),
            other => return Err(other.unexpected().to_string()),
        };
        let mut value = || parser.value().map_err(|error| error.to_string());
        match name.as_str() {
            "worker" => worker = Some(PathBuf::from(value()?)),
            "out" => settings.out = Some(value()?.into()),
            "peer" => settings.peer = Some(value()?.to_string_lossy().into_owned()),
            "api" => {
                let text = value()?.to_string_lossy().into_owned();
                let api = Api::of(&text);
                settings.api = api.ok_or_else(|| format!("--api {text}: use v9 or v10"))?;
            }
            "only" => {
                let text = value()?.to_string_lossy().into_owned();
                let name = Name::of(&text);
                settings
                    .only
                    .push(name.ok_or_else(|| format!("--only {text}: unknown scene"))?);
            }
            _ => return Err(format!("unknown option --{name}")),
        }
    }
    settings.worker = worker.ok_or("--worker is missing: the path of the worker's binary")?;
    Ok(Some(settings))
}

fn run(settings: &BenchOptions) -> io::Result<bool> {
    let path = worker::find(&settings.worker)?;
    let peer = settings.peer.as_deref().map(Contestant::peer).transpose();
    let peer = peer.map_err(io::Error::other)?;
    let names: Vec<Name> = Name::ALL
        .into_iter()
        .filter(|name| match settings.only.as_slice() {
            [] => !name.is_left_out(),
            only => only.contains(name),
        })
        .collect();
    let wanted = Arc::new(AtomicBool::new(true));
    end_on_signal(&wanted)?;
    let wallet = Wallet::new(&path)?;
    let measure_one = |contestant: &Contestant, title: &str| {
        let stage = Stage {
            contestant,
            wallet: &wallet,
            api: settings.api,
            wanted: &wanted,
        };
        measure_all(&stage, &names, title)
    };
    let title = settings.worker.display().to_string();
    let mut own = measure_one(&Contestant::worker(path.clone()), &title)?;
    own.binary = Some(Binary::of(&path)?);
    let peer = match (&peer, &settings.peer) {
        (Some(peer), Some(command)) => Some(measure_one(peer, command)?),
        _ => None,
    };
    print(&table::text(&own, peer.as_ref()))?;
    if let Some(out) = &settings.out {
        write_json(out, &table::json(&own, peer.as_ref()))?;
    }
    Ok(own.has_succeeded())
}

fn write_json(path: &Path, json: &serde_json::Value) -> io::Result<()> {
    let text = format!("{json:#}\n");
    fs::write(path, text).map_err(|error| {
        let text = format!("cannot write {}: {error}", path.display());
        io::Error::new(error.kind(), text)
    })
}

/// Plays the scenes; those with the same turn run at the same time.
fn measure_all(stage: &Stage<'_>, names: &[Name], title: &str) -> io::Result<Measured> {
    let mut measured = Measured {
        title: title.to_owned(),
        ..Measured::default()
    };
    let mut turns: Vec<u8> = names.iter().map(|name| name.turn()).collect();
    turns.sort_unstable();
    turns.dedup();
    for turn in turns {
        let now: Vec<Name> = names.iter().copied().filter(|n| n.turn() == turn).collect();
        let list: Vec<&str> = now.iter().map(|name| name.text()).collect();
        print_error(WHO, &format!("{title}: {}", list.join(", ")));
        let results = thread::scope(|scope| {
            let play = |name: Name| scope.spawn(move || measure(stage, name));
            let playing: Vec<_> = now.iter().map(|name| (*name, play(*name))).collect();
            let end = |handle: thread::ScopedJoinHandle<'_, _>| handle.join().ok();
            let ended = playing
                .into_iter()
                .map(|(name, handle)| (name, end(handle)));
            ended.collect::<Vec<_>>()
        });
        if !stage.wanted.load(Ordering::Relaxed) {
            return Err(io::Error::other(
                "interrupted; the workers have been stopped",
            ));
        }
        for (name, result) in results {
            let result = match result {
                Some(result) => result.map_err(|error| error.to_string()),
                // The thread has already printed its panic.
                None => Err("the measurement panicked".to_owned()),
            };
            measured.scenes.insert(name, result);
        }
    }
    Ok(measured)
}

fn measure(stage: &Stage<'_>, name: Name) -> io::Result<(Vec<Figure>, Seen)> {
    match name {
        Name::Start => start::measure(stage),
        Name::Honest => honest::measure(stage),
        Name::Long => long::measure(stage),
        Name::Idle => idle::measure(stage),
        Name::Tls => tls::measure(stage),
        Name::Burst => burst::measure(stage),
        Name::Thousand => thousand::measure(stage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Option<BenchOptions>, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn the_command_line_is_understood() {
        let settings = parsed(&[
            "--worker",
            "w",
            "--only",
            "tls",
            "--only=start",
            "--out",
            "f",
            "--api",
            "v9",
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.only, [Name::Tls, Name::Start]);
        assert_eq!(settings.out, Some(PathBuf::from("f")));
        assert_eq!(settings.api, Api::V9);
        assert_eq!(parsed(&["--worker", "w"]).unwrap().unwrap().api, Api::V10);
        assert_eq!(parsed(&["--help"]), Ok(None));
        for wrong in [
            &[][..],
            &["--worker"],
            &["--worker", "w", "--only", "x"],
            &["--worker", "w", "--api", "v8"],
            &["w"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_help_names_every_scene() {
        for name in Name::ALL {
            assert!(HELP.contains(name.text()), "{name:?}");
        }
    }
}
