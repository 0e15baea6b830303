//! Targets for fuzzing: functions that take any bytes as if they came from a node, a model, a user's
//! file or a client, let the worker read them, and panic if what it makes of them breaks a promise: a
//! bound, a canonical text, a message on one line, a secret that is not shown.
//!
//! `main.rs` feeds them with mutated recordings on any Rust, `libfuzzer/` by coverage on a nightly
//! one.

#![allow(
    clippy::panic,
    reason = "a target panics if the worker breaks a promise"
)]

pub mod generator;
mod targets;

use allora_worker::text::is_unseen;

/// A function under test, and inputs that reach its parts.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    /// Reads the bytes, and panics if the worker breaks a promise. Whether the worker accepted them.
    pub run: fn(&[u8]) -> bool,
    /// Inputs from the recordings and the documentation.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// The bytes in front of the text, which choose how it is read.
    pub choice_bytes: usize,
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    targets::lcd::TARGET,
    targets::model::TARGET,
    targets::decimal::TARGET,
    targets::labels::TARGET,
    targets::config::TARGET,
    targets::request::TARGET,
];

/// The target of this name.
///
/// # Errors
/// The known names.
pub fn target(name: &str) -> Result<Target, String> {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.ok_or_else(|| {
        let names = TARGETS.map(|target| target.name).join(", ");
        format!("there is no target `{name}`; the targets are {names}")
    })
}

/// Runs the target of this name, for libFuzzer.
pub fn run(name: &str, bytes: &[u8]) {
    for target in TARGETS.iter().filter(|target| target.name == name) {
        (target.run)(bytes);
    }
}

/// The most characters of a message about one text from outside.
const MESSAGE_CHARS_MAX: usize = 1_500;

/// Panics unless the message is one line of bounded length without invisible characters.
fn assert_message(message: &str) {
    let chars = message.chars().count();
    assert!(
        chars <= MESSAGE_CHARS_MAX,
        "a message of {chars} characters"
    );
    assert!(
        !message.contains(is_unseen),
        "a message with an invisible character: {message:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Generator;

    /// Executions of each target in the unit tests; `make fuzz` makes more.
    const RUNS: u64 = 2_000;

    /// The worker accepts a part of each corpus and refuses another part, so that the checks of both
    /// are reached.
    #[test]
    fn a_corpus_has_both_what_is_accepted_and_what_is_not() {
        for target in TARGETS {
            let inputs = (target.corpus)();
            let accepted = inputs.iter().filter(|input| (target.run)(input)).count();
            assert!(accepted >= 3, "{}: {accepted} accepted", target.name);
            assert!(accepted < inputs.len(), "{}: all accepted", target.name);
        }
    }

    #[test]
    fn mutated_inputs_break_no_promise() {
        for target in TARGETS {
            let generator = Generator::new(&target);
            let accepted = (0..RUNS).filter(|seed| (target.run)(&generator.input(*seed)));
            let accepted = accepted.count();
            assert!(accepted > 20, "{}: {accepted} accepted", target.name);
        }
    }

    #[test]
    fn a_seed_gives_the_same_input_again_and_another_one_another() {
        for target in TARGETS {
            let generator = Generator::new(&target);
            let inputs: Vec<Vec<u8>> = (0..100).map(|seed| generator.input(seed)).collect();
            let again = Generator::new(&target);
            assert!(
                (0..100)
                    .map(|seed| again.input(seed))
                    .eq(inputs.iter().cloned())
            );
            let mut distinct = inputs;
            distinct.sort();
            distinct.dedup();
            assert!(distinct.len() > 60, "{}: {}", target.name, distinct.len());
        }
    }

    #[test]
    #[should_panic(expected = "an invisible character")]
    fn a_message_with_a_line_break_is_noticed() {
        assert_message("one line\nand another");
    }

    #[test]
    #[should_panic(expected = "a message of 1501 characters")]
    fn a_long_message_is_noticed() {
        assert_message(&"x".repeat(MESSAGE_CHARS_MAX + 1));
    }
}
