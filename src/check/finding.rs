//! What a check finds.

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; the worker copes, or it could not be found out.
    Warn,
    /// Something would fail.
    Fail,
}

impl Level {
    /// Its sign in the table.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Level::Ok => '\u{2713}',
            Level::Warn => '!',
            Level::Fail => '\u{2717}',
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        }
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is about: `configuration`, `endpoint http://…`, `chain`, `account`, `topic 1`.
    pub about: String,
    /// What was looked at, a word that stays the same from version to version.
    pub name: &'static str,
    /// What was found, on one line.
    pub text: String,
    /// What to do; always there unless all is well.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub(super) fn ok(about: &str, name: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            level: Level::Ok,
            about: about.to_owned(),
            name,
            text: text.into(),
            advice: None,
        }
    }

    /// Worth a look.
    pub(super) fn warn(
        about: &str,
        name: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding {
            level: Level::Warn,
            advice: Some(advice.into()),
            ..Finding::ok(about, name, text)
        }
    }

    /// Something would fail.
    pub(super) fn fail(
        about: &str,
        name: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding {
            level: Level::Fail,
            ..Finding::warn(about, name, text, advice)
        }
    }
}

/// All that was found, what belongs together side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(pub Vec<Finding>);

impl Report {
    /// The worst of it.
    #[must_use]
    pub fn verdict(&self) -> Level {
        let levels = self.0.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    /// Whether something would fail.
    #[must_use]
    pub fn would_fail(&self) -> bool {
        self.verdict() == Level::Fail
    }

    /// How many findings are of a level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        let of_level = self.0.iter().filter(|finding| finding.level == level);
        of_level.count()
    }
}
