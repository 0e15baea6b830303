//! The text of a POST: whose it is, and a line for each thing that happened.

use crate::status::news::NewsLines;

/// The most characters of a text: Discord refuses more than 2,000.
const CHARS_MAX: usize = 1_900;
/// The most characters of a line.
const LINE_CHARS_MAX: usize = 400;
/// The last character of a line that was cut.
const CUT: char = '\u{2026}';

/// All lines that fit, the newest ones last, below a head with the worker's address. What is left out
/// is counted.
pub(super) fn joined(address: &str, lines: &NewsLines) -> String {
    let head = format!("allora-worker {address}");
    let mut room = CHARS_MAX.saturating_sub(head.chars().count() + 60);
    let mut shown: Vec<String> = Vec::new();
    for line in lines.kept.iter().rev() {
        let line = plain(line);
        let chars = line.chars().count() + 1;
        if chars > room {
            break;
        }
        room -= chars;
        shown.push(line);
    }
    let hidden = (lines.kept.len() - shown.len()) as u64;
    let left_out = lines.dropped.saturating_add(hidden);
    let count = (left_out > 0).then(|| format!("{left_out} earlier lines are left out"));
    let below = count.into_iter().chain(shown.into_iter().rev());
    below.fold(head, |text, line| text + "\n" + &line)
}

/// A line that no chat takes for more than a text: what a node or a model answered must not call
/// everybody in a channel (`<!channel>`, `@everyone`), write that as entities (`&lt;!channel&gt;`), nor
/// hide where a link leads to.
fn plain(line: &str) -> String {
    let harmless = |c| match c {
        '<' => '\u{2039}',
        '>' => '\u{203a}',
        '&' => '\u{ff06}',
        '@' => '\u{ff20}',
        '[' => '(',
        ']' => ')',
        c => c,
    };
    let mut chars = line.chars().map(harmless);
    let mut text: String = chars.by_ref().take(LINE_CHARS_MAX - 1).collect();
    let rest: String = chars.collect();
    match rest.chars().count() {
        0 | 1 => text.push_str(&rest),
        _ => text.push(CUT),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: impl IntoIterator<Item = String>, dropped: u64) -> NewsLines {
        let kept = lines.into_iter().collect();
        NewsLines { kept, dropped }
    }

    #[test]
    fn lines_stand_below_the_address() {
        let two = lines(["one".to_owned(), "two".to_owned()], 0);
        assert_eq!(joined("allo1x", &two), "allora-worker allo1x\none\ntwo");
        let dropped = lines(["one".to_owned()], 7);
        let text = "allora-worker allo1x\n7 earlier lines are left out\none";
        assert_eq!(joined("allo1x", &dropped), text);
    }

    #[test]
    fn a_long_text_keeps_its_newest_lines() {
        let many = (0..50).map(|number| format!("{number} {}", "x".repeat(1_000)));
        let text = joined(&"a".repeat(43), &lines(many, 2));
        assert!(
            text.chars().count() <= CHARS_MAX,
            "{}",
            text.chars().count()
        );
        let rows: Vec<&str> = text.lines().collect();
        let shown = rows.len() - 2;
        assert_eq!(shown, 4, "{text}");
        assert_eq!(
            rows[1],
            format!("{} earlier lines are left out", 52 - shown)
        );
        assert!(
            rows[rows.len() - 1].starts_with("49 x") && text.ends_with(CUT),
            "{text}"
        );
        assert_eq!(rows[2].chars().count(), LINE_CHARS_MAX);
    }

    #[test]
    fn a_line_as_long_as_allowed_is_whole() {
        for (length, is_cut) in [(LINE_CHARS_MAX, false), (LINE_CHARS_MAX + 1, true)] {
            let text = plain(&"x".repeat(length));
            assert_eq!(text.chars().count(), LINE_CHARS_MAX);
            assert_eq!(text.ends_with(CUT), is_cut);
        }
    }

    #[test]
    fn what_a_model_answers_calls_nobody() {
        let text = plain("its body begins: <!channel> &lt;!here&gt; @everyone [here](http://x)");
        let expected = "its body begins: \u{2039}!channel\u{203a} \u{ff06}lt;!here\u{ff06}gt; \
                        \u{ff20}everyone (here)(http://x)";
        assert_eq!(text, expected);
    }
}
