//! The configuration, the seed phrase and what the Python worker understood differently.

use crate::check::facts::Setup;
use crate::check::finding::Finding;
use crate::config::NOT_SET;
use crate::sign::seed_phrase::PhraseSource;

const ABOUT: &str = "configuration";
/// How many defaults the table names.
const DEFAULTS_MAX: usize = 6;

/// Settings that the Python worker has too, and what they mean here.
const OTHER_MEANINGS: [(&str, &str); 4] = [
    (
        "api_params.tx_check_retries",
        "after so many looks there is a warning, and the wait goes on; the Python worker gave up",
    ),
    (
        "api_params.tx_check_freq",
        "the shortest time between two looks, of which there is one per block at most; the Python \
         worker looked that often",
    ),
    (
        "nonce_fetch_freq",
        "how often the window is looked for when it is near: the chain says when that is; the \
         Python worker always looked that often",
    ),
    (
        "inference_fetch_retries",
        "so many quick retries; then the model is asked on, ever more slowly, until the window \
         ends; the Python worker gave up",
    ),
];

/// What is found about the configuration.
#[must_use]
pub fn judge(setup: &Setup) -> Vec<Finding> {
    let (topics, endpoints) = (setup.config.topics.len(), setup.config.api_urls.len());
    let text = format!(
        "{}: {topics} topic{}, {endpoints} endpoint{}",
        setup.path.display(),
        plural(topics),
        plural(endpoints)
    );
    let mut findings = vec![
        Finding::ok(ABOUT, "file", text),
        seed_phrase(setup),
        Finding::ok(ABOUT, "address", &setup.address),
    ];
    let (defaults, warnings): (Vec<&String>, Vec<&String>) = setup
        .warnings
        .iter()
        .partition(|text| text.contains(NOT_SET));
    findings.extend(warnings.into_iter().map(|text| warning(text)));
    findings.extend(defaults_taken(&defaults));
    findings.extend(other_meanings(&defaults, topics));
    findings
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn seed_phrase(setup: &Setup) -> Finding {
    let mode = setup.mode.map(|mode| format!(", mode {mode:04o}"));
    let mode = mode.unwrap_or_default();
    // A file of its own that others can open was refused before this.
    let text = match &setup.origin {
        origin @ PhraseSource::Credential(_) => {
            format!("from {origin}, which the service manager keeps")
        }
        origin => format!("from {origin}{mode}"),
    };
    Finding::ok(ABOUT, "seed_phrase", text)
}

/// What was said while the configuration was read, with what to do about it behind a semicolon.
fn warning(text: &str) -> Finding {
    match text.split_once("; type: ") {
        Some((text, command)) => Finding::warn(ABOUT, "setting", text, format!("type: {command}")),
        None => {
            let advice = "mend it in the configuration, or leave it out";
            Finding::warn(ABOUT, "setting", text, advice)
        }
    }
}

fn defaults_taken(defaults: &[&String]) -> Option<Finding> {
    let names: Vec<String> = defaults.iter().map(|d| d.replace(NOT_SET, " ")).collect();
    let text = |names: &[String]| format!("not set, by default: {}", names.join(", "));
    let more = names.len().saturating_sub(DEFAULTS_MAX);
    let brief = || format!("{} and {more} more", text(&names[..DEFAULTS_MAX]));
    (!names.is_empty()).then(|| Finding {
        brief: (more > 0).then(brief),
        ..Finding::ok(ABOUT, "defaults", text(&names))
    })
}

/// The settings of the Python worker that are in the file and mean something else.
fn other_meanings(defaults: &[&String], topics: usize) -> impl Iterator<Item = Finding> {
    OTHER_MEANINGS
        .into_iter()
        .filter_map(move |(name, meaning)| {
            let places = if name.contains('.') { 1 } else { topics };
            let unset = format!("{name}{NOT_SET}");
            let unset = defaults.iter().filter(|text| text.contains(&unset)).count();
            let text = format!("{name}: {meaning}");
            (unset < places).then(|| Finding::ok(ABOUT, "python_worker", text))
        })
}

#[cfg(test)]
mod tests {
    use crate::check::finding::Level;
    use crate::check::judge::tests::facts;

    use super::*;

    fn named<'a>(findings: &'a [Finding], name: &str) -> Vec<&'a str> {
        let named = findings.iter().filter(|finding| finding.name == name);
        named.map(|finding| finding.text.as_str()).collect()
    }

    #[test]
    fn the_file_and_where_the_words_are_from() {
        let setup = facts().setup;
        let findings = judge(&setup);
        assert!(
            findings.iter().all(|f| f.level == Level::Ok),
            "{findings:?}"
        );
        assert_eq!(
            named(&findings, "file"),
            ["config.json: 1 topic, 1 endpoint"]
        );
        let words = named(&findings, "seed_phrase");
        assert_eq!(words, ["from the file /words, mode 0600"]);
        assert_eq!(named(&findings, "address"), [setup.address.as_str()]);
    }

    #[test]
    fn a_warning_says_what_to_type() {
        let mut setup = facts().setup;
        setup.warnings = vec![
            "seed_phrase: others can read it; type: chmod 600 x".to_owned(),
            "gas_adjustment: below 1.25, using 1.25 (why)".to_owned(),
        ];
        let findings = judge(&setup);
        let warnings: Vec<&Finding> = findings.iter().filter(|f| f.name == "setting").collect();
        assert_eq!(warnings[0].advice.as_deref(), Some("type: chmod 600 x"));
        assert_eq!(warnings[0].text, "seed_phrase: others can read it");
        assert!(warnings.iter().all(|finding| finding.level == Level::Warn));
        assert!(warnings[1].text.contains("below 1.25"));
    }

    #[test]
    fn of_many_defaults_the_table_names_a_few_and_json_all() {
        let mut setup = facts().setup;
        let default = |at| format!("topics[{at}].nonce_fetch_freq{NOT_SET}5 s");
        setup.warnings = (0..9).map(default).collect();
        let findings = judge(&setup);
        let found = findings.iter().find(|f| f.name == "defaults").unwrap();
        assert!(found.text.ends_with("topics[8].nonce_fetch_freq 5 s"));
        let brief = found.brief.as_deref().unwrap();
        let expected = "topics[5].nonce_fetch_freq 5 s and 3 more";
        assert!(brief.ends_with(expected), "{brief}");
    }

    #[test]
    fn settings_of_the_python_worker_are_explained_where_they_are_set() {
        let mut setup = facts().setup;
        assert_eq!(named(&judge(&setup), "python_worker").len(), 4);
        setup.warnings = vec![
            format!("api_params.tx_check_freq{NOT_SET}3 s"),
            format!("topics[0].nonce_fetch_freq{NOT_SET}5 s"),
        ];
        let findings = judge(&setup);
        assert_eq!(named(&findings, "python_worker").len(), 2, "{findings:?}");
        assert_eq!(
            named(&findings, "defaults"),
            ["not set, by default: api_params.tx_check_freq 3 s, topics[0].nonce_fetch_freq 5 s"]
        );
        setup.config.topics.push(setup.config.topics[0].clone());
        let set_in_one = named(&judge(&setup), "python_worker").len();
        assert_eq!(set_in_one, 3, "one of two topics sets it");
    }
}
