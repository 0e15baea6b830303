//! The wallet's seed phrase: where it comes from, whether its file is safe, whether it is valid.
//!
//! The phrase is in one heap allocation that is wiped when dropped. It is never cloned and never
//! printed: errors name a word's position, not the word.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use crate::sign::secret_file::{read_secret, shell_word};
use crate::text::secret::{is_key, shown_path};

/// The credential's name in the service manager's folder.
pub const CREDENTIAL_NAME: &str = "seed_phrase";

/// The largest seed phrase file; 24 words take at most 215 bytes.
const FILE_BYTES_MAX: usize = 4_096;

/// Mode bits that give other users access.
const OTHERS_MODE: u32 = 0o077;

/// A valid BIP-39 phrase of 12 to 24 English words; wiped when dropped, redacted when printed.
pub struct SeedPhrase(Box<Mnemonic>);

/// Why a text is not a valid seed phrase. Positions count from 1; no word is ever named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    #[error("there are no words in it")]
    Empty,
    #[error(
        "it is a private key (64 hexadecimal digits), which is not shown; write the 12 to 24 words of \
         the wallet instead, or make a new wallet with `allora-worker keygen --out FILE`"
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
        let mut words = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
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

/// What the configuration says about the seed phrase.
pub struct PhraseSettings {
    /// `seed_phrase_file`, made absolute or relative to the working directory.
    pub file: Option<PathBuf>,
    /// `seed_phrase`; `None` when empty.
    pub words: Option<Zeroizing<String>>,
}

impl fmt::Debug for PhraseSettings {
    /// Leaves out the seed phrase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhraseSettings")
            .field("file", &self.file)
            .field("words", &self.words.as_ref().map(|_| "…"))
            .finish()
    }
}

/// Where a seed phrase was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhraseSource {
    /// The service manager's credential, whose mode is not checked.
    Credential(PathBuf),
    /// The file that `seed_phrase_file` names.
    File(PathBuf),
    /// The configuration file itself.
    Config,
}

impl PhraseSource {
    /// The setting to look at when something is wrong.
    pub fn key(&self) -> &'static str {
        match self {
            PhraseSource::Credential(_) => "$CREDENTIALS_DIRECTORY/seed_phrase",
            PhraseSource::File(_) => "seed_phrase_file",
            PhraseSource::Config => "seed_phrase",
        }
    }
}

impl fmt::Display for PhraseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PhraseSource::Credential(path) => write!(f, "the credential {}", shown_path(path)),
            PhraseSource::File(path) => write!(f, "the file {}", shown_path(path)),
            PhraseSource::Config => f.write_str("the configuration file"),
        }
    }
}

/// Why there is no usable seed phrase.
#[derive(Debug, thiserror::Error)]
pub enum SeedPhraseError {
    /// None of the three places has one.
    #[error(
        "no seed phrase: fill in the words of a funded wallet, or name a file that holds them in \
         `seed_phrase_file` (`make demo` needs neither words nor a URL)"
    )]
    Missing,
    #[error("{origin} can't be read")]
    Read {
        origin: PhraseSource,
        source: io::Error,
    },
    /// Its mode gives other users access.
    #[error("{path} is open to other users (mode {mode:04o}); type: chmod 600 {word}",
        path = shown_path(path), word = shell_word(path))]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{origin} holds no valid seed phrase")]
    Phrase {
        origin: PhraseSource,
        source: PhraseError,
    },
}

impl SeedPhraseError {
    /// The setting that the error is about.
    pub fn key(&self) -> &'static str {
        match self {
            SeedPhraseError::Missing => "seed_phrase",
            SeedPhraseError::Exposed { .. } => "seed_phrase_file",
            SeedPhraseError::Read { origin, .. } | SeedPhraseError::Phrase { origin, .. } => {
                origin.key()
            }
        }
    }
}

/// Finds and reads the seed phrase: the credential `seed_phrase` of the service manager, then
/// `seed_phrase_file`, then `seed_phrase`. The first that is there counts, even if it is wrong.
///
/// # Errors
/// No phrase anywhere, a file that can't be read or is open to others, an invalid phrase.
pub fn load(
    credentials_directory: Option<&Path>,
    settings: &PhraseSettings,
) -> Result<(SeedPhrase, PhraseSource), SeedPhraseError> {
    let (text, origin) = find(credentials_directory, settings)?;
    match SeedPhrase::parse(&text) {
        Ok(phrase) => Ok((phrase, origin)),
        Err(source) => Err(SeedPhraseError::Phrase { origin, source }),
    }
}

fn find(
    credentials_directory: Option<&Path>,
    settings: &PhraseSettings,
) -> Result<(Zeroizing<String>, PhraseSource), SeedPhraseError> {
    if let Some(folder) = credentials_directory {
        let path = folder.join(CREDENTIAL_NAME);
        let read = read_secret(&path, FILE_BYTES_MAX);
        let origin = PhraseSource::Credential(path);
        match read {
            Ok((text, _)) => return Ok((text, origin)),
            // The service manager may provide other credentials only.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SeedPhraseError::Read { origin, source }),
        }
    }
    if let Some(path) = settings.file.clone() {
        let text = read_file(&path)?;
        return Ok((text, PhraseSource::File(path)));
    }
    let words = settings.words.clone().ok_or(SeedPhraseError::Missing)?;
    Ok((words, PhraseSource::Config))
}

/// Reads the seed phrase of another account from a file of its own.
///
/// # Errors
/// A file that can't be read or is open to others, an invalid phrase.
pub fn load_file(path: &Path) -> Result<SeedPhrase, SeedPhraseError> {
    let text = read_file(path)?;
    SeedPhrase::parse(&text).map_err(|source| SeedPhraseError::Phrase {
        origin: PhraseSource::File(path.to_owned()),
        source,
    })
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, SeedPhraseError> {
    match read_secret(path, FILE_BYTES_MAX) {
        Ok((_, mode)) if mode & OTHERS_MODE != 0 => Err(SeedPhraseError::Exposed {
            path: path.to_owned(),
            mode,
        }),
        Ok((text, _)) => Ok(text),
        Err(source) => Err(SeedPhraseError::Read {
            origin: PhraseSource::File(path.to_owned()),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::error::Error as _;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use zeroize::ZeroizeOnDrop;

    const WORDS: &str = "test test test test test test test test test test test junk";

    const NOTHING: PhraseSettings = PhraseSettings {
        file: None,
        words: None,
    };

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

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
    fn a_private_key_in_its_place_is_named_and_not_shown() {
        let key = "00112233445566778899aabbccddeeff".repeat(2);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        let mut settings = NOTHING;
        for text in [key.clone(), format!("0x{}\n", key.to_uppercase())] {
            write(&file, &text, 0o600);
            settings.file = Some(file.clone());
            let in_file = load(None, &settings).unwrap_err();
            let in_config = PhraseSettings {
                file: None,
                words: Some(Zeroizing::new(text)),
            };
            for error in [in_file, load(None, &in_config).unwrap_err()] {
                let cause = error.source().unwrap().to_string();
                assert!(cause.starts_with("it is a private key (64"), "{cause}");
                let shown = format!("{error} {error:?} {cause}").to_lowercase();
                assert!(!shown.contains("0011"), "{shown}");
            }
        }
        let short = SeedPhrase::parse(&key[1..]).unwrap_err();
        assert_eq!(short, PhraseError::WordCount { found: 1 });
    }

    #[test]
    fn the_seed_phrase_is_wiped_and_never_printed() {
        fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<Mnemonic>();
        wiped::<Zeroizing<String>>();
        let phrase = SeedPhrase::parse(WORDS).unwrap();
        assert!(!format!("{phrase:?}").contains("test"));
        let mut settings = NOTHING;
        settings.words = Some(Zeroizing::new(WORDS.to_owned()));
        assert!(!format!("{settings:?}").contains("test"));
    }

    #[test]
    fn the_credential_comes_first_then_the_file_then_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = NOTHING;
        settings.words = Some(Zeroizing::new(WORDS.to_owned()));
        let (_, origin) = load(Some(folder.path()), &settings).unwrap();
        assert_eq!(origin, PhraseSource::Config);

        let file = folder.path().join("words");
        write(&file, WORDS, 0o400);
        settings.file = Some(file.clone());
        let (_, origin) = load(Some(folder.path()), &settings).unwrap();
        assert_eq!(origin, PhraseSource::File(file));

        let credential = folder.path().join(CREDENTIAL_NAME);
        write(&credential, &format!("\u{feff}{WORDS}\n"), 0o444);
        let (_, origin) = load(Some(folder.path()), &settings).unwrap();
        assert_eq!(origin, PhraseSource::Credential(credential));
    }

    #[test]
    fn a_missing_seed_phrase_is_an_error_that_says_where_to_put_it() {
        let error = load(None, &NOTHING).unwrap_err();
        assert!(matches!(error, SeedPhraseError::Missing));
        assert_eq!(error.key(), "seed_phrase");
        assert!(error.to_string().contains("make demo"));
    }

    #[test]
    fn a_file_that_others_can_open_is_refused_with_what_to_type() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = NOTHING;
        let file = folder.path().join("my words");
        settings.file = Some(file.clone());
        for mode in [0o640, 0o604, 0o610, 0o602] {
            write(&file, WORDS, mode);
            let error = load(None, &settings).unwrap_err();
            assert!(matches!(error, SeedPhraseError::Exposed { .. }), "{mode:o}");
            let hint = format!("chmod 600 '{}'", file.display());
            assert!(error.to_string().contains(&hint), "{error}");
        }
        write(&file, WORDS, 0o600);
        assert!(load(None, &settings).is_ok());
    }

    #[test]
    fn files_that_hold_no_phrase_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = NOTHING;
        let error_for = |settings: &PhraseSettings| load(None, settings).unwrap_err();
        settings.file = Some(folder.path().join("absent"));
        assert!(matches!(error_for(&settings), SeedPhraseError::Read { .. }));
        settings.file = Some(folder.path().to_owned());
        let error = error_for(&settings);
        let cause = error.source().unwrap().to_string();
        assert!(
            cause.contains("it is a folder; Docker makes one"),
            "{cause}"
        );

        let file = folder.path().join("words");
        settings.file = Some(file.clone());
        write(&file, &"a".repeat(FILE_BYTES_MAX + 1), 0o600);
        let error = error_for(&settings);
        assert_eq!(
            error.source().unwrap().to_string(),
            "it is larger than 4096 bytes"
        );
        write(&file, &" ".repeat(FILE_BYTES_MAX), 0o600);
        let error = error_for(&settings);
        assert_eq!(error.key(), "seed_phrase_file");
        assert!(matches!(
            error,
            SeedPhraseError::Phrase {
                source: PhraseError::Empty,
                ..
            }
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in any::<String>()) {
            let _ = SeedPhrase::parse(&text);
        }
    }
}
