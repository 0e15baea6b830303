use super::*;
use crate::monitoring::view::tests::{chain, view};
use crate::status::history::Ended;
use crate::status::outcome::{Inclusion, Outcome, Unfound};
use crate::status::waiting::Purpose;
use crate::values::budget::Budget;
use crate::values::funding::Shortfall;
use crate::values::units::{Height, Nonce, Sequence};

fn lines(view: View) -> Vec<String> {
    let mut text = String::new();
    write(view, &mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn no_series_is_exported_twice() {
    let mut view = view();
    let unfunded = Waiting::Unfunded(Shortfall::sample(1));
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
fn every_metric_is_described() {
    let lines = lines(view());
    let mut described: Vec<String> = DESCRIPTIONS
        .lines()
        .map(|line| format!("# HELP {PREFIX}_{}", line.replacen(": ", " ", 1)))
        .collect();
    let helps = lines.into_iter().filter(|line| line.starts_with("# HELP"));
    let mut helps: Vec<String> = helps.collect();
    described.sort();
    helps.sort();
    assert_eq!(helps, described);
}

#[test]
fn times_are_in_seconds_and_buckets_add_up() {
    let mut view = view();
    let topic = view.board.topics.get_mut(&TopicId(1)).unwrap();
    topic.model_durations.0.observe(0.02);
    topic.model_durations.0.observe(60.0);
    topic.inclusion_delays.0.observe(2.0);
    topic.last_success = Some(
        Ended {
            nonce: Nonce(100),
            outcome: Outcome::AlreadySubmitted,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(7),
            in_row: 0,
        }
        .into(),
    );
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

#[test]
fn amounts_and_prices_are_exact() {
    let mut view = view();
    view.board.balance = Some(Uallo(u128::from(u64::MAX)));
    view.board.granter_balance = Some(Uallo(10_u128.pow(24)));
    view.board.fees_confirmed = Uallo(10_u128.pow(27));
    let mut budget = Budget::new(Uallo(500));
    budget.sign(Uallo(20), Sequence(1), view.now);
    view.board.budget = Some(budget);
    view.board.gas_price = Some(GasPrice::parse("0.000000000000000001").unwrap());
    view.block_time = Some(Duration::from_millis(1_250));
    let lines = lines(view);
    for line in [
        "balance_uallo 18446744073709551615",
        "granter_balance_uallo 1e24",
        "fees_offered_uallo_total 0",
        "fees_confirmed_uallo_total 1e27",
        "fees_signed_24h_uallo 20",
        "max_fee_per_day_uallo 500",
        "gas_price_uallo 1e-18",
        "block_time_seconds 1.25",
    ] {
        let line = format!("allora_worker_{line}");
        assert!(lines.contains(&line), "{line} in {lines:#?}");
    }
}

#[test]
fn a_payload_whose_block_is_not_known_has_no_delay() {
    let chain = chain();
    let unseen = Inclusion {
        found: Err(Unfound::NoIndex),
        by: Height(9),
        sent: None,
    };
    let ended = Ended {
        nonce: Nonce(7),
        outcome: Outcome::Included(unseen),
        at: SystemTime::UNIX_EPOCH,
        in_row: 0,
    };
    chain.board.ended(TopicId(1), ended.into(), 1);
    let text = lines(View::of(&chain)).concat();
    assert!(text.contains(r#"outcomes_total{topic="1",outcome="included"} 1"#));
    assert!(text.contains(r#"inclusion_delay_blocks_count{topic="1"} 0"#));
}
