//! The three messages of `emissions.v9` and `emissions.v10` that a worker sends, and a transfer, which
//! others send with its key, decoded as the chain does it (protocol.md sections 1 and 2).

use crate::chain::decimal::Decimal;
use crate::chain::wire::{self, Reader, Value};

/// The version of the emissions interface that the chain serves (protocol.md section 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// `emissions/v9`, chain v0.16.
    V9,
    /// `emissions/v10`, chain v0.17.
    V10,
}

impl Api {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Api::V9 => "v9",
            Api::V10 => "v10",
        }
    }

    /// The version of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Api> {
        [Api::V9, Api::V10]
            .into_iter()
            .find(|api| api.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Insert(Box<Insert>),
    Register(Register),
    RemoveRegistration(RemoveRegistration),
    Send(Send),
}

/// `InsertWorkerPayloadRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Insert {
    /// Pays for the transaction.
    pub sender: String,
    /// `None` if the field is absent.
    pub bundle: Option<WorkerBundle>,
    /// Length of the encoded message.
    pub size_bytes: usize,
}

/// `InputWorkerDataBundle`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerBundle {
    pub worker: String,
    /// The nonce; `None` if the field is absent.
    pub nonce: Option<i64>,
    pub topic_id: u64,
    /// Inference, forecast or both.
    pub content: Option<Bundle>,
    /// 64 bytes, over the content.
    pub signature: Vec<u8>,
    /// The worker's compressed public key, in hexadecimal.
    pub pubkey: String,
}

/// `InputInferenceForecastBundle`, which the worker signs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    pub inference: Option<Inference>,
    pub forecast: Option<Forecast>,
}

/// `InputInference`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inference {
    pub topic_id: u64,
    /// The nonce.
    pub block_height: i64,
    pub inferer: String,
    /// 0 if the field is absent.
    pub value: Decimal,
    pub extra_data: Vec<u8>,
    pub proof: String,
    /// Labelled values (v10).
    pub values: Vec<(String, Decimal)>,
}

/// `InputForecast`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    pub topic_id: u64,
    /// The nonce.
    pub block_height: i64,
    pub forecaster: String,
    /// Inferers and their forecast losses.
    pub elements: Vec<(String, Decimal)>,
    pub extra_data: Vec<u8>,
}

/// `RegisterRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Pays for the transaction and is registered.
    pub sender: String,
    pub topic_id: u64,
    /// Receives the rewards.
    pub owner: String,
    /// Registers a reputer instead of a worker.
    pub is_reputer: bool,
}

/// `RemoveRegistrationRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoveRegistration {
    /// Whose registration is removed.
    pub sender: String,
    pub topic_id: u64,
    /// Removes a reputer instead of a worker.
    pub is_reputer: bool,
}

/// `cosmos.bank.v1beta1.MsgSend`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Send {
    pub from: String,
    pub to: String,
    /// Denominations and amounts.
    pub coins: Vec<(String, u128)>,
}

impl Message {
    /// The signer of the message.
    #[must_use]
    pub fn sender(&self) -> &str {
        match self {
            Message::Insert(message) => &message.sender,
            Message::Register(message) => &message.sender,
            Message::RemoveRegistration(message) => &message.sender,
            Message::Send(message) => &message.from,
        }
    }

    /// The message's name within its package.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Message::Insert(_) => "InsertWorkerPayload",
            Message::Register(_) => "Register",
            Message::RemoveRegistration(_) => "RemoveRegistration",
            Message::Send(_) => "Send",
        }
    }

    /// Topic, nonce and worker of a payload.
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

pub(crate) fn inference(bytes: &[u8], api: Api) -> Result<Inference, String> {
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

/// Decodes a name and a number: a labelled value or an element of a forecast.
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

/// Decodes `MsgSend`.
///
/// # Errors
/// The chain's text, without `: tx parse error`.
pub fn send(bytes: &[u8]) -> Result<Send, String> {
    let mut reader = Reader::new("cosmos.bank.v1beta1.MsgSend", bytes)?;
    let mut out = Send::default();
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.from = wire::text(b)?,
            (2, Value::Bytes(b)) => out.to = wire::text(b)?,
            (3, Value::Bytes(b)) => out.coins.push(coin(b)?),
            (number @ 1..=3, value) => return Err(reader.mismatch(number, value)),
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

/// Decodes a coin: denomination and amount.
pub(crate) fn coin(bytes: &[u8]) -> Result<(String, u128), String> {
    let mut reader = Reader::new("cosmos.base.v1beta1.Coin", bytes)?;
    let (mut denom, mut amount) = (String::new(), String::new());
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => denom = wire::text(b)?,
            (2, Value::Bytes(b)) => amount = wire::text(b)?,
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    let plain = !amount.is_empty() && amount.bytes().all(|b| b.is_ascii_digit());
    let parsed = amount.parse().ok().filter(|_| plain);
    let amount = parsed.ok_or_else(|| format!("{amount} is not a valid amount of coins"))?;
    Ok((denom, amount))
}
