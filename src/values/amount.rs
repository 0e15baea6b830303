//! Numbers for people: amounts in ALLO, rounded counts, time spans and times of day. No floats.

use std::time::{Duration, SystemTime};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::values::units::Uallo;

/// Decimals of one ALLO (protocol.md section 0).
pub const ALLO_DECIMALS: u32 = 18;
const UALLO_PER_ALLO: u128 = 10_u128.pow(18);
/// The digits shown of a fraction; below one ALLO, from the first that is not 0.
const DIGITS: usize = 3;

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] ");
const CLOCK: &[BorrowedFormatItem<'_>] =
    format_description!("[hour]:[minute]:[second] [offset_hour sign:mandatory]:[offset_minute]");

/// An amount with its unit, cut to a few digits: `12.345 ALLO`, `0.0000625 ALLO`,
/// `5,818,920 uallo`.
pub fn allo(amount: Uallo) -> String {
    // Below a millionth of an ALLO, uallo are easier to read.
    if amount.0 < UALLO_PER_ALLO / 1_000_000 {
        return format!("{} uallo", grouped(amount.0));
    }
    let (whole, rest) = (amount.0 / UALLO_PER_ALLO, amount.0 % UALLO_PER_ALLO);
    let digits = format!("{rest:018}");
    let zeros = match whole {
        0 => digits.len() - digits.trim_start_matches('0').len(),
        _ => 0,
    };
    let cut = digits.get(..zeros + DIGITS).unwrap_or(&digits);
    let fraction = cut.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction} ALLO", grouped(whole))
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
    use super::*;

    #[test]
    fn amounts_are_cut_to_three_digits() {
        for (uallo, text) in [
            (0, "0 uallo"),
            (20, "20 uallo"),
            (999_999, "999,999 uallo"),
            (5_818_920, "5,818,920 uallo"),
            (1_000_000_000_000, "0.000001 ALLO"),
            (62_500_000_000_000, "0.0000625 ALLO"),
            (UALLO_PER_ALLO / 10, "0.1 ALLO"),
            (UALLO_PER_ALLO, "1 ALLO"),
            (12_345_678 * UALLO_PER_ALLO / 1_000_000, "12.345 ALLO"),
            (1_000_000 * UALLO_PER_ALLO, "1,000,000 ALLO"),
        ] {
            assert_eq!(allo(Uallo(uallo)), text);
        }
        assert!(allo(Uallo(u128::MAX)).ends_with(" ALLO"));
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
