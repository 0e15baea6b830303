//! Recognises a seed phrase or a private key in a text that should be something else. An operator
//! who confuses two settings must not find the wallet in a log or a terminal's history.

use std::ffi::OsStr;
use std::path::Path;

use bip39::Language;

use crate::text::escaped;

/// What is shown instead of a text that looks like a secret.
pub const HIDDEN: &str = "(not shown: it looks like a seed phrase or a private key)";

/// How many words in a row are looked at together: fewer than the 12 of the shortest seed phrase,
/// so that an incomplete one is recognised too.
const WORDS_IN_A_ROW: u32 = 10;
/// How many of them must be in the BIP-39 list: the rest may be misspelt.
const KNOWN_WORDS_MIN: u32 = 8;
/// Letters of the longest word in the list.
const WORD_LETTERS_MAX: usize = 8;
/// The first letters of a word, which no other word in the list has. Some write down only these.
const WORD_START: usize = 4;
/// Hexadecimal digits of a private key.
const KEY_DIGITS: usize = 64;

/// Whether a text holds what looks like a seed phrase, or is one private key.
pub fn is_secret(text: &str) -> bool {
    holds_phrase(text) || is_key(text)
}

/// Whether `KNOWN_WORDS_MIN` of `WORDS_IN_A_ROW` words are in the BIP-39 list. Case, and what
/// stands between the words, do not matter.
pub fn holds_phrase(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    let mut known = 0_u32; // one bit per word
    words.filter(|word| !word.is_empty()).any(|word| {
        known = (known << 1 | u32::from(is_word(word))) & ((1 << WORDS_IN_A_ROW) - 1);
        known.count_ones() >= KNOWN_WORDS_MIN
    })
}

/// Whether this may be a word of a seed phrase.
pub fn is_word(word: &str) -> bool {
    // A buffer on the stack: no copies of the words stay on the heap.
    let mut buffer = [0; WORD_LETTERS_MAX];
    let Some(lower) = buffer.get_mut(..word.len()) else {
        return false;
    };
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    let Ok(word) = str::from_utf8(lower) else {
        return false;
    };
    let words = Language::English;
    words.find_word(word).is_some()
        || word.len() == WORD_START && words.words_by_prefix_iter(word).next().is_some()
}

/// Whether the text is `KEY_DIGITS` hexadecimal digits, with or without `0x` and separators.
pub fn is_key(text: &str) -> bool {
    let is_separator = |c: char| c.is_whitespace() || ",:;-_".contains(c);
    let text = text.trim_matches(is_separator);
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let mut digits = digits.unwrap_or(text).chars().filter(|c| !is_separator(*c));
    let count = digits.try_fold(0, |count, c| c.is_ascii_hexdigit().then_some(count + 1));
    count == Some(KEY_DIGITS)
}

/// The text, or [`HIDDEN`].
pub fn unless_secret(text: &str) -> &str {
    if is_secret(text) { HIDDEN } else { text }
}

/// A path for people, or [`HIDDEN`]: a setting or an argument that should name a file may hold the
/// secret itself.
pub fn shown_path(path: &Path) -> String {
    let is_secret = |part: &OsStr| is_secret(&part.to_string_lossy());
    if is_secret(path.as_os_str()) || path.iter().any(is_secret) {
        HIDDEN.to_owned()
    } else {
        escaped(&path.display().to_string()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str =
        "legal winner thank year wave sausage worth useful legal winner thank yellow";
    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    fn of_words(count: usize, separator: &str) -> String {
        let words: Vec<&str> = PHRASE.split(' ').cycle().take(count).collect();
        words.join(separator)
    }

    #[test]
    fn a_phrase_is_recognised_in_any_spelling() {
        for count in [11, 12, 15, 18, 21, 24] {
            for separator in [" ", "\n", ", ", "-", "_", "%20", "\t", "/", "\" \"", " 7. "] {
                let text = of_words(count, separator);
                assert!(is_secret(&text), "{count} words and {separator:?}");
                assert!(is_secret(&text.to_uppercase()), "upper case");
                assert!(is_secret(&format!("/home/me/{text}.txt")), "in a path");
            }
        }
        let words: Vec<&str> = PHRASE.split(' ').collect();
        for at in 0..words.len() {
            for wrong in ["wrongword", "ye4r", "\u{fc}ber", "", "x y"] {
                let mut words = words.clone();
                words[at] = wrong;
                assert!(is_secret(&words.join(" ")), "{wrong:?} at {at}");
            }
        }
        let starts: Vec<&str> = words.iter().map(|word| &word[..4]).collect();
        assert!(is_secret(&starts.join(" ")), "the words' first letters");
    }

    #[test]
    fn a_private_key_is_recognised() {
        for text in [
            KEY.to_owned(),
            format!(" 0x{KEY}\n"),
            format!("--0x{KEY}"),
            KEY.to_lowercase(),
            format!("{} {}", &KEY[..32], &KEY[32..]),
        ] {
            assert!(is_secret(&text), "{text}");
        }
        for text in [&KEY[1..], &format!("{KEY}0"), &format!("{KEY}g"), "", "0x"] {
            assert!(!is_secret(text), "{text}");
        }
    }

    #[test]
    fn ordinary_values_are_shown() {
        for text in [
            "/home/ubuntu/projects/allora/worker/models/test/output/current/config.json",
            "https://allora-api.testnet.allora.network/",
            "http://localhost:8000/price/of/token/in/dollar?window=day&asset=ETH",
            "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8",
            "must be a whole number of uallo, or a text such as \"0.01 ALLO\"",
            "550e8400-e29b-41d4-a716-446655440000",
            "allora-testnet-1",
        ] {
            assert!(!is_secret(text), "{text}");
        }
        let volume = format!("/var/lib/docker/volumes/{KEY}/_data/config.json");
        assert!(!is_secret(&volume), "a digest in a path is accepted");
    }

    #[test]
    fn a_path_that_holds_a_secret_is_not_shown() {
        for path in [
            PHRASE,
            KEY,
            &format!("./{KEY}"),
            &format!("{KEY}/seed_phrase"),
        ] {
            assert_eq!(shown_path(Path::new(path)), HIDDEN);
        }
        assert_eq!(shown_path(Path::new("/etc/words")), "/etc/words");
    }
}
