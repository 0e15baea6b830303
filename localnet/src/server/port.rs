//! A listening port that can refuse connections and stay reserved.
//!
//! While the listening socket is closed, a second socket, which is bound and never listens, holds
//! the port: connections are refused, and no other process can take the port.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

/// Number of connections that can wait to be accepted.
const BACKLOG: i32 = 128;

/// A port that stays reserved as long as this lives.
#[derive(Debug)]
pub(super) struct Port {
    _holder: OwnedFd,
    address: SocketAddr,
}

impl Port {
    /// Reserves a port; 0 means any free port.
    ///
    /// # Errors
    /// When the port is taken or the address is not local.
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

    /// The address with the actual port.
    #[must_use]
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until the listener is dropped.
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
    fn a_port_refuses_connections_while_not_listening_and_accepts_them_again() {
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
