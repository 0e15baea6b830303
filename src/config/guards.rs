//! The guards of a topic: `min`, `max`, `max_change`, `max_age` with `time_pointer`, `on_guard`.

use super::model::read_pointer;
use super::section::{Findings, Section};
use crate::model::guard::{Guards, OnGuard};
use crate::values::exact::Exact;

/// Stands for a time that is never taken: `max_age` is only read where it is set.
const AGE_UNUSED: std::time::Duration = std::time::Duration::from_secs(1);

/// The names of all guards in the file.
pub(super) const GUARD_KEYS: [&str; 6] = [
    "min",
    "max",
    "max_change",
    "max_age",
    "time_pointer",
    "on_guard",
];

/// Guards are for the inference: without one they would guard nothing.
pub(super) fn refuse_guards(section: &Section<'_>, findings: &mut Findings) {
    for key in GUARD_KEYS {
        if section.get(key).is_some() {
            let text = "is of no use without inference_url: guards are for the inference";
            findings.problem(section.path(key), text);
        }
    }
}

pub(super) fn read_guards(section: &Section<'_>, findings: &mut Findings) -> Guards {
    let min = section.decimal("min", findings);
    let max = section.decimal("max", findings);
    if let (Some(min), Some(max)) = (&min, &max)
        && Exact::of(min) > Exact::of(max)
    {
        findings.problem(section.path("min"), "is above max: no value would pass");
    }
    let max_change = section.decimal("max_change", findings);
    if let Some(ratio) = &max_change
        && (ratio.is_zero() || ratio.is_negative())
    {
        let text = "must be a ratio above zero, such as 0.2 for a fifth";
        findings.problem(section.path("max_change"), text);
    }
    let max_age = section.get("max_age").and_then(|_| {
        let problems_before = findings.problems.len();
        let warnings_before = findings.warnings.len();
        let age = section.seconds("max_age", AGE_UNUSED, findings);
        if findings.warnings.len() > warnings_before {
            findings.warnings.truncate(warnings_before);
            findings.problem(
                section.path("max_age"),
                "must be a time above zero, in seconds",
            );
        }
        (findings.problems.len() == problems_before).then_some(age)
    });
    let time_pointer = read_pointer(section, "time_pointer", findings);
    if time_pointer.is_some() && section.get("max_age").is_none() {
        findings.problem(section.path("time_pointer"), "is of no use without max_age");
    }
    if time_pointer.is_some() && section.get("value_pointer").is_none() {
        let text = "is of no use without value_pointer: an answer that is the value tells no time";
        findings.problem(section.path("time_pointer"), text);
    }
    let on_guard = match section.text("on_guard", findings) {
        None | Some("skip") => OnGuard::Skip,
        Some("warn") => OnGuard::Warn,
        Some(_) => {
            findings.problem(section.path("on_guard"), r#"must be "skip" or "warn""#);
            OnGuard::Skip
        }
    };
    Guards {
        min,
        max,
        max_change,
        max_age,
        time_pointer,
        on_guard,
    }
}
