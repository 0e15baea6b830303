//! The reference as text for terminals of 80 columns (`--help`) and as one manual page in roff
//! (section 8, for administrators).

use super::reference::{
    COMMANDS, CommandHelp, ENVIRONMENT, EXIT_CODES, FILES, OPTIONS, PROGRAM, entries, entries_of,
};

const COLUMNS: usize = 80;
/// Columns between the longest term and its text.
const GAP: usize = 2;

/// What `--help` prints.
pub fn help(page: &CommandHelp) -> String {
    let is_program = *page == PROGRAM;
    let command = if is_program { "" } else { page.name };
    let name = format!("{} {command}", PROGRAM.name);
    let mut text = wrapped(&format!("{}: {}", name.trim(), page.summary), 0, COLUMNS);
    text += "\nUsage:\n";
    for usage in page.usage {
        text += &format!("  {} {usage}\n", PROGRAM.name);
    }
    for paragraph in page.description {
        text += "\n";
        text += &wrapped(paragraph, 0, COLUMNS);
    }
    if is_program {
        let commands = COMMANDS.map(|command| (command.name, command.summary));
        text += &section("Commands", &commands);
    }
    for (title, rows) in [
        ("Options", &OPTIONS[..]),
        ("Files", &FILES),
        ("Environment", &ENVIRONMENT),
        ("Exit codes", &EXIT_CODES),
    ] {
        text += &section(title, &entries_of(page, rows));
    }
    text
}

/// A heading, and each term with its meaning beside it; empty without entries.
fn section(title: &str, entries: &[(&str, &str)]) -> String {
    // An option without a short form is aligned with the long forms of the others.
    let indent = |term: &str| if term.starts_with("--") { 6 } else { 2 };
    let widths = entries.iter().map(|(term, _)| indent(term) + term.len());
    let Some(widest) = widths.max() else {
        return String::new();
    };
    let column = widest + GAP;
    let mut text = format!("\n{title}:\n");
    for (term, meaning) in entries {
        let term = format!("{:1$}{term}", "", indent(term));
        text += &format!("{term:column$}{}", wrapped(meaning, column, COLUMNS));
    }
    text
}

/// Words in lines of at most so many columns; the first line begins at `column`, like the others.
pub(super) fn wrapped(words: &str, column: usize, columns: usize) -> String {
    let mut text = String::new();
    let mut width = column;
    for word in words.split(' ') {
        let more = word.chars().count();
        if text.is_empty() {
            width += more;
        } else if width + 1 + more > columns {
            text += &format!("\n{:column$}", "");
            width = column + more;
        } else {
            text += " ";
            width += 1 + more;
        }
        text += word;
    }
    text + "\n"
}

/// The manual page, without a date or a version: the file in packaging/share changes only with the text.
pub fn man() -> String {
    let name = PROGRAM.name;
    // The third field is the date.
    let mut page = format!(
        ".TH {} 8 \"\" \"{name}\" \"System Administration\"\n.SH NAME\n{}.SH SYNOPSIS\n{}\
         .SH DESCRIPTION\n{}.SH COMMANDS\n",
        name.to_uppercase(),
        line(&format!("{name} - {}", PROGRAM.summary)),
        synopsis(&PROGRAM),
        paragraphs(&PROGRAM),
    );
    for command in &COMMANDS {
        let (usage, text) = (synopsis(command), paragraphs(command));
        let options = list(entries_of(command, &OPTIONS));
        page += &format!(".SS {}\n{usage}{text}{options}", command.name);
    }
    page += &format!(".SH OPTIONS\n{}", list(entries_of(&PROGRAM, &OPTIONS)));
    page += &format!(".SH FILES\n{}", list(entries(&FILES)));
    page += &format!(".SH ENVIRONMENT\n{}", list(entries(&ENVIRONMENT)));
    page += ".SH EXIT STATUS\n";
    for command in &COMMANDS {
        let codes = list(entries_of(command, &EXIT_CODES));
        page += &format!(".SS {}\n{codes}", command.name);
    }
    page
}

fn synopsis(page: &CommandHelp) -> String {
    let name = escaped(PROGRAM.name);
    let line = |usage: &&str| format!("\\fB{name}\\fR {}\n", escaped(usage));
    let lines: Vec<_> = page.usage.iter().map(line).collect();
    lines.join(".br\n")
}

fn paragraphs(page: &CommandHelp) -> String {
    let texts = page.description.iter();
    texts.map(|text| format!(".PP\n{}", line(text))).collect()
}

fn list(entries: Vec<(&str, &str)>) -> String {
    let entry = |(term, meaning)| format!(".TP\n\\fB{}\\fR\n{}", escaped(term), line(meaning));
    entries.into_iter().map(entry).collect()
}

/// A line of text; a dot or an apostrophe at its beginning does not make it a request.
fn line(text: &str) -> String {
    let is_request = text.starts_with(['.', '\'']);
    let guard = if is_request { "\\&" } else { "" };
    format!("{guard}{}\n", escaped(text))
}

/// Text without any meaning to roff; a hyphen stays one that can be searched and typed.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\e".to_owned(),
        '-' => "\\-".to_owned(),
        plain if plain.is_ascii() => plain.to_string(),
        other => format!("\\[u{:04X}]", u32::from(other)),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_help_of_the_program_lists_the_commands() {
        let text = help(&PROGRAM);
        for command in COMMANDS {
            let line = format!("\n  {:9}{}", command.name, command.summary);
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.starts_with("allora-worker: serves topics"), "{text}");
        assert!(
            text.contains("\nUsage:\n  allora-worker [run] [--config"),
            "{text}"
        );
    }

    #[test]
    fn every_page_fits_a_terminal_and_lists_its_exit_codes() {
        for page in COMMANDS.iter().chain([&PROGRAM]) {
            let text = help(page);
            for line in text.lines() {
                assert!(line.chars().count() <= COLUMNS, "too wide: {line}");
                assert_eq!(line, line.trim_end(), "white space at the end: {line:?}");
            }
            assert!(text.contains("\nExit codes:\n  0 "), "{text}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text:?}");
        }
    }

    #[test]
    fn a_meaning_is_wrapped_beside_its_term() {
        let text = help(&COMMANDS[1]);
        let json =
            "\n      --json         print the findings as one JSON object instead of the table\n";
        assert!(text.contains(json), "{text}");
        let config = "\n  -c, --config FILE  configuration file; default: that of $ALLORA_WORKER_CONFIG,\n\
                      \x20                    then ./config.json, then /etc/allora-worker/config.json\n";
        assert!(text.contains(config), "{text}");
        assert!(
            help(&COMMANDS[0]).contains("\n  130, 143  ended at once by"),
            "{}",
            help(&COMMANDS[0])
        );
    }

    #[test]
    fn every_option_is_in_the_manual_page() {
        let page = man();
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "COMMANDS",
            "OPTIONS",
            "FILES",
        ] {
            assert!(page.contains(&format!("\n.SH {section}\n")), "{section}");
        }
        for command in COMMANDS {
            assert!(page.contains(&format!("\n.SS {}\n", command.name)));
            for (term, meaning) in entries_of(&command, &OPTIONS) {
                let entry = format!("\\fB{}\\fR\n{}\n", escaped(term), escaped(meaning));
                assert!(page.contains(&entry), "{term}");
            }
        }
        assert_eq!(page.matches("\\fBSSL_CERT_FILE\\fR").count(), 1);
        assert_eq!(page, man(), "the same page whenever it is made");
    }

    #[test]
    fn nothing_in_a_text_is_a_request() {
        let text = line("./config.json and a \\ and \u{2713}");
        assert_eq!(text, "\\&./config.json and a \\e and \\[u2713]\n");
    }

    /// Left out where groff is not installed.
    #[test]
    fn groff_reads_the_manual_page_without_a_complaint() {
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-P-cbou"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut groff = match groff {
            Ok(groff) => groff,
            Err(error) => {
                eprintln!("the page was not set: groff: {error}");
                return;
            }
        };
        let mut input = groff.stdin.take().unwrap();
        input.write_all(man().as_bytes()).unwrap();
        drop(input);
        let output = groff.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && complaints.is_empty(),
            "{complaints}"
        );
        let text = String::from_utf8_lossy(&output.stdout);
        for part in ["ALLORA-WORKER(8)", "--log-dir DIR", "\u{2717} error"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
