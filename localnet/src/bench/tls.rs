//! Ten topics over TLS, which is how users reach a node: the cost in memory. All windows open in
//! the same block, so that the number of connections is as large as possible.

use std::io;
use std::time::Duration;

use super::figure::{Figure, Milli};
use super::honest::threads;
use super::scene::{Scene, Seen, Stage};
use crate::chain::topic::Topic;
use crate::play::options::Options;

const TOPICS: u64 = 10;
const EPOCH_BLOCKS: u64 = 20;
const WINDOW_BLOCKS: u64 = 10;
const BLOCK_TIME: Duration = Duration::from_secs(1);
const DELAY: Duration = Duration::from_millis(50);
/// Blocks before the first windows.
const LEAD_BLOCKS: u64 = 6;
const EPOCHS: u64 = 4;

/// Runs four epochs.
pub(super) fn measure(stage: &Stage<'_>) -> io::Result<(Vec<Figure>, Seen)> {
    let options = Options {
        block_time: Some(BLOCK_TIME),
        delay: DELAY,
        tls: true,
        ..Options::default()
    };
    let first = options.start_height + LEAD_BLOCKS;
    let topics = (1..=TOPICS)
        .map(|id| Topic::new(id, EPOCH_BLOCKS, WINDOW_BLOCKS, first))
        .collect();
    let mut scene = Scene::start(stage, Options { topics, ..options }, "1")?;
    let last = first + (EPOCHS - 1) * EPOCH_BLOCKS;
    scene.run_until_height(last + WINDOW_BLOCKS)?;
    let seen = scene.finish()?;
    Ok((figures(&seen, first, last), seen))
}

fn figures(seen: &Seen, first: u64, last: u64) -> Vec<Figure> {
    let windows = seen.windows(first, last);
    let missed = windows.iter().filter(|(.., height)| height.is_none());
    let nonces = u64::try_from(seen.report.windows_served()).unwrap_or(u64::MAX);
    let topics = usize::try_from(TOPICS).unwrap_or(usize::MAX);
    vec![
        Figure::size("tls.peak_mb", "peak memory (MB)", 8, seen.peak_bytes),
        threads("tls.threads", topics, seen),
        Figure::exactly(
            "tls.missed",
            "windows missed (of 40)",
            Milli(0),
            Some(Milli::count(missed.count())),
        ),
        Figure::shown(
            "tls.connections_per_nonce",
            "connections opened per nonce served",
            Milli::ratio(seen.report.connections, nonces),
        ),
    ]
}
