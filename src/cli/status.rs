//! `status`: shows what the running worker does, once or again and again.

mod table;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use super::arguments::StatusForm;
use super::worker_client::{AskError, ask_status};
use super::{Failure, print, report};
use crate::status::FORMAT;
use crate::text::with_causes;

/// The pause between two looks at the worker.
const WATCH_PAUSE: Duration = Duration::from_secs(2);
/// Moves to the upper left corner of a terminal and clears it.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("what answers there is no worker of this version: its /status.json has another form")]
    Form(#[from] serde_json::Error),
    #[error(
        "what answers there is no worker of this version: the format of its /status.json is {format}, \
         not {FORMAT}"
    )]
    Format { format: u64 },
}

/// Shows the state of the worker that listens there. A watched one is shown until standard output is
/// closed, also while it does not answer: it may be restarting.
pub(super) fn status(listen: Option<SocketAddr>, form: StatusForm) -> Result<(), Failure> {
    match form {
        StatusForm::Json | StatusForm::Table => match state(listen, form) {
            Ok(text) => print(text.trim_end()),
            Err(error) => Err(report(&error, Failure::Other)),
        },
        StatusForm::Watched if listen.is_none() => Err(report(&AskError::NotSet, Failure::Other)),
        StatusForm::Watched => loop {
            let text = state(listen, form).unwrap_or_else(|error| with_causes(&error));
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

fn state(listen: Option<SocketAddr>, form: StatusForm) -> Result<String, StatusError> {
    let json = ask_status(listen)?;
    let Versioned { format } = serde_json::from_slice(&json)?;
    if format != FORMAT {
        return Err(StatusError::Format { format });
    }
    Ok(match form {
        StatusForm::Json => {
            let state: Value = serde_json::from_slice(&json)?;
            format!("{state:#}")
        }
        StatusForm::Table | StatusForm::Watched => {
            let state = serde_json::from_slice(&json)?;
            table::table(&state, SystemTime::now())
        }
    })
}

/// The part of the state that every version has.
#[derive(Deserialize)]
struct Versioned {
    format: u64,
}
