//! The command line: parses the arguments, runs the command, prints its result.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::check::finding::Level;
use crate::check::{self, render};
use crate::config::{self, Config, ConfigError};
use crate::sign::keygen::{self, WordCount};
use crate::sign::secret_file::read_secret;
use crate::sign::wallet::Wallet;
use crate::text::secret::shown_path;
use crate::text::{escaped, with_causes};
use crate::{import, logging, run};

pub mod arguments;
mod completions;
pub mod help;
pub mod reference;
mod status;
mod worker_client;

use arguments::Command;

/// Why a command failed; the details are printed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Wrong arguments.
    Usage,
    /// The configuration or the seed phrase must be fixed; a restart does not help.
    Config,
    Other,
}

/// Runs the command of these arguments, which do not include the program's name.
///
/// # Errors
/// The command failed.
pub fn execute(arguments: impl IntoIterator<Item: Into<OsString>>) -> Result<ExitCode, Failure> {
    let (command, config) = arguments::parse(arguments).map_err(|error| {
        print_error(&error.to_string());
        Failure::Usage
    })?;
    let done = match command {
        Command::Help(page) => print(help::help(page).trim_end()),
        Command::Man => print(help::man().trim_end()),
        Command::Completions(shell) => print(completions::script(shell).trim_end()),
        Command::Version => print(&version()),
        Command::Address => address(config),
        Command::Keygen { out, words, show } => keygen(&out, words, show),
        Command::Import(file) => import(&file),
        Command::Check { json } => check(config, json),
        Command::Health => {
            let (listen, _) = load(config, Config::load_metrics_listen).map_err(refuse)?;
            let health = worker_client::ask_health(listen);
            health.map_err(|error| report(&error, Failure::Other))
        }
        Command::Status(form) => {
            let (listen, _) = load(config, Config::load_metrics_listen).map_err(refuse)?;
            status::status(listen, form)
        }
        Command::Run(file_log) => {
            let (loaded, _) = load(config, Config::load).map_err(refuse)?;
            let log = loaded.config.log.clone().with_file(&file_log);
            let warning = logging::start(loaded.config.debug, &log);
            run::end_on_panic();
            if let Some(warning) = warning {
                log::warn!("{warning}");
            }
            let code = run::run(loaded);
            log::logger().flush();
            return Ok(code);
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// The file that `ALLORA_WORKER_CONFIG` names.
fn config_of_environment() -> Option<PathBuf> {
    let path = std::env::var_os("ALLORA_WORKER_CONFIG").filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// The version, the commit that a release was built from, and the kind of system.
fn version() -> String {
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    let library = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    let commit = option_env!("ALLORA_WORKER_COMMIT").filter(|commit| !commit.is_empty());
    let commit = commit.map_or_else(String::new, |commit| format!("commit {commit}, "));
    format!(
        "allora-worker {} ({commit}{arch}-{os}-{library})",
        env!("CARGO_PKG_VERSION")
    )
}

/// Finds the configuration, and reads from it what `read` reads.
fn load<T>(
    path: Option<PathBuf>,
    read: fn(&Path, Option<&Path>) -> Result<T, ConfigError>,
) -> Result<(T, PathBuf), ConfigError> {
    let search = || config::find(&config::SEARCH_PATHS.map(PathBuf::from));
    let path = path.or_else(config_of_environment);
    let path = path.map_or_else(search, Ok)?;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Ok((read(&path, credentials.as_deref())?, path))
}

fn address(config: Option<PathBuf>) -> Result<(), Failure> {
    let (secret, _) = load(config, Config::load_secret).map_err(refuse)?;
    let wallet = Wallet::of(&secret).map_err(refuse)?;
    print(wallet.address())
}

fn keygen(out: &Path, words: WordCount, show: bool) -> Result<(), Failure> {
    let wallet = keygen::make(out, words).map_err(|error| report(&error, Failure::Other))?;
    print_error(&format!(
        "a new wallet: its seed phrase is in {}, which only you can read. Keep a copy offline, name \
         the file in seed_phrase_file, and send ALLO to the address:",
        shown_path(out)
    ));
    let printed = print(&wallet.address);
    if show { print(&wallet.words) } else { printed }
}

fn import(path: &Path) -> Result<(), Failure> {
    let (text, _) = read_secret(path, config::FILE_BYTES_MAX).map_err(|error| {
        print_error(&format!("{} can't be read: {error}", shown_path(path)));
        Failure::Config
    })?;
    let imported = import::import(&text).map_err(|error| {
        print_error(&format!("{}: {error}", shown_path(path)));
        Failure::Config
    })?;
    let config = imported.text();
    let problems = config::problems(&config, path).into_iter();
    let problems = problems
        .map(|problem| format!("to fix in the printed configuration: {}", escaped(&problem)));
    let notes = imported.notes.into_iter().chain(problems);
    let notes: String = notes.map(|note| format!("\n  - {note}")).collect();
    let of = imported.of;
    print_error(&format!(
        "the configuration of {of}, for this worker. To know and to do:{notes}\n  - then: allora-worker \
         check --config FILE; stop the other worker first: two processes with one key pay twice"
    ));
    print(&config)
}

fn check(config: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let render = if json { render::json } else { render::table };
    let show = |report| {
        // why: the exit code stays right if standard output is closed
        let _ = print(render(report).trim_end());
    };
    let (loaded, path) = match load(config, Config::load) {
        Ok(loaded) => loaded,
        Err(error) if json => {
            show(&check::of_refused(&error));
            return Err(Failure::Config);
        }
        Err(error) => return Err(refuse(error)),
    };
    let report = check::check(&path, loaded).map_err(refuse)?;
    show(&report);
    match report.verdict() {
        Level::Fail => Err(Failure::Other),
        Level::Ok | Level::Warn => Ok(()),
    }
}

/// Prints to standard output. If that is closed, the command fails without a message.
fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(|_| Failure::Other)
}

fn refuse(error: impl Error) -> Failure {
    report(&error, Failure::Config)
}

fn report(error: &dyn Error, failure: Failure) -> Failure {
    print_error(&with_causes(error));
    failure
}

fn print_error(text: &str) {
    // why: the exit code stays right if standard error is closed
    let _ = writeln!(std::io::stderr(), "allora-worker: {text}");
}
