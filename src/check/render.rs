//! A report as a table for people and as JSON for programs: the same findings in the same order.

use serde_json::json;

use super::finding::{Level, Report, counted};

/// Columns of the names.
const NAME_COLUMNS: usize = 13;

/// A heading for each subject, a line for each finding about it, advice below that line.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let mut about = "";
    for finding in &report.0 {
        if finding.about != about {
            about = &finding.about;
            text += &format!("{about}\n");
        }
        let sign = match finding.level {
            Level::Ok => '\u{2713}',
            Level::Warn => '!',
            Level::Fail => '\u{2717}',
        };
        text += &format!("  {sign} {:NAME_COLUMNS$} {}\n", finding.name, finding.text);
        if let Some(advice) = &finding.advice {
            text += &format!("      \u{2192} {advice}\n");
        }
    }
    text + &summary(report) + "\n"
}

fn summary(report: &Report) -> String {
    match (report.count(Level::Fail), report.count(Level::Warn)) {
        (0, 0) => "check: OK".to_owned(),
        (errors, warnings) => {
            let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
            format!("check: {errors}, {warnings}")
        }
    }
}

/// One JSON object.
pub fn json(report: &Report) -> String {
    let [ok, warn, fail] = [Level::Ok, Level::Warn, Level::Fail].map(|level| report.count(level));
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "verdict": report.verdict(),
        "counts": {"ok": ok, "warn": warn, "fail": fail},
        "findings": report.0,
    });
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::finding::Finding;
    use super::*;

    fn report() -> Report {
        Report(vec![
            Finding::new("configuration", "file", "config.json"),
            Finding::new("topic 1", "active", "no").warn("wait"),
            Finding::new("topic 1", "model", "an HTML page").fail("fix it"),
        ])
    }

    #[test]
    fn advice_is_printed_below_its_finding() {
        let expected = "\
configuration
  \u{2713} file          config.json
topic 1
  ! active        no
      \u{2192} wait
  \u{2717} model         an HTML page
      \u{2192} fix it
check: 1 error, 1 warning
";
        assert_eq!(table(&report()), expected);
    }

    #[test]
    fn text_from_a_node_cannot_control_the_terminal() {
        let forged = "a\n\u{1b}[2J\u{202e}b";
        let report = Report(vec![Finding::new(forged, "version", forged).fail(forged)]);
        let text = table(&report);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(text.contains("a\\n\\u{1b}[2J\\u{202e}b"), "{text}");
        assert!(!json(&report).contains('\u{202e}'));
    }

    #[test]
    fn json_contains_the_same_findings() {
        let value: Value = serde_json::from_str(&json(&report())).unwrap();
        assert_eq!(value["verdict"], "fail");
        assert_eq!(value["counts"], json!({"ok": 1, "warn": 1, "fail": 1}));
        let findings = value["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 3);
        assert_eq!(findings[0]["advice"], Value::Null);
        assert_eq!(
            findings[2],
            json!({"level": "fail", "about": "topic 1", "name": "model",
                "text": "an HTML page", "advice": "fix it"})
        );
    }

    #[test]
    fn the_last_line_counts_errors_and_warnings() {
        let mut report = report();
        report.0.pop();
        assert_eq!(summary(&report), "check: 0 errors, 1 warning");
        report.0.pop();
        assert_eq!(summary(&report), "check: OK");
    }
}
