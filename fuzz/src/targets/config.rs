//! Configuration files: whatever is wrong with one is reported on lines of bounded length that never
//! show its seed phrase.

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::fs;

use allora_worker::config::{Config, FILE_BYTES_MAX};
use allora_worker::text::{is_unseen, with_causes};
use tempfile::NamedTempFile;

use super::input;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "config",
    run,
    corpus,
    choice_bytes: 0,
};

/// A seed phrase that some inputs hold.
const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
/// The most lines, and characters of a line, of all problems of a file.
const LINES_MAX: usize = 5_000;
const LINE_CHARS_MAX: usize = 4_000;

thread_local! {
    static FILE: OnceCell<NamedTempFile> = const { OnceCell::new() };
}

fn corpus() -> Vec<Vec<u8>> {
    let shipped = include_str!("../../../config.json");
    let filled = shipped.replace(
        "\"seed_phrase\": \"\"",
        &format!("\"seed_phrase\": \"{PHRASE}\""),
    );
    let documentation = concat!(
        include_str!("../../../docs/configuration.md"),
        include_str!("../../../docs/models.md"),
        include_str!("../../../README.md"),
    );
    let samples = documentation.split("```json").skip(1);
    let samples = samples.filter_map(|rest| rest.split("```").next());
    let whole = |topic: &str| {
        format!(
            r#"{{"seed_phrase": "{PHRASE}", "chain_id": "localnet",
            "api_params": {{"api_url": ["http://127.0.0.1:1317", "https://node.example/key"],
            "headers": {{"X-Key": "secret value"}}, "proxy": "http://user:pass@127.0.0.1:3128"}},
            "max_fee_uallo": 5000000, "max_fee_per_day_uallo": "100000000", "log_format": "json",
            "log_dir": "", "log_bytes_max": 1000000, "log_files_kept": 2,
            "fee_granter": "allo140ej6ysk3hyxkh53xy9m60pynfyktwtmqzyqaz",
            "metrics_listen": "localhost:9464", "gas_adjustment": 1.2, "topics": [{topic}]}}"#
        )
    };
    let mut inputs = vec![input(&[], shipped), input(&[], &filled), input(&[], "{}")];
    for sample in samples {
        inputs.push(input(&[], sample));
        if sample.contains("topic_id") && !sample.contains("\"topics\"") {
            inputs.push(input(&[], &whole(sample)));
        }
    }
    let phrase_elsewhere = whole("").replace("\"json\"", &format!("\"{PHRASE}\""));
    inputs.push(input(&[], &phrase_elsewhere));
    inputs
}

fn run(bytes: &[u8]) -> bool {
    if bytes.len() > FILE_BYTES_MAX {
        return false;
    }
    FILE.with(|file| {
        let file = file.get_or_init(|| NamedTempFile::new().unwrap_or_else(|e| panic!("{e}")));
        let path = file.path();
        fs::write(path, bytes).unwrap_or_else(|e| panic!("writing the file: {e}"));
        if let Err(error) = Config::load_metrics_listen(path, None) {
            assert_report(&with_causes(&error));
        }
        match Config::load(path, None) {
            Ok(loaded) => {
                let mut said = format!("{:?}", loaded.config);
                for warning in &loaded.warnings {
                    let _ = write!(said, "\n{warning}");
                }
                assert_hidden(&said);
                true
            }
            Err(error) => {
                assert_report(&with_causes(&error));
                false
            }
        }
    })
}

fn assert_report(report: &str) {
    assert_hidden(report);
    let lines = report.lines().count();
    assert!(lines <= LINES_MAX, "a report of {lines} lines");
    for line in report.lines() {
        let chars = line.chars().count();
        assert!(chars <= LINE_CHARS_MAX, "a line of {chars} characters");
        assert!(
            !line.contains(is_unseen),
            "an invisible character: {line:?}"
        );
    }
}

/// Panics if a seed phrase is shown, with any white space between its words.
fn assert_hidden(text: &str) {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphabetic()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let phrase: Vec<&str> = PHRASE.split(' ').collect();
    let shown = words.windows(phrase.len()).any(|window| window == phrase);
    assert!(!shown, "the seed phrase is shown");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "the seed phrase is shown")]
    fn a_shown_seed_phrase_is_noticed() {
        assert_report(&format!(
            "topics[0]: `{}` is unknown",
            PHRASE.replace(' ', "  ")
        ));
    }
}
