//! What is printed, compared as a whole, and the exit codes.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use allora_localnet::chain::message::Api;
use allora_worker::cli::help;
use allora_worker::cli::reference::{COMMANDS, PROGRAM};
use allora_worker::sign::seed_phrase::SeedPhrase;
use allora_worker::sign::wallet::Wallet;
use serde_json::{Value, json};

use crate::support::*;

/// Runs the binary in a folder until it ends.
fn run(folder: &Path, arguments: &[&str]) -> Ended {
    let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
    Worker::start(folder, &arguments, &[]).ended()
}

fn assert_is(ended: &Ended, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(ended.stderr, stderr);
    assert_eq!(ended.stdout, stdout);
    assert_eq!(ended.code(), code);
}

#[test]
fn help_and_version() {
    let folder = tempfile::tempdir().unwrap();
    let version = run(folder.path(), &["--version"]).stdout;
    let begin = concat!("allora-worker ", env!("CARGO_PKG_VERSION"), " (");
    assert!(version.starts_with(begin), "{version}");
    let end = if version.contains("musl") {
        "-linux-musl)\n"
    } else {
        "-linux-gnu)\n"
    };
    assert!(version.ends_with(end), "{version}");
    for (arguments, stdout) in [
        (&["--help"][..], help::help(&PROGRAM)),
        (&["run", "-h"], help::help(&COMMANDS[0])),
        (&["check", "--help"], help::help(&COMMANDS[1])),
        (&["-V"], version),
        (&["--generate", "man"], help::man()),
    ] {
        assert_is(&run(folder.path(), arguments), 0, &stdout, "");
    }
    let made = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(made, 0, "help and version write no files");
}

#[test]
fn the_exit_code_is_right_even_if_standard_error_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_allora-worker"));
        command.args(arguments).current_dir(folder.path());
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(full);
        status.status().unwrap().code()
    };
    assert_eq!(code(&["--no-such-option"]), Some(2));
    assert_eq!(code(&["run", "--config", "absent.json"]), Some(3));
    assert_eq!(code(&["check", "--config", "absent.json"]), Some(3));
    assert_eq!(code(&["keygen", "--out", "words"]), Some(0));
    assert_eq!(code(&["keygen", "--out", "words"]), Some(1));
}

#[test]
fn the_wallets_address() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"seed_phrase": "{SEED_PHRASE}", "api_params": {{"api_url": "http://localhost:1"}},
            "topics": [{{"topic_id": 1, "inference_url": "http://localhost:2/"}}]}}"#
    );
    write_file(&folder.path().join("mine.json"), &config, 0o600);
    let stdout = "allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc\n";
    let arguments = ["address", "--config", "mine.json"];
    assert_is(&run(folder.path(), &arguments), 0, stdout, "");
    assert_eq!(format!("{}\n", address()), stdout);
    assert!(!folder.path().join("logs").exists());
}

#[test]
fn a_new_wallet_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(
        folder.path(),
        &["keygen", "--words", "12", "--out", "words"],
    );
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let words = fs::read_to_string(folder.path().join("words")).unwrap();
    let wallet = Wallet::new(&SeedPhrase::parse(&words).unwrap()).unwrap();
    assert_eq!(ended.stdout, format!("{}\n", wallet.address()));
    let three: Vec<&str> = words.split(' ').take(3).collect();
    assert!(
        !ended.stderr.contains(&three.join(" ")),
        "the seed phrase is not printed"
    );
    write_file(
        &folder.path().join("config.json"),
        r#"{"seed_phrase_file": "words"}"#,
        0o644,
    );
    assert_is(&run(folder.path(), &["address"]), 0, &ended.stdout, "");

    let again = run(folder.path(), &["keygen", "--out", "words"]);
    let text = "allora-worker: words exists already and is never overwritten: name another file, \
                or use the one that is there\n";
    assert_is(&again, 1, "", text);
    assert_eq!(
        fs::read_to_string(folder.path().join("words")).unwrap(),
        words
    );

    let shown = run(folder.path(), &["keygen", "--out", "more", "--show"]);
    let words = fs::read_to_string(folder.path().join("more")).unwrap();
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!((lines.len(), lines[1]), (2, words.trim_end()));
    assert_eq!(words.split(' ').count(), 24);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let none = "there is no command 'serve', but run, check, status, keygen, address, import";
    for (arguments, text, help) in [
        (
            &["--confg", "x"][..],
            "invalid option '--confg'; did you mean --config?",
            "",
        ),
        (&["--config"], "missing argument for option '--config'", ""),
        (&["serve"], none, ""),
        (
            &["run", "winner"],
            "run takes no second word: one command at a time, and options begin with --",
            " run",
        ),
        (
            &["address", "--log-dir", "x"],
            "address takes no --log-dir",
            " address",
        ),
    ] {
        let stderr = format!("allora-worker: {text}\nTry: allora-worker{help} --help\n");
        assert_is(&run(folder.path(), arguments), 2, "", &stderr);
    }
}

#[test]
fn the_environment_names_the_configuration_if_no_option_does() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        let named = variable("ALLORA_WORKER_CONFIG", "named.json");
        Worker::start(folder.path(), &arguments, &[named])
            .ended()
            .stderr
    };
    let of_variable = run(&["address"]);
    assert!(of_variable.contains("named.json"), "{of_variable}");
    let of_option = run(&["address", "--config", "other.json"]);
    assert!(of_option.contains("other.json"), "{of_option}");
}

#[test]
fn the_shipped_configuration_reports_what_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.json");
    fs::copy(shipped, folder.path().join("config.json")).unwrap();
    let stderr = "\
allora-worker: ./config.json: 1 problem to fix:
  seed_phrase: no seed phrase: fill in the seed phrase of a funded wallet, or name its file in \
        `seed_phrase_file`; for a private key, name its file in `private_key_file` (`make demo` needs \
        neither a wallet nor a URL)
";
    for arguments in [&[][..], &["run"]] {
        assert_is(&run(folder.path(), arguments), 3, "", stderr);
    }
    let ended = run(folder.path(), &["address"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (3, ""));
    let needs_words = ended.stderr.contains("\n  seed_phrase: no seed phrase: ");
    assert!(
        needs_words && !ended.stderr.contains("api_url"),
        "{}",
        ended.stderr
    );
}

#[test]
fn all_problems_of_a_configuration_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let words = SEED_PHRASE.replace("year", "secretword");
    let config = format!(
        r#"{{
            "debug": "yes", "seed_phrase": "{words}", "gas_adjustmnt": 1.5,
            "api_params": {{"api_url": "nonsense"}},
            "topics": [
                {{"topic_id": 1, "inference_url": ""}},
                {{"topic_id": 1, "inference_url": "http://localhost:8000/ETH"}},
                {{"topic_id": 0, "inference_url": "ftp://localhost/ETH"}}
            ]
        }}"#
    );
    write_file(&folder.path().join("bad.json"), &config, 0o600);
    let stderr = "\
allora-worker: bad.json: 8 problems to fix:
  gas_adjustmnt: unknown key; did you mean `gas_adjustment`?
  debug: must be true or false; found a text
  api_params.api_url: is not a valid URL; it must begin with http:// or https://
  topics[0].inference_url: is empty; fill in the URL where your model answers with a number, \
        such as http://localhost:8000/ETH
  topics[1].topic_id: topic 1 is in topics[0] already; remove one of them
  topics[2].topic_id: must be a whole number from 1
  topics[2].inference_url: is not a valid URL; it must begin with http:// or https://
  seed_phrase: the configuration file holds no valid seed phrase: word 4 is not in the BIP-39 \
        English word list; look for a typing mistake there
";
    assert_is(&run(folder.path(), &["-c", "bad.json"]), 3, "", stderr);
}

#[test]
fn a_missing_configuration_and_invalid_json() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["-c", "absent.json"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (3, ""));
    let text = "allora-worker: no configuration file; looked for absent.json. ";
    assert!(ended.stderr.starts_with(text), "{}", ended.stderr);

    let no_json = format!("{{\"seed_phrase\": \"{SEED_PHRASE}\"\n \"debug\"}}");
    write_file(&folder.path().join("config.json"), &no_json, 0o600);
    let stderr = "\
allora-worker: ./config.json: invalid JSON at line 2, column 2: expected `,` or `}`
   \"debug\"}
   ^
";
    assert_is(&run(folder.path(), &[]), 3, "", stderr);
}

#[test]
fn the_configuration_of_another_worker_is_imported_and_checked() {
    let mut scene = Scene::new(Api::V10, vec![topic(1, START + 100)]);
    let model = scene.config["topics"][0]["inference_url"].clone();
    let theirs = json!({
        "wallet": {"addressRestoreMnemonic": SEED_PHRASE, "nodeRpc": "http://127.0.0.1:26657"},
        "worker": [{"topicId": 1, "parameters": {"InferenceEndpoint": model, "Region": "us"}}],
    });
    write_file(&scene.path("theirs.json"), &theirs.to_string(), 0o600);
    scene.arguments = ["import", "theirs.json"].iter().map(Into::into).collect();
    let ended = scene.start().ended();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let written = format!("{}{}", ended.stdout, ended.stderr);
    let word = SEED_PHRASE.rsplit(' ').next().unwrap();
    assert!(!written.contains(word), "{written}");
    for part in [
        "into the file seed_phrase beside the new configuration",
        "no counterpart: worker[0].parameters.Region",
    ] {
        assert!(
            ended.stderr.contains(part),
            "{part} is not in\n{}",
            ended.stderr
        );
    }
    // What the notes say is done: the words in their file, the node and its chain.
    let mut ours: Value = serde_json::from_str(&ended.stdout).unwrap();
    ours["api_params"] = scene.config["api_params"].clone();
    ours["chain_id"] = scene.config["chain_id"].clone();
    write_file(&scene.path("seed_phrase"), SEED_PHRASE, 0o600);
    scene.config = ours;
    scene.arguments = vec!["address".into()];
    let ended = scene.start().ended();
    assert_eq!(
        (ended.code(), ended.stdout.trim()),
        (0, scene.address.as_str())
    );

    scene.arguments = ["import", "absent"].iter().map(Into::into).collect();
    let ended = scene.start().ended();
    assert_eq!(ended.code(), 3);
    assert!(
        ended.stderr.contains("absent can't be read"),
        "{}",
        ended.stderr
    );
}
