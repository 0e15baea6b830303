//! The errors of queries, with the texts of the chain's REST gateway.

use serde_json::{Value, json};

use crate::server::answer::Answer;

fn http_status(grpc_code: u32) -> u16 {
    match grpc_code {
        3 => 400,
        4 => 504,
        5 => 404,
        8 => 429,
        12 => 501,
        14 => 503,
        _ => 500,
    }
}

/// A failed query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    pub grpc_code: u32,
    pub message: String,
    /// Whether the answer names a height. Errors of the gateway itself do not.
    pub has_height: bool,
}

impl QueryError {
    #[must_use]
    pub fn answer(&self, height: Option<u64>) -> Answer {
        let body = json!({"code": self.grpc_code, "message": self.message, "details": []});
        let height = height.filter(|_| self.has_height);
        Answer::json(http_status(self.grpc_code), &body, height)
    }

    /// An error of the query itself.
    #[must_use]
    pub fn new(grpc_code: u32, message: impl Into<String>) -> QueryError {
        QueryError {
            grpc_code,
            message: message.into(),
            has_height: true,
        }
    }

    /// An error of the gateway.
    #[must_use]
    pub fn gateway(grpc_code: u32, message: impl Into<String>) -> QueryError {
        QueryError {
            grpc_code,
            message: message.into(),
            has_height: false,
        }
    }

    #[must_use]
    pub fn not_implemented() -> QueryError {
        QueryError::gateway(12, "Not Implemented")
    }
}

pub type Reply = Result<Value, QueryError>;

/// Parses a number in the path.
///
/// # Errors
/// The gateway's error if the text is not a number.
pub fn path_u64(name: &str, text: &str) -> Result<u64, QueryError> {
    text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        QueryError::gateway(3, format!("type mismatch, parameter: {name}, error: {why}"))
    })
}
