//! The worker as a process of its own: how it is started, asked to end, and never left behind.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The most that is read of what a command prints.
const OUTPUT_BYTES_MAX: u64 = 4_096;

/// A started worker; dropping it kills it if it still runs.
pub(super) struct Process(Child);

impl Process {
    /// Starts the worker in a folder whose config.json it finds by itself. Its log goes to our
    /// standard error, what it prints nowhere unless it is wanted.
    pub(super) fn start(
        worker: &Path,
        arguments: &[&str],
        folder: &Path,
        wants_output: bool,
    ) -> io::Result<Process> {
        let stdout = if wants_output {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let child = Command::new(worker)
            .args(arguments)
            .current_dir(folder)
            // The demo's wallet counts, whatever the machine's service manager may offer.
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .stdout(stdout)
            // Ctrl-C reaches the demo alone, which then ends the worker the way that it promises.
            .process_group(0)
            .spawn()?;
        Ok(Process(child))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Asks it to end; one that has ended already is left in peace.
    pub(super) fn terminate(&mut self) {
        let runs = matches!(self.0.try_wait(), Ok(None));
        if let (true, Ok(pid)) = (runs, i32::try_from(self.0.id()))
            && let Some(pid) = Pid::from_raw(pid)
        {
            // It fails only for a process that is gone, which is what is wanted.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// What it printed, once it has ended.
    pub(super) fn output(&mut self) -> io::Result<String> {
        let mut text = String::new();
        if let Some(stdout) = self.0.stdout.take() {
            stdout.take(OUTPUT_BYTES_MAX).read_to_string(&mut text)?;
        }
        Ok(text)
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
