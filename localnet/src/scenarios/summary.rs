//! What is shown of a run: a line per scenario, and tables of versions and gas at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::judge::{Gas, Verdict};
use super::run::Played;
use super::scenario::Scenario;

/// Gas is rounded up to this in the table: it differs a little from run to run.
const GAS_STEP: u64 = 1_000;

/// A version with its scenarios.
pub(super) struct OfVersion {
    /// The chain and its version: `simulated v10`.
    pub(super) title: String,
    pub(super) played: Vec<Played>,
}

impl OfVersion {
    fn verdict(&self, scenario: &Scenario) -> Option<&Verdict> {
        let found = self
            .played
            .iter()
            .find(|played| played.scenario.name == scenario.name);
        found.map(|played| &played.verdict)
    }

    /// The gas of all scenarios by kind of transaction.
    fn gas(&self) -> BTreeMap<&'static str, Gas> {
        let mut all: BTreeMap<&'static str, Gas> = BTreeMap::new();
        for (kind, gas) in self.played.iter().flat_map(|played| &played.verdict.gas) {
            all.entry(kind).or_insert(*gas).include(gas);
        }
        all
    }

    /// The scenarios to play again.
    pub(super) fn late(&self) -> Vec<&'static Scenario> {
        let late = self
            .played
            .iter()
            .filter(|played| played.verdict.is_only_late());
        late.map(|played| played.scenario).collect()
    }

    /// Takes the scenarios of a second run instead of those of the first one.
    pub(super) fn replace(&mut self, second: OfVersion) {
        for again in second.played {
            let is_same = |first: &&mut Played| first.scenario.name == again.scenario.name;
            if let Some(first) = self.played.iter_mut().find(is_same) {
                *first = again;
            }
        }
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.played
            .iter()
            .all(|played| played.verdict.failures.is_empty())
    }
}

/// The line of a scenario, with its failures and logs below it.
pub(super) fn line(title: &str, played: &Played) -> String {
    let Played {
        scenario,
        verdict,
        time,
        logs,
    } = played;
    let result = match () {
        () if verdict.failures.is_empty() => "ok",
        () if verdict.is_only_late() => "LATE",
        () => "FAILED",
    };
    let gas = verdict.gas.iter().map(|(kind, gas)| {
        let Gas {
            used_min,
            used_max,
            wanted_max,
        } = gas;
        format!(
            "{kind} {} to {} of {}",
            grouped(*used_min),
            grouped(*used_max),
            grouped(*wanted_max)
        )
    });
    let mut text = format!(
        "{result:<6} {:<10} {title}: {} windows, {} at nonce + 1, {} s, fees {} uallo; gas: {}\n",
        scenario.name,
        verdict.windows,
        verdict.at_next_block,
        time.as_secs(),
        verdict.fees_uallo,
        gas.collect::<Vec<_>>().join(", "),
    );
    for failure in &verdict.failures {
        let _ = writeln!(text, "       {failure}");
    }
    text.push_str(logs);
    text
}

/// The page of the documentation, without anything that differs from run to run.
pub(super) fn page(versions: &[OfVersion], scenarios: &[Scenario]) -> String {
    let tables = tables(versions, scenarios);
    format!(
        "# Chain versions\n\n\
         Verified with the real worker on one-node chains of released versions. `make real` writes \
         this page;\nfor a new version, add a folder to `tests/nodes`, run it, and read the \
         differences.\n\n\
         Each number is how many submission windows had to be served, and were: in time, paid \
         once, and with\nthe outcome in the log. \"5 s\": with a block every 5 s, as on public \
         networks, instead of every second.\nA dash: the version does not have it, or it is not \
         played at this pace.\n{tables}"
    )
}

/// How many windows had to be served and were, in each scenario on each version, and the gas.
pub(super) fn tables(versions: &[OfVersion], scenarios: &[Scenario]) -> String {
    let mut text = String::from("\n");
    let titles: Vec<&str> = versions
        .iter()
        .map(|version| version.title.as_str())
        .collect();
    let header = |first: &str| {
        let line = "|---".repeat(titles.len() + usize::from(first == "scenario") + 1);
        let first = if first == "scenario" {
            "scenario | what it shows"
        } else {
            first
        };
        format!("| {first} | {} |\n{line}|\n", titles.join(" | "))
    };
    text += &header("scenario");
    for scenario in scenarios {
        let cells = versions
            .iter()
            .map(|version| match version.verdict(scenario) {
                Some(verdict) if verdict.failures.is_empty() => verdict.windows.to_string(),
                Some(_) => "FAILED".to_owned(),
                None => "–".to_owned(),
            });
        let cells = cells.collect::<Vec<_>>().join(" | ");
        let _ = writeln!(text, "| {} | {} | {cells} |", scenario.name, scenario.shows);
    }
    text += "\nGas used in blocks, rounded up, and the highest limit offered:\n\n";
    text += &header("transaction");
    let gas: Vec<_> = versions.iter().map(OfVersion::gas).collect();
    let mut kinds: Vec<&str> = gas.iter().flat_map(|of| of.keys().copied()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let cells = gas
            .iter()
            .map(|of| of.get(kind).map_or("–".to_owned(), gas_cell));
        let _ = writeln!(
            text,
            "| {kind} | {} |",
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
    text
}

fn gas_cell(gas: &Gas) -> String {
    let round = |gas: u64| grouped(gas.div_ceil(GAS_STEP) * GAS_STEP);
    let (from, to) = (round(gas.used_min), round(gas.used_max));
    let used = if from == to {
        from
    } else {
        format!("{from} to {to}")
    };
    format!("{used} (limit {})", round(gas.wanted_max))
}

/// A number with commas.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenarios::all::ALL;

    fn played(index: usize, failures: &[&str]) -> Played {
        let gas = Gas {
            used_min: 139_890,
            used_max: 147_557,
            wanted_max: 195_001,
        };
        Played {
            scenario: &ALL[index],
            verdict: Verdict {
                windows: 3,
                at_next_block: 2,
                fees_uallo: 7_500_000,
                gas: [("inference", gas)].into(),
                failures: failures.iter().map(|text| (*text).to_owned()).collect(),
                late: 0,
            },
            time: Duration::from_secs(47),
            logs: String::new(),
        }
    }

    #[test]
    fn a_scenario_is_one_line_with_its_failures_below() {
        let name = ALL[0].name;
        assert_eq!(
            line("v0.17.0", &played(0, &["nonce 3: not served"])),
            format!(
                "FAILED {name:<10} v0.17.0: 3 windows, 2 at nonce + 1, 47 s, fees 7500000 uallo; \
                 gas: inference 139,890 to 147,557 of 195,001\n       nonce 3: not served\n"
            )
        );
    }

    #[test]
    fn the_second_run_of_a_late_scenario_counts() {
        let late = |index: usize, failures: &[&str]| {
            let mut late = played(index, failures);
            late.verdict.late = 1;
            late
        };
        let mut version = OfVersion {
            title: "v0.17.0".to_owned(),
            played: vec![played(0, &[]), late(1, &["late"]), late(2, &["late", "x"])],
        };
        let again = version.late();
        let names: Vec<&str> = again.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, [ALL[1].name]);
        assert!(line("v0.17.0", &version.played[1]).starts_with("LATE "));
        version.replace(OfVersion {
            title: "v0.17.0".to_owned(),
            played: vec![played(1, &[])],
        });
        let of = |index: usize| version.played[index].verdict.failures.len();
        assert_eq!([of(0), of(1), of(2)], [0, 0, 2]);
        assert!(!version.has_succeeded());
    }

    #[test]
    fn the_tables_have_a_column_per_version_and_no_times() {
        let version = |title: &str, played| OfVersion {
            title: title.to_owned(),
            played,
        };
        let versions = [
            version("v0.16.0 (v9)", vec![played(0, &[])]),
            version("v0.17.0 (v10)", vec![played(0, &[]), played(1, &["x"])]),
        ];
        let text = tables(&versions, &ALL[..2]);
        let row = |index: usize| format!("| {} | {} |", ALL[index].name, ALL[index].shows);
        assert!(
            text.contains(
                "| scenario | what it shows | v0.16.0 (v9) | v0.17.0 (v10) |\n|---|---|---|---|\n"
            ),
            "{text}"
        );
        assert!(text.contains(&format!("{} 3 | 3 |\n", row(0))), "{text}");
        assert!(
            text.contains(&format!("{} – | FAILED |\n", row(1))),
            "{text}"
        );
        let gas = "140,000 to 148,000 (limit 196,000)";
        assert!(
            text.contains(&format!("| inference | {gas} | {gas} |\n")),
            "{text}"
        );
        assert!(!text.contains("47"), "{text}");
        let page = super::page(&versions, &ALL[..2]);
        assert!(
            page.starts_with("# Chain versions\n") && page.ends_with(&text),
            "{page}"
        );
    }
}
