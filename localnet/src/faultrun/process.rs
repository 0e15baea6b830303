//! The worker as a process of its own, with its log in a file and its inside looked at through
//! /proc: which threads it has and how much memory.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::limits::{FREQ, MODEL_RETRIES};

/// The well-known phrase of nobody: worth nothing on any chain but a simulated one.
const SEED_PHRASE: &str = "test test test test test test test test test test test junk";
/// The name of the log in a run's folder.
pub(super) const LOG: &str = "worker.log";
/// The name of the configuration in a run's folder.
const CONFIG: &str = "config.json";

/// A worker's binary and the folder that it runs in.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) worker: PathBuf,
    pub(super) folder: PathBuf,
}

impl Place {
    /// Writes the configuration: `api_urls` in this order, the model of each topic.
    pub(super) fn write_config(&self, api_urls: &[String], models: &[String]) -> io::Result<()> {
        let seconds = format!("{}.{:03}", FREQ.as_secs(), FREQ.subsec_millis());
        let seconds: serde_json::Number = serde_json::from_str(&seconds)?;
        let topics: Vec<_> = (1..)
            .zip(models)
            .map(|(id, url)| {
                json!({"topic_id": id, "inference_url": url, "nonce_fetch_freq": seconds,
                       "inference_fetch_retries": MODEL_RETRIES,
                       "inference_fetch_retry_freq": seconds})
            })
            .collect();
        let config = json!({
            "debug": true, "seed_phrase": SEED_PHRASE,
            "api_params": {"api_url": api_urls, "tx_check_freq": seconds}, "topics": topics,
        });
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        writeln!(options.open(self.folder.join(CONFIG))?, "{config:#}")
    }

    /// The address of the wallet, in the worker's own words.
    pub(super) fn ask_address(&self) -> io::Result<String> {
        let output = self.command("address").stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            let text = format!("the worker does not tell its address: {}", output.status);
            return Err(io::Error::other(text));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts the worker; its log goes to the end of the log file.
    pub(super) fn start(&self) -> io::Result<Process> {
        let mut options = OpenOptions::new();
        let log = options
            .append(true)
            .create(true)
            .open(self.folder.join(LOG))?;
        let child = self
            .command("run")
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Process(child))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.worker);
        command
            .arg(name)
            .current_dir(&self.folder)
            // The folder's wallet counts, whatever the machine's service manager may offer.
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null());
        command
    }
}

/// A started worker; dropping it kills it if it still runs.
pub(super) struct Process(Child);

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) now_kib: u64,
    pub(super) most_kib: u64,
}

impl Process {
    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Ends it at once, as a power cut does.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(|_| ())
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only for a process that is gone, which shows in how it ended.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// The names of its threads.
    pub(super) fn threads(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for task in fs::read_dir(self.proc().join("task"))? {
            // One that ends meanwhile has no name any more.
            if let Ok(name) = fs::read_to_string(task?.path().join("comm")) {
                names.insert(name.trim().to_owned());
            }
        }
        Ok(names)
    }

    /// Its memory.
    pub(super) fn memory(&self) -> io::Result<Memory> {
        let text = fs::read_to_string(self.proc().join("status"))?;
        let kib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number.and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        Ok(Memory {
            now_kib: kib("VmRSS:"),
            most_kib: kib("VmHWM:"),
        })
    }

    fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.0.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It fails only for a process that is gone.
            let _ = self.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_looked_at_killed_and_never_left_behind() {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        let mut process = Process(child);
        assert!(process.memory().unwrap().most_kib > 0);
        assert_eq!(process.threads().unwrap().len(), 1);
        assert!(process.ended().unwrap().is_none());
        process.kill().unwrap();
        assert!(process.ended().unwrap().is_some());
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}/comm")).exists());
    }
}
