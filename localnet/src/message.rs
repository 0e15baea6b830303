//! The three messages of `emissions.v9` and `emissions.v10` that a worker sends, decoded the way
//! the chain does: numbers are parsed, and the bundle is encoded anew for the signature check
//! (protocol.md sections 1 and 2).

use crate::decimal::Decimal;
use crate::wire::{self, Reader, Value};

/// Which of the two emissions interfaces the chain serves (protocol.md section 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// `emissions/v9`, chain v0.16.
    V9,
    /// `emissions/v10`, chain v0.17.
    V10,
}

impl Api {
    /// `v9` or `v10`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Api::V9 => "v9",
            Api::V10 => "v10",
        }
    }
}

/// A message of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// `InsertWorkerPayloadRequest`.
    Insert(Box<Insert>),
    /// `RegisterRequest`.
    Register(Register),
    /// `RemoveRegistrationRequest`.
    RemoveRegistration(RemoveRegistration),
}

/// `InsertWorkerPayloadRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Insert {
    /// Pays for the transaction.
    pub sender: String,
    /// Absent when the field is.
    pub bundle: Option<WorkerBundle>,
    /// Length of the encoded message, in bytes.
    pub size_bytes: usize,
}

/// `InputWorkerDataBundle`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerBundle {
    /// Whose inference it is.
    pub worker: String,
    /// Block height of the nonce; absent when the field is.
    pub nonce: Option<i64>,
    /// The topic.
    pub topic_id: u64,
    /// Inference, forecast or both.
    pub content: Option<Bundle>,
    /// 64 bytes over the content.
    pub signature: Vec<u8>,
    /// The worker's compressed key in hexadecimal.
    pub pubkey: String,
}

/// `InputInferenceForecastBundle`: what the worker signs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// May be absent.
    pub inference: Option<Inference>,
    /// May be absent.
    pub forecast: Option<Forecast>,
}

/// `InputInference`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inference {
    /// The topic.
    pub topic_id: u64,
    /// The nonce's height.
    pub block_height: i64,
    /// Whose it is.
    pub inferer: String,
    /// The number; 0 when the field is absent.
    pub value: Decimal,
    /// Free bytes.
    pub extra_data: Vec<u8>,
    /// Free text.
    pub proof: String,
    /// Labelled numbers (v10).
    pub values: Vec<(String, Decimal)>,
}

/// `InputForecast`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// The topic.
    pub topic_id: u64,
    /// The nonce's height.
    pub block_height: i64,
    /// Whose it is.
    pub forecaster: String,
    /// Who is forecast and at what.
    pub elements: Vec<(String, Decimal)>,
    /// Free bytes.
    pub extra_data: Vec<u8>,
}

/// `RegisterRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Pays and is registered.
    pub sender: String,
    /// The topic.
    pub topic_id: u64,
    /// Who receives rewards.
    pub owner: String,
    /// A reputer instead of a worker.
    pub is_reputer: bool,
}

/// `RemoveRegistrationRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoveRegistration {
    /// Who leaves.
    pub sender: String,
    /// The topic.
    pub topic_id: u64,
    /// A reputer instead of a worker.
    pub is_reputer: bool,
}

impl Message {
    /// Who signs for the message.
    #[must_use]
    pub fn sender(&self) -> &str {
        match self {
            Message::Insert(message) => &message.sender,
            Message::Register(message) => &message.sender,
            Message::RemoveRegistration(message) => &message.sender,
        }
    }

    /// The message's name within its package.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Message::Insert(_) => "InsertWorkerPayload",
            Message::Register(_) => "Register",
            Message::RemoveRegistration(_) => "RemoveRegistration",
        }
    }

    /// The worker and nonce that a payload is for.
    #[must_use]
    pub fn payload_key(&self) -> Option<(u64, u64, String)> {
        let Message::Insert(insert) = self else {
            return None;
        };
        let bundle = insert.bundle.as_ref()?;
        let nonce = u64::try_from(bundle.nonce?).ok()?;
        Some((bundle.topic_id, nonce, bundle.worker.clone()))
    }
}

/// Decodes `InsertWorkerPayloadRequest`.
///
/// # Errors
/// The chain's text, without `: tx parse error`.
pub fn insert(bytes: &[u8], api: Api) -> Result<Insert, String> {
    let mut reader = Reader::new("emissions.InsertWorkerPayloadRequest", bytes)?;
    let mut out = Insert {
        size_bytes: bytes.len(),
        ..Insert::default()
    };
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.sender = wire::text(b)?,
            (2, Value::Bytes(b)) => out.bundle = Some(worker_bundle(b, api)?),
            (number @ 1..=2, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

fn worker_bundle(bytes: &[u8], api: Api) -> Result<WorkerBundle, String> {
    let mut reader = Reader::new("emissions.InputWorkerDataBundle", bytes)?;
    let mut out = WorkerBundle::default();
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.worker = wire::text(b)?,
            (2, Value::Bytes(b)) => out.nonce = Some(nonce(b)?),
            (3, Value::Varint(v)) => out.topic_id = v,
            (4, Value::Bytes(b)) => out.content = Some(bundle(b, api)?),
            (5, Value::Bytes(b)) => out.signature = b.to_vec(),
            (6, Value::Bytes(b)) => out.pubkey = wire::text(b)?,
            (number @ 1..=6, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

fn nonce(bytes: &[u8]) -> Result<i64, String> {
    let mut reader = Reader::new("emissions.v3.Nonce", bytes)?;
    let mut height = 0;
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Varint(v)) => height = v.cast_signed(),
            (number @ 1, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(height)
}

fn bundle(bytes: &[u8], api: Api) -> Result<Bundle, String> {
    let mut reader = Reader::new("emissions.InputInferenceForecastBundle", bytes)?;
    let mut out = Bundle::default();
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.inference = Some(inference(b, api)?),
            (2, Value::Bytes(b)) => out.forecast = Some(forecast(b)?),
            (number @ 1..=2, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

fn inference(bytes: &[u8], api: Api) -> Result<Inference, String> {
    let name = match api {
        Api::V9 => "emissions.v9.InputInference",
        Api::V10 => "emissions.v10.InputInference",
    };
    let mut reader = Reader::new(name, bytes)?;
    let mut out = Inference {
        topic_id: 0,
        block_height: 0,
        inferer: String::new(),
        value: Decimal::parse("")?,
        extra_data: Vec::new(),
        proof: String::new(),
        values: Vec::new(),
    };
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Varint(v)) => out.topic_id = v,
            (2, Value::Varint(v)) => out.block_height = v.cast_signed(),
            (3, Value::Bytes(b)) => out.inferer = wire::text(b)?,
            (4, Value::Bytes(b)) => out.value = Decimal::parse(&wire::text(b)?)?,
            (5, Value::Bytes(b)) => out.extra_data = b.to_vec(),
            (6, Value::Bytes(b)) => out.proof = wire::text(b)?,
            (7, Value::Bytes(b)) if api == Api::V10 => {
                out.values.push(pair("emissions.v10.InputLabeledValue", b)?);
            }
            (7, value) if api == Api::V9 => return Err(reader.unknown(7, value)),
            (number @ 1..=7, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

fn forecast(bytes: &[u8]) -> Result<Forecast, String> {
    let mut reader = Reader::new("emissions.InputForecast", bytes)?;
    let mut out = Forecast::default();
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Varint(v)) => out.topic_id = v,
            (2, Value::Varint(v)) => out.block_height = v.cast_signed(),
            (3, Value::Bytes(b)) => out.forecaster = wire::text(b)?,
            (4, Value::Bytes(b)) => out
                .elements
                .push(pair("emissions.InputForecastElement", b)?),
            (5, Value::Bytes(b)) => out.extra_data = b.to_vec(),
            (number @ 1..=5, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

/// A name and a number: a labelled value or an element of a forecast.
fn pair(name: &'static str, bytes: &[u8]) -> Result<(String, Decimal), String> {
    let mut reader = Reader::new(name, bytes)?;
    let mut out = (String::new(), Decimal::parse("")?);
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.0 = wire::text(b)?,
            (2, Value::Bytes(b)) => out.1 = Decimal::parse(&wire::text(b)?)?,
            (number @ 1..=2, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

/// Decodes `RegisterRequest`.
///
/// # Errors
/// The chain's text, without `: tx parse error`.
pub fn register(bytes: &[u8]) -> Result<Register, String> {
    let mut reader = Reader::new("emissions.RegisterRequest", bytes)?;
    let mut out = Register::default();
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.sender = wire::text(b)?,
            (4, Value::Varint(v)) => out.topic_id = v,
            (5, Value::Bytes(b)) => out.owner = wire::text(b)?,
            (6, Value::Varint(v)) => out.is_reputer = v != 0,
            (number @ (1 | 4..=6), value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

/// Decodes `RemoveRegistrationRequest`.
///
/// # Errors
/// The chain's text, without `: tx parse error`.
pub fn remove_registration(bytes: &[u8]) -> Result<RemoveRegistration, String> {
    let mut reader = Reader::new("emissions.RemoveRegistrationRequest", bytes)?;
    let mut out = RemoveRegistration::default();
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.sender = wire::text(b)?,
            (2, Value::Varint(v)) => out.topic_id = v,
            (3, Value::Varint(v)) => out.is_reputer = v != 0,
            (number @ 1..=3, value) => return Err(reader.mismatch(number, value)),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

impl Bundle {
    /// The bytes that the chain checks the worker's signature over: the decoded message encoded
    /// anew, every number in its canonical text (protocol.md section 2).
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

    #[test]
    fn labelled_values_are_known_to_v10_only() {
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
