//! Exact arithmetic with decimals of any length, for decisions that must agree with the chain's:
//! sums within a tolerance, values within bounds. Integers of any size and a power of ten, no
//! rounding.

use std::cmp::Ordering;
use std::ops::{Add, Mul, Sub};

use num_bigint::BigInt;

use crate::values::decimal::Decimal;

/// `coefficient` × 10^`exponent`. Equality and order are those of the numbers: `0.5` is `0.50`.
#[derive(Clone, Debug)]
pub struct Exact {
    coefficient: BigInt,
    exponent: i64,
}

impl Exact {
    pub fn whole(number: u8) -> Exact {
        Exact {
            coefficient: number.into(),
            exponent: 0,
        }
    }

    /// The value of a decimal.
    pub fn of(decimal: &Decimal) -> Exact {
        // why: a zero's exponent may be 100,000, and other numbers would be scaled by it
        if decimal.is_zero() {
            return Exact::whole(0);
        }
        let text = decimal.as_str();
        let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().unwrap_or_default();
        let digits = format!("{whole}{fraction}");
        Exact {
            // why: canonical text is digits with a sign, which always parse
            coefficient: digits.parse().unwrap_or_default(),
            exponent: exponent - i64::try_from(fraction.len()).unwrap_or_default(),
        }
    }

    pub fn sum<'a>(decimals: impl IntoIterator<Item = &'a Decimal>) -> Exact {
        let each = decimals.into_iter().map(Exact::of);
        each.fold(Exact::whole(0), |sum, number| &sum + &number)
    }

    /// The sum in the given order, each intermediate sum cut to `digits` digits, towards zero, as
    /// the chain computes it (protocol.md section 7).
    pub fn sum_cut<'a>(decimals: impl IntoIterator<Item = &'a Decimal>, digits: usize) -> Exact {
        let each = decimals.into_iter().map(Exact::of);
        each.fold(Exact::whole(0), |sum, number| (&sum + &number).cut(digits))
    }

    /// The number cut to its first `digits` digits.
    fn cut(self, digits: usize) -> Exact {
        let length = self.coefficient.magnitude().to_string().len();
        let Ok(places @ 1..) = u32::try_from(length.saturating_sub(digits)) else {
            return self;
        };
        Exact {
            // why: integer division rounds towards zero
            coefficient: self.coefficient / BigInt::from(10).pow(places),
            exponent: self.exponent + i64::from(places),
        }
    }

    pub fn abs(&self) -> Exact {
        Exact {
            coefficient: self.coefficient.magnitude().clone().into(),
            exponent: self.exponent,
        }
    }

    /// The canonical text, for messages; coefficient and exponent if the chain has no text for it.
    pub fn text(&self) -> String {
        // why: a computed zero may have any exponent
        if *self == Exact::whole(0) {
            return "0".to_owned();
        }
        let text = format!("{}E{}", self.coefficient, self.exponent);
        Decimal::parse(&text).map_or(text, |decimal| decimal.to_string())
    }

    /// Both coefficients scaled to the lower exponent, and that exponent.
    fn aligned(&self, other: &Exact) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |number: &Exact| {
            let places = u32::try_from(number.exponent - exponent).unwrap_or_default();
            &number.coefficient * BigInt::from(10).pow(places)
        };
        (scaled(self), scaled(other), exponent)
    }
}

impl Add for &Exact {
    type Output = Exact;

    fn add(self, other: &Exact) -> Exact {
        let (mine, others, exponent) = self.aligned(other);
        Exact {
            coefficient: mine + others,
            exponent,
        }
    }
}

impl Sub for &Exact {
    type Output = Exact;

    fn sub(self, other: &Exact) -> Exact {
        let (mine, others, exponent) = self.aligned(other);
        Exact {
            coefficient: mine - others,
            exponent,
        }
    }
}

impl Mul for &Exact {
    type Output = Exact;

    fn mul(self, other: &Exact) -> Exact {
        Exact {
            coefficient: &self.coefficient * &other.coefficient,
            exponent: self.exponent + other.exponent,
        }
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Exact) -> Option<Ordering> {
        let (mine, others, _) = self.aligned(other);
        Some(mine.cmp(&others))
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Exact) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(text: &str) -> Exact {
        Exact::of(&Decimal::parse(text).unwrap())
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert_eq!(exact("0.5"), exact("0.50"));
        assert_eq!(exact("0E+100000"), exact("-0"));
        assert_eq!(exact("1e40").text(), "1E+40");
        assert!(exact("1e40") > exact("1e-40"));
        assert!(exact("-2") < exact("-1.9"));
        assert_eq!(exact("-1.20").abs(), exact("1.2"));
        assert_eq!(exact("0.1").text(), "0.1");
    }

    #[test]
    fn nothing_is_rounded() {
        let sum = &exact("1e40") + &exact("1e-40");
        assert_eq!(&sum - &exact("1e40"), exact("1e-40"));
        assert_eq!((&exact("1.1") * &exact("-0.3")).text(), "-0.33");
        let tenth = Decimal::parse("0.1").unwrap();
        assert_eq!(Exact::sum([&tenth; 10]), Exact::whole(1));
    }

    proptest! {
        /// The same sum in whole ten-thousandths.
        #[test]
        fn sums_are_those_of_whole_numbers(parts in prop::collection::vec(-9_999_i64..9_999, 0..40)) {
            let decimals: Vec<Decimal> = parts
                .iter()
                .map(|part| Decimal::parse(&format!("{part}e-4")).unwrap())
                .collect();
            let sum: i64 = parts.iter().sum();
            prop_assert_eq!(Exact::sum(&decimals), exact(&format!("{sum}e-4")));
        }

        /// 1 cut into any pieces is their sum.
        #[test]
        fn pieces_of_one_add_up_to_one(cuts in prop::collection::vec(0..=1_000_000_000_u64, 1..30)) {
            let mut cuts = cuts;
            cuts.extend([0, 1_000_000_000]);
            cuts.sort_unstable();
            let pieces: Vec<Decimal> = cuts
                .windows(2)
                .map(|pair| Decimal::parse(&format!("{}e-9", pair[1] - pair[0])).unwrap())
                .collect();
            prop_assert_eq!(Exact::sum(&pieces), Exact::whole(1));
        }
    }
}
