//! The binary as a file: its size, and whether it needs shared libraries.

use std::fs;
use std::io;
use std::path::Path;

/// The properties of a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    pub(super) bytes: u64,
    /// Whether the ELF header names no program interpreter, so that no libraries are loaded.
    pub(super) is_static: bool,
}

/// The type of the program header that names the interpreter, which loads shared libraries.
const PT_INTERP: u32 = 3;
/// Number of program headers that are read; a usual binary has about a dozen.
const HEADERS_MAX: usize = 128;

impl Binary {
    /// Reads the file.
    pub(super) fn of(path: &Path) -> io::Result<Binary> {
        let content = fs::read(path)?;
        Ok(Binary {
            bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
            is_static: has_interpreter(&content) == Some(false),
        })
    }
}

/// Whether a 64-bit little-endian ELF file names an interpreter; `None` for other files.
fn has_interpreter(elf: &[u8]) -> Option<bool> {
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let part = elf.get(at..at.checked_add(bytes)?)?;
        let number = part.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        usize::try_from(number).ok()
    };
    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let of = |index: usize| number(first.checked_add(index.checked_mul(size)?)?, 4);
    for index in 0..count.min(HEADERS_MAX) {
        if of(index)? == usize::try_from(PT_INTERP).ok()? {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(kinds: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (file[32], file[54], file[56]) = (64, 56, u8::try_from(kinds.len()).unwrap());
        for kind in kinds {
            let mut header = [0; 56];
            header[0] = *kind;
            file.extend_from_slice(&header);
        }
        file
    }

    #[test]
    fn an_interpreter_is_found() {
        assert_eq!(has_interpreter(&elf(&[1, 1, 2])), Some(false));
        assert_eq!(has_interpreter(&elf(&[6, 3, 1])), Some(true));
        assert_eq!(has_interpreter(&elf(&[1, 1])[..100]), None);
        assert_eq!(has_interpreter(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn a_script_is_not_static() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        let binary = Binary::of(&path).unwrap();
        assert_eq!((binary.bytes, binary.is_static), (10, false));
    }
}
