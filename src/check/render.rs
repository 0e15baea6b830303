//! A report as a table for people and as JSON for programs: the same findings in the same order.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::finding::{Finding, Level, Report};
use crate::text::escaped;

/// Columns of the names.
const NAME_COLUMNS: usize = 13;

/// The table: a heading for what belongs together, a line for each finding, advice below it.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let mut about = "";
    for finding in &report.0 {
        if finding.about != about {
            about = &finding.about;
            push(&mut text, format_args!("{}\n", escaped(about)));
        }
        let (sign, name) = (finding.level.sign(), finding.name);
        let found = escaped(&finding.text);
        push(
            &mut text,
            format_args!("  {sign} {name:NAME_COLUMNS$} {found}\n"),
        );
        if let Some(advice) = finding.advice.as_deref().map(escaped) {
            push(&mut text, format_args!("      \u{2192} {advice}\n"));
        }
    }
    push(&mut text, format_args!("{}\n", summary(report)));
    text
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(line); // why: writing to a String cannot fail
}

/// One line about the whole.
#[must_use]
pub fn summary(report: &Report) -> String {
    let [warnings, failures] = [Level::Warn, Level::Fail].map(|level| report.count(level));
    match (failures, warnings) {
        (0, 0) => "check: all is well".to_owned(),
        (0, warnings) => format!("check: nothing would fail; {warnings} to look at (!)"),
        (failures, warnings) => {
            format!("check: {failures} would fail (\u{2717}), {warnings} to look at (!)")
        }
    }
}

/// One JSON object.
#[must_use]
pub fn json(report: &Report) -> String {
    let finding = |finding: &Finding| -> Value {
        json!({
            "level": finding.level.name(),
            "about": finding.about,
            "name": finding.name,
            "text": finding.text,
            "advice": finding.advice,
        })
    };
    let counts = [Level::Ok, Level::Warn, Level::Fail].map(|level| report.count(level));
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "verdict": report.verdict().name(),
        "counts": {"ok": counts[0], "warn": counts[1], "fail": counts[2]},
        "findings": report.0.iter().map(finding).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report(vec![
            Finding::ok("configuration", "file", "config.json"),
            Finding::warn("topic 1", "active", "no", "wait"),
            Finding::fail("topic 1", "model", "an HTML page", "mend it"),
        ])
    }

    #[test]
    fn advice_stands_below_what_it_is_about() {
        let expected = "\
configuration
  \u{2713} file          config.json
topic 1
  ! active        no
      \u{2192} wait
  \u{2717} model         an HTML page
      \u{2192} mend it
check: 1 would fail (\u{2717}), 1 to look at (!)
";
        assert_eq!(table(&report()), expected);
    }

    #[test]
    fn nothing_that_a_node_says_steers_the_terminal() {
        let forged = "a\n\u{1b}[2J\u{202e}b";
        let report = Report(vec![Finding::fail(forged, "version", forged, forged)]);
        let text = table(&report);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(text.contains("a\\n\\u{1b}[2J\\u{202e}b"), "{text}");
    }

    #[test]
    fn json_has_the_same_findings() {
        let value: Value = serde_json::from_str(&json(&report())).unwrap();
        assert_eq!(value["verdict"], "fail");
        assert_eq!(value["counts"], json!({"ok": 1, "warn": 1, "fail": 1}));
        let findings = value["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 3);
        assert_eq!(findings[0]["advice"], Value::Null);
        assert_eq!(
            findings[2],
            json!({"level": "fail", "about": "topic 1", "name": "model",
                "text": "an HTML page", "advice": "mend it"})
        );
    }

    #[test]
    fn the_last_line_says_how_it_is() {
        let mut report = report();
        report.0.pop();
        assert_eq!(
            summary(&report),
            "check: nothing would fail; 1 to look at (!)"
        );
        report.0.pop();
        assert_eq!(summary(&report), "check: all is well");
    }
}
