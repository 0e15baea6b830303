//! Campaigns: many seeded runs of a real worker, several at the same time. What a run plays and how
//! it is judged is its command's part: `faultrun` and `hostilerun`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::terminal::{end_on_signal, print};

pub(crate) mod options;
pub(crate) mod place;
pub(crate) mod result;

/// Largest number of runs at the same time.
const JOBS_MAX: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Campaign {
    /// The runs have the numbers below this.
    pub(crate) runs: u64,
    /// No run begins later than this after the start.
    pub(crate) begin_until: Duration,
    /// Number of runs at the same time.
    pub(crate) jobs: usize,
}

/// The result of one run; `None` if it was interrupted.
pub(crate) type Outcome<T> = io::Result<Option<T>>;

/// When the block of this height was made; `moments` are in the order of heights.
pub(crate) fn moment(moments: &[(u64, Duration)], height: u64) -> Option<Duration> {
    let at = moments.binary_search_by_key(&height, |(h, _)| *h).ok()?;
    moments.get(at).map(|(_, moment)| *moment)
}

impl Campaign {
    /// Runs everything and prints a text for each run. `play` makes the run with a number, and ends
    /// it early once the flag is false; `describe` gets its result, or the reason why it could not
    /// be made, and gives the text.
    ///
    /// # Errors
    /// When the user interrupts it, or nothing can be printed.
    pub(crate) fn run<T: Send>(
        &self,
        play: impl Fn(u64, &AtomicBool) -> Outcome<T> + Sync,
        mut describe: impl FnMut(u64, io::Result<T>) -> String,
    ) -> io::Result<()> {
        let wanted = Arc::new(AtomicBool::new(true));
        end_on_signal(&wanted)?;
        let mut broken = None;
        self.run_all(&play, &wanted, |number, outcome| {
            let text = match outcome.transpose() {
                Some(result) => describe(number, result),
                None => format!("run {number}: interrupted\n"),
            };
            if let Err(error) = print(&text) {
                broken = Some(error);
            }
        });
        if !wanted.load(Ordering::Relaxed) {
            let text = "interrupted; the workers have been stopped";
            return Err(io::Error::other(text));
        }
        broken.map_or(Ok(()), Err)
    }

    /// Once `wanted` is false, no run begins and all runs end.
    fn run_all<T: Send>(
        &self,
        play: &(impl Fn(u64, &AtomicBool) -> Outcome<T> + Sync),
        wanted: &AtomicBool,
        mut report: impl FnMut(u64, Outcome<T>),
    ) {
        let (began, next) = (Instant::now(), AtomicU64::new(0));
        let (tell, results) = sync_channel(JOBS_MAX);
        let job = |tell: SyncSender<(u64, Outcome<T>)>| {
            while wanted.load(Ordering::Relaxed) && began.elapsed() <= self.begin_until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.runs {
                    return;
                }
                if tell.send((number, play(number, wanted))).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, JOBS_MAX) {
                let tell = tell.clone();
                scope.spawn(|| job(tell));
            }
            drop(tell);
            for (number, outcome) in results {
                report(number, outcome);
            }
        });
    }
}
