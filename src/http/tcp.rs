//! TCP connections to hosts with several addresses, made as RFC 8305 says ("happy eyeballs"): an
//! address that swallows packets costs [`ATTEMPT_DELAY`] and not a share of the time limit.
//!
//! ureq tries one address after the other, each with its share of the time. The attempts here go on
//! side by side, on sockets that don't block, so no thread is started.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, time,
};

use crate::http::addresses::Addresses;
use crate::http::host_and_port;

/// How long an attempt may take before the next address is tried beside it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Stands for no time limit, which no request asks for.
const TIME_MAX: Duration = Duration::from_secs(3_600);

/// The time that is left for making a connection, of which looking up a proxy's name takes a part.
pub(super) fn time_left(details: &ConnectionDetails) -> Duration {
    let passed = match details.now {
        time::Instant::Exact(begun) => begun.elapsed(),
        _ => Duration::ZERO,
    };
    let limit = (*details.timeout.after).min(TIME_MAX);
    limit.saturating_sub(passed)
}

/// Connects to the addresses of a host, in their order.
#[derive(Debug)]
pub(super) struct TcpConnector(pub(super) Addresses);

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, TcpConnection>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let stream = first_of(&details.addrs, time_left(details)).map_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                return ureq::Error::Timeout(details.timeout.reason);
            }
            ureq::Error::Io(error)
        })?;
        stream.set_nonblocking(false)?;
        stream.set_nodelay(details.config.no_delay())?;
        if let (Some(key), Ok(address)) = (host_and_port(details.uri), stream.peer_addr()) {
            self.0.connected(&key, address);
        }
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TcpConnection { stream, buffers })))
    }
}

/// The first connection that is made. Addresses are tried in their order, the next one after
/// [`ATTEMPT_DELAY`], or at once if the newest attempt failed.
///
/// # Errors
/// `TimedOut` after `limit`; the last address's error if none can be connected to.
fn first_of(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    let start = Instant::now();
    let mut left = addresses.iter();
    let mut attempts: Vec<TcpStream> = Vec::new();
    let mut next_at = Duration::ZERO;
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let passed = start.elapsed();
        if passed >= limit {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if passed >= next_at || attempts.is_empty() {
            match left.next().map(|address| begin(*address)) {
                Some(Ok(attempt)) => {
                    attempts.push(attempt);
                    next_at = passed + ATTEMPT_DELAY;
                }
                Some(Err(error)) => {
                    last_error = error;
                    continue;
                }
                None if attempts.is_empty() => return Err(last_error),
                None => next_at = limit,
            }
        }
        for place in ended(&attempts, next_at.min(limit).saturating_sub(passed))? {
            let attempt = attempts.remove(place);
            match socket_error(&attempt)? {
                Ok(()) => return Ok(attempt),
                Err(error) => {
                    last_error = error.into();
                    next_at = Duration::ZERO;
                }
            }
        }
    }
}

/// Starts to connect, without waiting for the result.
fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    match connect(&stream, &address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(stream),
        Err(error) => Err(error.into()),
    }
}

/// The places of the attempts that have ended within `time`, the last one first.
fn ended(attempts: &[TcpStream], time: Duration) -> io::Result<Vec<usize>> {
    let event = |attempt| PollFd::new(attempt, PollFlags::OUT);
    let mut events: Vec<PollFd<'_>> = attempts.iter().map(event).collect();
    let time = Timespec::try_from(time).ok();
    match poll(&mut events, time.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let has_ended = |place: &usize| !events[*place].revents().is_empty();
    Ok((0..events.len()).rev().filter(has_ended).collect())
}

/// An open TCP connection.
#[derive(Debug)]
pub(super) struct TcpConnection {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for TcpConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let until = Instant::now() + (*timeout.after).min(TIME_MAX);
        let mut output = &self.buffers.output()[..amount];
        while !output.is_empty() {
            self.stream.set_write_timeout(Some(left(until, timeout)?))?;
            match self.stream.write(output) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(sent) => output = &output[sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error, timeout)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let until = Instant::now() + (*timeout.after).min(TIME_MAX);
        loop {
            self.stream.set_read_timeout(Some(left(until, timeout)?))?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(received) => {
                    self.buffers.input_appended(received);
                    return Ok(received > 0);
                }
                // why: a signal ends a read with a time limit; the rest of the time is left
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error, timeout)),
            }
        }
    }

    /// Whether the server has neither closed the connection nor sent anything unasked.
    fn is_open(&mut self) -> bool {
        let is_silent = |stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let peeked = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            Ok::<bool, io::Error>(
                peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock),
            )
        };
        is_silent(&self.stream).unwrap_or(false)
    }
}

/// The time that is left; an error once it is over, because a socket takes no limit of zero.
fn left(until: Instant, timeout: NextTimeout) -> Result<Duration, ureq::Error> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ureq::Error::Timeout(timeout.reason));
    }
    Ok(left)
}

fn failed(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => ureq::Error::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use allora_localnet::server::black_hole::BlackHole;

    use super::*;

    #[test]
    fn an_address_that_swallows_packets_costs_one_delay() {
        let holes = [(); 3].map(|()| BlackHole::new().unwrap());
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = good.local_addr().unwrap();
        let mut addresses: Vec<SocketAddr> = holes.iter().map(|hole| hole.address).collect();
        addresses.push(good);
        let start = Instant::now();
        let stream = first_of(&addresses, Duration::from_secs(3)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let took = start.elapsed();
        assert!(took >= ATTEMPT_DELAY * 3, "{took:?}");
        assert!(
            took < ATTEMPT_DELAY * 3 + Duration::from_secs(1),
            "{took:?}"
        );
    }

    #[test]
    fn an_address_that_refuses_costs_no_delay_and_alone_is_the_error() {
        let refusing = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = good.local_addr().unwrap();
        let limit = Duration::from_secs(3);
        let start = Instant::now();
        let stream = first_of(&[refusing, refusing, good], limit).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(start.elapsed() < ATTEMPT_DELAY, "{:?}", start.elapsed());
        let error = first_of(&[refusing], limit).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn the_time_limit_ends_all_attempts() {
        let hole = BlackHole::new().unwrap();
        let limit = Duration::from_millis(300);
        let start = Instant::now();
        let error = first_of(&[hole.address, hole.address], limit).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= limit);
    }
}
