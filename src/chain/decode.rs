//! Decodes an answer's bytes to JSON, or to the error that they hold: the chain's, or a failing
//! server's.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use crate::chain::error::{ChainError, ErrorKind};
use crate::chain::meaning::split_codespace;
use crate::http::Reply;
use crate::text::excerpt;

/// gRPC codes of a failing node, which say nothing about the chain's state: deadline exceeded,
/// resource exhausted, internal, unavailable.
const GRPC_TROUBLE: [u32; 4] = [4, 8, 13, 14];

/// The gateway's error body.
#[derive(Deserialize)]
struct RawError {
    code: u32,
    message: String,
}

/// The whole JSON of a reply, or the error that it holds.
pub(super) fn decode<T: DeserializeOwned>(reply: &Reply) -> Result<T, ErrorKind> {
    if reply.status != 200 {
        return Err(error(reply));
    }
    serde_json::from_slice(&reply.body).map_err(|problem| match problem.classify() {
        Category::Data => shape(&problem.to_string(), reply),
        _ => not_a_node(reply),
    })
}

/// The part of a reply's JSON at `pointer`.
pub(super) fn decode_at<T: DeserializeOwned>(reply: &Reply, pointer: &str) -> Result<T, ErrorKind> {
    take_at(&mut decode(reply)?, pointer, reply)
}

/// Takes the part at `pointer` out of `json`, which is the reply's.
pub(super) fn take_at<T: DeserializeOwned>(
    json: &mut Value,
    pointer: &str,
    reply: &Reply,
) -> Result<T, ErrorKind> {
    let part = json
        .pointer_mut(pointer)
        .ok_or_else(|| shape(&format!("no {pointer}"), reply))?;
    serde_json::from_value(part.take()).map_err(|problem| shape(&problem.to_string(), reply))
}

/// The error in a reply whose status is not 200.
fn error(reply: &Reply) -> ErrorKind {
    let (status, retry_after) = (reply.status, reply.retry_after);
    match status {
        429 => return ErrorKind::RateLimited { retry_after },
        300..400 => return ErrorKind::Redirect { status },
        _ => {}
    }
    let server = |grpc_code, text| ErrorKind::Server {
        status,
        grpc_code,
        text,
        retry_after,
    };
    match serde_json::from_slice::<RawError>(&reply.body) {
        Ok(raw) if matches!(status, 502..=504) || GRPC_TROUBLE.contains(&raw.code) => {
            server(Some(raw.code), raw.message)
        }
        Ok(raw) => ErrorKind::Chain(chain_error(reply, raw)),
        Err(_) if status >= 500 => server(None, excerpt(&reply.body)),
        Err(_) => not_a_node(reply),
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

fn not_a_node(reply: &Reply) -> ErrorKind {
    ErrorKind::NotANode {
        status: reply.status,
        text: excerpt(&reply.body),
    }
}

pub(super) fn shape(problem: &str, reply: &Reply) -> ErrorKind {
    ErrorKind::Shape {
        problem: problem.to_owned(),
        text: excerpt(&reply.body),
    }
}
