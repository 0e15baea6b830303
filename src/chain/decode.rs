//! Decodes an answer's bytes to JSON, or to the error that they hold: the chain's, or a failing
//! server's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::chain::error::{ChainError, ErrorKind, is_json_rpc};
use crate::chain::meaning::split_codespace;
use crate::http::Reply;
use crate::text::Foreign;

/// gRPC codes of a failing node, which say nothing about the chain's state: deadline exceeded,
/// resource exhausted, internal, unavailable.
const GRPC_TROUBLE: [u32; 4] = [4, 8, 13, 14];

/// The gateway's error body.
#[derive(Deserialize)]
struct RawError {
    code: u32,
    message: Foreign,
}

/// Replaces what is not valid UTF-8: the chain writes addresses as raw bytes into some texts.
pub(super) fn readable(mut reply: Reply) -> Reply {
    if let Cow::Owned(text) = String::from_utf8_lossy(&reply.body) {
        reply.body = text.into_bytes();
    }
    reply
}

/// The JSON of a reply, or the error that it holds. Its parts are not parsed: an answer may be many
/// times larger than the part that is used.
pub(super) fn decode(reply: &Reply) -> Result<&RawValue, ErrorKind> {
    if reply.status != 200 {
        return Err(error(reply));
    }
    serde_json::from_slice(&reply.body).map_err(|_| not_a_node(reply))
}

/// The part of a reply's JSON at `pointer`.
pub(super) fn decode_at<T: DeserializeOwned>(reply: &Reply, pointer: &str) -> Result<T, ErrorKind> {
    part_at(decode(reply)?, pointer, reply)
}

/// The part at `pointer` of `json`, which is the reply's.
pub(super) fn part_at<T: DeserializeOwned>(
    json: &RawValue,
    pointer: &str,
    reply: &Reply,
) -> Result<T, ErrorKind> {
    let missing = || shape(&format!("no {pointer}"), reply);
    let mut part = json;
    for key in pointer.split('/').skip(1) {
        let members: Option<BTreeMap<Cow<'_, str>, &RawValue>> =
            serde_json::from_str(part.get()).ok();
        part = members
            .and_then(|m| m.get(key).copied())
            .ok_or_else(missing)?;
    }
    serde_json::from_str(part.get()).map_err(|problem| shape(&problem.to_string(), reply))
}

/// The error in a reply whose status is not 200.
fn error(reply: &Reply) -> ErrorKind {
    let (status, retry_after) = (reply.status, reply.retry_after);
    match status {
        429 => return ErrorKind::RateLimited { retry_after },
        300..400 => {
            let to = reply.location.as_deref().map(Foreign::from);
            return ErrorKind::Redirect { status, to };
        }
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
        Err(_) if status >= 500 => server(None, Foreign::beginning(&reply.body)),
        Err(_) => not_a_node(reply),
    }
}

fn chain_error(reply: &Reply, raw: RawError) -> ChainError {
    let (registered, text) = match split_codespace(raw.message.raw()) {
        Some((codespace, code, rest)) => (Some((codespace.into(), code)), rest.into()),
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
        text: Foreign::beginning(&reply.body),
    }
}

pub(super) fn shape(problem: &str, reply: &Reply) -> ErrorKind {
    let text = Foreign::beginning(&reply.body);
    if is_json_rpc(&text) {
        return not_a_node(reply);
    }
    let problem = problem.into();
    ErrorKind::Shape { problem, text }
}
