//! Numbers: the canonical text is the same number, and stays as it is.

use allora_worker::values::decimal::{Decimal, Rounding};
use allora_worker::values::exact::Exact;

use crate::{Target, assert_message};

const FIXTURES: &str = include_str!("../../../tests/fixtures/decimal.jsonl");

pub(crate) const TARGET: Target = Target {
    name: "decimal",
    run,
    corpus,
    choice_bytes: 0,
};

/// Texts up to this length, with exponents up to `PLAIN_EXPONENT_MAX`, are never too much.
const PLAIN_CHARS_MAX: usize = 1_000;
const PLAIN_EXPONENT_MAX: i64 = 1_000;
/// The magnitudes that the chain takes.
const MAGNITUDES: std::ops::RangeInclusive<i64> = -40..=40;

fn corpus() -> Vec<Vec<u8>> {
    let parsed = FIXTURES.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line["input"].as_str()?.as_bytes().to_vec())
    });
    parsed.collect()
}

/// A number as its sign, its digits without zeros at either end, and the exponent of a point in
/// front of them.
#[derive(Debug, PartialEq, Eq)]
struct Normal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Reads a number by the grammar alone, apart from the worker's own parser; `None` if it is not one.
fn normal(text: &str) -> Option<Normal> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, whole(exponent)?),
        None => (rest, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{before}{after}");
    if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let significant = all.trim_start_matches('0');
    let leading = i64::try_from(all.len() - significant.len()).ok()?;
    let digits = significant.trim_end_matches('0').to_owned();
    let before = i64::try_from(before.len()).ok()?;
    let exponent = exponent.saturating_add(before).saturating_sub(leading);
    Some(Normal {
        negative,
        exponent: if digits.is_empty() { 0 } else { exponent },
        digits,
    })
}

/// An exponent; one that is too large for a number counts as the largest.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::MAX / 2);
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

fn run(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match Decimal::parse(&text) {
        Ok(decimal) => {
            assert_same(&text, &decimal);
            true
        }
        Err(error) => {
            assert_message(&error.to_string());
            assert!(!is_plain(&text), "{text:?} is refused: {error}");
            false
        }
    }
}

/// Whether the text is a number that nothing speaks against.
fn is_plain(text: &str) -> bool {
    let exponent = |text: &str| {
        let exponent = text
            .split_once(['e', 'E'])
            .map_or(Some(0), |(_, e)| whole(e));
        exponent.is_some_and(|exponent| exponent.abs() <= PLAIN_EXPONENT_MAX)
    };
    let fits = |number: Normal| {
        number.digits.is_empty() || MAGNITUDES.contains(&number.exponent) && number.exponent > -39
    };
    text.len() <= PLAIN_CHARS_MAX && exponent(text) && normal(text).is_some_and(fits)
}

/// Panics unless the canonical text is the same number, and the worker's other views agree.
pub(super) fn assert_canonical(decimal: &Decimal) {
    let text = decimal.as_str();
    assert_eq!(Decimal::parse(text).as_ref(), Ok(decimal), "{text}");
    let number = normal(text);
    let is_zero = number
        .as_ref()
        .is_some_and(|number| number.digits.is_empty());
    assert_eq!(decimal.is_zero(), is_zero, "{text}");
    let negative = number.is_some_and(|number| number.negative);
    assert_eq!(decimal.is_negative(), negative && !is_zero, "{text}");
    assert_eq!(
        Exact::of(decimal) < Exact::whole(0),
        decimal.is_negative(),
        "{text}"
    );
    for places in [0, 18] {
        let units = [Rounding::Down, Rounding::Up].map(|way| decimal.to_units(places, way));
        if let [Ok(down), Ok(up)] = units {
            assert!(up - down <= 1, "{text}: {down} to {up} units");
        }
    }
}

fn assert_same(text: &str, decimal: &Decimal) {
    assert_eq!(
        normal(text),
        normal(decimal.as_str()),
        "{text:?} became {decimal}"
    );
    if let Some(number) = normal(text).filter(|number| !number.digits.is_empty()) {
        // why: 10^40 itself is allowed, and its point is behind 41 digits
        let adjusted = number.exponent - 1;
        assert!(
            MAGNITUDES.contains(&adjusted),
            "{text:?} is outside of the bounds"
        );
    }
    assert_canonical(decimal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_alone_reads_numbers() {
        let read = |text: &str| normal(text).map(|n| (n.negative, n.digits, n.exponent));
        assert_eq!(read("-0012.50e3"), Some((true, "125".to_owned(), 5)));
        assert_eq!(read(".5"), read("5e-1"));
        assert_eq!(read("0.000"), read("0e99"));
        for text in ["", ".", "1e", "1e+", "1 ", "--1", "NaN", "1.2.3", "0x1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "became")]
    fn another_number_is_noticed() {
        assert_same("1.5", &Decimal::parse("1.6").unwrap());
    }
}
