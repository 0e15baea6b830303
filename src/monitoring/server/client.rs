//! One client: its request is read, its answer sent, and the connection closed, each as far as it
//! goes without waiting, and each within a time limit.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use log::debug;
use rustix::event::{PollFd, PollFlags};

use super::Answer;
use super::request::{self, Refused, Request};

/// The time that a client has for its whole request.
pub(super) const REQUEST_TIME_MAX: Duration = Duration::from_secs(1);
/// The time that a client has to take a part of the answer, and to take all of it.
const ANSWER_PART_TIME_MAX: Duration = Duration::from_secs(5);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// The time that a client has to close the connection after the answer; most do so at once.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(200);
/// Bytes of a client that are read and dropped after its request: closing the socket with unread
/// bytes would reset the connection, and the client would lose the answer.
const REST_BYTES_MAX: usize = 64 * 1024;

/// What is done for a client.
#[derive(Debug)]
enum State {
    /// Its request is read: the bytes so far.
    Asking(Vec<u8>),
    /// The answer is sent: its bytes, how many of them are sent, and when it must be there.
    Answering(Vec<u8>, usize, Instant),
    /// The connection is closed by the client: the bytes that it may still send.
    Closing(usize),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    state: State,
    /// When the time for the current state ends.
    pub(super) ends: Instant,
}

impl Client {
    pub(super) fn new(stream: TcpStream) -> io::Result<Client> {
        stream.set_nonblocking(true)?;
        Ok(Client {
            stream,
            state: State::Asking(Vec::new()),
            ends: Instant::now() + REQUEST_TIME_MAX,
        })
    }

    /// Whether its request is not complete yet.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking(_))
    }

    /// The bytes of its answer.
    pub(super) fn answer_bytes(&self) -> usize {
        match &self.state {
            State::Answering(bytes, ..) => bytes.len(),
            State::Asking(_) | State::Closing(_) => 0,
        }
    }

    /// The event to wait for.
    pub(super) fn event(&self) -> PollFd<'_> {
        let flags = match self.state {
            State::Answering(..) => PollFlags::OUT,
            State::Asking(_) | State::Closing(_) => PollFlags::IN,
        };
        PollFd::new(&self.stream, flags)
    }

    /// Goes on as far as possible without waiting. False once the connection is over.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        answer: impl Fn(&Result<Request, Refused>) -> Answer,
    ) -> bool {
        let result = self.try_to(now, answer);
        if let Err(error) = &result {
            debug!("metrics: a client went away: {error}");
        }
        result.unwrap_or(false)
    }

    fn try_to(
        &mut self,
        now: Instant,
        answer: impl Fn(&Result<Request, Refused>) -> Answer,
    ) -> io::Result<bool> {
        if let State::Asking(head) = &mut self.state {
            let asked = match read_head(&mut self.stream, head)? {
                Some(asked) => asked,
                None if now >= self.ends => Err(request::TOO_LATE),
                None => return Ok(true),
            };
            let with_body = asked.as_ref().is_ok_and(|request| request.with_body);
            let bytes = rendered(&answer(&asked), with_body || asked.is_err());
            self.state = State::Answering(bytes, 0, now + ANSWER_TIME_MAX);
            self.ends = now + ANSWER_PART_TIME_MAX;
        }
        if let State::Answering(bytes, sent, until) = &mut self.state {
            let before = *sent;
            if !send(&mut self.stream, bytes, sent)? {
                if *sent > before {
                    self.ends = (now + ANSWER_PART_TIME_MAX).min(*until);
                }
                return Ok(now < self.ends);
            }
            self.stream.shutdown(Shutdown::Write)?;
            self.state = State::Closing(REST_BYTES_MAX);
            self.ends = now + CLOSE_TIME_MAX;
        }
        let State::Closing(rest) = &mut self.state else {
            return Ok(true);
        };
        Ok(now < self.ends && !is_closed(&mut self.stream, rest))
    }
}

/// Reads more of a request; `None` while it is not complete.
///
/// # Errors
/// When the client closed the connection before its request was complete.
fn read_head(
    stream: &mut TcpStream,
    head: &mut Vec<u8>,
) -> io::Result<Option<Result<Request, Refused>>> {
    let mut bytes = [0; 1_024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => head.extend(bytes.iter().take(count)),
            Err(error) => return would_block(error).map(|()| None),
        }
        if let Some(asked) = request::parse(head) {
            return Ok(Some(asked));
        }
    }
}

/// Sends what the client takes now. Returns whether that is all.
fn send(stream: &mut TcpStream, bytes: &[u8], sent: &mut usize) -> io::Result<bool> {
    while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
        match stream.write(rest) {
            Ok(count) => *sent += count,
            Err(error) => return would_block(error).map(|()| false),
        }
    }
    Ok(true)
}

/// Whether the client has closed the connection, or sends more than it may.
fn is_closed(stream: &mut TcpStream, rest: &mut usize) -> bool {
    let mut bytes = [0; 1_024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(count) if count >= *rest => return true,
            Ok(count) => *rest -= count,
            Err(error) => return would_block(error).is_err(),
        }
    }
}

/// `Ok` if nothing is wrong but that the client is not ready.
fn would_block(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}

/// The bytes of an answer.
fn rendered((status, content_type, text): &Answer, with_body: bool) -> Vec<u8> {
    let allow = if status.starts_with("405") {
        "allow: GET, HEAD\r\n"
    } else {
        ""
    };
    let length = text.len();
    let body = if with_body { text } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{allow}\
         cache-control: no-store\r\nconnection: close\r\n\r\n{body}"
    );
    head.into_bytes()
}
