//! Numbers for metrics. Counts are whole and stay so. Prometheus knows amounts, prices and times
//! as floating point only, so this is the one place of the worker that makes any: out of whole
//! numbers, by way of their text, for readers outside. Nothing comes back from here.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{
    CounterValueEncoder, EncodeCounterValue, EncodeGaugeValue, GaugeValueEncoder,
};

use crate::values::fee::GasPrice;
use crate::values::units::Uallo;

/// A number in the format's own kind.
pub(super) type Float = f64;

/// Beyond the last bound of a histogram.
pub(super) const INFINITE: Float = Float::INFINITY;

/// A metric's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Float(Float),
}

impl EncodeGaugeValue for Number {
    fn encode(&self, encoder: &mut GaugeValueEncoder<'_>) -> fmt::Result {
        match self {
            Number::Whole(whole) => EncodeGaugeValue::encode(whole, encoder),
            Number::Float(float) => EncodeGaugeValue::encode(float, encoder),
        }
    }
}

impl EncodeCounterValue for Number {
    fn encode(&self, encoder: &mut CounterValueEncoder<'_>) -> fmt::Result {
        match self {
            Number::Whole(whole) => EncodeCounterValue::encode(whole, encoder),
            Number::Float(float) => EncodeCounterValue::encode(float, encoder),
        }
    }
}

impl From<u64> for Number {
    fn from(whole: u64) -> Number {
        Number::Whole(whole)
    }
}

impl From<bool> for Number {
    fn from(flag: bool) -> Number {
        Number::Whole(u64::from(flag))
    }
}

impl From<Uallo> for Number {
    fn from(amount: Uallo) -> Number {
        u64::try_from(amount.0).map_or_else(|_| of_text(&amount.to_string()), Number::Whole)
    }
}

impl From<GasPrice> for Number {
    fn from(price: GasPrice) -> Number {
        of_text(&price.to_string())
    }
}

impl From<Duration> for Number {
    /// In seconds.
    fn from(time: Duration) -> Number {
        Number::Float(time.as_secs_f64())
    }
}

/// Seconds out of microseconds.
pub(super) fn seconds_of_us(us: u64) -> Float {
    Duration::from_micros(us).as_secs_f64()
}

/// A whole number in the format's kind.
pub(super) fn float(whole: u64) -> Float {
    match of_text(&whole.to_string()) {
        Number::Float(float) => float,
        Number::Whole(_) => INFINITE,
    }
}

fn of_text(text: &str) -> Number {
    // why: the texts of whole numbers and of decimals are always read
    Number::Float(text.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: impl Into<Number>) -> String {
        match number.into() {
            Number::Whole(whole) => whole.to_string(),
            Number::Float(float) => format!("{float} as a float"),
        }
    }

    #[test]
    fn whole_numbers_stay_whole_as_long_as_they_fit() {
        assert_eq!(text(7), "7");
        assert_eq!(text(true), "1");
        assert_eq!(text(Uallo(u128::from(u64::MAX))), u64::MAX.to_string());
        assert_eq!(
            text(Uallo(10_u128.pow(27))),
            "1000000000000000000000000000 as a float"
        );
    }

    #[test]
    fn prices_and_times_keep_their_fractions() {
        let cheap = GasPrice::parse("0.000000000000000001").unwrap();
        assert_eq!(text(cheap), "0.000000000000000001 as a float");
        let usual = GasPrice::parse("10.000000000000000000").unwrap();
        assert_eq!(text(usual), "10 as a float");
        assert_eq!(text(Duration::from_millis(1_250)), "1.25 as a float");
        assert_eq!(seconds_of_us(250_000).to_string(), "0.25");
        assert_eq!(float(12).to_string(), "12");
    }
}
