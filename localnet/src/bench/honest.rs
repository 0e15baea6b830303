//! Four topics on a chain without faults, as in the measurement of the Python worker: blocks of
//! 5 s, epochs of 20 blocks, windows of 10 blocks, which open one after the other.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use super::figure::{Figure, Milli};
use super::scene::{Scene, Seen, Stage};
use crate::play::options::Options;

const TOPICS: u64 = 4;
const EPOCH_BLOCKS: u64 = 20;
const WINDOW_BLOCKS: u64 = 10;
const EPOCHS: u64 = 3;
const BLOCK_TIME: Duration = Duration::from_secs(5);
/// Delay of the chain's answers.
const DELAY: Duration = Duration::from_millis(50);
/// Delay of the model's answers.
const MODEL_DELAY: Duration = Duration::from_millis(20);
/// Blocks before the first window, and after the last opening.
const EDGE_BLOCKS: u64 = 3;

/// Runs three epochs.
pub(super) fn measure(stage: &Stage<'_>) -> io::Result<(Vec<Figure>, Seen)> {
    let options = Options {
        block_time: Some(BLOCK_TIME),
        delay: DELAY,
        model_delay: MODEL_DELAY,
        ..Options::default()
    };
    let options = options.with_topics(TOPICS, EPOCH_BLOCKS, WINDOW_BLOCKS);
    let (first, last) = nonces(options.start_height);
    let mut scene = Scene::start(stage, options, "3")?;
    scene.run_until_height(last + EDGE_BLOCKS)?;
    let until = scene.localnet.elapsed();
    let seen = scene.finish()?;
    Ok((figures(&seen, first, last, until), seen))
}

/// The first and the last nonce of the epochs.
fn nonces(start_height: u64) -> (u64, u64) {
    let first = start_height + EDGE_BLOCKS;
    let last_topic = (TOPICS - 1) * EPOCH_BLOCKS / TOPICS;
    (first, first + (EPOCHS - 1) * EPOCH_BLOCKS + last_topic)
}

fn figures(seen: &Seen, first: u64, last: u64, until: Duration) -> Vec<Figure> {
    let windows = seen.windows(first, last);
    let served: Vec<(u64, u64, u64)> = windows
        .iter()
        .filter_map(|(topic, nonce, height)| Some((*topic, *nonce, (*height)?)))
        .collect();
    let at_next = served.iter().filter(|(_, nonce, at)| *at == nonce + 1);
    let mut figures = vec![Figure::exactly(
        "honest.share_at_next_block",
        "share of payloads at nonce + 1",
        Milli::whole(1),
        Milli::share(at_next.count(), windows.len()),
    )];
    figures.extend(asked(seen, served.len(), until));
    figures.extend(Trips::of(seen, &served).figures());
    figures.extend(Noticed::of(seen, &windows).figures());
    figures.extend(not_wasted(
        ["honest.wrong_sequences", "honest.paid_twice"],
        seen,
    ));
    let topics = usize::try_from(TOPICS).unwrap_or(usize::MAX);
    figures.extend([
        Figure::size("honest.peak_mb", "peak memory (MB)", 4, seen.peak_bytes),
        threads("honest.threads", topics, seen),
    ]);
    figures
}

/// Counts of requests to the chain, with `nonces` served.
fn asked(seen: &Seen, nonces: usize, until: Duration) -> [Figure; 4] {
    let report = &seen.report;
    let nonces = u64::try_from(nonces).unwrap_or(0);
    let bytes = report.bytes_received + report.bytes_sent;
    let time_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
    [
        Figure::count(
            "honest.requests_per_nonce",
            "requests to the LCD per served nonce",
            Milli::whole(11),
            Milli::ratio(report.requests_total, nonces),
        ),
        Figure::shown(
            "honest.requests_per_minute",
            "requests to the LCD per minute",
            Milli::ratio(report.requests_total.saturating_mul(60_000), time_ms),
        ),
        Figure::shown(
            "honest.connections",
            "connections opened to the LCD",
            Some(Milli::whole(report.connections)),
        ),
        Figure::shown(
            "honest.bytes_per_nonce",
            "bytes to and from the LCD per nonce",
            bytes.checked_div(nonces).map(Milli::whole),
        ),
    ]
}

/// Wrong sequences and nonces that were paid twice, neither of which must happen.
pub(super) fn not_wasted(keys: [&'static str; 2], seen: &Seen) -> [Figure; 2] {
    let none = |key, what, count| Figure::exactly(key, what, Milli(0), Some(Milli::whole(count)));
    [
        none(keys[0], "code 32", seen.wrong_sequences()),
        none(keys[1], "paid twice", seen.report.paid_twice),
    ]
}

/// The number of threads, with topics + 5 as its target.
pub(super) fn threads(key: &'static str, topics: usize, seen: &Seen) -> Figure {
    let threads = seen.threads.len();
    let measured = (threads > 0).then(|| Milli::count(threads));
    Figure::count(key, "threads", Milli::count(topics + 5), measured)
}

/// The time from the block that opened a window to the request to the model.
struct Noticed {
    mean: Option<Milli>,
    max: Option<Milli>,
}

impl Noticed {
    fn figures(&self) -> [Figure; 2] {
        [
            Figure::time(
                "honest.open_to_model_mean_s",
                "opening block to request at the model, mean (s)",
                Milli::whole(1),
                self.mean,
            ),
            Figure::shown(
                "honest.open_to_model_max_s",
                "opening block to request at the model, maximum (s)",
                self.max,
            ),
        ]
    }

    fn of(seen: &Seen, windows: &[(u64, u64, Option<u64>)]) -> Noticed {
        let mut times = Vec::new();
        for (topic, nonce, _) in windows {
            let opened = seen.moment(*nonce);
            let asked = opened.and_then(|at| Some(seen.model_request(*topic, at)?.at - at));
            // A nonce without a request is missing in the share of payloads.
            times.extend(asked);
        }
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let sum: Duration = times.iter().sum();
        Noticed {
            mean: sum.checked_div(count).map(Milli::seconds),
            max: times.into_iter().max().map(Milli::seconds),
        }
    }
}

/// Round trips from the model's answer to the answer that accepted the payload.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trips {
    first: Option<Milli>,
    later: Option<Milli>,
    later_delays: Option<Milli>,
}

impl Trips {
    fn figures(&self) -> [Figure; 3] {
        [
            Figure::count(
                "honest.trips_first",
                "round trips, model to CheckTx, topic's first, maximum",
                Milli::whole(2),
                self.first,
            ),
            Figure::count(
                "honest.trips_later",
                "round trips, model to CheckTx, later, maximum",
                Milli::whole(1),
                self.later,
            ),
            Figure::shown(
                "honest.model_to_accepted_delays",
                "time from model to CheckTx, later, mean (× delay)",
                self.later_delays,
            ),
        ]
    }

    fn of(seen: &Seen, served: &[(u64, u64, u64)]) -> Trips {
        let mut served = served.to_vec();
        served.sort_by_key(|(topic, nonce, _)| (*nonce, *topic));
        let (mut before, mut first, mut later) = (BTreeSet::new(), Vec::new(), Vec::new());
        for (topic, nonce, _) in served {
            let Some((trips, time)) = trips(seen, topic, nonce) else {
                continue;
            };
            if before.insert(topic) {
                first.push(trips);
            } else {
                later.push((trips, time));
            }
        }
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let count = u64::try_from(later.len()).unwrap_or(u64::MAX);
        let sum: Duration = later.iter().map(|(_, time)| *time).sum();
        Trips {
            first: first.into_iter().max().map(Milli::whole),
            later: later.iter().map(|(n, _)| *n).max().map(Milli::whole),
            later_delays: Milli::ratio(micros(sum), micros(DELAY).saturating_mul(count)),
        }
    }
}

/// The round trips of one payload, and the time that they took together.
///
/// Requests that wait for each other all arrive between the model's answer and the accepting one,
/// and each of them takes the configured delay. Both give an upper bound, of which this takes the
/// lower: it is never too low, and a request of another thread, which the payload does not wait
/// for, counts only if the payload took longer as well.
fn trips(seen: &Seen, topic: u64, nonce: u64) -> Option<(u64, Duration)> {
    let accepted = seen.accepted(topic, nonce)?;
    let path = format!("/topic/{topic}");
    let model = seen.trace.model.iter();
    let answered = model
        .filter(|e| e.route == path && e.answered <= accepted.at)
        .map(|e| e.answered)
        .next_back()?;
    let time = accepted.answered.saturating_sub(answered);
    let chain = seen.trace.chain.iter();
    let arrived = chain
        .filter(|e| e.at >= answered && e.at <= accepted.at)
        .count();
    let fitting = time.as_micros() / DELAY.as_micros();
    let trips = u64::try_from(arrived)
        .ok()?
        .min(u64::try_from(fitting).ok()?);
    Some((trips, time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::trace::{Exchange, SentTx};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn exchange(at: u64, answered: u64, route: &str) -> Exchange {
        Exchange {
            at: ms(at),
            answered: ms(answered),
            route: route.to_owned(),
            broadcast: None,
        }
    }

    fn accepted(at: u64, nonce: u64) -> Exchange {
        Exchange {
            broadcast: Some(SentTx {
                payload: Some((1, nonce)),
                codespace: String::new(),
                code: 0,
            }),
            ..exchange(at, at + 50, "POST /txs")
        }
    }

    fn seen(chain: Vec<Exchange>, model: Vec<Exchange>) -> Seen {
        let mut seen = Seen::default();
        (seen.trace.chain, seen.trace.model) = (chain, model);
        seen
    }

    #[test]
    fn only_requests_that_were_waited_for_are_round_trips() {
        let model = || vec![exchange(100, 120, "/topic/1")];
        let simulated = vec![exchange(121, 171, "POST /simulate"), accepted(172, 7)];
        assert_eq!(trips(&seen(simulated, model()), 1, 7), Some((2, ms(102))));
        let beside = vec![exchange(121, 171, "GET /price"), accepted(122, 7)];
        assert_eq!(trips(&seen(beside, model()), 1, 7), Some((1, ms(52))));
        let slow = vec![accepted(300, 7)];
        assert_eq!(trips(&seen(slow, model()), 1, 7), Some((1, ms(230))));
        assert_eq!(trips(&seen(vec![accepted(300, 8)], model()), 1, 7), None);
    }

    #[test]
    fn the_first_payload_of_a_topic_is_counted_separately() {
        let chain = vec![
            exchange(121, 171, "POST /simulate"),
            accepted(172, 7),
            accepted(1_130, 9),
        ];
        let model = vec![
            exchange(100, 120, "/topic/1"),
            exchange(1_100, 1_120, "/topic/1"),
        ];
        let trips = Trips::of(&seen(chain, model), &[(1, 9, 10), (1, 7, 8)]);
        assert_eq!(trips.first, Some(Milli::whole(2)));
        assert_eq!(trips.later, Some(Milli::whole(1)));
        assert_eq!(trips.later_delays, Some(Milli(1_200)));
    }

    #[test]
    fn three_epochs_have_three_nonces_of_each_topic() {
        let options = Options::default().with_topics(TOPICS, EPOCH_BLOCKS, WINDOW_BLOCKS);
        let (first, last) = nonces(options.start_height);
        let opens = |nonce: u64| {
            let mut topics = options.topics.iter().filter_map(|t| t.next_open());
            topics.any(|open| nonce >= open && (nonce - open).is_multiple_of(EPOCH_BLOCKS))
        };
        let count = (first..=last).filter(|nonce| opens(*nonce)).count();
        assert_eq!(count, 12);
        assert!(opens(first) && opens(last));
    }
}
