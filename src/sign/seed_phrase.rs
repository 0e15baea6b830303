//! The wallet's seed phrase, and whether a text is a valid one.
//!
//! The phrase is in one heap allocation that is wiped when dropped. It is never cloned and never
//! printed: errors name a word's position, not the word.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use crate::text::secret::is_key;

/// Room for a phrase on one line; 24 words take at most 215 bytes.
const PHRASE_BYTES: usize = 256;

/// A valid BIP-39 phrase of 12 to 24 English words; wiped when dropped, redacted when printed.
pub struct SeedPhrase(Box<Mnemonic>);

/// Why a text is not a valid seed phrase. Positions count from 1; no word is ever named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    #[error("there are no words in it")]
    Empty,
    #[error(
        "it is a private key (64 hexadecimal digits), which is not shown; name its file in \
         private_key_file, or write the 12 to 24 words of the wallet instead"
    )]
    PrivateKey,
    #[error("it has {found} words; a seed phrase has 12, 15, 18, 21 or 24")]
    WordCount { found: usize },
    #[error(
        "word {position} is not in the BIP-39 English word list; look for a typing mistake there"
    )]
    UnknownWord { position: usize },
    #[error(
        "each word is valid but the phrase as a whole is not (its checksum is wrong): one word is \
         wrong, or two words are swapped"
    )]
    Checksum,
}

impl SeedPhrase {
    /// Reads a phrase; case, and white space around and between words, do not matter.
    ///
    /// # Errors
    /// A private key, a wrong number of words, a word that is not in the list, a wrong checksum.
    pub fn parse(text: &str) -> Result<SeedPhrase, PhraseError> {
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        if lower.trim().is_empty() {
            return Err(PhraseError::Empty);
        }
        if is_key(&lower) {
            return Err(PhraseError::PrivateKey);
        }
        let parsed = SeedPhrase::parse_lower(&lower);
        wipe_stack();
        match parsed {
            Ok(phrase) => Ok(phrase),
            Err(bip39::Error::BadWordCount(found)) => Err(PhraseError::WordCount { found }),
            Err(bip39::Error::UnknownWord(index)) => {
                let position = index + 1;
                Err(PhraseError::UnknownWord { position })
            }
            // The other kinds are about entropy and languages, which do not occur here.
            Err(_) => Err(PhraseError::Checksum),
        }
    }

    #[inline(never)] // why: its stack is wiped once it has returned
    fn parse_lower(text: &str) -> Result<SeedPhrase, bip39::Error> {
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, text)?;
        Ok(SeedPhrase(Box::new(mnemonic)))
    }

    /// The phrase of these random bytes: 16, 20, 24, 28 or 32 of them.
    pub(crate) fn from_entropy(entropy: &[u8]) -> Result<SeedPhrase, bip39::Error> {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy)?;
        Ok(SeedPhrase(Box::new(mnemonic)))
    }

    /// The phrase on one line, for the wallet's owner.
    pub(crate) fn to_words(&self) -> Zeroizing<String> {
        // Allocated whole: a text that grows leaves copies behind.
        let mut words = Zeroizing::new(String::with_capacity(PHRASE_BYTES));
        for word in self.0.words() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        words
    }

    /// The BIP-39 seed of the phrase, with no passphrase, as Cosmos wallets do.
    pub fn to_seed(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.0.to_seed_normalized(""))
    }
}

/// Overwrites the stack that a finished call has used: libraries leave copies of the entropy and of
/// the key there, and a later move of a value with unused bytes would copy them to the heap.
#[inline(never)]
pub(super) fn wipe_stack() {
    std::hint::black_box(&mut [0_u8; 16 * 1024]);
}

impl fmt::Debug for SeedPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedPhrase(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::ZeroizeOnDrop;

    const WORDS: &str = "test test test test test test test test test test test junk";

    #[test]
    fn white_space_and_case_do_not_matter() {
        let plain = SeedPhrase::parse(WORDS).unwrap();
        let spaced = format!("\n\t{}\r\n", WORDS.replace(' ', "  \n").to_uppercase());
        assert_eq!(
            SeedPhrase::parse(&spaced).unwrap().to_seed(),
            plain.to_seed()
        );
    }

    #[test]
    fn mistakes_are_reported_by_position_and_never_by_word() {
        let parse = |text: &str| SeedPhrase::parse(text).unwrap_err();
        assert_eq!(parse(" \n"), PhraseError::Empty);
        assert_eq!(parse("test junk"), PhraseError::WordCount { found: 2 });
        let unknown = WORDS.replacen("test test", "test secretword", 1);
        assert_eq!(parse(&unknown), PhraseError::UnknownWord { position: 2 });
        assert!(!format!("{0} {0:?}", parse(&unknown)).contains("secretword"));
        assert_eq!(parse(&WORDS.replace("junk", "test")), PhraseError::Checksum);
        let swapped = "junk test test test test test test test test test test test";
        assert_eq!(parse(swapped), PhraseError::Checksum);
    }

    #[test]
    fn the_seed_phrase_is_wiped_and_never_printed() {
        fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<Mnemonic>();
        wiped::<Zeroizing<String>>();
        let phrase = SeedPhrase::parse(WORDS).unwrap();
        assert!(!format!("{phrase:?}").contains("test"));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in any::<String>()) {
            let _ = SeedPhrase::parse(&text);
        }
    }
}
