//! Counts by size. Whole numbers only; what the outside calls them is for the metrics to say.
use std::time::Duration;

/// Times of requests and models, in microseconds.
pub const TIME_BOUNDS_US: [u64; 11] = [
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000,
];
/// Blocks from the nonce to the block with the payload.
pub const DELAY_BOUNDS_BLOCKS: [u64; 8] = [1, 2, 3, 4, 6, 10, 20, 50];

/// How many values there were up to each bound, and how many beyond the last.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [u64; N],
    beyond: u64,
    sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// No values yet; the bounds ascend.
    #[must_use]
    pub const fn new(bounds: &'static [u64; N]) -> Histogram<N> {
        Histogram {
            bounds,
            counts: [0; N],
            beyond: 0,
            sum: 0,
        }
    }

    /// Counts a value.
    pub fn observe(&mut self, value: u64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        let count = match bucket.and_then(|at| self.counts.get_mut(at)) {
            Some(count) => count,
            None => &mut self.beyond,
        };
        *count = count.saturating_add(1);
        self.sum = self.sum.saturating_add(value);
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// Each bound with the count of values above the one before; `None` for those beyond the last.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = self.bounds.iter().map(|bound| Some(*bound));
        let counts = bounds.zip(self.counts);
        counts.chain([(None, self.beyond)])
    }
}

/// A time in whole microseconds.
#[must_use]
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_to_the_first_bound_that_holds_them() {
        static BOUNDS: [u64; 2] = [10, 20];
        let mut histogram = Histogram::new(&BOUNDS);
        for value in [0, 10, 11, 20, 21, 1_000] {
            histogram.observe(value);
        }
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets, [(Some(10), 2), (Some(20), 2), (None, 2)]);
        assert_eq!((histogram.count(), histogram.sum()), (6, 1_062));
    }
}
