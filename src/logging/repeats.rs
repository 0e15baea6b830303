//! Limits how many lines one source may write to the log, so that a node that provokes the same
//! warning a hundred times a second does not fill the disk or hide what others write. Lines beyond
//! the limit are counted, and the count is logged. Pure: the time is passed in.
//!
//! A source is a place in the code and the thread that is there, not a text: a hostile node sends
//! another text each time. Each topic has its own thread, so that one topic hides no other's lines.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use log::{Level, Record};

use crate::text::Foreign;

/// The most lines of one source within [`PERIOD`].
pub(super) const LINES_MAX: u32 = 20;
/// The time after which a source may write again, and its left-out lines are reported.
pub(super) const PERIOD: Duration = Duration::from_secs(60);
/// The most sources that are counted separately; all others share one.
const SOURCES_MAX: usize = 4_096;

/// Where a line comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Source {
    module: &'static str,
    line: u32,
    thread: String,
}

impl Source {
    /// The source of a line that this thread logs.
    pub(super) fn of(record: &Record<'_>) -> Source {
        let thread = std::thread::current();
        Source {
            module: record.module_path_static().unwrap_or_default(),
            line: record.line().unwrap_or_default(),
            thread: thread.name().unwrap_or_default().to_owned(),
        }
    }
}

/// What a source wrote in its current period.
#[derive(Debug)]
struct Period {
    began: Instant,
    lines: u32,
    /// The lines that were not written, and the last of them.
    left_out: u64,
    level: Level,
    last: String,
}

/// The sources that wrote within the last [`PERIOD`].
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<Source, Period>);

impl Repeats {
    /// Whether a line may be written; if not, it is counted.
    pub(super) fn admit(&mut self, source: Source, level: Level, text: &str, now: Instant) -> bool {
        let is_crowded = self.0.len() >= SOURCES_MAX && !self.0.contains_key(&source);
        let source = if is_crowded {
            Source::default()
        } else {
            source
        };
        let period = self.0.entry(source).or_insert(Period {
            began: now,
            lines: 0,
            left_out: 0,
            level,
            last: String::new(),
        });
        if period.lines < LINES_MAX {
            period.lines += 1;
            return true;
        }
        period.left_out = period.left_out.saturating_add(1);
        period.level = period.level.min(level);
        period.last = Foreign::from(text).to_string();
        false
    }

    /// Ends the periods that began at least [`PERIOD`] ago. Returns the lines that report what was
    /// left out in them.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<(Level, String)> {
        self.end(|period| now.saturating_duration_since(period.began) >= PERIOD)
    }

    /// Ends all periods, as [`Repeats::ended`] does.
    pub(super) fn all(&mut self) -> Vec<(Level, String)> {
        self.end(|_| true)
    }

    fn end(&mut self, is_over: impl Fn(&Period) -> bool) -> Vec<(Level, String)> {
        let over = self.0.extract_if(|_, period| is_over(period));
        let left_out = over.filter(|(_, period)| period.left_out > 0);
        let report = |(source, period): (Source, Period)| {
            let (count, within, thread) = (period.left_out, PERIOD.as_secs(), source.thread);
            let text = format!(
                "repeated {count} times within {within} s by {thread}, at last: {}",
                period.last
            );
            (period.level, text)
        };
        left_out.map(report).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(thread: &str) -> Source {
        Source {
            module: "allora_worker::topic",
            line: 7,
            thread: thread.to_owned(),
        }
    }

    #[test]
    fn a_flood_is_a_few_lines_and_a_count() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut lines = 0;
        for number in 0..100_000 {
            let text = format!("another text each time: {number}\u{202e}");
            let now = start + Duration::from_micros(number);
            lines += u32::from(repeats.admit(source("topic-1"), Level::Warn, &text, now));
            assert!(repeats.ended(now).is_empty());
        }
        assert_eq!(lines, LINES_MAX);
        let expected = "repeated 99980 times within 60 s by topic-1, at last: another text each \
                        time: 99999\\u{202e}";
        let reports = repeats.ended(start + PERIOD);
        assert_eq!(reports, [(Level::Warn, expected.to_owned())]);
        assert!(repeats.ended(start + 2 * PERIOD).is_empty(), "only once");
        assert!(repeats.admit(source("topic-1"), Level::Warn, "a", start + PERIOD));
    }

    #[test]
    fn no_source_hides_another() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        for _ in 0..1_000 {
            repeats.admit(source("topic-1"), Level::Warn, "a", now);
        }
        assert!(repeats.admit(source("topic-2"), Level::Error, "b", now));
        let elsewhere = Source {
            line: 8,
            ..source("topic-1")
        };
        assert!(repeats.admit(elsewhere, Level::Error, "c", now));
    }

    #[test]
    fn what_is_left_out_is_reported_at_the_end_with_its_worst_level() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        for level in [Level::Info, Level::Error, Level::Warn] {
            for _ in 0..LINES_MAX {
                repeats.admit(source("broadcaster"), level, "x", now);
            }
        }
        assert!(repeats.ended(now).is_empty());
        let reports = repeats.all();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].0, Level::Error);
        assert!(reports[0].1.contains("repeated 40 times"), "{reports:?}");
        assert!(repeats.all().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let long = "x".repeat(100_000);
        for number in 0..3 * SOURCES_MAX {
            let source = source(&format!("thread-{number}"));
            repeats.admit(source, Level::Warn, &long, now);
        }
        assert!(repeats.0.len() <= SOURCES_MAX + 1);
        assert!(repeats.0.values().all(|period| period.last.len() < 1_000));
        assert!(repeats.all()[0].1.contains("repeated"), "counted");
    }
}
