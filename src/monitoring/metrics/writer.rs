//! Families of metrics, each told with its name, its help and its kind before its values.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::number::{Float, INFINITE, Number, float, seconds_of_us};
use crate::status::histogram::Histogram;

/// What counts and what does not, in the words of the format.
pub(super) struct Writer<'a>(pub(super) DescriptorEncoder<'a>);

/// One family, to which values are added.
pub(super) struct Family<'a>(MetricEncoder<'a>);

impl Writer<'_> {
    /// A value that only grows; the format adds `_total` to its name.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl Into<Number>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        family
            .0
            .encode_counter::<NoLabelSet, Number, Float>(&value.into(), None)
    }

    /// A value that goes up and down.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl Into<Number>,
    ) -> fmt::Result {
        self.gauge_if(name, help, Some(value))
    }

    /// One that may not be known: then there is no value.
    pub(super) fn gauge_if(
        &mut self,
        name: &str,
        help: &str,
        value: Option<impl Into<Number>>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        match value {
            Some(value) => family.0.encode_gauge(&value.into()),
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
    pub(super) fn counted(
        &mut self,
        labels: &impl EncodeLabelSet,
        value: impl Into<Number>,
    ) -> fmt::Result {
        let mut one = self.0.encode_family(labels)?;
        one.encode_counter::<NoLabelSet, Number, Float>(&value.into(), None)
    }

    pub(super) fn level(
        &mut self,
        labels: &impl EncodeLabelSet,
        value: impl Into<Number>,
    ) -> fmt::Result {
        self.0.encode_family(labels)?.encode_gauge(&value.into())
    }

    /// Values that were counted in microseconds, told in seconds.
    pub(super) fn times<const N: usize>(
        &mut self,
        labels: &impl EncodeLabelSet,
        times: &Histogram<N>,
    ) -> fmt::Result {
        let mut one = self.0.encode_family(labels)?;
        distribution(&mut one, times, seconds_of_us)
    }

    /// As [`Family::times`], of a family of one.
    pub(super) fn times_alone<const N: usize>(&mut self, times: &Histogram<N>) -> fmt::Result {
        distribution(&mut self.0, times, seconds_of_us)
    }

    /// Values that are told as they were counted.
    pub(super) fn sizes<const N: usize>(
        &mut self,
        labels: &impl EncodeLabelSet,
        sizes: &Histogram<N>,
    ) -> fmt::Result {
        let mut one = self.0.encode_family(labels)?;
        distribution(&mut one, sizes, float)
    }
}

fn distribution<const N: usize>(
    one: &mut MetricEncoder<'_>,
    values: &Histogram<N>,
    number: fn(u64) -> Float,
) -> fmt::Result {
    let bucket = |(bound, count): (Option<u64>, u64)| (bound.map_or(INFINITE, number), count);
    let buckets: Vec<_> = values.buckets().map(bucket).collect();
    let (sum, count) = (number(values.sum()), values.count());
    one.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}
