//! A worker as a process of its own, and what the system's books (/proc) say of it: memory,
//! threads, time on a processor. Elsewhere than on Linux there are no such books, and those figures
//! are missing.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::plan::Contestant;

/// The name of the log in a worker's folder.
pub(super) const LOG: &str = "worker.log";
/// The name of the configuration in a worker's folder.
pub(super) const CONFIG: &str = "config.json";
/// The environment variable that names the trusted certificate authorities.
const TRUST: &str = "SSL_CERT_FILE";

/// A started worker; dropping it kills it if it still runs.
pub(super) struct Process(Child);

impl Process {
    /// Starts a contestant on the folder's configuration; its log goes to the folder.
    pub(super) fn start(
        contestant: &Contestant,
        folder: &Path,
        trusted: Option<&Path>,
    ) -> io::Result<Process> {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(folder.join(LOG))?;
        let mut command = Command::new(&contestant.program);
        command
            .args(contestant.arguments(&folder.join(CONFIG), folder))
            .current_dir(folder)
            // The folder's wallet counts, whatever the machine's service manager may offer.
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove(TRUST)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(file) = trusted {
            command.env(TRUST, file);
        }
        let started = command.spawn().map(Process);
        started.map_err(|error| {
            let text = format!("{} does not start: {error}", contestant.program.display());
            io::Error::new(error.kind(), text)
        })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only for a process that is gone, which shows in how it ended.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// The most memory that it ever had at a time, in bytes.
    pub(super) fn peak_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(self.book("status")).ok()?;
        peak_bytes(&text)
    }

    /// The names of its threads, the main one included.
    pub(super) fn threads(&self) -> Vec<String> {
        let name = |task: PathBuf| fs::read_to_string(task.join("comm")).ok();
        let names = self.tasks().into_iter().filter_map(name);
        names.map(|name| name.trim().to_owned()).collect()
    }

    /// Time that its threads have spent on a processor, in its own code and in the system's.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let mut sum = Duration::ZERO;
        let tasks = self.tasks();
        for task in &tasks {
            // One that has ended meanwhile is missing; a worker's threads do not end.
            let text = fs::read_to_string(task.join("schedstat")).ok()?;
            sum += Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?);
        }
        (!tasks.is_empty()).then_some(sum)
    }

    fn tasks(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.book("task")).into_iter().flatten();
        entries.flatten().map(|task| task.path()).collect()
    }

    fn book(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.0.id().to_string()).join(name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // Both fail only for a process that is gone.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The peak of the resident memory in `/proc/PID/status`, which counts in KiB.
fn peak_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    3912 kB\nVmRSS:\t1 kB\n";
        assert_eq!(peak_bytes(status), Some(3_912 * 1024));
        assert_eq!(peak_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn the_books_of_a_process_are_read() {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        let process = Process(child);
        assert!(process.peak_bytes().is_some_and(|bytes| bytes > 0));
        assert_eq!(process.threads().len(), 1);
        assert!(process.processor_time().is_some());
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}/comm")).exists());
    }
}
