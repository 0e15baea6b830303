//! Completions for bash, zsh and fish, made of the reference.

use super::reference::{COMMANDS, CommandHelp, OPTIONS, PROGRAM, choices};

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The scripts, with marks for what is made of the reference.
const BASH: &str = r#"# shellcheck shell=bash
# bash completion for allora-worker, made by `allora-worker --generate bash`

# Offers what `compgen` makes of these arguments.
_allora_worker_reply() {
    mapfile -t COMPREPLY < <(compgen "$@" -- "$word")
    [[ $1 == -W ]] || compopt -o filenames 2>/dev/null
}

_allora_worker() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' at
    # `--option=value` arrives as three words.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
            @NAMES@) command=${command:-${COMP_WORDS[at]}} ;;
        esac
    done
    case $before in
@VALUES@        *) _allora_worker_words ;;
    esac
}

_allora_worker_words() {
    case $command in
@COMMANDS@        *) _allora_worker_reply -W '@WORDS@' ;;
    esac
}

complete -F _allora_worker allora-worker
"#;
const ZSH: &str = r#"#compdef allora-worker
# zsh completion for allora-worker, made by `allora-worker --generate zsh`

_allora-worker() {
    local curcontext=$curcontext state line
    typeset -A opt_args
    local -a commands
    commands=(
@COMMANDS@    )
    _arguments -C@OPTIONS@ \
        '1: :->command' \
        '*:: :->arguments' && return
    case $state in
        command)
            _describe command commands
            ;;
        arguments)
            case $line[1] in
@CASES@            esac
            ;;
    esac
}

if [[ $funcstack[1] == _allora-worker ]]; then
    _allora-worker "$@"
else
    compdef _allora-worker allora-worker
fi
"#;
const FISH: &str = "# fish completion for allora-worker, made by `allora-worker --generate fish`

complete -c allora-worker -f
";

/// An option of the reference.
struct Flag {
    /// The pages that it belongs to.
    pages: Vec<&'static str>,
    short: Option<&'static str>,
    /// With its hyphens.
    long: &'static str,
    /// The name of its value, if it takes one.
    value: Option<&'static str>,
    /// The meaning, up to the first semicolon.
    meaning: &'static str,
}

impl Flag {
    fn is_of(&self, page: &CommandHelp) -> bool {
        let mut pages = self.pages.iter();
        pages.any(|name| *name == page.name || *name == "*")
    }

    /// As it is typed: the long form, and the short one before it.
    fn names(&self) -> Vec<&'static str> {
        self.short.into_iter().chain([self.long]).collect()
    }
}

fn flags() -> Vec<Flag> {
    let flag = |row: &&'static str| {
        let (pages, rest) = row.split_once(" | ")?;
        let (term, meaning) = rest.split_once(" | ")?;
        let mut words = term.split([' ', ',']).filter(|word| !word.is_empty());
        let first = words.next()?;
        let (short, long) = if first.starts_with("--") {
            (None, first)
        } else {
            (Some(first), words.next()?)
        };
        Some(Flag {
            pages: pages.split(' ').collect(),
            short,
            long,
            value: words.next(),
            meaning: meaning.split(';').next()?,
        })
    };
    OPTIONS.iter().filter_map(flag).collect()
}

/// The flags that are known where no command is named: those of the program and of the default command.
fn flags_without_command() -> Vec<Flag> {
    let mut flags = flags();
    flags.retain(|flag| flag.is_of(&PROGRAM) || flag.is_of(&COMMANDS[0]));
    flags
}

fn flags_of(page: &CommandHelp) -> Vec<Flag> {
    let mut flags = flags();
    flags.retain(|flag| flag.is_of(page));
    flags
}

/// Whether the command itself takes a file, such as `import FILE`.
fn takes_file(page: &CommandHelp) -> bool {
    let start = format!("{} FILE", page.name);
    page.usage.iter().any(|usage| usage.starts_with(&start))
}

/// The script for a shell.
pub(super) fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

fn bash() -> String {
    let names = COMMANDS.map(|page| page.name);
    let typed = |flags: Vec<Flag>| {
        let names = flags.iter().flat_map(Flag::names);
        names.collect::<Vec<_>>().join(" ")
    };
    let mut values = String::new();
    for flag in flags() {
        let Some(value) = flag.value else { continue };
        let words = match value {
            "FILE" => "-f".to_owned(),
            "DIR" => "-d".to_owned(),
            value => format!("-W '{}'", choices(value).join(" ")),
        };
        let names = flag.names().join(" | ");
        values += &format!("        {names}) _allora_worker_reply {words} ;;\n");
    }
    let mut commands = String::new();
    for page in &COMMANDS {
        let files = if takes_file(page) { " -f" } else { "" };
        let words = typed(flags_of(page));
        let name = page.name;
        commands += &format!("        {name}) _allora_worker_reply{files} -W '{words}' ;;\n");
    }
    let without_command = typed(flags_without_command());
    BASH.replace("@NAMES@", &names.join(" | "))
        .replace("@VALUES@", &values)
        .replace("@COMMANDS@", &commands)
        .replace("@WORDS@", &format!("{} {without_command}", names.join(" ")))
}

fn zsh() -> String {
    let mut commands = String::new();
    let mut cases = String::new();
    for page in &COMMANDS {
        let summary = page.summary.replace(':', "\\:").replace('\'', "'\\''");
        commands += &format!("        '{}:{summary}'\n", page.name);
        let file = if takes_file(page) {
            " \\\n                        ':file:_files'"
        } else {
            ""
        };
        cases += &format!(
            "                {})\n                    _arguments{}{file}\n                    ;;\n",
            page.name,
            zsh_specs(&flags_of(page), "                        "),
        );
    }
    ZSH.replace("@COMMANDS@", &commands)
        .replace(
            "@OPTIONS@",
            &zsh_specs(&flags_without_command(), "        "),
        )
        .replace("@CASES@", &cases)
}

/// The flags as `_arguments` takes them, each on a line of its own.
fn zsh_specs(flags: &[Flag], indent: &str) -> String {
    let spec = |flag: &Flag| {
        let escaped = |text: &str| text.replace('\'', "'\\''").replace(['[', ']'], "");
        let meaning = escaped(flag.meaning);
        let value = match flag.value {
            None => String::new(),
            Some("FILE") => ":file:_files".to_owned(),
            Some("DIR") => ":folder:_files -/".to_owned(),
            Some(name) => format!(":{}:({})", name.to_lowercase(), choices(name).join(" ")),
        };
        let long = flag.long;
        let mark = if flag.value.is_some() { "=" } else { "" };
        let names = match flag.short {
            Some(short) => format!("'({short} {long})'{{{short},{long}{mark}}}'"),
            None => format!("'{long}{mark}"),
        };
        format!(" \\\n{indent}{names}[{meaning}]{value}'")
    };
    flags.iter().map(spec).collect()
}

fn fish() -> String {
    let mut text = FISH.to_owned();
    let quoted = |words: &str| format!("'{}'", words.replace('\\', "\\\\").replace('\'', "\\'"));
    for page in &COMMANDS {
        let (name, summary) = (page.name, quoted(page.summary));
        text +=
            &format!("complete -c allora-worker -n __fish_use_subcommand -a {name} -d {summary}\n");
        if takes_file(page) {
            text +=
                &format!("complete -c allora-worker -n '__fish_seen_subcommand_from {name}' -F\n");
        }
    }
    for flag in flags() {
        let pages = COMMANDS.iter().filter(|page| flag.is_of(page));
        let pages: Vec<_> = pages.map(|page| page.name).collect();
        let of_pages =
            (!pages.is_empty()).then(|| format!("__fish_seen_subcommand_from {}", pages.join(" ")));
        let is_without = flag.is_of(&PROGRAM) || flag.is_of(&COMMANDS[0]);
        let without = is_without.then(|| "__fish_use_subcommand".to_owned());
        let conditions: Vec<_> = without.into_iter().chain(of_pages).collect();
        let short = flag.short.map_or_else(String::new, |short| {
            format!(" -s {}", short.trim_start_matches('-'))
        });
        let value = match flag.value {
            None => String::new(),
            Some("FILE") => " -r -F".to_owned(),
            Some("DIR") => " -x -a '(__fish_complete_directories)'".to_owned(),
            Some(name) => format!(" -x -a '{}'", choices(name).join(" ")),
        };
        text += &format!(
            "complete -c allora-worker -n '{}'{short} -l {}{value} -d {}\n",
            conditions.join("; or "),
            flag.long.trim_start_matches('-'),
            quoted(flag.meaning),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::process::{Command, Output};

    use super::*;
    use crate::cli::help;

    #[test]
    fn the_files_in_packaging_are_what_the_worker_makes() {
        for (made, file) in [
            (
                help::man(),
                include_str!("../../packaging/share/man/man8/allora-worker.8"),
            ),
            (
                script(Shell::Bash),
                include_str!("../../packaging/share/bash-completion/completions/allora-worker"),
            ),
            (
                script(Shell::Zsh),
                include_str!("../../packaging/share/zsh/site-functions/_allora-worker"),
            ),
            (
                script(Shell::Fish),
                include_str!("../../packaging/share/fish/vendor_completions.d/allora-worker.fish"),
            ),
        ] {
            assert!(
                made == file,
                "packaging/share is out of date; type: make share"
            );
        }
    }

    /// What a shell prints after it has read the script; `None` where the shell is not installed.
    fn said(shell: &str, options: &[&str], of: Shell, then: &str) -> Option<String> {
        let text = format!("{}\n{then}", script(of));
        let run: io::Result<Output> = Command::new(shell)
            .args(options)
            .args(["-c", &text])
            .output();
        let output = match run {
            Ok(output) => output,
            Err(error) => {
                eprintln!("not tried: {shell}: {error}");
                return None;
            }
        };
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(complaints, "", "{shell}");
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The words that are offered for the last one of a line.
    const OFFERED: [(&str, &[&str], &[&str]); 9] = [
        ("allora-worker import Cargo.t", &["Cargo.toml"], &["--json"]),
        ("allora-worker ch", &["check"], &["run"]),
        ("allora-worker --lo", &["--log-dir"], &["--words"]),
        (
            "allora-worker check --",
            &["--json", "--health", "--config"],
            &["--words"],
        ),
        ("allora-worker -c x keygen --w", &["--words"], &["--json"]),
        (
            "allora-worker keygen --words 1",
            &["12", "15", "18"],
            &["24"],
        ),
        (
            "allora-worker --generate ",
            &["man", "bash", "zsh", "fish"],
            &["run"],
        ),
        ("allora-worker run --log-dir sr", &["src"], &["--config"]),
        (
            "allora-worker check --config Cargo.t",
            &["Cargo.toml"],
            &["--json"],
        ),
    ];

    fn judge(line: &str, offered: &str, expected: &[&str], others: &[&str]) {
        let words = offered.lines().filter_map(|line| line.split('\t').next());
        let words: Vec<_> = words.map(|word| word.trim_end_matches('/')).collect();
        for word in expected {
            assert!(words.contains(word), "{line}: {word} is not in {words:?}");
        }
        for word in others {
            assert!(!words.contains(word), "{line}: {word} is in {words:?}");
        }
    }

    #[test]
    fn bash_completes_commands_options_and_values() {
        for (line, expected, others) in OFFERED {
            let mut words: Vec<_> = line.split(' ').collect();
            let ask = |words: &[&str]| {
                let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
                let then = format!(
                    "COMP_WORDS=({}) COMP_CWORD={}\n_allora_worker\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
                    quoted.join(" "),
                    words.len() - 1
                );
                said("bash", &["--norc"], Shell::Bash, &then)
            };
            let Some(offered) = ask(&words) else { return };
            judge(line, &offered, expected, others);
            // `--option=value` is three words for bash.
            if words.len() > 2 && !words[words.len() - 1].starts_with('-') {
                words.insert(words.len() - 1, "=");
                judge(line, &ask(&words).unwrap(), expected, others);
            }
        }
        let registered = said(
            "bash",
            &["--norc"],
            Shell::Bash,
            "complete -p allora-worker",
        );
        let registered = registered.unwrap_or_default();
        assert!(
            registered.contains("-F _allora_worker allora-worker"),
            "{registered}"
        );
    }

    #[test]
    fn fish_completes_commands_options_and_values() {
        for (line, expected, others) in OFFERED {
            let then = format!("complete -C '{line}'");
            let Some(offered) = said("fish", &["--no-config"], Shell::Fish, &then) else {
                return;
            };
            judge(line, &offered, expected, others);
        }
    }

    #[test]
    fn zsh_reads_its_script_and_registers_it() {
        let start = "autoload -U compinit && compinit -D -u\n";
        let text = start.to_owned() + &script(Shell::Zsh) + "\nprint $_comps[allora-worker]";
        let run = Command::new("zsh").args(["-f", "-c", &text]).output();
        match run {
            Ok(output) => {
                assert_eq!(String::from_utf8_lossy(&output.stderr), "");
                assert_eq!(String::from_utf8_lossy(&output.stdout), "_allora-worker\n");
            }
            Err(error) => eprintln!("not tried: zsh: {error}"),
        }
    }
}
