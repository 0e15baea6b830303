//! The chain's quantities. Each has its own type, so that two arguments cannot be swapped; each is
//! a plain number, with only the arithmetic that is needed.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The chain keeps its integers in 64 bits with a sign.
const CHAIN_INTEGER_MAX: u64 = (1 << 63) - 1;
/// A chain with a block every 50 ms gets there in 150 years.
const HEIGHT_MAX: u64 = 100_000_000_000;
/// An account with a thousand transactions a second gets there in 30 years.
const SEQUENCE_MAX: u64 = 1_000_000_000_000;

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident($inner:ty) to $max:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl $name {
            /// No chain has a larger one: an answer that claims so is an error.
            pub const MAX: $name = $name($max);
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let value = $name(digits(deserializer)?);
                if value > $name::MAX {
                    return Err(D::Error::custom("a number that no chain has"));
                }
                Ok(value)
            }
        }
    )*};
}

units! {
    /// A topic's id, from 1.
    TopicId(u64) to CHAIN_INTEGER_MAX;
    /// A block's height.
    Height(u64) to HEIGHT_MAX;
    /// The height of the block that opened a submission window; it names the window
    /// (protocol.md section 5).
    Nonce(u64) to HEIGHT_MAX;
    /// An account's transaction counter: the number of its next transaction.
    Sequence(u64) to SEQUENCE_MAX;
    /// An account's number, assigned when it was first funded; part of every signature.
    AccountNumber(u64) to CHAIN_INTEGER_MAX;
    Gas(u64) to CHAIN_INTEGER_MAX;
    /// An amount in uallo, the base denomination: 10^18 of them are one ALLO, hence 128 bits
    /// (protocol.md section 0).
    Uallo(u128) to 10_u128.pow(30);
}

/// The longest chain id that Cosmos chains allow.
pub const CHAIN_ID_BYTES_MAX: usize = 50;

/// Whether a text can be a chain's id.
pub fn is_chain_id(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=CHAIN_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// The base denomination, the only one that fees are paid in.
pub const DENOM: &str = "uallo";

/// Deserializes an integer that travels as a JSON string, as all of the chain's do (protocol.md
/// section 3.1).
pub fn digits<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(D::Error::custom("not a whole number"));
    }
    text.parse().map_err(D::Error::custom)
}

impl Height {
    /// The height `blocks` later, at most `u64::MAX`.
    pub fn plus(self, blocks: u64) -> Height {
        Height(self.0.saturating_add(blocks))
    }
}

impl Nonce {
    /// The block whose end opened this nonce's window.
    pub fn height(self) -> Height {
        Height(self.0)
    }
}

impl Sequence {
    pub fn next(self) -> Sequence {
        Sequence(self.0.saturating_add(1))
    }
}

/// The emissions interface that a node serves; routes and type URLs depend on it (protocol.md
/// section 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiVersion {
    /// `emissions/v9`, chain v0.16.
    V9,
    /// `emissions/v10`, chain v0.17.
    V10,
}

/// A message that a worker sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageKind {
    Payload,
    Registration,
}

impl MessageKind {
    pub const ALL: [MessageKind; 2] = [MessageKind::Payload, MessageKind::Registration];
}

impl ApiVersion {
    pub const ALL: [ApiVersion; 2] = [ApiVersion::V9, ApiVersion::V10];

    /// The name of a message, by which transactions and fee grants refer to it.
    pub fn type_url(self, kind: MessageKind) -> String {
        let name = match kind {
            MessageKind::Payload => "InsertWorkerPayloadRequest",
            MessageKind::Registration => "RegisterRequest",
        };
        format!("/emissions.{self}.{name}")
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApiVersion::V9 => "v9",
            ApiVersion::V10 => "v10",
        })
    }
}

/// The SHA-256 of a transaction's bytes, printed in upper-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TxHash(pub [u8; 32]);

impl TxHash {
    /// Its beginning, which tells transactions apart for people.
    pub fn short(&self) -> String {
        let [first, second, third, fourth, ..] = self.0;
        format!("{first:02X}{second:02X}{third:02X}{fourth:02X}")
    }
}

impl fmt::Display for TxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_no_chain_has_is_an_error() {
        let height = |text: &str| serde_json::from_str::<Height>(&format!("\"{text}\""));
        assert_eq!(height("100000000000").unwrap(), Height::MAX);
        for lie in [
            "9223372036854775808",
            "18446744073709551615",
            "99999999999999999999",
        ] {
            assert!(height(lie).is_err(), "{lie}");
        }
        let sequence = serde_json::from_str::<Sequence>("\"18446744073709551615\"");
        assert!(sequence.is_err());
        let amount = |text: String| serde_json::from_str::<Uallo>(&format!("\"{text}\""));
        assert_eq!(amount(Uallo::MAX.to_string()).unwrap(), Uallo::MAX);
        assert!(amount(u128::MAX.to_string()).is_err());
    }
}
