//! The lines for people, which simplelog writes: time in UTC, level, thread and text. The level of
//! information and the milliseconds are left out unless `debug` is set, so that the line of a nonce fits
//! a terminal.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex};

use log::{LevelFilter, Log, Metadata, Record};
use simplelog::{
    ColorChoice, Config, ConfigBuilder, LevelPadding, TermLogger, TerminalMode, WriteLogger,
};
use time::macros::format_description;

use crate::threads::lock;

/// Two logs to the same place: simplelog shows the level of all lines or of none.
pub(super) struct People {
    /// For information.
    plain: Box<dyn Log>,
    /// For everything else.
    levelled: Box<dyn Log>,
    /// `debug` is set: information has its level too.
    detail: bool,
    /// Held while a line is written: each of the logs writes it in pieces.
    turn: Mutex<()>,
}

impl People {
    /// To standard error, in colours if that is a terminal whose user wants them.
    pub(super) fn console(level: LevelFilter) -> People {
        let colours = if io::stderr().is_terminal() {
            ColorChoice::Auto
        } else {
            ColorChoice::Never
        };
        People::of(level, |config| {
            TermLogger::new(level, config, TerminalMode::Stderr, colours)
        })
    }

    pub(super) fn writer(level: LevelFilter, to: impl Write + Send + 'static) -> People {
        let to = Shared(Arc::new(Mutex::new(to)));
        People::of(level, |config| WriteLogger::new(level, config, to.clone()))
    }

    fn of<L: Log + 'static>(level: LevelFilter, log: impl Fn(Config) -> Box<L>) -> People {
        let detail = level > LevelFilter::Info;
        People {
            plain: log(config(LevelFilter::Off, detail)),
            levelled: log(config(LevelFilter::Error, detail)),
            detail,
            turn: Mutex::default(),
        }
    }
}

fn config(shows_level: LevelFilter, detail: bool) -> Config {
    let mut config = ConfigBuilder::new();
    config
        .set_max_level(shows_level)
        .set_level_padding(LevelPadding::Off)
        // why: the thread's name would get brackets
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off);
    if detail {
        config.set_time_format_custom(format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]"
        ));
    } else {
        config.set_time_format_custom(format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second]"
        ));
    }
    config.build()
}

impl Log for People {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let thread = std::thread::current();
        let (thread, text) = (thread.name().unwrap_or("?"), record.args());
        let is_plain = record.level() == LevelFilter::Info && !self.detail;
        let log = if is_plain {
            &self.plain
        } else {
            &self.levelled
        };
        let _turn = lock(&self.turn);
        let mut named = Record::builder();
        let named = named.metadata(record.metadata().clone());
        log.log(&named.args(format_args!("{thread}: {text}")).build());
    }

    fn flush(&self) {
        self.plain.flush();
    }
}

/// One file for several logs.
struct Shared<W>(Arc<Mutex<W>>);

impl<W> Clone for Shared<W> {
    fn clone(&self) -> Shared<W> {
        Shared(Arc::clone(&self.0))
    }
}

impl<W: Write> Write for Shared<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;
    use crate::logging::tests::Written;
    use crate::status::outcome::{Brief, COLUMNS, InBlock, Inclusion, Outcome};
    use crate::values::units::{Height, Nonce, TopicId, TxHash, Uallo};

    /// The line of a thread without its time, and the length of that.
    fn written(level: LevelFilter, of: Level, thread: &str, text: &str) -> (String, usize) {
        let written = Written::default();
        let log = People::writer(level, written.clone());
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name(thread.to_owned());
            let say = || {
                log.log(
                    &Record::builder()
                        .level(of)
                        .args(format_args!("{text}"))
                        .build(),
                )
            };
            builder.spawn_scoped(scope, say).unwrap();
        });
        let line = written.text();
        let (date, line) = line.split_once(' ').unwrap();
        let (time, line) = line.split_once(' ').unwrap();
        (line.trim_end().to_owned(), date.len() + time.len() + 2)
    }

    #[test]
    fn lines_for_people_have_their_time_and_a_level_unless_they_are_information() {
        let (info, debug) = (LevelFilter::Info, LevelFilter::Debug);
        let line = |level, of| written(level, of, "topic-1", "a b");
        assert_eq!(
            line(info, Level::Warn),
            ("[WARN] topic-1: a b".to_owned(), 20)
        );
        assert_eq!(line(info, Level::Info), ("topic-1: a b".to_owned(), 20));
        assert_eq!(
            line(debug, Level::Info),
            ("[INFO] topic-1: a b".to_owned(), 24)
        );
    }

    /// The line of a nonce that was served with this value, `after` blocks later.
    fn served(topic: u64, nonce: u64, after: u64, sent: &Brief) -> (String, usize) {
        let found = InBlock {
            height: Height(nonce + after),
            hash: TxHash([0x9F; 32]),
            fee: Uallo(1_939_590),
        };
        let inclusion = Inclusion {
            found: Ok(found),
            by: found.height,
            sent: Some(sent.clone()),
        };
        let text = Outcome::Included(inclusion).line(TopicId(topic), Nonce(nonce));
        let thread = format!("topic-{topic}");
        written(LevelFilter::Info, Level::Info, &thread, &text)
    }

    fn value(text: &str, label_count: usize) -> Brief {
        Brief {
            value: Some(text.to_owned()),
            label_count,
            forecast_count: 0,
        }
    }

    /// With everything that is long on public networks: a topic of three digits, heights of eight, a
    /// late block, a value with all decimals, and the lowest fee.
    #[test]
    fn the_longest_line_of_a_served_nonce_fits_a_terminal() {
        let line = |sent| {
            let (line, time_length) = served(123, 12_345_678, 12, &sent);
            assert!(time_length + line.chars().count() <= COLUMNS, "{line}");
            line
        };
        let long = line(value("-0.001234567890123456", 0));
        let expected = "topic-123: nonce 12345678: included in block 12345690 (+12), -0.001\u{2026}, \
                   0.0000000000019 ALLO, 9F9F9F9F";
        assert_eq!(long, expected);
        assert!(line(value("3021.57", 0)).contains("(+12), 3021.57, 0.0"));
        assert!(line(value("up 0.2, flat 0.8", 2)).contains(", 2 labe\u{2026}, "));
    }

    #[test]
    fn the_line_of_the_docs_is_written() {
        let (line, _) = served(69, 1_234_567, 1, &value("3021.57", 0));
        let docs = include_str!("../../docs/operating.md");
        assert!(docs.lines().any(|shown| shown.ends_with(&line)), "{line}");
    }
}
