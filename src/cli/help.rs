//! A [`Page`] as the text that `--help` prints, for terminals of 80 columns.

use std::fmt::Write as _;

use super::pages::{COMMANDS, Entry, Page};

/// The program, as it is typed.
pub(super) const PROGRAM_NAME: &str = "allora-worker";
/// The longest line.
const COLUMNS: usize = 80;
/// Columns before an entry's term.
const INDENT: usize = 2;
/// Columns between the longest term and its text.
const GAP: usize = 2;
/// A term longer than this stands on a line of its own.
const TERM_COLUMNS_MAX: usize = 30;

/// The whole text, with a line feed at its end.
#[must_use]
pub fn help(page: &Page) -> String {
    let mut text = String::new();
    let name = [PROGRAM_NAME, page.name].join(" ");
    push_wrapped(&mut text, &format!("{}: {}", name.trim(), page.summary), 0);
    text.push_str("\nUsage:\n");
    for usage in page.usage {
        push_line(&mut text, &format!("  {PROGRAM_NAME} {usage}"));
    }
    for paragraph in page.description {
        text.push('\n');
        push_wrapped(&mut text, paragraph, 0);
    }
    if page.name.is_empty() {
        let commands = COMMANDS.map(|command| (command.name, command.summary));
        push_entries(&mut text, "Commands", &commands);
    }
    push_entries(&mut text, "Options", page.options);
    for section in page.sections {
        push_entries(&mut text, section.title, section.entries);
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A heading, and each term with its text beside it.
fn push_entries(text: &mut String, title: &str, entries: &[Entry]) {
    let terms = entries.iter().map(|(term, _)| shown(term).chars().count());
    let widest = terms.filter(|width| *width <= TERM_COLUMNS_MAX).max();
    let column = INDENT + widest.unwrap_or_default() + GAP;
    push_line(text, &format!("\n{title}:"));
    for (term, meaning) in entries {
        let term = shown(term);
        let first_line = format!("{:INDENT$}{term}", "");
        let width = first_line.chars().count();
        if width + GAP > column {
            push_line(text, &first_line);
            let _ = write!(text, "{:column$}", ""); // why: writing to a String cannot fail
        } else {
            let _ = write!(text, "{first_line:column$}"); // why: as above
        }
        push_wrapped(text, meaning, column);
    }
}

/// An option without a short form is set below those that have one.
fn shown(term: &str) -> String {
    if term.starts_with("--") {
        format!("    {term}")
    } else {
        term.to_owned()
    }
}

/// The words in lines; the first one begins where the text stands, at `column`, like all others.
fn push_wrapped(text: &mut String, words: &str, column: usize) {
    let mut width = column;
    for (at, word) in words.split(' ').enumerate() {
        let more = word.chars().count();
        if at == 0 {
        } else if width + 1 + more > COLUMNS {
            let _ = write!(text, "\n{:column$}", ""); // why: writing to a String cannot fail
            width = column;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += more;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::pages::{CHECK, PROGRAM, RUN};
    use super::*;

    #[test]
    fn the_programs_page_lists_the_commands() {
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
    fn every_page_fits_a_terminal_and_tells_its_exit_codes() {
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
    fn a_text_stands_beside_its_term_and_goes_on_below_itself() {
        let text = help(&CHECK);
        let json = "\n      --json         one JSON object instead of the table, with the same\n\
                    \x20                    findings\n";
        assert!(text.contains(json), "{text}");
        let config = "\n  -c, --config FILE  the configuration; without it ./config.json, then\n\
                      \x20                    /etc/allora-worker/config.json\n";
        assert!(text.contains(config), "{text}");
        assert!(
            help(&RUN).contains("\n  130, 143  ended at once by"),
            "{}",
            help(&RUN)
        );
    }
}
