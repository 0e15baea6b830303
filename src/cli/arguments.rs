//! From arguments to a [`Command`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use super::reference::{COMMANDS, CommandHelp, OPTIONS, PROGRAM, entries, entries_of};
use crate::logging::FileLog;
use crate::sign::keygen::WordCount;
use crate::text::secret::{holds_phrase, is_secret};

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Run(FileLog),
    Check {
        json: bool,
    },
    /// `check --health`.
    Health,
    Keygen {
        out: PathBuf,
        words: WordCount,
        show: bool,
    },
    Address,
    Help(&'static CommandHelp),
    Version,
    /// `--generate man`.
    Man,
}

/// Options by their long names, each with its value, which is empty if it takes none.
type Given = BTreeMap<&'static str, OsString>;

/// Reads the arguments, without the program's name: the command, and the value of `--config`.
///
/// # Errors
/// What is wrong with them. Values and commands are not repeated, because they may be a seed
/// phrase.
pub fn parse(
    arguments: impl IntoIterator<Item: Into<OsString>>,
) -> Result<(Command, Option<PathBuf>), String> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    refuse_secrets(&arguments)?;
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut page = None;
    let mut given = Given::new();
    while let Some(argument) = parser.next().map_err(text)? {
        let typed = match argument {
            Value(word) if page.is_none() => {
                page = Some(command_page(&word)?);
                continue;
            }
            Value(_) => return Err("there is one command too many".to_owned()),
            Short(letter) => format!("-{letter}"),
            Long(name) => format!("--{name}"),
        };
        let (name, takes_value) = option(&typed).ok_or_else(|| unexpected(typed))?;
        let mut value = OsString::new();
        if takes_value {
            value = parser.value().map_err(text)?;
        }
        match name {
            "--help" => return Ok((Command::Help(page.unwrap_or(&PROGRAM)), None)),
            "--version" => return Ok((Command::Version, None)),
            "--generate" if value == "man" => return Ok((Command::Man, None)),
            "--generate" => return Err("--generate can make: man".to_owned()),
            _ => {}
        }
        if given.insert(name, value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    let command = command(page.unwrap_or(&COMMANDS[0]), &given)?;
    Ok((command, given.remove("--config").map(PathBuf::from)))
}

/// Refuses arguments that hold what looks like a seed phrase, in one of them or word by word, or a
/// private key.
fn refuse_secrets(arguments: &[OsString]) -> Result<(), String> {
    let texts: Vec<Cow<'_, str>> = arguments
        .iter()
        .map(|text| text.to_string_lossy())
        .collect();
    let value = |text: &str| {
        text.split_once('=')
            .is_some_and(|(_, value)| is_secret(value))
    };
    if holds_phrase(&texts.join(" ")) || texts.iter().any(|text| is_secret(text) || value(text)) {
        return Err(
            "an argument looks like a seed phrase or a private key, so nothing was done. Other \
             users of this machine can read arguments, and a shell keeps them in its history: \
             remove it there. Write the seed phrase into a file that only you can read (chmod \
             600), and name that file in seed_phrase_file"
                .to_owned(),
        );
    }
    Ok(())
}

/// An error without the value that it is about.
fn text(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        error => error.to_string(),
    }
}

fn unexpected(option: String) -> String {
    text(lexopt::Error::UnexpectedOption(option))
}

fn command_page(word: &OsStr) -> Result<&'static CommandHelp, String> {
    let page = COMMANDS.iter().find(|page| word == page.name);
    page.ok_or_else(|| {
        let names = COMMANDS.map(|page| page.name).join(", ");
        format!("no such command; there are {names}")
    })
}

/// The long name of an option as it was typed, such as `-c`, and whether a value follows it.
fn option(typed: &str) -> Option<(&'static str, bool)> {
    entries(&OPTIONS).into_iter().find_map(|(term, _)| {
        let mut words = term.split([' ', ',']);
        words.clone().find(|word| *word == typed)?;
        let long = words.find(|word| word.starts_with("--"))?;
        Some((long, words.next().is_some()))
    })
}

fn command(page: &CommandHelp, given: &Given) -> Result<Command, String> {
    let options = entries_of(page, &OPTIONS);
    let takes = |name: &str| {
        let mut words = options.iter().flat_map(|(term, _)| term.split(' '));
        words.any(|word| word == name)
    };
    if let Some(name) = given.keys().find(|name| !takes(name)) {
        return Err(format!("{} takes no {name}", page.name));
    }
    let has = |name| given.contains_key(name);
    let path = |name| given.get(name).map(PathBuf::from);
    Ok(match page.name {
        "check" if has("--health") && has("--json") => {
            return Err("--health has no --json: its exit code is the answer".to_owned());
        }
        "check" if has("--health") => Command::Health,
        "check" => Command::Check {
            json: has("--json"),
        },
        "keygen" => {
            let words = given.get("--words").map(|count| {
                let count = count.to_str().and_then(WordCount::parse);
                count.ok_or("--words takes 12, 15, 18, 21 or 24")
            });
            Command::Keygen {
                words: words.transpose()?.unwrap_or_default(),
                out: path("--out").ok_or("keygen needs --out FILE")?,
                show: has("--show"),
            }
        }
        "address" => Command::Address,
        _ => Command::Run(path("--log-dir").map_or(FileLog::Usual, FileLog::In)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_given_once() {
        for (arguments, name) in [
            (&["-c", "a", "--config", "b"][..], "--config"),
            (&["--log-dir", "a", "--log-dir", "a"], "--log-dir"),
            (&["check", "--json", "--json"], "--json"),
            (&["check", "--health", "--health"], "--health"),
            (&["keygen", "--out", "a", "--out", "b"], "--out"),
            (&["keygen", "--words", "12", "--words", "24"], "--words"),
            (&["keygen", "--show", "--show"], "--show"),
        ] {
            let text = parse(arguments.iter().copied()).unwrap_err();
            assert_eq!(text, format!("{name} is given twice"));
        }
    }

    fn config(name: &str) -> Option<PathBuf> {
        Some(PathBuf::from(name))
    }

    #[test]
    fn run_is_the_default_command() {
        let run = |config| (Command::Run(FileLog::Usual), config);
        let empty: [&str; 0] = [];
        assert_eq!(parse(empty), Ok(run(None)));
        assert_eq!(parse(["run"]), Ok(run(None)));
        assert_eq!(parse(["--config", "a.json"]), Ok(run(config("a.json"))));
        assert_eq!(parse(["run", "--config=a"]), Ok(run(config("a"))));
        let logged = Command::Run(FileLog::In("l".into()));
        assert_eq!(parse(["--log-dir", "l"]), Ok((logged, None)));
    }

    #[test]
    fn the_other_commands() {
        let config = config("a");
        let address = Command::Address;
        assert_eq!(parse(["address", "-c", "a"]), Ok((address, config.clone())));
        let check = |json| (Command::Check { json }, None);
        assert_eq!(parse(["check"]), Ok(check(false)));
        assert_eq!(parse(["--json", "check"]), Ok(check(true)));
        assert_eq!(
            parse(["check", "--health", "-c", "a"]),
            Ok((Command::Health, config))
        );
        let keygen = |words: &str, show| {
            let (out, words) = ("f".into(), WordCount::parse(words).unwrap());
            (Command::Keygen { out, words, show }, None)
        };
        assert_eq!(parse(["keygen", "--out", "f"]), Ok(keygen("24", false)));
        assert_eq!(
            parse(["keygen", "--words=12", "--out=f", "--show"]),
            Ok(keygen("12", true))
        );
    }

    #[test]
    fn help_version_and_manual_page() {
        assert_eq!(
            parse(["run", "--help"]),
            Ok((Command::Help(&COMMANDS[0]), None))
        );
        assert_eq!(
            parse(["keygen", "-h"]),
            Ok((Command::Help(&COMMANDS[2]), None))
        );
        assert_eq!(parse(["-h"]), Ok((Command::Help(&PROGRAM), None)));
        assert_eq!(parse(["-V"]), Ok((Command::Version, None)));
        assert_eq!(parse(["--generate", "man"]), Ok((Command::Man, None)));
    }

    #[test]
    fn every_option_of_a_page_is_taken_by_its_command() {
        for page in COMMANDS {
            for (term, _) in entries_of(&page, &OPTIONS) {
                let option = term.split([' ', ',']).find(|word| word.starts_with("--"));
                let mut arguments = vec![page.name, option.unwrap()];
                match option {
                    Some("--words") => arguments.push("12"),
                    _ if term.ends_with("FILE") || term.ends_with("DIR") => arguments.push("x"),
                    _ => {}
                }
                if page.name == "keygen" && option != Some("--out") {
                    arguments.extend(["--out", "x"]);
                }
                assert!(parse(&arguments).is_ok(), "{arguments:?}");
            }
        }
    }

    #[test]
    fn wrong_usage_is_reported_without_repeating_words() {
        for (wrong, text) in [
            (&["abandon", "ability"][..], "no such command"),
            (&["run", "ability"], "one command too many"),
            (&["rum"], "there are run, check, keygen, address"),
            (&["--confg", "x"], "'--confg'"),
            (&["--config"], "'--config'"),
            (&["address", "--log-dir", "x"], "address takes no --log-dir"),
            (&["--json"], "run takes no --json"),
            (&["check", "--json", "--health"], "exit code"),
            (&["keygen"], "keygen needs --out FILE"),
            (&["keygen", "--out", "x", "--words", "ability"], "12, 15"),
            (&["keygen", "--out", "x", "-c", "y"], "takes no --config"),
            (&["--generate", "ability"], "can make: man"),
            (&["check", "--json=ability"], "--json takes no value"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(text), "{wrong:?}: {error}");
            assert!(!error.contains("ability"), "{error}");
        }
    }
}
