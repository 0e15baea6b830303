//! A connection with a deadline: every read and write has the time that is left, however slow the
//! client is.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Bytes that are buffered before they are sent.
const BUFFER_BYTES: usize = 4 * 1024;
/// Bytes of a client that are read and dropped after the answer: closing the socket with unread
/// bytes would reset the connection, and the client would lose the answer.
const REST_BYTES_MAX: usize = 64 * 1024;
/// How long that may take; most clients close the connection at once.
const REST_TIME_MAX: Duration = Duration::from_millis(200);

/// One client.
pub(super) struct Exchange {
    stream: TcpStream,
    /// When reading the request, or sending the answer, has to be done.
    ends: Instant,
}

impl Exchange {
    pub(super) fn new(stream: TcpStream, time: Duration) -> Exchange {
        let ends = Instant::now() + time;
        Exchange { stream, ends }
    }

    /// Sets the deadline.
    pub(super) fn within(&mut self, time: Duration) {
        self.ends = Instant::now() + time;
    }

    /// Sends a whole answer.
    pub(super) fn say(
        &mut self,
        status: &str,
        content_type: &str,
        text: &str,
        with_body: bool,
    ) -> io::Result<()> {
        self.begin(status, content_type, Some(text.len()))?;
        if with_body {
            self.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// Sends an answer's head. Without a length, the answer ends where the connection does.
    pub(super) fn begin(
        &mut self,
        status: &str,
        content_type: &str,
        bytes: Option<usize>,
    ) -> io::Result<()> {
        let length = bytes.map_or(String::new(), |bytes| {
            format!("content-length: {bytes}\r\n")
        });
        let allow = if status.starts_with("405") {
            "allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n{length}{allow}cache-control: \
             no-store\r\nconnection: close\r\n\r\n"
        );
        self.write_all(head.as_bytes())
    }

    /// Sends what `write` writes, in pieces.
    pub(super) fn streamed(
        &mut self,
        write: impl FnOnce(&mut Pieces<'_>) -> fmt::Result,
    ) -> io::Result<()> {
        let mut pieces = Pieces {
            exchange: self,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            error: None,
        };
        let written = write(&mut pieces);
        match (written, pieces.error.take()) {
            (Ok(()), _) => pieces.send(),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(io::Error::other(error)),
        }
    }

    /// Ends the answer, and gives the client time to take it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.within(REST_TIME_MAX);
        let mut rest = [0; 512];
        let mut left = REST_BYTES_MAX;
        while left > 0 {
            match self.read(&mut rest) {
                Ok(0) | Err(_) => break,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket reports its time-out as "would block".
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// Sends text in pieces of up to [`BUFFER_BYTES`].
pub(super) struct Pieces<'a> {
    exchange: &'a mut Exchange,
    buffer: Vec<u8>,
    error: Option<io::Error>,
}

impl Pieces<'_> {
    fn send(&mut self) -> io::Result<()> {
        self.exchange.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl fmt::Write for Pieces<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.buffer.len() + text.len() > BUFFER_BYTES
            && let Err(error) = self.send()
        {
            self.error = Some(error);
            return Err(fmt::Error);
        }
        self.buffer.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
