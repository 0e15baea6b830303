//! Whether the worker is ready: every topic was polled recently, and no thread hangs.

use std::time::{Duration, Instant};

use crate::monitoring::view::View;
use crate::status::TopicReport;
use crate::status::beats::GRACE;
use crate::status::waiting::{Scope, Waiting};

/// Most reasons that are listed: 100 topics usually fail for the same one.
const REASONS_MAX: usize = 20;

/// Why the worker is not ready, one line per reason; empty if it is ready.
pub fn unready(view: &View) -> Vec<String> {
    let hanging = view.hanging.iter();
    let mut reasons: Vec<String> = hanging.map(|name| format!("{name}: hangs")).collect();
    let about_chain = |(scope, _): &&_| matches!(scope, Scope::Chain);
    let chain = view.waits.iter().filter(about_chain);
    reasons.extend(chain.map(|(scope, waiting)| format!("{scope}: {waiting}")));
    for (topic, report) in &view.board.topics {
        let reason = unpolled(report, view.now).or_else(|| old_poll(report, view));
        reasons.extend(reason.map(|reason| format!("topic {topic}: {reason}")));
    }
    let more = reasons.len().saturating_sub(REASONS_MAX);
    if more > 0 {
        reasons.truncate(REASONS_MAX);
        reasons.push(format!("and {more} more"));
    }
    reasons
}

/// Whether the topic's polls fail, or none has succeeded yet. [`GRACE`] is enough: the interval
/// between polls does not matter here, since only polls that fail count.
fn unpolled(report: &TopicReport, now: Instant) -> Option<String> {
    let failing = report
        .failing_since
        .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    if report.polled.is_none() && !report.absent {
        return Some("not polled yet".to_owned());
    }
    (failing > GRACE).then(|| format!("not polled for {} s", failing.as_secs()))
}

/// Whether the last poll is too old although none failed. There are no polls while a window is
/// open, and polls are useless while the chain is halted; a restart would change neither.
fn old_poll(report: &TopicReport, view: &View) -> Option<String> {
    let is_halted = |(scope, _): &(Scope, Waiting)| *scope == Scope::Blocks;
    if report.open_at(view.height()).is_some() || view.waits.iter().any(is_halted) {
        return None;
    }
    let age = view.now.saturating_duration_since(report.answered?);
    (age > report.poll_gap_max?).then(|| format!("not polled for {} s", age.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::view::tests::{POLL_GAP_MAX, view};
    use crate::status::Polled;
    use crate::values::units::{Height, TopicId};

    #[test]
    fn ready_is_every_topic_polled_and_every_thread_moving() {
        let mut view = view();
        assert_eq!(unready(&view), [""; 0]);
        view.hanging.push("topic-1".to_owned());
        let scope = Scope::Chain;
        view.waits.push((scope, Waiting::Syncing));
        view.waits
            .push((Scope::Topic(TopicId(1)), Waiting::Inactive));
        let reasons = unready(&view);
        assert_eq!(
            reasons.len(),
            2,
            "an inactive topic is healthy: {reasons:?}"
        );
        assert_eq!(reasons[0], "topic-1: hangs");
        assert!(reasons[1].starts_with("chain: the node is still syncing"));
    }

    #[test]
    fn a_topic_is_not_ready_before_its_first_poll_and_when_polls_fail_for_long() {
        let mut view = view();
        view.board.topics.insert(TopicId(9), TopicReport::default());
        assert_eq!(unready(&view), ["topic 9: not polled yet"]);
        let polled: Polled = view.board.topics[&TopicId(1)].polled.unwrap();
        let failing = |for_long: Duration| TopicReport {
            polled: Some(polled),
            failing_since: Some(view.now - for_long),
            ..TopicReport::default()
        };
        assert_eq!(unpolled(&failing(GRACE), view.now), None);
        let text = unpolled(&failing(GRACE + Duration::from_secs(1)), view.now);
        assert_eq!(text.as_deref(), Some("not polled for 31 s"));
        let absent = TopicReport {
            absent: true,
            ..TopicReport::default()
        };
        assert_eq!(
            unpolled(&absent, view.now),
            None,
            "a restart does not fix that"
        );
    }

    #[test]
    fn a_poll_that_is_too_old_does_not_count_unless_the_chain_stands_still() {
        let mut view = view();
        view.height = Some((Height(115), Duration::ZERO)); // between two windows
        let answered = view.board.topics[&TopicId(1)].answered.unwrap();
        view.now = answered + POLL_GAP_MAX;
        assert_eq!(unready(&view), [""; 0]);
        view.now += Duration::from_secs(1);
        assert_eq!(unready(&view), ["topic 1: not polled for 2701 s"]);
        let halted = Waiting::Halted {
            age: Duration::from_secs(9_000),
        };
        view.waits.push((Scope::Blocks, halted));
        assert_eq!(unready(&view), [""; 0], "a halted chain is no reason");
        view.waits.clear();
        view.height = Some((Height(105), Duration::ZERO));
        assert_eq!(unready(&view), [""; 0], "the window is at work");
    }

    #[test]
    fn many_reasons_are_cut_short() {
        let mut view = view();
        for id in 100..200 {
            view.board
                .topics
                .insert(TopicId(id), TopicReport::default());
        }
        let reasons = unready(&view);
        assert_eq!(reasons.len(), REASONS_MAX + 1);
        assert_eq!(reasons[REASONS_MAX], "and 80 more");
    }
}
