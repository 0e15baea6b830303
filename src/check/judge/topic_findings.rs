//! A topic: its kind, the worker's standing in it, its windows, its models, and the transaction
//! that would be sent.

use std::time::Duration;

use super::rehearsal;
use crate::chain::clock::BLOCK_TIME_START;
use crate::check::facts::{
    ChainFacts, Forecast, ModelFacts, Setup, StandingError, TopicGathered, WorkerStanding,
};
use crate::check::finding::{Finding, counted};
use crate::model::ask::NO_ANSWER;
use crate::values::amount;
use crate::values::labels::LabelRules;
use crate::values::standby::{BLOCKS_MIN, Standby};
use crate::values::topic::{Arity, Window};
use crate::values::units::{Height, Nonce};

pub(super) fn judge(
    setup: &Setup,
    chain: Option<&ChainFacts>,
    topic: &TopicGathered,
) -> Vec<Finding> {
    let about = format!("topic {}", topic.config.topic);
    let block_time = chain.and_then(|chain| chain.block_time);
    let standing = topic.standing();
    let window_time = standing.map(|standing| window_time(standing, block_time));
    let mut findings = match &topic.standing {
        None => Vec::new(),
        Some(Ok(standing)) => standing_findings(&about, standing, setup),
        Some(Err(StandingError::UnknownTopic)) => {
            let text = "the chain does not know the topic";
            let advice = "check topic_id, and that api_url is of the right network";
            vec![Finding::new(&about, "kind", text).fail(advice)]
        }
        Some(Err(StandingError::Failed(error))) => vec![Finding::unknown(&about, "kind", error)],
    };
    let windows = standing.and_then(|standing| windows(&about, setup, standing, block_time));
    findings.extend(windows);
    let every = topic.config.nonce_fetch_freq;
    findings.extend(window_time.map(|window| polling(&about, every, window)));
    let (inference, forecasts) = (topic.model.as_ref(), topic.forecast.as_ref());
    findings.extend(inference.map(|facts| model(&about, facts, window_time)));
    findings.extend(forecasts.map(|facts| forecast(&about, facts)));
    let rehearsed = topic.rehearsal.as_ref();
    findings.extend(rehearsed.map(|facts| rehearsal::judge(&about, facts)));
    findings
}

fn standing_findings(about: &str, standing: &WorkerStanding, setup: &Setup) -> Vec<Finding> {
    let (info, status) = (&standing.info, &standing.status);
    let window = info.lengths.window_blocks;
    let [window_blocks, epoch] =
        [window, info.lengths.epoch_blocks].map(|count| counted(count, "block"));
    let lengths = format!("a window of {window_blocks} in every {epoch}");
    let finding = |name, text: &str| Finding::new(about, name, text);
    let kind = match &info.arity {
        Arity::Single => finding("kind", &format!("takes one number; {lengths}")),
        Arity::Multi(rules) => {
            let text = format!("takes labelled values: {}; {lengths}", labels(rules));
            finding("kind", &text)
        }
        Arity::Other(name) => {
            let text = format!("is of the kind {name}, which this version does not support");
            let advice = "remove it from the configuration, or use a newer version";
            finding("kind", &text).warn(advice)
        }
    };
    let mut active = finding("active", "yes");
    if !status.is_topic_active {
        let advice = "nothing, the worker waits for it; or ask the topic's creator";
        active = finding("active", "no: the chain currently opens no windows for it").warn(advice);
    }
    let mut whitelisted = finding("whitelisted", "yes");
    if !status.is_whitelisted {
        let text = format!("no: {} may not submit", setup.address);
        let advice =
            "ask the topic's creator to add the address; the worker then continues by itself";
        whitelisted = finding("whitelisted", &text).fail(advice);
    }
    let registered = match status.is_registered {
        true => finding("registered", "yes"),
        false if setup.registers() => {
            let text = "not yet: the worker registers itself when it runs";
            finding("registered", text)
        }
        false => {
            let text =
                "no, and a process whose transactions another account sends does not register";
            let advice = "start a worker once without fee_seed_phrase_file, such as the primary";
            finding("registered", text).fail(advice)
        }
    };
    let shares = setup
        .config
        .standby
        .map(|standby| shares(about, standby, window));
    let mut findings = vec![kind, active, whitelisted, registered];
    findings.extend(shares);
    findings
}

/// How the topic's windows are shared with the other machine.
fn shares(about: &str, standby: Standby, window_blocks: u64) -> Finding {
    let window = Window {
        nonce: Nonce(0),
        end: Height(window_blocks),
    };
    let finding = |text: &str| Finding::new(about, "standby", text);
    let hand_over = standby.last_of_primary(window);
    match window_blocks - hand_over.0 {
        BLOCKS_MIN.. => finding(&format!(
            "the primary sends up to block nonce + {hand_over}, the standby after it, up to nonce + \
             {window_blocks}"
        )),
        left => finding(&format!(
            "the primary sends up to block nonce + {hand_over} of a window of {window_blocks} blocks: \
             {left} are left for the standby, which needs {BLOCKS_MIN} to serve it"
        ))
        .warn("choose a lower after_blocks, on both machines; a window below 6 blocks has room for one"),
    }
}

/// A topic's rules for labels, for people.
fn labels(rules: &LabelRules) -> String {
    let (any, exact) = (rules.whitelist.is_empty(), rules.case_sensitive);
    let labels = any.then(|| "any label".into());
    let labels = labels.unwrap_or_else(|| rules.listed());
    let case = if exact { "" } else { " in any case" };
    let text = format!("{labels}{case}, at most {}", rules.count_max);
    if rules.require_unity {
        format!("{text}, with a sum of 1 within {}", rules.unity_tolerance)
    } else {
        text
    }
}

/// The open window and the next one. If the block time was not measured, the usual one is assumed,
/// and shown.
fn windows(
    about: &str,
    setup: &Setup,
    standing: &WorkerStanding,
    block_time: Option<Duration>,
) -> Option<Finding> {
    let assumed = match block_time {
        Some(_) => String::new(),
        None => format!(" at {} a block", amount::span(BLOCK_TIME_START)),
    };
    let when = |height: Height| {
        let wait = blocks_time(height.0.saturating_sub(standing.height.0), block_time);
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
    let texts: Vec<String> = open.into_iter().chain(next).collect();
    (!texts.is_empty()).then(|| Finding::new(about, "window", texts.join("; ")))
}

fn blocks_time(count: u64, block_time: Option<Duration>) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    block_time.unwrap_or(BLOCK_TIME_START).saturating_mul(count)
}

fn window_time(standing: &WorkerStanding, block_time: Option<Duration>) -> Duration {
    blocks_time(standing.info.lengths.window_blocks, block_time)
}

/// Whether the regular polling alone would see every window.
fn polling(about: &str, every: Duration, window: Duration) -> Finding {
    let (shown, lasts) = (amount::span(every), amount::span(window));
    let text = format!("nonce_fetch_freq {shown}, a window lasts about {lasts}");
    if every < window {
        return Finding::new(about, "polling", text);
    }
    let most = (window.as_secs() / 2).max(1);
    let text = format!("{text}: windows may be missed");
    let advice = format!("set nonce_fetch_freq to {most} or less");
    Finding::new(about, "polling", text).warn(advice)
}

fn model(about: &str, facts: &ModelFacts, window_time: Option<Duration>) -> Finding {
    let finding = |text: &str| Finding::new(about, "model", text);
    let value = match facts {
        ModelFacts::Value(value) => value,
        ModelFacts::Failed(error) => {
            let advice = model_advice(error, "inference_url", "one number or labelled values");
            return finding(error).fail(advice);
        }
        ModelFacts::NotAsked(why) => {
            let advice = "fix the models that do not answer, then check again";
            return finding(&format!("not asked: {why}")).warn(advice);
        }
    };
    let (raw, shown, took) = (&value.raw, &value.shown, amount::span(value.time));
    let text = format!("`{raw}` \u{2192} {shown}, in {took}");
    if let Some(breach) = &value.breach {
        let advice = "fix the model or the guard; on_guard decides what the worker does";
        finding(&format!("{text}; {breach}")).warn(advice)
    } else if let Some(error) = &value.passed_over {
        let text = format!("{text}, from the second URL: {error}");
        finding(&text).warn("fix the model at the first URL")
    } else if window_time.is_some_and(|window| value.time > window / 2) {
        finding(&text).warn("make it faster: it gets half of the remaining window")
    } else {
        finding(&text)
    }
}

/// What to do about a model without a usable answer: start it only if there was none.
fn model_advice(error: &str, setting: &str, expected: &str) -> String {
    if error.starts_with(NO_ANSWER) {
        format!("start the model or fix {setting}; it must answer with status 200 and {expected}")
    } else {
        format!("it must answer with status 200 and {expected}: as the line says, or fix {setting}")
    }
}

fn forecast(about: &str, facts: &Forecast) -> Finding {
    let text = match facts {
        Ok(elements) => format!("for {}", counted(elements.len(), "worker")),
        Err(error) => {
            let advice = model_advice(error, "forecast_url", "addresses and numbers");
            return Finding::new(about, "forecast", error).fail(advice);
        }
    };
    Finding::new(about, "forecast", text)
}

#[cfg(test)]
mod tests {
    use crate::check::facts::Gathered;
    use crate::check::finding::Level;
    use crate::check::judge::tests::facts;
    use crate::values::units::Nonce;

    use super::*;

    fn found(change: impl FnOnce(&mut TopicGathered)) -> Vec<Finding> {
        let mut facts = facts();
        change(&mut facts.topics[0]);
        let Gathered {
            setup,
            chain,
            topics,
            ..
        } = facts;
        judge(&setup, chain.as_ref(), &topics[0])
    }

    fn standing(topic: &mut TopicGathered) -> &mut WorkerStanding {
        topic.standing.as_mut().unwrap().as_mut().unwrap()
    }

    fn flawed(change: impl FnOnce(&mut TopicGathered)) -> Vec<(Level, &'static str)> {
        let flawed = found(change).into_iter().filter(|f| f.level != Level::Ok);
        flawed
            .map(|finding| (finding.level, finding.name))
            .collect()
    }

    #[test]
    fn a_topic_without_a_problem() {
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
    fn an_open_window_is_shown_before_the_next_one() {
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
    fn every_obstacle_has_its_finding() {
        let unknown = flawed(|topic| topic.standing = Some(Err(StandingError::UnknownTopic)));
        assert_eq!(unknown, [(Level::Fail, "kind")]);
        let failed = StandingError::Failed("no answer".to_owned());
        let unanswered = flawed(|topic| topic.standing = Some(Err(failed)));
        assert_eq!(unanswered, [(Level::Warn, "kind")], "unknown is not no");
        let other = Arity::Other("TOPIC_OUTPUT_ARITY_X".into());
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
        let no_model =
            flawed(|topic| topic.model = Some(ModelFacts::Failed("an HTML page".to_owned())));
        assert_eq!(no_model, [(Level::Fail, "model")]);
        let not_asked =
            flawed(|topic| topic.model = Some(ModelFacts::NotAsked("no time".to_owned())));
        assert_eq!(not_asked, [(Level::Warn, "model")]);
    }

    #[test]
    fn a_model_is_to_be_started_only_if_it_does_not_answer() {
        let advice = |error: &str| {
            let findings = found(|topic| topic.model = Some(ModelFacts::Failed(error.to_owned())));
            let mut findings = findings.into_iter().filter(|it| it.name == "model");
            findings.next().unwrap().advice.unwrap()
        };
        let dead = advice(&format!("{NO_ANSWER} http://a failed: connection refused"));
        assert!(
            dead.starts_with("start the model or fix inference_url"),
            "{dead}"
        );
        let wrong = advice("the model's answer is empty");
        assert!(!wrong.contains("start"), "{wrong}");
    }

    #[test]
    fn a_window_shorter_than_the_polling_is_a_warning() {
        let every =
            |seconds| flawed(|topic| topic.config.nonce_fetch_freq = Duration::from_secs(seconds));
        // 12 blocks of 6 s.
        assert_eq!(every(71), []);
        assert_eq!(every(72), [(Level::Warn, "polling")]);
    }

    #[test]
    fn a_labelled_topic_shows_its_labels_and_a_forecast_its_size() {
        let labelled = crate::values::labels::tests::up_down_flat();
        let findings = found(|topic| {
            standing(topic).info.arity = Arity::Multi(labelled);
            topic.forecast = Some(Ok(Vec::new()));
        });
        assert_eq!(
            findings[0].text,
            "takes labelled values: up, down, flat, at most 8, with a sum of 1 within 0.01; a \
             window of 12 blocks in every 60 blocks"
        );
        assert!(findings.iter().any(|f| f.text == "for 0 workers"));
        let failed = flawed(|topic| topic.forecast = Some(Err("no answer".to_owned())));
        assert_eq!(failed, [(Level::Fail, "forecast")]);
    }

    #[test]
    fn a_breached_guard_and_a_second_url_are_warnings() {
        let text = |change: fn(&mut Option<String>, &mut Option<String>)| {
            let findings = found(|topic| {
                if let Some(ModelFacts::Value(value)) = &mut topic.model {
                    change(&mut value.passed_over, &mut value.breach);
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
    fn a_model_that_takes_half_a_window_is_a_warning() {
        let taking = |seconds| {
            flawed(|topic| {
                if let Some(ModelFacts::Value(value)) = &mut topic.model {
                    value.time = Duration::from_secs(seconds);
                }
            })
        };
        assert_eq!(taking(36), []);
        assert_eq!(taking(37), [(Level::Warn, "model")]);
    }
}
