//! From an answer's bytes to JSON, or to what the answer is instead: the chain's own error, or the
//! trouble of a server. Integers travel as JSON strings (protocol.md section 3.1).

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::chain::error::{ChainError, ErrorKind};
use crate::chain::meaning::split_codespace;
use crate::http::Reply;
use crate::text::excerpt;

/// gRPC codes that speak of the node's trouble and not of the chain's state: deadline exceeded,
/// resource exhausted, internal, unavailable.
const GRPC_TROUBLE: [u32; 4] = [4, 8, 13, 14];

/// The gateway's error body.
#[derive(Deserialize)]
struct RawError {
    code: u32,
    message: String,
}

/// The route's JSON, or what the reply is instead.
pub(super) fn decode<T: DeserializeOwned>(reply: &Reply) -> Result<T, ErrorKind> {
    if reply.status != 200 {
        return Err(error(reply));
    }
    serde_json::from_slice(&reply.body).map_err(|problem| match problem.classify() {
        serde_json::error::Category::Data => shape(&problem.to_string(), reply),
        _ => ErrorKind::NotANode {
            status: reply.status,
            text: excerpt(&reply.body),
        },
    })
}

/// What a reply that is not 200 says: the chain's word, or a server's trouble.
fn error(reply: &Reply) -> ErrorKind {
    let status = reply.status;
    if status == 429 {
        return ErrorKind::RateLimited {
            retry_after: reply.retry_after,
        };
    }
    if (300..400).contains(&status) {
        return ErrorKind::Redirect { status };
    }
    let raw = serde_json::from_slice::<RawError>(&reply.body).ok();
    let trouble = |grpc_code, text| ErrorKind::Server {
        status,
        grpc_code,
        text,
        retry_after: reply.retry_after,
    };
    match raw {
        Some(raw) if matches!(status, 502..=504) || GRPC_TROUBLE.contains(&raw.code) => {
            trouble(Some(raw.code), raw.message)
        }
        Some(raw) => ErrorKind::Chain(chain_error(reply, raw)),
        None if status >= 500 => trouble(None, excerpt(&reply.body)),
        None => ErrorKind::NotANode {
            status,
            text: excerpt(&reply.body),
        },
    }
}

fn chain_error(reply: &Reply, raw: RawError) -> ChainError {
    let (registered, text) = match split_codespace(&raw.message) {
        Some((codespace, code, rest)) => (Some((codespace.to_owned(), code)), rest.to_owned()),
        None => (None, raw.message),
    };
    ChainError {
        status: reply.status,
        grpc_code: raw.code,
        registered,
        text,
        height: reply.height,
        fresh: false,
    }
}

pub(super) fn shape(problem: &str, reply: &Reply) -> ErrorKind {
    ErrorKind::Shape {
        problem: problem.to_owned(),
        text: excerpt(&reply.body),
    }
}

/// An integer that travels as a JSON string.
pub(super) fn digits<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(D::Error::custom("not a whole number"));
    }
    text.parse().map_err(D::Error::custom)
}
