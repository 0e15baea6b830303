//! Arguments → configuration → run; exit codes; nothing else.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allora_worker::check;
use allora_worker::cli::{self, Command};
use allora_worker::config::{self, Config, ConfigError};
use allora_worker::sign::keygen::{self, WordCount};
use allora_worker::sign::seed_phrase::SeedPhrase;
use allora_worker::sign::wallet::Wallet;
use allora_worker::text::with_causes;
use allora_worker::{logging, run};

const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_CONFIG: u8 = 3;

fn main() -> ExitCode {
    run::keep_memory_private();
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help(page)) => print(cli::help(&page).trim_end()),
        Ok(Command::Man) => print(cli::man().trim_end()),
        Ok(Command::Version) => print(concat!("allora-worker ", env!("CARGO_PKG_VERSION"))),
        Ok(Command::Address { config }) => match load(config, Config::load_seed_phrase) {
            Ok(seed_phrase) => address(&seed_phrase),
            Err(error) => refuse(&error, EXIT_CONFIG),
        },
        Ok(Command::Keygen { out, words, show }) => keygen(&out, words, show),
        Ok(Command::Check { config, json }) => check(config, json),
        Ok(Command::Health { config }) => match load(config, Config::load) {
            Ok(loaded) => healthy(&loaded.config),
            Err(error) => refuse(&error, EXIT_CONFIG),
        },
        Ok(Command::Run { config, file_log }) => match load(config, Config::load) {
            Ok(loaded) => {
                let log = loaded.config.log.clone().with_file(&file_log);
                let warning = logging::start(loaded.config.debug, &log);
                run::end_on_panic();
                if let Some(warning) = warning {
                    log::warn!("{warning}");
                }
                run::run(loaded)
            }
            Err(error) => refuse(&error, EXIT_CONFIG),
        },
        Err(error) => {
            shout(&format!(
                "allora-worker: {error}\nTry: allora-worker --help"
            ));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Finds the configuration and reads from it what `read` reads.
fn load<T>(
    path: Option<PathBuf>,
    read: fn(&Path, Option<&Path>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    read_at(&locate(path)?, read)
}

fn locate(path: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    match path {
        Some(path) => Ok(path),
        None => config::find(&config::SEARCH_PATHS.map(PathBuf::from)),
    }
}

fn read_at<T>(
    path: &Path,
    read: fn(&Path, Option<&Path>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    read(path, credentials.as_deref())
}

fn check(config: Option<PathBuf>, json: bool) -> ExitCode {
    let loaded = locate(config).and_then(|path| Ok((read_at(&path, Config::load)?, path)));
    let (loaded, path) = match loaded {
        Ok(loaded) => loaded,
        Err(error) if json => {
            let report = check::of_refused(&error);
            let _ = print(check::render::json(&report).trim_end());
            return ExitCode::from(EXIT_CONFIG);
        }
        Err(error) => return refuse(&error, EXIT_CONFIG),
    };
    let report = match check::check(&path, loaded) {
        Ok(report) => report,
        Err(error) => return refuse(&error, EXIT_CONFIG),
    };
    let text = if json {
        check::render::json(&report)
    } else {
        check::render::table(&report)
    };
    let _ = print(text.trim_end()); // why: the exit code says it, also to a reader that went away
    if report.verdict() == check::finding::Level::Fail {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn healthy(config: &Config) -> ExitCode {
    match cli::health_client::ask(config.metrics_listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error, EXIT_FAILURE),
    }
}

fn address(seed_phrase: &SeedPhrase) -> ExitCode {
    match Wallet::new(seed_phrase) {
        Ok(wallet) => print(wallet.address()),
        Err(error) => refuse(&error, EXIT_CONFIG),
    }
}

fn keygen(out: &Path, words: WordCount, show: bool) -> ExitCode {
    let made = match keygen::make(out, words) {
        Ok(made) => made,
        Err(error) => return refuse(&error, EXIT_FAILURE),
    };
    shout(&format!(
        "allora-worker: a new wallet: its words are in {}, which only you can read. Keep a copy of \
         them where no computer reads it, name the file in seed_phrase_file, and send ALLO to the \
         address:",
        out.display()
    ));
    let printed = print(&made.address);
    if show { print(&made.words) } else { printed }
}

/// Prints to standard output; a reader that went away is no failure of ours to shout about.
fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The error and its causes, each once.
fn refuse(error: &dyn std::error::Error, code: u8) -> ExitCode {
    shout(&format!("allora-worker: {}", with_causes(error)));
    ExitCode::from(code)
}

/// Prints to standard error.
fn shout(text: &str) {
    // why: the exit code says it too, and is not to be lost because nobody can read the words
    let _ = writeln!(std::io::stderr(), "{text}");
}
