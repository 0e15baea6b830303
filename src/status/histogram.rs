//! The histograms of the board: `prometheus-client`'s own, with the worker's buckets.

use prometheus_client::metrics::histogram::Histogram;

/// Durations of requests and models, in seconds.
#[derive(Clone, Debug)]
pub struct DurationHistogram(pub Histogram);

/// Numbers of blocks from a nonce to the block with its payload.
#[derive(Clone, Debug)]
pub struct DelayHistogram(pub Histogram);

impl Default for DurationHistogram {
    fn default() -> DurationHistogram {
        let bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        DurationHistogram(Histogram::new(bounds))
    }
}

impl Default for DelayHistogram {
    fn default() -> DelayHistogram {
        let bounds = [1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0];
        DelayHistogram(Histogram::new(bounds))
    }
}
