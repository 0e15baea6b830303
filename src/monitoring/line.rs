//! The one line that a service manager shows. It holds no ages and no countdowns, so that it
//! changes only when something happened.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::monitoring::view::View;

/// The longest line, in characters.
const CHARS_MAX: usize = 240;

/// Topics, the last success, the next window, and what is waited for.
#[must_use]
pub fn line(view: &View) -> String {
    let topics = &view.facts.topics;
    let plural = if topics.len() == 1 { "topic" } else { "topics" };
    let success = topics
        .iter()
        .filter_map(|(id, facts)| Some((id, facts.last_success?)))
        .max_by_key(|(_, last)| last.at);
    let success = match success {
        Some((id, last)) => format!("topic {id}, nonce {}, {}", last.nonce, clock_time(last.at)),
        None => "none yet".to_owned(),
    };
    let height = view.height();
    let next = topics
        .iter()
        .filter_map(|(id, facts)| Some((facts.next_window(height)?, id)))
        .min();
    let next = match next {
        Some((height, id)) => format!("topic {id} at block {height}"),
        None => "not known".to_owned(),
    };
    let mut line = format!(
        "{} {plural}; last success: {success}; next window: {next}",
        topics.len()
    );
    let mut waits = view.waits.iter();
    if let Some((scope, waiting)) = waits.next() {
        let more = match waits.count() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        line = format!("waiting: {scope}: {}{more}; {line}", waiting.in_brief());
    }
    line.chars().take(CHARS_MAX).collect()
}

/// The time of day in UTC; nothing for a clock that is beyond reason.
fn clock_time(at: SystemTime) -> String {
    let form = format_description!("[hour]:[minute]:[second] UTC");
    OffsetDateTime::from(at).format(form).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::monitoring::view::tests::view;
    use crate::status::LastOutcome;
    use crate::status::waiting::{Scope, Waiting};
    use crate::values::units::{Nonce, TopicId};

    #[test]
    fn it_tells_the_last_success_the_next_window_and_the_first_wait() {
        let mut view = view();
        assert_eq!(
            line(&view),
            "1 topic; last success: none yet; next window: topic 1 at block 120"
        );
        let last = LastOutcome {
            nonce: Nonce(100),
            outcome: "included",
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 + 3_661),
        };
        view.facts.topics.get_mut(&TopicId(1)).unwrap().last_success = Some(last);
        view.waits.push((Scope::Chain, Waiting::Syncing));
        view.waits
            .push((Scope::Topic(TopicId(1)), Waiting::Inactive));
        assert_eq!(
            line(&view),
            "waiting: chain: node syncing and 1 more; 1 topic; last success: topic 1, nonce 100, \
             01:01:01 UTC; next window: topic 1 at block 120"
        );
    }
}
