//! Makes a configuration of this worker from one of the official Go node or of the Python SDK's runner.
//!
//! No value is invented but the address of a model that has none, and no secret is repeated: what has no
//! counterpart, and what is to do by hand, is a line of [`Imported::notes`].

mod go_node;
mod python_sdk;
mod yaml;

use serde_json::{Map, Value, json};

use crate::text::secret::is_secret;
use crate::text::{escaped, is_unseen};
use crate::values::units::TopicId;

/// The longest name of a setting that a note repeats, in characters.
const NAME_CHARS_MAX: usize = 40;

/// A configuration, and what is to know about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// Whose configuration was read.
    pub of: &'static str,
    /// The members in the order of docs/configuration.md.
    pub config: Vec<(&'static str, Value)>,
    /// What has no counterpart or must be done by hand, one sentence each.
    pub notes: Vec<String>,
}

/// Why nothing was imported. No text of the file is repeated.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("it is empty; did the shell write its output into it?")]
    Empty,
    #[error("invalid JSON at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("{0}")]
    NotYaml(String),
    #[error(
        "it is a configuration of this worker, or of the Python worker, whose file is used unchanged: \
         allora-worker check --config FILE"
    )]
    Own,
    #[error(
        "it is not a known configuration: the Go node's has `wallet` and `worker`, that of the \
         Python SDK's runner has `wallet`, `network` and `workers`"
    )]
    Unknown,
    #[error("it has no worker for a topic, and reputers are not served")]
    NoTopic,
    #[error(
        "a setting that would be printed looks like a seed phrase or a private key, so nothing is \
         printed; remove it from the file"
    )]
    Secret,
}

/// Reads the text of a file.
///
/// # Errors
/// It is not a configuration of another worker.
pub fn import(text: &str) -> Result<Imported, ImportError> {
    if text.trim().is_empty() {
        return Err(ImportError::Empty);
    }
    let tree = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| ImportError::NotJson {
            line: error.line(),
            column: error.column(),
        })?
    } else {
        yaml::read(text).map_err(|error| ImportError::NotYaml(error.to_string()))?
    };
    let Value::Object(file) = tree else {
        return Err(ImportError::Unknown);
    };
    let file = ForeignSection::new("", file);
    let imported = if file.has("workers") {
        python_sdk::import(file)
    } else if file.has("worker") || file.has("reputer") {
        go_node::import(file)
    } else if file.has("topics") || file.has("api_params") {
        return Err(ImportError::Own);
    } else {
        return Err(ImportError::Unknown);
    };
    if imported.topics.is_empty() {
        return Err(ImportError::NoTopic);
    }
    let imported = imported.finish();
    let holds_secret = imported.config.iter().any(|(_, value)| holds_secret(value));
    if holds_secret {
        return Err(ImportError::Secret);
    }
    Ok(imported)
}

impl Imported {
    /// The configuration as a text with a line for each setting. Characters that [`is_unseen`] are
    /// JSON's escapes: it may be printed on a terminal.
    pub fn text(&self) -> String {
        let lines = self.config.iter().map(|(key, value)| {
            let value = serde_json::to_string_pretty(value).unwrap_or_default();
            let value = with_unseen_escaped(&value);
            format!("  \"{key}\": {}", value.replace('\n', "\n  "))
        });
        format!("{{\n{}\n}}", lines.collect::<Vec<_>>().join(",\n"))
    }
}

/// JSON whose strings hold no character that [`is_unseen`]. Its line breaks stay.
fn with_unseen_escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_unseen(c) {
            safe.push(c);
        } else {
            let units = c.encode_utf16(&mut [0; 2]).to_vec();
            safe.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    safe
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => is_secret(text),
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| is_secret(name) || holds_secret(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// An object of the file. What is taken from it is gone; what is left has no counterpart.
struct ForeignSection {
    /// Where it is in the file, with a dot at the end unless it is the file itself.
    place: String,
    members: Map<String, Value>,
}

impl ForeignSection {
    fn new(place: &str, members: Map<String, Value>) -> ForeignSection {
        let place = place.to_owned();
        ForeignSection { place, members }
    }

    fn has(&self, name: &str) -> bool {
        self.members
            .keys()
            .any(|key| key.eq_ignore_ascii_case(name))
    }

    /// A member by its name, in any case, as the Go node reads it. `null` counts as missing.
    fn take(&mut self, name: &str) -> Option<Value> {
        let mut keys = self.members.keys();
        let key = keys.find(|key| key.eq_ignore_ascii_case(name))?.clone();
        self.members.remove(&key).filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    fn section(&mut self, name: &str) -> ForeignSection {
        let place = format!("{}{name}.", self.place);
        match self.take(name) {
            Some(Value::Object(members)) => ForeignSection { place, members },
            _ => ForeignSection::new(&place, Map::new()),
        }
    }

    /// The objects of a list.
    fn sections(&mut self, name: &str) -> Vec<ForeignSection> {
        let place = format!("{}{name}", self.place);
        let items = match self.take(name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let section = |(at, item)| match item {
            Value::Object(members) => {
                Some(ForeignSection::new(&format!("{place}[{at}]."), members))
            }
            _ => None,
        };
        items.into_iter().enumerate().filter_map(section).collect()
    }

    fn topic(&mut self, name: &str) -> Option<TopicId> {
        let id = match self.take(name)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        id.filter(|id| *id > 0).map(TopicId)
    }

    /// Removes settings that are not needed here.
    fn drop_all(&mut self, names: &[&str]) {
        for name in names {
            self.take(name);
        }
    }

    /// The names of what is left, without what may be a secret.
    fn rest(&self) -> Vec<String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let is_shown = |key: &&String| {
            key.len() <= NAME_CHARS_MAX && key.chars().all(is_name) && !is_secret(key)
        };
        let names = self.members.keys().filter(is_shown);
        names.map(|key| format!("{}{key}", self.place)).collect()
    }
}

/// What is gathered on the way.
struct ImportDraft {
    of: &'static str,
    /// `network`, `seed_phrase_file` and the like.
    settings: Vec<(&'static str, Value)>,
    topics: Vec<ForeignTopic>,
    notes: Vec<String>,
}

/// A topic and its models.
struct ForeignTopic {
    id: TopicId,
    members: Vec<(&'static str, Value)>,
}

impl ImportDraft {
    fn new(of: &'static str) -> ImportDraft {
        ImportDraft {
            of,
            settings: Vec::new(),
            topics: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.settings.push((key, value.into()));
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Lists the settings of a section that were not taken.
    fn note_rest(&mut self, section: &ForeignSection) {
        let rest = section.rest();
        if !rest.is_empty() {
            self.note(format!("no counterpart: {}", rest.join(", ")));
        }
    }

    /// Adds a model's settings to its topic; what the topic has already stays.
    fn add(&mut self, id: TopicId, members: Vec<(&'static str, Value)>) {
        let at = self.topics.iter().position(|topic| topic.id == id);
        let at = at.unwrap_or_else(|| {
            let members = Vec::new();
            self.topics.push(ForeignTopic { id, members });
            self.topics.len() - 1
        });
        let Some(topic) = self.topics.get_mut(at) else {
            return;
        };
        for (key, value) in members {
            if topic.members.iter().any(|(known, _)| *known == key) {
                self.notes.push(format!(
                    "topic {id} has two values of {key}; the first one is used"
                ));
            } else {
                topic.members.push((key, value));
            }
        }
    }

    /// The address that stands for a model without one.
    fn placeholder(&mut self, id: TopicId, why: &str) -> Value {
        let url = format!("http://localhost:8000/{id}");
        self.note(format!(
            "topic {id}: {why}; let the model answer over HTTP (docs/models.md), and write its URL \
             instead of {url}"
        ));
        Value::from(url)
    }

    fn finish(mut self) -> Imported {
        let topic = |topic: ForeignTopic| {
            let mut members = Map::new();
            members.insert("topic_id".to_owned(), json!(topic.id.0));
            let rest = topic.members.into_iter();
            members.extend(rest.map(|(key, value)| (key.to_owned(), value)));
            Value::Object(members)
        };
        let shown = |note: &String| escaped(note).into_owned();
        let topics = self.topics.into_iter().map(topic).collect();
        self.settings.push(("topics", Value::Array(topics)));
        Imported {
            of: self.of,
            config: self.settings,
            notes: self.notes.iter().map(shown).collect(),
        }
    }
}

/// The network that a chain's id or a node's host names.
fn network_of(text: &str) -> Option<&'static str> {
    let is_of = |name: &str| {
        text.contains(&format!("{name}.allora.network")) || text == format!("allora-{name}-1")
    };
    ["testnet", "mainnet"].into_iter().find(|name| is_of(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    const WORDS: &str = "test test test test test test test test test test test junk";

    /// The Go node's example, with what older and newer versions know.
    fn go() -> Value {
        json!({
            "wallet": {
                "addressKeyName": "mine",
                "addressRestoreMnemonic": WORDS,
                "alloraHomeDir": "",
                "gas": "auto",
                "gasAdjustment": 1.4,
                "maxFees": 500_000,
                "nodeRpc": "https://allora-rpc.testnet.allora.network",
                "maxRetries": 5,
                "submitTx": false,
                "strange": 1
            },
            "worker": [
                {
                    "topicId": 1,
                    "inferenceEntrypointName": "api-worker-reputer",
                    "forecastEntrypointName": "api-worker-reputer",
                    "loopSeconds": 10,
                    "parameters": {
                        "InferenceEndpoint": "http://source:8000/inference/{Token}/{TopicId}/{BlockHeight}",
                        "ForecastEndpoint": "http://source:8000/forecast/{Token}",
                        "Token": "ETH"
                    }
                },
                {"topicId": 2, "inferenceEntrypointName": "mine", "parameters": {"Region": "us"}}
            ],
            "reputer": [{"topicId": 1, "minStake": 100_000}]
        })
    }

    const SDK: &str = "\
wallet:
  mnemonic_file: /run/secrets/words
network:
  chain_id: allora-testnet-1
  url: grpc+https://allora-grpc.testnet.allora.network:443
  fee_minimum_gas_price: 10
workers:
  # two roles of one topic
  - role: inferer
    topic_id: 22
    polling_interval: 120
    inference_source:
      type: api
      url: http://model-api:8000/inference?block={nonce}
      response_field: data.value
  - role: forecaster
    topic_id: 22
    forecast_source:
      type: entrypoint
      ref: app.model:run_forecast
  - role: reputer
    topic_id: 22
  - role: inferer
    topic_id: 23
    run_ref: my_package.eth:predict
";

    fn notes(imported: &Imported) -> String {
        imported.notes.join("\n")
    }

    /// What is printed is a configuration that is accepted.
    fn accepted(imported: &Imported) -> Value {
        let text = imported.text();
        assert_eq!(config::problems(&text, Path::new("x")), [""; 0], "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_go_nodes_configuration_is_read() {
        let imported = import(&go().to_string()).unwrap();
        assert_eq!(
            accepted(&imported),
            json!({
                "network": "testnet",
                "seed_phrase_file": "seed_phrase",
                "gas_adjustment": 1.4,
                "max_fee_uallo": 500_000,
                "topics": [
                    {
                        "topic_id": 1,
                        "inference_url": "http://source:8000/inference/ETH/{topic_id}/{block_height}",
                        "forecast_url": "http://source:8000/forecast/ETH"
                    },
                    {"topic_id": 2, "inference_url": "http://localhost:8000/2"}
                ]
            })
        );
        let notes = notes(&imported);
        for part in [
            "write the seed phrase of wallet.addressRestoreMnemonic into the file seed_phrase",
            "chmod 600",
            "topic 2: its adapter has no InferenceEndpoint",
            "reputers are not served: topic 1",
            "submitTx",
            "no counterpart: wallet.strange",
            "no counterpart: worker[1].parameters.Region",
        ] {
            assert!(notes.contains(part), "{part} is not in\n{notes}");
        }
        let shown = format!("{imported:?} {}", imported.text());
        assert!(!shown.contains("junk"), "{shown}");
    }

    #[test]
    fn a_go_node_with_its_own_chain_and_its_keyring_is_told_what_to_do() {
        let mut file = go();
        file["wallet"]["addressRestoreMnemonic"] = json!("");
        file["wallet"]["nodeRpc"] = json!("http://node.example:26657/");
        let imported = import(&file.to_string()).unwrap();
        let config = accepted(&imported);
        assert_eq!(config["api_params"]["api_url"], "http://node.example:1317");
        assert_eq!(config["private_key_file"], "private_key");
        let notes = notes(&imported);
        for part in [
            "allorad keys export mine --unarmored-hex --unsafe",
            "api_params.api_url is a guess (http://node.example:1317)",
            "set chain_id",
        ] {
            assert!(notes.contains(part), "{part} is not in\n{notes}");
        }
    }

    #[test]
    fn no_note_repeats_keys_or_controls_a_terminal() {
        let key = "5eed".repeat(16);
        for (node, shown) in [
            (
                "http://me:hidden@node.example:26657/hidden?key=hidden",
                "a guess (http://node.example:1317)",
            ),
            (
                "http://\u{1b}[2Jhidden\u{202e}:26657",
                "a guess (a URL that cannot be read)",
            ),
        ] {
            let mut file = go();
            file["wallet"]["addressRestoreMnemonic"] = json!("");
            file["wallet"]["addressKeyName"] = json!(key);
            file["wallet"]["nodeRpc"] = json!(node);
            file["wallet"]["\u{1b}[2Jhidden"] = json!(1);
            file["worker"][0]["parameters"]["Token"] = json!("\u{9b}2J\u{202e}");
            let imported = import(&file.to_string()).unwrap();
            let (notes, text) = (notes(&imported), imported.text());
            for part in [shown, "allorad keys export NAME "] {
                assert!(notes.contains(part), "{part} is not in\n{notes}");
            }
            for part in ["hidden", &key] {
                assert!(!notes.contains(part), "{part} is in\n{notes}");
            }
            let is_shown = |c| c == '\n' || !is_unseen(c);
            assert!((notes + &text).chars().all(is_shown), "{text:?}");
            let read: Value = serde_json::from_str(&text).unwrap();
            let url = read["topics"][0]["inference_url"].as_str().unwrap();
            assert!(url.contains("/\u{9b}2J\u{202e}/"), "{text}");
        }
        let mut file = go();
        file["wallet"]["nodeRpc"] = json!(format!("http://{}", WORDS.replace(' ', "-")));
        let error = import(&file.to_string()).unwrap_err();
        assert!(matches!(error, ImportError::Secret), "{error}");
    }

    #[test]
    fn the_runners_configuration_is_read() {
        let imported = import(SDK).unwrap();
        assert_eq!(
            accepted(&imported),
            json!({
                "network": "testnet",
                "seed_phrase_file": "/run/secrets/words",
                "topics": [
                    {
                        "topic_id": 22,
                        "inference_url": "http://model-api:8000/inference?block={block_height}",
                        "value_pointer": "/data/value",
                        "forecast_url": "http://localhost:8000/22"
                    },
                    {"topic_id": 23, "inference_url": "http://localhost:8000/23"}
                ]
            })
        );
        let notes = notes(&imported);
        for part in [
            "topic 22: its forecast is made by a Python function",
            "topic 23: its inference is made by a Python function",
            "reputers are not served: topic 22",
            "no counterpart: network.fee_minimum_gas_price",
        ] {
            assert!(notes.contains(part), "{part} is not in\n{notes}");
        }
    }

    #[test]
    fn a_key_in_the_runners_configuration_is_not_repeated() {
        let text = SDK.replace(
            "mnemonic_file: /run/secrets/words",
            &format!("private_key: {}", "5eed".repeat(16)),
        );
        let imported = import(&text).unwrap();
        assert_eq!(accepted(&imported)["private_key_file"], "private_key");
        let shown = format!("{imported:?}");
        assert!(!shown.contains("5eed"), "{shown}");
        assert!(
            shown.contains("write the private key of wallet.private_key"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_configuration_is_refused_without_its_text() {
        let mut secret = go();
        secret["worker"][0]["parameters"]["InferenceEndpoint"] = json!(WORDS);
        for (text, expected) in [
            (String::new(), "did the shell write its output into it?"),
            (" \n".to_owned(), "it is empty"),
            (r#"{"topics": []}"#.to_owned(), "is used unchanged"),
            (r#"{"wallet": {}}"#.to_owned(), "not a known configuration"),
            (r#"{"worker": []}"#.to_owned(), "no worker for a topic"),
            ("{\n  junk".to_owned(), "invalid JSON at line 2"),
            ("workers:\n\t- junk".to_owned(), "line 2: a tab"),
            ("junk".to_owned(), "line 1"),
            (secret.to_string(), "looks like a seed phrase"),
        ] {
            let error = import(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("junk"), "{error}");
        }
    }
}
