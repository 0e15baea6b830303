//! Encodes a decoded payload again. The chain checks the worker's signature over these bytes, in
//! which every number has its canonical text (protocol.md section 2).

use crate::chain::decimal::Decimal;
use crate::chain::message::{Bundle, Forecast, Inference};
use crate::chain::wire;

impl Bundle {
    /// The bytes that the worker signs.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(inference) = &self.inference {
            wire::put_always(&mut out, 1, &inference.encode());
        }
        if let Some(forecast) = &self.forecast {
            wire::put_always(&mut out, 2, &forecast.encode());
        }
        out
    }
}

impl Inference {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_u64(&mut out, 1, self.topic_id);
        wire::put_u64(&mut out, 2, self.block_height.cast_unsigned());
        wire::put_bytes(&mut out, 3, self.inferer.as_bytes());
        wire::put_always(&mut out, 4, self.value.canonical().as_bytes());
        wire::put_bytes(&mut out, 5, &self.extra_data);
        wire::put_bytes(&mut out, 6, self.proof.as_bytes());
        for (label, value) in &self.values {
            wire::put_always(&mut out, 7, &encode_pair(label, value));
        }
        out
    }
}

impl Forecast {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_u64(&mut out, 1, self.topic_id);
        wire::put_u64(&mut out, 2, self.block_height.cast_unsigned());
        wire::put_bytes(&mut out, 3, self.forecaster.as_bytes());
        for (inferer, value) in &self.elements {
            wire::put_always(&mut out, 4, &encode_pair(inferer, value));
        }
        wire::put_bytes(&mut out, 5, &self.extra_data);
        out
    }
}

fn encode_pair(name: &str, value: &Decimal) -> Vec<u8> {
    let mut out = Vec::new();
    wire::put_bytes(&mut out, 1, name.as_bytes());
    wire::put_always(&mut out, 2, value.canonical().as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::message::{Api, inference};

    #[test]
    fn only_v10_has_labelled_values() {
        let value = Decimal::parse("0.5").unwrap();
        let mut labelled = Vec::new();
        wire::put_always(&mut labelled, 7, &encode_pair("up", &value));
        let refused = inference(&labelled, Api::V9).unwrap_err();
        let wanted = "errUnknownField \"emissions.v9.InputInference\": {TagNum: 7, \
                      WireType:\"bytes\"}";
        assert_eq!(refused, wanted);
        let taken = inference(&labelled, Api::V10).unwrap();
        assert_eq!(taken.values, [("up".to_owned(), value)]);
        // A missing number is 0 and is always written.
        assert_eq!(
            taken.encode(),
            [[0x22, 1, b'0'].as_slice(), &labelled].concat()
        );
    }
}
