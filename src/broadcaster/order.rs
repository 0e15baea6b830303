//! What passes between a topic's thread and the broadcaster: a submission one way, words about it
//! the other way. A topic has one submission out at a time, so both channels stay short.

use std::fmt;

use std::time::Instant;

use crossbeam_channel::Sender;

use crate::broadcaster::sequence::{Job, Settled};
use crate::chain::meaning::Meaning;
use crate::sign::tx::Message;
use crate::values::payload::Payload;
use crate::values::units::TxHash;
use crate::values::units::{ApiVersion, Gas, Height, Uallo};

/// How many words a submission's channel holds: accepted, then settled or refused, and as many
/// to spare.
pub const WORDS_MAX: usize = 4;

/// Something to be signed and sent.
#[derive(Debug)]
pub struct Submission {
    /// What it is for.
    pub job: Job,
    /// The payload, for [`Job::Payload`].
    pub payload: Option<Payload>,
    /// The last block that may include it; a registration has none.
    pub last_block: Option<Height>,
    /// What it may go by without a simulation.
    pub vouched: Option<Vouched>,
    /// The gas limit is at least this: what an earlier try ran out of.
    pub gas_min: Option<Gas>,
    /// The chain found the balance too low in a block: it is asked again first.
    pub balance_doubtful: bool,
    /// When the topic handed it over.
    pub at: Instant,
    /// Where words about it go.
    pub reply: Sender<Word>,
}

impl Submission {
    /// The message that the transaction carries; `None` if a payload is missing.
    #[must_use]
    pub fn message(&self) -> Option<Message<'_>> {
        match (self.job, &self.payload) {
            (Job::Payload { topic, nonce }, Some(payload)) => Some(Message::Payload {
                topic,
                nonce,
                payload,
            }),
            (Job::Payload { .. }, None) => None,
            (Job::Registration { topic }, _) => Some(Message::Register { topic }),
        }
    }
}

/// What a topic knows that a simulation would find out: that it is registered, whitelisted and not
/// served, and what a payload takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// Payloads in blocks used so much gas at most.
    pub used: Gas,
    /// In this version.
    pub api: ApiVersion,
    /// The height at which the chain said that the nonce is not served.
    pub at: Height,
}

/// What a topic tells the broadcaster.
#[derive(Debug)]
pub enum Order {
    /// To be signed and sent.
    Send(Submission),
    /// A window opens within moments: what a sending needs to know is asked now, and not between
    /// the model's answer and the sending.
    Freshen,
}

/// What the broadcaster says about a submission. After any word but `Accepted` it has let go of it.
#[derive(Debug)]
pub enum Word {
    /// CheckTx took it: it is in a mempool, not yet in a block.
    Accepted {
        /// The transaction's hash.
        hash: TxHash,
        /// The version that it is made for.
        api: ApiVersion,
    },
    /// The chain refused it, for nothing: by simulation or in CheckTx.
    Refused {
        /// What the refusal means.
        meaning: Meaning,
        /// The height of the answer, where it has one.
        height: Option<Height>,
    },
    /// It was not sent, for a reason that may pass.
    NotNow(Trouble),
    /// Its number is used, or can't be used by it any more; with the fee that was offered last.
    Settled(Settled<TxHash>, Uallo),
}

/// Why nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An endpoint gave no answer that counts.
    Lcd(String),
    /// The window ends with the block that is there.
    WindowOver,
    /// The balance does not cover it.
    Unfunded {
        /// What is there.
        have: Uallo,
        /// What it costs.
        need: Uallo,
    },
    /// The fee is above the configured cap.
    FeeAboveCap {
        /// The fee.
        fee: Uallo,
        /// The cap.
        cap: Uallo,
    },
    /// A node knows of a transaction of this account that we don't: "served?" is asked again above
    /// this height (R5).
    AskServedAbove(Height),
    /// The process is stopping.
    Stopping,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lcd(error) => f.write_str(error),
            Trouble::WindowOver => f.write_str("the window ended before it could be sent"),
            Trouble::Unfunded { have, need } => {
                write!(f, "balance too low: have {have} uallo, need {need} uallo")
            }
            Trouble::FeeAboveCap { fee, cap } => {
                write!(f, "fee of {fee} uallo above max_fee_uallo {cap}")
            }
            Trouble::AskServedAbove(height) => {
                write!(f, "the account's sequence moved at height {height}")
            }
            Trouble::Stopping => f.write_str("stopping"),
        }
    }
}
