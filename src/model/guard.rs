//! Guards: limits that an operator sets for the model's values, so that a model that has lost its
//! mind, or has been standing still, says so in the log instead of on the chain. Pure.

use std::fmt;
use std::time::Duration;

use crate::model::pointer::Pointer;
use crate::values::decimal::Decimal;
use crate::values::exact::Exact;
use crate::values::payload::Inference;

/// What a topic's values are held against; each guard is off unless set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Guards {
    /// No value below it.
    pub min: Option<Decimal>,
    /// No value above it.
    pub max: Option<Decimal>,
    /// No value further away from the last one sent than this share of that one.
    pub max_change: Option<Decimal>,
    /// No answer older than this.
    pub max_age: Option<Duration>,
    /// Where the answer tells its time; without it the header `Last-Modified` does.
    pub time_pointer: Option<Pointer>,
    /// What to do about a value that does not pass.
    pub on_guard: OnGuard,
}

/// What to do about a value that does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnGuard {
    /// Send nothing for this nonce.
    #[default]
    Skip,
    /// Say so, and send it all the same.
    Warn,
}

/// How old an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Age {
    /// So old; an answer from the future is of now.
    Known(Duration),
    /// It does not tell, for this reason.
    Unknown(String),
}

/// Which guard a value did not pass, with both numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Below `min`.
    Below {
        /// The value, with its label if it has one.
        value: String,
        /// The limit.
        min: Decimal,
    },
    /// Above `max`.
    Above {
        /// The value, with its label if it has one.
        value: String,
        /// The limit.
        max: Decimal,
    },
    /// Too far from the last one.
    Changed {
        /// The value, with its label if it has one.
        value: String,
        /// What was sent last.
        last: Decimal,
        /// The largest share.
        max_change: Decimal,
    },
    /// Too old.
    Old {
        /// How old.
        age: Duration,
        /// The limit.
        max_age: Duration,
    },
    /// Of unknown age.
    Ageless {
        /// Why.
        why: String,
        /// The limit.
        max_age: Duration,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Below { value, min } => write!(f, "guard min: {value} is below {min}"),
            Breach::Above { value, max } => write!(f, "guard max: {value} is above {max}"),
            Breach::Changed {
                value,
                last,
                max_change,
            } => write!(
                f,
                "guard max_change: {value} is further from {last}, sent last, than {max_change} \
                 of it"
            ),
            Breach::Old { age, max_age } => write!(
                f,
                "guard max_age: the answer is {} s old, at most {} s are allowed",
                seconds(*age),
                seconds(*max_age)
            ),
            Breach::Ageless { why, max_age } => write!(
                f,
                "guard max_age: the answer's age is not known ({why}), at most {} s are allowed",
                seconds(*max_age)
            ),
        }
    }
}

/// Seconds with what is behind the point, if there is something.
fn seconds(time: Duration) -> String {
    let millis = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    let text = millis.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

impl Guards {
    /// The first guard that an inference does not pass: `last` is what was sent last, if anything
    /// was; `age` is asked for only if it matters.
    #[must_use]
    pub fn breach(
        &self,
        inference: &Inference,
        last: Option<&Inference>,
        age: impl FnOnce() -> Age,
    ) -> Option<Breach> {
        let values = named(inference);
        let last = last.map(named).unwrap_or_default();
        let breach = values.iter().find_map(|(label, value)| {
            // why: most topics read UP and up as one label
            let before = last.iter().find(|(name, _)| name == label);
            let alike = || {
                last.iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(label))
            };
            let before = before.or_else(alike).map(|(_, value)| *value);
            self.breach_of(label, value, before)
        });
        breach.or_else(|| {
            let max_age = self.max_age?;
            match age() {
                Age::Known(age) if age <= max_age => None,
                Age::Known(age) => Some(Breach::Old { age, max_age }),
                Age::Unknown(why) => Some(Breach::Ageless { why, max_age }),
            }
        })
    }

    /// For how long an answer of this age may still be sent; `None`: as far as its age goes, for
    /// ever.
    #[must_use]
    pub fn time_left(&self, age: &Age) -> Option<Duration> {
        match age {
            Age::Known(age) => self.max_age?.checked_sub(*age),
            Age::Unknown(_) => None,
        }
    }

    fn breach_of(&self, label: &str, value: &Decimal, last: Option<&Decimal>) -> Option<Breach> {
        let exact = Exact::of(value);
        let shown = || match label {
            "" => value.to_string(),
            label => format!("{label} {value}"),
        };
        if let Some(min) = self.min.as_ref().filter(|min| exact < Exact::of(min)) {
            return Some(Breach::Below {
                value: shown(),
                min: min.clone(),
            });
        }
        if let Some(max) = self.max.as_ref().filter(|max| exact > Exact::of(max)) {
            return Some(Breach::Above {
                value: shown(),
                max: max.clone(),
            });
        }
        // why: nothing is a share of zero
        let last = last.filter(|last| !last.is_zero())?;
        let max_change = self.max_change.as_ref()?;
        let before = Exact::of(last);
        let change = (&exact - &before).abs();
        (change > &before.abs() * &Exact::of(max_change)).then(|| Breach::Changed {
            value: shown(),
            last: last.clone(),
            max_change: max_change.clone(),
        })
    }
}

/// The values of an inference with their labels; a single one has the empty label.
fn named(inference: &Inference) -> Vec<(&str, &Decimal)> {
    match inference {
        Inference::Value(value) => vec![("", value)],
        Inference::Labelled(values) => {
            let each = values.iter();
            each.map(|one| (one.label.trim(), &one.value)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::payload::LabelledValue;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn value(text: &str) -> Inference {
        Inference::Value(decimal(text))
    }

    fn never() -> Age {
        panic!("nobody set max_age")
    }

    #[test]
    fn bounds_let_their_own_value_pass() {
        let guards = Guards {
            min: Some(decimal("-1.5")),
            max: Some(decimal("1e3")),
            ..Guards::default()
        };
        let breach = |text| {
            guards
                .breach(&value(text), None, never)
                .map(|b| b.to_string())
        };
        for passes in ["-1.50", "1000", "0", "1E+3"] {
            assert_eq!(breach(passes), None, "{passes}");
        }
        assert_eq!(breach("-1.51").unwrap(), "guard min: -1.51 is below -1.5");
        assert_eq!(breach("1000.1").unwrap(), "guard max: 1000.1 is above 1E+3");
    }

    #[test]
    fn a_change_is_a_share_of_what_was_sent_last() {
        let guards = Guards {
            max_change: Some(decimal("0.1")),
            ..Guards::default()
        };
        let breach = |new, last| {
            let last: Option<&str> = last;
            guards.breach(&value(new), last.map(value).as_ref(), never)
        };
        assert_eq!(
            breach("5", None),
            None,
            "the first one has nothing to differ from"
        );
        assert_eq!(breach("110", Some("100")), None);
        assert_eq!(breach("-110", Some("-100")), None);
        assert_eq!(
            breach("7", Some("0.00")),
            None,
            "nothing is a share of zero"
        );
        let text = breach("110.01", Some("100")).unwrap().to_string();
        assert_eq!(
            text,
            "guard max_change: 110.01 is further from 100, sent last, than 0.1 of it"
        );
        assert!(breach("-100", Some("100")).is_some());
    }

    #[test]
    fn labelled_values_are_guarded_one_by_one() {
        let labelled = |up, down| {
            let pair = |label: &str, text| LabelledValue {
                label: label.to_owned(),
                value: decimal(text),
            };
            Inference::Labelled(vec![pair("up", up), pair("down", down)])
        };
        let guards = Guards {
            max: Some(decimal("0.9")),
            max_change: Some(decimal("1")),
            ..Guards::default()
        };
        let last = labelled("0.5", "0.1");
        let breach = |up, down| guards.breach(&labelled(up, down), Some(&last), never);
        assert_eq!(breach("0.8", "0.2"), None);
        let text = breach("0.95", "0.05").unwrap().to_string();
        assert_eq!(text, "guard max: up 0.95 is above 0.9");
        let text = breach("0.7", "0.3").unwrap().to_string();
        assert!(text.starts_with("guard max_change: down 0.3 "), "{text}");
    }

    #[test]
    fn the_last_value_is_found_under_the_same_label_in_another_case() {
        let labelled = |pairs: &[(&str, &str)]| {
            let pair = |(label, text): &(&str, &str)| LabelledValue {
                label: (*label).to_owned(),
                value: decimal(text),
            };
            Inference::Labelled(pairs.iter().map(pair).collect())
        };
        let guards = Guards {
            max_change: Some(decimal("0.1")),
            ..Guards::default()
        };
        let last = labelled(&[("UP", "0.5"), ("Up", "9")]);
        let breach = |label| guards.breach(&labelled(&[(label, "0.9")]), Some(&last), never);
        for (label, from) in [("up", "0.5"), ("Up", "9")] {
            let text = breach(label).unwrap().to_string();
            let from = format!("is further from {from}, sent last");
            assert!(text.contains(&from), "{text}");
        }
    }

    #[test]
    fn an_answer_may_be_sent_until_it_is_too_old() {
        let guards = Guards {
            max_age: Some(Duration::from_secs(60)),
            ..Guards::default()
        };
        let left = |age_s| guards.time_left(&Age::Known(Duration::from_secs(age_s)));
        assert_eq!(left(45), Some(Duration::from_secs(15)));
        assert_eq!(left(61), None, "let pass all the same");
        assert_eq!(guards.time_left(&Age::Unknown("x".to_owned())), None);
        let none = Guards::default().time_left(&Age::Known(Duration::ZERO));
        assert_eq!(none, None);
    }

    #[test]
    fn an_age_that_is_not_known_does_not_pass() {
        let guards = Guards {
            max_age: Some(Duration::from_millis(1_500)),
            ..Guards::default()
        };
        let breach = |age| guards.breach(&value("1"), None, || age);
        assert_eq!(breach(Age::Known(Duration::from_millis(1_500))), None);
        let text = breach(Age::Known(Duration::from_secs(60)))
            .unwrap()
            .to_string();
        assert_eq!(
            text,
            "guard max_age: the answer is 60 s old, at most 1.5 s are allowed"
        );
        let text = breach(Age::Unknown("no Last-Modified".to_owned())).unwrap();
        assert!(text.to_string().contains("no Last-Modified"));
    }
}
