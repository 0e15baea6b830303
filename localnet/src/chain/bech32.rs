//! Account addresses: bech32 of 20 bytes with the prefix `allo`.
//!
//! Implemented here because the chain's error texts contain the expected checksum, which no
//! library returns.

use ripemd::Ripemd160;
use sha2::{Digest as _, Sha256};

/// The prefix of every account address (protocol.md section 0).
pub const PREFIX: &str = "allo";
/// Longest text that is accepted as bech32. An address of 20 bytes has 43 characters.
const TEXT_CHARS_MAX: usize = 1023;
const CHECKSUM_CHARS: usize = 6;
const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The address of a 33-byte compressed secp256k1 key.
#[must_use]
pub fn address_of_key(key: &[u8]) -> String {
    encode(&Ripemd160::digest(Sha256::digest(key)))
}

/// Encodes bytes with the prefix `allo`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut values = regroup(bytes, 8, 5, true).unwrap_or_default();
    values.extend(checksum(PREFIX, &values));
    let text: String = values
        .iter()
        .map(|&v| char::from(ALPHABET[usize::from(v)]))
        .collect();
    format!("{PREFIX}1{text}")
}

/// Decodes an address.
///
/// # Errors
/// The chain's text.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    if text.trim().is_empty() {
        return Err("empty address string is not allowed".to_owned());
    }
    let (prefix, values) = split(text).map_err(|why| format!("decoding bech32 failed: {why}"))?;
    let bytes = regroup(&values, 5, 8, false)
        .ok_or_else(|| "decoding bech32 failed: invalid incomplete group".to_owned())?;
    if prefix != PREFIX {
        return Err(format!(
            "invalid Bech32 prefix; expected {PREFIX}, got {prefix}"
        ));
    }
    if bytes.is_empty() || bytes.len() > 255 {
        return Err(format!(
            "address max length is 255, got {}: unknown address",
            bytes.len()
        ));
    }
    Ok(bytes)
}

/// The prefix and the data values of a bech32 text, without the checksum.
fn split(text: &str) -> Result<(String, Vec<u8>), String> {
    if text.len() < 8 || text.len() > TEXT_CHARS_MAX {
        return Err(format!("invalid bech32 string length {}", text.len()));
    }
    if let Some(odd) = text.bytes().find(|b| !(33..=126).contains(b)) {
        return Err(format!(
            "invalid character in string: {:?}",
            char::from(odd)
        ));
    }
    let lower = text.to_ascii_lowercase();
    if lower != text && text.to_ascii_uppercase() != text {
        return Err("string not all lowercase or all uppercase".to_owned());
    }
    let one = lower.rfind('1').unwrap_or(0);
    if one < 1 || one + 1 + CHECKSUM_CHARS > lower.len() {
        return Err(format!("invalid index of 1 ({one})"));
    }
    let (prefix, data) = (&lower[..one], &lower[one + 1..]);
    let values = data
        .bytes()
        .map(|byte| {
            ALPHABET
                .iter()
                .position(|&a| a == byte)
                .and_then(|p| u8::try_from(p).ok())
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| format!("failed converting data to bytes: invalid character in {data}"))?;
    let (body, given) = values.split_at(values.len() - CHECKSUM_CHARS);
    let wanted = checksum(prefix, body);
    if wanted != given {
        let wanted: String = wanted
            .iter()
            .map(|&v| char::from(ALPHABET[usize::from(v)]))
            .collect();
        let given = &data[data.len() - CHECKSUM_CHARS..];
        return Err(format!("invalid checksum (expected {wanted} got {given})"));
    }
    Ok((prefix.to_owned(), body.to_vec()))
}

fn checksum(prefix: &str, values: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut all: Vec<u8> = prefix.bytes().map(|b| b >> 5).collect();
    all.push(0);
    all.extend(prefix.bytes().map(|b| b & 31));
    all.extend_from_slice(values);
    all.extend([0; CHECKSUM_CHARS]);
    let sum = polymod(&all) ^ 1;
    std::array::from_fn(|i| {
        let shift = 5 * (CHECKSUM_CHARS - 1 - i);
        u8::try_from((sum >> shift) & 31).unwrap_or(0)
    })
}

fn polymod(values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let mut sum: u32 = 1;
    for &value in values {
        let top = sum >> 25;
        sum = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if (top >> bit) & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    sum
}

/// Regroups groups of `from` bits into groups of `to` bits; `None` if the padding is not zero.
fn regroup(values: &[u8], from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut held, mut bits) = (0u32, 0u32);
    let mut out = Vec::new();
    for &value in values {
        held = (held << from) | u32::from(value);
        bits += from;
        while bits >= to {
            bits -= to;
            out.push(u8::try_from((held >> bits) & ((1 << to) - 1)).ok()?);
        }
        held &= (1 << bits) - 1;
    }
    if pad && bits > 0 {
        out.push(u8::try_from((held << (to - bits)) & ((1 << to) - 1)).ok()?);
    } else if !pad && (bits >= from || held != 0) {
        return None;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_a_round_trip() {
        let text = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";
        let bytes = decode(text).unwrap();
        assert_eq!(bytes.len(), 20);
        assert_eq!(encode(&bytes), text);
    }

    #[test]
    fn the_error_for_a_wrong_checksum_names_the_expected_one() {
        let error = decode("allo1jjj3dl4kqpu4n2efjx5mr9dr04rjl4gdkl8ujr").unwrap_err();
        let wanted = "decoding bech32 failed: invalid checksum (expected eyjqnc got kl8ujr)";
        assert_eq!(error, wanted);
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        assert!(decode("").is_err());
        assert!(decode("allo1xyz").is_err());
        assert!(decode("cosmos15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8").is_err());
        assert!(decode("allo15YK64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8").is_err());
    }
}
