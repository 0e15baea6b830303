//! A connection with a deadline: every read and write has the time that is left, however slow the
//! client is.

use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Bytes that are buffered before they are sent.
const BUFFER_BYTES: usize = 4 * 1024;
/// Bytes of a client that are read and dropped after the answer: closing the socket with unread
/// bytes would reset the connection, and the client would lose the answer.
const REST_BYTES_MAX: u64 = 64 * 1024;
/// How long that may take; most clients close the connection at once.
const REST_TIME_MAX: Duration = Duration::from_millis(200);

/// One client.
pub(super) struct Exchange {
    pub(super) stream: TcpStream,
    /// The deadline of reading the request, then of sending the answer.
    pub(super) ends: Instant,
}

impl Exchange {
    /// Sets the deadline.
    pub(super) fn within(&mut self, time: Duration) {
        self.ends = Instant::now() + time;
    }

    /// Sends a whole answer.
    pub(super) fn send(
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

    /// Sends what `write` writes, in pieces of [`BUFFER_BYTES`].
    pub(super) fn streamed(
        &mut self,
        write: impl FnOnce(&mut Pieces<'_>) -> fmt::Result,
    ) -> io::Result<()> {
        let mut pieces = Pieces {
            buffer: BufWriter::with_capacity(BUFFER_BYTES, self),
            sent: Ok(()),
        };
        let written = write(&mut pieces).map_err(io::Error::other);
        pieces.sent.and(written)?;
        pieces.buffer.flush()
    }

    /// Ends the answer, and gives the client time to take it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.within(REST_TIME_MAX);
        // why: the answer is sent; errors while the client closes do not matter
        let _ = io::copy(&mut self.take(REST_BYTES_MAX), &mut io::sink());
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

/// Turns text into buffered bytes, and remembers the first error that [`fmt::Error`] can't hold.
pub(super) struct Pieces<'a> {
    buffer: BufWriter<&'a mut Exchange>,
    sent: io::Result<()>,
}

impl fmt::Write for Pieces<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.sent = self.buffer.write_all(text.as_bytes());
        self.sent.as_ref().map_err(|_| fmt::Error).copied()
    }
}
