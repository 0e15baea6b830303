//! Ten topics without an open window for five minutes, at the real pace: what watching costs the
//! node and the machine.

use std::io;
use std::time::Duration;

use super::figure::{Figure, Milli};
use super::honest::threads;
use super::scene::{Scene, Seen, Stage};
use crate::chain::topic::Topic;
use crate::play::options::Options;

const TOPICS: u64 = 10;
const EPOCH_BLOCKS: u64 = 720;
const WINDOW_BLOCKS: u64 = 10;
const BLOCK_TIME: Duration = Duration::from_secs(5);
const DELAY: Duration = Duration::from_millis(50);
/// More than an epoch, so that every topic has had one.
const START_HEIGHT: u64 = 10_000;
/// Blocks before the first window: far more than the measurement takes.
const LEAD_BLOCKS: u64 = 300;
/// Blocks from one topic's opening to the next one's.
const STAGGER_BLOCKS: u64 = 20;
/// From here on, processor time is measured for five minutes.
const SETTLED: Duration = Duration::from_secs(10);
const PROCESSOR_SPAN: Duration = Duration::from_secs(300);
/// From here on, requests are counted, in whole minutes.
const FAR_FROM: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);
const MINUTES: u32 = 4;

/// Runs for a little more than five minutes.
pub(super) fn measure(stage: &Stage<'_>) -> io::Result<(Vec<Figure>, Seen)> {
    let options = Options {
        block_time: Some(BLOCK_TIME),
        start_height: START_HEIGHT,
        delay: DELAY,
        ..Options::default()
    };
    let first = |topic: u64| options.start_height + LEAD_BLOCKS + topic * STAGGER_BLOCKS;
    let topics = (1..=TOPICS)
        .map(|id| Topic::new(id, EPOCH_BLOCKS, WINDOW_BLOCKS, first(id)))
        .collect();
    let mut scene = Scene::start(stage, Options { topics, ..options }, "3")?;
    scene.run_until(SETTLED)?;
    let before = scene.process.processor_time();
    let from = scene.localnet.elapsed();
    scene.run_until(from + PROCESSOR_SPAN)?;
    let after = scene.process.processor_time();
    let span = scene.localnet.elapsed().saturating_sub(from);
    let seen = scene.finish()?;
    let used = before.zip(after).and_then(|(b, a)| a.checked_sub(b));
    Ok((figures(&seen, used, span), seen))
}

fn figures(seen: &Seen, used: Option<Duration>, span: Duration) -> Vec<Figure> {
    let requests = |minute: u32| {
        let from = FAR_FROM + MINUTE * minute;
        seen.requests_in(from, from + MINUTE)
    };
    let most = (0..MINUTES).map(requests).max().unwrap_or(0);
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let percent = used.and_then(|used| {
        let hundredfold = micros(used).saturating_mul(100);
        Milli::ratio(hundredfold, micros(span))
    });
    let topics = usize::try_from(TOPICS).unwrap_or(usize::MAX);
    vec![
        Figure::count(
            "idle.requests_per_minute_per_topic",
            "requests to the LCD per minute and topic, maximum",
            Milli::whole(1),
            Milli::ratio(most, TOPICS),
        ),
        Figure::shown(
            "idle.requests_last_minute_per_topic",
            "requests to the LCD per topic, last minute",
            Milli::ratio(requests(MINUTES - 1), TOPICS),
        ),
        Figure::time(
            "idle.processor_percent",
            "processor time over 5 minutes (% of a core)",
            Milli(100),
            percent,
        ),
        Figure::shown(
            "idle.peak_mb",
            "peak memory (MB)",
            seen.peak_bytes.map(Milli::megabytes),
        ),
        threads("idle.threads", topics, seen),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_opens_while_it_runs() {
        let blocks = (SETTLED + PROCESSOR_SPAN).as_secs() / BLOCK_TIME.as_secs();
        assert!(blocks + EPOCH_BLOCKS / 10 < LEAD_BLOCKS);
        assert!(FAR_FROM + MINUTE * MINUTES <= SETTLED + PROCESSOR_SPAN);
    }

    #[test]
    fn processor_time_is_shown_in_percent_of_a_core() {
        let used = Some(Duration::from_millis(300));
        let figures = figures(&Seen::default(), used, PROCESSOR_SPAN);
        let figure = figures.iter().find(|f| f.key == "idle.processor_percent");
        let figure = figure.unwrap();
        assert_eq!(figure.measured, Some(Milli(100)));
        assert_eq!(figure.is_met(), Some(true));
    }
}
