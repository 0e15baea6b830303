//! Connections for ureq, with five additions: an error says whether there was a connection at all, a
//! server may send only [`INPUT_BYTES_MAX`] for one request, a connection that breaks ends no answer,
//! an error says whether the request may be repeated on a new connection, and which other protocol
//! the server speaks.

use std::io;

use thiserror::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, Transport,
};

use crate::http::HEADER_BYTES_MAX;
use crate::http::addresses::Addresses;
use crate::http::error::{Phase, ProxyFailure, TransportError};
use crate::http::proxy::Proxy;
use crate::http::tcp::TcpConnector;
use crate::http::tunnel::TunnelConnector;

/// The most bytes that a server may send for one request: the answer with everything around it,
/// such as interim answers (status 1xx), chunk sizes and chunk extensions, none of which ureq
/// limits. Four times the largest body that is asked for.
const INPUT_BYTES_MAX: usize = 1024 * 1024;

/// Part of the library's error for a first record that is none of TLS.
const NO_TLS_RECORD: &str = "InvalidContentType";
/// The beginning of a TLS alert, which servers answer to plain text.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];
/// The type of the frame that begins what an HTTP/2 server sends, and its place.
const SETTINGS_FRAME: (u8, usize) = (4, 3);
/// The bytes of a frame's head, of which the last four are its stream.
const FRAME_HEAD_BYTES: usize = 9;

/// Carries an error through ureq, which has no place for it.
#[derive(Debug, Error)]
#[error(transparent)]
pub(super) struct Explained(pub(super) TransportError);

impl From<Explained> for ureq::Error {
    fn from(explained: Explained) -> ureq::Error {
        ureq::Error::Other(Box::new(explained))
    }
}

/// A connection that was used before was closed without any byte of an answer to this request:
/// servers and what is in front of them close kept connections when they like.
#[derive(Debug, Error)]
#[error("closed without an answer: {0}")]
struct Unanswered(io::Error);

/// Whether the request may be repeated on a new connection, which cannot end with such an error.
pub(super) fn is_unanswered(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Other(inner) if inner.is::<Unanswered>())
}

/// Makes connections: a tunnel through a proxy, or TCP, and TLS if the URL uses it. The connection to
/// the proxy itself is made by the same connector.
pub(super) fn connector(addresses: &Addresses) -> impl Connector<(), Out = Bounded> {
    let tcp = TcpConnector(addresses.clone());
    let tunnel = ().chain(TunnelConnector::default());
    BoundedConnector(tunnel.chain(tcp).chain(RustlsConnector::default()))
}

#[derive(Debug)]
struct BoundedConnector<C>(C);

impl<C: Connector<()>> Connector<()> for BoundedConnector<C> {
    type Out = Bounded;

    /// Each error is one without a connection: the request was certainly not sent.
    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Bounded>, ureq::Error> {
        let connection = self.0.connect(details, chained);
        let connection = connection.map_err(|error| match details.config.proxy() {
            Some(proxy) => Explained(explain_through(proxy, error)),
            None => Explained(explain(error)),
        })?;
        let bounded = |inner| Bounded {
            inner: Box::new(inner),
            received: 0,
            is_reused: false,
        };
        Ok(connection.map(bounded))
    }
}

fn explain(error: ureq::Error) -> TransportError {
    match error {
        ureq::Error::Timeout(_) => TransportError::ConnectTimeout,
        ureq::Error::Io(io) => match io.kind() {
            io::ErrorKind::ConnectionRefused => TransportError::Refused,
            io::ErrorKind::TimedOut => TransportError::ConnectTimeout,
            io::ErrorKind::InvalidData => no_tls(&io.to_string()),
            _ => TransportError::Connect(io.to_string().into()),
        },
        ureq::Error::Tls(reason) => TransportError::Tls(reason.into()),
        ureq::Error::Rustls(reason) => no_tls(&reason.to_string()),
        other => TransportError::Connect(other.to_string().into()),
    }
}

fn no_tls(reason: &str) -> TransportError {
    if reason.contains(NO_TLS_RECORD) {
        TransportError::PlainPort
    } else {
        TransportError::Tls(reason.into())
    }
}

/// What the first bytes of an answer to a plain HTTP/1.1 request are, if they are no HTTP/1.1.
fn other_protocol(input: &[u8]) -> Option<TransportError> {
    let (settings, place) = SETTINGS_FRAME;
    let is_settings = |head: &[u8]| head[place] == settings && head[place + 2..] == [0; 4];
    if input.starts_with(&TLS_ALERT) {
        Some(TransportError::TlsPort)
    } else if input.get(..FRAME_HEAD_BYTES).is_some_and(is_settings) {
        Some(TransportError::GrpcPort)
    } else {
        None
    }
}

/// The error of a connection through a proxy: either to the proxy, or of the tunnel's TLS.
fn explain_through(proxy: &ureq::Proxy, error: ureq::Error) -> TransportError {
    let failure = match error {
        ureq::Error::ConnectProxyFailed(reason) if reason.contains("407") => ProxyFailure::Password,
        ureq::Error::ConnectProxyFailed(reason) => ProxyFailure::Refused(reason.into()),
        ureq::Error::Other(inner) => ProxyFailure::Down(inner.to_string().into()),
        ureq::Error::Timeout(_) => ProxyFailure::Down("no answer in time".into()),
        other => return explain(other),
    };
    TransportError::Proxy {
        proxy: Proxy::of_library(proxy).to_string(),
        failure,
    }
}

/// Replaces the errors that ureq takes for the end of an answer without a length: of `3021.57`, the
/// `30` that came before a reset would be signed. Only an orderly close is an end.
fn broken(error: ureq::Error) -> ureq::Error {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        ureq::Error::Io(io)
            if matches!(
                io.kind(),
                ConnectionAborted | ConnectionReset | UnexpectedEof
            ) =>
        {
            Explained(TransportError::Cut {
                phase: Phase::Waiting, // the caller knows the phase and sets it
                reason: io.to_string().into(),
            })
            .into()
        }
        other => other,
    }
}

/// A connection that ends with an error once more than [`INPUT_BYTES_MAX`] bytes came for one
/// request.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: Box<dyn Transport>,
    /// Bytes since the request was sent.
    received: usize,
    /// Whether it has answered an earlier request.
    is_reused: bool,
}

impl Bounded {
    /// Replaces the error of a connection that was closed before any byte of an answer, if it was
    /// used before. A tunnel's own connection was used to open the tunnel, which does not count.
    fn closed(&self, error: ureq::Error) -> ureq::Error {
        let error = match error {
            ureq::Error::Other(inner) => match inner.downcast::<Unanswered>() {
                Ok(of_tunnel) => ureq::Error::Io(of_tunnel.0),
                Err(inner) => ureq::Error::Other(inner),
            },
            other => other,
        };
        match error {
            ureq::Error::Io(io) if self.is_reused && self.received == 0 => {
                ureq::Error::Other(Box::new(Unanswered(io)))
            }
            other => broken(other),
        }
    }
}

impl Transport for Bounded {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.is_reused |= self.received > 0;
        self.received = 0;
        let sent = self.inner.transmit_output(amount, timeout);
        sent.map_err(|error| self.closed(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.inner.buffers().input().len();
        let made_progress = self.inner.await_input(timeout);
        let made_progress = made_progress.map_err(|error| self.closed(error))?;
        let after = self.inner.buffers().input().len();
        self.received = self.received.saturating_add(after.saturating_sub(before));
        if self.received > INPUT_BYTES_MAX {
            return Err(Explained(TransportError::TooLarge {
                bytes_max: INPUT_BYTES_MAX,
            })
            .into());
        }
        // why: later bytes are the answer's own
        if self.received == after
            && let Some(other) = other_protocol(self.inner.buffers().input())
        {
            return Err(Explained(other).into());
        }
        if !made_progress && self.received == after && after >= HEADER_BYTES_MAX {
            return Err(Explained(TransportError::HeadersTooLarge {
                bytes_max: HEADER_BYTES_MAX,
            })
            .into());
        }
        if !made_progress && self.received == 0 {
            return Err(self.closed(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
        }
        Ok(made_progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
