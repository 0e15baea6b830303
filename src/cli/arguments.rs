//! From arguments to a [`Command`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use super::completions::Shell;
use super::reference::{COMMANDS, CommandHelp, OPTIONS, PROGRAM, choices, entries, entries_of};
use crate::logging::FileLog;
use crate::sign::keygen::WordCount;
use crate::text::escaped;
use crate::text::nearest::nearest;
use crate::text::secret::{holds_phrase, is_secret, is_word};

/// The longest word that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 20;

/// What is wrong with `keygen` alone.
const NO_OUT: &str = "keygen needs --out FILE, the new file for the seed phrase, such as: \
                      allora-worker keygen --out seed_phrase";

/// What is wrong with `import` alone.
const NO_FILE: &str = "import needs a FILE, the configuration of the other worker, such as: \
                       allora-worker import ../allora-offchain-node/config.json";

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Run(FileLog),
    Check {
        json: bool,
    },
    /// `check --health`.
    Health,
    Status(StatusForm),
    Keygen {
        out: PathBuf,
        words: WordCount,
        show: bool,
    },
    Address,
    /// `import FILE`.
    Import(PathBuf),
    Help(&'static CommandHelp),
    Version,
    /// `--generate man`.
    Man,
    /// `--generate` with the name of a shell.
    Completions(Shell),
}

/// How the state is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusForm {
    Table,
    /// `--watch`: the table, again and again.
    Watched,
    Json,
}

/// Arguments that no command takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Usage {
    /// What is wrong with them.
    problem: String,
    /// The command that was named before.
    page: Option<&'static CommandHelp>,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = self
            .page
            .map_or_else(String::new, |page| format!(" {}", page.name));
        write!(f, "{}\nTry: allora-worker{page} --help", self.problem)
    }
}

/// Options by their long names, each with its value, which is empty if it takes none.
type Given = BTreeMap<&'static str, OsString>;

/// Reads the arguments, without the program's name: the command, and the value of `--config`.
///
/// # Errors
/// What is wrong with them. Values are not repeated, nor are words of a seed phrase.
pub fn parse(
    arguments: impl IntoIterator<Item: Into<OsString>>,
) -> Result<(Command, Option<PathBuf>), Usage> {
    let mut page = None;
    let parsed = read(arguments.into_iter().map(Into::into).collect(), &mut page);
    parsed.map_err(|problem| Usage { problem, page })
}

fn read(
    arguments: Vec<OsString>,
    page: &mut Option<&'static CommandHelp>,
) -> Result<(Command, Option<PathBuf>), String> {
    refuse_secrets(&arguments)?;
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut given = Given::new();
    let mut file = None;
    while let Some(argument) = parser.next().map_err(text)? {
        let typed = match argument {
            Value(word) => match page {
                None => {
                    *page = Some(command_page(&word)?);
                    continue;
                }
                Some(page) if page.name == "import" && file.is_none() => {
                    file = Some(PathBuf::from(word));
                    continue;
                }
                Some(page) => {
                    return Err(format!(
                        "{} takes no second word{}: one command at a time, and options begin with --",
                        page.name,
                        shown(&word)
                    ));
                }
            },
            Short(letter) => format!("-{letter}"),
            Long(name) => format!("--{name}"),
        };
        let (name, takes_value) = option(&typed).ok_or_else(|| unexpected(typed, *page))?;
        let mut value = OsString::new();
        if takes_value {
            value = parser.value().map_err(text)?;
        }
        match name {
            "--help" => return Ok((Command::Help((*page).unwrap_or(&PROGRAM)), None)),
            "--version" => return Ok((Command::Version, None)),
            "--generate" => return Ok((generate(&value)?, None)),
            _ => {}
        }
        if given.insert(name, value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    let command = command((*page).unwrap_or(&COMMANDS[0]), &given, file)?;
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

/// A word for an error: nothing if it may be one of a seed phrase, or is long.
fn shown(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_short = word.chars().count() <= SHOWN_CHARS_MAX;
    let is_command = COMMANDS.iter().any(|page| page.name == word);
    let may_be_secret = || word.split(|c: char| !c.is_ascii_alphabetic()).any(is_word);
    if is_command || is_short && !may_be_secret() {
        format!(" '{}'", escaped(&word))
    } else {
        String::new()
    }
}

fn suggestion(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn unexpected(option: String, page: Option<&CommandHelp>) -> String {
    let known = page.map_or_else(|| entries(&OPTIONS), |page| entries_of(page, &OPTIONS));
    let words = known.iter().flat_map(|(term, _)| term.split([' ', ',']));
    let meant = nearest(&option, words.filter(|word| word.starts_with("--")));
    let meant = suggestion(meant);
    text(lexopt::Error::UnexpectedOption(option)) + &meant
}

fn command_page(word: &OsStr) -> Result<&'static CommandHelp, String> {
    let page = COMMANDS.iter().find(|page| word == page.name);
    page.ok_or_else(|| {
        let names = COMMANDS.map(|page| page.name);
        let meant = suggestion(nearest(&word.to_string_lossy(), names));
        let word = shown(word);
        let names = names.join(", ");
        format!("there is no command{word}, but {names}{meant}")
    })
}

fn generate(kind: &OsStr) -> Result<Command, String> {
    match kind.to_str() {
        Some("man") => Ok(Command::Man),
        Some("bash") => Ok(Command::Completions(Shell::Bash)),
        Some("zsh") => Ok(Command::Completions(Shell::Zsh)),
        Some("fish") => Ok(Command::Completions(Shell::Fish)),
        _ => Err(format!(
            "--generate can make: {}",
            choices("KIND").join(", ")
        )),
    }
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

fn command(page: &CommandHelp, given: &Given, file: Option<PathBuf>) -> Result<Command, String> {
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
        "status" if has("--watch") && has("--json") => {
            return Err(
                "--watch has no --json: ask for the JSON as often as you need it".to_owned(),
            );
        }
        "status" if has("--json") => Command::Status(StatusForm::Json),
        "status" if has("--watch") => Command::Status(StatusForm::Watched),
        "status" => Command::Status(StatusForm::Table),
        "keygen" => {
            let words = given.get("--words").map(|count| {
                let count = count.to_str().and_then(WordCount::parse);
                count.ok_or("--words takes 12, 15, 18, 21 or 24")
            });
            Command::Keygen {
                words: words.transpose()?.unwrap_or_default(),
                out: path("--out").ok_or(NO_OUT)?,
                show: has("--show"),
            }
        }
        "address" => Command::Address,
        "import" => Command::Import(file.ok_or(NO_FILE)?),
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
            let error = parse(arguments.iter().copied()).unwrap_err();
            assert_eq!(error.problem, format!("{name} is given twice"));
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
        let status = |form| (Command::Status(form), None);
        assert_eq!(parse(["status"]), Ok(status(StatusForm::Table)));
        assert_eq!(
            parse(["status", "--watch"]),
            Ok(status(StatusForm::Watched))
        );
        assert_eq!(parse(["status", "--json"]), Ok(status(StatusForm::Json)));
        assert!(parse(["status", "--json", "--watch"]).is_err());
        assert_eq!(
            parse(["import", "a.json"]),
            Ok((Command::Import("a.json".into()), None))
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
            Ok((Command::Help(&COMMANDS[3]), None))
        );
        assert_eq!(parse(["-h"]), Ok((Command::Help(&PROGRAM), None)));
        assert_eq!(parse(["-V"]), Ok((Command::Version, None)));
        assert_eq!(parse(["--generate", "man"]), Ok((Command::Man, None)));
        for kind in choices("KIND") {
            assert!(parse(["--generate", kind]).is_ok(), "{kind}");
        }
        let unknown = parse(["--generate", "html"]).unwrap_err().to_string();
        assert!(unknown.contains("man, bash, zsh, fish"), "{unknown}");
    }

    #[test]
    fn every_option_of_a_page_is_taken_by_its_command() {
        for page in COMMANDS {
            for (term, _) in entries_of(&page, &OPTIONS) {
                let option = term.split([' ', ',']).find(|word| word.starts_with("--"));
                let mut arguments = vec![page.name, option.unwrap()];
                match option {
                    Some("--words") => arguments.push("12"),
                    Some("--generate") => arguments.push("man"),
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
    fn wrong_usage_names_the_mistake_and_what_was_meant() {
        let try_help = |of: &str| format!("\nTry: allora-worker{of} --help");
        for (wrong, text, help) in [
            (
                &["rum"][..],
                "there is no command 'rum', but run, check",
                "",
            ),
            (&["rum"], "did you mean run?", ""),
            (
                &["serve"],
                "'serve', but run, check, status, keygen, address, import\n",
                "",
            ),
            (
                &["run", "check"],
                "run takes no second word 'check'",
                " run",
            ),
            (&["--confg", "x"], "'--confg'; did you mean --config?", ""),
            (
                &["check", "--jsn"],
                "'--jsn'; did you mean --json?",
                " check",
            ),
            (&["check", "--nonsense"], "'--nonsense'\n", " check"),
            (&["--config"], "'--config'", ""),
            (
                &["address", "--log-dir", "x"],
                "address takes no --log-dir",
                " address",
            ),
            (&["--json"], "run takes no --json", ""),
            (&["check", "--json", "--health"], "exit code", " check"),
            (
                &["keygen"],
                "keygen needs --out FILE, the new file",
                " keygen",
            ),
            (&["import"], "import needs a FILE", " import"),
            (
                &["import", "a", "b"],
                "import takes no second word 'b'",
                " import",
            ),
            (
                &["keygen", "--out", "x", "-c", "y"],
                "takes no --config",
                " keygen",
            ),
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains(text), "{wrong:?}: {error}");
            assert!(error.ends_with(&try_help(help)), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for wrong in [
            &["abandon", "ability"][..],
            &["run", "ability"],
            &["ability.abandon"],
            &["keygen", "--out", "x", "--words", "ability"],
            &["--generate", "ability"],
            &["check", "--json=ability"],
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("ability"), "{error}");
        }
        let long = "x".repeat(40);
        let error = parse([long.as_str()]).unwrap_err().to_string();
        assert!(!error.contains(&long), "{error}");
    }
}
