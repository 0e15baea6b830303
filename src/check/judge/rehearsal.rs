//! What the simulation of a transaction means for the real one. A refusal that comes from the
//! moment alone (no window is open, the nonce is served, the worker is sending right now) shows
//! that everything else is right.

use crate::chain::meaning::{Action, Meaning};
use crate::check::facts::{Rehearsal, Rehearsed};
use crate::check::finding::Finding;
use crate::values::amount;

const NAME: &str = "rehearsal";

pub(super) fn judge(about: &str, rehearsal: &Result<Rehearsal, String>) -> Finding {
    let Rehearsal { of, answer } = match rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(error) => return Finding::unknown(about, NAME, error),
    };
    let what = match of {
        Rehearsed::Registration => "the registration".to_owned(),
        Rehearsed::Open(nonce) | Rehearsed::Over(nonce) => format!("a payload for nonce {nonce}"),
    };
    let text = match answer {
        Ok(gas) => format!(
            "{what} would pass, with {} gas",
            amount::grouped(gas.0.into())
        ),
        Err(Meaning::WindowClosed | Meaning::WindowNotAvailable) => match of {
            Rehearsed::Over(_) => format!(
                "{what} is refused only because its window is over (75): expected, no window is \
                 open"
            ),
            _ => format!("{what} came too late: its window ended a moment ago (75)"),
        },
        Err(Meaning::AlreadySubmitted) => {
            format!("{what} was already submitted: expected, a nonce is served once")
        }
        Err(Meaning::AlreadyRegistered) => format!("{what} exists already"),
        Err(Meaning::Sequence { .. }) => "the account's sequence has just changed (32): expected, \
                                          the worker is sending right now"
            .to_owned(),
        Err(meaning) => {
            let text = format!("{what} would be refused: {meaning}");
            // These answers may change within a minute, without an operator.
            if let Action::Retry | Action::ReprobeApi | Action::Skip = meaning.action() {
                let advice = "check again in a minute; the worker keeps trying";
                return Finding::new(about, NAME, text).warn(advice);
            }
            return Finding::new(about, NAME, text).fail(advice(meaning));
        }
    };
    Finding::new(about, NAME, text)
}

fn advice(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Unfunded | Meaning::UnknownAccount => "fund the account, see its balance above",
        Meaning::NotGranted { .. } => "see the findings about the fee granter",
        Meaning::NotWhitelisted => "ask the topic's creator to add the address to the whitelist",
        Meaning::UnknownTopic => "check topic_id, and that api_url is of the right network",
        Meaning::ChainPaused => "wait: the chain has switched this off for everybody",
        Meaning::BadPayload => "fix the model: the chain does not accept its number",
        _ => "this is unexpected: check that api_url is of an Allora network, and report it",
    }
}

#[cfg(test)]
mod tests {
    use crate::check::finding::Level;
    use crate::values::allowance::GrantProblem;
    use crate::values::units::{Gas, Nonce, Sequence};

    use super::*;

    const OPEN: Rehearsed = Rehearsed::Open(Nonce(79));
    const OVER: Rehearsed = Rehearsed::Over(Nonce(79));

    fn level(of: Rehearsed, answer: Result<Gas, Meaning>) -> Level {
        let finding = judge("topic 1", &Ok(Rehearsal { of, answer }));
        assert_eq!(finding.advice.is_some(), finding.level != Level::Ok);
        finding.level
    }

    #[test]
    fn a_refusal_that_the_moment_explains_is_ok() {
        assert_eq!(level(OPEN, Ok(Gas(129_096))), Level::Ok);
        assert_eq!(level(OVER, Err(Meaning::WindowClosed)), Level::Ok);
        assert_eq!(level(OPEN, Err(Meaning::WindowClosed)), Level::Ok);
        assert_eq!(level(OPEN, Err(Meaning::AlreadySubmitted)), Level::Ok);
        let (expected, got) = (Sequence(8), Sequence(7));
        let sending = Meaning::Sequence { expected, got };
        assert_eq!(level(OPEN, Err(sending)), Level::Ok);
    }

    #[test]
    fn a_refusal_that_a_block_would_repeat_fails() {
        for meaning in [
            Meaning::Unfunded,
            Meaning::NotGranted {
                problem: GrantProblem::Missing,
            },
            Meaning::NotWhitelisted,
            Meaning::BundleSignature,
            Meaning::InvalidRequest,
            Meaning::ChainPaused,
        ] {
            assert_eq!(level(OVER, Err(meaning.clone())), Level::Fail, "{meaning}");
        }
        let unknown = Meaning::Unknown {
            codespace: "".into(),
            code: 0,
            text: "what nobody knows".into(),
        };
        assert_eq!(level(OPEN, Err(unknown)), Level::Warn);
        assert_eq!(level(OPEN, Err(Meaning::NotRegistered)), Level::Warn);
        let unanswered = judge("topic 1", &Err("no answer".to_owned()));
        assert_eq!(unanswered.level, Level::Warn);
    }
}
