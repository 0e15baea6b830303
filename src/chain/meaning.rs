//! What the chain's answers mean. Every refusal, wherever it occurs (CheckTx, a block, simulate, a
//! query), is looked up in one table that follows protocol.md section 4, so that nothing else in
//! the program compares codes or texts. Pure: values in, a [`Meaning`] out.
//!
//! A code means nothing without its codespace (`emissions` 13 is not `sdk` 13). Simulate gives only
//! text: there the text that the chain registers for an error, at the end of the line, stands for
//! its code.

pub(crate) mod table;

use std::fmt;

use crate::text::Foreign;
use crate::values::allowance::GrantProblem;
use crate::values::amount;
use crate::values::units::{Gas, Sequence, Uallo};

/// How the text of an error begins that came from executing a message. An error without it came
/// from decoding or the ante handler and is free (protocol.md section 4).
const MESSAGE_PREFIX: &str = "failed to execute message; message index: ";

/// Where a transaction's code was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The answer to a broadcast (or a simulation): nothing is included, nothing paid.
    CheckTx,
    /// The result in a block. A failed message has cost its fee and used its sequence.
    Block,
}

/// Declares [`Meaning`]: each meaning with what the worker does about it and its text for a log
/// line.
macro_rules! meanings {
    ($($(#[$doc:meta])* $name:ident $({ $($fields:tt)* })? => $action:expr, $text:literal;)*) => {
        /// What an answer of the chain means for a worker.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Meaning {
            $($(#[$doc])* $name $({ $($fields)* })?,)*
        }

        impl Meaning {
            /// What the worker does about it.
            pub fn action(&self) -> Action {
                use {Action::*, WaitReason::*};
                match self {
                    $(Meaning::$name { .. } => $action,)*
                }
            }

            fn text(&self) -> &'static str {
                match self {
                    $(Meaning::$name { .. } => $text,)*
                }
            }
        }
    };
}

meanings! {
    /// Code 0.
    Success => GoOn, "success";
    /// This worker's payload for the nonce is there already (`undefined` 1, `emissions` 78).
    AlreadySubmitted => Served, "already submitted for this nonce";
    /// The worker is registered in the topic already (`emissions` 8).
    AlreadyRegistered => Registered, "already registered in this topic";
    /// The worker is not registered in the topic (`emissions` 10 and 13).
    NotRegistered => Retry, "not registered in this topic";
    /// The topic does not exist (`emissions` 6 and 23, a query's 404).
    UnknownTopic => Wait(UnknownTopic), "the topic does not exist";
    /// The nonce is not open: normally the window is over (`emissions` 75).
    WindowClosed => Retry, "the submission window is closed";
    /// The nonce is known, but the block is outside its window (`emissions` 67).
    WindowNotAvailable => Retry, "the block is outside the submission window";
    /// The worker may not submit to the topic (`emissions` 83).
    NotWhitelisted => Wait(NotWhitelisted), "the worker is not on the topic's whitelist";
    /// A chain-internal value is wrong, for example a window of 0 blocks (`emissions` 52).
    InvalidValue => Defect, "the chain holds an invalid value for this topic";
    /// The message is larger than the chain's limit (`emissions` 53).
    MessageTooLarge => Defect, "the message is larger than the chain allows";
    /// No element of the forecast is valid (`emissions` 77).
    NoValidForecast => Defect, "no element of the forecast is valid";
    /// A label's text is not allowed (`emissions` 95).
    InvalidLabel => RereadTopic, "a label is not allowed";
    /// A label is not on the topic's list (`emissions` 96).
    LabelNotListed => RereadTopic, "a label is not on the topic's list";
    /// More labels than the topic takes (`emissions` 97).
    TooManyLabels => RereadTopic, "more labels than the topic takes";
    /// The epoch has no labels; never a transaction's answer (`emissions` 98).
    LabelRegistryEmpty => Defect, "the epoch has no labels";
    /// No further label fits into the epoch (`emissions` 100).
    LabelRegistryFull => Skip, "no further label fits into this epoch";
    /// A temporary state of the chain's list of active workers (`undefined` 1).
    LowestScoreNotActive => Retry, "the chain's list of active workers is in motion";
    /// The block's gas was used up before this transaction; its fee is gone (`undefined` 1).
    BlockFull => Retry, "the block was full";
    /// The chain has switched this message off for now (`undefined` 1).
    ChainPaused => Wait(ChainPaused), "the chain has switched this message off for now";
    /// The chain takes its fees in another denomination (`undefined` 1).
    FeeDenom => Defect, "the chain does not take fees in uallo";
    /// The chain's code panicked on this transaction (`undefined` 111222).
    ChainPanic => Defect, "the chain's code panicked on this transaction";
    /// The node does not know the message: it serves the other emissions version (`sdk` 2, 6).
    WrongApi => ReprobeApi, "the node serves the other emissions version";
    /// The payload's number cannot be decoded or is out of bounds (`sdk` 2).
    BadPayload => Defect, "the payload's number cannot be decoded or is out of bounds";
    /// The transaction cannot be decoded, and the text names no reason known here (`sdk` 2).
    Undecodable => ReprobeApi, "the node cannot decode the transaction";
    /// The transaction's signature fails: account number, chain id or key (`sdk` 4, ante).
    Unauthorized => ReadAccount, "the signature fails: account number, chain id or key";
    /// The bundle's signature or an address in it is wrong (`sdk` 4, in a message).
    BundleSignature => Defect, "the bundle's signature or address is wrong";
    /// The account cannot pay (`sdk` 5, `emissions` 73).
    Unfunded => Wait(Unfunded), "the balance is too low";
    /// The granter's allowance does not pay the fee (`feegrant` 2, 3 and 7, `sdk` 38).
    NotGranted { problem: GrantProblem } => Wait(NotGranted), "the fee is not granted";
    /// An address is not valid on this chain (`sdk` 7).
    InvalidAddress => Defect, "an address is not valid on this chain";
    /// The public key is refused (`sdk` 8).
    InvalidPubkey => Defect, "the public key is refused";
    /// The chain does not know the account: it was never funded (`sdk` 9, a query's 404).
    UnknownAccount => Wait(UnknownAccount), "the chain does not know the account, it was never funded";
    /// The gas limit was too low (`sdk` 11): the limit and the gas used when it ran out, where the
    /// text names them.
    OutOfGas { wanted: Option<Gas>, used: Option<Gas> } => MoreGas, "out of gas";
    /// The memo is longer than the chain allows (`sdk` 12).
    MemoTooLarge => Defect, "the memo is too long";
    /// The fee is below what the gas limit costs at the current price (`sdk` 13): the fee that
    /// would have been enough, if the text names it.
    FeeTooLow { required: Option<Uallo> } => NewFee, "fee too low";
    /// A message's content is refused (`sdk` 18).
    InvalidRequest => Defect, "the chain refuses the content of the message";
    /// The node has seen these bytes before: pending, included, or refused (`sdk` 19).
    InCache => ReadState, "the node has seen these bytes before";
    /// The mempool is full; these bytes may be in it nevertheless (`sdk` 20).
    MempoolFull => ResendSame, "the node's mempool is full";
    /// The transaction is larger than the node takes (`sdk` 21).
    TxTooLarge => Defect, "the transaction is larger than the node takes";
    /// A field has an impossible value, for example nonce 0 (`sdk` 29).
    InvalidType => Defect, "a field of the message has an impossible value";
    /// The block is past the transaction's timeout height (`sdk` 30).
    // why: short timeouts end before the window does, so that another attempt may pass
    TimeoutHeight => Retry, "the transaction's timeout height has passed";
    /// The transaction's sequence is not the next one (`sdk` 32): the number that the node expects,
    /// and the one that the transaction carries.
    Sequence { expected: Sequence, got: Sequence } => ReadAccount, "the sequence is not the next one";
    /// The gas limit is 0 (`sdk` 41).
    InvalidGasLimit => Defect, "the gas limit is 0";
    /// The fee has no coin, more than one, or cannot be resolved (`feemarket` 1 to 3).
    FeeCoins => Defect, "the fee is not exactly one coin";
    /// The entry that a query asked for does not exist (a 404 for neither an account nor a topic).
    NotFound => Retry, "there is no such entry";
    /// The route does not exist on this node (501). This alone does not prove another API version:
    /// a starting node answers so for a second (protocol.md section 8).
    NotServed => ReprobeApi, "the node does not serve this route";
    /// Not in the table. Counted and logged with its text. The codespace is empty and the code 0
    /// where only text was given.
    Unknown { codespace: Foreign, code: u32, text: Foreign } => Retry, "an answer that is not known";
}

/// A state that only time or an operator ends: logged once, and checked again at growing intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitReason {
    UnknownTopic,
    NotWhitelisted,
    Unfunded,
    UnknownAccount,
    /// The fee granter's allowance or balance does not pay the fee.
    NotGranted,
    ChainPaused,
}

/// What the worker does about a [`Meaning`] (the column "action" of protocol.md section 4.3). Who
/// does it: the sender signs again, sends again and reads the account; the topic does the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing failed.
    GoOn,
    /// The nonce is served: end it.
    Served,
    /// The worker is registered: continue with the window.
    Registered,
    /// Nothing that can be sent for this nonce will pass: end it.
    Skip,
    /// End the nonce, with an error: the configuration or the program is at fault.
    Defect,
    /// The labels do not fit the topic: read its rules and ask the model again, once per nonce.
    RereadTopic,
    /// Wait for the state to end.
    Wait(WaitReason),
    /// Determine the node's emissions version and build the message again.
    ReprobeApi,
    /// Sign again with more gas; with the same sequence if CheckTx refused it.
    MoreGas,
    /// Sign again at once with the fee that the node names and the same sequence.
    NewFee,
    /// Read the account again and follow the sequence rules (R5).
    ReadAccount,
    /// The answer proves nothing: read the chain's state (R7).
    ReadState,
    /// Send the same bytes again after a block, or to another node.
    ResendSame,
    /// Read the topic's status after a growing delay, and try again if the window is still open.
    /// The status also says whether the worker has to register first.
    Retry,
}

impl Action {
    /// Whether the payload as a whole is at fault, so that one with a forecast may pass without it.
    /// A refusal of labels concerns the inference.
    pub fn blames_whole_payload(self) -> bool {
        matches!(self, Action::Served | Action::Defect)
    }
}

impl Meaning {
    /// The meaning of a transaction's (codespace, code, text), as CheckTx or a block gives it.
    pub fn of_code(codespace: &str, code: u32, raw_log: &str, stage: Stage) -> Meaning {
        if code == 0 {
            return Meaning::Success;
        }
        let in_message = stage == Stage::Block && strip_prefix(raw_log).is_some();
        let found = table::by_code(codespace, code, raw_log, in_message);
        found.unwrap_or_else(|| unknown(codespace, code, raw_log))
    }

    /// The meaning of a refusal by simulate: codespace and code where the answer named them, else
    /// text only, which is `failed to execute message; message index: 0: <wrap>: <text>`, then
    /// `[file:line] with gas used: 'N'`.
    pub fn of_simulate(registered: Option<(&str, u32)>, text: &str) -> Meaning {
        let text = strip_suffixes(text);
        if let Some((codespace, code)) = registered {
            return Meaning::of_code(codespace, code, text, Stage::CheckTx);
        }
        let in_message = strip_prefix(text);
        match table::by_text(in_message.unwrap_or(text), in_message.is_some()) {
            // why: outside of a message it is the query that was refused, not the payload
            Some(Meaning::InvalidRequest) if in_message.is_none() => unknown("", 0, text),
            found => found.unwrap_or_else(|| unknown("", 0, text)),
        }
    }

    /// The meaning of a query's error (gRPC code and text, codespace and code if the text named
    /// them). `None`: the chain did not answer (overload, a time-out, a proxy without its node), so
    /// the state asked for stays unknown.
    pub fn of_query(grpc: u32, registered: Option<(&str, u32)>, text: &str) -> Option<Meaning> {
        if let Some((codespace, code)) = registered {
            return Some(Meaning::of_code(codespace, code, text, Stage::CheckTx));
        }
        match grpc {
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
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        match self {
            Meaning::OutOfGas {
                wanted: Some(wanted),
                used: Some(used),
            } => write!(f, "{text}: limit {wanted}, used {used}"),
            Meaning::FeeTooLow {
                required: Some(required),
            } => write!(f, "{text}: {} required", amount::allo(*required)),
            Meaning::NotGranted { problem } => write!(f, "{text}: {problem}"),
            Meaning::Sequence { expected, got } => {
                write!(f, "the node expects sequence {expected}, got {got}")
            }
            Meaning::Unknown {
                codespace, text, ..
            } if codespace.raw().is_empty() => write!(f, "an answer that is not known: {text}"),
            Meaning::Unknown {
                codespace,
                code,
                text,
            } => write!(f, "a code that is not known, {codespace}/{code}: {text}"),
            _ => f.write_str(text),
        }
    }
}

/// The gRPC codes that have a meaning here (protocol.md section 3.1).
const GRPC_UNKNOWN: u32 = 2;
const GRPC_INVALID_ARGUMENT: u32 = 3;
const GRPC_NOT_FOUND: u32 = 5;
const GRPC_UNIMPLEMENTED: u32 = 12;

/// Splits `codespace X code N: rest`, the form in which a query names a registered error.
pub fn split_codespace(text: &str) -> Option<(&str, u32, &str)> {
    let rest = text.strip_prefix("codespace ")?;
    let (codespace, rest) = rest.split_once(" code ")?;
    let (code, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let code = code.trim().parse().ok()?;
    (!codespace.contains(' ')).then(|| (codespace, code, rest.trim_start()))
}

/// The meaning of a 404, by what its text says is missing.
fn not_found(text: &str) -> Meaning {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["account", _, "not", "found"] => Meaning::UnknownAccount,
        ["topic", _, "not", "found"] => Meaning::UnknownTopic,
        _ => Meaning::NotFound,
    }
}

/// Whether a query's text rejects the address in it.
fn is_address_text(text: &str) -> bool {
    text.contains("invalid address") || text.contains("bech32")
}

/// The text behind `failed to execute message; message index: N: `; `None` without this prefix.
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
    Meaning::Unknown {
        codespace: codespace.into(),
        code,
        text: text.into(),
    }
}

#[cfg(test)]
mod tests;
