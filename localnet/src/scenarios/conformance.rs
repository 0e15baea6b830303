//! The subcommand `conformance`: asks the simulated chain and nodes of released versions the same
//! questions, and prints every difference between their answers.
//!
//! The simulated chain is this project's own reading of the rules: what it forgives, users pay for.

mod compare;
mod questions;
mod recorded;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::allorad::Allorad;
use super::simulated::Simulated;
use super::test_chain::{Needs, TestChain, TopicSpec};
use super::version::{self, Version};
use crate::chain::message::Api;
use crate::terminal::{self, print};
use compare::differences;
use questions::{Cast, answers};

const WHO: &str = "conformance";
const BLOCK_TIME: Duration = Duration::from_secs(1);

const HELP: &str = "\
Asks the simulated chain and nodes of released versions the same questions: every route and the
refusals that a worker knows. Status, form, codespace, code and text must agree, and gas within 2 %.

Usage: allora-localnet conformance --nodes FOLDER [--version NAME]

Options:
  --nodes FOLDER   released nodes by version, which `make nodes` builds
  --version NAME   compares this version only; repeat it for further versions
  -h, --help       this text

It takes about a minute. Exit code 0: there is no difference.
";

#[derive(Debug, Default, PartialEq, Eq)]
struct ConformanceOptions {
    nodes: PathBuf,
    versions: Vec<String>,
}

/// Runs `allora-localnet conformance`; `arguments` are those after the subcommand.
pub fn conformance(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    terminal::command(WHO, HELP, parse(arguments), run)
}

fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<ConformanceOptions>, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut nodes = None;
    let mut versions = Vec::new();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let name = match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long(name) => name.to_owned(),
            other => return Err(other.unexpected().to_string()),
        };
        let value = parser.value().map_err(|error| error.to_string())?;
        match name.as_str() {
            "nodes" => nodes = Some(value.into()),
            "version" => versions.push(value.to_string_lossy().into_owned()),
            _ => return Err(format!("unknown option --{name}")),
        }
    }
    let nodes = nodes.ok_or("--nodes is missing: the folder of released nodes")?;
    Ok(Some(ConformanceOptions { nodes, versions }))
}

fn run(options: &ConformanceOptions) -> io::Result<bool> {
    let wanted = &options.versions;
    let mut all = version::find(&options.nodes)?;
    all.retain(|version| wanted.is_empty() || wanted.contains(&version.name));
    if all.is_empty() {
        let text = format!(
            "no such node in {}; run make nodes",
            options.nodes.display()
        );
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let compared: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = all
            .iter()
            .map(|version| scope.spawn(|| compare_with(version)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.collect()
    });
    let mut agree = true;
    for (version, compared) in all.iter().zip(compared) {
        let panicked = |_| Err(io::Error::other("the thread panicked"));
        let (asked, different) = compared.unwrap_or_else(panicked)?;
        let mut text = format!(
            "{}: {asked} answers, {} differ\n",
            version.name,
            different.len()
        );
        for difference in &different {
            text.push_str(&format!("  {difference}\n"));
        }
        print(&text)?;
        agree &= different.is_empty();
    }
    Ok(agree)
}

/// Asks both chains at the same time. Returns the number of answers, and their differences.
fn compare_with(version: &Version) -> io::Result<(usize, Vec<String>)> {
    let cast = Cast::new().map_err(io::Error::other)?;
    let whitelisted = TopicSpec {
        whitelisted: true,
        ..TopicSpec::PLAIN
    };
    let labelled = TopicSpec {
        labelled: version.api() == Api::V10,
        ..TopicSpec::PLAIN
    };
    let any_labels = TopicSpec {
        any_labels: labelled.labelled,
        ..labelled
    };
    let needs = Needs {
        topics: vec![
            TopicSpec::PLAIN,
            whitelisted,
            labelled,
            TopicSpec::PLAIN,
            any_labels,
        ],
        funded: cast.funded(),
        scores: cast.scores(),
        mempool_txs_max: Some(questions::MEMPOOL_TXS),
        places: Some(questions::PLACES),
        labels_max: (version.api() == Api::V10).then_some(questions::LABELS),
        stale: vec![(questions::CROWDED, questions::STALE)],
    };
    let folder = tempfile::tempdir()?;
    let real = Allorad::start(version, None, folder.path(), BLOCK_TIME, &needs)?;
    let simulated = Simulated::start(version.api(), BLOCK_TIME, &needs)?;
    let ask = |chain: &dyn TestChain| answers(chain, &cast);
    let (real, simulated) = thread::scope(|scope| {
        let other = scope.spawn(|| ask(&real));
        let simulated = ask(&simulated);
        let real = other.join();
        (
            real.unwrap_or_else(|_| Err(io::Error::other("the thread panicked"))),
            simulated,
        )
    });
    let (real, simulated) = (real?, simulated?);
    Ok((real.len(), differences(&real, &simulated)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_nodes_is_needed() {
        let parse = |arguments: &[&str]| parse(arguments.iter().map(OsString::from));
        assert_eq!(parse(&["--help"]), Ok(None));
        assert!(parse(&[]).unwrap_err().contains("--nodes"));
        assert!(parse(&["--nodes"]).is_err() && parse(&["--node", "x"]).is_err());
        let options = parse(&["--nodes", "x", "--version", "v0.17.0"]).unwrap();
        let versions = vec!["v0.17.0".to_owned()];
        assert_eq!(options.map(|options| options.versions), Some(versions));
    }
}
