//! The rows of protocol.md section 4.3, in its order: codespace, code, the text that the chain
//! registers for the code, and the meaning. Compare the two when the chain changes.

use super::Meaning::{self, *};
use crate::values::allowance::GrantProblem;
use crate::values::units::{Gas, Sequence, Uallo};

/// An error as the chain registers it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) codespace: &'static str,
    pub(crate) code: u32,
    /// The text registered for (codespace, code): the end of every text of this error. Empty where
    /// the chain registers none and `hint` alone identifies it.
    pub(crate) text: &'static str,
    /// What else the text must contain; empty for anything.
    pub(crate) hint: &'static str,
    /// True: only from executing a message, where the fee is lost in a block. False: only from
    /// decoding or the ante handler, which is free. `None`: from anywhere.
    in_message: Option<bool>,
    /// The meaning, without the numbers that the text carries.
    meaning: Meaning,
}

/// The table. Of several rows for one (codespace, code) the first that fits counts.
#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    row("emissions", 6, "invalid topic ID", UnknownTopic),
    row("emissions", 8, "address already registered in a topic", AlreadyRegistered),
    row("emissions", 10, "address is not registered in this topic", NotRegistered),
    row("emissions", 13, "address not registered", NotRegistered),
    row("emissions", 23, "topic does not exist", UnknownTopic),
    row("emissions", 52, "invalid value", InvalidValue),
    row("emissions", 53, "query is too large", MessageTooLarge),
    row("emissions", 67, "worker nonce window not available", WindowNotAvailable),
    row("emissions", 73, "data sender does not have enough denom", Unfunded),
    row("emissions", 75, "unfulfilled nonce not found", WindowClosed),
    row("emissions", 77, "no valid forecast elements found", NoValidForecast),
    row("emissions", 78, "cannot update EMA more than once per window", AlreadySubmitted),
    row("emissions", 83, "not permitted to submit worker payload", NotWhitelisted),
    row("emissions", 95, "invalid label name", InvalidLabel),
    row("emissions", 96, "label is not in the topic's label whitelist", LabelNotListed),
    row("emissions", 97, "too many labels in one submission (exceeds per-topic cap)", TooManyLabels),
    row("emissions", 98, "epoch label registry is empty", LabelRegistryEmpty),
    row("emissions", 100, "epoch label registry is saturated", LabelRegistryFull),
    // Go errors that the chain registers nowhere: only their text identifies them.
    row("undefined", 1, "", AlreadySubmitted).with("inference already submitted"),
    row("undefined", 1, "", AlreadySubmitted).with("forecast already submitted"),
    row("undefined", 1, "", LowestScoreNotActive).with("inferer with lowest score is not active"),
    row("undefined", 1, "", BlockFull).with("unable to update fee market state: block utilization"),
    row("undefined", 1, "", ChainPaused).with("tx type not allowed"),
    row("undefined", 1, "", ChainPaused).with("circuit breaker disables"),
    row("undefined", 1, "", FeeDenom).with("error resolving denom"),
    row("undefined", 1, "", InvalidAddress).with("Error validating worker address"),
    row("undefined", 111_222, "panic", ChainPanic),
    row("sdk", 2, "tx parse error", WrongApi).with("unable to resolve type URL"),
    row("sdk", 2, "tx parse error", WrongApi).with("failed to retrieve the message of type"),
    row("sdk", 2, "tx parse error", WrongApi).with("no message handler found"),
    row("sdk", 2, "tx parse error", BadPayload).with("value is out of range"),
    row("sdk", 2, "tx parse error", BadPayload).with("parse mantissa"),
    row("sdk", 2, "tx parse error", BadPayload).with("parse exponent"),
    row("sdk", 2, "tx parse error", Undecodable),
    row("sdk", 4, "unauthorized", BundleSignature).only_in_message(true),
    row("sdk", 4, "unauthorized", Unauthorized).only_in_message(false),
    row("sdk", 5, "insufficient funds", Unfunded),
    row("sdk", 6, "unknown request", WrongApi),
    row("sdk", 7, "invalid address", InvalidAddress),
    row("sdk", 8, "invalid pubkey", InvalidPubkey),
    row("sdk", 9, "unknown address", UnknownAccount),
    row("sdk", 11, "out of gas", OutOfGas { wanted: None, used: None }),
    row("sdk", 12, "memo too large", MemoTooLarge),
    row("sdk", 13, "insufficient fee", FeeTooLow { required: None }),
    row("sdk", 18, "invalid request", InvalidRequest),
    row("sdk", 19, "tx already in mempool", InCache),
    row("sdk", 20, "mempool is full", MempoolFull),
    row("sdk", 21, "tx too large", TxTooLarge),
    row("sdk", 29, "invalid type", InvalidType),
    row("sdk", 30, "tx timeout height", TimeoutHeight),
    row("sdk", 32, "incorrect account sequence", Meaning::Sequence { expected: Sequence(0), got: Sequence(0) }),
    row("sdk", 38, "not found", NotGranted { problem: GrantProblem::Missing }).with("fee-grant not found"),
    row("sdk", 41, "invalid gas limit", InvalidGasLimit),
    row("feemarket", 1, "no fee coin provided", FeeCoins),
    row("feemarket", 2, "too many fee coins", FeeCoins),
    row("feemarket", 3, "resolver not set", FeeCoins),
    row("feegrant", 2, "fee limit exceeded", NotGranted { problem: GrantProblem::Spent }),
    row("feegrant", 3, "fee allowance expired", NotGranted { problem: GrantProblem::Expired }),
    row("feegrant", 7, "message not allowed", NotGranted { problem: GrantProblem::MessageNotAllowed }),
];

const fn row(codespace: &'static str, code: u32, text: &'static str, meaning: Meaning) -> Row {
    Row {
        codespace,
        code,
        text,
        hint: "",
        in_message: None,
        meaning,
    }
}

impl Row {
    const fn with(mut self, hint: &'static str) -> Row {
        self.hint = hint;
        self
    }

    const fn only_in_message(mut self, in_message: bool) -> Row {
        self.in_message = Some(in_message);
        self
    }

    /// Whether the text and the place where it came from match this row.
    fn fits(&self, text: &str, in_message: bool) -> bool {
        self.in_message.is_none_or(|only| only == in_message) && text.contains(self.hint)
    }

    /// Whether the text ends with the registered text, as a whole part of it.
    fn ends(&self, text: &str) -> bool {
        let before = text.strip_suffix(self.text);
        let is_part = |before: &str| before.is_empty() || before.ends_with(": ");
        self.text.is_empty() || before.is_some_and(is_part)
    }

    /// The meaning with the numbers of the text; `None`: the text lacks one that is indispensable.
    pub(crate) fn meaning(&self, text: &str) -> Option<Meaning> {
        Some(match &self.meaning {
            // `out of gas in location: X; gasWanted: A, gasUsed: B`
            OutOfGas { .. } => OutOfGas {
                wanted: number_after(text, "gasWanted: ").map(Gas),
                used: number_after(text, "gasUsed: ").map(Gas),
            },
            FeeTooLow { .. } => FeeTooLow {
                required: required_fee(text),
            },
            // `account sequence mismatch, expected E, got G`
            Meaning::Sequence { .. } => Meaning::Sequence {
                expected: Sequence(number_after(text, "expected ")?),
                got: Sequence(number_after(text, "got ")?),
            },
            plain => plain.clone(),
        })
    }
}

/// The meaning of a (codespace, code) with its text; `None` if no row fits.
pub(super) fn by_code(codespace: &str, code: u32, text: &str, in_message: bool) -> Option<Meaning> {
    let has_code = |row: &&Row| row.codespace == codespace && row.code == code;
    let mut rows = ROWS.iter().filter(has_code);
    rows.find(|row| row.fits(text, in_message))?.meaning(text)
}

/// The meaning of a text without a code; `None` if no row fits.
pub(super) fn by_text(text: &str, in_message: bool) -> Option<Meaning> {
    let fits = |row: &&Row| row.ends(text) && row.fits(text, in_message);
    ROWS.iter().find(fits)?.meaning(text)
}

/// The fee in `got: Xuallo required: Yuallo, minGasPrice: ..uallo, gas: ..`.
fn required_fee(text: &str) -> Option<Uallo> {
    let (_, rest) = text.split_once(" required: ")?;
    let (digits, _) = rest.split_once("uallo")?;
    digits.parse().ok().map(Uallo)
}

/// The whole number right behind `label`.
fn number_after(text: &str, label: &str) -> Option<u64> {
    let (_, rest) = text.split_once(label)?;
    let mut parts = rest.split(|c: char| !c.is_ascii_digit());
    let number = parts.next()?.parse().ok();
    number.filter(|number| *number <= Sequence::MAX.0)
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
                2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 18, 19, 20, 21, 29, 30, 32, 38, 41,
            ],
        ),
        ("feemarket", &[1, 2, 3]),
        ("feegrant", &[2, 3, 7]),
    ];

    #[test]
    fn the_table_has_every_code_of_the_protocol_and_no_other() {
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
    fn no_text_belongs_to_two_codes() {
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
            .filter(|row| row.in_message.is_none() && !row.text.is_empty())
        {
            let text = match row.code {
                32 => "expected 1, got 2: incorrect account sequence".to_owned(),
                _ => format!("{}: {}", row.hint, row.text),
            };
            assert_eq!(by_text(&text, true), row.meaning(&text), "{text}");
        }
    }

    #[test]
    fn a_fee_beyond_64_bits_is_read() {
        let text = "got: 1uallo required: 99999999999999999999uallo, minGasPrice: 1uallo, gas: 1";
        let required = Some(Uallo(99_999_999_999_999_999_999));
        let meaning = |text| by_code("sdk", 13, text, false);
        assert_eq!(meaning(text), Some(FeeTooLow { required }));
        let other = "got: 1uallo required: 5uatom";
        assert_eq!(meaning(other), Some(FeeTooLow { required: None }));
    }
}
