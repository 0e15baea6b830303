//! Where the wallet's secret comes from, a seed phrase or a private key, and whether its file is safe.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::sign::private_key::{KeyError, PrivateKey};
use crate::sign::secret_file::{read_secret, shell_word};
use crate::sign::seed_phrase::{PhraseError, SeedPhrase};
use crate::text::secret::shown_path;

/// The credentials' names in the service manager's folder.
pub const PHRASE_CREDENTIAL: &str = "seed_phrase";
/// The same of the account for the fees.
const FEE_CREDENTIAL: &str = "fee_seed_phrase";
pub const KEY_CREDENTIAL: &str = "private_key";

/// The largest file with a secret, in bytes.
const FILE_BYTES_MAX: usize = 4_096;

/// Mode bits that give other users access.
const OTHERS_MODE: u32 = 0o077;

/// What a wallet is made of. To be dropped as soon as the wallet is made.
#[derive(Debug)]
pub enum WalletSecret {
    Phrase(SeedPhrase),
    Key(PrivateKey),
}

/// What the configuration says about the secret.
#[derive(Default)]
pub struct SecretSettings {
    /// `seed_phrase_file`, made absolute or relative to the working directory.
    pub phrase_file: Option<PathBuf>,
    /// `private_key_file`, the same.
    pub key_file: Option<PathBuf>,
    /// `seed_phrase`; `None` when empty.
    pub words: Option<Zeroizing<String>>,
}

impl fmt::Debug for SecretSettings {
    /// Leaves out the seed phrase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSettings")
            .field("phrase_file", &self.phrase_file)
            .field("key_file", &self.key_file)
            .field("words", &self.words.as_ref().map(|_| "…"))
            .finish()
    }
}

/// Where a secret was found. The mode of a service manager's credential is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The credential `seed_phrase`.
    PhraseCredential(PathBuf),
    /// The credential `private_key`.
    KeyCredential(PathBuf),
    /// The file that `seed_phrase_file` names.
    PhraseFile(PathBuf),
    /// The file that `private_key_file` names.
    KeyFile(PathBuf),
    /// The seed phrase in the configuration file itself.
    Config,
}

impl SecretSource {
    /// The setting to look at when something is wrong.
    pub fn key(&self) -> &'static str {
        match self {
            SecretSource::PhraseCredential(_) => "$CREDENTIALS_DIRECTORY/seed_phrase",
            SecretSource::KeyCredential(_) => "$CREDENTIALS_DIRECTORY/private_key",
            SecretSource::PhraseFile(_) => "seed_phrase_file",
            SecretSource::KeyFile(_) => "private_key_file",
            SecretSource::Config => "seed_phrase",
        }
    }

    /// `seed_phrase` or `private_key`.
    pub fn kind(&self) -> &'static str {
        match self {
            SecretSource::KeyCredential(_) | SecretSource::KeyFile(_) => KEY_CREDENTIAL,
            _ => PHRASE_CREDENTIAL,
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::PhraseCredential(path) | SecretSource::KeyCredential(path) => {
                write!(f, "the credential {}", shown_path(path))
            }
            SecretSource::PhraseFile(path) | SecretSource::KeyFile(path) => {
                write!(f, "the file {}", shown_path(path))
            }
            SecretSource::Config => f.write_str("the configuration file"),
        }
    }
}

/// Why there is no usable secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// None of the places has one.
    #[error(
        "no seed phrase: fill in the seed phrase of a funded wallet, or name its file in \
         `seed_phrase_file`; for a private key, name its file in `private_key_file` (`make demo` needs \
         neither a wallet nor a URL)"
    )]
    Missing,
    /// The service manager passes a seed phrase and a private key.
    #[error(
        "the service manager passes a seed phrase too, which may be of another wallet; remove one of \
         the two credentials"
    )]
    Two { second: SecretSource },
    #[error("{origin} can't be read")]
    Read {
        origin: SecretSource,
        source: io::Error,
    },
    /// Its mode gives other users access.
    #[error("{path} is open to other users (mode {mode:04o}); type: chmod 600 {word}",
        path = shown_path(path), word = shell_word(path))]
    Exposed {
        origin: SecretSource,
        path: PathBuf,
        mode: u32,
    },
    #[error("{origin} holds no valid seed phrase")]
    Phrase {
        origin: SecretSource,
        source: PhraseError,
    },
    #[error("{origin} holds no private key")]
    Key {
        origin: SecretSource,
        source: KeyError,
    },
}

impl SecretError {
    /// The setting that the error is about.
    pub fn key(&self) -> &'static str {
        match self {
            SecretError::Missing => "seed_phrase",
            SecretError::Two { second: origin }
            | SecretError::Exposed { origin, .. }
            | SecretError::Read { origin, .. }
            | SecretError::Phrase { origin, .. }
            | SecretError::Key { origin, .. } => origin.key(),
        }
    }
}

/// Finds and reads the secret: the service manager's credential `seed_phrase` or `private_key`, then
/// `seed_phrase_file` or `private_key_file`, then `seed_phrase`. The first that is there counts, even
/// if it is wrong.
///
/// # Errors
/// No secret anywhere, both credentials, a file that can't be read or is open to others, an invalid
/// phrase or key.
pub fn load(
    credentials_directory: Option<&Path>,
    settings: &SecretSettings,
) -> Result<(WalletSecret, SecretSource), SecretError> {
    let (text, origin) = find(credentials_directory, settings)?;
    if origin.kind() == KEY_CREDENTIAL {
        match PrivateKey::parse(&text) {
            Ok(key) => Ok((WalletSecret::Key(key), origin)),
            Err(source) => Err(SecretError::Key { origin, source }),
        }
    } else {
        match SeedPhrase::parse(&text) {
            Ok(phrase) => Ok((WalletSecret::Phrase(phrase), origin)),
            Err(source) => Err(SecretError::Phrase { origin, source }),
        }
    }
}

/// Reads the seed phrase of the account for the fees: the service manager's credential
/// `fee_seed_phrase`, or else this file.
///
/// # Errors
/// A file that can't be read or is open to others, an invalid phrase.
pub fn load_fee_phrase(
    credentials_directory: Option<&Path>,
    path: &Path,
) -> Result<SeedPhrase, SecretError> {
    let credential = credentials_directory.map(|folder| folder.join(FEE_CREDENTIAL));
    let of_credential = |path| of_credential(path, SecretSource::PhraseCredential);
    let found = credential.map(of_credential).transpose()?.flatten();
    let found = found.map_or_else(|| of_file(path.to_owned(), SecretSource::PhraseFile), Ok);
    let (text, origin) = found?;
    match SeedPhrase::parse(&text) {
        Ok(phrase) => Ok(phrase),
        Err(source) => Err(SecretError::Phrase { origin, source }),
    }
}

/// The text of a secret, wiped when dropped, and where it was.
type Found = (Zeroizing<String>, SecretSource);

fn find(
    credentials_directory: Option<&Path>,
    settings: &SecretSettings,
) -> Result<Found, SecretError> {
    if let Some(folder) = credentials_directory
        && let Some(found) = of_credentials(folder)?
    {
        return Ok(found);
    }
    if let Some(path) = settings.phrase_file.clone() {
        return of_file(path, SecretSource::PhraseFile);
    }
    if let Some(path) = settings.key_file.clone() {
        return of_file(path, SecretSource::KeyFile);
    }
    let words = settings.words.clone().ok_or(SecretError::Missing)?;
    Ok((words, SecretSource::Config))
}

/// The credential, if the service manager passes one: it may provide others only.
fn of_credentials(folder: &Path) -> Result<Option<Found>, SecretError> {
    let phrase = folder.join(PHRASE_CREDENTIAL);
    let phrase = of_credential(phrase, SecretSource::PhraseCredential)?;
    let key = folder.join(KEY_CREDENTIAL);
    match (phrase, of_credential(key, SecretSource::KeyCredential)?) {
        (Some(_), Some((_, second))) => Err(SecretError::Two { second }),
        (phrase, key) => Ok(phrase.or(key)),
    }
}

fn of_credential(
    path: PathBuf,
    origin: fn(PathBuf) -> SecretSource,
) -> Result<Option<Found>, SecretError> {
    let read = read_secret(&path, FILE_BYTES_MAX);
    let origin = origin(path);
    match read {
        Ok((text, _)) => Ok(Some((text, origin))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SecretError::Read { origin, source }),
    }
}

fn of_file(path: PathBuf, origin: fn(PathBuf) -> SecretSource) -> Result<Found, SecretError> {
    let read = read_secret(&path, FILE_BYTES_MAX);
    let origin = origin(path.clone());
    match read {
        Ok((_, mode)) if mode & OTHERS_MODE != 0 => {
            Err(SecretError::Exposed { origin, path, mode })
        }
        Ok((text, _)) => Ok((text, origin)),
        Err(source) => Err(SecretError::Read { origin, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WORDS: &str = "test test test test test test test test test test test junk";
    const KEY: &str = "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_private_key_comes_from_its_credential_or_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        write(&file, &format!("{KEY}\n"), 0o600);
        let settings = SecretSettings {
            key_file: Some(file.clone()),
            ..SecretSettings::default()
        };
        let (secret, origin) = load(Some(folder.path()), &settings).unwrap();
        assert!(matches!(secret, WalletSecret::Key(_)));
        assert_eq!(
            (origin.kind(), origin.key()),
            ("private_key", "private_key_file")
        );
        assert_eq!(origin, SecretSource::KeyFile(file.clone()));

        let credential = folder.path().join(KEY_CREDENTIAL);
        write(&credential, KEY, 0o440);
        let (_, origin) = load(Some(folder.path()), &settings).unwrap();
        assert_eq!(origin, SecretSource::KeyCredential(credential));
        write(&folder.path().join(PHRASE_CREDENTIAL), WORDS, 0o440);
        let error = load(Some(folder.path()), &settings).unwrap_err();
        assert!(matches!(error, SecretError::Two { .. }), "{error}");
    }

    #[test]
    fn a_file_that_holds_no_private_key_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let settings = SecretSettings {
            key_file: Some(file.clone()),
            ..SecretSettings::default()
        };
        let short = &KEY[..40];
        for (text, cause) in [
            (
                WORDS,
                "it is a seed phrase, which is not shown; name its file in seed_phrase_file",
            ),
            (short, "it has 38 characters; a private key has 64"),
        ] {
            write(&file, text, 0o600);
            let error = load(None, &settings).unwrap_err();
            assert_eq!(error.key(), "private_key_file");
            assert!(
                error.to_string().ends_with("key holds no private key"),
                "{error}"
            );
            let source = error.source().unwrap().to_string();
            assert!(source.starts_with(cause), "{source}");
            let shown = format!("{error:?}");
            assert!(
                !shown.contains("junk") && !shown.contains("0011"),
                "{shown}"
            );
        }
        write(&file, KEY, 0o640);
        let error = load(None, &settings).unwrap_err();
        assert_eq!(error.key(), "private_key_file");
        assert!(error.to_string().contains("; type: chmod 600 "), "{error}");
    }

    #[test]
    fn the_settings_are_not_printed() {
        let settings = SecretSettings {
            words: Some(Zeroizing::new(WORDS.to_owned())),
            ..SecretSettings::default()
        };
        assert!(!format!("{settings:?}").contains("test"));
    }

    #[test]
    fn a_private_key_in_its_place_is_named_and_not_shown() {
        let key = "00112233445566778899aabbccddeeff".repeat(2);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        let mut settings = SecretSettings::default();
        for text in [key.clone(), format!("0x{}\n", key.to_uppercase())] {
            write(&file, &text, 0o600);
            settings.phrase_file = Some(file.clone());
            let in_file = load(None, &settings).unwrap_err();
            let in_config = SecretSettings {
                words: Some(Zeroizing::new(text)),
                ..SecretSettings::default()
            };
            for error in [in_file, load(None, &in_config).unwrap_err()] {
                let cause = error.source().unwrap().to_string();
                assert!(cause.starts_with("it is a private key (64"), "{cause}");
                let shown = format!("{error} {error:?} {cause}").to_lowercase();
                assert!(!shown.contains("0011"), "{shown}");
            }
        }
    }

    /// A credential is readable for its group, a file of the operator must not be.
    #[test]
    fn the_phrase_of_the_fees_comes_from_its_credential_or_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fees");
        let load = || load_fee_phrase(Some(folder.path()), &file).map(|_| ());
        let missing = load().unwrap_err();
        assert!(matches!(missing, SecretError::Read { .. }), "{missing}");
        write(&file, WORDS, 0o440);
        let open = load().unwrap_err();
        assert!(matches!(open, SecretError::Exposed { .. }), "{open}");
        write(&file, WORDS, 0o400);
        load().unwrap();
        write(&folder.path().join(FEE_CREDENTIAL), "no phrase", 0o440);
        assert!(matches!(load().unwrap_err(), SecretError::Phrase { .. }));
        write(&folder.path().join(FEE_CREDENTIAL), WORDS, 0o440);
        fs::remove_file(&file).unwrap();
        load().unwrap();
    }

    #[test]
    fn the_credential_comes_first_then_the_file_then_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = SecretSettings {
            words: Some(Zeroizing::new(WORDS.to_owned())),
            ..SecretSettings::default()
        };
        let (_, origin) = load(Some(folder.path()), &settings).unwrap();
        assert_eq!(origin, SecretSource::Config);

        let file = folder.path().join("words");
        write(&file, WORDS, 0o400);
        settings.phrase_file = Some(file.clone());
        let (_, origin) = load(Some(folder.path()), &settings).unwrap();
        assert_eq!(origin, SecretSource::PhraseFile(file));

        let credential = folder.path().join(PHRASE_CREDENTIAL);
        write(&credential, &format!("\u{feff}{WORDS}\n"), 0o444);
        let (_, origin) = load(Some(folder.path()), &settings).unwrap();
        assert_eq!(origin, SecretSource::PhraseCredential(credential));
    }

    #[test]
    fn a_missing_seed_phrase_is_an_error_that_says_where_to_put_it() {
        let error = load(None, &SecretSettings::default()).unwrap_err();
        assert!(matches!(error, SecretError::Missing));
        assert_eq!(error.key(), "seed_phrase");
        for place in ["`seed_phrase_file`", "`private_key_file`", "`make demo`"] {
            assert!(error.to_string().contains(place), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_open_is_refused_with_what_to_type() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = SecretSettings::default();
        let file = folder.path().join("my words");
        settings.phrase_file = Some(file.clone());
        for mode in [0o640, 0o604, 0o610, 0o602] {
            write(&file, WORDS, mode);
            let error = load(None, &settings).unwrap_err();
            assert!(matches!(error, SecretError::Exposed { .. }), "{mode:o}");
            let hint = format!("chmod 600 '{}'", file.display());
            assert!(error.to_string().contains(&hint), "{error}");
        }
        write(&file, WORDS, 0o600);
        assert!(load(None, &settings).is_ok());
    }

    #[test]
    fn files_that_hold_no_phrase_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = SecretSettings::default();
        let error_for = |settings: &SecretSettings| load(None, settings).unwrap_err();
        settings.phrase_file = Some(folder.path().join("absent"));
        assert!(matches!(error_for(&settings), SecretError::Read { .. }));
        settings.phrase_file = Some(folder.path().to_owned());
        let error = error_for(&settings);
        let cause = error.source().unwrap().to_string();
        assert!(
            cause.contains("it is a folder; Docker makes one"),
            "{cause}"
        );

        let file = folder.path().join("words");
        settings.phrase_file = Some(file.clone());
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
            SecretError::Phrase {
                source: PhraseError::Empty,
                ..
            }
        ));
    }
}
