//! The log: on the console, with colours where that is a terminal, and in a file beside it, as the
//! users of the Python worker know it. Under a service manager the journal is enough, and no file
//! is written unless one is asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use log::LevelFilter;
use simplelog::{
    ColorChoice, CombinedLogger, Config, ConfigBuilder, LevelPadding, SharedLogger, TermLogger,
    TerminalMode, ThreadLogMode, ThreadPadding, WriteLogger,
};
use time::macros::format_description;

pub mod settings;

pub use settings::{FOLDER, FileLog, Format, Settings};

/// Starts logging. Gives what should be said about it first: a file that can't be written is a
/// warning, not a reason to stop.
#[must_use]
pub fn start(debug: bool, file_log: &FileLog) -> Option<String> {
    let level = if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    let colours = if io::stderr().is_terminal() {
        ColorChoice::Auto
    } else {
        ColorChoice::Never
    };
    let console = TermLogger::new(level, config(), TerminalMode::Stderr, colours);
    let mut loggers: Vec<Box<dyn SharedLogger>> = vec![console];
    let mut warning = None;
    if let Some(folder) = folder(file_log) {
        match open(&folder) {
            Ok(file) => loggers.push(WriteLogger::new(level, config(), file)),
            Err(error) => {
                warning = Some(format!(
                    "no log file: {} can't be written to ({error}); logging here only",
                    folder.display()
                ));
            }
        }
    }
    // why: it fails only where logging was started before, and then there is a log already
    let _ = CombinedLogger::init(loggers);
    warning
}

/// Time in UTC, level, thread and text. Only our own lines: other crates' debug lines could show
/// what a request carries.
fn config() -> Config {
    ConfigBuilder::new()
        .set_time_format_custom(format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]Z"
        ))
        .set_thread_level(LevelFilter::Error)
        .set_thread_mode(ThreadLogMode::Names)
        .set_thread_padding(ThreadPadding::Right(11))
        .set_level_padding(LevelPadding::Right)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .add_filter_allow_str("allora_worker")
        .build()
}

fn folder(file_log: &FileLog) -> Option<PathBuf> {
    match file_log {
        FileLog::In(folder) if folder.as_os_str().is_empty() => None,
        FileLog::In(folder) => Some(folder.clone()),
        FileLog::Usual if journal_keeps_it() => None,
        FileLog::Usual => Some(PathBuf::from(FOLDER)),
    }
}

/// Whether standard error is the journal's stream: then systemd names its device and inode.
fn journal_keeps_it() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stream) = fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    named == format!("{}:{}", stream.dev(), stream.ino())
}

/// A new file named by the time in seconds; others may not read it.
fn open(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let path = folder.join(format!("{now_s}.log"));
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_named_by_its_second_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("deeper/logs");
        open(&logs).unwrap();
        let names: Vec<_> = fs::read_dir(&logs)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(names.len(), 1);
        let name = names[0].file_stem().unwrap().to_str().unwrap();
        assert!(name.parse::<u64>().unwrap() > 1_600_000_000);
        assert_eq!(fs::metadata(&names[0]).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(open(&folder.path().join("file/logs")).is_err());
    }
}
