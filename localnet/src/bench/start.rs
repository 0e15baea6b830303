//! Time from the start of the process to its first request: the median of `TRIES`.

use std::io;
use std::time::Duration;

use super::figure::{Figure, Milli};
use super::scene::{Scene, Seen, Stage};
use crate::play::options::Options;

const TRIES: usize = 20;
/// A worker without a request until then does not start.
const START_TIME_MAX: Duration = Duration::from_secs(10);
/// Time between two looks for the request, which has its own time stamp.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Starts the worker `TRIES` times.
pub(super) fn measure(stage: &Stage<'_>) -> io::Result<(Vec<Figure>, Seen)> {
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let options = Options::default().with_topics(1, 20, 10);
        let mut scene = Scene::start(stage, options, "3")?;
        let mut until = LOOK_EVERY;
        let arrived = loop {
            scene.run_until(until)?;
            until = scene.localnet.elapsed() + LOOK_EVERY;
            if let Some(request) = scene.localnet.trace().chain.first() {
                break Some(request.at);
            }
            if until > START_TIME_MAX {
                break None;
            }
        };
        times.extend(arrived.map(|at| at.saturating_sub(scene.started)));
        // The worker is killed when the scene is dropped; it has nothing in flight.
    }
    times.sort();
    let middle = times.get(times.len() / 2).copied();
    let figure = Figure::time(
        "start.first_request_ms",
        "start of the process to its first request (ms)",
        Milli::whole(10),
        middle.map(Milli::milliseconds),
    );
    Ok((vec![figure], Seen::default()))
}
