//! A listening port that can refuse connections without giving the port away.
//!
//! A second socket, bound and never listening, holds the port while the listening one is closed:
//! so a refused connection is really refused, and no other process gets the port meanwhile.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A port that is ours for as long as this lives.
#[derive(Debug)]
pub(super) struct Port {
    /// Holds the port; never listens.
    _holder: OwnedFd,
    address: SocketAddr,
}

impl Port {
    /// Takes a port; 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken or the address is not this machine's.
    pub(super) fn take(address: SocketAddr) -> io::Result<Port> {
        if address.port() != 0 {
            // The shared binding below would not notice another simulated chain on this port.
            drop(TcpListener::bind(address)?);
        }
        let holder = bound(address)?;
        let address = SocketAddr::try_from(getsockname(&holder)?)
            .map_err(|_| io::Error::other("the socket has no internet address"))?;
        Ok(Port {
            _holder: holder,
            address,
        })
    }

    /// The address with its real port.
    #[must_use]
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept connections, until the listener is dropped.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn listen(&self) -> io::Result<TcpListener> {
        let listener = bound(self.address)?;
        listen(&listener, BACKLOG)?;
        Ok(TcpListener::from(listener))
    }
}

fn bound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC;
    let fd = socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&fd, true)?;
    set_socket_reuseport(&fd, true)?;
    bind(&fd, &address)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_port_refuses_while_nobody_listens_and_accepts_again() {
        let port = Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
        let refused = TcpStream::connect(port.address()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listener = port.listen().unwrap();
        TcpStream::connect(port.address()).unwrap();
        drop(listener);
        assert!(TcpStream::connect(port.address()).is_err());
        let _listener = port.listen().unwrap();
        TcpStream::connect(port.address()).unwrap();
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let port = Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
        let _listener = port.listen().unwrap();
        assert!(Port::take(port.address()).is_err());
    }
}
