//! The command line: from arguments to a [`Command`]. What there is to say about each command is
//! in [`pages`]; the help texts and the manual page are made of that.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use crate::logging::FileLog;
use crate::sign::keygen::WordCount;

pub mod health_client;
mod help;
mod man;
pub mod pages;

pub use help::help;
pub use man::man;
use pages::{COMMANDS, PROGRAM, Page};

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve the topics.
    Run {
        /// `--config`.
        config: Option<PathBuf>,
        /// `--log-dir`.
        file_log: FileLog,
    },
    /// Say whether the worker would work.
    Check {
        /// `--config`.
        config: Option<PathBuf>,
        /// `--json`.
        json: bool,
    },
    /// Ask the running worker whether it is healthy.
    Health {
        /// `--config`.
        config: Option<PathBuf>,
    },
    /// Make a wallet.
    Keygen {
        /// `--out`.
        out: PathBuf,
        /// `--words`.
        words: WordCount,
        /// `--show`.
        show: bool,
    },
    /// Print the wallet's address.
    Address {
        /// `--config`.
        config: Option<PathBuf>,
    },
    /// Print the help text of a page.
    Help(Page),
    /// Print the version.
    Version,
    /// Print the manual page.
    Man,
}

/// The options as they are typed, before it is known whether the command takes them.
#[derive(Default)]
struct Options {
    config: Option<PathBuf>,
    log_dir: Option<PathBuf>,
    json: bool,
    health: bool,
    out: Option<PathBuf>,
    words: Option<WordCount>,
    show: bool,
    /// Their names, in the order in which they were typed.
    given: Vec<&'static str>,
}

/// Reads the arguments, the program's name excluded.
///
/// # Errors
/// What is wrong with them, in words. They are not repeated: what stands there may be a seed
/// phrase that somebody typed.
pub fn parse<I>(arguments: I) -> Result<Command, String>
where
    I: IntoIterator<Item: Into<OsString>>,
{
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut page: Option<Page> = None;
    let mut options = Options::default();
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help(page.unwrap_or(PROGRAM))),
            Short('V') | Long("version") => return Ok(Command::Version),
            Long("generate") => return generate(&mut parser),
            Value(word) if page.is_none() => page = Some(named(&word)?),
            Value(_) => return Err("there is one command too many".to_owned()),
            Short('c') => options.take("config", &mut parser)?,
            Short(other) => return Err(unexpected(format!("-{other}"))),
            Long(name) => {
                let name = name.to_owned();
                options.take(&name, &mut parser)?;
            }
        }
    }
    options.into_command(page.unwrap_or(pages::RUN))
}

fn text(error: lexopt::Error) -> String {
    error.to_string()
}

/// There is no such option.
fn unexpected(option: String) -> String {
    text(lexopt::Error::UnexpectedOption(option))
}

/// The command of this name.
fn named(word: &OsString) -> Result<Page, String> {
    let page = COMMANDS.into_iter().find(|page| word == page.name);
    page.ok_or_else(|| {
        let names = COMMANDS.map(|page| page.name).join(", ");
        format!("no such command; there are {names}")
    })
}

fn generate(parser: &mut lexopt::Parser) -> Result<Command, String> {
    let what = parser.value().map_err(text)?;
    if what == "man" {
        Ok(Command::Man)
    } else {
        Err("--generate can make: man".to_owned())
    }
}

impl Options {
    /// Takes the option of this name, and its value if it has one.
    fn take(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), String> {
        let path = |parser: &mut lexopt::Parser| parser.value().map(PathBuf::from).map_err(text);
        let given = match name {
            "config" => {
                self.config = Some(path(parser)?);
                "--config"
            }
            "log-dir" => {
                self.log_dir = Some(path(parser)?);
                "--log-dir"
            }
            "json" => {
                self.json = true;
                "--json"
            }
            "health" => {
                self.health = true;
                "--health"
            }
            "out" => {
                self.out = Some(path(parser)?);
                "--out"
            }
            "words" => {
                let count = parser.value().map_err(text)?;
                let count = count.to_str().and_then(WordCount::parse);
                self.words = Some(count.ok_or("--words takes 12, 15, 18, 21 or 24")?);
                "--words"
            }
            "show" => {
                self.show = true;
                "--show"
            }
            other => return Err(unexpected(format!("--{other}"))),
        };
        if self.given.contains(&given) {
            return Err(format!("{given} is given twice"));
        }
        self.given.push(given);
        Ok(())
    }

    fn into_command(self, page: Page) -> Result<Command, String> {
        let takes = |name: &str| page.options.iter().any(|(term, _)| is_named(term, name));
        if let Some(name) = self.given.iter().find(|name| !takes(name)) {
            return Err(format!("{} takes no {name}", page.name));
        }
        let config = self.config;
        Ok(match page.name {
            "check" if self.health && self.json => {
                return Err("--health has no --json: its exit code says it".to_owned());
            }
            "check" if self.health => Command::Health { config },
            "check" => Command::Check {
                config,
                json: self.json,
            },
            "keygen" => Command::Keygen {
                out: self.out.ok_or("keygen needs --out FILE")?,
                words: self.words.unwrap_or_default(),
                show: self.show,
            },
            "address" => Command::Address { config },
            _ => Command::Run {
                config,
                file_log: self.log_dir.map_or(FileLog::Usual, FileLog::In),
            },
        })
    }
}

/// Whether a term such as `-c, --config FILE` is about the option of this name.
fn is_named(term: &str, name: &str) -> bool {
    term.split([' ', ',']).any(|word| word == name)
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
    fn serving_is_what_is_done_without_a_command() {
        let run = |config| Command::Run {
            config,
            file_log: FileLog::Usual,
        };
        let empty: [&str; 0] = [];
        assert_eq!(parse(empty), Ok(run(None)));
        assert_eq!(parse(["run"]), Ok(run(None)));
        assert_eq!(parse(["--config", "a.json"]), Ok(run(config("a.json"))));
        assert_eq!(parse(["run", "--config=a"]), Ok(run(config("a"))));
        let logged = Command::Run {
            config: None,
            file_log: FileLog::In("l".into()),
        };
        assert_eq!(parse(["--log-dir", "l"]), Ok(logged));
    }

    #[test]
    fn the_other_commands() {
        let config = config("a");
        let address = Command::Address {
            config: config.clone(),
        };
        assert_eq!(parse(["address", "-c", "a"]), Ok(address));
        let check = |json| Command::Check { config: None, json };
        assert_eq!(parse(["check"]), Ok(check(false)));
        assert_eq!(parse(["--json", "check"]), Ok(check(true)));
        assert_eq!(
            parse(["check", "--health", "-c", "a"]),
            Ok(Command::Health { config })
        );
        let keygen = |words: &str, show| Command::Keygen {
            out: "f".into(),
            words: WordCount::parse(words).unwrap(),
            show,
        };
        assert_eq!(parse(["keygen", "--out", "f"]), Ok(keygen("24", false)));
        assert_eq!(
            parse(["keygen", "--words=12", "--out=f", "--show"]),
            Ok(keygen("12", true))
        );
    }

    #[test]
    fn questions_about_the_program_itself() {
        assert_eq!(parse(["run", "--help"]), Ok(Command::Help(pages::RUN)));
        assert_eq!(parse(["keygen", "-h"]), Ok(Command::Help(pages::KEYGEN)));
        assert_eq!(parse(["-h"]), Ok(Command::Help(PROGRAM)));
        assert_eq!(parse(["-V"]), Ok(Command::Version));
        assert_eq!(parse(["--generate", "man"]), Ok(Command::Man));
    }

    #[test]
    fn every_option_of_a_page_is_taken_by_its_command() {
        for page in COMMANDS {
            for (term, _) in page.options {
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
    fn wrong_usage_is_named_and_never_repeats_words() {
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
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(text), "{wrong:?}: {error}");
            assert!(!error.contains("ability"), "{error}");
        }
    }
}
