//! Makes a new wallet: its seed phrase goes into a file that only its owner can read. The file must
//! not exist yet, so that no wallet is ever overwritten.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use crate::sign::secret_file::shell_word;
use crate::sign::seed_phrase::SeedPhrase;
use crate::sign::wallet::{Wallet, WalletError};

/// Bytes of entropy of the longest phrase.
const ENTROPY_BYTES_MAX: usize = 32;
/// Only the owner may read the seed phrase.
const MODE: u32 = 0o600;

/// How many words a phrase has: 12, 15, 18, 21 or 24, which is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordCount(usize);

impl Default for WordCount {
    fn default() -> WordCount {
        WordCount(24)
    }
}

impl WordCount {
    /// Reads a count; `None` if no phrase has it.
    pub fn parse(text: &str) -> Option<WordCount> {
        let count = text.parse().ok()?;
        let is_known = [12, 15, 18, 21, 24].contains(&count);
        is_known.then_some(WordCount(count))
    }

    /// Bytes of entropy: every three words carry 32 bits (BIP-39).
    fn entropy_bytes(self) -> usize {
        self.0 / 3 * 4
    }
}

/// Why there is no new wallet. The file does not exist afterwards, unless it did before.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    #[error(
        "{word} exists already and is never overwritten: name another file, or use the one that \
         is there",
        word = shell_word(path)
    )]
    Exists { path: PathBuf },
    #[error("{word} cannot be written", word = shell_word(path))]
    Write { path: PathBuf, source: io::Error },
    #[error("the system gives no random bytes")]
    Random { source: io::Error },
    #[error("try again")]
    Wallet(#[from] WalletError),
}

pub struct NewWallet {
    pub address: String,
    /// The seed phrase on one line; wiped when dropped.
    pub words: Zeroizing<String>,
}

/// Makes a wallet and writes its seed phrase to `path`; returns when the disk has it.
///
/// # Errors
/// The file exists already or cannot be written; no random bytes.
pub fn make(path: &Path, count: WordCount) -> Result<NewWallet, KeygenError> {
    let phrase = random_phrase(count).map_err(|source| KeygenError::Random { source })?;
    let address = Wallet::new(&phrase)?.address().to_owned();
    let words = phrase.to_words();
    write_new(path, &words)?;
    Ok(NewWallet { address, words })
}

fn random_phrase(count: WordCount) -> io::Result<SeedPhrase> {
    let mut buffer = Zeroizing::new([0; ENTROPY_BYTES_MAX]);
    let entropy = &mut buffer[..count.entropy_bytes()];
    let filled = retry_on_intr(|| getrandom(&mut *entropy, GetRandomFlags::empty()))?;
    // The system fills up to 256 bytes whole.
    if filled < entropy.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    SeedPhrase::from_entropy(entropy)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes a file that did not exist, and removes it again if it cannot be written whole.
fn write_new(path: &Path, words: &str) -> Result<(), KeygenError> {
    let cannot_write = |source: io::Error| KeygenError::Write {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(MODE);
    let file = options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeygenError::Exists {
            path: path.to_owned(),
        },
        _ => cannot_write(source),
    })?;
    fill(file, path, words).map_err(|source| {
        // Half a phrase is of no use and would block the next try.
        let _ = fs::remove_file(path);
        cannot_write(source)
    })
}

/// Writes the file and waits until the disk has it, its name in its folder included.
fn fill(mut file: File, path: &Path, words: &str) -> io::Result<()> {
    // A folder's default access list, or an unusual umask, may have given it another mode.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(words.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_seed_phrase_of_the_address_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        for count in [12, 15, 18, 21, 24] {
            let path = folder.path().join(count.to_string());
            let made = make(&path, WordCount::parse(&count.to_string()).unwrap()).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{}\n", *made.words));
            assert_eq!(text.split_whitespace().count(), count);
            let phrase = SeedPhrase::parse(&text).unwrap();
            assert_eq!(Wallet::new(&phrase).unwrap().address(), made.address);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, MODE);
        }
    }

    #[test]
    fn two_wallets_are_never_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name| make(&folder.path().join(name), WordCount::default()).unwrap();
        let (one, other) = (make("one"), make("other"));
        assert_ne!(one.address, other.address);
        let shared = one.words.split(' ').filter(|w| other.words.contains(w));
        assert!(shared.count() < 6, "hardly any word is in both");
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words");
        fs::write(&path, "mine").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        for path in [&path, &link, &folder.path().to_owned()] {
            let error = make(path, WordCount::default()).err().unwrap();
            assert!(matches!(error, KeygenError::Exists { .. }), "{error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert!(!folder.path().join("nowhere").exists());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/words");
        let error = make(&path, WordCount::default()).err().unwrap();
        let KeygenError::Write { source, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("absent/words"), "{error}");
    }

    #[test]
    fn invalid_word_counts_are_refused() {
        assert_eq!(WordCount::parse("12"), Some(WordCount(12)));
        for wrong in ["0", "13", "25", "-12", "12.0", "", "twelve"] {
            assert_eq!(WordCount::parse(wrong), None, "{wrong}");
        }
    }
}
