//! How a fault of an answer goes over the wire.

use std::time::Duration;

use serde_json::json;

use crate::play::faults::Fault;
use crate::server::answer::Answer;
use crate::server::http::{Ending, Play};

/// Bytes of an answer that is far too long.
const MEGABYTE: usize = 1024 * 1024;

/// The play of a fault that needs no right answer.
pub(super) fn without_chain(fault: &Fault) -> Option<Play> {
    let nothing = || Answer::text(200, "application/json", "");
    let play = |answer, ending| {
        Some(Play {
            answer,
            ending,
            delay: Duration::ZERO,
            refuse: None,
        })
    };
    match fault {
        Fault::Close => play(nothing(), Ending::Close),
        Fault::Refuse(time) => play(nothing(), Ending::Close).map(|p| Play {
            refuse: Some(*time),
            ..p
        }),
        Fault::Hang(time) => play(nothing(), Ending::Hang(*time)),
        Fault::EmptyOk => play(nothing(), Ending::Whole),
        Fault::Html => play(page(200, "Welcome"), Ending::Whole),
        Fault::WrongJson => {
            let body = json!({"status": 1, "result": ["unexpected"], "tx_response": 0});
            play(Answer::ok(&body, None), Ending::Whole)
        }
        Fault::Status(status, retry_after_s) => {
            let answer = page(*status, "Sorry");
            play(
                Answer {
                    retry_after_s: *retry_after_s,
                    ..answer
                },
                Ending::Whole,
            )
        }
        Fault::Rubbish => play(model_text("the market is closed"), Ending::Whole),
        Fault::NotANumber => play(model_text("NaN"), Ending::Whole),
        Fault::Megabyte => play(
            model_text(&("1".to_owned() + &" ".repeat(MEGABYTE))),
            Ending::Whole,
        ),
        Fault::Body(status, body) => play(
            Answer::text(*status, "text/plain; charset=utf-8", body.clone()),
            Ending::Whole,
        ),
        _ => None,
    }
}

/// A right answer that goes out wrong.
pub(super) fn with_ending(fault: &Fault, answer: Answer) -> Play {
    let mut play = Play::from(answer);
    match fault {
        Fault::Delay(time) => play.delay = *time,
        Fault::CutAfter(bytes) => play.ending = Ending::CutAfter(*bytes),
        Fault::IncludeButLoseAnswer => play.ending = Ending::Close,
        _ => {}
    }
    play
}

fn model_text(text: &str) -> Answer {
    Answer::text(200, "text/plain; charset=utf-8", text)
}

/// A proxy's page.
fn page(status: u16, title: &str) -> Answer {
    let body = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{status} \
         {title}</h1></body></html>\n"
    );
    Answer::text(status, "text/html; charset=utf-8", body)
}
