//! The events that the demo waits for: a block, the end of the worker, a signal. All come through
//! one channel, so that the demo waits in one place and with one time limit.

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

/// Capacity of the channel. When it is full, further events may be dropped, because those in it
/// make the demo check everything.
const EVENTS_MAX: usize = 64;

enum Wake {
    /// A block was made or a child process ended.
    Changed,
    Signal(i32),
}

/// Both ends of the channel.
pub(super) struct Events {
    inbox: Receiver<Wake>,
    outbox: SyncSender<Wake>,
}

impl Events {
    /// Takes over the handling of signals.
    pub(super) fn new() -> io::Result<Events> {
        let (outbox, inbox) = sync_channel(EVENTS_MAX);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])?;
        let tell = outbox.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    let event = match signal {
                        SIGCHLD => Wake::Changed,
                        signal => Wake::Signal(signal),
                    };
                    // Blocks while the channel is full: a signal must not be lost.
                    if tell.send(event).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Events { inbox, outbox })
    }

    /// Sends an event for each block that is not empty.
    pub(super) fn narrator(&self) -> Narrator {
        let tell = self.outbox.clone();
        Box::new(move |_| {
            let _ = tell.try_send(Wake::Changed);
        })
    }

    /// Waits for an event; `false` after the time limit.
    pub(super) fn next(&self, until: Instant) -> Result<bool, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        match self.inbox.recv_timeout(left) {
            Ok(Wake::Changed) => Ok(true),
            Ok(Wake::Signal(signal)) => Err(Failure::Interrupted(signal)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(false),
        }
    }

    /// Waits until a process ends; `None` after the time limit.
    pub(super) fn end_of(
        &self,
        process: &mut Process,
        until: Instant,
    ) -> Result<Option<ExitStatus>, Failure> {
        loop {
            let ended = process.ended();
            if let Some(status) = ended.map_err(Failure::of("cannot observe the worker"))? {
                return Ok(Some(status));
            }
            if !self.next(until)? {
                return Ok(None);
            }
        }
    }
}
