//! The messages between a topic's thread and the broadcaster: submissions one way, a [`Word`] about
//! a submission the other way. A topic hands over one submission at a time, so both channels stay
//! short.

use std::fmt::Debug;
use std::time::Instant;

use crossbeam_channel::Sender;

use crate::broadcaster::sequence::{Job, SEQUENCES_PER_NONCE_MAX, Settled, held_at_start};
use crate::chain::endpoints::EndpointId;
use crate::chain::error::LcdError;
use crate::chain::meaning::Meaning;
use crate::sign::tx::Message;
use crate::values::amount;
use crate::values::payload::Payload;
use crate::values::units::{ApiVersion, Gas, Height, TxHash, Uallo};

/// The capacity of a submission's channel: two messages at most (accepted, then settled or
/// refused), and two to spare.
pub const WORDS_MAX: usize = 4;

/// Something to be signed and sent.
#[derive(Debug)]
pub struct Submission {
    pub job: Job,
    /// The payload, for [`Job::Payload`].
    pub payload: Option<Payload>,
    /// The last block that may include it; a registration has none.
    pub last_block: Option<Height>,
    /// What makes a simulation unnecessary.
    pub vouched: Option<Vouched>,
    /// What the topic knows of the active set that its inference goes to.
    pub crowd: Crowd,
    /// The most that a payload of this kind used which evicted another worker.
    pub used_evicting: Option<Gas>,
    /// The least gas limit, after an earlier transaction ran out of gas.
    pub gas_min: Option<Gas>,
    /// The most gas that a similar transaction used in a block.
    pub gas_most: Option<Gas>,
    /// What speaks against its window.
    pub doubt: Doubt,
    /// An earlier transaction failed in a block for lack of funds: the balance is read again first.
    pub balance_doubtful: bool,
    /// When the topic sent it to the broadcaster.
    pub at: Instant,
    /// From when on its payload is too old to be sent, if it has one.
    pub old_from: Option<Instant>,
    /// Where the messages about it are sent.
    pub reply: Sender<Word>,
}

impl Submission {
    /// The message that the transaction carries; `None` if a payload is missing.
    pub fn message(&self) -> Option<Message<'_>> {
        match self.job {
            Job::Registration { topic } => Some(Message::Register { topic }),
            Job::Payload { topic, nonce } => Some(Message::Payload {
                topic,
                nonce,
                payload: self.payload.as_ref()?,
            }),
        }
    }

    /// The height above which it may be sent, if R10 delays it.
    pub fn held_above(&self, first: Option<Height>, height: Height) -> Option<Height> {
        first.filter(|first| held_at_start(self.job, self.last_block, *first, height))
    }

    /// The less, the sooner it is sent: the end of its window, then whether it needs a simulation, then
    /// from when on it is too old. A registration counts as one whose window ends at `expires`, where
    /// a transaction made now would expire, so that it waits for windows that end sooner.
    pub fn urgency(&self, expires: Height) -> impl Ord + Debug + use<> {
        let ends = self.last_block.unwrap_or(expires);
        let ages = (self.old_from.is_none(), self.old_from);
        (ends, self.vouched.is_none(), ages)
    }

    /// Whether its payload is too old to be sent.
    pub fn is_old(&self, now: Instant) -> bool {
        self.old_from.is_some_and(|from| now >= from)
    }

    /// Whether no block after `height` may include it.
    pub fn is_over(&self, height: Height) -> bool {
        self.last_block.is_some_and(|last| height >= last)
    }
}

/// What speaks against a window, while endpoints name different ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    #[default]
    None,
    /// This endpoint does not name it, and has to simulate the payload before it is signed.
    Unnamed(EndpointId),
    /// Such an endpoint refused the payload. Which one is right is unknown, so the transaction expires
    /// soon: one that gets into no block keeps the topic from other windows until then.
    Refused,
}

/// What a topic knows that a simulation would find out: that it is registered, whitelisted and not
/// served, and how much gas a payload uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The most gas that a payload of this kind used in a free place; `None` if each of them evicted
    /// another worker.
    pub used: Option<Gas>,
    /// The emissions version of those payloads.
    pub api: ApiVersion,
    /// The height at which the nonce was not served.
    pub at: Height,
}

/// How full a topic's active set is. Where it is full, a payload may evict another worker, which
/// uses more gas than a free place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crowd {
    #[default]
    Unknown,
    /// The most workers that one of the last counted windows had.
    Counted(usize),
    /// This worker was not admitted, or evicted another one, or ran out of gas.
    SeenFull,
}

impl Crowd {
    /// Whether a payload may evict another worker.
    pub fn is_full(self, places: usize) -> bool {
        match self {
            Crowd::Unknown => false,
            Crowd::Counted(workers) => workers >= places,
            Crowd::SeenFull => true,
        }
    }
}

/// What a topic asks of the broadcaster.
#[derive(Debug)]
pub enum Order {
    /// Sign and send.
    Send(Box<Submission>),
    /// A window opens soon: request now what a transaction needs, so that nothing has to be
    /// requested between the model's answer and the broadcast.
    Freshen,
}

/// A message from the broadcaster about a submission. After `Accepted` there is another one; every
/// other message is the last.
#[derive(Debug)]
pub enum Word {
    /// CheckTx accepted it: it is in a mempool, not yet in a block.
    Accepted { hash: TxHash, api: ApiVersion },
    /// The chain refused it at no cost: in a simulation or in CheckTx.
    Refused(Meaning),
    /// It was not sent, for a temporary reason.
    NotNow(SendTrouble),
    /// Its sequence number is used, or will never be used by it; with what was offered last, and the
    /// last answer to it if no node accepted it.
    Settled(Box<Settled>, Offer, Option<String>),
}

/// What a signed transaction offers: a block cannot take more.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    pub fee: Uallo,
    pub gas_limit: Gas,
}

/// Why nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendTrouble {
    /// Something that is needed is unknown at the moment; the text says what.
    #[error("{0}")]
    Temporary(String),
    /// A load balancer may ask another node next time.
    #[error("the node that was asked is behind the highest height known")]
    Behind,
    /// An endpoint that does not name its window refuses the payload in a simulation.
    #[error("another endpoint names no such window and refuses the payload: {0}")]
    Unnamed(Meaning),
    #[error("the window ended before it could be sent")]
    WindowOver,
    /// The window ended while other submissions were sent: one wallet has more topics than its
    /// endpoint takes transactions in the time.
    #[error(
        "the window ended before its turn came, other topics' transactions were sent meanwhile; \
         see \"Many topics\" in docs/operating.md"
    )]
    NoTurn,
    /// Its payload became too old while others were sent: the model is asked again.
    #[error("its inference became too old before its turn came")]
    Outdated,
    #[error("balance too low: {}", amount::have_need(*have, *need).join(" of "))]
    Unfunded { have: Uallo, need: Uallo },
    /// A node knows a transaction of this account that the ledger does not: "served?" is asked
    /// again above this height (R5).
    #[error("the account's sequence moved at height {0}")]
    AskServedAbove(Height),
    /// The payload's next transaction would carry one sequence too many (`SEQUENCES_PER_NONCE_MAX`).
    #[error(
        "transactions with {SEQUENCES_PER_NONCE_MAX} sequences were signed for it and, by what the \
         endpoint says, none took effect; no more are paid for"
    )]
    SequencesExhausted,
    #[error("stopping")]
    Stopping,
}

impl From<&str> for SendTrouble {
    fn from(text: &str) -> SendTrouble {
        SendTrouble::Temporary(text.to_owned())
    }
}

impl From<LcdError> for SendTrouble {
    fn from(error: LcdError) -> SendTrouble {
        SendTrouble::Temporary(error.line())
    }
}
