//! Validates labelled values against a topic's rules (protocol.md section 7) before they are sent:
//! the chain would refuse them inside a block, after the fee is paid. The arithmetic is exact.

use crate::text::Foreign;
use crate::values::decimal::Decimal;
use crate::values::exact::Exact;
use crate::values::payload::LabelledValue;

/// The longest label in bytes, if the chain does not name its limit: the parameter's default.
pub const LABEL_BYTES_MAX: usize = 64;

/// The significant digits of the chain's arithmetic, which cuts off all others.
const CHAIN_DIGITS: usize = 34;

/// A topic's rules for labelled values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRules {
    /// The allowed labels as the chain spells them; any label is allowed if it is empty.
    pub whitelist: Vec<Foreign>,
    /// The most values in one submission.
    pub count_max: u64,
    /// Whether `UP` and `up` are different labels.
    pub case_sensitive: bool,
    /// Whether the values must add up to 1.
    pub require_unity: bool,
    /// The largest difference of their sum from 1.
    pub unity_tolerance: Decimal,
    /// The value that stands for no value; not all values may be it.
    pub default_value: Decimal,
}

/// Why the chain would refuse labelled values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("there are no labels in it")]
    None,
    #[error("it has {count} labels, the topic takes at most {count_max}")]
    TooMany { count: usize, count_max: u64 },
    /// Only white space, or nothing.
    #[error("one of its labels is empty")]
    Empty,
    #[error("its label `{label}` is longer than {bytes_max} bytes")]
    TooLong { label: Foreign, bytes_max: usize },
    #[error(
        "its label `{label}` has a character that the chain does not allow; letters a to z, digits, \
         spaces and _ . / - are allowed"
    )]
    Character { label: Foreign },
    #[error("its label `{label}` occurs twice, as the topic compares labels")]
    Twice { label: Foreign },
    #[error("its label `{label}` is not on the topic's list: {listed}")]
    NotListed { label: Foreign, listed: Foreign },
    #[error(
        "all of its values are {}, which stands for no value in this topic",
        shown(default_value.as_str())
    )]
    AllDefault { default_value: Decimal },
    #[error(
        "its values add up to {}, the topic wants 1 within {}",
        shown(sum),
        shown(tolerance.as_str())
    )]
    NoUnity { sum: String, tolerance: Decimal },
}

/// A number for a message: it may have thousands of digits.
fn shown(number: &str) -> Foreign {
    Foreign::from(number)
}

impl LabelRules {
    /// Validates values in the chain's order (protocol.md section 4.1, steps 11 and 14) and returns
    /// the first error that the chain would. `label_bytes_max` is the chain's parameter.
    pub fn check(
        &self,
        values: &[LabelledValue],
        label_bytes_max: usize,
    ) -> Result<(), LabelError> {
        if values.is_empty() {
            return Err(LabelError::None);
        }
        let count = values.len();
        if u64::try_from(count).map_or(true, |count| count > self.count_max) {
            let count_max = self.count_max;
            return Err(LabelError::TooMany { count, count_max });
        }
        let mut seen: Vec<Foreign> = Vec::with_capacity(count);
        for LabelledValue { label, .. } in values {
            let canonical = self.canonical(label, label_bytes_max)?;
            let label = label.clone();
            if seen.contains(&canonical) {
                return Err(LabelError::Twice { label });
            }
            if !self.whitelist.is_empty() && !self.whitelist.contains(&canonical) {
                let listed = self.listed();
                return Err(LabelError::NotListed { label, listed });
            }
            seen.push(canonical);
        }
        self.check_values(values)
    }

    /// The allowed labels, for messages; empty if any label is allowed.
    pub fn listed(&self) -> Foreign {
        let labels: Vec<&str> = self.whitelist.iter().map(Foreign::raw).collect();
        labels.join(", ").into()
    }

    fn canonical(&self, label: &Foreign, bytes_max: usize) -> Result<Foreign, LabelError> {
        let trimmed = label.raw().trim();
        if trimmed.is_empty() {
            return Err(LabelError::Empty);
        }
        if trimmed.len() > bytes_max {
            let label = label.clone();
            return Err(LabelError::TooLong { label, bytes_max });
        }
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_./ -".contains(&b);
        if !trimmed.bytes().all(is_allowed) {
            let label = label.clone();
            return Err(LabelError::Character { label });
        }
        Ok(if self.case_sensitive {
            trimmed.into()
        } else {
            trimmed.to_ascii_lowercase().into()
        })
    }

    fn check_values(&self, values: &[LabelledValue]) -> Result<(), LabelError> {
        let default = Exact::of(&self.default_value);
        if values.iter().all(|one| Exact::of(&one.value) == default) {
            let default_value = self.default_value.clone();
            return Err(LabelError::AllDefault { default_value });
        }
        let each = || values.iter().map(|one| &one.value);
        // why: the chain cuts off digits, so the same values may have another sum there
        let sums = [Exact::sum(each()), Exact::sum_cut(each(), CHAIN_DIGITS)];
        let tolerance = Exact::of(&self.unity_tolerance);
        let is_off = |sum: &&Exact| (*sum - &Exact::whole(1)).abs() > tolerance;
        match sums.iter().find(is_off).filter(|_| self.require_unity) {
            Some(sum) => Err(LabelError::NoUnity {
                sum: sum.text(),
                tolerance: self.unity_tolerance.clone(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn up_down_flat() -> LabelRules {
        LabelRules {
            whitelist: ["up", "down", "flat"].map(Foreign::from).to_vec(),
            count_max: 8,
            case_sensitive: true,
            require_unity: true,
            unity_tolerance: decimal("0.01"),
            default_value: decimal("0"),
        }
    }

    fn open() -> LabelRules {
        LabelRules {
            whitelist: Vec::new(),
            case_sensitive: false,
            require_unity: false,
            ..up_down_flat()
        }
    }

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn values(pairs: &[(&str, &str)]) -> Vec<LabelledValue> {
        let value = |(label, value): &(&str, &str)| LabelledValue {
            label: (*label).into(),
            value: decimal(value),
        };
        pairs.iter().map(value).collect()
    }

    fn refused(rules: &LabelRules, pairs: &[(&str, &str)]) -> String {
        let error = rules.check(&values(pairs), LABEL_BYTES_MAX).unwrap_err();
        error.to_string()
    }

    fn passes(rules: &LabelRules, pairs: &[(&str, &str)]) -> bool {
        rules.check(&values(pairs), LABEL_BYTES_MAX).is_ok()
    }

    /// The recorded cases `labels-*`.
    #[test]
    fn the_recorded_cases_come_out_as_on_the_chain() {
        let rules = up_down_flat();
        assert!(passes(
            &rules,
            &[("up", "0.5"), ("down", "0.3"), ("flat", "0.2")]
        ));
        assert!(passes(
            &rules,
            &[("flat", "0.2"), ("up", "0.5"), ("down", "0.3")]
        ));
        assert!(passes(&rules, &[("up", "0.5"), ("down", "0.5")]));
        assert!(passes(
            &rules,
            &[(" up ", "0.5"), ("down", "0.3"), ("flat", "0.2")]
        ));
        let text = refused(&rules, &[("up", "0.5"), ("down", "0.3"), ("flat", "0.4")]);
        assert_eq!(
            text,
            "its values add up to 1.2, the topic wants 1 within 0.01"
        );
        let text = refused(&rules, &[("up", "0.5"), ("sideways", "0.5")]);
        assert_eq!(
            text,
            "its label `sideways` is not on the topic's list: up, down, flat"
        );
        let text = refused(&rules, &[("up", "0.5"), ("up", "0.5")]);
        assert!(text.contains("`up` occurs twice"), "{text}");
        let text = refused(&rules, &[("UP", "0.5"), ("down", "0.3"), ("flat", "0.2")]);
        assert!(text.contains("`UP` is not on the topic's list"), "{text}");
        assert_eq!(refused(&rules, &[]), "there are no labels in it");
    }

    #[test]
    fn every_other_error_names_its_reason() {
        let rules = open();
        assert!(passes(&rules, &[("A_b./ -9", "-7")]));
        for label in ["ä", "a\tb", "a,b", "a\u{1b}b"] {
            let text = refused(&rules, &[(label, "1")]);
            assert!(text.contains("has a character"), "{text}");
            assert!(!text.contains(char::is_control), "{text}");
        }
        assert!(refused(&rules, &[(" \t", "1")]).contains("is empty"));
        let longest = "x".repeat(LABEL_BYTES_MAX);
        assert!(passes(&rules, &[(&longest, "1")]));
        let text = refused(&rules, &[(&format!("{longest}x"), "1")]);
        assert!(text.contains("longer than 64 bytes"), "{text}");
        let text = refused(&rules, &[("Up", "1"), (" uP ", "2")]);
        assert!(text.contains("` uP ` occurs twice"), "{text}");
        let text = refused(&rules, &[("a", "0"), ("b", "-0.00")]);
        assert!(text.contains("all of its values are 0"), "{text}");
        let nine: Vec<(String, String)> =
            (0..9).map(|n| (format!("l{n}"), "1".to_owned())).collect();
        let pair = |pair: &'_ (String, String)| LabelledValue {
            label: pair.0.clone().into(),
            value: decimal(&pair.1),
        };
        let nine: Vec<LabelledValue> = nine.iter().map(pair).collect();
        let error = rules.check(&nine, LABEL_BYTES_MAX).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has 9 labels, the topic takes at most 8"
        );
        assert!(rules.check(&nine[1..], LABEL_BYTES_MAX).is_ok());
    }

    #[test]
    fn the_tolerance_itself_passes() {
        let rules = up_down_flat();
        assert!(passes(&rules, &[("up", "0.5"), ("down", "0.51")]));
        assert!(passes(&rules, &[("up", "0.5"), ("down", "0.49")]));
        assert!(!passes(
            &rules,
            &[("up", "0.5"), ("down", "0.5100000000000000000000000001")]
        ));
        assert!(!passes(
            &rules,
            &[("up", "1e40"), ("down", "-1e40"), ("flat", "0.9")]
        ));
        assert!(passes(
            &rules,
            &[("up", "1e40"), ("down", "-1e40"), ("flat", "1")]
        ));
    }

    /// Their exact sum is 1; the chain cuts each intermediate sum to 34 digits, in the order sent.
    #[test]
    fn unity_is_checked_with_the_chains_arithmetic_too() {
        let rules = LabelRules {
            unity_tolerance: decimal("0"),
            ..up_down_flat()
        };
        let (nines, rest) = (format!("0.{}", "9".repeat(36)), "1e-36");
        assert!(!passes(&rules, &[("up", &nines), ("down", rest)]));
        let (huge, minus) = ("1e40", "-1e40");
        assert!(passes(
            &rules,
            &[("up", huge), ("down", minus), ("flat", "1")]
        ));
        let text = refused(&rules, &[("up", huge), ("flat", "1"), ("down", minus)]);
        assert!(text.contains("its values add up to 0,"), "{text}");
    }

    proptest! {
        /// The same decision in whole millionths.
        #[test]
        fn unity_is_judged_exactly(
            up in -2_000_000_i64..2_000_000, down in -2_000_000_i64..2_000_000,
            tolerance in 0_i64..=10_000,
        ) {
            let rules = LabelRules {
                unity_tolerance: decimal(&format!("{tolerance}e-6")),
                ..up_down_flat()
            };
            prop_assume!(up != 0 || down != 0);
            let (up_text, down_text) = (format!("{up}e-6"), format!("{down}e-6"));
            let is_one = (up + down - 1_000_000).abs() <= tolerance;
            prop_assert_eq!(passes(&rules, &[("up", &up_text), ("down", &down_text)]), is_one);
        }

        /// Two pieces of 1 pass with a tolerance of 0.
        #[test]
        fn pieces_of_one_always_pass(cut in 0_u64..=1_000_000_000_000, digits in 12_usize..30) {
            let rules = LabelRules {
                unity_tolerance: decimal("0"),
                ..up_down_flat()
            };
            let zeros = "0".repeat(digits - 12);
            let piece = |part: u64| format!("{part}{zeros}e-{digits}");
            let (up, down) = (piece(cut), piece(1_000_000_000_000 - cut));
            prop_assert!(passes(&rules, &[("up", &up), ("down", &down)]));
        }
    }
}
