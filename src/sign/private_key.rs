//! A wallet's private key as text: 64 hexadecimal digits, as the Python SDK and wallets export it.
//!
//! The key is in one heap allocation that is wiped when dropped. It is never cloned and never printed.

use std::fmt;

use zeroize::Zeroizing;

use crate::text::secret::holds_phrase;

/// The bytes of a key.
const KEY_BYTES: usize = 32;

/// A private key; wiped when dropped, redacted when printed. Whether the curve has it is known once a
/// wallet is made of it.
pub struct PrivateKey(Box<Zeroizing<[u8; KEY_BYTES]>>);

/// Why a text is not a private key. No digit is ever named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("there is nothing in it")]
    Empty,
    #[error(
        "it is a seed phrase, which is not shown; name its file in seed_phrase_file, and remove \
         private_key_file"
    )]
    SeedPhrase,
    #[error(
        "it has {found} characters; a private key has 64 hexadecimal digits, after 0x or alone"
    )]
    Length { found: usize },
    /// Positions count from 1, without `0x`.
    #[error("character {position} is not a hexadecimal digit")]
    Digit { position: usize },
}

impl PrivateKey {
    /// Reads 64 hexadecimal digits, with or without `0x`; white space around them does not matter.
    ///
    /// # Errors
    /// Another number of characters, or one that is not a digit.
    pub fn parse(text: &str) -> Result<PrivateKey, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if holds_phrase(text) {
            return Err(KeyError::SeedPhrase);
        }
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let digits = digits.unwrap_or(text);
        let found = digits.chars().count();
        if found != 2 * KEY_BYTES {
            return Err(KeyError::Length { found });
        }
        // why: filled in place, so that no copy stays on the stack
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        for (at, digit) in digits.chars().enumerate() {
            let position = at + 1;
            let digit = digit.to_digit(16).ok_or(KeyError::Digit { position })?;
            if let (Some(byte), Ok(digit)) = (key.get_mut(at / 2), u8::try_from(digit)) {
                *byte = *byte << 4 | digit;
            }
        }
        Ok(PrivateKey(key))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    #[test]
    fn digits_are_read_with_and_without_their_mark() {
        let bytes = PrivateKey::parse(DIGITS).unwrap();
        assert_eq!(bytes.bytes()[..4], [0x00, 0x11, 0x22, 0x33]);
        assert_eq!(bytes.bytes()[15..18], [0xff, 0x00, 0x11]);
        for text in [
            format!("0x{DIGITS}\n"),
            format!(" 0X{}\r\n", DIGITS.to_lowercase()),
        ] {
            assert_eq!(PrivateKey::parse(&text).unwrap().bytes(), bytes.bytes());
        }
        assert_eq!(format!("{bytes:?}"), "PrivateKey(…)");
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        let words = "test test test test test test test test test test test junk";
        for (text, expected) in [
            ("\n", KeyError::Empty),
            (words, KeyError::SeedPhrase),
            (&DIGITS[1..], KeyError::Length { found: 63 }),
            (
                &DIGITS.replacen('4', "g", 1),
                KeyError::Digit { position: 9 },
            ),
            (
                &DIGITS.replacen('4', "\u{e9}", 1),
                KeyError::Digit { position: 9 },
            ),
            (&format!("0x{DIGITS}00"), KeyError::Length { found: 66 }),
        ] {
            let error = PrivateKey::parse(text).unwrap_err();
            assert_eq!(error, expected);
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("0011") && !shown.contains("junk"),
                "{shown}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in any::<String>()) {
            let _ = PrivateKey::parse(&text);
        }
    }
}
