//! A refusal of a transaction: codespace, code and text as the chain gives them, and the place in
//! the chain's source that simulate adds to the text.

use std::fmt;

/// Why a transaction was refused (protocol.md section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxError {
    /// Which list of codes the code belongs to: `sdk`, `emissions`, `feemarket`, `undefined`.
    pub codespace: &'static str,
    /// The number within the codespace.
    pub code: u32,
    /// The text, as in `raw_log`.
    pub text: String,
    /// File and line of the chain's source, which simulate's text carries in brackets.
    pub place: &'static str,
}

/// Where errors without a place of their own come from.
const DEFAULT_PLACE: &str = "cosmos/cosmos-sdk@v0.50.14/baseapp/baseapp.go:1023";
const DECODER: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/tx/decoder.go";

impl TxError {
    /// Any error, without a place of its own.
    #[must_use]
    pub fn new(codespace: &'static str, code: u32, text: impl Into<String>) -> TxError {
        TxError {
            codespace,
            code,
            text: text.into(),
            place: DEFAULT_PLACE,
        }
    }

    /// An error of codespace `sdk`.
    #[must_use]
    pub fn sdk(code: u32, text: impl Into<String>) -> TxError {
        TxError::new("sdk", code, text)
    }

    /// An error of codespace `emissions`.
    #[must_use]
    pub fn emissions(code: u32, text: impl Into<String>) -> TxError {
        TxError::new("emissions", code, text)
    }

    /// A Go error that no module registered: `undefined`, code 1.
    #[must_use]
    pub fn undefined(text: impl Into<String>) -> TxError {
        TxError::new("undefined", 1, text)
    }

    /// Bytes that are no transaction: `sdk`, code 2.
    #[must_use]
    pub fn decode(text: impl fmt::Display) -> TxError {
        TxError::sdk(2, format!("{text}: tx parse error")).at(DECODER)
    }

    /// The same error with the place where the chain raises it.
    #[must_use]
    pub fn at(mut self, place: &'static str) -> TxError {
        self.place = place;
        self
    }

    /// The same error with `what: ` before its text, the way the chain wraps errors.
    #[must_use]
    pub fn wrap(mut self, what: impl fmt::Display) -> TxError {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// `codespace/code`, the key under which reports count it.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.codespace, self.code)
    }
}

impl fmt::Display for TxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.codespace, self.code, self.text)
    }
}

impl std::error::Error for TxError {}
