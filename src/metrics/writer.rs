//! Families of metrics, each told with its name, its help and its kind before its values.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::number::{INFINITE, Number, seconds_of_us, whole};
use crate::status::histogram::Histogram;

/// What counts and what does not, in the words of the format.
pub(super) struct Writer<'a>(pub(super) DescriptorEncoder<'a>);

/// One family, to which values are added.
pub(super) struct Family<'a>(MetricEncoder<'a>);

impl Writer<'_> {
    /// A value that only grows; the format adds `_total` to its name.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: Number) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        family
            .0
            .encode_counter::<NoLabelSet, Number, Number>(&value, None)
    }

    /// A value that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Number) -> fmt::Result {
        self.gauge_if(name, help, Some(value))
    }

    /// One that may not be known: then there is no value.
    pub(super) fn gauge_if(
        &mut self,
        name: &str,
        help: &str,
        value: Option<Number>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        match value {
            Some(value) => family.0.encode_gauge(&value),
            None => Ok(()),
        }
    }

    /// The family of all values of this name.
    pub(super) fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<Family<'s>, fmt::Error> {
        let family = self.0.encode_descriptor(name, help, None, kind)?;
        Ok(Family(family))
    }
}

impl Family<'_> {
    /// A value that is all labels.
    pub(super) fn info(&mut self, labels: &impl EncodeLabelSet) -> fmt::Result {
        self.0.encode_info(labels)
    }

    pub(super) fn counted(&mut self, labels: &impl EncodeLabelSet, value: Number) -> fmt::Result {
        let mut one = self.0.encode_family(labels)?;
        one.encode_counter::<NoLabelSet, Number, Number>(&value, None)
    }

    pub(super) fn level(&mut self, labels: &impl EncodeLabelSet, value: Number) -> fmt::Result {
        self.0.encode_family(labels)?.encode_gauge(&value)
    }

    /// Values that were counted in microseconds, told in seconds.
    pub(super) fn times<const N: usize>(
        &mut self,
        labels: &impl EncodeLabelSet,
        times: &Histogram<N>,
    ) -> fmt::Result {
        self.distribution(labels, times, seconds_of_us)
    }

    /// Values that are told as they were counted.
    pub(super) fn sizes<const N: usize>(
        &mut self,
        labels: &impl EncodeLabelSet,
        sizes: &Histogram<N>,
    ) -> fmt::Result {
        self.distribution(labels, sizes, |size| whole(size.into()))
    }

    fn distribution<const N: usize>(
        &mut self,
        labels: &impl EncodeLabelSet,
        values: &Histogram<N>,
        number: fn(u64) -> Number,
    ) -> fmt::Result {
        let bucket = |(bound, count): (Option<u64>, u64)| (bound.map_or(INFINITE, number), count);
        let buckets: Vec<_> = values.buckets().map(bucket).collect();
        let (sum, count) = (number(values.sum()), values.count());
        self.0
            .encode_family(labels)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}
