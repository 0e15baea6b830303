//! Numbers for metrics. Prometheus knows no other numbers than floating point, so this is the one
//! place of the worker that makes any: out of whole numbers, by way of their text, for readers
//! outside. Nothing comes back from here.

use std::time::Duration;

use crate::fee::GasPrice;
use crate::units::Uallo;

/// A metric's value.
pub(super) type Number = f64;

/// Beyond the last bound of a histogram.
pub(super) const INFINITE: Number = Number::INFINITY;

/// Any whole number, to 15 digits or so.
pub(super) fn whole(value: u128) -> Number {
    of_text(&value.to_string())
}

pub(super) fn uallo(amount: Uallo) -> Number {
    whole(amount.0)
}

pub(super) fn price(price: GasPrice) -> Number {
    of_text(&price.to_string())
}

pub(super) fn seconds(time: Duration) -> Number {
    time.as_secs_f64()
}

/// Seconds out of microseconds.
pub(super) fn seconds_of_us(us: u64) -> Number {
    seconds(Duration::from_micros(us))
}

fn of_text(text: &str) -> Number {
    // why: the texts of whole numbers and of decimals are always read
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_amounts_and_small_prices_keep_their_first_digits() {
        let text = |number: Number| number.to_string();
        assert_eq!(text(whole(7)), "7");
        assert_eq!(
            text(uallo(Uallo(10_u128.pow(27)))),
            "1000000000000000000000000000"
        );
        let cheap = GasPrice::parse("0.000000000000000001").unwrap();
        assert_eq!(text(price(cheap)), "0.000000000000000001");
        let usual = GasPrice::parse("10.000000000000000000").unwrap();
        assert_eq!(text(price(usual)), "10");
        assert_eq!(text(seconds_of_us(250_000)), "0.25");
    }
}
