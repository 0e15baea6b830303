//! `status`: shows what the running worker does, once or again and again.

mod table;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::arguments::StatusForm;
use super::worker_client::{AskError, ask_status};
use super::{Failure, print, report};
use crate::text::with_causes;

/// The pause between two looks at the worker.
const WATCH_PAUSE: Duration = Duration::from_secs(2);
/// Moves to the upper left corner of a terminal and clears it.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the worker's answer is not understood; is it of another version than this command?")]
    Form(#[from] serde_json::Error),
}

/// Shows the state of the worker that listens there. A watched one is shown until standard output is
/// closed, also while it does not answer: it may be restarting.
pub(super) fn status(listen: Option<SocketAddr>, form: StatusForm) -> Result<(), Failure> {
    match form {
        StatusForm::Json => match ask_status(listen) {
            Ok(json) => print(String::from_utf8_lossy(&json).trim_end()),
            Err(error) => Err(report(&error, Failure::Other)),
        },
        StatusForm::Table => match state(listen) {
            Ok(table) => print(table.trim_end()),
            Err(error) => Err(report(&error, Failure::Other)),
        },
        StatusForm::Watched if listen.is_none() => Err(report(&AskError::NotSet, Failure::Other)),
        StatusForm::Watched => loop {
            let text = state(listen).unwrap_or_else(|error| with_causes(&error));
            let clear = if std::io::stdout().is_terminal() {
                CLEAR
            } else {
                ""
            };
            print(&format!("{clear}{text}"))?;
            std::thread::sleep(WATCH_PAUSE);
        },
    }
}

fn state(listen: Option<SocketAddr>) -> Result<String, StatusError> {
    let state = serde_json::from_slice(&ask_status(listen)?)?;
    Ok(table::table(&state, SystemTime::now()))
}
