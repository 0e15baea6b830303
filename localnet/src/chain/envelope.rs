//! Decodes what surrounds a transaction's messages: `TxRaw`, `Any`, keys and sign modes (protocol.md
//! section 1).

use crate::chain::error::TxError;
use crate::chain::message::{self, Api, Message};
use crate::chain::wire::{self, Reader, Value};

/// The type URL of a transfer.
const SEND_URL: &str = "/cosmos.bank.v1beta1.MsgSend";
const PUBKEY_URL: &str = "/cosmos.crypto.secp256k1.PubKey";
const AT_ADR_027: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/tx/decoder.go:23";
/// Where the chain rejects unknown fields and types.
pub(crate) const AT_FIELDS: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/tx/decoder.go:44";
const AT_UNMARSHAL: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/tx/decoder.go:49";

/// Body and auth info of a `TxRaw` that follows ADR-027: ascending fields, shortest varints.
pub(crate) fn raw_parts(raw: &[u8]) -> Result<[&[u8]; 2], TxError> {
    let refuse = |text: String| TxError::decode(text).at(AT_ADR_027);
    let (mut rest, mut last) = (raw, 0);
    while !rest.is_empty() {
        let (tag, after) = wire::varint(rest).map_err(refuse)?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if wire_type != 2 {
            return Err(refuse(format!("expected 2 wire type, got {wire_type}")));
        }
        if number < last {
            let text =
                format!("txRaw must follow ADR-027, got tagNum {number} after tagNum {last}");
            return Err(refuse(text));
        }
        last = number;
        let (length, value) = wire::varint(after).map_err(refuse)?;
        let (read, mut shortest) = (after.len() - value.len(), Vec::new());
        wire::put_varint(&mut shortest, length);
        if read != shortest.len() {
            let need = shortest.len();
            let what = format!("length prefix varint for tagNum {number}");
            let text = format!("{what} is not as short as possible, read {read}, only need {need}");
            return Err(refuse(text));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        rest = value
            .get(length..)
            .ok_or_else(|| refuse("unexpected EOF".to_owned()))?;
    }
    let mut parts: [&[u8]; 2] = [&[], &[]];
    for (number, value) in wire::fields(raw).map_err(refuse)? {
        if let (1 | 2, Value::Bytes(bytes)) = (number, value) {
            parts[usize::from(number == 2)] = bytes;
        }
    }
    Ok(parts)
}

pub(crate) fn raw_signatures(raw: &[u8]) -> Result<Vec<u8>, TxError> {
    let refuse = |text: String| TxError::decode(text).at(AT_FIELDS);
    let mut reader = Reader::new("cosmos.tx.v1beta1.TxRaw", raw).map_err(refuse)?;
    let mut signatures = Vec::new();
    while let Some(field) = reader.next() {
        match field {
            (1 | 2, Value::Bytes(_)) => {}
            (3, Value::Bytes(b)) => signatures.push(b.to_vec()),
            (number, value) => return Err(refuse(reader.unknown(number, value))),
        }
    }
    match signatures.len() {
        0 => Err(TxError::sdk(15, "no signatures supplied")),
        1 => Ok(signatures.remove(0)),
        count => {
            let text = format!("invalid number of signers;  expected: 1, got {count}");
            Err(TxError::sdk(4, format!("{text}: unauthorized")))
        }
    }
}

/// Type URL and value of an `Any`.
fn any(bytes: &[u8]) -> Result<(String, &[u8]), String> {
    let mut reader = Reader::new("google.protobuf.Any", bytes)?;
    let mut out: (String, &[u8]) = (String::new(), &[]);
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => out.0 = wire::text(b)?,
            (2, Value::Bytes(b)) => out.1 = b,
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(out)
}

pub(crate) fn any_message(bytes: &[u8], api: Api) -> Result<(String, Message), TxError> {
    let (url, value) = any(bytes).map_err(|e| TxError::decode(e).at(AT_FIELDS))?;
    let package = url
        .strip_prefix("/emissions.")
        .and_then(|rest| rest.split_once('.'));
    let refuse = |text: String| {
        // The chain parses numbers after it has checked the fields.
        let place = if text.starts_with("errUnknownField") {
            AT_FIELDS
        } else {
            AT_UNMARSHAL
        };
        TxError::decode(text).at(place)
    };
    let unresolved = || TxError::decode(format!("unable to resolve type URL {url}")).at(AT_FIELDS);
    match package {
        Some((version, name)) if version == api.name() => {
            let message = match name {
                "InsertWorkerPayloadRequest" => {
                    message::insert(value, api).map(|m| Message::Insert(Box::new(m)))
                }
                "RegisterRequest" => message::register(value).map(Message::Register),
                "RemoveRegistrationRequest" => {
                    message::remove_registration(value).map(Message::RemoveRegistration)
                }
                _ => return Err(unresolved()),
            };
            Ok((url.clone(), message.map_err(refuse)?))
        }
        None if url == SEND_URL => {
            let message = message::send(value).map(Message::Send);
            Ok((url.clone(), message.map_err(refuse)?))
        }
        Some(("v9", "InsertWorkerPayloadRequest")) if api == Api::V10 => {
            let inner = "emissions.v9.InputWorkerDataBundle";
            let text = format!("failed to retrieve the message of type {inner:?}");
            Err(TxError::decode(text).at(AT_FIELDS))
        }
        Some(("v9", name)) if api == Api::V10 => {
            let text = format!("no message handler found for *emissionsv9.{name}");
            Err(TxError::sdk(6, format!("{text}: unknown request")))
        }
        _ => Err(unresolved()),
    }
}

pub(crate) fn any_pubkey(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (url, value) = any(bytes)?;
    if url != PUBKEY_URL {
        return Err(format!("unable to resolve type URL {url}"));
    }
    let mut reader = Reader::new("cosmos.crypto.secp256k1.PubKey", value)?;
    let mut key = Vec::new();
    while let Some(field) = reader.next() {
        match field {
            (1, Value::Bytes(b)) => key = b.to_vec(),
            (number, value) => return Err(reader.unknown(number, value)),
        }
    }
    Ok(key)
}

/// The sign mode of a single signer.
pub(crate) fn mode_info(bytes: &[u8]) -> Result<u64, String> {
    let mut reader = Reader::new("cosmos.tx.v1beta1.ModeInfo", bytes)?;
    let mut mode = 0;
    while let Some(field) = reader.next() {
        let (1, Value::Bytes(single)) = field else {
            return Err(reader.unknown(field.0, field.1));
        };
        for (number, value) in wire::fields(single)? {
            let (1, Value::Varint(v)) = (number, value) else {
                return Err(reader.unknown(number, value));
            };
            mode = v;
        }
    }
    Ok(mode)
}
