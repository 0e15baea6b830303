//! What the chain says about a topic: its kind, its windows, and whether this worker is registered
//! and whitelisted in it.

use crate::text::Foreign;
use crate::values::labels::LabelRules;
use crate::values::units::{Height, Nonce, TopicId};

/// The answer to a poll (protocol.md section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStatus {
    pub open: Option<Window>,
    /// The next window; `None` while the topic is inactive.
    pub next: Option<Window>,
    /// Whether the address is registered in the topic; counts only in a fresh answer.
    pub is_registered: bool,
    /// Whether the address may submit.
    pub is_whitelisted: bool,
    pub is_topic_active: bool,
}

/// A submission window: payloads are accepted from block `nonce + 1` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub nonce: Nonce,
    /// Its last block.
    pub end: Height,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub id: TopicId,
    /// Blocks from one nonce to the next.
    pub epoch_length: u64,
    /// The length of a window, in blocks.
    pub worker_submission_window: u64,
    pub arity: Arity,
    /// The newest nonce, open or closed; `None` if there never was one.
    pub last_nonce: Option<Nonce>,
}

/// The kind of payload that a topic takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One number; the only kind on v9.
    Single,
    /// Labelled numbers that follow these rules.
    Multi(LabelRules),
    /// A kind that this program does not know, by its name.
    Other(Foreign),
}
