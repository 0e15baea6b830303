//! Epochs of several hours, in fast motion: 2,500 blocks take three and a half hours at 5 s, and a
//! little over four minutes here. What the worker does by the clock is not faster; `idle` measures
//! that at the real pace.

use std::io;
use std::time::Duration;

use super::figure::{Figure, Milli};
use super::scene::{Scene, Seen, Stage};
use crate::chain::topic::Topic;
use crate::play::options::Options;

const EPOCH_BLOCKS: u64 = 2_500;
const WINDOW_BLOCKS: u64 = 10;
const BLOCK_TIME: Duration = Duration::from_millis(100);
/// More than an epoch, so that the topic has had one.
const START_HEIGHT: u64 = 10_000;
/// Blocks before the first window, so that the worker knows the block time by then.
const LEAD_BLOCKS: u64 = 80;

/// Runs from one opening to the next, and to the end of that window.
pub(super) fn measure(stage: &Stage<'_>) -> io::Result<(Vec<Figure>, Seen)> {
    let options = Options {
        block_time: Some(BLOCK_TIME),
        start_height: START_HEIGHT,
        ..Options::default()
    };
    let first = options.start_height + LEAD_BLOCKS;
    let topics = vec![Topic::new(1, EPOCH_BLOCKS, WINDOW_BLOCKS, first)];
    let mut scene = Scene::start(stage, Options { topics, ..options }, "0.1")?;
    let next = first + EPOCH_BLOCKS;
    scene.run_until_height(next + WINDOW_BLOCKS)?;
    let seen = scene.finish()?;
    Ok((figures(&seen, first, next), seen))
}

fn figures(seen: &Seen, first: u64, next: u64) -> Vec<Figure> {
    let span = seen.moment(first).zip(seen.moment(next));
    let requests = span.map(|(from, to)| Milli::whole(seen.requests_in(from, to)));
    let windows = seen.windows(first, next);
    let missed = windows.iter().filter(|(.., height)| height.is_none());
    vec![
        Figure::count(
            "long.requests_per_epoch",
            "requests to the LCD per epoch",
            Milli::whole(20),
            requests,
        ),
        Figure::exactly(
            "long.missed",
            "windows missed (of 2)",
            Milli(0),
            (windows.len() == 2).then(|| Milli::count(missed.count())),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::trace::Exchange;

    #[test]
    fn an_epoch_is_from_one_opening_to_the_next() {
        let mut seen = Seen::default();
        let second = Duration::from_secs;
        seen.moments
            .extend([(180, second(8)), (2_680, second(258))]);
        for at in [7, 8, 100, 257, 258] {
            seen.trace.chain.push(Exchange {
                at: second(at),
                answered: second(at),
                route: String::new(),
                broadcast: None,
            });
        }
        seen.report.opened(1, 180, 190);
        let figures = figures(&seen, 180, 2_680);
        assert_eq!(figures[0].measured, Some(Milli::whole(3)));
        // The second window is missing.
        assert_eq!(figures[1].is_met(), Some(false));
    }

    #[test]
    fn there_was_an_epoch_before_the_first_window() {
        let first = START_HEIGHT + LEAD_BLOCKS;
        let topic = Topic::new(1, EPOCH_BLOCKS, WINDOW_BLOCKS, first);
        assert_eq!(topic.next_open(), Some(first));
    }
}
