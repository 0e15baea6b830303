//! Faults of single answers. Each fault has one row in `Fault::facts` and one in `Fault::play`.
//!
//! Faults of the chain as a whole (halt, gas price, upgrade) are methods of
//! [`Localnet`](super::handle::Localnet) instead.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::routes::{BROADCAST, Twist};
use crate::chain::node::Fate;
use crate::play::lies::{Asked, Effect, Strategy};
use crate::server::answer::Answer;
use crate::server::{Ending, Play};

/// Prefix of the model's routes.
pub const MODEL: &str = "MODEL ";
/// Length of an answer that is far too long.
const MEGABYTE: usize = 1024 * 1024;

/// What goes wrong with one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection without an answer, before the request has any effect.
    Close,
    /// Answers the first request of each connection. A later one has its effect; then the connection
    /// is closed without an answer.
    CloseKept,
    /// Like `Close`; the port then refuses connections for this time.
    Refuse(Duration),
    /// Leaves the request without an answer for this time, then closes the connection. The
    /// request has no effect.
    Hang(Duration),
    /// Sends the correct answer after this time.
    Delay(Duration),
    /// Cuts the correct answer after this many bytes of head and body together.
    CutAfter(usize),
    /// A proxy's HTML page instead of JSON, with status 200.
    Html,
    /// JSON of another shape, with status 200.
    WrongJson,
    /// Status 200 with an empty body.
    EmptyOk,
    /// A proxy's error status, with a `Retry-After` header where given.
    Status(u16, Option<u64>),
    /// The answer of a state this many blocks ago.
    OldHeight(u64),
    /// The correct answer, of which the header names this height.
    NamesHeight(u64),
    /// The correct answer without the header that names its height.
    HidesHeight,
    /// The correct answer, whose height is in a header of another name, as on newer chains.
    RenamesHeight,
    /// The correct answer, of which the header names a height this much above.
    NamesAbove(u64),
    /// Accepts a broadcast, then loses the transaction before the next block.
    AcceptAndDrop,
    /// Accepts a broadcast, but never sends the answer.
    IncludeButLoseAnswer,
    /// Answers a broadcast with `mempool is full`, even if it is not.
    MempoolFull,
    /// Accepts a broadcast; in its block, the ante handler rejects it with this `sdk` code.
    AnteFailureInBlock(u32),
    /// Answers as a node of another chain, where a broadcast fails for its signature.
    OtherChain,
    /// The model answers with words where a number is expected.
    Rubbish,
    /// The model answers `NaN`.
    NotANumber,
    /// The model answers with a number followed by a megabyte of spaces.
    Megabyte,
    /// Any other answer: status and body.
    Body(u16, Vec<u8>),
    /// The true answer, and its height, with status 200 and other values at these places (JSON
    /// pointers).
    Claims(Vec<(&'static str, Value)>),
    /// The node lies (see [`super::lies`]).
    Lies(Strategy),
}

/// Which requests a fault can affect.
#[derive(Clone, Copy)]
enum Reach {
    All,
    Queries,
    Broadcasts,
    /// The requests whose answers depend on the chain's id.
    Identity,
    Model,
}

impl Fault {
    /// The name under which the fault is counted, and the requests that it can affect.
    fn facts(&self) -> (Cow<'static, str>, Reach) {
        let (name, reach) = match self {
            Fault::Close => ("close", Reach::All),
            Fault::CloseKept => ("close_kept", Reach::All),
            Fault::Refuse(_) => ("refuse", Reach::All),
            Fault::Hang(_) => ("hang", Reach::All),
            Fault::Delay(_) => ("delay", Reach::All),
            Fault::CutAfter(_) => ("cut", Reach::All),
            Fault::Html => ("html", Reach::All),
            Fault::WrongJson => ("wrong_json", Reach::All),
            Fault::EmptyOk => ("empty", Reach::All),
            Fault::Status(status, None) => return (format!("status_{status}").into(), Reach::All),
            Fault::Status(status, Some(_)) => {
                return (format!("status_{status}_retry_after").into(), Reach::All);
            }
            Fault::OldHeight(_) => ("old_height", Reach::Queries),
            Fault::NamesHeight(_) => ("height", Reach::Queries),
            Fault::HidesHeight => ("no_height", Reach::Queries),
            Fault::RenamesHeight => ("height_renamed", Reach::All),
            Fault::NamesAbove(_) => ("height_above", Reach::Queries),
            Fault::AcceptAndDrop => ("accept_and_drop", Reach::Broadcasts),
            Fault::IncludeButLoseAnswer => ("lose_answer", Reach::Broadcasts),
            Fault::MempoolFull => ("mempool_full", Reach::Broadcasts),
            Fault::AnteFailureInBlock(_) => ("ante_failure_in_block", Reach::Broadcasts),
            Fault::OtherChain => ("wrong_chain", Reach::Identity),
            Fault::Rubbish => ("rubbish", Reach::Model),
            Fault::NotANumber => ("nan", Reach::Model),
            Fault::Megabyte => ("megabyte", Reach::Model),
            Fault::Body(..) => ("body", Reach::All),
            Fault::Claims(_) => ("claims", Reach::All),
            Fault::Lies(_) => ("lies", Reach::All),
        };
        (name.into(), reach)
    }

    /// The name under which the fault is counted.
    #[must_use]
    pub fn kind(&self) -> Cow<'static, str> {
        self.facts().0
    }

    /// Whether the fault can affect requests to this route.
    pub(super) fn can_affect(&self, route: &str) -> bool {
        if let Fault::Lies(strategy) = self {
            return strategy.affects(route);
        }
        match self.facts().1 {
            Reach::All => true,
            Reach::Queries => route.starts_with("GET "),
            Reach::Broadcasts => route == BROADCAST,
            Reach::Identity => {
                route == BROADCAST || route.ends_with("/node_info") || route.ends_with("/latest")
            }
            Reach::Model => route.starts_with(MODEL),
        }
    }

    /// What goes over the wire. `answer` makes the answer to the request and has the request's
    /// effect on the chain.
    pub(super) fn play(&self, asked: Asked<'_>, answer: impl FnOnce(Twist) -> Answer) -> Play {
        let made = |twist| Play::from(answer(twist));
        let nothing = || Play::from(Answer::text(200, "application/json", ""));
        let ended = |ending, play| Play { ending, ..play };
        let plain = Twist::default();
        match self {
            Fault::Close => ended(Ending::Close, nothing()),
            Fault::CloseKept => ended(Ending::CloseKept, made(plain)),
            Fault::Refuse(time) => Play {
                refuse: Some(*time),
                ..ended(Ending::Close, nothing())
            },
            Fault::Hang(time) => ended(Ending::Hang(*time), nothing()),
            Fault::Delay(time) => Play {
                delay: *time,
                ..made(plain)
            },
            Fault::CutAfter(bytes) => ended(Ending::CutAfter(*bytes), made(plain)),
            Fault::Html => page(200, "Welcome").into(),
            Fault::WrongJson => {
                let body = json!({"status": 1, "result": ["unexpected"], "tx_response": 0});
                Answer::ok(&body, None).into()
            }
            Fault::EmptyOk => nothing(),
            Fault::Status(status, retry_after_s) => Play::from(Answer {
                retry_after_s: *retry_after_s,
                ..page(*status, "Sorry")
            }),
            Fault::OldHeight(behind_blocks) => made(Twist {
                behind_blocks: *behind_blocks,
                ..plain
            }),
            Fault::NamesHeight(height) => naming(made(plain), |_| Some(*height)),
            Fault::HidesHeight => naming(made(plain), |_| None),
            Fault::RenamesHeight => {
                let mut play = made(plain);
                if let Some(height) = play.answer.height.take() {
                    play.answer.more_head = format!("X-Cosmos-Block-Height: {height}\r\n");
                }
                play
            }
            Fault::NamesAbove(more) => naming(made(plain), |height| Some(height + more)),
            Fault::AcceptAndDrop => made(Twist {
                fate: Fate::Doomed,
                ..plain
            }),
            Fault::IncludeButLoseAnswer => ended(Ending::Close, made(plain)),
            Fault::MempoolFull => made(Twist {
                mempool_full: true,
                ..plain
            }),
            Fault::AnteFailureInBlock(code) => made(Twist {
                fate: Fate::FailsInBlock(*code),
                ..plain
            }),
            Fault::OtherChain => made(Twist {
                other_chain: true,
                ..plain
            }),
            Fault::Rubbish => text(200, "the market is closed").into(),
            Fault::NotANumber => text(200, "NaN").into(),
            Fault::Megabyte => text(200, "1".to_owned() + &" ".repeat(MEGABYTE)).into(),
            Fault::Body(status, body) => text(*status, body.clone()).into(),
            Fault::Claims(claims) => {
                let play = made(plain);
                let answer = claiming(play.answer, claims);
                Play { answer, ..play }
            }
            Fault::Lies(strategy) => strategy.tell(asked, |effect| match effect {
                Effect::Kept => nothing().answer,
                effect => made(effect.twist()).answer,
            }),
        }
    }
}

/// The answer with another height in its header, if it has one.
fn naming(mut play: Play, change: impl Fn(u64) -> Option<u64>) -> Play {
    play.answer.height = play.answer.height.and_then(change);
    play
}

fn text(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer::text(status, "text/plain; charset=utf-8", body)
}

/// The answer with other values at these places; as it is where it has no such place.
fn claiming(answer: Answer, claims: &[(&'static str, Value)]) -> Answer {
    let Ok(mut json) = serde_json::from_slice::<Value>(&answer.body) else {
        return answer;
    };
    for (place, value) in claims {
        if let Some(old) = json.pointer_mut(place) {
            *old = value.clone();
        }
    }
    Answer {
        status: 200,
        body: json.to_string().into_bytes(),
        ..answer
    }
}

/// A proxy's HTML page.
fn page(status: u16, title: &str) -> Answer {
    let body = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{status} \
         {title}</h1></body></html>\n"
    );
    Answer::text(status, "text/html; charset=utf-8", body)
}
