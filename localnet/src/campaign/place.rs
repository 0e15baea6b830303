//! A worker's folder in a run, with its configuration and its log.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Number, Value, json};
use tempfile::TempDir;

use crate::play::handle::Localnet;
use crate::worker::{self, LOG, Process};

/// A well-known seed phrase. Its wallet is worth nothing on any chain but a simulated one.
const SEED_PHRASE: &str = "test test test test test test test test test test test junk";
/// The configured `inference_fetch_retries`.
pub(crate) const MODEL_RETRIES: u32 = 3;
/// The configured `nonce_fetch_freq`, `inference_fetch_retry_freq` and `tx_check_freq`.
pub(crate) const FREQ: Duration = Duration::from_millis(200);
/// After SIGTERM the worker waits up to 5 s for transactions in flight; the rest is for its last
/// lines.
pub(crate) const STOP_TIME_MAX: Duration = Duration::from_secs(7);
/// Longer than `STOP_TIME_MAX`, so that a worker that stops late is reported as such.
const STOP_TIME_SEEN: Duration = Duration::from_secs(12);
/// Number of lines of the worker's log that are printed after a failure.
const LOG_LINES: usize = 60;
/// Length of the end of the log in which these lines are looked for.
const LOG_BYTES: usize = 64 * 1024;

/// Most bytes of a log that are read.
const LOG_READ_BYTES: u64 = 4 * 1024 * 1024;

/// How a process ended: its exit code, and the time from SIGTERM until then.
pub(crate) type Exit = (i32, Duration);

/// The worker's binary, its folder and its address.
pub(crate) struct Place {
    worker: PathBuf,
    folder: TempDir,
    pub(crate) address: String,
}

impl Place {
    /// A new folder whose name begins with `prefix`.
    pub(crate) fn new(worker: &Path, prefix: &str) -> io::Result<Place> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
        // Asking for the address opens no connection; the configuration only has to be valid.
        let nowhere = ["http://127.0.0.1:1".to_owned()];
        worker::write_config(folder.path(), &config(&nowhere, &nowhere)?)?;
        let address = worker::ask_address(worker, folder.path())?;
        Ok(Place {
            worker: worker.to_owned(),
            folder,
            address,
        })
    }

    pub(crate) fn write_config(&self, config: &Value) -> io::Result<()> {
        worker::write_config(self.folder.path(), config)
    }

    /// Starts the worker; its output goes to the log.
    pub(crate) fn start(&self) -> io::Result<Process> {
        let mut command = worker::command(&self.worker, self.folder.path());
        Process::spawn_logged(command.arg("run"), self.folder.path())
    }

    /// The worker's output so far, at most its last `LOG_READ_BYTES`, and its whole length.
    pub(crate) fn log(&self) -> (String, u64) {
        let read = || -> io::Result<(Vec<u8>, u64)> {
            let mut file = File::open(self.folder.path().join(LOG))?;
            let length = file.metadata()?.len();
            let from = length.saturating_sub(LOG_READ_BYTES);
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(LOG_READ_BYTES).read_to_end(&mut bytes)?;
            Ok((bytes, length))
        };
        // A worker that has written nothing has no log.
        let (bytes, length) = read().unwrap_or_default();
        (String::from_utf8_lossy(&bytes).into_owned(), length)
    }

    /// Adds a file to the folder.
    pub(crate) fn add(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        fs::write(self.folder.path().join(name), content)
    }

    /// Leaves the folder on the disk; gives its path.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// A configuration with these endpoints and a topic for each model.
pub(crate) fn config(api_urls: &[String], models: &[String]) -> io::Result<Value> {
    let seconds = format!("{}.{:03}", FREQ.as_secs(), FREQ.subsec_millis());
    let seconds: Number = serde_json::from_str(&seconds)?;
    let topics: Vec<_> = (1..)
        .zip(models)
        .map(|(id, url)| {
            json!({"topic_id": id, "inference_url": url, "nonce_fetch_freq": seconds,
                   "inference_fetch_retries": MODEL_RETRIES,
                   "inference_fetch_retry_freq": seconds})
        })
        .collect();
    Ok(json!({
        "debug": true, "seed_phrase": SEED_PHRASE, "chain_id": "localnet",
        "api_params": {"api_url": api_urls, "tx_check_freq": seconds}, "topics": topics,
    }))
}

/// Sends SIGTERM and waits; `None` if the worker was not running or did not stop.
pub(crate) fn stop(process: &mut Process, localnet: &Localnet) -> io::Result<Option<Exit>> {
    if process.ended()?.is_some() {
        return Ok(None);
    }
    let from = localnet.elapsed();
    process.terminate();
    while localnet.elapsed() < from + STOP_TIME_SEEN {
        if let Some(status) = process.ended()? {
            let time = localnet.elapsed() - from;
            return Ok(Some((status.code().unwrap_or(-1), time)));
        }
        let next = localnet.elapsed() + STOP_TIME_MAX / 100;
        localnet.pass_until(next, || true);
    }
    Ok(None)
}

/// The last lines of a log.
pub(crate) fn tail(log: &str) -> String {
    let mut from = log.len().saturating_sub(LOG_BYTES);
    while !log.is_char_boundary(from) {
        from += 1;
    }
    let lines: Vec<&str> = log[from..].lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
