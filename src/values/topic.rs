//! What the chain says about a topic: its kind, its windows, and this worker's standing in it.

use crate::values::labels::LabelRules;
use crate::values::units::{Height, Nonce, TopicId};

/// Everything a poll needs to know about a topic (protocol.md section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStatus {
    /// The open window, if one is.
    pub open: Option<Window>,
    /// The next window; `None` while the topic is inactive.
    pub next: Option<Window>,
    /// Whether the address is registered in the topic. Only believed from a fresh answer.
    pub is_registered: bool,
    /// Whether the address may submit.
    pub is_whitelisted: bool,
    /// Whether the topic is active.
    pub is_topic_active: bool,
}

/// A submission window: payloads count from block `nonce + 1` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The block that opens it.
    pub nonce: Nonce,
    /// Its last block.
    pub end: Height,
}

/// What a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its id, as the chain names it.
    pub id: TopicId,
    /// Blocks from one nonce to the next.
    pub epoch_length: u64,
    /// Blocks that a window is long.
    pub worker_submission_window: u64,
    /// What kind of payload it takes.
    pub arity: Arity,
    /// The newest nonce, open or over; `None` if there never was one.
    pub last_nonce: Option<Nonce>,
}

/// What kind of payload a topic takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One number. All topics of v9.
    Single,
    /// Labelled numbers, under these rules.
    Multi(LabelRules),
    /// Something this program does not know, by its name.
    Other(String),
}
