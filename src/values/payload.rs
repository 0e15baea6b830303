//! What a topic submits for a nonce, ready to be signed, and the way from a model's answer to it.
//!
//! A payload holds canonical decimals only ([`Decimal`]), so nothing that is made of it can fail
//! for the form of its numbers.

use std::fmt;

use crate::values::decimal::Decimal;

/// One label's value of a topic with several outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledValue {
    /// The label as it is sent; it is signed as sent (protocol.md section 2).
    pub label: String,
    /// Its value.
    pub value: Decimal,
}

/// What a worker says a topic's output will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inference {
    /// One number, for topics with a single output, on both API versions.
    Value(Decimal),
    /// A value per label in the given order, for MULTI topics; only v10 knows them, a v9 node
    /// refuses the transaction for nothing (protocol.md section 1.3).
    Labelled(Vec<LabelledValue>),
}

impl fmt::Display for Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inference::Value(value) => value.fmt(f),
            Inference::Labelled(values) => {
                for (at, LabelledValue { label, value }) in values.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {value}", label.escape_debug())?;
                }
                Ok(())
            }
        }
    }
}

/// What a worker says of another worker's loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastElement {
    /// The other worker's address.
    pub inferer: String,
    /// The loss that is forecast for it.
    pub value: Decimal,
}

/// An inference, a forecast, or both; never neither, since the chain refuses that inside a
/// block (protocol.md section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    inference: Option<Inference>,
    forecast: Vec<ForecastElement>,
}

/// There is neither an inference nor a forecast to submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload needs an inference or a forecast; this one has neither")]
pub struct EmptyPayload;

impl Payload {
    /// A payload of an inference, a forecast, or both. No elements mean no forecast, no labels
    /// no inference.
    ///
    /// # Errors
    /// When both are absent.
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

    /// The payload of most topics: one number.
    #[must_use]
    pub fn from_value(value: Decimal) -> Payload {
        Payload {
            inference: Some(Inference::Value(value)),
            forecast: Vec::new(),
        }
    }

    /// The inference, if there is one.
    #[must_use]
    pub fn inference(&self) -> Option<&Inference> {
        self.inference.as_ref()
    }

    /// The inference alone, if there is one beside a forecast.
    #[must_use]
    pub fn without_forecast(&self) -> Option<Payload> {
        let inference = self.inference.clone().filter(|_| !self.forecast.is_empty());
        inference.map(|inference| Payload {
            inference: Some(inference),
            forecast: Vec::new(),
        })
    }

    /// The forecast's elements; none mean no forecast.
    #[must_use]
    pub fn forecast(&self) -> &[ForecastElement] {
        &self.forecast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
