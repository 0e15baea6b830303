//! The chain's decimal numbers: which texts are valid and how the chain writes them.
//!
//! Implemented independently, from protocol.md section 7: a mistake in the worker's canonical
//! text shows here as an invalid signature.

use num_bigint::BigInt;

/// Largest absolute value of an exponent.
const EXPONENT_MAX: i64 = 100_000;
/// Values other than zero are between 10^-40 and 10^40 (protocol.md section 7).
const VALUE_EXPONENT_MAX: i64 = 40;
/// Longest run of zeros in an error text.
const PLAIN_ZEROS_MAX: i64 = 100_000;

/// A number as the chain stores it: sign, digits and a power of ten, without rounding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Without leading zeros; "0" for zero.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Parses a text as the chain does. An empty text is 0.
    ///
    /// # Errors
    /// The chain's text, which precedes `: tx parse error` in the answer to a broadcast.
    pub fn parse(text: &str) -> Result<Decimal, String> {
        if text.is_empty() {
            return Ok(Decimal {
                negative: false,
                digits: "0".to_owned(),
                exponent: 0,
            });
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if rest.starts_with(['-', '+']) {
            return Err(format!("could not parse: {text}"));
        }
        let lower = rest.to_ascii_lowercase();
        if matches!(lower.as_str(), "nan" | "snan" | "inf" | "infinity") {
            return Err("value must be finite: value is out of range".to_owned());
        }
        let number = Decimal::finite(negative, &lower)?;
        number.check_bounds()?;
        Ok(number)
    }

    fn finite(negative: bool, text: &str) -> Result<Decimal, String> {
        let (mantissa, exponent) = match text.split_once('e') {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{part}");
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("parse mantissa: {mantissa}"));
        }
        let places = i64::try_from(part.len()).unwrap_or(i64::MAX);
        let exponent = exponent.saturating_sub(places);
        let digits = all.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits }.to_owned();
        Ok(Decimal {
            negative,
            digits,
            exponent,
        })
    }

    fn check_bounds(&self) -> Result<(), String> {
        if self.adjusted().abs() > EXPONENT_MAX {
            return Err("exponent out of range".to_owned());
        }
        if self.is_zero() {
            return Ok(());
        }
        let at_most = self.adjusted() < VALUE_EXPONENT_MAX
            || (self.adjusted() == VALUE_EXPONENT_MAX && self.is_power_of_ten());
        if !at_most {
            let plain = self.plain();
            return Err(format!(
                "value {plain} cannot be greater than ±1e40: value is out of range"
            ));
        }
        if self.adjusted() < -VALUE_EXPONENT_MAX {
            let plain = self.plain();
            return Err(format!(
                "value {plain} cannot have higher precision than 40: value is out of range"
            ));
        }
        Ok(())
    }

    fn is_power_of_ten(&self) -> bool {
        self.digits.starts_with('1') && self.digits[1..].bytes().all(|b| b == b'0')
    }

    fn adjusted(&self) -> i64 {
        self.exponent + self.digit_count() - 1
    }

    fn digit_count(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX)
    }

    /// Whether the number is 0, with any sign and exponent.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.digits == "0"
    }

    /// The canonical text, which the chain writes into the bytes that it verifies (protocol.md
    /// section 7).
    #[must_use]
    pub fn canonical(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        // A zero with a small negative exponent keeps its decimal places: 0E-10 is 0.0000000000.
        let padded_zero = self.is_zero() && (-2000..0).contains(&self.exponent);
        let count = if padded_zero {
            1 - self.exponent
        } else {
            self.digit_count()
        };
        let adjusted = self.exponent + count - 1;
        if self.exponent <= 0 && adjusted >= -6 {
            return self.plain();
        }
        let (first, rest) = self.digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{point}{rest}E{:+}", self.adjusted())
    }

    /// The number without an exponent, as in the chain's JSON.
    #[must_use]
    pub fn plain(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let zeros =
            |count: i64| "0".repeat(usize::try_from(count.min(PLAIN_ZEROS_MAX)).unwrap_or(0));
        if self.exponent >= 0 {
            return format!("{sign}{}{}", self.digits, zeros(self.exponent));
        }
        let whole = self.digit_count() + self.exponent;
        if whole > 0 {
            let (left, right) = self.digits.split_at(usize::try_from(whole).unwrap_or(0));
            return format!("{sign}{left}.{right}");
        }
        format!("{sign}0.{}{}", zeros(-whole), self.digits)
    }

    fn parts(&self) -> (BigInt, i64) {
        let digits: BigInt = self.digits.parse().unwrap_or_default();
        (if self.negative { -digits } else { digits }, self.exponent)
    }

    #[must_use]
    pub fn sum<'a>(numbers: impl IntoIterator<Item = &'a Decimal>) -> Decimal {
        let mut total = (BigInt::default(), 0);
        for number in numbers {
            total = add(total, number.parts());
        }
        Decimal::from_parts(&total.0, total.1)
    }

    /// The absolute difference of two numbers.
    #[must_use]
    pub fn distance(&self, other: &Decimal) -> Decimal {
        let (digits, exponent) = other.parts();
        let (digits, exponent) = add(self.parts(), (-digits, exponent));
        let mut apart = Decimal::from_parts(&digits, exponent);
        apart.negative = false;
        apart
    }

    #[must_use]
    pub fn is_greater_than(&self, other: &Decimal) -> bool {
        let (digits, exponent) = other.parts();
        add(self.parts(), (-digits, exponent)).0 > BigInt::default()
    }

    /// Whether both numbers have the same value: 0.50 equals 0.5.
    #[must_use]
    pub fn equals(&self, other: &Decimal) -> bool {
        !self.is_greater_than(other) && !other.is_greater_than(self)
    }

    fn from_parts(digits: &BigInt, exponent: i64) -> Decimal {
        let text = digits.to_string();
        let negative = text.starts_with('-');
        Decimal {
            negative,
            digits: text.trim_start_matches('-').to_owned(),
            exponent,
        }
    }
}

fn add((a, a_exponent): (BigInt, i64), (b, b_exponent): (BigInt, i64)) -> (BigInt, i64) {
    let low = a_exponent.min(b_exponent);
    let scaled = |digits: BigInt, exponent: i64| {
        digits * BigInt::from(10u8).pow(u32::try_from(exponent - low).unwrap_or(u32::MAX))
    };
    (scaled(a, a_exponent) + scaled(b, b_exponent), low)
}

fn parse_exponent(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let why = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        return Err(format!("parse exponent: {text}: {why}"));
    }
    let value: i64 = text.parse().map_err(|_| {
        format!("parse exponent: {text}: strconv.ParseInt: parsing {text:?}: value out of range")
    })?;
    if value.abs() > i64::from(i32::MAX) {
        return Err("exponent out of range".to_owned());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_decimal() {
        let mut count = 0;
        for vector in crate::vectors::read("decimal") {
            let input = vector["input"].as_str().unwrap();
            match Decimal::parse(input) {
                Ok(number) => assert_eq!(vector["canonical"], number.canonical(), "{input}"),
                Err(error) => assert_eq!(vector["error"], error, "{input}"),
            }
            count += 1;
        }
        assert!(count > 300);
    }

    #[test]
    fn sums_are_exact() {
        let numbers: Vec<Decimal> = ["0.1", "0.2", "7E-1"]
            .iter()
            .map(|t| Decimal::parse(t).unwrap())
            .collect();
        let one = Decimal::parse("1").unwrap();
        assert!(Decimal::sum(&numbers).equals(&one));
        assert!(Decimal::parse("1.0001").unwrap().is_greater_than(&one));
        let apart = Decimal::parse("0.99").unwrap().distance(&one);
        assert!(apart.equals(&Decimal::parse("0.01").unwrap()));
    }
}
