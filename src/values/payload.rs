//! What a topic submits for a nonce: an inference, a forecast, or both. All numbers are canonical
//! ([`Decimal`]), so a signature over them cannot fail for their form.

use std::fmt;

use crate::text::Foreign;
use crate::values::decimal::Decimal;

/// The value of one label, in a topic with several outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledValue {
    /// The label as it is sent and signed (protocol.md section 2).
    pub label: Foreign,
    pub value: Decimal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inference {
    /// One number, for topics with a single output.
    Value(Decimal),
    /// A value per label in the given order, for MULTI topics. Only v10 has them; a v9 node rejects
    /// the transaction without a fee (protocol.md section 1.3).
    Labelled(Vec<LabelledValue>),
}

impl fmt::Display for Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // why: a value may have 2,000 digits
            Inference::Value(value) => Foreign::from(value.as_str()).fmt(f),
            Inference::Labelled(values) => {
                let each = values.iter();
                let each = each.map(|one| format!("{} {}", one.label.raw(), one.value));
                Foreign::from(each.collect::<Vec<_>>().join(", ")).fmt(f)
            }
        }
    }
}

/// The forecast of another worker's loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastElement {
    /// The other worker's address.
    pub inferer: String,
    pub value: Decimal,
}

/// An inference, a forecast, or both; never neither, which the chain refuses inside a block
/// (protocol.md section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    inference: Option<Inference>,
    forecast: Vec<ForecastElement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload needs an inference or a forecast; this one has neither")]
pub struct EmptyPayload;

impl Payload {
    /// A payload. A forecast without elements and an inference without labels count as absent.
    pub fn new(
        inference: Option<Inference>,
        forecast: Vec<ForecastElement>,
    ) -> Result<Payload, EmptyPayload> {
        let inference = inference.filter(|inference| match inference {
            Inference::Value(_) => true,
            Inference::Labelled(values) => !values.is_empty(),
        });
        if inference.is_none() && forecast.is_empty() {
            return Err(EmptyPayload);
        }
        Ok(Payload {
            inference,
            forecast,
        })
    }

    #[cfg(test)]
    pub(crate) fn from_value(value: Decimal) -> Payload {
        Payload {
            inference: Some(Inference::Value(value)),
            forecast: Vec::new(),
        }
    }

    pub fn inference(&self) -> Option<&Inference> {
        self.inference.as_ref()
    }

    /// The inference without the forecast, if the payload has both.
    pub fn without_forecast(&self) -> Option<Payload> {
        let inference = self.inference.clone().filter(|_| !self.forecast.is_empty());
        Payload::new(inference, Vec::new()).ok()
    }

    /// The forecast's elements, empty without a forecast.
    pub fn forecast(&self) -> &[ForecastElement] {
        &self.forecast
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::FOREIGN_CHARS_MAX;

    #[test]
    fn thousands_of_hostile_labels_are_shown_within_bounds() {
        let one = LabelledValue {
            label: "a\n\u{202e}".into(),
            value: Decimal::parse("1").unwrap(),
        };
        let shown = Inference::Labelled(vec![one; 9_000]).to_string();
        assert!(shown.starts_with(r"a\n\u{202e} 1, a\n"), "{shown}");
        assert_eq!(shown.chars().count(), FOREIGN_CHARS_MAX);
        let value = Decimal::parse(&format!("0.{}", "1".repeat(2_000))).unwrap();
        let shown = Inference::Value(value).to_string();
        assert_eq!(shown.chars().count(), FOREIGN_CHARS_MAX);
    }

    #[test]
    fn a_payload_is_never_empty() {
        assert_eq!(Payload::new(None, Vec::new()), Err(EmptyPayload));
        let no_labels = Inference::Labelled(Vec::new());
        assert_eq!(Payload::new(Some(no_labels), Vec::new()), Err(EmptyPayload));
        let one = Decimal::parse("1").unwrap();
        let element = ForecastElement {
            inferer: "allo1x".to_owned(),
            value: one.clone(),
        };
        assert!(
            Payload::new(None, vec![element])
                .unwrap()
                .inference()
                .is_none()
        );
        assert!(Payload::from_value(one).forecast().is_empty());
    }
}
