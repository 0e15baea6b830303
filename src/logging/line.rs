//! The lines of the log.

use std::fmt::Write as _;
use std::time::SystemTime;

use log::Level;
use log::kv::{self, Key, VisitSource};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::text::escaped;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// As a JSON object instead of text.
    pub(super) json: bool,
    /// With its priority in front, as service managers read it (sd-daemon's `<4>`), and no time as
    /// text: the journal adds one.
    pub(super) priority: bool,
    /// With the level in colour.
    pub(super) colour: bool,
    /// With milliseconds, and the level of information too, which is left out otherwise: the line of
    /// a nonce fits a terminal then.
    pub(super) detail: bool,
}

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    level: &'a str,
    thread: &'a str,
    text: &'a str,
    #[serde(flatten)]
    facts: &'a Map<String, Value>,
}

/// Gathers the facts of a line; those that are not known are left out.
#[derive(Default)]
pub(super) struct LineFacts(pub(super) Map<String, Value>);

impl<'kvs> VisitSource<'kvs> for LineFacts {
    fn visit_pair(&mut self, name: Key<'kvs>, fact: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let number = fact.to_u64().map(Value::from);
        let text = || fact.to_borrowed_str().map(|text| escaped(text).into());
        if let Some(fact) = number.or_else(text) {
            self.0.insert(name.to_string(), fact);
        }
        Ok(())
    }
}

impl Form {
    /// The line with its line break; `text` has none. As text it has no facts: its words tell them.
    pub(super) fn render(
        self,
        at: SystemTime,
        level: Level,
        thread: &str,
        text: &str,
        facts: &Map<String, Value>,
    ) -> String {
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
                facts,
            };
            // why: an object of strings and numbers always serialises
            line += &serde_json::to_string(&object).unwrap_or_default();
        } else {
            let before = if self.priority {
                String::new()
            } else {
                self.before(at, level)
            };
            let _ = write!(line, "{before}{thread}: {text}");
        }
        line + "\n"
    }

    /// Time in UTC, and level.
    fn before(self, at: SystemTime, level: Level) -> String {
        let seconds = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let thousandths = format_description!(".[subsecond digits:3]");
        let at = OffsetDateTime::from(at);
        let part = |form| at.format(form).unwrap_or_default();
        let fraction = if self.detail {
            part(thousandths)
        } else {
            String::new()
        };
        let level = match level {
            Level::Info if !self.detail => String::new(),
            level => format!("{} ", self.coloured(level)),
        };
        format!("{}{fraction} {level}", part(seconds))
    }

    /// The level in the colours of a terminal.
    fn coloured(self, level: Level) -> String {
        let colour = match level {
            Level::Error => "31",
            Level::Warn => "33",
            Level::Info => "34",
            Level::Debug | Level::Trace => "36",
        };
        if self.colour {
            format!("\x1b[{colour}m{level}\x1b[0m")
        } else {
            level.to_string()
        }
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
    use crate::status::outcome::{Brief, COLUMNS, InBlock, Inclusion, Outcome};
    use crate::values::units::{Height, Nonce, TopicId, TxHash, Uallo};

    const TEXT: Form = Form {
        json: false,
        priority: false,
        colour: false,
        detail: false,
    };
    const JSON: Form = Form { json: true, ..TEXT };
    const PRIORITY: Form = Form {
        priority: true,
        ..TEXT
    };

    fn rendered(form: Form, text: &str) -> String {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_007);
        form.render(at, Level::Warn, "topic-1", text, &Map::new())
    }

    #[test]
    fn the_facts_of_a_line_are_fields_of_its_object() {
        let mut facts = LineFacts::default();
        let pairs = [
            ("nonce", kv::Value::from(7_u64)),
            ("hash", kv::Value::null()),
            ("value", kv::Value::from("up 1\u{202e}")),
        ];
        for (name, fact) in pairs {
            facts.visit_pair(Key::from_str(name), fact).unwrap();
        }
        let at = SystemTime::UNIX_EPOCH;
        let line = JSON.render(at, Level::Info, "topic-1", "a", &facts.0);
        let end = "\"text\":\"a\",\"nonce\":7,\"value\":\"up 1\\\\u{202e}\"}\n";
        assert!(line.ends_with(end), "{line}");
        let text = PRIORITY.render(at, Level::Info, "topic-1", "a", &facts.0);
        assert_eq!(text, "<6>topic-1: a\n");
    }

    #[test]
    fn lines_for_people_have_their_time_and_a_level_unless_they_are_information() {
        assert_eq!(
            rendered(TEXT, "a b"),
            "1970-01-02 00:00:00 WARN topic-1: a b\n"
        );
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(7);
        let info = |form: Form| form.render(at, Level::Info, "main", "a", &Map::new());
        assert_eq!(info(TEXT), "1970-01-01 00:00:00 main: a\n");
        let detail = Form {
            detail: true,
            ..TEXT
        };
        assert_eq!(info(detail), "1970-01-01 00:00:00.007 INFO main: a\n");
        let colour = Form {
            colour: true,
            ..TEXT
        };
        let warned = "1970-01-02 00:00:00 \u{1b}[33mWARN\u{1b}[0m topic-1: a\n";
        assert_eq!(rendered(colour, "a"), warned);
    }

    /// The line of a nonce that was served with this value, `after` blocks later.
    fn served(topic: u64, nonce: u64, after: u64, sent: &Brief) -> String {
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
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_543_200);
        let thread = format!("topic-{topic}");
        let line = TEXT.render(at, Level::Info, &thread, &text, &Map::new());
        line.trim_end().to_owned()
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
            let line = served(123, 12_345_678, 12, &sent);
            assert!(line.chars().count() <= COLUMNS, "{line}");
            line
        };
        let long = line(value("-0.001234567890123456", 0));
        let end = " topic-123: nonce 12345678: included in block 12345690 (+12), -0.001\u{2026}, \
                   0.0000000000019 ALLO, 9F9F9F9F";
        assert!(long.ends_with(end), "{long}");
        assert!(line(value("3021.57", 0)).contains("(+12), 3021.57, 0.0"));
        assert!(line(value("up 0.2, flat 0.8", 2)).contains(", 2 labe\u{2026}, "));
    }

    #[test]
    fn the_line_of_the_docs_is_written() {
        let line = served(69, 1_234_567, 1, &value("3021.57", 0));
        let docs = include_str!("../../docs/operating.md");
        assert!(docs.lines().any(|shown| shown == line), "{line}");
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
            priority: true,
            ..JSON
        };
        assert!(rendered(both, "a").starts_with("<4>{\"time\""));
    }
}
