//! What the chain's answers mean. Every refusal, wherever it shows up (CheckTx, a block, simulate,
//! a query), goes through one table that reads like protocol.md section 4, so that no other place
//! of the program compares codes or matches texts. Pure: values in, a [`Meaning`] out.
//!
//! A code means nothing without its codespace (`emissions` 13 is not `sdk` 13). Simulate gives no
//! code at all, only text: there the text that the chain registers for an error, at the end of the
//! line, stands for its code.

mod table;
mod text;

use crate::values::units::{Gas, Sequence, Uallo};

pub use table::{Origin, ROWS, Row};

/// Before the text of every error that came from executing a message; an error without it came
/// from decoding or the ante handler, which is free (protocol.md section 4).
const MESSAGE_PREFIX: &str = "failed to execute message; message index: ";

/// How many bytes of an unknown text are kept.
const UNKNOWN_TEXT_BYTES_MAX: usize = 400;

/// Where a transaction's code was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The answer to a broadcast: nothing is included, nothing paid.
    CheckTx,
    /// The result in a block. A message's failure has cost the fee and used the sequence up.
    Block,
}

/// What an answer of the chain means for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Code 0.
    Success,
    /// This worker's payload for the nonce is there already (`undefined` 1, `emissions` 78).
    AlreadySubmitted,
    /// The worker is registered in the topic already (`emissions` 8).
    AlreadyRegistered,
    /// The worker is not registered in the topic (`emissions` 10 and 13).
    NotRegistered,
    /// The topic does not exist (`emissions` 6 and 23, a query's 404).
    UnknownTopic,
    /// The nonce is not open: normally the window is over (`emissions` 75).
    WindowClosed,
    /// The nonce is known, but the block is outside its window (`emissions` 67).
    WindowNotAvailable,
    /// The worker may not submit to the topic (`emissions` 83).
    NotWhitelisted,
    /// A chain-internal value is wrong, for example a window of 0 blocks (`emissions` 52).
    InvalidValue,
    /// The message is larger than the chain's limit (`emissions` 53).
    MessageTooLarge,
    /// No element of the forecast is valid (`emissions` 77).
    NoValidForecast,
    /// A label's text is not allowed (`emissions` 95).
    InvalidLabel,
    /// A label is not on the topic's list (`emissions` 96).
    LabelNotListed,
    /// More labels than the topic takes (`emissions` 97).
    TooManyLabels,
    /// The epoch has no labels; never a transaction's answer (`emissions` 98).
    LabelRegistryEmpty,
    /// No further label fits into the epoch (`emissions` 100).
    LabelRegistryFull,
    /// A passing oddity of the chain's list of active workers (`undefined` 1).
    LowestScoreNotActive,
    /// The block's gas was used up before this transaction; its fee is gone (`undefined` 1).
    BlockFull,
    /// The chain has switched this message off for now (`undefined` 1).
    ChainPaused,
    /// The chain takes its fees in another denomination (`undefined` 1).
    FeeDenom,
    /// The chain's code panicked on this transaction (`undefined` 111222).
    ChainPanic,
    /// The node does not know the message: it serves the other emissions version (`sdk` 2, 6).
    WrongApi,
    /// The payload's number cannot be decoded or is out of bounds (`sdk` 2).
    BadPayload,
    /// The transaction cannot be decoded, for a reason that names neither (`sdk` 2).
    Undecodable,
    /// The transaction's signature fails: account number, chain id or key (`sdk` 4, ante).
    Unauthorized,
    /// The bundle's signature or an address in it is wrong (`sdk` 4, in a message).
    BundleSignature,
    /// The account cannot pay (`sdk` 5, `emissions` 73).
    Unfunded,
    /// An address is no address of this chain (`sdk` 7).
    InvalidAddress,
    /// The public key is refused (`sdk` 8).
    InvalidPubkey,
    /// The account was never funded, the chain does not know it (`sdk` 9, a query's 404).
    UnknownAccount,
    /// The gas limit was too low (`sdk` 11).
    OutOfGas {
        /// The transaction's gas limit, if the text says.
        wanted: Option<Gas>,
        /// What was used when it ran out, if the text says.
        used: Option<Gas>,
    },
    /// The memo is longer than the chain allows (`sdk` 12).
    MemoTooLarge,
    /// The fee is below what the gas limit costs at the current price (`sdk` 13).
    FeeTooLow {
        /// The fee that would have been enough, if the text says.
        required: Option<Uallo>,
    },
    /// A message's content is refused (`sdk` 18).
    InvalidRequest,
    /// The node has seen these bytes before: pending, included, or refused (`sdk` 19).
    InCache,
    /// The mempool is full; these bytes may be in it all the same (`sdk` 20).
    MempoolFull,
    /// The transaction is larger than the node takes (`sdk` 21).
    TxTooLarge,
    /// A field has an impossible value, for example nonce 0 (`sdk` 29).
    InvalidType,
    /// The block is past the transaction's timeout height (`sdk` 30).
    TimeoutHeight,
    /// The transaction's sequence is not the next one (`sdk` 32).
    Sequence {
        /// The number that the node expects.
        expected: Sequence,
        /// The number that the transaction carries.
        got: Sequence,
    },
    /// The gas limit is 0 (`sdk` 41).
    InvalidGasLimit,
    /// The fee has no coin, more than one, or cannot be resolved (`feemarket` 1 to 3).
    FeeCoins,
    /// A query's entry does not exist (404 that names neither an account nor a topic).
    NotFound,
    /// The route does not exist on this node (501). Alone it is no verdict about the API version:
    /// a node that starts up answers so for a second (protocol.md section 8).
    NotServed,
    /// Not in the table. Counted and logged with its text.
    Unknown {
        /// The codespace, empty where only text was given.
        codespace: String,
        /// The code, 0 where only text was given.
        code: u32,
        /// The text, cut to a few hundred bytes.
        text: String,
    },
}

/// A state that only time or somebody else's hand ends: said once, asked again ever more slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// The topic does not exist.
    UnknownTopic,
    /// The worker is not on the topic's whitelist.
    NotWhitelisted,
    /// The balance is too low.
    Unfunded,
    /// The account was never funded.
    UnknownAccount,
    /// The chain has switched the message off.
    ChainPaused,
}

/// What a topic does about a [`Meaning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing failed: go on.
    GoOn,
    /// The nonce is served: done with it.
    Served,
    /// The registration stands: go on with the window.
    Registered,
    /// Nothing that can be sent for this nonce will pass: wait for the next one.
    SkipNonce,
    /// Skip the nonce and say loudly that the configuration or the program is at fault.
    Defect,
    /// The labels do not fit the topic: read the topic again; skip the nonce if they still do not.
    RereadTopic,
    /// Wait for the state to end.
    Wait(WaitReason),
    /// Register, then try again while the window is open.
    Reregister,
    /// Find out anew which emissions version the node serves, then build the message anew.
    ReprobeApi,
    /// Sign anew with more gas: the same sequence if it was refused in CheckTx.
    MoreGas,
    /// Sign anew with the fee that the node names and the same sequence, at once.
    NewFee,
    /// Read the account again and go by the sequence rules (R5).
    ReadAccount,
    /// The answer proves nothing: read the chain's state (R7).
    ReadState,
    /// Send the same bytes again after a block, or elsewhere.
    ResendSame,
    /// Try again with the next block, while the window is open.
    RetryNextBlock,
    /// Not known what it is: try again with growing delay while the window is open.
    Retry,
}

impl Meaning {
    /// The meaning of a transaction's (codespace, code, text), as CheckTx or a block gives it.
    #[must_use]
    pub fn of_code(codespace: &str, code: u32, raw_log: &str, stage: Stage) -> Meaning {
        if code == 0 {
            return Meaning::Success;
        }
        let in_message = stage == Stage::Block && strip_prefix(raw_log).is_some();
        table::by_code(codespace, code, raw_log, in_message)
            .unwrap_or_else(|| unknown(codespace, code, raw_log))
    }

    /// The meaning of a refusal by simulate: codespace and code where the answer named them, else
    /// text only, of the form
    /// `failed to execute message; message index: 0: <wrap>: <text> [file:line] with gas used: 'N'`.
    #[must_use]
    pub fn of_simulate(registered: Option<(&str, u32)>, text: &str) -> Meaning {
        let text = strip_suffixes(text);
        if let Some((codespace, code)) = registered {
            return Meaning::of_code(codespace, code, text, Stage::CheckTx);
        }
        let (in_message, inner) = match strip_prefix(text) {
            Some(inner) => (true, inner),
            None => (false, text),
        };
        match table::by_text(inner, in_message) {
            // why: outside of a message it is the query that was refused, not the payload
            None | Some(Meaning::InvalidRequest) if !in_message => unknown("", 0, text),
            found => found.unwrap_or_else(|| unknown("", 0, text)),
        }
    }

    /// The meaning of a query's error (gRPC code and text, codespace and code if the text named
    /// them). `None`: this is no word of the chain (overload, a time-out, a node without its back
    /// end), the state asked for stays unknown.
    #[must_use]
    pub fn of_query(
        grpc_code: u32,
        registered: Option<(&str, u32)>,
        text: &str,
    ) -> Option<Meaning> {
        if let Some((codespace, code)) = registered {
            return Some(Meaning::of_code(codespace, code, text, Stage::CheckTx));
        }
        match grpc_code {
            GRPC_NOT_FOUND => Some(not_found(text)),
            GRPC_UNIMPLEMENTED => Some(Meaning::NotServed),
            GRPC_INVALID_ARGUMENT if is_address_text(text) => Some(Meaning::InvalidAddress),
            GRPC_INVALID_ARGUMENT => Some(Meaning::InvalidRequest),
            GRPC_UNKNOWN if is_address_text(text) => Some(Meaning::InvalidAddress),
            GRPC_UNKNOWN if text.starts_with("collections: not found") => Some(Meaning::NotFound),
            GRPC_UNKNOWN => Some(unknown("", 0, text)),
            _ => None,
        }
    }

    /// What a topic does about it (the column "action" of protocol.md section 4.3).
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Meaning::Success => Action::GoOn,
            Meaning::AlreadySubmitted => Action::Served,
            Meaning::AlreadyRegistered => Action::Registered,
            Meaning::NotRegistered => Action::Reregister,
            Meaning::UnknownTopic => Action::Wait(WaitReason::UnknownTopic),
            Meaning::NotWhitelisted => Action::Wait(WaitReason::NotWhitelisted),
            Meaning::Unfunded => Action::Wait(WaitReason::Unfunded),
            Meaning::UnknownAccount => Action::Wait(WaitReason::UnknownAccount),
            Meaning::ChainPaused => Action::Wait(WaitReason::ChainPaused),
            Meaning::WindowClosed
            | Meaning::WindowNotAvailable
            | Meaning::TimeoutHeight
            | Meaning::LabelRegistryFull => Action::SkipNonce,
            Meaning::InvalidValue
            | Meaning::MessageTooLarge
            | Meaning::NoValidForecast
            | Meaning::LabelRegistryEmpty
            | Meaning::FeeDenom
            | Meaning::ChainPanic
            | Meaning::BadPayload
            | Meaning::BundleSignature
            | Meaning::InvalidAddress
            | Meaning::InvalidPubkey
            | Meaning::MemoTooLarge
            | Meaning::InvalidRequest
            | Meaning::TxTooLarge
            | Meaning::InvalidType
            | Meaning::InvalidGasLimit
            | Meaning::FeeCoins => Action::Defect,
            Meaning::InvalidLabel | Meaning::LabelNotListed | Meaning::TooManyLabels => {
                Action::RereadTopic
            }
            Meaning::LowestScoreNotActive | Meaning::BlockFull => Action::RetryNextBlock,
            Meaning::WrongApi | Meaning::Undecodable | Meaning::NotServed => Action::ReprobeApi,
            Meaning::Unauthorized | Meaning::Sequence { .. } => Action::ReadAccount,
            Meaning::OutOfGas { .. } => Action::MoreGas,
            Meaning::FeeTooLow { .. } => Action::NewFee,
            Meaning::InCache => Action::ReadState,
            Meaning::MempoolFull => Action::ResendSame,
            Meaning::NotFound | Meaning::Unknown { .. } => Action::Retry,
        }
    }
}

/// The gRPC codes that stand for something here (protocol.md section 3.1).
const GRPC_UNKNOWN: u32 = 2;
const GRPC_INVALID_ARGUMENT: u32 = 3;
const GRPC_NOT_FOUND: u32 = 5;
const GRPC_UNIMPLEMENTED: u32 = 12;

/// Takes `codespace X code N: rest` apart, the form in which a query names a registered error.
#[must_use]
pub fn split_codespace(text: &str) -> Option<(&str, u32, &str)> {
    let rest = text.strip_prefix("codespace ")?;
    let (codespace, rest) = rest.split_once(" code ")?;
    let (code, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let code = code.trim().parse().ok()?;
    (!codespace.contains(' ')).then(|| (codespace, code, rest.trim_start()))
}

/// A 404's meaning, by what it says is missing.
fn not_found(text: &str) -> Meaning {
    let Some(name) = text.strip_suffix(" not found") else {
        return Meaning::NotFound;
    };
    let mut words = name.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("account"), Some(_), None) => Meaning::UnknownAccount,
        (Some("topic"), Some(_), None) => Meaning::UnknownTopic,
        _ => Meaning::NotFound,
    }
}

/// Whether a query's text complains about the address in it.
fn is_address_text(text: &str) -> bool {
    text.contains("invalid address") || text.contains("bech32")
}

/// The text behind `failed to execute message; message index: N: `, if it begins so.
fn strip_prefix(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(MESSAGE_PREFIX)?;
    Some(rest.split_once(": ").map_or(rest, |(_, inner)| inner))
}

/// Simulate's text without ` with gas used: 'N'` and without ` [file:line]`.
fn strip_suffixes(text: &str) -> &str {
    let text = text
        .rsplit_once(" with gas used: '")
        .map_or(text, |(before, _)| before);
    match text.rsplit_once(" [") {
        Some((before, place)) if place.ends_with(']') && place.contains(".go:") => before,
        _ => text,
    }
}

fn unknown(codespace: &str, code: u32, text: &str) -> Meaning {
    let mut end = text.len().min(UNKNOWN_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Meaning::Unknown {
        codespace: codespace.to_owned(),
        code,
        text: text[..end].to_owned(),
    }
}

#[cfg(test)]
mod tests;
