//! The lines of the log that simplelog does not write.

use std::fmt::Write as _;
use std::time::SystemTime;

use log::Level;
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::text::escaped;

#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) at: SystemTime,
    pub(super) level: Level,
    pub(super) thread: &'a str,
    pub(super) text: &'a str,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// As a JSON object instead of text.
    pub(super) json: bool,
    /// With its priority in front, as service managers read it (sd-daemon's `<4>`).
    pub(super) priority: bool,
}

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    level: &'a str,
    thread: &'a str,
    text: &'a str,
}

/// The line with its line break. As text it has no time: the journal adds one.
pub(super) fn render(line: &Line<'_>, form: Form) -> String {
    let escaped_text = escaped(line.text);
    let mut text = String::new();
    if form.priority {
        let _ = write!(text, "<{}>", priority(line.level)); // why: a String takes everything
    }
    if form.json {
        let object = Object {
            time: utc(line.at),
            level: &line.level.as_str().to_ascii_lowercase(),
            thread: line.thread,
            text: &escaped_text,
        };
        // why: an object of four strings always serialises
        text += &serde_json::to_string(&object).unwrap_or_default();
    } else {
        let _ = write!(text, "{}: {}", line.thread, escaped_text);
    }
    text.push('\n');
    text
}

/// Syslog's numbers.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// RFC 3339, to the millisecond.
fn utc(at: SystemTime) -> String {
    let form =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from(at).format(form).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const JSON: Form = Form {
        json: true,
        priority: false,
    };
    const PRIORITY: Form = Form {
        json: false,
        priority: true,
    };

    fn line(text: &str) -> Line<'_> {
        Line {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_007),
            level: Level::Warn,
            thread: "topic-1",
            text,
        }
    }

    #[test]
    fn lines_for_programs_are_objects_and_lines_for_the_journal_have_priorities() {
        assert_eq!(
            render(&line("a \"b\""), JSON),
            "{\"time\":\"1970-01-02T00:00:00.007Z\",\"level\":\"warn\",\"thread\":\"topic-1\",\
             \"text\":\"a \\\"b\\\"\"}\n"
        );
        assert_eq!(render(&line("a b"), PRIORITY), "<4>topic-1: a b\n");
        let both = Form {
            json: true,
            priority: true,
        };
        assert!(render(&line("a"), both).starts_with("<4>{\"time\""));
    }

    #[test]
    fn no_text_makes_a_second_line() {
        let forged = "number\n<0>kernel: on fire\r\x1b[2J\u{85}";
        for form in [JSON, PRIORITY] {
            let text = render(&line(forged), form);
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(!text.trim_end().contains(char::is_control), "{text}");
        }
    }
}
