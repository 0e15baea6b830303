//! Why a demo ends without success.

use std::io;

/// Why the demo did not go well.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody ended it with this signal.
    Interrupted(i32),
    /// This is to be said.
    Told(String),
    /// The last line on standard output says it already.
    Shown,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Told(error.to_string())
    }
}

impl Failure {
    pub(super) fn of(what: &str) -> impl FnOnce(io::Error) -> Failure {
        move |error| Failure::Told(format!("{what}: {error}"))
    }
}
