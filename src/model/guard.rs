//! Guards: limits that an operator sets for a topic's inferences, so that a wrong or stale value
//! appears in the log instead of on the chain. Pure.

use std::time::Duration;

use crate::model::pointer::Pointer;
use crate::text::Foreign;
use crate::values::decimal::Decimal;
use crate::values::exact::Exact;
use crate::values::payload::Inference;

/// The guards of a topic; each one is off unless set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Guards {
    pub min: Option<Decimal>,
    pub max: Option<Decimal>,
    /// The largest change from the value sent last, as a share of it.
    pub max_change: Option<Decimal>,
    /// The largest age of an answer.
    pub max_age: Option<Duration>,
    /// Where the answer states its time; without it the header `Last-Modified` does.
    pub time_pointer: Option<Pointer>,
    pub on_guard: OnGuard,
}

/// What to do about an inference that violates a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnGuard {
    /// Send nothing for this nonce.
    #[default]
    Skip,
    /// Log a warning and send it.
    Warn,
}

/// How old an answer is, zero for a time in the future; or why that is unknown.
pub type Age = Result<Duration, String>;

impl Guards {
    /// The first guard that an inference violates, with both numbers. `last` is the inference that
    /// was sent last; `age` is called only if `max_age` is set.
    pub fn breach(
        &self,
        inference: &Inference,
        last: Option<&Inference>,
        age: impl FnOnce() -> Age,
    ) -> Option<String> {
        let values = named(inference);
        let last = last.map(named).unwrap_or_default();
        let breach = values.iter().find_map(|(label, value)| {
            // why: most topics treat UP and up as one label
            let same = last.iter().find(|(name, _)| name == label);
            let similar = || {
                last.iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(label))
            };
            let last = same.or_else(similar).map(|(_, value)| *value);
            self.breach_of(label, value, last)
        });
        breach.or_else(|| {
            let max_age = self.max_age?;
            let what = match age() {
                Ok(age) if age <= max_age => return None,
                Ok(age) => format!("the answer is {} s old", seconds(age)),
                Err(why) => format!("the answer's age is not known ({why})"),
            };
            let max = seconds(max_age);
            Some(format!(
                "guard max_age: {what}, at most {max} s are allowed"
            ))
        })
    }

    /// How long an answer of this age may still be sent; `None`: without limit.
    pub fn time_left(&self, age: &Age) -> Option<Duration> {
        self.max_age?.checked_sub(*age.as_ref().ok()?)
    }

    fn breach_of(&self, label: &str, value: &Decimal, last: Option<&Decimal>) -> Option<String> {
        let exact = Exact::of(value);
        let shown = format!("{} {value}", Foreign::from(label));
        let shown = shown.trim_start();
        if let Some(min) = self.min.as_ref().filter(|min| exact < Exact::of(min)) {
            return Some(format!("guard min: {shown} is below {min}"));
        }
        if let Some(max) = self.max.as_ref().filter(|max| exact > Exact::of(max)) {
            return Some(format!("guard max: {shown} is above {max}"));
        }
        // why: a share of zero is zero, and any change would be too large
        let last = last.filter(|last| !last.is_zero())?;
        let max_change = self.max_change.as_ref()?;
        let before = Exact::of(last);
        let change = (&exact - &before).abs();
        (change > &before.abs() * &Exact::of(max_change)).then(|| {
            format!(
                "guard max_change: {shown} is further from {last}, sent last, than {max_change} \
                 of it"
            )
        })
    }
}

/// Seconds, with decimals only if there are any.
fn seconds(time: Duration) -> String {
    let millis = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    let text = millis.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// The values of an inference with their labels; a single value has the empty label.
fn named(inference: &Inference) -> Vec<(&str, &Decimal)> {
    match inference {
        Inference::Value(value) => vec![("", value)],
        Inference::Labelled(values) => {
            let each = values.iter();
            each.map(|one| (one.label.raw().trim(), &one.value))
                .collect()
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
        panic!("max_age is not set")
    }

    #[test]
    fn values_equal_to_a_bound_pass() {
        let guards = Guards {
            min: Some(decimal("-1.5")),
            max: Some(decimal("1e3")),
            ..Guards::default()
        };
        let breach = |text| guards.breach(&value(text), None, never);
        for passes in ["-1.50", "1000", "0", "1E+3"] {
            assert_eq!(breach(passes), None, "{passes}");
        }
        assert_eq!(breach("-1.51").unwrap(), "guard min: -1.51 is below -1.5");
        assert_eq!(breach("1000.1").unwrap(), "guard max: 1000.1 is above 1E+3");
    }

    #[test]
    fn a_change_is_a_share_of_the_value_sent_last() {
        let guards = Guards {
            max_change: Some(decimal("0.1")),
            ..Guards::default()
        };
        let breach = |new, last| {
            let last: Option<&str> = last;
            guards.breach(&value(new), last.map(value).as_ref(), never)
        };
        assert_eq!(breach("5", None), None, "nothing was sent before");
        assert_eq!(breach("110", Some("100")), None);
        assert_eq!(breach("-110", Some("-100")), None);
        assert_eq!(breach("7", Some("0.00")), None, "a share of zero is zero");
        let text = breach("110.01", Some("100")).unwrap();
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
                label: label.into(),
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
        let text = breach("0.95", "0.05").unwrap();
        assert_eq!(text, "guard max: up 0.95 is above 0.9");
        let text = breach("0.7", "0.3").unwrap();
        assert!(text.starts_with("guard max_change: down 0.3 "), "{text}");
    }

    #[test]
    fn the_last_value_is_found_under_the_same_label_in_another_case() {
        let labelled = |pairs: &[(&str, &str)]| {
            let pair = |(label, text): &(&str, &str)| LabelledValue {
                label: (*label).into(),
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
            let text = breach(label).unwrap();
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
        let left = |age_s| guards.time_left(&Ok(Duration::from_secs(age_s)));
        assert_eq!(left(45), Some(Duration::from_secs(15)));
        assert_eq!(left(61), None, "too old already");
        assert_eq!(guards.time_left(&Err("x".to_owned())), None);
        let none = Guards::default().time_left(&Ok(Duration::ZERO));
        assert_eq!(none, None);
    }

    #[test]
    fn an_unknown_age_does_not_pass() {
        let guards = Guards {
            max_age: Some(Duration::from_millis(1_500)),
            ..Guards::default()
        };
        let breach = |age| guards.breach(&value("1"), None, || age);
        assert_eq!(breach(Ok(Duration::from_millis(1_500))), None);
        let text = breach(Ok(Duration::from_secs(60))).unwrap();
        assert_eq!(
            text,
            "guard max_age: the answer is 60 s old, at most 1.5 s are allowed"
        );
        let text = breach(Err("no Last-Modified".to_owned())).unwrap();
        assert!(text.contains("no Last-Modified"));
    }
}
