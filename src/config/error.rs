//! Why there is no configuration to start with, in words that tell what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::section::Problem;

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file in any of the places.
    #[error(
        "no configuration file; looked for {}. Copy the config.json of this project to one of \
         these places and fill it in, or name yours with --config FILE (`make demo` needs none)",
        places(looked)
    )]
    NotFound {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// The system does not give the file out.
    #[error("the configuration file {} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no JSON. Its text is not repeated: it may hold the seed phrase.
    #[error("{} is no JSON: {what} at line {line}, column {column}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, in bytes from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// The file says things that can't be used; here are all of them.
    #[error("{}", Invalid { path, problems })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, in the order of reading.
        problems: Vec<Problem>,
    },
}

/// A header that names the file, then one problem per line.
struct Invalid<'a> {
    path: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Invalid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.problems.len() == 1 { "" } else { "s" };
        write!(
            f,
            "{}: {} problem{plural} to mend:",
            self.path.display(),
            self.problems.len()
        )?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

fn places(looked: &[PathBuf]) -> String {
    let places: Vec<_> = looked
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    places.join(" and ")
}
