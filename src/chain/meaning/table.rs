//! The rows of protocol.md section 4.3, in its order: codespace, code, the text that the chain
//! registers for the code, and what it means. Hold the two beside each other when the chain
//! changes.

use super::Meaning;
use crate::values::units::{Gas, Sequence, Uallo};

/// From which part of the chain's work an error came, where that changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Wherever it came from.
    Any,
    /// Only from executing a message: in a block the fee is gone.
    Message,
    /// Only from decoding or the ante handler: free.
    Ante,
}

/// One row: an error as the chain registers it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The codespace; a code means nothing without it.
    pub codespace: &'static str,
    /// The code within the codespace.
    pub code: u32,
    /// The text registered for (codespace, code): the end of every text of this error. Empty where
    /// the chain registers none and `hint` alone tells it.
    pub text: &'static str,
    /// What the text must hold besides for this row to count; empty for anything.
    pub hint: &'static str,
    /// Where the error must have come from.
    pub from: Origin,
    /// What it means, given the whole text. `None`: the text lacks what the meaning must carry.
    pub means: fn(&str) -> Option<Meaning>,
}

/// The table. Of several rows for one (codespace, code) the first that fits counts.
pub const ROWS: &[Row] = &[
    row("emissions", 6, "invalid topic ID", |_| {
        Some(Meaning::UnknownTopic)
    }),
    row(
        "emissions",
        8,
        "address already registered in a topic",
        |_| Some(Meaning::AlreadyRegistered),
    ),
    row(
        "emissions",
        10,
        "address is not registered in this topic",
        |_| Some(Meaning::NotRegistered),
    ),
    row("emissions", 13, "address not registered", |_| {
        Some(Meaning::NotRegistered)
    }),
    row("emissions", 23, "topic does not exist", |_| {
        Some(Meaning::UnknownTopic)
    }),
    row("emissions", 52, "invalid value", |_| {
        Some(Meaning::InvalidValue)
    }),
    row("emissions", 53, "query is too large", |_| {
        Some(Meaning::MessageTooLarge)
    }),
    row("emissions", 67, "worker nonce window not available", |_| {
        Some(Meaning::WindowNotAvailable)
    }),
    row(
        "emissions",
        73,
        "data sender does not have enough denom",
        |_| Some(Meaning::Unfunded),
    ),
    row("emissions", 75, "unfulfilled nonce not found", |_| {
        Some(Meaning::WindowClosed)
    }),
    row("emissions", 77, "no valid forecast elements found", |_| {
        Some(Meaning::NoValidForecast)
    }),
    row(
        "emissions",
        78,
        "cannot update EMA more than once per window",
        |_| Some(Meaning::AlreadySubmitted),
    ),
    row(
        "emissions",
        83,
        "not permitted to submit worker payload",
        |_| Some(Meaning::NotWhitelisted),
    ),
    row("emissions", 95, "invalid label name", |_| {
        Some(Meaning::InvalidLabel)
    }),
    row(
        "emissions",
        96,
        "label is not in the topic's label whitelist",
        |_| Some(Meaning::LabelNotListed),
    ),
    row(
        "emissions",
        97,
        "too many labels in one submission (exceeds per-topic cap)",
        |_| Some(Meaning::TooManyLabels),
    ),
    row("emissions", 98, "epoch label registry is empty", |_| {
        Some(Meaning::LabelRegistryEmpty)
    }),
    row(
        "emissions",
        100,
        "epoch label registry is saturated",
        |_| Some(Meaning::LabelRegistryFull),
    ),
    // Go errors that the chain registers nowhere: only their text tells them apart.
    unregistered("inference already submitted", |_| {
        Some(Meaning::AlreadySubmitted)
    }),
    unregistered("forecast already submitted", |_| {
        Some(Meaning::AlreadySubmitted)
    }),
    unregistered("inferer with lowest score is not active", |_| {
        Some(Meaning::LowestScoreNotActive)
    }),
    unregistered(
        "unable to update fee market state: block utilization",
        |_| Some(Meaning::BlockFull),
    ),
    unregistered("tx type not allowed", |_| Some(Meaning::ChainPaused)),
    unregistered("circuit breaker disables", |_| Some(Meaning::ChainPaused)),
    unregistered("error resolving denom", |_| Some(Meaning::FeeDenom)),
    unregistered("Error validating worker address", |_| {
        Some(Meaning::InvalidAddress)
    }),
    row("undefined", 111_222, "panic", |_| Some(Meaning::ChainPanic)),
    hinted(
        "sdk",
        2,
        "tx parse error",
        "unable to resolve type URL",
        wrong_api,
    ),
    hinted(
        "sdk",
        2,
        "tx parse error",
        "failed to retrieve the message of type",
        wrong_api,
    ),
    hinted(
        "sdk",
        2,
        "tx parse error",
        "no message handler found",
        wrong_api,
    ),
    hinted(
        "sdk",
        2,
        "tx parse error",
        "value is out of range",
        bad_payload,
    ),
    hinted("sdk", 2, "tx parse error", "parse mantissa", bad_payload),
    hinted("sdk", 2, "tx parse error", "parse exponent", bad_payload),
    row("sdk", 2, "tx parse error", |_| Some(Meaning::Undecodable)),
    Row {
        from: Origin::Message,
        ..row("sdk", 4, "unauthorized", |_| Some(Meaning::BundleSignature))
    },
    Row {
        from: Origin::Ante,
        ..row("sdk", 4, "unauthorized", |_| Some(Meaning::Unauthorized))
    },
    row("sdk", 5, "insufficient funds", |_| Some(Meaning::Unfunded)),
    row("sdk", 6, "unknown request", wrong_api),
    row("sdk", 7, "invalid address", |_| {
        Some(Meaning::InvalidAddress)
    }),
    row("sdk", 8, "invalid pubkey", |_| Some(Meaning::InvalidPubkey)),
    row("sdk", 9, "unknown address", |_| {
        Some(Meaning::UnknownAccount)
    }),
    row("sdk", 11, "out of gas", out_of_gas),
    row("sdk", 12, "memo too large", |_| Some(Meaning::MemoTooLarge)),
    row("sdk", 13, "insufficient fee", fee_too_low),
    row("sdk", 18, "invalid request", |_| {
        Some(Meaning::InvalidRequest)
    }),
    row("sdk", 19, "tx already in mempool", |_| {
        Some(Meaning::InCache)
    }),
    row("sdk", 20, "mempool is full", |_| Some(Meaning::MempoolFull)),
    row("sdk", 21, "tx too large", |_| Some(Meaning::TxTooLarge)),
    row("sdk", 29, "invalid type", |_| Some(Meaning::InvalidType)),
    row("sdk", 30, "tx timeout height", |_| {
        Some(Meaning::TimeoutHeight)
    }),
    row("sdk", 32, "incorrect account sequence", sequence),
    row("sdk", 41, "invalid gas limit", |_| {
        Some(Meaning::InvalidGasLimit)
    }),
    row("feemarket", 1, "no fee coin provided", |_| {
        Some(Meaning::FeeCoins)
    }),
    row("feemarket", 2, "too many fee coins", |_| {
        Some(Meaning::FeeCoins)
    }),
    row("feemarket", 3, "resolver not set", |_| {
        Some(Meaning::FeeCoins)
    }),
];

const fn row(
    codespace: &'static str,
    code: u32,
    text: &'static str,
    means: fn(&str) -> Option<Meaning>,
) -> Row {
    Row {
        codespace,
        code,
        text,
        hint: "",
        from: Origin::Any,
        means,
    }
}

const fn hinted(
    codespace: &'static str,
    code: u32,
    text: &'static str,
    hint: &'static str,
    means: fn(&str) -> Option<Meaning>,
) -> Row {
    Row {
        codespace,
        code,
        text,
        hint,
        from: Origin::Any,
        means,
    }
}

const fn unregistered(hint: &'static str, means: fn(&str) -> Option<Meaning>) -> Row {
    Row {
        codespace: "undefined",
        code: 1,
        text: "",
        hint,
        from: Origin::Any,
        means,
    }
}

impl Row {
    /// Whether the text, and where it came from, fit this row.
    fn fits(&self, text: &str, in_message: bool) -> bool {
        let from = match self.from {
            Origin::Any => true,
            Origin::Message => in_message,
            Origin::Ante => !in_message,
        };
        from && text.contains(self.hint)
    }

    /// Whether the text ends with the registered text, as a whole part of it.
    fn ends(&self, text: &str) -> bool {
        if self.text.is_empty() {
            return true;
        }
        text.strip_suffix(self.text)
            .is_some_and(|before| before.is_empty() || before.ends_with(": "))
    }
}

/// The meaning of a (codespace, code) with its text; `None` if no row fits.
pub(super) fn by_code(codespace: &str, code: u32, text: &str, in_message: bool) -> Option<Meaning> {
    ROWS.iter()
        .filter(|row| row.codespace == codespace && row.code == code)
        .find(|row| row.fits(text, in_message))
        .and_then(|row| (row.means)(text))
}

/// The meaning of a text without a code; `None` if no row fits.
pub(super) fn by_text(text: &str, in_message: bool) -> Option<Meaning> {
    ROWS.iter()
        .find(|row| row.ends(text) && row.fits(text, in_message))
        .and_then(|row| (row.means)(text))
}

fn wrong_api(_: &str) -> Option<Meaning> {
    Some(Meaning::WrongApi)
}

fn bad_payload(_: &str) -> Option<Meaning> {
    Some(Meaning::BadPayload)
}

/// `out of gas in location: X; gasWanted: A, gasUsed: B`
fn out_of_gas(text: &str) -> Option<Meaning> {
    let wanted = number_after(text, "gasWanted: ").map(Gas);
    let used = number_after(text, "gasUsed: ").map(Gas);
    Some(Meaning::OutOfGas { wanted, used })
}

/// `got: Xuallo required: Yuallo, minGasPrice: ..uallo, gas: ..`
fn fee_too_low(text: &str) -> Option<Meaning> {
    let required = text
        .split_once(" required: ")
        .and_then(|(_, rest)| rest.split_once("uallo"))
        .and_then(|(digits, _)| digits.parse().ok())
        .map(Uallo);
    Some(Meaning::FeeTooLow { required })
}

/// `account sequence mismatch, expected E, got G`. Without both numbers nothing may be concluded.
fn sequence(text: &str) -> Option<Meaning> {
    let expected = Sequence(number_after(text, "expected ")?);
    let got = Sequence(number_after(text, "got ")?);
    Some(Meaning::Sequence { expected, got })
}

/// The whole number right behind `label`.
fn number_after(text: &str, label: &str) -> Option<u64> {
    let (_, rest) = text.split_once(label)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of protocol.md section 4.3, copied from there by hand.
    const PROTOCOL: &[(&str, &[u32])] = &[
        (
            "emissions",
            &[
                6, 8, 10, 13, 23, 52, 53, 67, 73, 75, 77, 78, 83, 95, 96, 97, 98, 100,
            ],
        ),
        ("undefined", &[1, 111_222]),
        (
            "sdk",
            &[
                2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 18, 19, 20, 21, 29, 30, 32, 41,
            ],
        ),
        ("feemarket", &[1, 2, 3]),
    ];

    #[test]
    fn every_row_of_the_protocol_is_here_and_no_other() {
        for (codespace, codes) in PROTOCOL {
            let mut here: Vec<u32> = ROWS
                .iter()
                .filter(|row| row.codespace == *codespace)
                .map(|row| row.code)
                .collect();
            here.dedup();
            assert_eq!(&here, codes, "{codespace}");
        }
        assert!(
            ROWS.iter()
                .all(|row| PROTOCOL.iter().any(|(name, _)| *name == row.codespace))
        );
    }

    #[test]
    fn no_text_stands_for_two_codes() {
        for row in ROWS.iter().filter(|row| !row.text.is_empty()) {
            for other in ROWS.iter().filter(|other| row.ends(other.text)) {
                assert_eq!((row.codespace, row.code), (other.codespace, other.code));
            }
        }
    }

    #[test]
    fn every_registered_text_alone_is_recognised() {
        for row in ROWS
            .iter()
            .filter(|row| row.from == Origin::Any && !row.text.is_empty())
        {
            let text = match row.code {
                32 => "expected 1, got 2: incorrect account sequence".to_owned(),
                _ => format!("{}: {}", row.hint, row.text),
            };
            assert_eq!(by_text(&text, true), (row.means)(&text), "{text}");
        }
    }

    #[test]
    fn a_fee_beyond_64_bits_is_read() {
        let text = "got: 1uallo required: 99999999999999999999uallo, minGasPrice: 1uallo, gas: 1";
        let required = Some(Uallo(99_999_999_999_999_999_999));
        assert_eq!(fee_too_low(text), Some(Meaning::FeeTooLow { required }));
        let other = "got: 1uallo required: 5uatom";
        assert_eq!(
            fee_too_low(other),
            Some(Meaning::FeeTooLow { required: None })
        );
    }
}
