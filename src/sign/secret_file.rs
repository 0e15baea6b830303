//! Reading small files that may hold a secret: bounded, and without leaving copies behind.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::text::secret::shown_path;

/// Reads a small text file that may hold a secret: its text, wiped when dropped, and its
/// permission bits. A byte order mark at its start is removed.
///
/// # Errors
/// The system's; not a plain file, larger than `bytes_max`, not UTF-8.
pub(crate) fn read_secret(path: &Path, bytes_max: usize) -> io::Result<(Zeroizing<String>, u32)> {
    // Checked before opening: opening a named pipe would wait for a writer.
    check_is_file(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    check_is_file(&metadata)?;
    // Allocated whole: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 2));
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let text = format!("it is larger than {bytes_max} bytes");
        return Err(io::Error::other(text));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| io::Error::other(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mode = metadata.permissions().mode() & 0o7777;
    Ok((Zeroizing::new(text.to_owned()), mode))
}

fn check_is_file(metadata: &Metadata) -> io::Result<()> {
    let problem = if metadata.is_file() {
        return Ok(());
    } else if metadata.is_dir() {
        "it is a folder; Docker makes one where a mounted file is missing: remove the folder and put \
         the file there"
    } else {
        "it is not a plain file"
    };
    Err(io::Error::other(problem))
}

/// The path quoted for a shell where needed, for commands that the user may type.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = shown_path(path);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "\u{feff}abc").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let (text, mode) = read_secret(&path, 6).unwrap();
        assert_eq!((text.as_str(), mode), ("abc", 0o640));
        let error = read_secret(&path, 5).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 5 bytes");
    }

    #[test]
    fn only_text_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_secret(folder.path(), 9).unwrap_err();
        let cure = "it is a folder; Docker makes one where a mounted file is missing: remove the \
                    folder and put the file there";
        assert_eq!(error.to_string(), cure);
        let error = read_secret(Path::new("/dev/null"), 9).unwrap_err();
        assert_eq!(error.to_string(), "it is not a plain file");
        let path = folder.path().join("file");
        fs::write(&path, [b'a', 0xff]).unwrap();
        let error = read_secret(&path, 9).unwrap_err();
        assert_eq!(error.to_string(), "not UTF-8 at byte 1");
        let error = read_secret(&folder.path().join("absent"), 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn paths_are_quoted_for_a_shell_where_needed() {
        assert_eq!(
            shell_word(Path::new("/etc/a-b/c_1.json")),
            "/etc/a-b/c_1.json"
        );
        assert_eq!(shell_word(Path::new("a b'c")), r"'a b'\''c'");
    }
}
