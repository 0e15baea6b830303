//! The rejection of a transaction: codespace, code and text of the chain, and the place in the
//! chain's source that simulation adds to the text.

use std::fmt;

/// Why a transaction was rejected (protocol.md section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxError {
    /// The module that defines the code: `sdk`, `emissions`, `feemarket`, `undefined`.
    pub codespace: &'static str,
    pub code: u32,
    /// The text, as in `raw_log`.
    pub text: String,
    /// File and line of the chain's source, which simulation adds in brackets.
    pub place: &'static str,
}

/// The place of errors that have none of their own.
const DEFAULT_PLACE: &str = "cosmos/cosmos-sdk@v0.50.14/baseapp/baseapp.go:1023";
const DECODER: &str = "cosmos/cosmos-sdk@v0.50.14/x/auth/tx/decoder.go";

impl TxError {
    #[must_use]
    pub fn new(codespace: &'static str, code: u32, text: impl Into<String>) -> TxError {
        TxError {
            codespace,
            code,
            text: text.into(),
            place: DEFAULT_PLACE,
        }
    }

    #[must_use]
    pub fn sdk(code: u32, text: impl Into<String>) -> TxError {
        TxError::new("sdk", code, text)
    }

    #[must_use]
    pub fn emissions(code: u32, text: impl Into<String>) -> TxError {
        TxError::new("emissions", code, text)
    }

    /// A Go error that no module registered: `undefined`, code 1.
    #[must_use]
    pub fn undefined(text: impl Into<String>) -> TxError {
        TxError::new("undefined", 1, text)
    }

    /// Bytes that are not a valid transaction: `sdk`, code 2.
    #[must_use]
    pub fn decode(text: impl fmt::Display) -> TxError {
        TxError::sdk(2, format!("{text}: tx parse error")).at(DECODER)
    }

    /// Sets the place where the chain raises the error.
    #[must_use]
    pub fn at(mut self, place: &'static str) -> TxError {
        self.place = place;
        self
    }

    /// Puts `what: ` in front of the text, as the chain does when it wraps an error.
    #[must_use]
    pub fn wrap(mut self, what: impl fmt::Display) -> TxError {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// `codespace/code`, the key of the report's counters.
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
