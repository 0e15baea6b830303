//! How the log is written, as the configuration and the command line set it.

use std::path::PathBuf;

/// The default folder for log files.
pub const FOLDER: &str = "logs";
/// The default size of a log file, in bytes.
pub const FILE_BYTES: u64 = 10_000_000;
pub const FILE_BYTES_MIN: u64 = 4_096;
pub const FILE_BYTES_MAX: u64 = 1 << 40;
/// How many full log files are kept by default.
pub const FILES_KEPT: u32 = 5;

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `log_format`: text by default.
    pub format: Format,
    /// `log_dir`, or `--log-dir`.
    pub file: FileLog,
    /// `log_bytes_max`: a log file that would grow beyond it is rotated;
    /// [`FILE_BYTES_MIN`] to [`FILE_BYTES_MAX`], [`FILE_BYTES`] by default.
    pub file_bytes_max: u64,
    /// `log_files_kept`: how many rotated files are kept; 1 to 1,000, [`FILES_KEPT`] by
    /// default.
    pub files_kept: u32,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            format: Format::default(),
            file: FileLog::Usual,
            file_bytes_max: FILE_BYTES,
            files_kept: FILES_KEPT,
        }
    }
}

impl LogSettings {
    /// The same settings, with `--log-dir` if that is given.
    pub fn with_file(mut self, file: &FileLog) -> LogSettings {
        if let FileLog::In(_) = file {
            self.file = file.clone();
        }
        self
    }
}
