//! The only place that starts threads, so that each has a name (in the log and in a panic's text)
//! and a small stack; and the lock of what they share. `limit` reads how many the system allows.

pub mod limit;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// Stack of each thread: TLS and JSON need a fraction of it.
const STACK_BYTES: usize = 512 * 1024;

fn builder(name: &str) -> Builder {
    Builder::new().name(name.to_owned()).stack_size(STACK_BYTES)
}

/// Starts a thread.
///
/// # Errors
/// When the system refuses, usually because a limit on tasks or memory is reached.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    builder(name).spawn(body)
}

/// Starts a thread that may borrow from outside of `scope`.
///
/// # Errors
/// Like [`spawn`].
pub fn spawn_scoped<'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, ()>> {
    builder(name).spawn_scoped(scope, body)
}

/// Locks a value that threads share, also after a thread has panicked with the lock: every change
/// under a lock is complete, and a panic ends the process anyway.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
