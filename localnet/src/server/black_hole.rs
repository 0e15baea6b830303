//! Addresses that swallow packets, as a firewall makes them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

/// Connections that fill the queue of a socket; the system keeps one or two.
const QUEUED_MAX: usize = 100;

/// An address that swallows packets: a listening socket whose queue is full.
pub struct BlackHole {
    pub address: SocketAddr,
    _socket: OwnedFd,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    /// A free loopback port.
    ///
    /// # Errors
    /// When the system gives no socket, or its queue never fills.
    pub fn new() -> io::Result<BlackHole> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listen(&socket, 0)?;
        let address = SocketAddr::try_from(getsockname(&socket)?)?;
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queued.push(stream);
            if queued.len() > QUEUED_MAX {
                return Err(io::Error::other("the socket's queue never fills"));
            }
        }
        Ok(BlackHole {
            address,
            _socket: socket,
            _queued: queued,
        })
    }
}
