//! A measured number with its target.

use std::time::Duration;

/// A number in thousandths of its unit, which is shown and compared without floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Milli(pub(super) u64);

const ONE: u64 = 1_000;

impl Milli {
    pub(super) fn whole(number: u64) -> Milli {
        Milli(number.saturating_mul(ONE))
    }

    pub(super) fn count(number: usize) -> Milli {
        Milli::whole(u64::try_from(number).unwrap_or(u64::MAX))
    }

    /// `part` of `whole`, rounded up: rounding never meets a target. `None` if `whole` is 0.
    pub(super) fn ratio(part: u64, whole: u64) -> Option<Milli> {
        let of = u128::from(part) * u128::from(ONE);
        let ratio = of.div_ceil(u128::from(whole).max(1));
        (whole > 0).then(|| Milli(u64::try_from(ratio).unwrap_or(u64::MAX)))
    }

    /// `part` of `whole`, rounded down, for shares that have to be complete.
    pub(super) fn share(part: usize, whole: usize) -> Option<Milli> {
        let of = u128::try_from(part).ok()? * u128::from(ONE);
        let share = of.checked_div(u128::try_from(whole).ok()?)?;
        u64::try_from(share).ok().map(Milli)
    }

    pub(super) fn seconds(time: Duration) -> Milli {
        Milli(u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX))
    }

    pub(super) fn milliseconds(time: Duration) -> Milli {
        Milli(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }

    /// Megabytes of 1,000,000 bytes.
    pub(super) fn megabytes(bytes: u64) -> Milli {
        Milli(bytes.div_ceil(1_000))
    }

    /// The number in decimal notation.
    pub(super) fn text(self) -> String {
        let (whole, part) = (self.0 / ONE, self.0 % ONE);
        let text = format!("{whole}.{part:03}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The number is only shown.
    None,
    /// Not above this.
    AtMost(Milli),
    /// Exactly this.
    Exactly(Milli),
}

/// What a missed target means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// A count is exact: a missed target is a failure.
    Count,
    /// A size is judged like a count, but only for a static binary.
    Size,
    /// A time also depends on the machine: a missed target is only shown.
    Time,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// The name in the JSON file; never changes.
    pub(super) key: &'static str,
    /// The description in the table, with the unit.
    pub(super) what: &'static str,
    pub(super) target: Target,
    pub(super) kind: Measure,
    /// `None` if it could not be measured, which misses any target.
    pub(super) measured: Option<Milli>,
}

impl Figure {
    /// A number without a target.
    pub(super) fn shown(key: &'static str, what: &'static str, measured: Option<Milli>) -> Figure {
        Figure {
            key,
            what,
            target: Target::None,
            kind: Measure::Time,
            measured,
        }
    }

    /// A count that must not be above `most`.
    pub(super) fn count(
        key: &'static str,
        what: &'static str,
        most: Milli,
        measured: Option<Milli>,
    ) -> Figure {
        Figure {
            target: Target::AtMost(most),
            kind: Measure::Count,
            ..Figure::shown(key, what, measured)
        }
    }

    /// A count that must be exactly this.
    pub(super) fn exactly(
        key: &'static str,
        what: &'static str,
        right: Milli,
        measured: Option<Milli>,
    ) -> Figure {
        Figure {
            target: Target::Exactly(right),
            kind: Measure::Count,
            ..Figure::shown(key, what, measured)
        }
    }

    /// A size that should not be above `most_mb` megabytes.
    pub(super) fn size(
        key: &'static str,
        what: &'static str,
        most_mb: u64,
        bytes: Option<u64>,
    ) -> Figure {
        Figure {
            target: Target::AtMost(Milli::whole(most_mb)),
            kind: Measure::Size,
            ..Figure::shown(key, what, bytes.map(Milli::megabytes))
        }
    }

    /// A time, or a share of time, that should not be above `most`.
    pub(super) fn time(
        key: &'static str,
        what: &'static str,
        most: Milli,
        measured: Option<Milli>,
    ) -> Figure {
        Figure {
            target: Target::AtMost(most),
            kind: Measure::Time,
            ..Figure::shown(key, what, measured)
        }
    }

    /// Whether the target is met; `None` without a target.
    pub(super) fn is_met(&self) -> Option<bool> {
        match (self.target, self.measured) {
            (Target::None, _) => None,
            (_, None) => Some(false),
            (Target::AtMost(most), Some(measured)) => Some(measured <= most),
            (Target::Exactly(right), Some(measured)) => Some(measured == right),
        }
    }

    /// Whether a missed target is a failure.
    pub(super) fn fails(&self, is_static: bool) -> bool {
        let is_hard = match self.kind {
            Measure::Count => true,
            Measure::Size => is_static,
            Measure::Time => false,
        };
        is_hard && self.is_met() == Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_trailing_zeros() {
        let texts: Vec<String> = [0, 1, 10, 1_000, 12_340, 100_500]
            .map(|n| Milli(n).text())
            .into();
        assert_eq!(texts, ["0", "0.001", "0.01", "1", "12.34", "100.5"]);
    }

    #[test]
    fn rounding_never_meets_a_target() {
        assert_eq!(Milli::ratio(120_001, 10_000), Some(Milli(12_001)));
        assert_eq!(Milli::share(9_999, 10_000), Some(Milli(999)));
        assert_eq!(Milli::ratio(1, 0), None);
        assert_eq!(Milli::share(0, 0), None);
        assert_eq!(Milli::megabytes(4_000_001), Milli(4_001));
        assert_eq!(
            Milli::seconds(Duration::from_micros(6_000_001)),
            Milli(6_001)
        );
    }

    #[test]
    fn a_target_is_met_up_to_its_bound_and_missed_without_a_measurement() {
        let figure = |measured| Figure::count("k", "w", Milli(12_000), measured);
        assert_eq!(figure(Some(Milli(12_000))).is_met(), Some(true));
        assert_eq!(figure(Some(Milli(12_001))).is_met(), Some(false));
        assert_eq!(figure(None).is_met(), Some(false));
        let exactly = Figure::exactly("k", "w", Milli(1_000), Some(Milli(999)));
        assert!(exactly.fails(false));
        assert_eq!(Figure::shown("k", "w", None).is_met(), None);
    }

    #[test]
    fn a_missed_time_never_fails_and_a_missed_size_only_for_a_static_binary() {
        let time = Figure::time("k", "w", Milli(1), Some(Milli(2)));
        assert!(!time.fails(true) && time.is_met() == Some(false));
        let size = Figure::size("k", "w", 4, Some(4_000_001));
        assert!(size.fails(true) && !size.fails(false));
        assert!(!Figure::size("k", "w", 4, Some(4_000_000)).fails(true));
    }
}
