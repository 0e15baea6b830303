//! Why a request got no whole answer, in terms of what it leaves open.

use std::fmt;

use thiserror::Error;

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The URL cannot be asked.
    #[error("the URL is not usable ({reason})")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The name has no address.
    #[error("the name was not found ({reason}); check its spelling and this machine's DNS")]
    NameNotFound {
        /// What the look-up said.
        reason: String,
    },
    /// Nobody listens there.
    #[error("connection refused: nothing listens there")]
    Refused,
    /// No connection within the time limit.
    #[error("no connection in time: the host is down or a firewall drops the packets")]
    ConnectTimeout,
    /// The TLS handshake failed.
    #[error("no TLS connection ({reason}); check the certificate and this machine's clock")]
    Tls {
        /// What the TLS library said.
        reason: String,
    },
    /// No connection, for another reason.
    #[error("no connection ({reason})")]
    Connect {
        /// What the system said.
        reason: String,
    },
    /// The time limit passed after the connection was made.
    #[error("timed out while {phase}")]
    TimedOut {
        /// How far it had come.
        phase: Phase,
    },
    /// The connection broke after it was made.
    #[error("the connection broke while {phase} ({reason})")]
    Cut {
        /// How far it had come.
        phase: Phase,
        /// What the system said.
        reason: String,
    },
    /// The body is larger than allowed.
    #[error("the answer is larger than {body_bytes_max} bytes")]
    TooLarge {
        /// The limit.
        body_bytes_max: usize,
    },
    /// What came back is not HTTP.
    #[error("the answer is not HTTP ({reason})")]
    NotHttp {
        /// What is wrong with it.
        reason: String,
    },
}

/// How far a request had come after its connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sending it, or waiting for the answer's headers.
    Waiting,
    /// Reading the answer's body.
    Reading,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Waiting => "waiting for the answer",
            Phase::Reading => "reading the answer",
        })
    }
}

impl TransportError {
    /// Whether the time limit passed: nobody said no.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        matches!(
            self,
            TransportError::ConnectTimeout | TransportError::TimedOut { .. }
        )
    }

    /// Whether the request surely never reached the other side: there was no connection. Everything
    /// else leaves open what the other side has done.
    #[must_use]
    pub fn never_left(&self) -> bool {
        match self {
            TransportError::Url { .. }
            | TransportError::NameNotFound { .. }
            | TransportError::Refused
            | TransportError::ConnectTimeout
            | TransportError::Tls { .. }
            | TransportError::Connect { .. } => true,
            TransportError::TimedOut { .. }
            | TransportError::Cut { .. }
            | TransportError::TooLarge { .. }
            | TransportError::NotHttp { .. } => false,
        }
    }
}
