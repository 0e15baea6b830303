//! Maps the result of the command to an exit code.

use std::process::ExitCode;

use allora_worker::cli::{self, Failure};
use allora_worker::run;

fn main() -> ExitCode {
    run::keep_memory_private();
    match cli::execute(std::env::args_os().skip(1)) {
        Ok(code) => code,
        Err(Failure::Other) => ExitCode::from(1),
        Err(Failure::Usage) => ExitCode::from(2),
        Err(Failure::Config) => ExitCode::from(3),
    }
}
