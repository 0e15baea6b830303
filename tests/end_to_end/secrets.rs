//! The seed phrase: where it may come from, and that it appears nowhere else.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use allora_localnet::chain::message::Api;
use bip39::Mnemonic;
use cosmrs::bip32::XPrv;
use serde_json::{Value, json};

use crate::support::*;

/// Where a scene keeps the seed phrase.
#[derive(Clone, Copy, Debug)]
enum PhrasePlace {
    Config,
    File,
    Credential,
    /// Not the seed phrase, but its private key, in a file.
    KeyFile,
}

/// A scene that serves one window soon, with the seed phrase only in that place.
fn scene(place: PhrasePlace) -> Scene {
    let mut scene = Scene::new(Api::V10, vec![one_window(1, START + 3)]);
    scene.register();
    scene.config["debug"] = json!(true);
    match place {
        PhrasePlace::Config => {}
        PhrasePlace::File => {
            scene.config["seed_phrase"] = json!("");
            scene.config["seed_phrase_file"] = json!("words");
            write_file(&scene.path("words"), &format!("{SEED_PHRASE}\n"), 0o600);
        }
        PhrasePlace::KeyFile => {
            scene.config["seed_phrase"] = json!("");
            scene.config["private_key_file"] = json!("key");
            write_file(&scene.path("key"), &format!("0x{}\n", key_digits()), 0o600);
        }
        PhrasePlace::Credential => {
            scene.config["seed_phrase"] = json!("");
            fs::create_dir(scene.path("credentials")).unwrap();
            write_file(&scene.path("credentials/seed_phrase"), SEED_PHRASE, 0o440);
            let folder = variable("CREDENTIALS_DIRECTORY", scene.path("credentials"));
            scene.environment.push(folder);
        }
    }
    scene
}

/// The byte strings that must not appear anywhere, each with a name that reveals nothing.
fn secrets() -> Vec<(String, Vec<u8>)> {
    let words: Vec<&str> = SEED_PHRASE.split(' ').collect();
    let phrase = Mnemonic::parse(SEED_PHRASE).unwrap();
    let numbers: Vec<u8> = phrase
        .word_indices()
        .flat_map(|number| u16::try_from(number).unwrap().to_ne_bytes())
        .collect();
    let mut secrets = vec![
        ("the seed".to_owned(), phrase.to_seed("").to_vec()),
        (
            "half of the seed".to_owned(),
            phrase.to_seed("")[..32].to_vec(),
        ),
        ("the entropy".to_owned(), phrase.to_entropy()),
        ("the word numbers".to_owned(), numbers),
        ("the seed phrase".to_owned(), SEED_PHRASE.into()),
        ("the key's digits".to_owned(), key_digits().into()),
        (
            "half of the key's digits".to_owned(),
            key_digits()[..32].into(),
        ),
    ];
    for at in 0..=words.len() - 3 {
        let three = words[at..at + 3].join(" ");
        secrets.push((format!("words {} to {}", at + 1, at + 3), three.into()));
    }
    secrets
}

/// The private keys on the way to the account's, and last the account's own, each as 32 bytes.
fn private_keys() -> Vec<[u8; 32]> {
    let seed = Mnemonic::parse(SEED_PHRASE).unwrap().to_seed("");
    let mut key = XPrv::new(seed).unwrap();
    let mut keys = vec![key.to_bytes()];
    for step in ["44'", "118'", "0'", "0", "0"] {
        key = key.derive_child(step.parse().unwrap()).unwrap();
        keys.push(key.to_bytes());
    }
    keys
}

/// The account's private key as text.
fn key_digits() -> String {
    let keys = private_keys();
    keys[keys.len() - 1]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// How often a private key is in these bytes, in either order: curve arithmetic stores the lowest
/// byte first.
fn copies(bytes: &[u8], key: &[u8; 32]) -> usize {
    let mut reversed = *key;
    reversed.reverse();
    let windows = bytes.windows(key.len());
    windows
        .filter(|part| part == key || *part == reversed)
        .count()
}

fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret)
}

#[test]
fn refuses_a_seed_phrase_file_that_others_can_read_and_shows_the_fix() {
    let mut scene = scene(PhrasePlace::File);
    write_file(&scene.path("words"), SEED_PHRASE, 0o644);
    let ended = scene.start().ended();
    let text = "allora-worker: ./config.json: 1 problem to fix:\n  seed_phrase_file: ./words is \
                open to other users (mode 0644); type: chmod 600 ./words\n";
    assert_eq!((ended.code(), ended.stderr.as_str()), (3, text));
}

#[test]
fn warns_about_a_configuration_with_a_seed_phrase_that_others_can_read() {
    let mut scene = scene(PhrasePlace::Config);
    let text = serde_json::to_string(&scene.config).unwrap();
    write_file(&scene.path("open.json"), &text, 0o644);
    scene.arguments = vec!["--config".into(), "open.json".into()];
    let worker = scene.start();
    let line = worker.wait_for_line("other users can read it");
    assert!(
        line.contains("WARN") && line.ends_with("type: chmod 600 open.json"),
        "{line}"
    );
    worker.wait_for_line("connected");
    worker.stop();
}

#[test]
fn a_seed_phrase_from_the_configuration_does_not_leak() {
    serve_and_search(PhrasePlace::Config);
}

#[test]
fn a_seed_phrase_from_a_file_does_not_leak() {
    serve_and_search(PhrasePlace::File);
}

#[test]
fn a_private_key_from_a_file_does_not_leak() {
    serve_and_search(PhrasePlace::KeyFile);
}

#[test]
fn a_seed_phrase_from_a_credential_does_not_leak() {
    serve_and_search(PhrasePlace::Credential);
}

/// Serves a window, then searches everything that the process writes and holds for the seed phrase.
fn serve_and_search(place: PhrasePlace) {
    let mut scene = scene(place);
    let worker = scene.start();
    worker.wait_for_line("included in block");
    search_process(worker.pid(), &scene.address);
    let ended = worker.stop();
    let file = fs::read_dir(scene.path("logs"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let file = fs::read_to_string(file.path()).unwrap();
    for (what, text) in [
        ("stdout", ended.stdout),
        ("stderr", ended.stderr),
        ("the log file", file),
    ] {
        for word in SEED_PHRASE
            .split(' ')
            .filter(|word| *word != "year" && *word != "thank")
        {
            assert!(
                !text.contains(word),
                "a word of the seed phrase is in {what}"
            );
        }
        for (name, secret) in secrets() {
            assert!(!holds(text.as_bytes(), &secret), "{name} is in {what}");
        }
    }
}

fn search_process(pid: u32, address: &str) {
    let folder = format!("/proc/{pid}");
    let limits = fs::read_to_string(format!("{folder}/limits")).unwrap();
    let core = lines_with(&limits, "Max core file size").remove(0);
    let columns: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(columns[4..6], ["0", "0"], "no core file: {core}");
    for file in ["cmdline", "environ"] {
        match fs::read(format!("{folder}/{file}")) {
            Ok(bytes) => assert_no_secret(&bytes, file),
            // why: other users may not read a non-dumpable process, which is the protection itself
            Err(error) => eprintln!("{file} was not searched: {error}"),
        }
    }
    match File::open(format!("{folder}/mem")) {
        Ok(memory) => search_memory(&folder, &memory, address),
        Err(error) => eprintln!("the memory was not searched, it needs root: {error}"),
    }
}

/// Searches all writable memory of the process: heap, stacks and data. Nothing is signed meanwhile,
/// because the only window is served.
fn search_memory(folder: &str, memory: &File, address: &str) {
    let maps = fs::read_to_string(format!("{folder}/maps")).unwrap();
    let mut has_address = false;
    let keys = private_keys();
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        match memory.read_exact_at(&mut bytes, from) {
            Ok(()) => assert_no_secret(&bytes, line),
            Err(error) => eprintln!("{line} was not searched: {error}"),
        }
        for (step, key) in keys.iter().enumerate() {
            let copies = copies(&bytes, key);
            found.extend(vec![(step, line); copies]);
        }
        has_address |= holds(&bytes, address.as_bytes());
    }
    let steps: Vec<usize> = found.iter().map(|(step, _)| *step).collect();
    let (last, once) = (
        keys.len() - 1,
        "only the account's key is in memory, and once",
    );
    assert_eq!(steps, [last], "{once}: {found:#?}");
    assert!(
        has_address,
        "the address, which must be in memory, was not found: the search does not work"
    );
}

fn assert_no_secret(bytes: &[u8], place: &str) {
    let found: Vec<String> = secrets()
        .into_iter()
        .filter(|(_, secret)| holds(bytes, secret))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "in {place}: {found:?}");
}

const PRIVATE_KEY: &str = "c0ffee0123456789ABCDEF99887766554433221100c0ffee0123456789abcdef";

/// Texts that an operator may put into the wrong place.
fn misplaced() -> Vec<String> {
    let words = |count: usize| SEED_PHRASE.split(' ').cycle().take(count);
    let lengths = [12, 15, 18, 21, 24].map(|count| words(count).collect::<Vec<_>>().join(" "));
    let mut texts = lengths.to_vec();
    texts.extend([
        SEED_PHRASE.replace("sausage", "sausaeg"),
        SEED_PHRASE.replace(' ', ", "),
        SEED_PHRASE.replace(' ', "\n"),
        SEED_PHRASE.replace(' ', "-"),
        SEED_PHRASE.to_uppercase(),
        PRIVATE_KEY.to_owned(),
        format!("0x{PRIVATE_KEY}"),
    ]);
    texts
}

/// Asserts that nothing that the worker wrote repeats a part of a misplaced secret.
fn assert_not_repeated(ended: &Ended, secret: &str, place: &str) {
    let written = format!("{}{}", ended.stdout, ended.stderr).to_lowercase();
    let parts = secret.split(|c: char| !c.is_ascii_alphanumeric());
    for part in parts.filter(|part| part.len() > 3) {
        let part = &part[..part.len().min(16)];
        let is_repeated = written.contains(&part.to_lowercase());
        assert!(!is_repeated, "a part of {secret:?} at {place}: {written}");
    }
}

/// Runs the worker in a folder where it must create nothing.
fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    let files = || fs::read_dir(folder).unwrap().count();
    let before = files();
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let ended = Worker::start(folder, &arguments, &[]).ended();
    assert_eq!(files(), before, "{arguments:?} created a file");
    ended
}

#[test]
fn a_secret_in_the_wrong_setting_is_refused_and_not_repeated() {
    const COMMANDS: [&[&str]; 4] = [&["run"], &["check"], &["check", "--json"], &["address"]];
    let places = [
        "/seed_phrase_file",
        "/seed_phrase_fil",
        "/address_key_name",
        "/chain_id",
        "/fee_granter",
        "/network",
        "/log_dir",
        "/log_format",
        "/max_fee_uallo",
        "/metrics_listen",
        "/api_params/api_url",
        "/api_params/api_url/0",
        "/api_params/proxy",
        "/api_params/wallet",
        "/topics/0/topic_id",
        "/topics/0/inference_url",
        "/topics/0/value_pointer",
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    for (at, secret) in misplaced().iter().enumerate() {
        for place in places {
            let (parent, key) = place.rsplit_once('/').unwrap();
            let mut config = json!({
                "chain_id": "localnet",
                "api_params": {"api_url": ["http://127.0.0.1:1"]},
                "topics": [{"topic_id": 1, "inference_url": "http://127.0.0.1:1"}],
            });
            match config.pointer_mut(parent).unwrap() {
                Value::Array(items) => items[0] = json!(secret),
                object => object[key] = json!(secret),
            }
            write_file(&path, &config.to_string(), 0o600);
            // All commands read the configuration in the same way.
            let commands = if at == 0 {
                &COMMANDS[..]
            } else {
                &COMMANDS[2..3]
            };
            for arguments in commands {
                let ended = run_in(folder.path(), arguments);
                let place = format!("{place}, {arguments:?}");
                assert_not_repeated(&ended, secret, &place);
                assert_eq!(ended.code(), 3, "{place}");
                let cure = "and name that file in seed_phrase_file";
                let written = format!("{}{}", ended.stdout, ended.stderr);
                let is_about_phrase = arguments[0] != "address";
                assert!(
                    !is_about_phrase || written.contains(cure),
                    "{place}: {written}"
                );
            }
        }
    }
}

#[test]
fn a_secret_that_breaks_the_configuration_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    for secret in misplaced() {
        let quoted = json!(secret).to_string();
        for text in [
            format!("{{\"seed_phrase_file\": {secret}}}"),
            format!("{{\"seed_phrase_file\": {quoted}"),
            format!("{{{quoted}: 1}}"),
            format!("{{\"topics\": [{{{quoted}: {{{quoted}: {quoted}}}}}]}}"),
            secret.clone(),
            quoted,
        ] {
            write_file(&path, &text, 0o600);
            let ended = run_in(folder.path(), &["check", "--json"]);
            assert_not_repeated(&ended, &secret, &text);
            assert_eq!(ended.code(), 3, "{text}");
        }
    }
}

#[test]
fn a_secret_in_the_arguments_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for secret in misplaced() {
        let with = |before: &str| format!("{before}{secret}");
        let split: Vec<&str> = secret.split([' ', '\n']).collect();
        for arguments in [
            vec!["--config", &secret],
            vec!["-c", &secret],
            vec![&with("--config=")],
            vec!["run", "--log-dir", &secret],
            vec!["keygen", "--out", &secret],
            vec![&with("--out="), "keygen"],
            vec!["keygen", "--out", "x", "--words", &secret],
            vec!["address", &with("--")],
            vec!["check", &with("--json=")],
            vec!["--generate", &secret],
            vec![&secret],
            split,
        ] {
            let ended = run_in(folder.path(), &arguments);
            let place = format!("{arguments:?}");
            assert_not_repeated(&ended, &secret, &place);
            assert_eq!(ended.code(), 2, "{place}");
            let text = "an argument looks like a seed phrase or a private key";
            assert!(ended.stderr.contains(text), "{place}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_secret_in_the_environment_is_not_repeated() {
    for secret in [SEED_PHRASE, PRIVATE_KEY] {
        let mut scene = Scene::new(Api::V10, vec![topic(1, START + 3)]);
        scene.config["debug"] = json!(true);
        // The file of certificates is read for the first request to an https URL.
        let urls = json!(["https://127.0.0.1:1", scene.net.url()]);
        scene.config["api_params"]["api_url"] = urls;
        for name in ["CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "SSL_CERT_FILE"] {
            scene.environment.push(variable(name, secret));
        }
        let worker = scene.start();
        let line = worker.wait_for_line("SSL_CERT_FILE is not used");
        assert!(line.contains("(not shown: "), "{line}");
        worker.wait_for_line("connected");
        assert_not_repeated(&worker.stop(), secret, "the environment");
    }
}
