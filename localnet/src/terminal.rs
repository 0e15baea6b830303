//! What the commands share: their exit codes, output on the terminal and the reaction to signals.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Runs the command `who` with its parsed options, or prints its help if there are none. The exit
/// code is 0 for success, 1 for failure and 2 for an invalid command line.
pub fn command<S>(
    who: &str,
    help: &str,
    options: Result<Option<S>, String>,
    run: impl FnOnce(&S) -> io::Result<bool>,
) -> ExitCode {
    let result = match options {
        Ok(Some(options)) => run(&options),
        Ok(None) => print(help).map(|()| true),
        Err(error) => {
            print_error(who, &format!("{error}\nTry --help."));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print_error(who, &error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output and flushes.
///
/// # Errors
/// When standard output is closed or cannot be written to.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a message of the command `who` to standard error.
pub(crate) fn print_error(who: &str, text: &str) {
    // If standard error is closed, there is no other place for the message.
    let _ = writeln!(io::stderr(), "{who}: {text}");
}

/// Sets `wanted` to false on SIGINT, SIGTERM and SIGHUP, so that the command stops its workers.
pub(crate) fn end_on_signal(wanted: &Arc<AtomicBool>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let wanted = Arc::clone(wanted);
    let taker = thread::Builder::new().name("signals".to_owned());
    taker.spawn(move || {
        for _ in signals.forever() {
            wanted.store(false, Ordering::Relaxed);
        }
    })?;
    Ok(())
}
