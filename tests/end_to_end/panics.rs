//! A panic in any thread ends the process, so that a service manager can restart it. Nothing
//! outside the worker can make it panic, so this test binary runs itself with the worker's panic
//! hook and a thread that panics.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use allora_worker::logging::{self, FileLog, LogSettings};
use allora_worker::run;

use crate::support::LIMIT;

/// The log folder of the process that panics; set only in that process.
const FOLDER_VARIABLE: &str = "ALLORA_TEST_PANIC_FOLDER";

#[test]
fn a_panic_in_a_thread_ends_the_process_with_code_1_and_a_message() {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        panic_in_a_thread(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("panics::a_panic_in_a_thread_ends_the_process_with_code_1_and_a_message")
        .env(FOLDER_VARIABLE, folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    let line = log.lines().last().unwrap_or_default();
    assert!(log.contains("internal error in topic-7"), "{log}");
    assert!(
        log.contains("so that a service manager can restart"),
        "{log}"
    );
    assert!(log.contains("the reason of the test"), "{log}");
    assert!(!line.is_empty(), "{log}");
}

/// Does what the worker's `main` does before it runs, then panics in a new thread. Without the
/// hook, the main thread would continue.
fn panic_in_a_thread(folder: PathBuf) -> ! {
    let settings = LogSettings {
        file: FileLog::In(folder),
        ..LogSettings::default()
    };
    let warning = logging::start(false, &settings);
    assert_eq!(warning, None);
    run::end_on_panic();
    let (sender, receiver) = channel::<()>();
    let thread = thread::Builder::new().name("topic-7".to_owned());
    thread.spawn(|| panic!("the reason of the test")).unwrap();
    // The sender stays alive, so only the end of the process ends this wait early.
    let _ = receiver.recv_timeout(LIMIT);
    drop(sender);
    std::process::exit(0);
}
