//! What the commands have in common towards whoever started them: words on the two outputs, and an
//! end when they are asked to end.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Prints to standard output at once.
pub(crate) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells on standard error what `who` has to complain about.
pub(crate) fn complain(who: &str, text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{who}: {text}");
}

/// SIGINT, SIGTERM and SIGHUP end what is `wanted`, and the workers with it.
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
