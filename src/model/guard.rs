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
    /// The largest distance from the network's last inference, as a share of it.
    pub max_deviation: Option<Decimal>,
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

/// What an inference is compared with, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Earlier<'e> {
    /// The inference that was sent last.
    pub sent: Option<&'e Inference>,
    /// What the network made of all inferences for a recent nonce, in a topic of one number.
    pub network: Option<&'e Decimal>,
}

/// How old an answer is, zero for a time in the future; or why that is unknown.
pub type Age = Result<Duration, String>;

impl Guards {
    /// The first guard that an inference violates, with both numbers. `age` is called only if
    /// `max_age` is set.
    pub fn breach(
        &self,
        inference: &Inference,
        earlier: Earlier<'_>,
        age: impl FnOnce() -> Age,
    ) -> Option<String> {
        let values = named(inference);
        let last = earlier.sent.map(named).unwrap_or_default();
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
        let breach = breach.or_else(|| self.breach_of_deviation(inference, earlier.network?));
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
        let (last, max_change) = (last?, self.max_change.as_ref()?);
        is_further(value, last, max_change).then(|| {
            format!(
                "guard max_change: {shown} is further from {last}, sent last, than {max_change} \
                 of it"
            )
        })
    }

    /// Labelled values are not compared: the network combines labels that others sent as well.
    fn breach_of_deviation(&self, inference: &Inference, network: &Decimal) -> Option<String> {
        let Inference::Value(value) = inference else {
            return None;
        };
        let share = self.max_deviation.as_ref()?;
        is_further(value, network, share).then(|| {
            format!(
                "guard max_deviation: {value} is further from {network}, the network's last \
                 inference, than {share} of it"
            )
        })
    }
}

/// Whether a value is further from another one than this share of that one. Nothing is far from zero:
/// a share of it is zero, and any distance would be too large.
fn is_further(value: &Decimal, from: &Decimal, share: &Decimal) -> bool {
    let before = Exact::of(from);
    let distance = (&Exact::of(value) - &before).abs();
    !from.is_zero() && distance > &before.abs() * &Exact::of(share)
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

    fn sent(sent: Option<&Inference>) -> Earlier<'_> {
        Earlier {
            sent,
            network: None,
        }
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
        let breach = |text| guards.breach(&value(text), Earlier::default(), never);
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
            guards.breach(&value(new), sent(last.map(value).as_ref()), never)
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
    fn a_deviation_is_a_share_of_the_networks_inference() {
        let guards = Guards {
            max_deviation: Some(decimal("0.05")),
            ..Guards::default()
        };
        let breach = |new: &Inference, network: Option<&str>| {
            let network = network.map(decimal);
            let earlier = Earlier {
                network: network.as_ref(),
                ..Earlier::default()
            };
            guards.breach(new, earlier, never)
        };
        for (new, network) in [
            ("3150", "3000"),
            ("2850", "3000"),
            ("-1.05", "-1"),
            ("1.05e-30", "1e-30"),
            ("7", "0.0"),
        ] {
            assert_eq!(breach(&value(new), Some(network)), None, "{new}, {network}");
        }
        assert_eq!(
            breach(&value("7"), None),
            None,
            "nothing is known of the network"
        );
        let text = breach(&value("3150.000000000000000000001"), Some("3000")).unwrap();
        assert_eq!(
            text,
            "guard max_deviation: 3150.000000000000000000001 is further from 3000, the network's last \
             inference, than 0.05 of it"
        );
        for new in ["2849.99", "-3000", "0"] {
            assert!(breach(&value(new), Some("3000")).is_some(), "{new}");
        }
        let labelled = Inference::Labelled(vec![LabelledValue {
            label: "up".into(),
            value: decimal("9"),
        }]);
        assert_eq!(breach(&labelled, Some("3000")), None);
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
        let breach = |up, down| guards.breach(&labelled(up, down), sent(Some(&last)), never);
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
        let breach = |label| guards.breach(&labelled(&[(label, "0.9")]), sent(Some(&last)), never);
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
        let breach = |age| guards.breach(&value("1"), Earlier::default(), || age);
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
