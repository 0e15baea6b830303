//! A worker as a child process: its configuration, its start, what /proc shows of it, and its end.
//!
//! Every command and test that runs a worker uses this wrapper, so that none is left running.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bip39::Mnemonic;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::chain::bech32;

/// File name of the configuration in a worker's folder, which the worker finds by itself.
pub(crate) const CONFIG: &str = "config.json";
/// File name of the log in a worker's folder.
pub(crate) const LOG: &str = "worker.log";
/// Bytes of entropy of a seed phrase of 24 words.
const ENTROPY_BYTES: usize = 32;
/// Longest time for the worker to print its address.
const ADDRESS_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest output that is read from a command.
const OUTPUT_BYTES_MAX: u64 = 4_096;
/// Time between two looks at a process that is about to end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Writes a worker's configuration, readable by its owner only.
pub(crate) fn write_config(folder: &Path, config: &Value) -> io::Result<()> {
    write_private(&folder.join(CONFIG), &format!("{config:#}"))
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    writeln!(options.open(path)?, "{text}")
}

/// A new seed phrase. Its wallet is worth nothing on any chain but a simulated one.
pub(crate) fn new_seed_phrase() -> io::Result<String> {
    let mut entropy = [0; ENTROPY_BYTES];
    getrandom::fill(&mut entropy).map_err(io::Error::other)?;
    let phrase = Mnemonic::from_entropy(&entropy).map_err(io::Error::other)?;
    Ok(phrase.to_string())
}

/// The absolute path of a worker's binary.
pub(crate) fn find(worker: &Path) -> io::Result<PathBuf> {
    worker.canonicalize().map_err(|error| {
        let text = format!("cannot find the worker {}: {error}", worker.display());
        io::Error::new(error.kind(), text)
    })
}

/// A command for a program that runs in a folder of its own.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        // The wallet is the folder's, even if a service manager offers credentials.
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::null());
    command
}

/// Asks the worker for the address of the wallet that is configured in a folder.
pub(crate) fn ask_address(worker: &Path, folder: &Path) -> io::Result<String> {
    let fail = |why: String| io::Error::other(format!("cannot get the worker's address: {why}"));
    let mut process = Process::spawn(
        command(worker, folder)
            .arg("address")
            .stdout(Stdio::piped()),
    )?;
    let until = Instant::now() + ADDRESS_TIME_MAX;
    let status = loop {
        if let Some(status) = process.ended()? {
            break status;
        }
        if Instant::now() >= until {
            let seconds = ADDRESS_TIME_MAX.as_secs();
            return Err(fail(format!("no answer within {seconds} s")));
        }
        thread::sleep(LOOK_EVERY);
    };
    if !status.success() {
        return Err(fail(status.to_string()));
    }
    let mut output = String::new();
    if let Some(stdout) = process.0.stdout.take() {
        stdout.take(OUTPUT_BYTES_MAX).read_to_string(&mut output)?;
    }
    let address = output.trim();
    bech32::decode(address).map_err(|error| fail(error.to_string()))?;
    Ok(address.to_owned())
}

/// A running worker. Dropping it kills the process if it still runs.
#[derive(Debug)]
pub struct Process(Child);

/// Resident memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) now_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Process {
    /// Starts a command.
    ///
    /// # Errors
    /// When the program cannot be started; the text names the program.
    pub fn spawn(command: &mut Command) -> io::Result<Process> {
        command.spawn().map(Process).map_err(|error| {
            let program = Path::new(command.get_program()).display();
            io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
        })
    }

    /// Starts a command whose output is appended to the log in its folder.
    pub(crate) fn spawn_logged(command: &mut Command, folder: &Path) -> io::Result<Process> {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(folder.join(LOG))?;
        Process::spawn(command.stdout(log.try_clone()?).stderr(log))
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The exit status, if the process has ended.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Waits until the process ends.
    ///
    /// # Errors
    /// When the system has lost the process.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process does not exist any more.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Sends SIGTERM, unless the process has ended.
    pub(crate) fn terminate(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // Fails only if the process ends right now, which its exit status shows.
            let _ = self.signal(Signal::TERM);
        }
    }

    /// Kills the process at once, as a power cut does.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(|_| ())
    }

    /// The names of its threads; empty without /proc.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = self.tasks().into_iter();
        // A thread that has just ended has no name any more.
        let names = tasks.filter_map(|task| fs::read_to_string(task.join("comm")).ok());
        names.map(|name| name.trim().to_owned()).collect()
    }

    /// Its memory; `None` without /proc.
    pub(crate) fn memory(&self) -> Option<Memory> {
        memory(&fs::read_to_string(self.proc("status")).ok()?)
    }

    /// Processor time of all its threads, in user and kernel mode; `None` without /proc.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let mut sum = Duration::ZERO;
        let tasks = self.tasks();
        for task in &tasks {
            // Threads that have ended are missing; a worker's threads do not end.
            let text = fs::read_to_string(task.join("schedstat")).ok()?;
            sum += Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?);
        }
        (!tasks.is_empty()).then_some(sum)
    }

    fn tasks(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.proc("task")).into_iter().flatten();
        entries.flatten().map(|task| task.path()).collect()
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.id().to_string()).join(name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // Fails only if the process ends right now.
            let _ = self.kill();
        }
    }
}

/// Reads `/proc/PID/status`.
fn memory(status: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory {
        now_kib: kib("VmRSS:")?,
        peak_kib: kib("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kib() {
        let status = "Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    3912 kB\nVmRSS:\t1 kB\n";
        let (now_kib, peak_kib) = (1, 3_912);
        assert_eq!(memory(status), Some(Memory { now_kib, peak_kib }));
        assert_eq!(memory("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_is_observed_and_killed() {
        let mut process = Process::spawn(Command::new("sleep").arg("600")).unwrap();
        let pid = process.id();
        assert!(process.memory().unwrap().peak_kib > 0);
        assert_eq!(process.threads().len(), 1);
        assert!(process.processor_time().is_some());
        assert!(process.ended().unwrap().is_none());
        process.kill().unwrap();
        assert!(process.ended().unwrap().is_some());
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}/comm")).exists());
    }

    #[test]
    fn a_dropped_process_is_killed() {
        let process = Process::spawn(Command::new("sleep").arg("600")).unwrap();
        let pid = process.id();
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}/comm")).exists());
    }

    #[test]
    fn a_program_that_cannot_be_started_is_named() {
        let error = Process::spawn(&mut Command::new("/no/such/worker")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot start /no/such/worker: ")
        );
    }

    #[test]
    fn only_the_owner_can_read_the_configuration() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        write_config(folder.path(), &serde_json::json!({"debug": true})).unwrap();
        let path = folder.path().join(CONFIG);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
