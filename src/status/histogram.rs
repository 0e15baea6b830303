//! The histograms of the board: `prometheus-client`'s own, with the worker's buckets.

use prometheus_client::metrics::histogram::Histogram;

/// Durations of requests and models, in seconds.
#[must_use]
pub fn durations() -> Histogram {
    Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// Numbers of blocks from a nonce to the block with its payload.
#[must_use]
pub fn delays() -> Histogram {
    Histogram::new([1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0])
}
