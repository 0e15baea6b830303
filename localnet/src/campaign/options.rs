//! The options of commands that make many runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest time of a campaign.
const MINUTES_MAX: u64 = 60 * 24 * 30;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CampaignOptions {
    pub(crate) worker: PathBuf,
    pub(crate) seed: Option<u64>,
    pub(crate) runs: Option<u64>,
    pub(crate) minutes: Option<u64>,
    pub(crate) jobs: Option<usize>,
    pub(crate) times: Option<u64>,
    pub(crate) brief: bool,
    pub(crate) keep: bool,
}

impl CampaignOptions {
    /// Parses the options that the help text names; rejects others.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        help: &str,
    ) -> Result<Option<CampaignOptions>, String> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut settings = CampaignOptions::default();
        let mut worker = None;
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            let is_known = |name: &str| help.contains(&format!("  --{name} "));
            let name = match argument {
                lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
                lexopt::Arg::Long(name) if is_known(name) => name.to_owned(),
                other => return Err(other.unexpected().to_string()),
            };
            let mut value = || parser.value().map_err(|error| error.to_string());
            let number = |value: OsString| {
                let number: Option<u64> = value.to_str().and_then(|text| text.parse().ok());
                number.ok_or_else(|| format!("--{name} {}: use a whole number", value.display()))
            };
            match name.as_str() {
                "worker" => worker = Some(PathBuf::from(value()?)),
                "seed" => settings.seed = Some(number(value()?)?),
                "runs" => settings.runs = Some(number(value()?)?),
                "minutes" => settings.minutes = Some(number(value()?)?.min(MINUTES_MAX)),
                "times" => settings.times = Some(number(value()?)?),
                "jobs" => settings.jobs = usize::try_from(number(value()?)?).ok(),
                "keep" => settings.keep = true,
                _ => settings.brief = true,
            }
        }
        settings.worker = worker.ok_or("--worker is missing: the path of the worker's binary")?;
        Ok(Some(settings))
    }

    /// The seed of the first run: the given one, or one made from the clock.
    pub(crate) fn first_seed(&self) -> u64 {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH);
        self.seed
            .unwrap_or_else(|| clock.map_or(1, |time| time.as_secs()))
    }
}
