//! Runs the targets on mutated inputs, each by its seed, and prints the command that repeats a
//! failure.

#![allow(clippy::print_stdout, reason = "a command for developers")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use allora_fuzz::generator::Generator;
use allora_fuzz::{TARGETS, Target, target};
use lexopt::Arg::Long;
use lexopt::ValueExt as _;

const HELP: &str = "\
Usage: allora-fuzz [OPTIONS]
  --target NAME      only this target; all, unless it is given
  --seconds N        the time for all targets together [60]
  --runs N           executions of each target instead of a time
  --seed N           the first input's seed; each further one has the next [the clock]
  --corpus FOLDER    writes the corpora into folders, for cargo-fuzz, and runs nothing";

/// How many inputs a thread takes at a time.
const BATCH: u64 = 64;
/// The longest time for one input, on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Where the input of a failure is written, for looking at it.
const FAILURES: &str = "target/fuzz";

struct Options {
    targets: Vec<Target>,
    seconds: u64,
    runs: Option<u64>,
    seed: u64,
    corpus: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = options().and_then(|options| match &options.corpus {
        Some(folder) => write_corpora(&options.targets, folder),
        None => run(&options),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("fuzz: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let mut options = Options {
        targets: TARGETS.to_vec(),
        seconds: 60,
        runs: None,
        seed: clock.as_secs() << 20,
        corpus: None,
    };
    let mut parser = lexopt::Parser::from_env();
    let mut read = || -> Result<(), lexopt::Error> {
        while let Some(argument) = parser.next()? {
            match argument {
                Long("target") => {
                    let name = parser.value()?.string()?;
                    options.targets = vec![target(&name)?];
                }
                Long("seconds") => options.seconds = parser.value()?.parse()?,
                Long("runs") => options.runs = Some(parser.value()?.parse()?),
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("corpus") => options.corpus = Some(parser.value()?.into()),
                Long("help") => return Err(HELP.into()),
                other => return Err(other.unexpected()),
            }
        }
        Ok(())
    };
    read().map_err(|error| error.to_string())?;
    Ok(options)
}

fn write_corpora(targets: &[Target], folder: &Path) -> Result<(), String> {
    for target in targets {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for (index, input) in (target.corpus)().iter().enumerate() {
            let path = folder.join(format!("{index:04}"));
            fs::write(&path, input).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    Ok(())
}

fn run(options: &Options) -> Result<(), String> {
    let count = u32::try_from(options.targets.len()).unwrap_or(1);
    let time = Duration::from_secs(options.seconds) / count;
    let begin = Instant::now();
    let mut total = 0;
    for target in &options.targets {
        let begin = Instant::now();
        let limit = match options.runs {
            Some(runs) => Limit::Runs(runs),
            None => Limit::Until(begin + time),
        };
        let (executed, accepted) = run_target(target, limit, options.seed)?;
        let percent = accepted * 100 / executed.max(1);
        println!(
            "{:8} {executed:>10} executions in {:.0} s, {percent} % accepted",
            target.name,
            begin.elapsed().as_secs_f32()
        );
        total += executed;
    }
    let seconds = begin.elapsed().as_secs();
    println!(
        "fuzz: {total} executions in {seconds} s from seed {}, no failure",
        options.seed
    );
    Ok(())
}

#[derive(Clone, Copy)]
enum Limit {
    Runs(u64),
    Until(Instant),
}

impl Limit {
    /// How many more inputs a thread may take after `taken`.
    fn more(self, taken: u64) -> u64 {
        match self {
            Limit::Runs(runs) => runs.saturating_sub(taken).min(BATCH),
            Limit::Until(end) if Instant::now() < end => BATCH,
            Limit::Until(_) => 0,
        }
    }
}

/// Runs one target on all cores. Returns how many inputs it got and how many the worker accepted.
fn run_target(target: &Target, limit: Limit, seed: u64) -> Result<(u64, u64), String> {
    let generator = Generator::new(target);
    let (next, executed, accepted) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failed = AtomicBool::new(false);
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            let count = limit.more(first);
            if count == 0 {
                return Ok(());
            }
            for seed in (first..first + count).map(|index| seed.wrapping_add(index)) {
                let is_accepted = execute(target, &generator, seed).inspect_err(|_| {
                    failed.store(true, Ordering::Relaxed);
                })?;
                executed.fetch_add(1, Ordering::Relaxed);
                accepted.fetch_add(u64::from(is_accepted), Ordering::Relaxed);
            }
        }
        Ok(())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let ends = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Ok(())));
        ends.collect::<Result<Vec<()>, String>>()
    })?;
    Ok((executed.into_inner(), accepted.into_inner()))
}

/// One execution. Whether the worker accepted the input.
fn execute(target: &Target, generator: &Generator, seed: u64) -> Result<bool, String> {
    let input = generator.input(seed);
    let begin = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
    let time = begin.elapsed();
    match done {
        Ok(accepted) if time <= TIME_MAX => Ok(accepted),
        Ok(_) => Err(failure(
            target,
            seed,
            &input,
            &format!("it took {time:.1?}"),
        )),
        Err(_) => Err(failure(target, seed, &input, "the panic above")),
    }
}

fn failure(target: &Target, seed: u64, input: &[u8], what: &str) -> String {
    let name = target.name;
    let path = Path::new(FAILURES).join(format!("{name}-{seed}"));
    let written = fs::create_dir_all(FAILURES).and_then(|()| fs::write(&path, input));
    let at = match written {
        Ok(()) => format!("the input is in {}", path.display()),
        Err(error) => format!("the input could not be written: {error}"),
    };
    format!("{name}: {what}; {at}\nrepeat with: make fuzz TARGET={name} SEED={seed} RUNS=1")
}
