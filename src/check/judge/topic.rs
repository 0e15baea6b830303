//! A topic: its kind, where the worker stands in it, its windows, its model, and the transaction
//! that would be sent.

use std::time::Duration;

use super::rehearsal;
use crate::chain::clock::BLOCK_TIME_START;
use crate::check::facts::{ChainFacts, Model, Refusal, Setup, Standing, TopicFacts};
use crate::check::finding::Finding;
use crate::config::TopicConfig;
use crate::values::amount;
use crate::values::labels::LabelRules;
use crate::values::payload::ForecastElement;
use crate::values::topic::{Arity, Window};
use crate::values::units::Height;

/// What is found about a topic.
#[must_use]
pub fn judge(setup: &Setup, chain: Option<&ChainFacts>, topic: &TopicFacts) -> Vec<Finding> {
    let about = format!("topic {}", topic.config.topic);
    let block_time = chain.and_then(|chain| chain.block_time);
    let mut findings = match &topic.standing {
        None => Vec::new(),
        Some(Ok(standing)) => {
            let mut findings = standings(&about, standing, &setup.address);
            findings.extend(windows(&about, setup, standing, block_time));
            let window_time = window_time(standing, block_time);
            findings.push(polling(&about, &topic.config, window_time));
            findings
        }
        Some(Err(Refusal::Unknown)) => vec![Finding::fail(
            &about,
            "kind",
            "the chain does not know the topic",
            "check topic_id, and that api_url is of the right network",
        )],
        Some(Err(Refusal::Failed(error))) => vec![Finding::warn(
            &about,
            "kind",
            error,
            "check again; if it stays so, name another node in api_url",
        )],
    };
    let standing = topic.standing.as_ref().and_then(|told| told.as_ref().ok());
    let window_time = standing.map(|standing| window_time(standing, block_time));
    let told = topic.model.as_ref();
    findings.extend(told.map(|told| model(&about, told, window_time)));
    let told = topic.forecast.as_ref();
    findings.extend(told.map(|told| forecast(&about, told)));
    let rehearsed = topic.rehearsal.as_ref();
    findings.extend(rehearsed.map(|told| rehearsal::judge(&about, told)));
    findings
}

fn standings(about: &str, standing: &Standing, address: &str) -> Vec<Finding> {
    let (info, status) = (&standing.info, &standing.status);
    let lengths = format!(
        "a window of {} in every {}",
        blocks(info.worker_submission_window),
        blocks(info.epoch_length)
    );
    let kind = match &info.arity {
        Arity::Single => Finding::ok(about, "kind", format!("takes one number; {lengths}")),
        Arity::Multi(rules) => {
            let rules = labels(rules);
            Finding::ok(
                about,
                "kind",
                format!("takes labelled values: {rules}; {lengths}"),
            )
        }
        Arity::Other(name) => Finding::warn(
            about,
            "kind",
            format!("is of the kind {name}, which this worker does not know"),
            "take it out of the configuration, or look for a newer version of this program",
        ),
    };
    let active = if status.is_topic_active {
        Finding::ok(about, "active", "yes")
    } else {
        Finding::warn(
            about,
            "active",
            "no: the chain opens no windows for it at present",
            "nothing, the worker waits for it; or ask the topic's creator",
        )
    };
    let whitelisted = if status.is_whitelisted {
        Finding::ok(about, "whitelisted", "yes")
    } else {
        Finding::fail(
            about,
            "whitelisted",
            format!("no: {address} may not submit"),
            "ask the topic's creator to add the address; the worker then goes on by itself",
        )
    };
    let registered = if status.is_registered {
        "yes"
    } else {
        "not yet: the worker registers itself when it runs"
    };
    let registered = Finding::ok(about, "registered", registered);
    vec![kind, active, whitelisted, registered]
}

/// A topic's rules for labels, for people.
fn labels(rules: &LabelRules) -> String {
    let labels = match rules.whitelist.is_empty() {
        true => "any label".to_owned(),
        false => rules.listed(),
    };
    let case = if rules.case_sensitive {
        ""
    } else {
        " in any case"
    };
    let unity = match rules.require_unity {
        true => format!(", that add up to 1 within {}", rules.unity_tolerance),
        false => String::new(),
    };
    format!("{labels}{case}, {} at most{unity}", rules.count_max)
}

fn forecast(about: &str, told: &Result<Vec<ForecastElement>, String>) -> Finding {
    let name = "forecast";
    match told {
        Ok(elements) => {
            let count = elements.len();
            let s = if count == 1 { "" } else { "s" };
            Finding::ok(about, name, format!("for {count} worker{s}"))
        }
        Err(error) => Finding::fail(
            about,
            name,
            error,
            "start the model, or mend forecast_url; it must answer with addresses and numbers",
        ),
    }
}

fn blocks(count: u64) -> String {
    format!("{count} block{}", if count == 1 { "" } else { "s" })
}

/// The open window and the next one. Where the pace was not seen, the usual one is assumed, and
/// named.
fn windows(
    about: &str,
    setup: &Setup,
    standing: &Standing,
    block_time: Option<Duration>,
) -> Option<Finding> {
    let assumed = match block_time {
        Some(_) => String::new(),
        None => format!(" at {} a block", amount::span(BLOCK_TIME_START)),
    };
    let block_time = block_time.unwrap_or(BLOCK_TIME_START);
    let when = |height: Height| {
        let blocks = height.0.saturating_sub(standing.height.0);
        let wait = block_time.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX));
        let at = setup.now.checked_add(wait).unwrap_or(setup.now);
        let time = amount::local_time(at, setup.now, setup.offset);
        format!("about {time} (in {}{assumed})", amount::span(wait))
    };
    let open = standing.status.open.map(|Window { nonce, end }| {
        format!("nonce {nonce} is open until block {end}, {}", when(end))
    });
    let next = standing.status.next.map(|Window { nonce, end }| {
        let start = when(nonce.height());
        format!("the next opens with block {nonce}, {start}, until block {end}")
    });
    let told: Vec<String> = open.into_iter().chain(next).collect();
    (!told.is_empty()).then(|| Finding::ok(about, "window", told.join("; ")))
}

fn window_time(standing: &Standing, block_time: Option<Duration>) -> Duration {
    let block_time = block_time.unwrap_or(BLOCK_TIME_START);
    let blocks = u32::try_from(standing.info.worker_submission_window).unwrap_or(u32::MAX);
    block_time.saturating_mul(blocks)
}

/// Whether the regular polling alone would see every window.
fn polling(about: &str, config: &TopicConfig, window: Duration) -> Finding {
    let every = config.nonce_fetch_freq;
    let text = format!(
        "nonce_fetch_freq {}, a window lasts about {}",
        amount::span(every),
        amount::span(window)
    );
    if every < window {
        Finding::ok(about, "polling", text)
    } else {
        let most = (window.as_secs() / 2).max(1);
        let advice = format!("set nonce_fetch_freq to {most} or less, or a window may be missed");
        Finding::warn(
            about,
            "polling",
            format!("{text}: it could be over unseen"),
            advice,
        )
    }
}

fn model(about: &str, model: &Model, window_time: Option<Duration>) -> Finding {
    let name = "model";
    match model {
        Model::Value {
            raw,
            shown,
            time,
            passed_over,
            breach,
            ..
        } => {
            let took = amount::span(*time);
            let text = format!("`{raw}` \u{2192} {shown}, in {took}");
            if let Some(breach) = breach {
                let advice = "mend the model or the guard; on_guard says what the worker does";
                return Finding::warn(about, name, format!("{text}; {breach}"), advice);
            }
            if let Some(error) = passed_over {
                let text = format!("{text}, from the second URL: {error}");
                return Finding::warn(about, name, text, "mend the model at the first URL");
            }
            if window_time.is_some_and(|window| *time > window / 2) {
                let advice = "make it quicker: it gets half of what is left of the window";
                return Finding::warn(about, name, text, advice);
            }
            Finding::ok(about, name, text)
        }
        Model::Failed(error) => Finding::fail(
            about,
            name,
            error,
            "start the model, or mend inference_url; it must answer with status 200 and one number",
        ),
        Model::NotAsked(why) => Finding::warn(
            about,
            name,
            format!("not asked: {why}"),
            "mend the models that do not answer, then check again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::facts::Facts;
    use crate::check::finding::Level;
    use crate::check::judge::tests::facts;
    use crate::values::units::Nonce;

    use super::*;

    fn found(change: impl FnOnce(&mut TopicFacts)) -> Vec<Finding> {
        let mut facts = facts();
        change(&mut facts.topics[0]);
        let Facts {
            setup,
            chain,
            topics,
            ..
        } = facts;
        judge(&setup, chain.as_ref(), &topics[0])
    }

    fn standing(topic: &mut TopicFacts) -> &mut Standing {
        topic.standing.as_mut().unwrap().as_mut().unwrap()
    }

    fn flawed(change: impl FnOnce(&mut TopicFacts)) -> Vec<(Level, &'static str)> {
        let flawed = found(change).into_iter().filter(|f| f.level != Level::Ok);
        flawed
            .map(|finding| (finding.level, finding.name))
            .collect()
    }

    #[test]
    fn a_topic_that_is_well_says_so_line_by_line() {
        let findings = found(|_| {});
        assert!(
            findings.iter().all(|f| f.level == Level::Ok),
            "{findings:?}"
        );
        let names: Vec<_> = findings.iter().map(|finding| finding.name).collect();
        let expected = [
            "kind",
            "active",
            "whitelisted",
            "registered",
            "window",
            "polling",
            "model",
            "rehearsal",
        ];
        assert_eq!(names, expected);
        assert_eq!(
            findings[0].text,
            "takes one number; a window of 12 blocks in every 60 blocks"
        );
        assert_eq!(
            findings[4].text,
            "the next opens with block 1050, about 00:05:00 +00:00 (in 5 min), until block 1062"
        );
        assert_eq!(findings[6].text, "`0.0000001` \u{2192} 1E-7, in 12 ms");
    }

    #[test]
    fn an_open_window_is_told_before_the_next_one() {
        let findings = found(|topic| {
            standing(topic).status.open = Some(Window {
                nonce: Nonce(990),
                end: Height(1_002),
            });
        });
        let window = &findings.iter().find(|f| f.name == "window").unwrap().text;
        let open = "nonce 990 is open until block 1002, about 00:00:12 +00:00 (in 12 s); the next";
        assert!(window.starts_with(open), "{window}");
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let unknown = flawed(|topic| topic.standing = Some(Err(Refusal::Unknown)));
        assert_eq!(unknown, [(Level::Fail, "kind")]);
        let failed = Refusal::Failed("no answer".to_owned());
        let unanswered = flawed(|topic| topic.standing = Some(Err(failed)));
        assert_eq!(unanswered, [(Level::Warn, "kind")], "unknown is not no");
        let other = Arity::Other("TOPIC_OUTPUT_ARITY_X".to_owned());
        let unknown = flawed(|topic| standing(topic).info.arity = other);
        assert_eq!(unknown, [(Level::Warn, "kind")]);
        let inactive = flawed(|topic| standing(topic).status.is_topic_active = false);
        assert_eq!(inactive, [(Level::Warn, "active")]);
        let barred = flawed(|topic| standing(topic).status.is_whitelisted = false);
        assert_eq!(barred, [(Level::Fail, "whitelisted")]);
        assert_eq!(
            flawed(|topic| standing(topic).status.is_registered = false),
            []
        );
        let no_model = flawed(|topic| topic.model = Some(Model::Failed("an HTML page".to_owned())));
        assert_eq!(no_model, [(Level::Fail, "model")]);
        let not_asked = flawed(|topic| topic.model = Some(Model::NotAsked("no time".to_owned())));
        assert_eq!(not_asked, [(Level::Warn, "model")]);
    }

    #[test]
    fn a_window_shorter_than_the_polling_is_worth_a_look() {
        let every =
            |seconds| flawed(|topic| topic.config.nonce_fetch_freq = Duration::from_secs(seconds));
        // 12 blocks of 6 s.
        assert_eq!(every(71), []);
        assert_eq!(every(72), [(Level::Warn, "polling")]);
    }

    #[test]
    fn a_labelled_topic_tells_its_labels_and_a_forecast_its_size() {
        let labelled = crate::values::labels::tests::up_down_flat();
        let findings = found(|topic| {
            standing(topic).info.arity = Arity::Multi(labelled);
            topic.forecast = Some(Ok(Vec::new()));
        });
        assert_eq!(
            findings[0].text,
            "takes labelled values: up, down, flat, 8 at most, that add up to 1 within 0.01; a \
             window of 12 blocks in every 60 blocks"
        );
        assert!(findings.iter().any(|f| f.text == "for 0 workers"));
        let failed = flawed(|topic| topic.forecast = Some(Err("no answer".to_owned())));
        assert_eq!(failed, [(Level::Fail, "forecast")]);
    }

    #[test]
    fn a_guard_and_a_second_url_are_worth_a_look() {
        let text = |change: fn(&mut Option<String>, &mut Option<String>)| {
            let findings = found(|topic| {
                if let Some(Model::Value {
                    passed_over,
                    breach,
                    ..
                }) = &mut topic.model
                {
                    change(passed_over, breach);
                }
            });
            let model = findings.into_iter().find(|f| f.name == "model").unwrap();
            assert_eq!(model.level, Level::Warn);
            model.text
        };
        let guard = text(|_, breach| *breach = Some("guard min: 1 is below 2".to_owned()));
        assert!(guard.ends_with("; guard min: 1 is below 2"), "{guard}");
        let second = text(|over, _| *over = Some("it is down".to_owned()));
        assert!(
            second.ends_with(", from the second URL: it is down"),
            "{second}"
        );
    }

    #[test]
    fn a_model_that_takes_half_a_window_is_worth_a_look() {
        let taking = |seconds| {
            flawed(|topic| {
                if let Some(Model::Value { time, .. }) = &mut topic.model {
                    *time = Duration::from_secs(seconds);
                }
            })
        };
        assert_eq!(taking(36), []);
        assert_eq!(taking(37), [(Level::Warn, "model")]);
    }
}
