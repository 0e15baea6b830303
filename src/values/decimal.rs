//! Converts a number's text to the chain's canonical text of the same number, without a float.
//!
//! The chain parses a value, prints it again in its canonical form and verifies the bundle
//! signature over *that*. A value that is signed in any other form fails inside a block, after
//! its fee is paid. So everything that is signed goes through [`Decimal::parse`], which gives
//! exactly the text that the chain would print (protocol.md section 7).

use std::fmt;

/// The longest text that is parsed, and the longest canonical text. The chain sets no limit; a zero
/// in plain notation takes up to 2,003 characters.
const TEXT_CHARS_MAX: usize = 2_100;

/// The largest exponent in a text, and the largest adjusted exponent of a zero, of either sign.
const EXPONENT_MAX: i64 = 100_000;
/// The magnitude of a value that is not zero is 10^-40 to 10^40, both included.
const MAGNITUDE_MAX: i64 = 40;
/// Below this exponent a zero is written in scientific notation.
const PLAIN_ZERO_EXPONENT_MIN: i64 = -2_000;
/// The smallest adjusted exponent that is written in plain notation.
const PLAIN_ADJUSTED_MIN: i64 = -6;

/// A number as the chain writes it: `2611.01`, `1.2E-7`, `-0.50`.
///
/// Equality is that of the text: `0.5` and `0.50` differ, as they do in a signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(String);

/// Why the chain would refuse a text as a value, or why a number cannot be counted in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The chain would silently read 0.
    #[error("no text where a number belongs")]
    Empty,
    /// Too long as given, or as the chain would print it.
    #[error("a number of more than {TEXT_CHARS_MAX} characters")]
    TooLong,
    #[error("not a finite number")]
    NotFinite,
    #[error("not a decimal number")]
    NotANumber,
    #[error("a number outside the chain's bounds of \u{b1}1e40")]
    TooLarge,
    #[error("a number nearer to zero than the chain's limit of 1e-40")]
    TooSmall,
    #[error("a number with an exponent beyond \u{b1}100000")]
    ExponentOutOfRange,
    /// It cannot be counted in units.
    #[error("a negative number")]
    Negative,
    /// More units than a `u128` holds.
    #[error("a number too large to count")]
    TooManyUnits,
}

/// How a number is rounded to whole units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Away from zero: for an amount that must be enough.
    Up,
    /// Towards zero.
    Down,
}

impl Decimal {
    /// Parses `[+-] digits [. digits] [e [+-] digits]` (or `.5`, `5.`), without spaces around it.
    /// What the chain would refuse is an error, as is the empty text (protocol.md section 7).
    pub fn parse(text: &str) -> Result<Decimal, DecimalError> {
        let parts = Parts::read(text)?;
        parts.check_bounds()?;
        let canonical = parts.canonical();
        if canonical.len() > TEXT_CHARS_MAX {
            return Err(DecimalError::TooLong);
        }
        Ok(Decimal(canonical))
    }

    /// The canonical text, which is sent and signed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the number is below zero; `-0` is not.
    pub fn is_negative(&self) -> bool {
        self.0.starts_with('-') && !self.is_zero()
    }

    /// Whether the number is zero, with any sign and exponent.
    pub fn is_zero(&self) -> bool {
        let coefficient = self.0.split('E').next().unwrap_or_default();
        !coefficient.bytes().any(|b| (b'1'..=b'9').contains(&b))
    }

    /// The number as a count of units of 10^-`decimals`: `1.5` with 3 decimals is 1,500.
    pub fn to_units(&self, decimals: u32, rounding: Rounding) -> Result<u128, DecimalError> {
        if self.is_negative() {
            return Err(DecimalError::Negative);
        }
        if self.is_zero() {
            return Ok(0);
        }
        Parts::read(&self.0)?.to_units(decimals, rounding)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number as sign, coefficient and exponent: digits × 10^exponent.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    negative: bool,
    /// ASCII digits without leading zeros, trailing ones kept; a zero is `0`.
    digits: String,
    exponent: i64,
}

impl Parts {
    fn read(text: &str) -> Result<Parts, DecimalError> {
        if text.is_empty() {
            return Err(DecimalError::Empty);
        }
        if text.len() > TEXT_CHARS_MAX {
            return Err(DecimalError::TooLong);
        }
        let (negative, unsigned) = split_sign(text);
        let is_name = |name: &&str| unsigned.eq_ignore_ascii_case(name);
        if ["nan", "snan", "inf", "infinity"].iter().any(is_name) {
            return Err(DecimalError::NotFinite);
        }
        let parts = unsigned.split_once(['e', 'E']);
        let (mantissa, exponent) = parts.unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let has_digits = !(whole.is_empty() && fraction.is_empty());
        if !has_digits || !all_digits(whole) || !all_digits(fraction) {
            return Err(DecimalError::NotANumber);
        }
        let exponent = read_exponent(exponent)? - length(fraction);
        let digits = format!("{whole}{fraction}");
        let digits = match digits.trim_start_matches('0') {
            "" => "0",
            significant => significant,
        };
        Ok(Parts {
            negative,
            digits: digits.to_owned(),
            exponent,
        })
    }

    fn is_zero(&self) -> bool {
        self.digits == "0"
    }

    /// The exponent of the first digit.
    fn adjusted(&self) -> i64 {
        self.exponent + length(&self.digits) - 1
    }

    fn check_bounds(&self) -> Result<(), DecimalError> {
        let adjusted = self.adjusted();
        if self.is_zero() {
            let is_within = adjusted.abs() <= EXPONENT_MAX;
            return is_within
                .then_some(())
                .ok_or(DecimalError::ExponentOutOfRange);
        }
        let is_power_of_ten = self.digits.trim_end_matches('0') == "1";
        if adjusted > MAGNITUDE_MAX || (adjusted == MAGNITUDE_MAX && !is_power_of_ten) {
            return Err(DecimalError::TooLarge);
        }
        if adjusted < -MAGNITUDE_MAX {
            return Err(DecimalError::TooSmall);
        }
        Ok(())
    }

    fn canonical(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let zero_is_plain = self.is_zero() && (PLAIN_ZERO_EXPONENT_MIN..0).contains(&self.exponent);
        let is_plain =
            self.exponent <= 0 && (self.adjusted() >= PLAIN_ADJUSTED_MIN || zero_is_plain);
        if is_plain {
            self.plain(sign)
        } else {
            self.scientific(sign)
        }
    }

    fn plain(&self, sign: &str) -> String {
        let digits = &self.digits;
        // Digits before the point; at zero or below, zeros stand between point and digits.
        let whole = length(digits) + self.exponent;
        match usize::try_from(whole) {
            Ok(whole) if whole == digits.len() => format!("{sign}{digits}"),
            Ok(whole) if whole > 0 => {
                format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
            }
            _ => {
                let zeros = usize::try_from(-whole).unwrap_or_default();
                format!("{sign}0.{}{digits}", "0".repeat(zeros))
            }
        }
    }

    fn scientific(&self, sign: &str) -> String {
        let (first, rest) = self.digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{point}{rest}E{:+}", self.adjusted())
    }

    /// For a number above zero.
    fn to_units(&self, decimals: u32, rounding: Rounding) -> Result<u128, DecimalError> {
        let shift = self.exponent + i64::from(decimals);
        let kept = usize::try_from(length(&self.digits) + shift.min(0)).unwrap_or(0);
        let (head, tail) = self.digits.split_at(kept);
        let whole = format!("0{head}").parse::<u128>();
        let whole = whole.map_err(|_| DecimalError::TooManyUnits)?;
        let has_rest = tail.bytes().any(|b| b != b'0');
        let up = u128::from(has_rest && rounding == Rounding::Up);
        let power = u32::try_from(shift.max(0)).map_err(|_| DecimalError::TooManyUnits)?;
        10_u128
            .checked_pow(power)
            .and_then(|factor| whole.checked_mul(factor))
            .and_then(|units| units.checked_add(up))
            .ok_or(DecimalError::TooManyUnits)
    }
}

/// Lengths are at most [`TEXT_CHARS_MAX`], so nothing is ever cut.
fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn read_exponent(text: &str) -> Result<i64, DecimalError> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !all_digits(digits) {
        return Err(DecimalError::NotANumber);
    }
    // A number of digits that does not parse is far beyond the limit anyway.
    let size = digits.parse().unwrap_or(i64::MAX);
    if size > EXPONENT_MAX {
        return Err(DecimalError::ExponentOutOfRange);
    }
    Ok(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        Decimal::parse(text).unwrap().0
    }

    #[test]
    fn canonical_text_is_the_chains() {
        let cases = [
            ("0", "0"),
            ("+1", "1"),
            ("007", "7"),
            ("1.50", "1.50"),
            ("1e2", "1E+2"),
            (".5", "0.5"),
            ("5.", "5"),
            ("123.456e3", "123456"),
            ("123.456e-3", "0.123456"),
            ("0.0000012", "0.0000012"),
            ("0.00000012", "1.2E-7"),
            ("1.0e-7", "1.0E-7"),
            ("-1.2e-8", "-1.2E-8"),
            ("0E-10", "0.0000000000"),
            ("0e5", "0E+5"),
            ("-0", "-0"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_number_is_rejected() {
        use DecimalError::{Empty, NotANumber, NotFinite};
        let cases = [
            ("", Empty),
            ("-NaN", NotFinite),
            ("+Infinity", NotFinite),
            (".", NotANumber),
            ("-", NotANumber),
            ("e5", NotANumber),
            ("1e", NotANumber),
            ("1e+", NotANumber),
            ("1e+-5", NotANumber),
            ("1.2.3", NotANumber),
            ("--1", NotANumber),
            ("1 ", NotANumber),
            ("1_000", NotANumber),
            ("1,5", NotANumber),
            ("0x10", NotANumber),
            ("\u{661}", NotANumber),
        ];
        for (text, expected) in cases {
            assert_eq!(Decimal::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn bounds_hold_on_both_sides() {
        use DecimalError::{ExponentOutOfRange, TooLarge, TooSmall};
        assert_eq!(canonical("10000e36"), "1.0000E+40");
        assert_eq!(Decimal::parse("1.0000001e40"), Err(TooLarge));
        assert_eq!(Decimal::parse("-1e41"), Err(TooLarge));
        assert_eq!(canonical("1e-40"), "1E-40");
        assert_eq!(Decimal::parse("9.99e-41"), Err(TooSmall));
        assert_eq!(canonical("0e100000"), "0E+100000");
        assert_eq!(canonical("0e-100000"), "0E-100000");
        assert_eq!(Decimal::parse("0e100001"), Err(ExponentOutOfRange));
        assert_eq!(Decimal::parse("0.0e-100000"), Err(ExponentOutOfRange));
        assert_eq!(
            Decimal::parse("1e99999999999999999999"),
            Err(ExponentOutOfRange)
        );
    }

    #[test]
    fn zeros_change_notation_at_two_thousand_places() {
        assert_eq!(canonical("0e-2000"), format!("0.{}", "0".repeat(2_000)));
        assert_eq!(canonical("0e-2001"), "0E-2001");
    }

    #[test]
    fn length_is_bounded_for_text_and_result() {
        let longest = format!("0.{}", "1".repeat(TEXT_CHARS_MAX - 2));
        assert_eq!(canonical(&longest), longest);
        assert_eq!(
            Decimal::parse(&format!("{longest}1")),
            Err(DecimalError::TooLong)
        );
        let grows = format!("{}e-2099", "1".repeat(TEXT_CHARS_MAX - 6));
        assert_eq!(Decimal::parse(&grows), Err(DecimalError::TooLong));
    }

    #[test]
    fn units_round_as_asked() {
        let units = |text: &str, decimals, rounding| {
            Decimal::parse(text).unwrap().to_units(decimals, rounding)
        };
        assert_eq!(units("1.5", 3, Rounding::Up), Ok(1_500));
        assert_eq!(units("15e-1", 0, Rounding::Up), Ok(2));
        assert_eq!(units("15e-1", 0, Rounding::Down), Ok(1));
        assert_eq!(units("1.0", 0, Rounding::Up), Ok(1));
        assert_eq!(units("1e-20", 3, Rounding::Up), Ok(1));
        assert_eq!(units("1e-20", 3, Rounding::Down), Ok(0));
        assert_eq!(units("1e2", 1, Rounding::Down), Ok(1_000));
        assert_eq!(units("-0", 3, Rounding::Up), Ok(0));
        assert_eq!(units("0e9999", 3, Rounding::Up), Ok(0));
        assert_eq!(units("-1e-9", 3, Rounding::Up), Err(DecimalError::Negative));
        assert_eq!(
            units("1e39", 0, Rounding::Up),
            Err(DecimalError::TooManyUnits)
        );
        let largest = u128::MAX.to_string();
        assert_eq!(units(&largest, 0, Rounding::Up), Ok(u128::MAX));
        assert_eq!(
            units(&format!("{largest}.1"), 0, Rounding::Up),
            Err(DecimalError::TooManyUnits)
        );
    }

    /// The value by school arithmetic, apart from the code under test: sign, digits without
    /// zeros at either end, exponent of the last digit.
    fn value_of(text: &str) -> (bool, String, i64) {
        let negative = text.starts_with('-');
        let lower = text.trim_start_matches(['+', '-']).to_lowercase();
        let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
        let places = mantissa
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len());
        let mut exponent = exponent.parse::<i64>().unwrap() - i64::try_from(places).unwrap();
        let mut digits = mantissa.replace('.', "").trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return (negative, digits, 0);
        }
        while digits.ends_with('0') {
            digits.pop();
            exponent += 1;
        }
        (negative, digits, exponent)
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in any::<String>()) {
            let _ = Decimal::parse(&text);
        }

        #[test]
        fn canonical_text_is_a_fixed_point_of_the_same_value(
            text in "[+-]?([0-9]{1,45}(\\.[0-9]{0,45})?|\\.[0-9]{1,45})([eE][+-]?[0-9]{1,2})?"
        ) {
            if let Ok(decimal) = Decimal::parse(&text) {
                let again = Decimal::parse(decimal.as_str()).unwrap();
                prop_assert_eq!(&again, &decimal);
                prop_assert_eq!(value_of(decimal.as_str()), value_of(&text));
                let parts = Parts::read(&text).unwrap();
                prop_assert_eq!(Parts::read(decimal.as_str()).unwrap(), parts);
            }
        }
    }
}
