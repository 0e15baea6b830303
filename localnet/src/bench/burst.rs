//! A hundred topics whose windows open in the same block, twice: a wallet's whole work at once.
//! One more topic has its window before, so that the worker's first transaction is settled when
//! the hundred windows open.

use std::io;
use std::time::Duration;

use super::figure::{Figure, Milli};
use super::honest::{not_wasted, threads};
use super::scene::{Scene, Seen, Stage};
use crate::chain::topic::Topic;
use crate::play::options::Options;

const TOPICS: u64 = 100;
/// The topic whose window opens first.
const EARLY: u64 = TOPICS + 1;
const EPOCH_BLOCKS: u64 = 20;
const WINDOW_BLOCKS: u64 = 10;
const BLOCK_TIME: Duration = Duration::from_secs(5);
/// Delay of the chain's answers; the model answers at once.
const DELAY: Duration = Duration::from_millis(50);
/// Blocks before the early topic's window, and from there to the windows of the others.
const EARLY_BLOCKS: u64 = 2;
const LEAD_BLOCKS: u64 = 7;
/// Blocks after the second opening; all payloads should be included long before the last.
const TAIL_BLOCKS: u64 = 5;

/// Keys and names of the figures of the first opening.
const FIRST: [[&str; 2]; 3] = [
    [
        "burst.first_s",
        "opening to last CheckTx, first opening (s)",
    ],
    [
        "burst.first_delays",
        "opening to last CheckTx, first opening (× delay)",
    ],
    [
        "burst.first_blocks",
        "last payload at nonce + …, first opening",
    ],
];
/// Keys and names of the figures of the second opening.
const SECOND: [[&str; 2]; 3] = [
    [
        "burst.second_s",
        "opening to last CheckTx, second opening (s)",
    ],
    [
        "burst.second_delays",
        "opening to last CheckTx, second opening (× delay)",
    ],
    [
        "burst.second_blocks",
        "last payload at nonce + …, second opening",
    ],
];

/// Runs until all windows of the second opening are served.
pub(super) fn measure(stage: &Stage<'_>) -> io::Result<(Vec<Figure>, Seen)> {
    let options = Options {
        block_time: Some(BLOCK_TIME),
        delay: DELAY,
        ..Options::default()
    };
    let first = options.start_height + LEAD_BLOCKS;
    let early = options.start_height + EARLY_BLOCKS;
    let topic = |id, first| Topic::new(id, EPOCH_BLOCKS, WINDOW_BLOCKS, first);
    let mut topics: Vec<Topic> = (1..=TOPICS).map(|id| topic(id, first)).collect();
    topics.push(topic(EARLY, early));
    let mut scene = Scene::start(stage, Options { topics, ..options }, "3")?;
    let second = first + EPOCH_BLOCKS;
    scene.run_until_height(second + TAIL_BLOCKS)?;
    let seen = scene.finish()?;
    Ok((figures(&seen, first, second), seen))
}

/// How the hundred windows of one block were served.
struct Opening {
    /// From the block that opened them to the last answer that accepted a payload; `None` if a
    /// payload was never accepted.
    time: Option<Duration>,
    unserved: usize,
    /// The largest distance of a payload's block from the nonce.
    blocks: Option<u64>,
}

impl Opening {
    fn of(seen: &Seen, nonce: u64) -> Opening {
        let all = seen.windows(nonce, nonce);
        let windows = all.iter().filter(|(topic, ..)| *topic != EARLY);
        let heights: Vec<u64> = windows.filter_map(|(.., height)| *height).collect();
        let accepted: Option<Vec<Duration>> = (1..=TOPICS)
            .map(|topic| seen.accepted(topic, nonce).map(|e| e.answered))
            .collect();
        let last = accepted.and_then(|all| all.into_iter().max());
        let topics = usize::try_from(TOPICS).unwrap_or(usize::MAX);
        Opening {
            time: last
                .zip(seen.moment(nonce))
                .map(|(last, opened)| last.saturating_sub(opened)),
            unserved: topics.saturating_sub(heights.len()),
            blocks: heights.iter().map(|h| h.saturating_sub(nonce)).max(),
        }
    }

    /// The time in seconds and in delays, and the largest distance from the nonce.
    fn figures(
        &self,
        names: [[&'static str; 2]; 3],
        most_s: u64,
        blocks: Option<u64>,
    ) -> [Figure; 3] {
        let [seconds, delays, inclusion] = names;
        let (time, far) = (self.time.map(Milli::seconds), self.blocks.map(Milli::whole));
        [
            Figure::time(seconds[0], seconds[1], Milli::whole(most_s), time),
            Figure::shown(delays[0], delays[1], self.delays()),
            match blocks {
                Some(most) => Figure::count(inclusion[0], inclusion[1], Milli::whole(most), far),
                None => Figure::shown(inclusion[0], inclusion[1], far),
            },
        ]
    }

    fn delays(&self) -> Option<Milli> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Milli::ratio(micros(self.time?), micros(DELAY))
    }
}

fn figures(seen: &Seen, first: u64, second: u64) -> Vec<Figure> {
    let once = Opening::of(seen, first);
    let again = Opening::of(seen, second);
    let mut figures = Vec::new();
    figures.extend(once.figures(FIRST, 12, None));
    figures.extend(again.figures(SECOND, 6, Some(2)));
    figures.push(Figure::exactly(
        "burst.unserved",
        "windows not served (of 200)",
        Milli(0),
        Some(Milli::count(once.unserved + again.unserved)),
    ));
    figures.extend(not_wasted(
        ["burst.wrong_sequences", "burst.paid_twice"],
        seen,
    ));
    figures.extend(asked(seen));
    let topics = usize::try_from(EARLY).unwrap_or(usize::MAX);
    figures.extend([
        Figure::size("burst.peak_mb", "peak memory (MB)", 10, seen.peak_bytes),
        threads("burst.threads", topics, seen),
    ]);
    figures
}

/// Counts of requests and rejections.
fn asked(seen: &Seen) -> [Figure; 3] {
    let report = &seen.report;
    let nonces = u64::try_from(report.windows_served()).unwrap_or(u64::MAX);
    [
        Figure::shown(
            "burst.requests_per_nonce",
            "requests to the LCD per served nonce",
            Milli::ratio(report.requests_total, nonces),
        ),
        Figure::shown(
            "burst.requests_per_second",
            "requests to the LCD within a second, maximum",
            Some(Milli::whole(report.requests_per_second_max)),
        ),
        Figure::shown(
            "burst.connections",
            "connections opened to the LCD",
            Some(Milli::whole(report.connections)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::report::PayloadReport;
    use crate::play::trace::{Exchange, SentTx};

    const NONCE: u64 = 120;

    /// All payloads are accepted one second after the opening, except one, half a second later.
    fn all_served() -> Seen {
        let mut seen = Seen::default();
        let opened = Duration::from_secs(50);
        seen.moments.insert(NONCE, opened);
        for topic in 1..=TOPICS {
            let late = Duration::from_millis(if topic == 70 { 1_500 } else { 1_000 });
            seen.report.opened(topic, NONCE, NONCE + WINDOW_BLOCKS);
            let payload = PayloadReport {
                worker: "w".to_owned(),
                height: if topic == 70 { NONCE + 2 } else { NONCE + 1 },
                txhash: String::new(),
                fee_uallo: 1,
                value: "1".to_owned(),
                admitted: true,
            };
            seen.report.served(topic, NONCE, payload);
            seen.trace.chain.push(Exchange {
                at: opened + late - DELAY,
                answered: opened + late,
                route: String::new(),
                broadcast: Some(SentTx {
                    payload: Some((topic, NONCE)),
                    codespace: String::new(),
                    code: 0,
                }),
            });
        }
        seen
    }

    #[test]
    fn the_last_accepted_payload_determines_the_time() {
        let served = Opening::of(&all_served(), NONCE);
        assert_eq!(served.time, Some(Duration::from_millis(1_500)));
        assert_eq!(served.delays(), Some(Milli::whole(30)));
        assert_eq!((served.unserved, served.blocks), (0, Some(2)));
    }

    #[test]
    fn there_is_no_time_if_a_payload_is_never_accepted() {
        let mut seen = all_served();
        seen.trace.chain.remove(9);
        seen.report.topics.remove(9);
        let served = Opening::of(&seen, NONCE);
        assert_eq!((served.time, served.unserved), (None, 1));
        let all = figures(&seen, NONCE, NONCE + EPOCH_BLOCKS);
        let unserved = all.iter().find(|f| f.key == "burst.unserved").unwrap();
        assert_eq!(unserved.measured, Some(Milli::whole(101)));
        assert!(unserved.fails(false));
    }
}
