//! The configuration, the seed phrase and what the Python worker understood differently.

use crate::check::facts::Setup;
use crate::check::finding::{Finding, counted};
use crate::config::Warning;
use crate::sign::wallet_source::SecretSource;
use crate::text::secret::shown_path;
use crate::values::standby::Standby;
use crate::webhook::WebhookConfig;

const ABOUT: &str = "configuration";

/// Settings that the Python worker has too, and what they mean here.
const OTHER_MEANINGS: [&str; 4] = [
    "api_params.tx_check_retries: after this number of checks there is a warning, and the wait goes \
     on; the Python worker gave up",
    "api_params.tx_check_freq: the shortest time between two checks, with at most one per block; the \
     Python worker always waited this long",
    "nonce_fetch_freq: how often the window is polled when it is near: the chain says when that is; \
     the Python worker always polled this often",
    "inference_fetch_retries: the number of quick retries; then the model is asked more and more \
     slowly until the window ends; the Python worker gave up",
];

/// What is found about the configuration.
pub fn judge(setup: &Setup) -> Vec<Finding> {
    let topics = setup.config.topics.len();
    let text = format!(
        "{}: {}, {}",
        shown_path(&setup.path),
        counted(topics, "topic"),
        counted(setup.config.api_urls.len(), "endpoint")
    );
    let mut findings = vec![
        Finding::new(ABOUT, "file", text),
        secret(setup),
        Finding::new(ABOUT, "address", &setup.address),
    ];
    if !setup.registers() {
        let text = format!("{} sends the transactions and pays for them", setup.sender);
        findings.push(Finding::new(ABOUT, "fee_account", text));
    }
    findings.extend(setup.config.standby.map(standby));
    let is_default = |warning: &&Warning| matches!(warning, Warning::Default { .. });
    let (defaults, others): (Vec<_>, Vec<_>) = setup.warnings.iter().partition(is_default);
    findings.extend(others.into_iter().map(doubtful_setting));
    findings.extend(unused_proxy(&setup.unused_proxy));
    findings.extend(setup.config.webhook.as_ref().map(webhook));
    if !defaults.is_empty() {
        let defaults: Vec<String> = defaults.into_iter().map(ToString::to_string).collect();
        let text = format!("not set, by default: {}", defaults.join(", "));
        findings.push(Finding::new(ABOUT, "defaults", text));
    }
    findings.extend(other_meanings(&setup.warnings, topics));
    findings
}

/// What can be checked on one machine alone; the other one's settings cannot be seen.
fn standby(standby: Standby) -> Finding {
    let Standby { role, after_blocks } = standby;
    let after = after_blocks.map_or("half of each window".to_owned(), |blocks| {
        format!("{blocks} blocks")
    });
    let text = format!(
        "this is the {role}; the hand-over is {after} after the nonce. Compare with `allora-worker \
         check` on the other machine: the same address and number, the other role"
    );
    Finding::new(ABOUT, "standby", text)
}

fn secret(setup: &Setup) -> Finding {
    // A file that others can open was refused earlier.
    let access = match (&setup.origin, setup.mode) {
        (SecretSource::PhraseCredential(_) | SecretSource::KeyCredential(_), _) => {
            ", which the service manager keeps".to_owned()
        }
        (_, Some(mode)) => format!(", mode {mode:04o}"),
        (_, None) => String::new(),
    };
    let text = format!("from {}{access}", setup.origin);
    Finding::new(ABOUT, setup.origin.kind(), text)
}

fn unused_proxy(variables: &[&str]) -> Option<Finding> {
    let text = format!(
        "{} is set, but endpoints are asked without a proxy",
        variables.join(" and ")
    );
    let advice = "to use it, set api_params.proxy to \"environment\"; if this is right, set it to \
                  \"none\"";
    let finding = Finding::new(ABOUT, "proxy", text).warn(advice);
    (!variables.is_empty()).then_some(finding)
}

fn webhook(config: &WebhookConfig) -> Finding {
    let (name, misses) = (
        config.name(),
        counted(config.after_misses as usize, "missed window"),
    );
    let text = format!(
        "{name}: the running worker sends a text there for waiting states, {misses} in a row and low \
         funds; this check sends nothing to it"
    );
    Finding::new(ABOUT, "webhook", text)
}

/// A warning with what to do about it.
fn doubtful_setting(warning: &Warning) -> Finding {
    let usual = match warning {
        Warning::ChainNotNamed { .. } => {
            "add \"chain_id\" with the chain that is shown below, if that is the right one"
        }
        _ => "fix it in the configuration, or leave it out",
    };
    let advice = warning.command().unwrap_or_else(|| usual.to_owned());
    Finding::new(ABOUT, "setting", warning.to_string()).warn(advice)
}

/// The settings of the Python worker that are in the file, in one topic at least, and mean
/// something else here.
fn other_meanings(warnings: &[Warning], topics: usize) -> impl Iterator<Item = Finding> {
    OTHER_MEANINGS.into_iter().filter_map(move |meaning| {
        let (name, _) = meaning.split_once(':')?;
        let is_unset = warnings.iter().any(|warning| match warning {
            Warning::Default {
                key, topics: unset, ..
            } => key == name && (unset.is_empty() || unset.len() == topics),
            _ => false,
        });
        (!is_unset).then(|| Finding::new(ABOUT, "python_worker", meaning))
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
    fn the_file_and_the_source_of_the_seed_phrase() {
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

    fn default(key: &str, topics: &[usize], value: &str) -> Warning {
        Warning::Default {
            key: key.to_owned(),
            topics: topics.to_vec(),
            value: value.to_owned(),
            in_log: false,
        }
    }

    #[test]
    fn a_warning_says_what_to_type() {
        let mut setup = facts().setup;
        setup.warnings = vec![
            Warning::OpenToOthers {
                key: "seed_phrase".to_owned(),
                path: "x".into(),
                mode: 0o644,
            },
            Warning::Clamped {
                key: "gas_adjustment".to_owned(),
                min: "1.25",
            },
        ];
        let findings = judge(&setup);
        let warnings: Vec<&Finding> = findings.iter().filter(|f| f.name == "setting").collect();
        assert_eq!(warnings[0].advice.as_deref(), Some("type: chmod 600 x"));
        assert_eq!(
            warnings[0].text,
            "seed_phrase: x holds a secret and other users can read it (mode 0644)"
        );
        assert!(warnings.iter().all(|finding| finding.level == Level::Warn));
        assert!(warnings[1].text.contains("below 1.25"));
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn a_default_of_many_topics_is_named_once() {
        let mut setup = facts().setup;
        setup.warnings = vec![default("nonce_fetch_freq", &[0, 1, 2, 3], "5 s")];
        let findings = judge(&setup);
        assert_eq!(
            named(&findings, "defaults"),
            ["not set, by default: topics[0-3].nonce_fetch_freq 5 s"]
        );
        assert!(findings.iter().all(|f| f.level == Level::Ok));
    }

    #[test]
    fn settings_of_the_python_worker_are_explained_where_they_are_set() {
        let mut setup = facts().setup;
        assert_eq!(named(&judge(&setup), "python_worker").len(), 4);
        setup.warnings = vec![
            default("api_params.tx_check_freq", &[], "3 s"),
            default("nonce_fetch_freq", &[0], "5 s"),
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
