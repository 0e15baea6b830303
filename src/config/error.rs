//! Why the worker can't start with its configuration.

use std::io;
use std::path::PathBuf;

use super::section::Problem;
use crate::text::secret::shown_path;

/// Why the worker can't start with its configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "no configuration file; looked for {}. Copy the config.json of this project to one of \
         these places and fill it in, or name yours with --config FILE (`make demo` needs none)",
        places(looked)
    )]
    NotFound { looked: Vec<PathBuf> },
    #[error("the configuration file {} can't be read", shown_path(path))]
    Read { path: PathBuf, source: io::Error },
    /// Values are not repeated: one may be the seed phrase.
    #[error(
        "{}: invalid JSON at line {line}, column {column}: {what}{shown}",
        shown_path(path)
    )]
    NotJson {
        path: PathBuf,
        line: usize,
        /// The column, in bytes from 1.
        column: usize,
        what: String,
        /// Two more lines: the one of the mistake, and a mark under the mistake.
        shown: String,
    },
    /// A line that names the file, then one problem per line.
    #[error("{}: {}", shown_path(path), list(problems))]
    Invalid {
        path: PathBuf,
        problems: Vec<Problem>,
    },
}

fn list(problems: &[Problem]) -> String {
    let plural = if problems.len() == 1 { "" } else { "s" };
    let lines = problems.iter().map(|problem| format!("\n  {problem}"));
    let lines: String = lines.collect();
    format!("{} problem{plural} to fix:{lines}", problems.len())
}

fn places(looked: &[PathBuf]) -> String {
    let places = looked.iter().map(|path| shown_path(path));
    places.collect::<Vec<_>>().join(" and ")
}
