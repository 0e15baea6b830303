//! Reads HTTP/1.1 requests of bounded size from a socket.

use std::io::{self, Read as _};

use crate::server::answer::Request;
use crate::server::connection::Connection;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
const HEADERS_MAX: usize = 64;

/// What arrived on a connection.
pub(crate) enum Read {
    Request {
        request: Request,
        /// Whether the peer wants the connection closed afterwards.
        close: bool,
        /// Length of head and body.
        length: usize,
    },
    /// The peer closed the connection, or sent nothing for too long.
    End,
    /// Not a valid request: the status and text to answer with.
    Malformed(u16, &'static str),
}

/// Reads one request. Bytes after it stay in the buffer.
pub(crate) fn read_request(stream: &mut Connection, buffer: &mut Vec<u8>) -> io::Result<Read> {
    loop {
        match parse(buffer) {
            Parsed::Whole {
                request,
                close,
                length,
            } => {
                buffer.drain(..length);
                return Ok(Read::Request {
                    request,
                    close,
                    length,
                });
            }
            Parsed::Malformed(status, why) => return Ok(Read::Malformed(status, why)),
            Parsed::More => {}
        }
        let mut chunk = [0; 16 * 1024];
        let count = match stream.read(&mut chunk) {
            Ok(0) => return Ok(Read::End),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(Read::End),
        };
        buffer.extend_from_slice(&chunk[..count]);
    }
}

enum Parsed {
    Whole {
        request: Request,
        close: bool,
        length: usize,
    },
    More,
    Malformed(u16, &'static str),
}

fn parse(buffer: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let head_bytes = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() < HEAD_BYTES_MAX => return Parsed::More,
        Ok(httparse::Status::Partial) => return Parsed::Malformed(431, "the head is too long"),
        Err(_) => return Parsed::Malformed(400, "this is not an HTTP request"),
    };
    let header = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    if header("transfer-encoding").is_some() {
        return Parsed::Malformed(411, "the body's length must be given");
    }
    let body_bytes = match header("content-length").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(length)) if length <= BODY_BYTES_MAX => length,
        Some(_) => return Parsed::Malformed(413, "the body is too long"),
    };
    let length = head_bytes + body_bytes;
    let Some(body) = buffer.get(head_bytes..length) else {
        return Parsed::More;
    };
    let target = head.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: head.method.unwrap_or("GET").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        height: header("x-cosmos-block-height").and_then(|h| h.parse().ok()),
        head: String::from_utf8_lossy(&buffer[..head_bytes]).into_owned(),
        body: body.to_vec(),
    };
    let close = header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"))
        || head.version == Some(0);
    Parsed::Whole {
        request,
        close,
        length,
    }
}
