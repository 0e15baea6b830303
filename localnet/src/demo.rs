//! The demo: runs the real worker as a child process against a simulated chain and a sample model,
//! so that a newcomer can see a worker at work without a key or a node.
//!
//! The demo uses only the worker's command line and configuration file. It judges by what the chain
//! saw, not by the worker's log.

mod events;
mod failure;
mod table;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::chain::labels::Labels;
use crate::chain::report::Report;
use crate::chain::topic::Topic;
use crate::play::handle::Localnet;
use crate::play::model::FORECAST_FOR;
use crate::play::options::{FUNDS_UALLO, Options, multi};
use crate::terminal::{print, print_error};
use crate::worker::{self, Process};

use self::events::Events;
use self::failure::Failure;
use self::table::Served;

/// The name in front of messages.
const WHO: &str = "demo";

const HELP: &str = "\
Runs a worker against a simulated chain and a sample model, and shows what it did.

Usage: allora-localnet demo --worker PATH [--keep]

Options:
  --worker PATH   the worker's binary
  --keep          keeps the temporary folder with configuration and log
  -h, --help      this text

The worker's log goes to standard error, the table at the end to standard output.
Exit code 0: every window was served once, nothing was paid twice, the worker stopped cleanly.
";

/// Topics 1 to `TOPICS`: a plain number, labelled values, and a number with a forecast.
const TOPICS: u64 = 3;
/// The topic of labelled values.
const LABELLED: u64 = 2;
/// The topic with a forecast beside the inference.
const FORECAST: u64 = 3;
/// Number of windows of each topic.
const WINDOWS: usize = 3;
const BLOCK_TIME: Duration = Duration::from_secs(1);
/// Blocks before the first window, so that the worker can start and register three times: the
/// first registration waits for a block, the others wait until the first one is settled.
const LEAD_BLOCKS: u64 = 8;
const WINDOW_BLOCKS: u64 = 6;
/// Blocks from one nonce of a topic to the next. One block longer than from the first topic's
/// opening to the last topic's closing, so that the demo ends between two windows.
const EPOCH_BLOCKS: u64 = WINDOW_BLOCKS + TOPICS;
/// Longest time until the last window closes; usually 35 s.
const WINDOWS_TIME_MAX: Duration = Duration::from_secs(50);
/// Longest time from SIGTERM to the worker's end; it waits up to 5 s for transactions in flight.
const STOP_TIME_MAX: Duration = Duration::from_secs(8);

/// Runs `allora-localnet demo`; `arguments` are those after the subcommand.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = match parse(arguments) {
        Ok(Some(settings)) => run(&settings),
        Ok(None) => return print(HELP).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(error) => {
            print_error(WHO, &format!("{error}\nTry: allora-localnet demo --help"));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Interrupted(signal)) => {
            print_error(WHO, "interrupted; the worker has been stopped");
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
        }
        Err(Failure::Message(text)) => {
            print_error(WHO, &text);
            ExitCode::FAILURE
        }
        Err(Failure::Shown) => ExitCode::FAILURE,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct DemoOptions {
    worker: PathBuf,
    keep: bool,
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<DemoOptions>, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut worker, mut keep) = (None, false);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long("worker") => {
                worker = Some(parser.value().map_err(|error| error.to_string())?);
            }
            lexopt::Arg::Long("keep") => keep = true,
            other => return Err(other.unexpected().to_string()),
        }
    }
    let worker = worker.ok_or("--worker is missing: the path of the worker's binary")?;
    Ok(Some(DemoOptions {
        worker: worker.into(),
        keep,
    }))
}

fn run(settings: &DemoOptions) -> Result<(), Failure> {
    let until = Instant::now() + WINDOWS_TIME_MAX;
    let worker = worker::find(&settings.worker)?;
    let events = Events::new().map_err(Failure::of("cannot handle signals"))?;
    let localnet = Localnet::start_with(&chain()?, events.narrator())
        .map_err(Failure::of("cannot start the simulated chain"))?;
    let folder = folder(settings.keep)?;
    write_config(folder.path(), &localnet)
        .map_err(Failure::of("cannot write the configuration"))?;
    let address = worker::ask_address(&worker, folder.path())?;
    localnet.fund(&address, FUNDS_UALLO);

    // The worker has to serve the windows from here on.
    let since = localnet.height();
    let mut process = Process::spawn(
        worker::command(&worker, folder.path())
            .arg("run")
            .stdout(Stdio::null())
            // Ctrl-C reaches only the demo, which then stops the worker in the regular way.
            .process_group(0),
    )?;
    let windows = watch(&localnet, &mut process, &events, since, until);
    let end = match windows {
        Err(Failure::Message(_)) | Ok(()) => stop(&mut process, &events),
        Err(interrupted) => {
            let _ = stop(&mut process, &events);
            return Err(interrupted);
        }
    };
    let served = Served::of(&localnet.report(), since, WINDOWS);
    print(&served.to_string()).map_err(Failure::of("cannot print the table"))?;
    windows.and(end)?;
    if served.is_all(TOPICS, WINDOWS) {
        Ok(())
    } else {
        Err(Failure::Shown)
    }
}

/// The options of the demo's chain.
fn chain() -> Result<Options, Failure> {
    let options = Options {
        block_time: Some(BLOCK_TIME),
        ..Options::default()
    };
    let first = |id: u64| options.start_height + LEAD_BLOCKS + id - 1;
    let labels = Labels::up_down_flat().map_err(Failure::Message)?;
    let topics = (1..=TOPICS).map(|id| {
        let topic = Topic::new(id, EPOCH_BLOCKS, WINDOW_BLOCKS, first(id));
        match id {
            LABELLED => multi(topic, labels.clone()),
            FORECAST => Topic {
                top_inferers: FORECAST_FOR.map(str::to_owned).into(),
                ..topic
            },
            _ => topic,
        }
    });
    let topics = topics.collect();
    Ok(Options { topics, ..options })
}

/// A temporary folder that only the owner can read; removed at the end unless `keep` is set.
fn folder(keep: bool) -> Result<TempDir, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("allora-demo-")
        .disable_cleanup(keep)
        .tempdir()
        .map_err(Failure::of("cannot create a temporary folder"))?;
    if keep {
        print_error(
            WHO,
            &format!("configuration and log: {}", folder.path().display()),
        );
    }
    Ok(folder)
}

/// Writes the configuration of a worker with a new wallet.
fn write_config(folder: &Path, localnet: &Localnet) -> io::Result<()> {
    let seed_phrase = worker::new_seed_phrase()?;
    let topics: Vec<_> = (1..=TOPICS)
        .map(|id| {
            let url = match id {
                LABELLED => localnet.labels_url(id),
                _ => localnet.model_url(id),
            };
            let forecast_url = (id == FORECAST).then(|| localnet.forecast_url(id));
            json!({"topic_id": id, "inference_url": url, "forecast_url": forecast_url,
            "nonce_fetch_freq": 1, "inference_fetch_retries": 5, "inference_fetch_retry_freq": 1})
        })
        .collect();
    let config = json!({
        "debug": false,
        "seed_phrase": seed_phrase,
        "chain_id": "localnet",
        "gas_adjustment": 1.5,
        "max_fee_uallo": "100000000",
        "api_params": {"api_url": localnet.url(), "tx_check_retries": 10, "tx_check_freq": 1},
        "topics": topics,
    });
    worker::write_config(folder, &config)
}

/// Waits until the last window closes.
fn watch(
    localnet: &Localnet,
    process: &mut Process,
    events: &Events,
    since: u64,
    until: Instant,
) -> Result<(), Failure> {
    let over = |report: &Report| Served::of(report, since, WINDOWS).is_over(TOPICS, WINDOWS);
    while !over(&localnet.report()) {
        if !events.next(until)? {
            let limit = WINDOWS_TIME_MAX.as_secs();
            let text = format!("{WINDOWS} windows of each topic have not closed after {limit} s");
            return Err(Failure::Message(text));
        }
        if let Some(status) = process
            .ended()
            .map_err(Failure::of("cannot observe the worker"))?
        {
            let text = format!("the worker stopped by itself ({status}); its log is above");
            return Err(Failure::Message(text));
        }
    }
    Ok(())
}

/// Stops the worker and waits until it ends.
fn stop(process: &mut Process, events: &Events) -> Result<(), Failure> {
    process.terminate();
    match events.end_of(process, Instant::now() + STOP_TIME_MAX)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Failure::Message(format!(
            "the worker did not stop cleanly after SIGTERM: {status}"
        ))),
        None => Err(Failure::Message(format!(
            "the worker was still running {} s after SIGTERM and was killed",
            STOP_TIME_MAX.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Option<DemoOptions>, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn the_option_worker_is_required() {
        let settings = |keep| DemoOptions {
            worker: "w".into(),
            keep,
        };
        assert_eq!(parsed(&["--worker", "w"]), Ok(Some(settings(false))));
        assert_eq!(parsed(&["--keep", "--worker=w"]), Ok(Some(settings(true))));
        assert_eq!(parsed(&["--worker", "w", "-h"]), Ok(None));
        for wrong in [&[][..], &["--worker"], &["w"], &["--worker", "w", "--kep"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_last_window_ends_before_a_fourth_one_opens() {
        let options = chain().unwrap();
        let topics = options.topics;
        let last_end = topics.iter().filter_map(Topic::next_open).max().unwrap()
            + (u64::try_from(WINDOWS).unwrap() - 1) * EPOCH_BLOCKS
            + WINDOW_BLOCKS;
        let fourth = topics.iter().filter_map(Topic::next_open).min().unwrap()
            + u64::try_from(WINDOWS).unwrap() * EPOCH_BLOCKS;
        assert!(last_end < fourth, "{last_end} {fourth}");
        let blocks = last_end - options.start_height;
        assert!(BLOCK_TIME * u32::try_from(blocks).unwrap() < WINDOWS_TIME_MAX);
    }

    #[test]
    fn only_the_owner_can_read_the_configuration() {
        use std::fs::File;
        use std::os::unix::fs::PermissionsExt as _;
        let localnet = Localnet::start(&chain().unwrap()).unwrap();
        let folder = folder(false).unwrap();
        write_config(folder.path(), &localnet).unwrap();
        let path = folder.path().join("config.json");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let config: serde_json::Value =
            serde_json::from_reader(File::open(&path).unwrap()).unwrap();
        let words = config["seed_phrase"].as_str().unwrap();
        assert!(bip39::Mnemonic::parse(words).is_ok());
        assert_eq!(config["topics"].as_array().unwrap().len(), 3);
        drop(folder);
        assert!(!path.exists());
    }
}
