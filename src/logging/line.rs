//! The lines of the log that simplelog does not write.

use std::fmt::Write as _;
use std::time::SystemTime;

use log::Level;
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

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

impl Form {
    /// The line with its line break; `text` has none. As text it has no time: the journal adds one.
    pub(super) fn render(self, at: SystemTime, level: Level, thread: &str, text: &str) -> String {
        let mut line = String::new();
        if self.priority {
            let _ = write!(line, "<{}>", priority(level)); // why: a String takes everything
        }
        if self.json {
            let object = Object {
                time: utc(at),
                level: &level.as_str().to_ascii_lowercase(),
                thread,
                text,
            };
            // why: an object of four strings always serialises
            line += &serde_json::to_string(&object).unwrap_or_default();
        } else {
            let _ = write!(line, "{thread}: {text}");
        }
        line + "\n"
    }
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

    fn rendered(form: Form, text: &str) -> String {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_007);
        form.render(at, Level::Warn, "topic-1", text)
    }

    #[test]
    fn lines_for_programs_are_objects_and_lines_for_the_journal_have_priorities() {
        assert_eq!(
            rendered(JSON, "a \"b\""),
            "{\"time\":\"1970-01-02T00:00:00.007Z\",\"level\":\"warn\",\"thread\":\"topic-1\",\
             \"text\":\"a \\\"b\\\"\"}\n"
        );
        assert_eq!(rendered(PRIORITY, "a b"), "<4>topic-1: a b\n");
        let both = Form {
            json: true,
            priority: true,
        };
        assert!(rendered(both, "a").starts_with("<4>{\"time\""));
    }
}
