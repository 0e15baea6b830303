//! Why a request to the chain gave no answer that can be used. What each error leaves open is kept
//! apart: whether the request ever left, whether it was the chain's own word or a server's trouble,
//! and the HTTP status, gRPC code, codespace, code and text of it (protocol.md section 3.1).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::chain::endpoints::EndpointId;
use crate::chain::meaning::Meaning;
use crate::chain::route::Route;
use crate::http::TransportError;
use crate::text::with_causes;
use crate::values::units::Height;

/// A request that gave no usable answer. Unless [`meaning`](LcdError::meaning) says otherwise, the
/// state asked for is unknown: never "no".
#[derive(Clone, Debug, Error)]
pub struct LcdError {
    /// What was asked.
    pub route: Route,
    /// The endpoint asked: scheme, host and port only.
    pub endpoint: Arc<str>,
    /// Its place in the configured list; `None` if no endpoint could be asked.
    pub endpoint_id: Option<EndpointId>,
    /// Whether anything of the request itself was sent; what preceded it (the question for the
    /// chain id) does not count.
    pub sent: bool,
    /// What went wrong.
    #[source]
    pub kind: ErrorKind,
}

impl fmt::Display for LcdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asking {} for {} failed", self.endpoint, self.route)
    }
}

impl LcdError {
    /// True only if the request surely never reached the server, so that what it would have done
    /// was not done. Everything else is unknown: a broadcast's bytes may be in a mempool.
    #[must_use]
    pub fn never_left(&self) -> bool {
        !self.sent
            || match &self.kind {
                ErrorKind::Transport(error) => error.never_left(),
                ErrorKind::Wait { .. } | ErrorKind::WrongChain { .. } => true,
                _ => false,
            }
    }

    /// What the chain said with it, if it was the chain that spoke: a definite answer.
    #[must_use]
    pub fn meaning(&self) -> Option<Meaning> {
        match &self.kind {
            ErrorKind::Chain(error) => error.meaning(),
            _ => None,
        }
    }

    /// Whether the route does not exist on the node (501): of an emissions route a hint, but no
    /// verdict, that it serves the other version.
    #[must_use]
    pub fn is_not_served(&self) -> bool {
        self.meaning() == Some(Meaning::NotServed)
    }

    /// For how long the server asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            ErrorKind::RateLimited { retry_after } | ErrorKind::Server { retry_after, .. } => {
                *retry_after
            }
            ErrorKind::Wait { wait } => Some(*wait),
            _ => None,
        }
    }

    /// The whole text in one line, causes included, for a log.
    #[must_use]
    pub fn line(&self) -> String {
        with_causes(self)
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ErrorKind {
    /// No whole answer came.
    #[error("{0}")]
    Transport(TransportError),
    /// The chain answered with an error.
    #[error("{0}")]
    Chain(ChainError),
    /// 429: too many requests.
    #[error("the server says that these are too many requests (429)")]
    RateLimited {
        /// For how long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The server, or something in front of it, is in trouble; the chain said nothing.
    #[error("server trouble, status {status}: {text}")]
    Server {
        /// The HTTP status.
        status: u16,
        /// The gRPC code, if the body was the gateway's JSON.
        grpc_code: Option<u32>,
        /// The gateway's text, or the beginning of the body.
        text: String,
        /// For how long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The server sends elsewhere, which is not followed.
    #[error("the server redirects (status {status}): put the URL it leads to into api_url")]
    Redirect {
        /// The HTTP status.
        status: u16,
    },
    /// The body is not JSON, or the status is none that a node gives.
    #[error("status {status} with a body that no node gives: {text}")]
    NotANode {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        text: String,
    },
    /// The body is JSON, but not what the route answers with.
    #[error("an answer of an unknown shape ({problem}): {text}")]
    Shape {
        /// What is missing or wrong.
        problem: String,
        /// The beginning of the body.
        text: String,
    },
    /// Not asked: every endpoint asked for a pause, or is of another chain.
    #[error("not asked: no endpoint wants a request within the next {} s", wait.as_secs())]
    Wait {
        /// How long from now.
        wait: Duration,
    },
    /// The endpoint serves another chain than the first one asked; it is not used.
    #[error("the endpoint serves chain {got}, not {expected}: remove it from api_url")]
    WrongChain {
        /// The chain id learnt first.
        expected: String,
        /// This endpoint's.
        got: String,
    },
    /// The node is blocks behind another endpoint; it is not used before it has caught up.
    #[error("the node is behind the chain")]
    Behind,
    /// The node is still catching up with its chain; it is not used before it has.
    #[error("the node is still syncing")]
    Syncing,
    /// The node answers neither as v9 nor as v10; often for a moment while it starts.
    #[error("undecided which emissions version the node serves: v10 {v10}; v9 {v9}")]
    UndecidedVersion {
        /// What the v10 route gave.
        v10: String,
        /// What the v9 route gave.
        v9: String,
    },
}

/// The chain's own error to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainError {
    /// The HTTP status; 500 is no server fault here.
    pub status: u16,
    /// The gRPC code.
    pub grpc_code: u32,
    /// Codespace and code, if the text names them (`codespace X code N: …`).
    pub registered: Option<(String, u32)>,
    /// The text, without the codespace and code in front.
    pub text: String,
    /// The height that it was answered at, if the node said.
    pub height: Option<Height>,
    /// Whether that height counts for a decision (R9).
    pub fresh: bool,
}

impl ChainError {
    /// What it means; `None` if it is only the node's trouble.
    #[must_use]
    pub fn meaning(&self) -> Option<Meaning> {
        let registered = self
            .registered
            .as_ref()
            .map(|(space, code)| (space.as_str(), *code));
        Meaning::of_query(self.grpc_code, registered, &self.text)
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.registered {
            Some((codespace, code)) => {
                write!(f, "the chain says {codespace}/{code}: {}", self.text)
            }
            None => write!(
                f,
                "the chain says {} (gRPC {}): {}",
                self.status, self.grpc_code, self.text
            ),
        }
    }
}

impl ErrorKind {
    /// Whether the endpoint is at fault, so that another one should be asked next.
    #[must_use]
    pub(super) fn is_fault(&self) -> bool {
        match self {
            ErrorKind::Transport(error) => !matches!(error, TransportError::Url { .. }),
            ErrorKind::RateLimited { .. }
            | ErrorKind::Server { .. }
            | ErrorKind::Redirect { .. }
            | ErrorKind::Syncing
            | ErrorKind::Behind
            | ErrorKind::NotANode { .. } => true,
            ErrorKind::Chain(_)
            | ErrorKind::Shape { .. }
            | ErrorKind::Wait { .. }
            | ErrorKind::WrongChain { .. }
            | ErrorKind::UndecidedVersion { .. } => false,
        }
    }
}

/// How a request ended, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A usable answer.
    Ok,
    /// The chain answered with an error.
    ChainError,
    /// 429.
    RateLimited,
    /// Server trouble, redirects, bodies that are no answer.
    Server,
    /// No whole answer.
    Transport,
}

impl Class {
    /// Every class, in the order of the declaration.
    pub const ALL: [Class; 5] = [
        Class::Ok,
        Class::ChainError,
        Class::RateLimited,
        Class::Server,
        Class::Transport,
    ];

    /// A short name, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Ok => "ok",
            Class::ChainError => "chain_error",
            Class::RateLimited => "rate_limited",
            Class::Server => "server",
            Class::Transport => "transport",
        }
    }

    pub(super) fn of(result: Result<(), &ErrorKind>) -> Class {
        match result {
            Ok(()) => Class::Ok,
            Err(ErrorKind::Chain(_)) => Class::ChainError,
            Err(ErrorKind::RateLimited { .. }) => Class::RateLimited,
            Err(ErrorKind::Transport(_)) => Class::Transport,
            Err(_) => Class::Server,
        }
    }
}
