//! What the chain's answer to a rehearsed transaction means for the real one. Refusals that come
//! from the moment alone (no window is open, this nonce is served, the worker is sending right
//! now) show that everything else was right.

use crate::chain::meaning::{Action, Meaning};
use crate::check::facts::{Rehearsal, Rehearsed};
use crate::check::finding::Finding;
use crate::values::amount;

const NAME: &str = "rehearsal";

/// What is found about a rehearsal.
#[must_use]
pub fn judge(about: &str, rehearsal: &Result<Rehearsal, String>) -> Finding {
    let rehearsal = match rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(error) => {
            let advice = "check again; if it stays so, name another node in api_url";
            return Finding::warn(about, NAME, error, advice);
        }
    };
    match &rehearsal.answer {
        Ok(gas) => {
            let gas = amount::grouped(gas.0.into());
            let text = format!("{} would pass, with {gas} gas", what(rehearsal.of));
            Finding::ok(about, NAME, text)
        }
        Err(meaning) => refused(about, rehearsal.of, meaning),
    }
}

fn what(of: Rehearsed) -> String {
    match of {
        Rehearsed::Registration => "the registration".to_owned(),
        Rehearsed::Open(nonce) | Rehearsed::Over(nonce) => format!("a payload for nonce {nonce}"),
    }
}

fn refused(about: &str, of: Rehearsed, meaning: &Meaning) -> Finding {
    let what = what(of);
    let fine = |text: String| Finding::ok(about, NAME, text);
    match (meaning, of) {
        (Meaning::WindowClosed | Meaning::WindowNotAvailable, Rehearsed::Over(_)) => fine(format!(
            "{what} is refused only because its window is over (75): fine, none is open"
        )),
        (Meaning::WindowClosed | Meaning::WindowNotAvailable, _) => fine(format!(
            "{what} came too late: its window ended a moment ago (75)"
        )),
        (Meaning::AlreadySubmitted, _) => {
            fine(format!("{what} is there already: fine, it is served once"))
        }
        (Meaning::AlreadyRegistered, _) => fine(format!("{what} is there already")),
        (Meaning::Sequence { .. }, _) => fine(
            "the account's sequence is in motion (32): fine, the worker is sending right now"
                .to_owned(),
        ),
        _ => {
            let text = format!("{what} would be refused: {meaning}");
            if passes(meaning.action()) {
                Finding::warn(
                    about,
                    NAME,
                    text,
                    "check again in a minute; the worker tries on",
                )
            } else {
                Finding::fail(about, NAME, text, advice(meaning))
            }
        }
    }
}

/// Whether the answer may be another one in a minute, without anybody's intervention.
fn passes(action: Action) -> bool {
    match action {
        Action::Retry | Action::ReprobeApi | Action::Skip => true,
        Action::GoOn
        | Action::Served
        | Action::Registered
        | Action::Defect
        | Action::RereadTopic
        | Action::Wait(_)
        | Action::MoreGas
        | Action::NewFee
        | Action::ReadAccount
        | Action::ReadState
        | Action::ResendSame => false,
    }
}

fn advice(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Unfunded | Meaning::UnknownAccount => "send ALLO to the address",
        Meaning::NotWhitelisted => "ask the topic's creator to add the address to the whitelist",
        Meaning::UnknownTopic => "check topic_id, and that api_url is of the right network",
        Meaning::ChainPaused => "wait: the chain has switched this off for everybody",
        Meaning::BadPayload => "mend the model: the chain does not take its number",
        _ => "this is not expected: check that api_url is of an Allora network, and report it",
    }
}

#[cfg(test)]
mod tests {
    use crate::check::finding::Level;
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
    fn what_the_moment_alone_refuses_is_fine() {
        assert_eq!(level(OPEN, Ok(Gas(129_096))), Level::Ok);
        assert_eq!(level(OVER, Err(Meaning::WindowClosed)), Level::Ok);
        assert_eq!(level(OPEN, Err(Meaning::WindowClosed)), Level::Ok);
        assert_eq!(level(OPEN, Err(Meaning::AlreadySubmitted)), Level::Ok);
        let (expected, got) = (Sequence(8), Sequence(7));
        let sending = Meaning::Sequence { expected, got };
        assert_eq!(level(OPEN, Err(sending)), Level::Ok);
    }

    #[test]
    fn what_would_fail_in_a_block_fails_here() {
        for meaning in [
            Meaning::Unfunded,
            Meaning::NotWhitelisted,
            Meaning::BundleSignature,
            Meaning::InvalidRequest,
            Meaning::ChainPaused,
        ] {
            assert_eq!(level(OVER, Err(meaning.clone())), Level::Fail, "{meaning}");
        }
        let (codespace, code) = (String::new(), 0);
        let text = "what nobody knows".to_owned();
        let unknown = Meaning::Unknown {
            codespace,
            code,
            text,
        };
        assert_eq!(level(OPEN, Err(unknown)), Level::Warn);
        assert_eq!(level(OPEN, Err(Meaning::NotRegistered)), Level::Warn);
        let unanswered = judge("topic 1", &Err("no answer".to_owned()));
        assert_eq!(unanswered.level, Level::Warn);
    }
}
