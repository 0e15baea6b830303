//! What a check finds.

use std::fmt::Display;

use serde::Serialize;

use crate::text::escaped;

/// How bad a finding is; its name in JSON is the variant's in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// The worker copes with it, or the answer is not known.
    Warn,
    /// The worker cannot do its job until this is fixed.
    Fail,
}

/// One finding, serialized as JSON has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    /// The subject: `configuration`, `endpoint http://…`, `chain`, `account`, `topic 1`.
    pub about: String,
    /// What was tested: an identifier that programs may match and that never changes.
    pub name: &'static str,
    /// The result, on one line.
    pub text: String,
    /// What to do; always there unless the level is [`Level::Ok`].
    pub advice: Option<String>,
}

impl Finding {
    /// A finding that is no reason for concern, unless [`Finding::warn`] or [`Finding::fail`]
    /// follows.
    pub(super) fn new(about: &str, name: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            level: Level::Ok,
            about: escaped(about).into_owned(),
            name,
            text: escaped(&text.into()).into_owned(),
            advice: None,
        }
    }

    pub(super) fn warn(mut self, advice: impl Into<String>) -> Finding {
        self.level = Level::Warn;
        self.advice = Some(escaped(&advice.into()).into_owned());
        self
    }

    pub(super) fn fail(self, advice: impl Into<String>) -> Finding {
        let level = Level::Fail;
        let warning = self.warn(advice);
        Finding { level, ..warning }
    }

    /// A warning that the answer is not known, because of this error.
    pub(super) fn unknown(about: &str, name: &'static str, error: &str) -> Finding {
        let advice = "check again; if it persists, use another node in api_url";
        Finding::new(about, name, error).warn(advice)
    }
}

/// All findings; those about one subject are side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(pub Vec<Finding>);

impl Report {
    /// The worst level.
    pub fn verdict(&self) -> Level {
        let levels = self.0.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    pub fn count(&self, level: Level) -> usize {
        let of_level = self.0.iter().filter(|finding| finding.level == level);
        of_level.count()
    }
}

/// `1 block`, `2 blocks`.
pub(super) fn counted<N: PartialEq + From<u8> + Display>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
