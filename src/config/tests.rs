//! Tests of the configuration file as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::global::{API_URLS_MAX, MAX_FEE, read_api};
use super::standby::read_section;
use super::topics::{TOPICS_MAX, read_topic};
use super::*;
use crate::http::proxy::{Proxies, Proxy};
use crate::http::url::Url;
use crate::logging;
use crate::model::endpoint::ModelConfig;
use crate::model::guard::Guards;
use crate::model::template::UrlTemplate;
use crate::values::fee::GasFactor;
use crate::values::standby::{Role, Standby};
use crate::values::units::{TopicId, Uallo};

mod models;
mod schema;

const WORDS: &str = "test test test test test test test test test test test junk";

/// What is read from a file's text.
struct Parsed {
    config: Option<Config>,
    seed_phrase: Option<Zeroizing<String>>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

fn read_at(text: &str, path: &Path) -> Result<Parsed, ConfigError> {
    let findings = Findings::default();
    let content = parse(text, path, &findings)?;
    let (problems, warnings) = findings.into_parts();
    schema::compare(text, &problems, &warnings);
    Ok(Parsed {
        config: content.config,
        seed_phrase: content.seed_phrase,
        problems,
        warnings,
    })
}

fn read(text: &str) -> Result<Parsed, ConfigError> {
    read_at(text, Path::new("config.json"))
}

fn problems(value: &Value) -> Vec<String> {
    let problems = read(&value.to_string()).unwrap().problems;
    problems.iter().map(ToString::to_string).collect()
}

/// The configuration of the smallest file.
pub(crate) fn sample() -> Config {
    config(&smallest())
}

/// The smallest file that a worker can start with, except for its seed phrase.
fn smallest() -> Value {
    json!({
        "chain_id": "localnet",
        "api_params": {"api_url": "http://localhost:1317"},
        "topics": [{"topic_id": 1, "inference_url": "http://localhost:8000/ETH"}]
    })
}

/// The smallest file with one member set to something else.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = smallest();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap()[key] = value;
    config
}

/// The warnings as text.
fn found(reading: &Parsed) -> Vec<String> {
    let warnings = reading.warnings.iter();
    warnings.map(ToString::to_string).collect()
}

fn config(value: &Value) -> Config {
    let reading = read(&value.to_string()).unwrap();
    assert_eq!(reading.problems, []);
    reading.config.unwrap()
}

#[test]
fn standby_names_a_role_and_the_blocks_before_the_hand_over() {
    let read = |standby: Value| {
        let mut file = with("/standby", standby);
        file["fee_seed_phrase_file"] = json!("fees");
        super::tests::read(&file.to_string()).unwrap()
    };
    let of = |standby| read(standby).config.unwrap().standby;
    let primary = Standby {
        role: Role::Primary,
        after_blocks: None,
    };
    assert_eq!(of(json!({"role": "primary"})), Some(primary));
    let standby = Standby {
        role: Role::Standby,
        after_blocks: Some(5),
    };
    assert_eq!(
        of(json!({"role": "standby", "after_blocks": 5})),
        Some(standby)
    );
    assert_eq!(config(&smallest()).standby, None);
    let wrong = [
        (
            json!({"role": "backup"}),
            "standby.role: must be \"primary\" on one machine",
        ),
        (
            json!({}),
            "standby.role: must be \"primary\" on one machine",
        ),
        (
            json!({"role": "standby", "after_blocks": 2}),
            "standby.after_blocks: must be a whole number",
        ),
        (
            json!({"role": "standby", "after_blocks": 3.5}),
            "standby.after_blocks: must be a whole",
        ),
        (
            json!({"role": "primary", "after_blocks": 86_401}),
            "standby.after_blocks: must be a whole",
        ),
        (json!("primary"), "standby: "),
    ];
    for (standby, problem) in wrong {
        let problems = read(standby).problems;
        assert!(problems[0].to_string().starts_with(problem), "{problems:?}");
    }
}

#[test]
fn a_standby_sends_from_an_account_of_its_own() {
    let problems = read(&with("/standby", json!({"role": "standby"})).to_string());
    let problems = problems.unwrap().problems;
    let text = problems[0].to_string();
    assert!(
        text.contains("name its seed phrase in fee_seed_phrase_file"),
        "{text}"
    );
    let worker = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";
    let same = sample().check_accounts(worker, Some(worker)).unwrap_err();
    assert!(
        same.to_string()
            .starts_with("fee_seed_phrase_file: it is the seed phrase")
    );
    let granter = "allo102ksu3kx57w0mrhkg37kvymmk2lgxqcan6u7yn";
    let config = config(&with("/fee_granter", json!(granter)));
    config.check_accounts(granter, Some(worker)).unwrap();
    config.check_accounts(worker, Some(granter)).unwrap_err();
}

#[test]
fn a_fee_granter_is_an_address_of_another_account() {
    let granter = "allo102ksu3kx57w0mrhkg37kvymmk2lgxqcan6u7yn";
    let read = config(&with("/fee_granter", json!(granter)));
    assert_eq!(read.fee_granter.as_deref(), Some(granter));
    read.check_accounts("allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8", None)
        .unwrap();
    let own = read.check_accounts(granter, None).unwrap_err().to_string();
    assert!(
        own.contains(granter) && own.contains("remove fee_granter"),
        "{own}"
    );
    sample().check_accounts(granter, None).unwrap();
    for wrong in [
        "allo102ksu3kx57w0mrhkg37kvymmk2lgxqcan6u7yp",
        "cosmos15yk64u7zc9g9k2yr2wmzeva5qgwxps6yqv9gh8",
        "ALLO102KSU3KX57W0MRHKG37KVYMMK2LGXQCAN6U7YN",
        "allo1",
    ] {
        let problems = problems(&with("/fee_granter", json!(wrong)));
        let expected = "fee_granter: is not an account's address: it begins with allo1";
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn the_python_workers_file_is_read_unchanged() {
    let text = r#"{
      "debug": true,
      "seed_phrase": "some words",
      "api_params": {
        "api_url": "https://allora-api.testnet.allora.network/",
        "tx_check_retries": 15,
        "tx_check_freq": 3
      },
      "topics": [
        {
          "topic_id": 3,
          "inference_url": "http://localhost:8000/BTC",
          "nonce_fetch_freq": 2.5,
          "inference_fetch_retries": 10,
          "inference_fetch_retry_freq": 4
        }
      ]
    }"#;
    let reading = read(text).unwrap();
    assert_eq!(reading.problems, []);
    assert_eq!(
        found(&reading),
        [
            "gas_adjustment 1.5",
            "max_fee_uallo 0.01 ALLO",
            "max_fee_per_day_uallo 0.02 ALLO"
        ]
    );
    assert_eq!(reading.seed_phrase.unwrap().as_str(), "some words");
    let expected = Config {
        debug: true,
        chain_id: Some("allora-testnet-1".to_owned()),
        api_urls: vec![Url::parse("https://allora-api.testnet.allora.network").unwrap()],
        tx_check_retries: 15,
        tx_check_freq: Duration::from_secs(3),
        topics: vec![TopicConfig {
            topic: TopicId(3),
            inference: Some(ModelConfig::at(
                UrlTemplate::parse("http://localhost:8000/BTC").unwrap(),
            )),
            nonce_fetch_freq: Duration::from_millis(2_500),
            inference_fetch_retries: 10,
            inference_fetch_retry_freq: Duration::from_secs(4),
            ..sample().topics.remove(0)
        }],
        ..sample()
    };
    assert_eq!(reading.config.unwrap(), expected);
}

#[test]
fn missing_settings_take_their_defaults_which_are_named() {
    let reading = read(&smallest().to_string()).unwrap();
    assert_eq!(
        found(&reading),
        [
            "gas_adjustment 1.5",
            "max_fee_uallo 0.01 ALLO",
            "api_params.tx_check_retries 10",
            "api_params.tx_check_freq 3 s",
            "topics[0].nonce_fetch_freq 5 s",
            "topics[0].inference_fetch_retries 5",
            "topics[0].inference_fetch_retry_freq 3 s",
            "max_fee_per_day_uallo 0.02 ALLO",
        ]
    );
    let config = reading.config.unwrap();
    assert_eq!(
        (config.tx_check_retries, config.tx_check_freq),
        (10, Duration::from_secs(3))
    );
    assert!(!config.debug);
    assert_eq!(
        (config.gas_factor, config.max_fee),
        (GasFactor::DEFAULT, MAX_FEE)
    );
    assert_eq!(config.metrics_listen, None::<SocketAddr>);
    assert_eq!(config.log, logging::LogSettings::default());
    let topic = &config.topics[0];
    assert_eq!(topic.nonce_fetch_freq, Duration::from_secs(5));
    assert_eq!(topic.inference_fetch_retries, 5);
    assert_eq!(topic.inference_fetch_retry_freq, Duration::from_secs(3));
    assert_eq!(
        (&topic.forecast, &topic.guards),
        (&None, &Guards::default())
    );
    let time_max = topic.inference.as_ref().unwrap().time_max;
    assert_eq!(time_max, Duration::from_secs(30));
}

#[test]
fn all_problems_are_reported_at_once_each_with_its_path() {
    let value = json!({
        "debug": "yes",
        "sed_phrase": "",
        "gas_adjustment": 101,
        "max_fee_uallo": "much",
        "api_params": {"api_url": ["http://a", "nothing", "http://a/"], "tx_check_retries": []},
        "topics": [
            {"topic_id": 1, "inference_url": "http://localhost:8000"},
            {"topic_id": 0, "inference_url": ""},
            {"topic_id": 1, "inference_url": "localhost:8000"},
            {"inference_ur": "http://localhost:8000"},
            7
        ]
    });
    let found = problems(&value);
    let paths: Vec<_> = found
        .iter()
        .map(|problem| problem.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "sed_phrase",
            "debug",
            "gas_adjustment",
            "max_fee_uallo",
            "api_params.api_url[1]",
            "api_params.api_url[2]",
            "api_params.tx_check_retries",
            "topics[1].topic_id",
            "topics[1].inference_url",
            "topics[2].topic_id",
            "topics[2].inference_url",
            "topics[3].inference_ur",
            "topics[3].topic_id",
            "topics[3].inference_url",
            "topics[4]",
        ],
        "{found:#?}"
    );
    assert!(
        found[0].contains("did you mean `seed_phrase`?"),
        "{found:?}"
    );
    assert!(found[9].contains("is in topics[0] already"), "{found:?}");
}

#[test]
fn sections_of_a_wrong_kind_are_one_problem_each() {
    assert_eq!(
        problems(&json!([])),
        ["must be an object in braces; found a list"]
    );
    assert_eq!(
        problems(&with("/api_params", json!("http://localhost"))),
        ["api_params: must be an object in braces; found a text"]
    );
    assert_eq!(
        problems(&with("/topics", json!({}))),
        ["topics: must be a list of topics; found an object"]
    );
    let empty = problems(&json!({}));
    assert_eq!(empty.len(), 2, "{empty:?}");
    assert!(
        empty[0].starts_with("api_params.api_url: is empty; fill in"),
        "{empty:?}"
    );
    assert!(
        empty[1].starts_with("topics: is empty; add a topic"),
        "{empty:?}"
    );
}

#[test]
fn the_fee_limit_is_a_whole_number_or_its_text() {
    let limit = |value: Value| config(&with("/max_fee_uallo", value)).max_fee;
    assert_eq!(limit(json!(5_000_000)), Uallo(5_000_000));
    assert_eq!(limit(json!("62500000000000")), Uallo(62_500_000_000_000));
    assert_eq!(limit(json!(u128::from(u64::MAX) + 1)), Uallo(1 << 64));
    assert_eq!(limit(json!("1e15")), Uallo(1_000_000_000_000_000));
    assert_eq!(limit(json!("0.01 ALLO")), Uallo(10_u128.pow(16)));
    assert_eq!(limit(json!(" 2ALLO ")), Uallo(2 * 10_u128.pow(18)));
    assert_eq!(limit(json!("0.01 allo")), Uallo(10_u128.pow(16)));
    assert_eq!(limit(json!("0.01Allo")), Uallo(10_u128.pow(16)));
    assert_eq!(limit(json!(0)), MAX_FEE);
    assert_eq!(limit(json!(null)), MAX_FEE);
    for wrong in [
        json!(1.5),
        json!(""),
        json!("much"),
        json!([1]),
        json!("1e39"),
        json!("0 ALLO"),
        json!("-1 ALLO"),
        json!("1e-19 ALLO"),
        json!("ALLO"),
        json!("0.01 BTC"),
    ] {
        assert_eq!(
            problems(&with("/max_fee_uallo", wrong.clone())).len(),
            1,
            "{wrong}"
        );
    }
    let reading = read(&with("/max_fee_uallo", json!(-1)).to_string()).unwrap();
    let warning = "max_fee_uallo: is zero or negative, using 0.01 ALLO".to_owned();
    assert!(found(&reading).contains(&warning));
}

#[test]
fn defaults_of_log_and_metrics_are_not_reported() {
    let value = json!({
        "metrics_listen": "127.0.0.1:9464",
        "log_format": "json",
        "log_dir": "",
        "log_bytes_max": 4096,
        "log_files_kept": 1,
    });
    let mut whole = smallest();
    for (key, value) in value.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let reading = read(&whole.to_string()).unwrap();
    let about = |text: &&String| text.starts_with("log_") || text.starts_with("metrics");
    assert_eq!(found(&reading).iter().filter(about).count(), 0);
    let config = reading.config.unwrap();
    assert_eq!(config.metrics_listen, "127.0.0.1:9464".parse().ok());
    let expected = logging::LogSettings {
        format: logging::Format::Json,
        file: logging::FileLog::In(PathBuf::new()),
        file_bytes_max: 4_096,
        files_kept: 1,
    };
    assert_eq!(config.log, expected);

    let reading = read(&with("/metrics_listen", json!("0.0.0.0:9464")).to_string()).unwrap();
    assert_eq!(found(&reading).iter().filter(about).count(), 1);
}

#[test]
fn a_webhook_has_a_url_and_headers_that_are_not_printed() {
    let mut value = with(
        "/webhook_url",
        json!(" https://me:pw@hooks.example/T0/B0/path-key?k=q "),
    );
    value["webhook_headers"] = json!({"X-Key": "header-key"});
    let parsed = read(&value.to_string()).unwrap();
    let default = "webhook_after_misses 3".to_owned();
    assert!(found(&parsed).contains(&default), "{:?}", found(&parsed));
    let webhook = parsed.config.unwrap().webhook.unwrap();
    assert_eq!(webhook.name(), "https://hooks.example");
    assert_eq!(
        webhook.url.as_str(),
        "https://me:pw@hooks.example/T0/B0/path-key?k=q"
    );
    assert_eq!((webhook.headers.len(), webhook.after_misses), (1, 3));
    let printed = format!("{webhook:?}");
    assert!(
        !printed.contains("key") && !printed.contains("pw"),
        "{printed}"
    );
    value["webhook_after_misses"] = json!(1_000);
    assert_eq!(config(&value).webhook.unwrap().after_misses, 1_000);
    assert_eq!(sample().webhook, None);
}

#[test]
fn what_is_wrong_with_a_webhook_is_a_problem() {
    for (pointer, wrong, problem) in [
        (
            "/webhook_url",
            json!("hooks.example"),
            "webhook_url: is not a valid URL",
        ),
        (
            "/webhook_url",
            json!("ftp://hooks.example"),
            "webhook_url: is not a valid URL",
        ),
        (
            "/webhook_url",
            json!(["http://a"]),
            "webhook_url: must be a text in quotes",
        ),
        (
            "/webhook_headers",
            json!({"a": "b"}),
            "webhook_headers: is of no use without webhook_url",
        ),
    ] {
        let problems = problems(&with(pointer, wrong));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(problem), "{problems:?}");
    }
    for (key, wrong, problem) in [
        (
            "webhook_after_misses",
            json!(1_001),
            "must be a whole number, at most 1000",
        ),
        (
            "webhook_headers",
            json!({"Host": "x"}),
            "is set by the worker itself",
        ),
    ] {
        let mut value = with("/webhook_url", json!("http://a"));
        value[key] = wrong;
        let problems = problems(&value);
        assert!(
            problems.len() == 1 && problems[0].contains(problem),
            "{problems:?}"
        );
    }
}

#[test]
fn metrics_are_served_to_this_machine_if_only_a_port_is_named() {
    for text in ["localhost:9464", ":9464", "127.0.0.1:9464"] {
        let listen = config(&with("/metrics_listen", json!(text))).metrics_listen;
        assert_eq!(listen, "127.0.0.1:9464".parse().ok(), "{text}");
    }
}

#[test]
fn an_invalid_log_or_metrics_setting_is_one_problem() {
    for (key, wrong) in [
        ("metrics_listen", json!("example.com:9464")),
        ("metrics_listen", json!(":x")),
        ("metrics_listen", json!("9464")),
        ("metrics_listen", json!(9464)),
        ("log_format", json!("xml")),
        ("log_dir", json!(true)),
        ("log_bytes_max", json!(4_095)),
        ("log_bytes_max", json!(5_000.5)),
        ("log_bytes_max", json!(1_u64 << 41)),
        ("log_files_kept", json!(1_001)),
    ] {
        let found = problems(&with(&format!("/{key}"), wrong.clone()));
        assert_eq!(found.len(), 1, "{key}: {wrong}");
        assert!(found[0].starts_with(key), "{found:?}");
    }
}

#[test]
fn a_gas_adjustment_below_the_minimum_is_raised_with_a_warning() {
    let reading = |number: Value| {
        let reading = read(&with("/gas_adjustment", number).to_string()).unwrap();
        let about = |text: &&String| text.starts_with("gas_adjustment");
        let warnings = found(&reading).iter().filter(about).count();
        (reading.config.unwrap().gas_factor, warnings)
    };
    assert_eq!(reading(json!(1.25)), (GasFactor::MIN_EFFECTIVE, 0));
    assert_eq!(reading(json!(1.2)), (GasFactor::MIN_EFFECTIVE, 1));
    assert_eq!(reading(json!(0)), (GasFactor::DEFAULT, 1));
    assert_eq!(reading(json!(3)), (GasFactor::parse("3").unwrap(), 0));
}

#[test]
fn lists_have_limits_on_both_sides() {
    let urls = |n: usize| -> Vec<_> { (0..n).map(|i| format!("http://node{i}")).collect() };
    let with_urls = |n| with("/api_params/api_url", json!(urls(n)));
    assert_eq!(
        config(&with_urls(API_URLS_MAX)).api_urls.len(),
        API_URLS_MAX
    );
    assert_eq!(problems(&with_urls(API_URLS_MAX + 1)).len(), 1);
    assert_eq!(problems(&with_urls(0)).len(), 1);

    let topic = |id: usize| json!({"topic_id": id, "inference_url": "http://localhost"});
    let with_topics = |n| with("/topics", (1..=n).map(topic).collect());
    assert_eq!(config(&with_topics(TOPICS_MAX)).topics.len(), TOPICS_MAX);
    assert_eq!(problems(&with_topics(TOPICS_MAX + 1)).len(), 1);
}

#[test]
fn topic_ids_are_whole_numbers_from_one() {
    let id = |value: Value| with("/topics/0/topic_id", value);
    assert_eq!(
        config(&id(json!(u64::MAX))).topics[0].topic,
        TopicId(u64::MAX)
    );
    assert_eq!(config(&id(json!("69"))).topics[0].topic, TopicId(69));
    for wrong in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("0"),
        json!("one"),
        json!(null),
        json!(true),
    ] {
        assert_eq!(problems(&id(wrong.clone())).len(), 1, "{wrong}");
    }
}

/// A folder with a config.json in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(value: &Value) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("config.json", &value.to_string(), 0o600);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        Config::load(&self.path("config.json"), None)
    }
}

#[test]
fn the_shipped_file_asks_for_what_is_to_be_filled_in() {
    let shipped = json!({
        "seed_phrase": "",
        "api_params": {"api_url": ""},
        "topics": [{"topic_id": 1, "inference_url": "http://localhost:8000/ETH"}]
    });
    let folder = Folder::with(&shipped);
    let text = folder.load().unwrap_err().to_string();
    let lines: Vec<_> = text.lines().collect();
    let header = format!(
        "{}: 2 problems to fix:",
        folder.path("config.json").display()
    );
    assert_eq!(lines[0], header);
    assert!(
        lines[1].starts_with("  api_params.api_url: is empty; fill in"),
        "{text}"
    );
    assert!(
        lines[2].starts_with("  seed_phrase: no seed phrase: fill in"),
        "{text}"
    );
    assert!(lines[2].contains("make demo"), "{text}");
    assert_eq!(lines.len(), 3, "{text}");
}

#[test]
fn a_seed_phrase_in_the_place_of_its_file_is_in_no_text() {
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let folder = Folder::with(&with("/seed_phrase_file", json!(words)));
    let error = folder.load().unwrap_err();
    let text = format!("{error}, {error:?}");
    assert!(
        text.contains("name that file in seed_phrase_file"),
        "{text}"
    );
    assert!(text.contains("1 problem to fix"), "{text}");
    let reading = read(&with("/seed_phrase_file", json!(words)).to_string()).unwrap();
    let text = format!("{text}, {:?}, {:?}", reading.config, reading.problems);
    assert!(!text.contains("sausage"), "{text}");
}

#[test]
fn a_bad_seed_phrase_is_a_problem_among_the_others() {
    let mut value = with("/topics", json!([]));
    value["seed_phrase"] = json!(WORDS.replace("junk", "secretword"));
    let text = Folder::with(&value).load().unwrap_err().to_string();
    assert!(text.contains("\n  topics: is empty"), "{text}");
    assert!(
        text.contains("\n  seed_phrase: the configuration file holds no valid"),
        "{text}"
    );
    assert!(text.contains("word 12 is not in"), "{text}");
    assert!(!text.contains("secretword"), "{text}");

    value["seed_phrase"] = json!(5);
    let text = Folder::with(&value).load().unwrap_err().to_string();
    assert_eq!(text.matches("\n  seed_phrase").count(), 1, "{text}");
}

#[test]
fn the_seed_phrase_and_passwords_in_urls_are_not_printed() {
    let mut value = with(
        "/topics/0/inference_url",
        json!("http://me:quokka@h/?k=quokka"),
    );
    value["seed_phrase"] = json!(WORDS);
    let loaded = Folder::with(&value).load().unwrap();
    let printed = format!("{loaded:?}");
    assert!(
        !printed.contains("test") && !printed.contains("quokka"),
        "{printed}"
    );
}

#[test]
fn a_seed_phrase_file_is_relative_to_the_configuration() {
    let folder = Folder::with(&with("/seed_phrase_file", json!("words")));
    let text = folder.load().unwrap_err().to_string();
    assert!(text.contains("\n  seed_phrase_file: the file "), "{text}");
    folder.write("words", WORDS, 0o600);
    let loaded = folder.load().unwrap();
    assert_eq!(
        loaded.secret_origin,
        SecretSource::PhraseFile(folder.path("words"))
    );
}

#[test]
fn a_seed_phrase_that_is_open_to_others_or_unused_is_a_warning() {
    let mut value = smallest();
    value["seed_phrase"] = json!(WORDS);
    let folder = Folder::with(&value);
    let doubts = || {
        let warnings = folder.load().unwrap().warnings.into_iter();
        let is_default = |warning: &Warning| matches!(warning, Warning::Default { .. });
        warnings.filter(|warning| !is_default(warning)).collect()
    };
    let none: Vec<Warning> = doubts();
    assert_eq!(none, [], "the smallest file starts without a warning");
    folder.write("config.json", &value.to_string(), 0o644);
    let open = Warning::OpenToOthers {
        key: "seed_phrase".to_owned(),
        path: folder.path("config.json"),
        mode: 0o644,
    };
    assert_eq!(doubts(), [open]);

    folder.write("config.json", &value.to_string(), 0o600);
    folder.write(wallet_source::PHRASE_CREDENTIAL, WORDS, 0o400);
    let path = folder.path("config.json");
    let warnings = Config::load(&path, Some(folder.0.path())).unwrap().warnings;
    let is_unused = |warning: &&Warning| matches!(warning, Warning::Unused { .. });
    assert_eq!(warnings.iter().filter(is_unused).count(), 1);
}

#[test]
fn a_wallet_has_a_seed_phrase_or_a_private_key() {
    let mut value = with("/private_key_file", json!("key"));
    let folder = Folder::with(&value);
    folder.write("key", &"5eed".repeat(16), 0o600);
    let loaded = folder.load().unwrap();
    assert!(matches!(loaded.secret, WalletSecret::Key(_)));
    assert_eq!(
        loaded.secret_origin,
        SecretSource::KeyFile(folder.path("key"))
    );
    assert!(!format!("{loaded:?}").contains("5eed"));
    for (key, text) in [("seed_phrase_file", "words"), ("seed_phrase", WORDS)] {
        value[key] = json!(text);
        folder.write("config.json", &value.to_string(), 0o600);
        let text = folder.load().unwrap_err().to_string();
        assert!(
            text.contains("\n  private_key_file: is set beside a seed phrase"),
            "{text}"
        );
        value[key] = json!("");
    }
}

#[test]
fn a_bad_credential_is_a_problem_of_the_address_too() {
    let folder = Folder::with(&smallest());
    folder.write(wallet_source::PHRASE_CREDENTIAL, "test junk", 0o440);
    let path = folder.path("config.json");
    let error = Config::load_secret(&path, Some(folder.0.path())).unwrap_err();
    assert!(error.to_string().contains("it has 2 words"), "{error}");
}

#[test]
fn with_a_credential_the_file_needs_no_seed_phrase() {
    let folder = Folder::with(&smallest());
    folder.write(wallet_source::PHRASE_CREDENTIAL, WORDS, 0o440);
    let loaded = Config::load(&folder.path("config.json"), Some(folder.0.path())).unwrap();
    assert!(matches!(
        loaded.secret_origin,
        SecretSource::PhraseCredential(_)
    ));
}

#[test]
fn an_absent_file_and_invalid_json_are_reported_without_the_text() {
    let folder = Folder::with(&smallest());
    let absent = folder.path("absent.json");
    let text = Config::load(&absent, None).unwrap_err().to_string();
    assert!(text.contains(&absent.display().to_string()), "{text}");
    assert!(text.contains("make demo"), "{text}");

    folder.write(
        "config.json",
        "{\n  \"seed_phrase\": 'secret words'\n}",
        0o600,
    );
    let text = folder.load().unwrap_err().to_string();
    assert!(
        text.contains("invalid JSON at line 2, column 18: expected value (JSON has double quotes"),
        "{text}"
    );

    folder.write("config.json", &" ".repeat(FILE_BYTES_MAX + 1), 0o600);
    assert!(matches!(folder.load(), Err(ConfigError::Read { .. })));
}

#[test]
fn the_first_file_that_exists_is_used() {
    let folder = Folder::with(&smallest());
    let (absent, there) = (folder.path("absent.json"), folder.path("config.json"));
    assert_eq!(find(&[absent.clone(), there.clone()]).unwrap(), there);
    let text = find(&[absent.clone(), folder.path("gone.json")])
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("absent.json and ") && text.contains("gone.json"),
        "{text}"
    );
}

#[test]
fn a_header_for_endpoints_may_look_like_a_private_key() {
    let mut value = smallest();
    value["api_params"]["headers"] = json!({"X-Key": "5eed".repeat(16)});
    assert_eq!(config(&value).api_headers.len(), 1);
}

#[test]
fn headers_that_reach_several_hosts_are_a_warning() {
    let mut value = smallest();
    value["api_params"]["headers"] = json!({"X-Key": "secret", "Accept": "application/json"});
    let warned = |urls: Value, value: &Value| {
        let mut value = value.clone();
        value["api_params"]["api_url"] = urls;
        let config = config(&value);
        assert_eq!(config.api_headers.len(), 2);
        assert!(!format!("{config:?}").contains("secret"));
        let found = found(&read(&value.to_string()).unwrap());
        found
            .into_iter()
            .find(|text| text.contains("sent to all endpoints"))
    };
    assert_eq!(
        warned(json!(["http://a/1", "http://a/2?x=y"]), &value),
        None
    );
    assert_eq!(
        warned(json!(["http://b:1/key1", "https://a?key2"]), &value).unwrap(),
        "api_params.headers: sent to all endpoints (http://b:1, https://a); a key that only one of \
         them may see belongs into its URL"
    );
}

#[test]
fn a_file_with_a_key_that_others_can_read_is_a_warning() {
    let mut value = smallest();
    value["api_params"]["api_url"] = json!("https://user:secret@host");
    value["seed_phrase_file"] = json!("words");
    let folder = Folder::with(&value);
    folder.write("words", WORDS, 0o600);
    for (mode, is_open) in [(0o600, false), (0o644, true), (0o640, true)] {
        folder.write("config.json", &value.to_string(), mode);
        let open = Warning::OpenToOthers {
            key: "api_params.api_url".to_owned(),
            path: folder.path("config.json"),
            mode,
        };
        let warnings = folder.load().unwrap().warnings;
        assert_eq!(warnings.contains(&open), is_open, "{warnings:?}");
    }
}

#[test]
fn a_proxy_is_named_or_switched_off() {
    let proxies = |proxy: Value| {
        let mut value = smallest();
        value["api_params"]["proxy"] = proxy;
        config(&value).proxies
    };
    assert_eq!(proxies(Value::Null), None);
    assert_eq!(proxies(json!("none")), Some(Proxies::default()));
    let one = Proxy::parse("http://u:p@host:3128").unwrap();
    assert_eq!(
        proxies(json!("http://u:p@host:3128")),
        Some(Proxies::one(one))
    );
}

#[test]
fn what_the_environments_proxies_do_not_do_is_said() {
    let (https, http) = (("HTTPS_PROXY", "http://p:1"), ("HTTP_PROXY", "http://p:1"));
    let socks = ("ALL_PROXY", "socks5://user:secret@p:1");
    let (one_https, mixed) = (&["https://a"][..], &["https://a", "http://b"][..]);
    for (variables, urls, expected) in [
        (&[https][..], one_https, None),
        (&[http], mixed, None),
        (&[https, ("NO_PROXY", "*")], one_https, None),
        (
            &[],
            one_https,
            Some("HTTPS_PROXY and HTTP_PROXY are not set"),
        ),
        (
            &[http],
            one_https,
            Some(
                "for http nodes only, and all in api_url are https, so none is used; set HTTPS_PROXY",
            ),
        ),
        (
            &[https],
            &["http://a", "http://b"],
            Some(
                "for https nodes only, and all in api_url are http, so none is used; set HTTP_PROXY",
            ),
        ),
        (
            &[socks, https],
            one_https,
            Some(
                "ALL_PROXY names a kind of proxy that is not supported (SOCKS, https) and is not used; \
                 name an http proxy there",
            ),
        ),
    ] {
        let value = |name: &str| variables.iter().find(|(set, _)| *set == name);
        let value = |name: &str| value(name).map(|(_, value)| (*value).to_owned());
        let (proxies, unsupported) = Proxies::of_environment(value).unwrap();
        let urls: Vec<Url> = urls.iter().map(|url| Url::parse(url).unwrap()).collect();
        let warning = global::proxy_warning("proxy".to_owned(), &proxies, unsupported, &urls);
        let text = warning.map(|warning| warning.to_string());
        match expected {
            Some(part) => assert!(
                text.as_ref().is_some_and(|it| it.contains(part)),
                "{text:?}"
            ),
            None => assert_eq!(text, None),
        }
    }
}

#[test]
fn a_route_at_the_end_of_an_endpoints_url_is_a_warning() {
    for (url, expected) in [
        ("http://node:1317", None),
        ("http://node/allora/api", None),
        ("http://cosmos/cosmoshub/", None),
        ("http://node:1317/cosmos", Some("its path has /cosmos, ")),
        (
            "http://node/api/emissions/v9/",
            Some("its path has /emissions, "),
        ),
    ] {
        let value = with("/api_params/api_url", json!(["http://a", url]));
        let texts = found(&read(&value.to_string()).unwrap());
        let is_it = |text: &String| text.contains("its path has");
        let found: Vec<String> = texts.into_iter().filter(is_it).collect();
        assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
        let names_it = |text: &String| {
            text.starts_with("api_params.api_url[1]: ")
                && expected.is_some_and(|part| text.contains(part))
        };
        assert!(found.iter().all(names_it), "{found:?}");
    }
}

/// The keys of the top level, of `standby`, of `api_params`, and of a topic.
fn known_keys() -> [Vec<&'static str>; 4] {
    let (value, findings) = (smallest(), Findings::default());
    let path = Path::new("config.json");
    let keys = Setting::root(&value, &findings).section(|root| {
        let _ = read_file(root, path);
        let api = root.key("api_params").section(|api| {
            read_api(api, None, path);
            api.known()
        });
        let topics = root.key("topics").items();
        let topic = topics[0].section(|topic| {
            read_topic(topic, None, path);
            [vec!["topic_id"], topic.known()].concat()
        });
        let standby = json!({"role": "standby"});
        let standby = Setting::root(&standby, &findings).section(|section| {
            read_section(section);
            section.known()
        });
        [root.known(), standby.unwrap(), api.unwrap(), topic.unwrap()]
    });
    keys.unwrap()
}

#[test]
fn the_lists_of_keys_are_those_that_are_read() {
    let sorted = |keys: &[&'static str]| keys.iter().copied().collect::<BTreeSet<_>>();
    let lists = [keys::TOP, keys::STANDBY, keys::API_PARAMS, keys::TOPIC];
    for (read, list) in known_keys().iter().zip(lists) {
        assert_eq!(sorted(read), sorted(list));
    }
}

/// Any JSON, with the file's own keys often enough to get deep into the reading.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,9})?(e-?[0-9]{1,3})?"
            .prop_map(|text| serde_json::from_str(&text).unwrap()),
        ".*".prop_map(Value::from),
        "(https?://)?[a-z]{0,5}(:[0-9]{0,6})?/?".prop_map(Value::from),
    ];
    let keys = known_keys().concat();
    let key = prop_oneof![4 => prop::sample::select(keys).prop_map(str::to_owned), 1 => ".*"];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_topic()(
        id in 1..=u64::MAX,
        url in "http://[a-z]{1,9}(:[1-9][0-9]{3})?(/[A-Z]{0,4})?",
        nonce_ms in 1..86_400_000_u64,
        retries in 1..=1_000_u32,
        retry_ms in 1..86_400_000_u64,
    ) -> TopicConfig {
        TopicConfig {
            topic: TopicId(id),
            inference: Some(ModelConfig::at(UrlTemplate::parse(&url).unwrap())),
            nonce_fetch_freq: Duration::from_millis(nonce_ms),
            inference_fetch_retries: retries,
            inference_fetch_retry_freq: Duration::from_millis(retry_ms),
            ..sample().topics.remove(0)
        }
    }
}

/// A time as the number of seconds that a user would write.
fn written(time: Duration) -> Value {
    let text = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    serde_json::from_str(&text).unwrap()
}

proptest! {
    #[test]
    fn any_json_is_judged_without_a_panic(value in any_json()) {
        let reading = read(&value.to_string()).unwrap();
        prop_assert!(reading.config.is_some() || !reading.problems.is_empty());
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in ".*") {
        let _ = read(&text);
    }

    #[test]
    fn written_values_are_used(
        debug in any::<bool>(),
        max_fee in 1..=u128::MAX,
        retries in 1..=1_000_u32,
        freq_ms in 1..86_400_000_u64,
        mut topics in prop::collection::vec(any_topic(), 1..5),
    ) {
        topics.sort_by_key(|topic| topic.topic);
        topics.dedup_by_key(|topic| topic.topic);
        let expected = Config {
            debug,
            gas_factor: GasFactor::parse("1.75").unwrap(),
            max_fee: Uallo(max_fee),
            max_fee_per_day: Uallo(7),
            fee_granter: None,
            api_urls: vec![Url::parse("https://node/api").unwrap()],
            tx_check_retries: retries,
            tx_check_freq: Duration::from_millis(freq_ms),
            topics,
            ..sample()
        };
        let topics: Vec<_> = expected.topics.iter().map(|topic| json!({
            "topic_id": topic.topic.0,
            "inference_url": topic.inference.as_ref().unwrap().urls[0].as_str(),
            "nonce_fetch_freq": written(topic.nonce_fetch_freq),
            "inference_fetch_retries": topic.inference_fetch_retries,
            "inference_fetch_retry_freq": written(topic.inference_fetch_retry_freq),
        })).collect();
        let value = json!({
            "debug": debug,
            "gas_adjustment": 1.75,
            "chain_id": "localnet",
            "max_fee_per_day_uallo": 7,
            "max_fee_uallo": max_fee.to_string(),
            "api_params": {
                "api_url": ["https://node/api/"],
                "tx_check_retries": retries,
                "tx_check_freq": written(expected.tx_check_freq),
            },
            "topics": topics,
        });
        prop_assert_eq!(config(&value), expected);
    }
}

#[test]
fn the_chain_is_named_by_id_by_network_or_by_a_public_endpoint() {
    let chain_id = |network: Value, chain_id: Value, url: &str| {
        let mut value = with("/network", network);
        value["chain_id"] = chain_id;
        value["api_params"]["api_url"] = json!(url);
        let reading = read(&value.to_string()).unwrap();
        let config = reading.config.unwrap();
        (
            config.chain_id,
            config.api_urls,
            reading.problems.len(),
            reading.warnings,
        )
    };
    let null = Value::Null;
    let testnet = "https://allora-api.testnet.allora.network";
    let (id, urls, problems, _) = chain_id(json!("testnet"), null.clone(), "");
    assert_eq!(id.as_deref(), Some("allora-testnet-1"));
    assert_eq!(urls, [Url::parse(testnet).unwrap()]);
    assert_eq!(problems, 0);
    let (id, urls, ..) = chain_id(json!("mainnet"), null.clone(), "http://node");
    assert_eq!(id.as_deref(), Some("allora-mainnet-1"));
    assert_eq!(urls, [Url::parse("http://node").unwrap()]);
    let (id, _, _, warnings) = chain_id(null.clone(), null.clone(), &format!("{testnet}/"));
    assert_eq!(
        id.as_deref(),
        Some("allora-testnet-1"),
        "as the Python worker is configured"
    );
    assert!(
        !warnings
            .iter()
            .any(|warning| matches!(warning, Warning::ChainNotNamed { .. }))
    );
    let (id, _, problems, warnings) = chain_id(null.clone(), null.clone(), "http://node");
    assert_eq!((id, problems), (None, 0));
    assert!(
        warnings
            .iter()
            .any(|warning| matches!(warning, Warning::ChainNotNamed { .. }))
    );
    for (network, id) in [
        (json!("devnet"), null.clone()),
        (json!("testnet"), json!("allora-mainnet-1")),
        (null.clone(), json!("two words")),
        (null, json!("x".repeat(51))),
    ] {
        let (_, _, problems, _) = chain_id(network.clone(), id.clone(), "http://node");
        assert_eq!(problems, 1, "{network} {id}");
    }
}

#[test]
fn a_network_gives_its_endpoint_where_none_is_named() {
    for blank in [
        json!(""),
        json!("  "),
        json!([""]),
        json!([" ", ""]),
        json!([]),
    ] {
        let mut value = with("/network", json!("mainnet"));
        value["chain_id"] = Value::Null;
        value["api_params"]["api_url"] = blank.clone();
        let urls = config(&value).api_urls;
        let mainnet = "https://allora-api.mainnet.allora.network";
        assert_eq!(urls, [Url::parse(mainnet).unwrap()], "{blank}");
        value["network"] = Value::Null;
        assert!(
            !read(&value.to_string()).unwrap().problems.is_empty(),
            "{blank}"
        );
    }
}

#[test]
fn a_list_with_public_endpoints_of_another_network_is_a_problem() {
    let testnet = "https://allora-api.testnet.allora.network/";
    let mainnet = "https://allora-api.mainnet.allora.network:443";
    let problems = |network: Value, chain_id: Value, urls: &[&str]| {
        let mut value = with("/network", network);
        value["chain_id"] = chain_id;
        value["api_params"]["api_url"] = json!(urls);
        let problems = read(&value.to_string()).unwrap().problems;
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (none, of_testnet, id) = (Value::Null, json!("testnet"), json!("allora-mainnet-1"));
    let both = problems(
        none.clone(),
        none.clone(),
        &[testnet, "http://node", mainnet],
    );
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(
        both[0].contains("mainnet.allora.network is a node of mainnet"),
        "{both:?}"
    );
    assert!(both[0].contains("than allora-testnet-1"), "{both:?}");
    assert_eq!(
        problems(of_testnet.clone(), none.clone(), &[mainnet]).len(),
        1
    );
    assert_eq!(problems(none.clone(), id.clone(), &[testnet]).len(), 1);
    assert_eq!(
        problems(of_testnet, none.clone(), &[testnet, "http://node"]).len(),
        0
    );
    assert_eq!(problems(none.clone(), id, &[mainnet]).len(), 0);
    let look_alike = "https://allora-api.testnet.allora.network.example.com";
    assert_eq!(
        problems(none.clone(), none, &[mainnet, look_alike]).len(),
        0
    );
}

#[test]
fn the_limit_for_a_day_grows_with_the_topics() {
    let of = |topics: u64| {
        let topic = |id| json!({"topic_id": id, "inference_url": "http://localhost:8000/ETH"});
        let topics: Vec<Value> = (1..=topics).map(topic).collect();
        config(&with("/topics", json!(topics))).max_fee_per_day
    };
    assert_eq!(of(1), Uallo(2 * 10_u128.pow(16)));
    assert_eq!(of(3), Uallo(6 * 10_u128.pow(16)));
    let set = with("/max_fee_per_day_uallo", json!("0.5 ALLO"));
    assert_eq!(config(&set).max_fee_per_day, Uallo(5 * 10_u128.pow(17)));
}

#[test]
fn a_fee_limit_above_that_of_a_day_is_a_warning() {
    let is_warned = |max_fee: &str| {
        let reading = read(&with("/max_fee_uallo", json!(max_fee)).to_string()).unwrap();
        let is_it = |warning: &Warning| matches!(warning, Warning::FeeAboveDay { .. });
        reading.warnings.iter().any(is_it)
    };
    assert!(!is_warned("0.02 ALLO"));
    assert!(is_warned("0.0201 ALLO"));
}
