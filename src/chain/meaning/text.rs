//! A [`Meaning`] in words, for a log line.

use std::fmt;

use super::Meaning;

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Meaning::OutOfGas {
                wanted: Some(wanted),
                used: Some(used),
            } => {
                return write!(f, "out of gas: limit {wanted}, used {used}");
            }
            Meaning::FeeTooLow {
                required: Some(required),
            } => {
                return write!(f, "fee too low: {required} uallo required");
            }
            Meaning::Sequence { expected, got } => {
                return write!(f, "the node expects sequence {expected}, got {got}");
            }
            Meaning::Unknown {
                codespace, text, ..
            } if codespace.is_empty() => {
                return write!(f, "an answer that is not known: {text}");
            }
            Meaning::Unknown {
                codespace,
                code,
                text,
            } => {
                return write!(f, "a code that is not known, {codespace}/{code}: {text}");
            }
            plain => plain.plain_text(),
        };
        f.write_str(text)
    }
}

impl Meaning {
    /// The text of a meaning that carries no data of its own.
    fn plain_text(&self) -> &'static str {
        match self {
            Meaning::Success => "success",
            Meaning::AlreadySubmitted => "already submitted for this nonce",
            Meaning::AlreadyRegistered => "already registered in this topic",
            Meaning::NotRegistered => "not registered in this topic",
            Meaning::UnknownTopic => "the topic does not exist",
            Meaning::WindowClosed => "the submission window is closed",
            Meaning::WindowNotAvailable => "the block is outside the submission window",
            Meaning::NotWhitelisted => "the worker is not on the topic's whitelist",
            Meaning::InvalidValue => "the chain holds an invalid value for this topic",
            Meaning::MessageTooLarge => "the message is larger than the chain allows",
            Meaning::NoValidForecast => "no element of the forecast is valid",
            Meaning::InvalidLabel => "a label is not allowed",
            Meaning::LabelNotListed => "a label is not on the topic's list",
            Meaning::TooManyLabels => "more labels than the topic takes",
            Meaning::LabelRegistryEmpty => "the epoch has no labels",
            Meaning::LabelRegistryFull => "no further label fits into this epoch",
            Meaning::LowestScoreNotActive => "the chain's list of active workers is in motion",
            Meaning::BlockFull => "the block was full",
            Meaning::ChainPaused => "the chain has switched this message off for now",
            Meaning::FeeDenom => "the chain does not take fees in uallo",
            Meaning::ChainPanic => "the chain's code panicked on this transaction",
            Meaning::WrongApi => "the node serves the other emissions version",
            Meaning::BadPayload => "the payload's number cannot be decoded or is out of bounds",
            Meaning::Undecodable => "the node cannot decode the transaction",
            Meaning::Unauthorized => "the signature fails: account number, chain id or key",
            Meaning::BundleSignature => "the bundle's signature or address is wrong",
            Meaning::Unfunded => "the balance is too low",
            Meaning::InvalidAddress => "an address is not valid on this chain",
            Meaning::InvalidPubkey => "the public key is refused",
            Meaning::UnknownAccount => "the chain does not know the account, it was never funded",
            Meaning::OutOfGas { .. } => "out of gas",
            Meaning::MemoTooLarge => "the memo is too long",
            Meaning::FeeTooLow { .. } => "fee too low",
            Meaning::InvalidRequest => "the chain refuses the content of the message",
            Meaning::InCache => "the node has seen these bytes before",
            Meaning::MempoolFull => "the node's mempool is full",
            Meaning::TxTooLarge => "the transaction is larger than the node takes",
            Meaning::InvalidType => "a field of the message has an impossible value",
            Meaning::TimeoutHeight => "the transaction's timeout height has passed",
            Meaning::Sequence { .. } => "the sequence is not the next one",
            Meaning::InvalidGasLimit => "the gas limit is 0",
            Meaning::FeeCoins => "the fee is not exactly one coin",
            Meaning::NotFound => "there is no such entry",
            Meaning::NotServed => "the node does not serve this route",
            Meaning::Unknown { .. } => "an answer that is not known",
        }
    }
}
