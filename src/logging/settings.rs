//! What the configuration and the command line say about the log.

use std::path::PathBuf;

/// The folder that log files go to when nothing else is said.
pub const FOLDER: &str = "logs";
/// A log file's size when nothing else is said, in bytes.
pub const FILE_BYTES: u64 = 10_000_000;
/// The smallest size that a log file may be given, in bytes.
pub const FILE_BYTES_MIN: u64 = 4_096;
/// The largest size that a log file may be given, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 40;
/// How many full log files are kept when nothing else is said.
pub const FILES_KEPT: u32 = 5;

/// Where a log file is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileLog {
    /// In [`FOLDER`], unless a service manager keeps the log.
    Usual,
    /// In this folder, in any case; nowhere if it is an empty path.
    In(PathBuf),
}

/// How lines look on standard error and in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `log_format`: text by default.
    pub format: Format,
    /// `log_dir`, or `--log-dir`.
    pub file: FileLog,
    /// `log_bytes_max`: a log file that would grow beyond it is put aside;
    /// [`FILE_BYTES_MIN`] to [`FILE_BYTES_MAX`], [`FILE_BYTES`] by default.
    pub file_bytes_max: u64,
    /// `log_files_kept`: how many that are put aside are kept; 1 to 1,000, [`FILES_KEPT`] by
    /// default.
    pub files_kept: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            format: Format::default(),
            file: FileLog::Usual,
            file_bytes_max: FILE_BYTES,
            files_kept: FILES_KEPT,
        }
    }
}

impl Settings {
    /// The same settings with what the command line says about the file.
    #[must_use]
    pub fn with_file(self, file: &FileLog) -> Settings {
        match file {
            FileLog::Usual => self,
            FileLog::In(_) => Settings {
                file: file.clone(),
                ..self
            },
        }
    }
}
