//! What the judge assumes about the worker: its longest waits, as its documentation and sources promise
//! them, and its configuration. From these follows how long before a window's end the last fault
//! has to be over for the window to be *servable*.

use std::time::Duration;

use crate::campaign::place::FREQ;

/// The worker's longest time-out for a request to the chain (its `http::REQUEST_TIME_MAX`).
pub(super) const HTTP_TIME_MAX: Duration = Duration::from_secs(8);
/// The worker limits every delay to a quarter of the rest of the window (its `window::part_of`),
/// so no delay is longer than a quarter of the whole window.
pub(super) const DELAY_PART_OF_WINDOW: u32 = 4;
/// A payload needs a block, so a servable window has at least this many blocks left.
pub(super) const BLOCKS_MIN: u32 = 2;
/// A run is only meaningful if at least this share of its windows is servable, in percent.
pub(super) const SERVABLE_PERCENT_MIN: usize = 30;

/// Shortest time between two queries for the account (the worker's `ACCOUNT_EVERY_MIN`).
const ACCOUNT_EVERY: Duration = Duration::from_millis(200);
/// Requests per window beyond the regular polling: polling every fifth of a block for two blocks
/// around the opening, and about a dozen attempts of [`ATTEMPT_REQUESTS`] requests each. The delay
/// between attempts doubles from 0.2 s to a quarter of the rest of the window.
const WINDOW_REQUESTS: u32 = 2 * 5 + 12 * 7;
/// Requests per attempt: inference served?, simulation, price, parameters, balance, broadcast, and
/// the transaction's result.
const ATTEMPT_REQUESTS: u64 = 7;
/// Polls of a topic in the two blocks around an opening.
const OPENING_REQUESTS: u64 = 2 * 5;
const MINUTE: Duration = Duration::from_secs(60);

/// How long before a window's last block all faults must be over for the window to be servable. A
/// request that began during a fault may have to time out; then the worker waits its longest delay
/// and polls.
///
/// `hang` is the longest time that a fault leaves a request without an answer, `pause` the longest
/// pause that a server asks for with `Retry-After`.
pub(super) fn margin(block: Duration, window: u64, hang: Duration, pause: Duration) -> Duration {
    let blocks = u32::try_from(window).unwrap_or(u32::MAX);
    let delay = (block.saturating_mul(blocks) / DELAY_PART_OF_WINDOW).max(pause);
    let least = block * BLOCKS_MIN;
    least.max(hang.min(HTTP_TIME_MAX) + delay + FREQ)
}

/// Largest number of requests to the chain within a minute, to all endpoints together: each topic
/// polls every `nonce_fetch_freq` and spends [`WINDOW_REQUESTS`] per window, and the broadcaster
/// queries the account. For a shorter run, the part of a minute that it lasts.
pub(crate) fn requests_max(topics: u64, block: Duration, epoch: u64, length: Duration) -> u64 {
    let length_ms = length.min(MINUTE).as_millis();
    let per = |every: Duration| length_ms.div_ceil(every.as_millis().max(1));
    let epoch_ms = block.as_millis() * u128::from(epoch);
    let windows = length_ms.div_ceil(epoch_ms.max(1)) + 1;
    let topic = per(FREQ) + windows * u128::from(WINDOW_REQUESTS);
    let all = u128::from(topics) * topic + per(ACCOUNT_EVERY);
    u64::try_from(all).unwrap_or(u64::MAX)
}

/// Largest number of requests to the chain within a second, which a busy loop would exceed: each
/// topic polls and tries at most every 0.2 s and polls around an opening, and the broadcaster
/// queries the account.
pub(crate) fn requests_per_second_max(topics: u64) -> u64 {
    let per_second = u64::try_from(1_000 / FREQ.as_millis().max(1)).unwrap_or(1);
    let topic = per_second * (1 + ATTEMPT_REQUESTS) + OPENING_REQUESTS;
    topics * topic + per_second
}

/// Largest memory at the end of the quiet phase, in KiB: one and a half times the memory at its
/// beginning, plus two megabytes for what the first window may still load.
pub(super) fn memory_kib_max(before_kib: u64) -> u64 {
    before_kib + before_kib / 2 + 2 * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_margin_is_time_out_plus_delay_plus_poll_and_at_least_two_blocks() {
        assert_eq!(margin(200 * MS, 40, 2_500 * MS, Duration::ZERO), 4_700 * MS);
        assert_eq!(margin(200 * MS, 40, 2_500 * MS, 3_000 * MS), 5_700 * MS);
        assert_eq!(
            margin(250 * MS, 80, 12_000 * MS, Duration::ZERO),
            13_200 * MS
        );
        assert_eq!(
            margin(200 * MS, 1, Duration::ZERO, Duration::ZERO),
            400 * MS
        );
    }

    #[test]
    fn the_limit_of_requests_grows_with_topics_and_with_time_up_to_a_minute() {
        let bound = |topics, s| requests_max(topics, 200 * MS, 50, Duration::from_secs(s));
        assert_eq!(bound(1, 60), 300 + 7 * 94 + 300);
        assert_eq!(bound(1, 600), bound(1, 60));
        assert!(bound(1, 20) < bound(1, 60) && bound(2, 60) > bound(1, 60));
        assert_eq!(requests_per_second_max(3), 155);
        assert_eq!(memory_kib_max(10_000), 17_048);
    }
}
