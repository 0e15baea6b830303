//! The protobuf messages of the chain's emissions module that a worker sends.
//!
//! The bundle is signed on its own (protocol.md section 2), and the chain verifies the signature
//! over the bytes that *it* would encode. Two rules follow. Every number is canonical text, which
//! [`Decimal`] ensures. A `value` is always on the wire, even where nothing depends on it: proto3
//! leaves out empty strings only, so `0` is written there.
//!
//! Both API versions have the same fields with the same numbers, except for labelled values, which
//! only v10 knows; the type URLs differ. Labelled values are encoded for v9 too: a v9 node refuses
//! them in CheckTx, at no cost.

use cosmrs::Any;
use prost::Message;

use crate::sign::signers::Signers;
use crate::values::decimal::Decimal;
use crate::values::payload::{ForecastElement, Inference, Payload};
use crate::values::units::{ApiVersion, MessageKind, Nonce, TopicId};

/// The scalar value of an inference that has labelled ones.
const LABELLED_SCALAR: &str = "0";

#[derive(Clone, PartialEq, Message)]
struct InsertWorkerPayloadRequest {
    #[prost(string, tag = "1")]
    sender: String,
    #[prost(message, optional, tag = "2")]
    worker_data_bundle: Option<InputWorkerDataBundle>,
}

#[derive(Clone, PartialEq, Message)]
struct InputWorkerDataBundle {
    #[prost(string, tag = "1")]
    worker: String,
    /// `emissions.v3.Nonce`, in both API versions: a message whose only field, 1, is an `int64`, as
    /// which prost encodes an `i64`.
    #[prost(message, optional, tag = "2")]
    nonce: Option<i64>,
    #[prost(uint64, tag = "3")]
    topic_id: u64,
    #[prost(message, optional, tag = "4")]
    inference_forecasts_bundle: Option<InputInferenceForecastBundle>,
    #[prost(bytes = "vec", tag = "5")]
    inferences_forecasts_bundle_signature: Vec<u8>,
    #[prost(string, tag = "6")]
    pubkey: String,
}

#[derive(Clone, PartialEq, Message)]
struct InputInferenceForecastBundle {
    #[prost(message, optional, tag = "1")]
    inference: Option<InputInference>,
    #[prost(message, optional, tag = "2")]
    forecast: Option<InputForecast>,
}

/// Fields 5 and 6 (extra data and proof) are never sent.
#[derive(Clone, PartialEq, Message)]
struct InputInference {
    #[prost(uint64, tag = "1")]
    topic_id: u64,
    #[prost(int64, tag = "2")]
    block_height: i64,
    #[prost(string, tag = "3")]
    inferer: String,
    #[prost(string, tag = "4")]
    value: String,
    #[prost(message, repeated, tag = "7")]
    values: Vec<NamedValue>,
}

/// Field 5 (extra data) is never sent.
#[derive(Clone, PartialEq, Message)]
struct InputForecast {
    #[prost(uint64, tag = "1")]
    topic_id: u64,
    #[prost(int64, tag = "2")]
    block_height: i64,
    #[prost(string, tag = "3")]
    forecaster: String,
    #[prost(message, repeated, tag = "4")]
    forecast_elements: Vec<NamedValue>,
}

/// `InputLabeledValue`, whose name is a label, and `InputForecastElement`, whose name is an
/// address.
#[derive(Clone, PartialEq, Message)]
struct NamedValue {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl NamedValue {
    fn new(name: &str, value: &Decimal) -> NamedValue {
        NamedValue {
            name: name.to_owned(),
            value: value.to_string(),
        }
    }
}

/// Fields 2 and 3 are reserved; field 6, which makes a reputer, is never set.
#[derive(Clone, PartialEq, Message)]
struct RegisterRequest {
    #[prost(string, tag = "1")]
    sender: String,
    #[prost(uint64, tag = "4")]
    topic_id: u64,
    #[prost(string, tag = "5")]
    owner: String,
}

/// The bytes that a bundle signature is made over: the encoded inference and forecast, without
/// a length in front and without the fields around them. The same on both API versions.
pub fn bundle_bytes(address: &str, topic: TopicId, nonce: Nonce, payload: &Payload) -> Vec<u8> {
    bundle(address, topic, nonce, payload).encode_to_vec()
}

/// The message that submits a payload of the worker, which the sender sends and pays for.
pub(super) fn insert_worker_payload(
    api: ApiVersion,
    signers: &Signers,
    topic: TopicId,
    nonce: Nonce,
    payload: &Payload,
) -> Any {
    let worker = signers.worker();
    let address = worker.address();
    let bundle = bundle(address, topic, nonce, payload);
    let signature = worker.sign(&bundle.encode_to_vec());
    let request = InsertWorkerPayloadRequest {
        sender: signers.sender().address().to_owned(),
        worker_data_bundle: Some(InputWorkerDataBundle {
            worker: address.to_owned(),
            nonce: Some(block_height(nonce)),
            topic_id: topic.0,
            inference_forecasts_bundle: Some(bundle),
            inferences_forecasts_bundle_signature: signature.to_vec(),
            pubkey: lower_hex(&worker.public_key()),
        }),
    };
    any(api, MessageKind::Payload, &request)
}

/// The message that registers the account as a worker of a topic. The account is its own owner, so
/// it gets the rewards.
pub(super) fn register(api: ApiVersion, address: &str, topic: TopicId) -> Any {
    let request = RegisterRequest {
        sender: address.to_owned(),
        topic_id: topic.0,
        owner: address.to_owned(),
    };
    any(api, MessageKind::Registration, &request)
}

fn any(api: ApiVersion, kind: MessageKind, request: &impl Message) -> Any {
    Any {
        type_url: api.type_url(kind),
        value: request.encode_to_vec(),
    }
}

fn bundle(
    address: &str,
    topic: TopicId,
    nonce: Nonce,
    payload: &Payload,
) -> InputInferenceForecastBundle {
    let (topic_id, block_height) = (topic.0, block_height(nonce));
    let inference = payload.inference().map(|inference| InputInference {
        topic_id,
        block_height,
        inferer: address.to_owned(),
        value: match inference {
            Inference::Value(value) => value.to_string(),
            Inference::Labelled(_) => LABELLED_SCALAR.to_owned(),
        },
        values: match inference {
            Inference::Value(_) => Vec::new(),
            Inference::Labelled(values) => {
                let values = values.iter();
                values
                    .map(|one| NamedValue::new(one.label.raw(), &one.value))
                    .collect()
            }
        },
    });
    let element = |one: &ForecastElement| NamedValue::new(&one.inferer, &one.value);
    let forecast = InputForecast {
        topic_id,
        block_height,
        forecaster: address.to_owned(),
        forecast_elements: payload.forecast().iter().map(element).collect(),
    };
    InputInferenceForecastBundle {
        inference,
        forecast: Some(forecast).filter(|_| !payload.forecast().is_empty()),
    }
}

/// The chain's heights are signed. A height beyond that range names no window, cut or not.
fn block_height(nonce: Nonce) -> i64 {
    i64::try_from(nonce.0).unwrap_or(i64::MAX)
}

fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::decimal::Decimal;
    use crate::values::payload::LabelledValue;

    const ADDRESS: &str = "allo102ksu3kx57w0mrhkg37kvymmk2lgxqcan6u7yn";

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn bundle_hex(topic: u64, nonce: u64, payload: &Payload) -> String {
        lower_hex(&bundle_bytes(
            ADDRESS,
            TopicId(topic),
            Nonce(nonce),
            payload,
        ))
    }

    #[test]
    fn a_scalar_bundle_has_the_documented_bytes() {
        let plain = Payload::from_value(decimal("2611.01109296"));
        assert_eq!(
            bundle_hex(1, 1_349_577, &plain),
            "0a42080110c9af521a2b616c6c6f3130326b7375336b78353777306d72686b6733376b76796d6d6b326c\
             67787163616e367537796e220d323631312e3031313039323936"
        );
        let small = Payload::from_value(decimal("0.00000012"));
        assert_eq!(
            bundle_hex(1, 1_349_577, &small),
            "0a3b080110c9af521a2b616c6c6f3130326b7375336b78353777306d72686b6733376b76796d6d6b326c\
             67787163616e367537796e2206312e32452d37"
        );
    }

    #[test]
    fn a_labelled_bundle_has_the_documented_bytes() {
        let labelled = [("up", "0.25"), ("down", "0.75")].map(|(label, value)| LabelledValue {
            label: label.into(),
            value: decimal(value),
        });
        let payload = Payload::new(Some(Inference::Labelled(labelled.into())), Vec::new());
        assert_eq!(
            bundle_hex(69, 1_000, &payload.unwrap()),
            "0a4f084510e8071a2b616c6c6f3130326b7375336b78353777306d72686b6733376b76796d6d6b326c67\
             787163616e367537796e2201303a0a0a0275701204302e32353a0c0a04646f776e1204302e3735"
        );
    }

    #[test]
    fn zero_is_on_the_wire_everywhere() {
        let zero = || decimal("0");
        let element = ForecastElement {
            inferer: "a".to_owned(),
            value: zero(),
        };
        let inference = Some(Inference::Value(zero()));
        let payload = Payload::new(inference, vec![element]).unwrap();
        let hex = bundle_hex(1, 1, &payload);
        assert!(hex.contains("220130"), "the inference's value: {hex}");
        assert!(hex.ends_with("0a0161120130"), "the forecast's value: {hex}");
    }

    #[test]
    fn a_forecast_alone_leaves_the_inference_out() {
        let element = ForecastElement {
            inferer: "a".to_owned(),
            value: decimal("1"),
        };
        let payload = Payload::new(None, vec![element]).unwrap();
        assert!(bundle_hex(1, 1, &payload).starts_with("12"));
    }

    #[test]
    fn type_urls_follow_the_api_version() {
        let url = |api| register(api, ADDRESS, TopicId(1)).type_url;
        assert_eq!(url(ApiVersion::V9), "/emissions.v9.RegisterRequest");
        assert_eq!(url(ApiVersion::V10), "/emissions.v10.RegisterRequest");
    }
}
