//! The protobuf wire format, read strictly and written canonically.
//!
//! Implemented here because the simulated chain has to see what a generated decoder hides:
//! unknown fields, wrong wire types and the order of fields.

/// Longest varint, in bytes.
const VARINT_BYTES_MAX: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, which no message here uses.
    Fixed,
}

impl Value<'_> {
    #[must_use]
    pub fn wire_type(self) -> u8 {
        match self {
            Value::Varint(_) => 0,
            Value::Bytes(_) => 2,
            Value::Fixed => 1,
        }
    }
}

/// Splits a message into its fields, in their order.
///
/// # Errors
/// A text about truncated or malformed bytes.
pub fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, String> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes)?;
        let (number, rest) = (tag >> 3, rest);
        if number == 0 {
            return Err("illegal tag 0".to_owned());
        }
        let (value, rest) = match tag & 7 {
            0 => varint(rest).map(|(value, rest)| (Value::Varint(value), rest))?,
            1 => (Value::Fixed, rest.get(8..).ok_or("unexpected EOF")?),
            2 => delimited(rest)?,
            5 => (Value::Fixed, rest.get(4..).ok_or("unexpected EOF")?),
            other => return Err(format!("illegal wireType {other}")),
        };
        out.push((number, value));
        bytes = rest;
    }
    Ok(out)
}

fn delimited(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), String> {
    let (length, rest) = varint(bytes)?;
    let length = usize::try_from(length).map_err(|_| "unexpected EOF")?;
    let value = rest.get(..length).ok_or("unexpected EOF")?;
    Ok((Value::Bytes(value), &rest[length..]))
}

/// Reads a varint. Returns it and the remaining bytes.
///
/// # Errors
/// A text about a truncated varint or one longer than `VARINT_BYTES_MAX`.
pub fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), String> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        if index == VARINT_BYTES_MAX - 1 && byte > 1 {
            return Err("proto: integer overflow".to_owned());
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    Err("unexpected EOF".to_owned())
}

/// Appends a varint in its shortest form.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

/// Appends a number field. As in proto3, 0 is omitted.
pub fn put_u64(out: &mut Vec<u8>, number: u64, value: u64) {
    if value != 0 {
        put_varint(out, number << 3);
        put_varint(out, value);
    }
}

/// Appends a field of bytes. As in proto3, an empty field is omitted.
pub fn put_bytes(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    if !value.is_empty() {
        put_always(out, number, value);
    }
}

/// Appends a field of bytes, empty or not.
pub fn put_always(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, u64::try_from(value.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(value);
}

/// Reads the fields of a message whose full name appears in errors.
pub struct Reader<'a> {
    name: &'static str,
    fields: std::vec::IntoIter<(u64, Value<'a>)>,
}

impl<'a> Reader<'a> {
    /// Splits the bytes of the message `name`.
    ///
    /// # Errors
    /// A text about malformed bytes.
    pub fn new(name: &'static str, bytes: &'a [u8]) -> Result<Reader<'a>, String> {
        Ok(Reader {
            name,
            fields: fields(bytes)?.into_iter(),
        })
    }

    #[expect(
        clippy::should_implement_trait,
        reason = "a reader is not a collection to adapt"
    )]
    pub fn next(&mut self) -> Option<(u64, Value<'a>)> {
        self.fields.next()
    }

    /// The error for an unknown field.
    #[must_use]
    pub fn unknown(&self, number: u64, value: Value<'_>) -> String {
        let wire = match value {
            Value::Varint(_) => "varint",
            Value::Bytes(_) => "bytes",
            Value::Fixed => "fixed64",
        };
        let name = self.name;
        format!("errUnknownField {name:?}: {{TagNum: {number}, WireType:{wire:?}}}")
    }

    /// The error for a known field with the wrong wire type.
    #[must_use]
    pub fn mismatch(&self, number: u64, value: Value<'_>) -> String {
        let (name, wire) = (self.name, value.wire_type());
        format!("proto: wrong wireType = {wire} for field {number} of {name}")
    }
}

/// A field's text.
///
/// # Errors
/// A text if the bytes are not UTF-8.
pub fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "string field contains invalid UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_survive_a_round_trip_up_to_the_largest() {
        for value in [0, 1, 127, 128, 300, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(varint(&bytes), Ok((value, &[][..])));
        }
        assert!(varint(&[0xff; 10]).is_err());
        assert!(varint(&[0x80]).is_err());
    }

    #[test]
    fn truncated_fields_are_rejected() {
        assert!(fields(&[0x0a, 2, 1]).is_err());
        assert!(fields(&[0x07]).is_err());
        assert_eq!(fields(&[0x08, 5]), Ok(vec![(1, Value::Varint(5))]));
    }
}
