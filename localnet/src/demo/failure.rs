//! Why the demo fails.

use std::io;

#[derive(Debug)]
pub(super) enum Failure {
    /// By this signal.
    Interrupted(i32),
    /// With this message.
    Message(String),
    /// The table shows why.
    Shown,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Message(error.to_string())
    }
}

impl Failure {
    pub(super) fn of(what: &str) -> impl FnOnce(io::Error) -> Failure {
        move |error| Failure::Message(format!("{what}: {error}"))
    }
}
