//! Writes the list of the packages in the worker (its SBOM) as CycloneDX JSON to standard output.
//!
//! It comes from Cargo itself: `cargo tree` knows which packages and features get into the binary
//! for a target, `cargo metadata` knows their licences and who needs whom, `Cargo.lock` their
//! checksums. Packages that only run while building are left out. Nothing in the list depends on
//! time or place, so that two builds of the same sources give the same bytes.

mod lock;
mod sbom;

use std::env;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};

/// The package that the list is about.
const PACKAGE: &str = "allora-worker";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(target), None) = (arguments.next(), arguments.next()) else {
        eprintln!("Usage: allora-sbom TARGET      in the workspace's folder");
        return ExitCode::from(2);
    };
    match write(&target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("allora-sbom: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(target: &str) -> Result<(), Box<dyn Error>> {
    let tree = cargo(&[
        "tree",
        "--locked",
        "--package",
        PACKAGE,
        "--target",
        target,
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}",
    ])?;
    let metadata = cargo(&[
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        target,
    ])?;
    let lock = fs::read_to_string("Cargo.lock").map_err(|e| format!("reading Cargo.lock: {e}"))?;
    let bom = sbom::bom(PACKAGE, &tree, &metadata, &lock::checksums(&lock))?;
    writeln!(std::io::stdout(), "{bom:#}")?;
    Ok(())
}

/// Runs Cargo and returns what it prints; its standard error is passed through.
fn cargo(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("starting cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo {} failed ({})", arguments[0], output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
