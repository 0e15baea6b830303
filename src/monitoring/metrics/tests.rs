use std::time::{Duration, SystemTime};

use super::*;
use crate::monitoring::view::tests::view;
use crate::status::LastOutcome;
use crate::status::tally::Outcome;
use crate::status::waiting::Purpose;
use crate::values::units::{Nonce, Uallo};

fn lines(view: View) -> Vec<String> {
    let mut text = String::new();
    write(view, &mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn no_series_is_told_twice() {
    let mut view = view();
    let unfunded = Waiting::Unfunded {
        have: Uallo(0),
        need: Uallo(1),
        address: "allo1address".to_owned(),
    };
    for scope in [
        Scope::Wallet,
        Scope::Fee(Purpose::Payload),
        Scope::Fee(Purpose::Registration),
    ] {
        view.waits.push((scope, unfunded.clone()));
    }
    let lines = lines(view);
    let samples = lines.iter().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = samples
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let different: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), different.len());
    let waiting = r#"allora_worker_waiting{scope="wallet",state="balance_too_low"}"#;
    assert!(different.contains(waiting));
}

#[test]
fn every_outcome_is_there_at_0_and_what_is_not_known_has_no_value() {
    let lines = lines(view());
    let has = |line: &str| lines.iter().any(|l| l == line);
    for outcome in Outcome::NAMES {
        let name = format!("outcomes_total{{topic=\"1\",outcome=\"{outcome}\"}}");
        assert!(has(&format!("allora_worker_{name} 0")), "{name}");
    }
    assert!(has("allora_worker_window_open{topic=\"1\"} 1"));
    assert!(has("allora_worker_height 105"));
    let of_balance = |line: &&String| line.starts_with("allora_worker_balance_uallo");
    assert_eq!(lines.iter().filter(of_balance).count(), 0);
    assert_eq!(lines.last().map(String::as_str), Some("# EOF"));
}

#[test]
fn times_are_in_seconds_and_buckets_add_up() {
    let mut view = view();
    let facts = view.facts.topics.get_mut(&TopicId(1)).unwrap();
    facts.model_us.observe(20_000);
    facts.model_us.observe(60_000_000);
    facts.inclusion_blocks.observe(2);
    facts.last_success = Some(LastOutcome {
        nonce: Nonce(100),
        outcome: "included",
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(7),
    });
    let lines = lines(view);
    let has = |line: &str| lines.iter().any(|l| l == line);
    assert!(has(
        r#"allora_worker_model_duration_seconds_sum{topic="1"} 60.02"#
    ));
    for (bound, count) in [("0.01", 0), ("0.025", 1), ("30.0", 1), ("+Inf", 2)] {
        let name = "allora_worker_model_duration_seconds_bucket";
        let line = format!("{name}{{le=\"{bound}\",topic=\"1\"}} {count}");
        assert!(has(&line), "{line}");
    }
    assert!(has(
        r#"allora_worker_inclusion_delay_blocks_sum{topic="1"} 2.0"#
    ));
    assert!(has(
        r#"allora_worker_last_success_timestamp_seconds{topic="1"} 7"#
    ));
}
