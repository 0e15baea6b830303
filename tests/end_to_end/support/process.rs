//! The real binary as a process, and what it writes.

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

/// Names another build of the worker that the tests run instead, by its whole path.
const WORKER_VARIABLE: &str = "ALLORA_WORKER_BIN";

/// The binary under test. A relative path is refused: each worker starts in a folder of its own.
fn binary() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_allora-worker"));
    let path = std::env::var_os(WORKER_VARIABLE).map_or_else(built, PathBuf::from);
    assert!(
        path.is_absolute(),
        "{WORKER_VARIABLE} must be a whole path, from / on"
    );
    path
}

/// What a process has written so far.
#[derive(Default)]
pub(crate) struct Output {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    text: String,
    over: bool,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn text(&self) -> String {
        self.lock().text.clone()
    }

    fn wait_until(&self, limit: Duration, condition: impl Fn(&State) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        while !condition(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.bell.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
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
                output.bell.notify_all();
            }
            output.lock().over = true;
            output.bell.notify_all();
        })
    }
}

/// A running worker; killed when dropped.
pub(crate) struct Worker {
    process: Process,
    pub(super) stderr: Arc<Output>,
    stdout: PipeReader,
}

/// A worker that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code, or 128 + n after signal n, as a shell has it.
    pub(crate) fn code(&self) -> i32 {
        let signal = self.status.signal().map(|signal| 128 + signal);
        self.status.code().or(signal).unwrap()
    }
}

impl Worker {
    /// Starts the binary in a folder with nothing but these arguments and variables.
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

    /// As [`Worker::start`], with a pipe for standard error that the caller has made.
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
        // The command's ends of the pipes have to be closed, or their readers wait for ever.
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

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// The lines logged so far that have this in them.
    pub(crate) fn lines_with(&self, part: &str) -> Vec<String> {
        lines_with(&self.log(), part)
    }

    /// Waits for a line with this in it and gives the first one.
    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        self.wait_for_lines(part, 1).remove(0)
    }

    /// Waits for so many lines with this in them.
    pub(crate) fn wait_for_lines(&self, part: &str, count: usize) -> Vec<String> {
        let there = |state: &State| lines_with(&state.text, part).len() >= count || state.over;
        self.stderr.wait_until(LIMIT, there);
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

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> Ended {
        assert!(
            self.stderr.wait_until(LIMIT, |state| state.over),
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

    /// Sends a signal and waits for the end.
    pub(crate) fn end_by(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.ended()
    }

    /// Stops it as a service manager does, which must succeed.
    pub(crate) fn stop(self) -> Ended {
        let ended = self.end_by(Signal::TERM);
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        ended
    }
}

/// The lines of a text that have this in them.
pub(crate) fn lines_with(text: &str, part: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(str::to_owned).collect()
}
