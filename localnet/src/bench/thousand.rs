//! A thousand topics, the most that one worker serves, whose windows of 12 blocks open in the same
//! block: more than one wallet can serve at 100 ms per request, which is at most ten transactions a
//! second. It counts how many are served. In a first opening the endpoint answers at once, so that
//! the gas of each topic's payload is known in the second one, which is measured.

use std::io;
use std::time::Duration;

use super::figure::{Figure, Milli};
use super::honest::{not_wasted, threads};
use super::scene::{Scene, Seen, Stage};
use crate::chain::topic::Topic;
use crate::play::faults::Fault;
use crate::play::options::Options;
use crate::play::rules::{Rule, When};

const TOPICS: u64 = 1_000;
/// The topic whose window opens first, so that the worker's first transaction is settled when the
/// others open.
const EARLY: u64 = TOPICS + 1;
const EPOCH_BLOCKS: u64 = 18;
const WINDOW_BLOCKS: u64 = 12;
const BLOCK_TIME: Duration = Duration::from_secs(5);
/// Delay of the chain's answers in the second opening; the model answers at once.
const DELAY: Duration = Duration::from_millis(100);
/// Blocks before the early topic's window, and from there to the windows of the others.
const EARLY_BLOCKS: u64 = 3;
const LEAD_BLOCKS: u64 = 8;
/// Blocks after the windows of the second opening.
const TAIL_BLOCKS: u64 = 3;
/// Of the 600 requests that fit into a window, ten are left for the opening and the account.
const SERVED_MIN: u64 = 590;

/// Runs until the windows of the second opening are over.
pub(super) fn measure(stage: &Stage<'_>) -> io::Result<(Vec<Figure>, Seen)> {
    let options = Options {
        block_time: Some(BLOCK_TIME),
        ..Options::default()
    };
    let first = options.start_height + LEAD_BLOCKS;
    let second = first + EPOCH_BLOCKS;
    let topic = |id, first| Topic::new(id, EPOCH_BLOCKS, WINDOW_BLOCKS, first);
    let mut topics: Vec<Topic> = (1..TOPICS).map(|id| topic(id, first)).collect();
    topics.push(topic(EARLY, options.start_height + EARLY_BLOCKS));
    let mut scene = Scene::start(stage, Options { topics, ..options }, "3")?;
    let late = Rule::new(Fault::Delay(DELAY)).when(When::Heights(second - 1, u64::MAX));
    scene.localnet.fault(late);
    scene.run_until_height(second + WINDOW_BLOCKS + TAIL_BLOCKS)?;
    let seen = scene.finish()?;
    Ok((figures(&seen, first, second), seen))
}

/// How many windows with this nonce were served.
fn served(seen: &Seen, nonce: u64) -> u64 {
    let windows = seen.windows(nonce, nonce);
    let served = windows.iter().filter(|(.., height)| height.is_some());
    u64::try_from(served.count()).unwrap_or(u64::MAX)
}

fn figures(seen: &Seen, first: u64, second: u64) -> Vec<Figure> {
    let missing = SERVED_MIN.saturating_sub(served(seen, second));
    let mut figures = vec![
        Figure::shown(
            "thousand.first",
            "served in the first opening, without delay",
            Some(Milli::whole(served(seen, first))),
        ),
        Figure::shown(
            "thousand.second",
            "served in the second opening, 100 ms per request",
            Some(Milli::whole(served(seen, second))),
        ),
        Figure::time(
            "thousand.missing",
            "of these, missing to 590",
            Milli(0),
            Some(Milli::whole(missing)),
        ),
    ];
    figures.extend(not_wasted(
        ["thousand.wrong_sequences", "thousand.paid_twice"],
        seen,
    ));
    let topics = usize::try_from(TOPICS).unwrap_or(usize::MAX);
    figures.extend([
        Figure::size("thousand.peak_mb", "peak memory (MB)", 100, seen.peak_bytes),
        threads("thousand.threads", topics, seen),
    ]);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::report::PayloadReport;

    #[test]
    fn windows_with_a_payload_are_counted() {
        let mut seen = Seen::default();
        for topic in 1..=600 {
            seen.report.opened(topic, 120, 132);
            if topic <= 589 {
                let payload = PayloadReport {
                    worker: "w".to_owned(),
                    height: 125,
                    txhash: String::new(),
                    fee_uallo: 1,
                    value: "1".to_owned(),
                    admitted: true,
                };
                seen.report.served(topic, 120, payload);
            }
        }
        let all = figures(&seen, 102, 120);
        let of = |key| all.iter().find(|figure| figure.key == key).unwrap();
        assert_eq!(of("thousand.first").measured, Some(Milli(0)));
        assert_eq!(of("thousand.second").measured, Some(Milli::whole(589)));
        assert_eq!(of("thousand.missing").is_met(), Some(false));
    }
}
