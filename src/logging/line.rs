//! The lines of the log that simplelog does not write.

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
