//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use crate::logging::FileLog;

/// What `--help` prints.
pub const HELP: &str = "\
allora-worker: serves topics of the Allora Network with the inferences of your models

Usage:
  allora-worker [run] [--config FILE] [--log-dir DIR]
  allora-worker address [--config FILE]

Commands:
  run       serve the topics of the configuration until stopped (the default)
  address   print the address of the configured wallet, which pays the fees

Options:
  -c, --config FILE   the configuration; without it ./config.json, then
                      /etc/allora-worker/config.json
      --log-dir DIR   where the log file goes; without it ./logs, and nowhere
                      when the journal keeps the log
  -h, --help          this text
  -V, --version       the version

Exit codes:
  0  stopped on request    2  wrong usage
  1  a failure             3  the configuration has to be mended first
";

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve the topics.
    Run {
        /// `--config`.
        config: Option<PathBuf>,
        /// `--log-dir`.
        file_log: FileLog,
    },
    /// Print the wallet's address.
    Address {
        /// `--config`.
        config: Option<PathBuf>,
    },
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// Reads the arguments, the program's name excluded.
///
/// # Errors
/// What is wrong with them, in words.
pub fn parse<I>(arguments: I) -> Result<Command, String>
where
    I: IntoIterator<Item: Into<OsString>>,
{
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut command: Option<String> = None;
    let (mut config, mut log_dir) = (None, None);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let value = |parser: &mut lexopt::Parser| {
            parser
                .value()
                .map(PathBuf::from)
                .map_err(|error| error.to_string())
        };
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Short('c') | Long("config") => config = Some(value(&mut parser)?),
            Long("log-dir") => log_dir = Some(value(&mut parser)?),
            Value(word) if command.is_none() => command = Some(word.to_string_lossy().into_owned()),
            // why: what stands here may be a seed phrase that somebody typed; it is not repeated
            Value(_) => return Err("there is one command too many".to_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    match command.as_deref().unwrap_or("run") {
        "run" => {
            let file_log = log_dir.map_or(FileLog::Usual, FileLog::In);
            Ok(Command::Run { config, file_log })
        }
        "address" if log_dir.is_some() => Err("address writes no log".to_owned()),
        "address" => Ok(Command::Address { config }),
        _ => Err("no such command; there are run and address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        let config = |name: &str| Some(PathBuf::from(name));
        let usual = || FileLog::Usual;
        let empty: [&str; 0] = [];
        let run = Command::Run {
            config: None,
            file_log: usual(),
        };
        assert_eq!(parse(empty), Ok(run.clone()));
        assert_eq!(parse(["run"]), Ok(run));
        let named = Command::Run {
            config: config("a.json"),
            file_log: usual(),
        };
        assert_eq!(parse(["--config", "a.json"]), Ok(named.clone()));
        assert_eq!(parse(["run", "--config=a.json"]), Ok(named));
        let logged = Command::Run {
            config: None,
            file_log: FileLog::In("l".into()),
        };
        assert_eq!(parse(["--log-dir", "l"]), Ok(logged));
        assert_eq!(
            parse(["address", "-c", "a"]),
            Ok(Command::Address {
                config: config("a")
            })
        );
        assert_eq!(parse(["run", "--help"]), Ok(Command::Help));
        assert_eq!(parse(["-V"]), Ok(Command::Version));
    }

    #[test]
    fn wrong_usage_is_named_and_never_repeats_words() {
        for wrong in [
            &["abandon", "ability"][..],
            &["rum"],
            &["--confg", "x"],
            &["--config"],
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(!error.is_empty() && !error.contains("ability"), "{error}");
        }
        assert!(parse(["address", "--log-dir", "x"]).is_err());
    }
}
