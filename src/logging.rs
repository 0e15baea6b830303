//! The log: on standard error, with colours if that is a terminal, and in a file, as the users of
//! the Python worker expect it. If standard error is the journal, lines have priorities instead of
//! times and colours, and there is no file unless one is configured.
//!
//! simplelog writes the lines for people; those for programs and for the journal are written here.
//! A `Guard` in front of both keeps any text on one line, and each source to a few lines a minute.

mod line;
mod people;
mod repeats;
mod rotating;
pub mod settings;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use crate::status::outcome;
use crate::text::escaped;
use crate::text::secret::shown_path;
use crate::threads::lock;
use line::{Form, LineFacts};
use log::kv::Source;
use log::{Level, LevelFilter, Log, Metadata, Record};
use people::People;
use repeats::Repeats;
use rotating::{RotateError, RotatingFile};
pub use settings::{FOLDER, FileLog, Format, LogSettings};

/// Only lines of this crate are written: debug lines of other crates could show secrets of
/// requests.
const TARGET: &str = "allora_worker";

/// Starts logging. Returns a warning, to be logged first, if the log file can't be written: that is
/// no reason to stop.
pub fn start(debug: bool, settings: &LogSettings) -> Option<String> {
    let level = if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    let console = console(level, settings.format);
    let (file, warning) = match file(level, settings) {
        Ok(file) => (file, None),
        Err(warning) => (None, Some(warning)),
    };
    log::set_max_level(level);
    // why: it fails only if logging was started before, and then there is a log
    let _ = log::set_boxed_logger(Box::new(Guard {
        level,
        console,
        file,
        repeats: Mutex::default(),
    }));
    warning
}

fn console(level: LevelFilter, format: Format) -> Box<dyn Log> {
    let form = Form {
        json: format == Format::Json,
        priority: journal_keeps_it(),
    };
    if form.json || form.priority {
        let out = Mutex::new(io::stderr());
        return Box::new(Lines { form, out });
    }
    Box::new(People::console(level))
}

/// A log file, and where its first error will be.
type LogFile = (Box<dyn Log>, RotateError);

/// The log file, if one is wanted; or why there is none.
fn file(level: LevelFilter, settings: &LogSettings) -> Result<Option<LogFile>, String> {
    let Some(folder) = folder(&settings.file) else {
        return Ok(None);
    };
    let file = RotatingFile::open(&folder, settings.file_bytes_max, settings.files_kept);
    let file = file.map_err(|error| {
        format!(
            "no log file: {} can't be written to ({error}); logging here only",
            shown_path(&folder)
        )
    })?;
    let file_error = Arc::clone(&file.error);
    let log: Box<dyn Log> = match settings.format {
        Format::Text => Box::new(People::writer(level, file)),
        Format::Json => {
            let (json, priority) = (true, false);
            let form = Form { json, priority };
            let out = Mutex::new(file);
            Box::new(Lines { form, out })
        }
    };
    Ok(Some((log, file_error)))
}

fn folder(file_log: &FileLog) -> Option<PathBuf> {
    match file_log {
        FileLog::In(folder) if folder.as_os_str().is_empty() => None,
        FileLog::In(folder) => Some(folder.clone()),
        FileLog::Usual if journal_keeps_it() => None,
        FileLog::Usual => Some(PathBuf::from(FOLDER)),
    }
}

/// Whether standard error is the journal's stream, whose device and inode systemd names. Other
/// signs of a service manager, such as `INVOCATION_ID`, are inherited by every shell of a desktop.
fn journal_keeps_it() -> bool {
    let named = std::env::var("JOURNAL_STREAM");
    let stream = fs::metadata("/proc/self/fd/2");
    named.is_ok_and(|named| {
        stream.is_ok_and(|stream| named == format!("{}:{}", stream.dev(), stream.ino()))
    })
}

/// Every line passes through it: it drops those of other crates, keeps each on one line, limits how
/// many a source may write, and reports on the console that the file can't be written.
struct Guard {
    level: LevelFilter,
    console: Box<dyn Log>,
    file: Option<LogFile>,
    repeats: Mutex<Repeats>,
}

impl Guard {
    /// Writes a text on one line, with its facts if it is JSON.
    fn write(&self, metadata: &Metadata<'_>, text: &str, facts: &dyn Source) {
        let text = &escaped(text);
        log_text(&*self.console, metadata, text, facts);
        let Some((file, error)) = &self.file else {
            return;
        };
        log_text(&**file, metadata, text, facts);
        let error = lock(error).take();
        if let Some(error) = error {
            log_text(
                &*self.console,
                &own(Level::Warn),
                &escaped(&error),
                &NO_FACTS,
            );
        }
    }

    /// Writes how many lines were left out.
    fn report(&self, left_out: Vec<(Level, String)>) {
        for (level, text) in left_out {
            self.write(&own(level), &text, &NO_FACTS);
        }
    }
}

/// Of a line that the log itself writes.
fn own(level: Level) -> Metadata<'static> {
    Metadata::builder().level(level).target(TARGET).build()
}

/// Whether a line counts against the limit of its source. The outcome of a nonce is always written,
/// and so is everything that `debug` adds.
fn is_limited(metadata: &Metadata<'_>) -> bool {
    metadata.level() <= Level::Info && metadata.target() != outcome::TARGET
}

impl Log for Guard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level && metadata.target().starts_with(TARGET)
    }

    fn log(&self, record: &Record<'_>) {
        let (metadata, now) = (record.metadata(), Instant::now());
        if !self.enabled(metadata) {
            return;
        }
        let text = record.args().to_string();
        let left_out = lock(&self.repeats).ended(now);
        self.report(left_out);
        let is_admitted = !is_limited(metadata) || {
            let (source, level) = (repeats::Source::of(record), metadata.level());
            lock(&self.repeats).admit(source, level, &text, now)
        };
        if is_admitted {
            self.write(metadata, &text, record.key_values());
        }
    }

    /// Also reports the lines that were left out so far.
    fn flush(&self) {
        let left_out = lock(&self.repeats).all();
        self.report(left_out);
        self.console.flush();
    }
}

/// The facts of a line that has none.
const NO_FACTS: [(&str, &str); 0] = [];

fn log_text(log: &dyn Log, metadata: &Metadata<'_>, text: &str, facts: &dyn Source) {
    let mut record = Record::builder();
    let record = record.metadata(metadata.clone()).key_values(facts);
    log.log(&record.args(format_args!("{text}")).build());
}

/// Writes lines in a [`Form`].
struct Lines<W> {
    form: Form,
    out: Mutex<W>,
}

impl<W: Write + Send> Log for Lines<W> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("?");
        let text = record.args().to_string();
        let mut facts = LineFacts::default();
        // why: gathering never fails
        let _ = record.key_values().visit(&mut facts);
        let (at, level) = (SystemTime::now(), record.level());
        let line = self.form.render(at, level, thread, &text, &facts.0);
        let mut out = lock(&self.out);
        // why: there is nowhere to report that the log can't be written
        let _ = out.write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests;
