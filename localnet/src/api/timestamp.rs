//! Times as RFC 3339 text in UTC, as in block headers.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;

/// `2026-11-23T02:38:45.410048855Z`.
#[must_use]
pub(super) fn with_nanos(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}Z", whole(since.as_secs()), since.subsec_nanos())
}

/// `2026-11-23T02:38:45Z`.
#[must_use]
pub(crate) fn seconds(at: SystemTime) -> String {
    format!(
        "{}Z",
        whole(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    )
}

fn whole(unix_s: u64) -> String {
    let (year, month, day) = date(unix_s / DAY_S);
    let (hour, minute, second) = (unix_s % DAY_S / 3600, unix_s % 3600 / 60, unix_s % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Converts a day, counted from 1970-01-01, to a date; uses eras of 400 years that begin in March.
fn date(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn known_times_are_formatted() {
        let at = |s: u64, n: u32| UNIX_EPOCH + Duration::new(s, n);
        assert_eq!(seconds(at(0, 0)), "1970-01-01T00:00:00Z");
        assert_eq!(seconds(at(951_827_696, 0)), "2000-02-29T12:34:56Z");
        assert_eq!(
            with_nanos(at(1_795_401_525, 41)),
            "2026-11-23T02:38:45.000000041Z"
        );
    }
}
