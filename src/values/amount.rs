//! Numbers for people: amounts in ALLO, rounded counts, time spans and times of day. No floats.

use std::time::{Duration, SystemTime};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::values::units::Uallo;

/// Decimals of one ALLO (protocol.md section 0).
pub const ALLO_DECIMALS: u32 = 18;
const DECIMALS: usize = 18;
const UALLO_PER_ALLO: u128 = 10_u128.pow(18);
/// The digits shown of a fraction; below one ALLO, from the first that is not 0.
const DIGITS: usize = 3;
/// The same in a line of the log, where each column counts.
const DIGITS_IN_LINE: usize = 2;

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] ");
const CLOCK: &[BorrowedFormatItem<'_>] =
    format_description!("[hour]:[minute]:[second] [offset_hour sign:mandatory]:[offset_minute]");

/// An amount with its unit, cut to a few digits: `12.345 ALLO`, `0.0000000000019 ALLO`. It is never
/// more than there is.
pub fn allo(amount: Uallo) -> String {
    shown(amount, DIGITS)
}

/// The same with a digit less, for a line that has to be short.
pub fn short_allo(amount: Uallo) -> String {
    shown(amount, DIGITS_IN_LINE)
}

/// The amount in ALLO, and in uallo for a setting that has to name it exactly.
pub fn exact(amount: Uallo) -> String {
    format!("{} ({amount} uallo)", allo(amount))
}

/// Two amounts that are compared, with as many digits as it takes for them to differ.
pub fn apart(one: Uallo, other: Uallo) -> [String; 2] {
    let with = |digits| [one, other].map(|amount| shown(amount, digits));
    let mut texts = (DIGITS..=DECIMALS).map(with);
    let different = texts.find(|[one, other]| one != other);
    different.unwrap_or_else(|| with(DIGITS))
}

/// What there is and what is needed, where the first does not suffice: rounded so that sending the
/// difference of what is shown is always enough.
pub fn have_need(have: Uallo, need: Uallo) -> [String; 2] {
    [allo(have), allo(rounded_up(need))]
}

/// Cut to this many digits of the fraction, for an amount below one ALLO after its zeros.
fn shown(amount: Uallo, digits: usize) -> String {
    let (whole, rest) = (amount.0 / UALLO_PER_ALLO, amount.0 % UALLO_PER_ALLO);
    let fraction = format!("{rest:018}");
    let cut = fraction.get(..zeros(amount) + digits).unwrap_or(&fraction);
    let fraction = cut.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction} ALLO", grouped(whole))
}

/// The zeros after the point of an amount below one ALLO.
fn zeros(amount: Uallo) -> usize {
    let fraction = format!("{:018}", amount.0 % UALLO_PER_ALLO);
    match amount.0 / UALLO_PER_ALLO {
        0 => fraction.len() - fraction.trim_start_matches('0').len(),
        _ => 0,
    }
}

/// The next amount that [`allo`] shows whole.
fn rounded_up(amount: Uallo) -> Uallo {
    let cut = DECIMALS.saturating_sub(zeros(amount) + DIGITS);
    let unit = u32::try_from(cut).map_or(1, |cut| 10_u128.pow(cut));
    let up = amount.0.div_ceil(unit).checked_mul(unit);
    up.map_or(amount, Uallo)
}

/// A rounded count: `about 41,000`, of which only two digits are not 0, or `more than a million`.
pub fn about(count: u128) -> String {
    if count >= 1_000_000 {
        return "more than a million".to_owned();
    }
    let mut unit = 1;
    while count / unit >= 100 {
        unit *= 10;
    }
    format!("about {}", grouped(count / unit * unit))
}

/// A rounded count of payloads: `about 41,000 payloads`.
pub fn payloads(count: u128) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} payload{plural}", about(count))
}

/// `41000` as `41,000`.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time span in its largest two units: `3 s`, `4 min`, `2 h 5 min`, `3 d 2 h`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes, seconds) {
        (1.., ..) => format!("{days} d {} h", hours % 24),
        (0, 1.., ..) => format!("{hours} h {} min", minutes % 60),
        (0, 0, 1.., _) => format!("{minutes} min"),
        (0, 0, 0, 1..) => format!("{seconds} s"),
        (0, 0, 0, 0) => format!("{} ms", time.as_millis()),
    }
}

/// A time of day in a zone, with the date if it is not `now`'s: `14:03:22 +02:00`.
pub fn local_time(at: SystemTime, now: SystemTime, offset: UtcOffset) -> String {
    let [at, now] = [at, now].map(|time| OffsetDateTime::from(time).to_offset(offset));
    let format = |items| at.format(items).unwrap_or_default();
    let is_today = at.date() == now.date();
    let day = if is_today { String::new() } else { format(DAY) };
    day + &format(CLOCK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::decimal::{Decimal, Rounding};

    #[test]
    fn amounts_are_plain_decimals_cut_to_three_digits() {
        for (uallo, text) in [
            (0, "0 ALLO"),
            (20, "0.00000000000000002 ALLO"),
            (1_939_590, "0.00000000000193 ALLO"),
            (5_818_920, "0.00000000000581 ALLO"),
            (62_500_000_000_000, "0.0000625 ALLO"),
            (UALLO_PER_ALLO / 10, "0.1 ALLO"),
            (UALLO_PER_ALLO - 1, "0.999 ALLO"),
            (UALLO_PER_ALLO, "1 ALLO"),
            (12_345_678 * UALLO_PER_ALLO / 1_000_000, "12.345 ALLO"),
            (1_000_000 * UALLO_PER_ALLO, "1,000,000 ALLO"),
        ] {
            assert_eq!(allo(Uallo(uallo)), text);
        }
        assert!(allo(Uallo(u128::MAX)).ends_with(" ALLO"));
        assert_eq!(short_allo(Uallo(1_939_590)), "0.0000000000019 ALLO");
        let exactly = exact(Uallo(1_939_590));
        assert_eq!(exactly, "0.00000000000193 ALLO (1939590 uallo)");
    }

    #[test]
    fn amounts_that_are_compared_differ_if_they_do() {
        let texts = |one, other| apart(Uallo(one), Uallo(other));
        let fee = texts(10_000_001, 10_000_000);
        assert_eq!(fee, ["0.000000000010000001 ALLO", "0.00000000001 ALLO"]);
        assert_eq!(
            texts(7, 9),
            ["0.000000000000000007 ALLO", "0.000000000000000009 ALLO"]
        );
        assert_eq!(texts(5, 5)[0], texts(5, 5)[1]);
        let [one, other] = texts(UALLO_PER_ALLO + 1, UALLO_PER_ALLO);
        assert_eq!(
            (one.as_str(), other.as_str()),
            ("1.000000000000000001 ALLO", "1 ALLO")
        );
    }

    #[test]
    fn what_is_there_is_rounded_down_and_what_is_needed_up() {
        let texts = |have, need| have_need(Uallo(have), Uallo(need));
        let little = texts(1_500_009, 1_500_010);
        assert_eq!(little, ["0.0000000000015 ALLO", "0.00000000000151 ALLO"]);
        assert_eq!(texts(0, 10)[1], "0.00000000000000001 ALLO");
        assert_eq!(texts(0, 999_999)[1], "0.000000000001 ALLO");
        assert_eq!(texts(0, UALLO_PER_ALLO + 1)[1], "1.001 ALLO");
        assert!(texts(0, u128::MAX)[1].ends_with(" ALLO"));
    }

    proptest! {
        /// The texts say which amount is larger.
        #[test]
        fn no_text_hides_a_difference(have in 0..10_u128.pow(21), more in 1..10_u128.pow(21)) {
            let need = have + more;
            let number = |text: &str| -> Decimal {
                Decimal::parse(&text.replace([',', ' '], "").replace("ALLO", "")).unwrap()
            };
            let units = |text: &String| {
                number(text).to_units(ALLO_DECIMALS, Rounding::Up).unwrap()
            };
            for [low, high] in [apart(Uallo(have), Uallo(need)), have_need(Uallo(have), Uallo(need))] {
                prop_assert!(units(&low) < units(&high), "{} {}", low, high);
            }
            let [low, high] = have_need(Uallo(have), Uallo(need));
            prop_assert!(units(&low) <= have && need <= units(&high));
        }
    }

    #[test]
    fn counts_keep_two_digits() {
        for (count, text) in [
            (0, "about 0"),
            (9, "about 9"),
            (99, "about 99"),
            (129, "about 120"),
            (41_867, "about 41,000"),
            (999_999, "about 990,000"),
            (1_000_000, "more than a million"),
        ] {
            assert_eq!(about(count), text);
            assert!(payloads(count).starts_with(text));
        }
    }

    #[test]
    fn one_payload_is_singular() {
        assert_eq!(payloads(1), "about 1 payload");
        assert_eq!(payloads(2), "about 2 payloads");
    }

    #[test]
    fn spans_have_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0 ms"),
            (59, "59 s"),
            (60, "1 min"),
            (7_500, "2 h 5 min"),
            (266_400, "3 d 2 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::from_millis(12)), "12 ms");
    }

    #[test]
    fn times_are_in_the_zone_and_name_another_day() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let zone = UtcOffset::from_hms(2, 0, 0).unwrap();
        assert_eq!(local_time(at(3_600), at(0), zone), "03:00:00 +02:00");
        assert_eq!(
            local_time(at(80_000), at(0), zone),
            "1970-01-02 00:13:20 +02:00"
        );
    }
}
