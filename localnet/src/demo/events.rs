//! What the demo waits for: blocks of the chain, the end of a process, somebody's Ctrl-C. All come
//! through one channel, so that every wait has one place and one limit.

use std::io;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;
use crate::play::handle::Narrator;
use crate::worker::Process;

/// Events that wait to be looked at; one that finds no room is no loss, since those before it
/// have the same things looked at.
const EVENTS_MAX: usize = 64;

enum Event {
    /// Something happened that a state can be asked about.
    Changed,
    /// The user wants an end.
    Signal(i32),
}

/// The channel's both ends.
pub(super) struct Events {
    inbox: Receiver<Event>,
    outbox: SyncSender<Event>,
}

impl Events {
    /// Takes the signals of the process from here on.
    pub(super) fn new() -> io::Result<Events> {
        let (outbox, inbox) = sync_channel(EVENTS_MAX);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])?;
        let tell = outbox.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    let event = match signal {
                        SIGCHLD => Event::Changed,
                        signal => Event::Signal(signal),
                    };
                    // Blocks while there is no room: a signal must not get lost.
                    if tell.send(event).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Events { inbox, outbox })
    }

    /// Makes an event of each block that has something in it.
    pub(super) fn narrator(&self) -> Narrator {
        let tell = self.outbox.clone();
        Box::new(move |_| {
            let _ = tell.try_send(Event::Changed);
        })
    }

    /// Waits until something happened; `false` when the time is over before.
    pub(super) fn next(&self, until: Instant) -> Result<bool, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        match self.inbox.recv_timeout(left) {
            Ok(Event::Changed) => Ok(true),
            Ok(Event::Signal(signal)) => Err(Failure::Interrupted(signal)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(false),
        }
    }

    /// Waits for a process to end; `None` when the time is over before.
    pub(super) fn end_of(
        &self,
        process: &mut Process,
        until: Instant,
    ) -> Result<Option<ExitStatus>, Failure> {
        loop {
            let ended = process.ended();
            if let Some(status) = ended.map_err(Failure::of("the worker is lost"))? {
                return Ok(Some(status));
            }
            if !self.next(until)? {
                return Ok(None);
            }
        }
    }
}
