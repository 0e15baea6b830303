use std::sync::Arc;

use super::*;

/// What a log wrote, for a test to look at.
#[derive(Clone, Default)]
pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A guard with a console for people that a test can read.
fn guard(file: Option<LogFile>) -> (Guard, Written) {
    let written = Written::default();
    let level = LevelFilter::Info;
    let guard = Guard {
        level,
        console: Box::new(People::writer(level, written.clone())),
        file,
        repeats: Mutex::default(),
    };
    (guard, written)
}

fn say(guard: &Guard, target: &str, level: Level, text: &str) {
    let metadata = Metadata::builder().target(target).level(level).build();
    super::log_text(guard, &metadata, text, &NO_FACTS);
}

#[test]
fn only_our_own_lines_of_the_level_are_written() {
    let (guard, written) = guard(None);
    say(&guard, "ureq::run", Level::Info, "a header with a password");
    say(&guard, "allora_worker::topic", Level::Debug, "too much");
    say(&guard, "allora_worker::topic", Level::Info, "wanted");
    let text = written.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.ends_with("wanted\n"), "{text}");
}

#[test]
fn no_text_forges_a_line_or_controls_a_terminal() {
    let forged = "says\n2030-01-01 [INFO ] nonce 1: included\r\x1b[2J\u{85}\u{202e}\u{e0041}";
    for (json, priority) in [(false, false), (true, false), (false, true)] {
        let (mut guard, written) = guard(None);
        if json || priority {
            let form = Form { json, priority };
            let out = Mutex::new(written.clone());
            guard.console = Box::new(Lines { form, out });
        }
        say(&guard, TARGET, Level::Info, forged);
        let text = written.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(crate::text::is_unseen), "{text}");
        assert!(text.contains("included"), "{text}");
    }
}

#[test]
fn a_file_that_fails_is_reported_on_the_console_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = LogSettings {
        file: FileLog::In(folder.path().to_owned()),
        ..LogSettings::default()
    };
    let name = folder.path().join("allora-worker.log");
    std::os::unix::fs::symlink("/dev/full", name).unwrap();
    let (guard, written) = guard(file(LevelFilter::Info, &settings).unwrap());
    for _ in 0..3 {
        say(&guard, TARGET, Level::Info, "a line");
    }
    let text = written.text();
    assert_eq!(text.matches("a line").count(), 3, "{text}");
    assert_eq!(text.matches("can't be written").count(), 1, "{text}");
}

#[test]
fn an_empty_folder_is_no_file() {
    assert_eq!(folder(&FileLog::In(PathBuf::new())), None);
    assert_eq!(folder(&FileLog::In("a".into())), Some("a".into()));
}

#[test]
fn a_flood_is_a_few_lines_and_a_count_but_every_outcome_is_written() {
    let (guard, written) = guard(None);
    for number in 0..1_000 {
        say(&guard, TARGET, Level::Warn, &format!("refusal {number}"));
        say(
            &guard,
            outcome::TARGET,
            Level::Info,
            &format!("nonce {number}"),
        );
    }
    assert!(!written.text().contains("repeated"));
    guard.flush();
    let text = written.text();
    assert_eq!(text.matches("nonce ").count(), 1_000);
    let refusals: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("refusal"))
        .collect();
    assert_eq!(refusals.len(), repeats::LINES_MAX as usize + 1);
    let last = refusals.last().unwrap();
    assert!(last.contains("repeated 980 times within 60 s"), "{last}");
    assert!(last.ends_with("refusal 999"), "{last}");
}
