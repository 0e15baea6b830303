//! Why a request got no complete answer, and whether the server may have received the request.

use thiserror::Error;

use crate::text::Foreign;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    #[error("the URL is not usable ({0})")]
    Url(Foreign),
    #[error("the name was not found ({0}); check its spelling and this machine's DNS")]
    NameNotFound(Foreign),
    #[error("connection refused: nothing listens there")]
    Refused,
    #[error("no connection in time: the host is down or a firewall drops the packets")]
    ConnectTimeout,
    #[error("no TLS connection ({0}); check the certificate and this machine's clock")]
    Tls(Foreign),
    /// The URL is https, and the server answered without TLS.
    #[error("the server speaks no TLS on this port; write http:// instead of https://")]
    PlainPort,
    /// The URL is http, and the server expects TLS.
    #[error("the server expects TLS on this port; write https:// instead of http://")]
    TlsPort,
    /// The server speaks HTTP/2 without TLS, as gRPC servers do.
    #[error(
        "the server speaks only HTTP/2, as a node's gRPC address (port 9090) does; use the node's \
         REST API (LCD), usually port 1317"
    )]
    GrpcPort,
    #[error("no connection ({0})")]
    Connect(Foreign),
    /// There was no tunnel through the proxy.
    #[error("no connection through the proxy {proxy}: {failure}")]
    Proxy {
        /// Without user and password.
        proxy: String,
        failure: ProxyFailure,
    },
    /// The time limit passed after the connection was made.
    #[error("timed out while {phase}")]
    TimedOut { phase: Phase },
    /// The connection broke after it was made.
    #[error("the connection broke while {phase} ({reason})")]
    Cut { phase: Phase, reason: Foreign },
    #[error("the answer is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error(
        "the answer's headers are larger than {bytes_max} bytes; let the server, or what is in front of \
         it, send fewer or shorter ones"
    )]
    HeadersTooLarge { bytes_max: usize },
    #[error("the answer is not HTTP ({0})")]
    NotHttp(Foreign),
}

/// Why a proxy gave no tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProxyFailure {
    #[error(
        "it asks for a user and a password (status 407); write them into its URL, \
         http://user:password@host:port"
    )]
    Password,
    #[error("{0}; correct the proxy in api_params.proxy or in the environment")]
    Down(Foreign),
    #[error("{0}; let it allow CONNECT to the endpoint's host and port, or use another one")]
    Refused(Foreign),
}

/// The phase of a request after its connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Phase {
    /// Sending the request, or waiting for the answer's headers.
    #[error("waiting for the answer")]
    Waiting,
    /// Reading the answer's body.
    #[error("reading the answer")]
    Reading,
}

impl TransportError {
    /// Whether the time limit passed.
    pub fn timed_out(&self) -> bool {
        use TransportError::{ConnectTimeout, TimedOut};
        matches!(self, ConnectTimeout | TimedOut { .. })
    }

    /// The error of a request that was `repeated`, if it was: the first sending had a connection.
    pub(super) fn after_repeat(self, repeated: bool) -> TransportError {
        if repeated && self.never_left() {
            let (phase, reason) = (Phase::Waiting, self.to_string().into());
            return TransportError::Cut { phase, reason };
        }
        self
    }

    /// Whether the request certainly never reached the server, because there was no connection.
    /// After any other error the server may have acted on it.
    pub fn never_left(&self) -> bool {
        use TransportError::{
            Connect, ConnectTimeout, NameNotFound, PlainPort, Proxy, Refused, Tls, Url,
        };
        matches!(
            self,
            Url(_)
                | NameNotFound(_)
                | Refused
                | ConnectTimeout
                | Tls(_)
                | PlainPort
                | Connect(_)
                | Proxy { .. }
        )
    }
}
