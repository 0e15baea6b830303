//! A log file of bounded size: one that would grow beyond its limit is renamed with a number, and
//! the last few of those are kept. `allora-worker.log` is the newest, then `.log.1`, `.log.2`.
//!
//! A full disk or a folder that was removed must not stop the worker, nor be reported with every
//! line. The libraries for this either panic in the middle of a write when the disk fails, or print
//! to standard error on each failure. Here a write never fails: the first error is handed over to
//! be logged elsewhere, and every line tries again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::text::secret::shown_path;
use crate::threads::lock;

/// The file's name.
const NAME: &str = "allora-worker.log";
/// A longer line is cut, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// The first error that the file had, until it is taken out to be logged.
pub(super) type RotateError = Arc<Mutex<Option<String>>>;

/// The file. Bytes are buffered until a line is complete; no line is split between two files.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    bytes_max: u64,
    files_kept: u32,
    file: Option<File>,
    /// The size of the file.
    bytes: u64,
    line: Vec<u8>,
    /// The file ends in the middle of a line.
    torn: bool,
    /// An error has been handed over.
    reported: bool,
    pub(super) error: RotateError,
}

impl RotatingFile {
    /// Opens the file in this folder, which is created if it is missing, and appends to it.
    pub(super) fn open(folder: &Path, bytes_max: u64, files_kept: u32) -> io::Result<RotatingFile> {
        let mut rotating = RotatingFile {
            path: folder.join(NAME),
            bytes_max,
            files_kept,
            file: None,
            bytes: 0,
            line: Vec::new(),
            torn: false,
            reported: false,
            error: RotateError::default(),
        };
        rotating.reopen()?;
        Ok(rotating)
    }

    /// Opens the newest file; other users may not read it.
    fn reopen(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        self.bytes = file.metadata()?.len();
        self.torn = self.bytes > 0 && !ends_with_newline(&mut file).unwrap_or(true);
        self.file = Some(file);
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    /// Renames the file to number 1, each older one to the next number, and opens a new one.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (1..self.files_kept).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        rename(&self.path, &self.numbered(1))?;
        // why: an earlier start may have been configured to keep more
        let mut surplus = self.files_kept.saturating_add(1);
        while fs::remove_file(self.numbered(surplus)).is_ok() {
            surplus = surplus.saturating_add(1);
        }
        self.reopen()
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let bytes = self.bytes.saturating_add(line.len() as u64);
        if self.file.is_none() {
            self.reopen()?;
        }
        if bytes > self.bytes_max && self.bytes > 0 {
            self.rotate()?;
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let line = if self.torn {
            &[b"\n", line].concat()
        } else {
            line
        };
        let written = file.write_all(line);
        self.torn = written.is_err();
        self.bytes = match written {
            Ok(()) => self.bytes.saturating_add(line.len() as u64),
            Err(_) => file.metadata()?.len(),
        };
        written
    }

    fn end_line(&mut self) {
        let mut line = mem::take(&mut self.line);
        if let Err(error) = self.write_line(&line)
            && !mem::replace(&mut self.reported, true)
        {
            let path = shown_path(&self.path);
            let text = format!(
                "the log file {path} can't be written: {error}; lines are missing there while \
                 that lasts"
            );
            *lock(&self.error) = Some(text);
        }
        line.clear();
        self.line = line;
    }
}

/// Renames a file, if there is one.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

impl Write for RotatingFile {
    /// Never fails; the first error of the disk is in [`RotatingFile::error`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            self.line.extend(text.iter().take(room));
            if text.len() < piece.len() {
                self.line.push(b'\n');
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const LINE: &str = "123456789\n";

    fn say(file: &mut RotatingFile, text: &str) {
        file.write_all(text.as_bytes()).unwrap();
    }

    fn read(folder: &Path, suffix: &str) -> String {
        fs::read_to_string(folder.join(format!("{NAME}{suffix}"))).unwrap_or_default()
    }

    #[test]
    fn a_full_file_is_rotated_and_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/logs");
        let mut file = RotatingFile::open(&path, 20, 2).unwrap();
        for number in 0..7 {
            say(&mut file, &format!("line {number:4}"));
            say(&mut file, "\n");
        }
        assert_eq!(read(&path, ""), "line    6\n");
        assert_eq!(read(&path, ".1"), "line    4\nline    5\n");
        assert_eq!(read(&path, ".2"), "line    2\nline    3\n");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
        for entry in fs::read_dir(&path).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(file.error.lock().unwrap().take(), None);
    }

    #[test]
    fn a_restart_appends_to_the_file_and_removes_surplus_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for number in 1..=5 {
            fs::write(path.join(format!("{NAME}.{number}")), "old\n").unwrap();
        }
        fs::write(path.join(NAME), "torn").unwrap();
        let mut file = RotatingFile::open(path, 20, 1).unwrap();
        say(&mut file, LINE);
        assert_eq!(read(path, ""), format!("torn\n{LINE}"));
        say(&mut file, LINE);
        assert_eq!(
            (read(path, "").as_str(), fs::read_dir(path).unwrap().count()),
            (LINE, 2)
        );
    }

    #[test]
    fn lines_are_bounded_and_a_long_one_has_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut file = RotatingFile::open(path, 20, 3).unwrap();
        say(&mut file, LINE);
        say(&mut file, &"x".repeat(LINE_BYTES_MAX + 1));
        say(&mut file, "y\n");
        assert_eq!(read(path, ".1"), LINE);
        assert_eq!(read(path, "").len(), LINE_BYTES_MAX + 1);
    }

    #[test]
    fn a_full_disk_is_reported_once_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        symlink("/dev/full", folder.path().join(NAME)).unwrap();
        let mut file = RotatingFile::open(folder.path(), 20, 3).unwrap();
        say(&mut file, LINE);
        let error = file.error.lock().unwrap().take().unwrap();
        assert!(
            error.contains(NAME) && error.contains("No space left"),
            "{error}"
        );
        say(&mut file, LINE);
        assert_eq!(file.error.lock().unwrap().take(), None);
    }

    #[test]
    fn a_file_that_cannot_be_rotated_does_not_grow_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let in_the_way = path.join(format!("{NAME}.1"));
        fs::create_dir(&in_the_way).unwrap();
        let mut file = RotatingFile::open(path, 10, 1).unwrap();
        say(&mut file, LINE);
        say(&mut file, LINE);
        assert_eq!(read(path, ""), LINE, "the limit holds");
        assert!(file.error.lock().unwrap().take().is_some());
        fs::remove_dir(&in_the_way).unwrap();
        say(&mut file, "again\n");
        assert_eq!(
            (read(path, "").as_str(), read(path, ".1").as_str()),
            ("again\n", LINE)
        );
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again_when_the_file_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs");
        let mut file = RotatingFile::open(&path, 10, 1).unwrap();
        say(&mut file, LINE);
        fs::remove_dir_all(&path).unwrap();
        say(&mut file, "again\n");
        assert_eq!(read(&path, ""), "again\n");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(RotatingFile::open(&folder.path().join("file/logs"), 10, 1).is_err());
    }
}
