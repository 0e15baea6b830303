//! The real binary as a process, and its output.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, PipeReader, Read as _, pipe};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use allora_localnet::worker::Process;
use rustix::process::Signal;

use super::LIMIT;

/// The absolute path of another build of the worker, which the tests run instead of this one.
const WORKER_VARIABLE: &str = "ALLORA_WORKER_BIN";

/// The binary under test. A relative path is rejected, because each worker starts in its own
/// folder.
pub(crate) fn binary() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_allora-worker"));
    let path = std::env::var_os(WORKER_VARIABLE).map_or_else(built, PathBuf::from);
    assert!(
        path.is_absolute(),
        "{WORKER_VARIABLE} must be an absolute path"
    );
    path
}

/// What a process has written to one stream so far.
#[derive(Default)]
pub(crate) struct Output {
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Default)]
struct Written {
    text: String,
    is_closed: bool,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn text(&self) -> String {
        self.lock().text.clone()
    }

    fn wait_until(&self, limit: Duration, condition: impl Fn(&Written) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut written = self.lock();
        while !condition(&written) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(written, left);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn read(self: &Arc<Output>, pipe: PipeReader) -> JoinHandle<()> {
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                output.lock().text += &String::from_utf8_lossy(&line);
                line.clear();
                output.changed.notify_all();
            }
            output.lock().is_closed = true;
            output.changed.notify_all();
        })
    }
}

/// A running worker; it is killed when dropped.
pub(crate) struct Worker {
    process: Process,
    pub(super) stderr: Arc<Output>,
    stdout: PipeReader,
}

/// The status and output of a worker that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code, or 128 + n after signal n, as in a shell.
    pub(crate) fn code(&self) -> i32 {
        let signal = self.status.signal().map(|signal| 128 + signal);
        self.status.code().or(signal).unwrap()
    }
}

impl Worker {
    /// Starts the binary in a folder, with only these arguments and environment variables.
    pub(crate) fn start(
        folder: &Path,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Worker {
        let (stderr, to_stderr) = pipe().unwrap();
        Worker::start_on(
            folder,
            arguments,
            environment,
            stderr,
            Stdio::from(to_stderr),
        )
    }

    /// Like [`Worker::start`], with the caller's pipe for standard error.
    pub(crate) fn start_on(
        folder: &Path,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
        stderr: PipeReader,
        to_stderr: Stdio,
    ) -> Worker {
        let (stdout, to_stdout) = pipe().unwrap();
        let variables = environment.iter().map(|(name, value)| (name, value));
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env_clear()
            .envs(variables)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(to_stdout)
            .stderr(to_stderr);
        let process = Process::spawn(&mut command).unwrap();
        // The command holds the write ends of the pipes; until they are closed, the readers never
        // end.
        drop(command);
        let output = Arc::new(Output::default());
        output.read(stderr);
        Worker {
            process,
            stderr: output,
            stdout,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// The lines logged so far that contain `part`.
    pub(crate) fn lines_with(&self, part: &str) -> Vec<String> {
        lines_with(&self.log(), part)
    }

    /// Waits for a line that contains `part`; returns the first one.
    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        self.wait_for_lines(part, 1).remove(0)
    }

    /// Waits for at least `count` lines that contain `part`.
    pub(crate) fn wait_for_lines(&self, part: &str, count: usize) -> Vec<String> {
        let is_done =
            |written: &Written| lines_with(&written.text, part).len() >= count || written.is_closed;
        self.stderr.wait_until(LIMIT, is_done);
        let lines = self.lines_with(part);
        assert!(
            lines.len() >= count,
            "waited for {count} lines with {part:?}"
        );
        lines
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    pub(crate) fn ended(mut self) -> Ended {
        assert!(
            self.stderr.wait_until(LIMIT, |written| written.is_closed),
            "waited for the worker to end"
        );
        let status = self.process.wait().unwrap();
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        Ended {
            status,
            stdout,
            stderr: self.log(),
        }
    }

    /// Sends a signal and waits until the worker has ended.
    pub(crate) fn end_by(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.ended()
    }

    /// Stops the worker with SIGTERM, as a service manager does; exit code 0 is asserted.
    pub(crate) fn stop(self) -> Ended {
        let ended = self.end_by(Signal::TERM);
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        ended
    }
}

/// The lines of a text that contain `part`.
pub(crate) fn lines_with(text: &str, part: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(str::to_owned).collect()
}
