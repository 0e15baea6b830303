//! The pages as one manual page in roff (section 8, for administrators): the same text as
//! `--help`, so that there is nothing to keep in step.

use std::collections::BTreeSet;

use super::help::PROGRAM_NAME;
use super::pages::{COMMANDS, Entry, PROGRAM, Page};

/// The whole page.
#[must_use]
pub fn man() -> String {
    let mut roff = Roff::default();
    let version = env!("CARGO_PKG_VERSION");
    let name = PROGRAM_NAME.to_uppercase();
    // The third field, a date, stays empty: the page is the same whenever it is made.
    roff.request(&format!(
        ".TH {name} 8 \"\" \"{PROGRAM_NAME} {version}\" \"System Administration\""
    ));
    roff.request(".SH NAME");
    roff.text(&format!("{PROGRAM_NAME} - {}", PROGRAM.summary));
    roff.request(".SH SYNOPSIS");
    for (at, usage) in PROGRAM.usage.iter().enumerate() {
        if at > 0 {
            roff.request(".br");
        }
        roff.bold_then(PROGRAM_NAME, usage);
    }
    roff.request(".SH DESCRIPTION");
    roff.paragraphs(&PROGRAM);
    roff.request(".SH COMMANDS");
    COMMANDS.iter().for_each(|page| roff.command(page));
    roff.request(".SH OPTIONS");
    roff.entries(PROGRAM.options);
    shared(&mut roff, "Files", "FILES");
    shared(&mut roff, "Environment", "ENVIRONMENT");
    roff.request(".SH EXIT STATUS");
    for page in &COMMANDS {
        roff.request(&format!(".SS {}", page.name));
        roff.entries(entries(page, "Exit codes"));
    }
    roff.0
}

fn entries(page: &Page, title: &str) -> &'static [Entry] {
    let section = page.sections.iter().find(|section| section.title == title);
    section.map_or(&[], |section| section.entries)
}

/// A section with the entries that the commands have under a title, each once.
fn shared(roff: &mut Roff, title: &str, heading: &str) {
    let mut seen = BTreeSet::new();
    let all = COMMANDS.iter().flat_map(|page| entries(page, title));
    let once: Vec<Entry> = all
        .filter(|(term, _)| seen.insert(*term))
        .copied()
        .collect();
    roff.request(&format!(".SH {heading}"));
    roff.entries(&once);
}

/// A page in the making.
#[derive(Default)]
struct Roff(String);

impl Roff {
    /// A request, as it is.
    fn request(&mut self, line: &str) {
        self.0 += line;
        self.0 += "\n";
    }

    /// A line of text.
    fn text(&mut self, text: &str) {
        let line = escaped(text);
        // A dot or an apostrophe at the beginning would make it a request.
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        self.request(&format!("{guard}{line}"));
    }

    fn bold_then(&mut self, bold: &str, rest: &str) {
        self.request(&format!("\\fB{}\\fR {}", escaped(bold), escaped(rest)));
    }

    fn command(&mut self, page: &Page) {
        self.request(&format!(".SS {}", page.name));
        for usage in page.usage {
            self.bold_then(PROGRAM_NAME, usage);
            self.request(".br");
        }
        self.paragraphs(page);
        self.entries(page.options);
    }

    fn paragraphs(&mut self, page: &Page) {
        for paragraph in page.description {
            self.request(".PP");
            self.text(paragraph);
        }
    }

    fn entries(&mut self, entries: &[Entry]) {
        for (term, meaning) in entries {
            self.request(".TP");
            self.request(&format!("\\fB{}\\fR", escaped(term)));
            self.text(meaning);
        }
    }
}

/// Text in which nothing has a meaning to roff; a hyphen stays one that can be searched and typed.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => line += "\\e",
            '-' => line += "\\-",
            plain if plain.is_ascii() => line.push(plain),
            other => line += &format!("\\[u{:04X}]", u32::from(other)),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn every_term_of_every_page_is_in_it_once_explained() {
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
            for (term, meaning) in command.options {
                let entry = format!("\\fB{}\\fR\n{}\n", escaped(term), escaped(meaning));
                assert!(page.contains(&entry), "{term}");
            }
        }
        assert_eq!(page.matches("\\fBSSL_CERT_FILE\\fR").count(), 1);
        assert_eq!(page, man(), "the same page whenever it is made");
    }

    #[test]
    fn nothing_in_a_text_is_a_request() {
        let mut roff = Roff::default();
        roff.text("./config.json and a \\ and \u{2713}");
        assert_eq!(roff.0, "\\&./config.json and a \\e and \\[u2713]\n");
    }

    /// Has the page set, where there is a program for it.
    #[test]
    fn it_can_be_read_without_a_complaint() {
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
        for part in ["ALLORA-WORKER(8)", "--log-dir DIR", "\u{2717} would fail"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
