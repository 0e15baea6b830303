//! Why a request to the chain gave no usable answer. The error keeps what matters for a decision:
//! whether the request was sent, whether the chain or a failing server answered, and the HTTP
//! status, gRPC code, codespace, code and text (protocol.md section 3.1).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::chain::endpoints::{BACK_OFF_MIN, EndpointId};
use crate::chain::meaning::Meaning;
use crate::chain::route::Route;
use crate::http::TransportError;
use crate::text::{Foreign, with_causes};
use crate::values::units::Height;

/// A node's words about a look-up of a transaction while it has no index.
const NO_INDEX: &str = "indexing is disabled";

/// A request that gave no usable answer. Unless it has a [`meaning`](LcdError::meaning), the state
/// asked for is unknown; it is never a "no".
#[derive(Clone, Debug, Error)]
#[error("asking {endpoint} for {route} failed")]
pub struct LcdError {
    pub route: Route,
    /// The endpoint asked: scheme, host and port only.
    pub endpoint: Arc<str>,
    /// Its place in the configured list; `None` if no endpoint could be asked.
    pub endpoint_id: Option<EndpointId>,
    /// Whether any part of the request was sent. The question for the chain id that may precede it
    /// does not count.
    pub sent: bool,
    #[source]
    pub kind: ErrorKind,
}

impl LcdError {
    /// True only if the request certainly never reached the server. Otherwise it may have had its
    /// effect: a broadcast's bytes may be in a mempool.
    pub fn never_left(&self) -> bool {
        !self.sent
            || match &self.kind {
                ErrorKind::Transport(error) => error.never_left(),
                ErrorKind::Wait { .. } | ErrorKind::WrongChain { .. } => true,
                ErrorKind::Chain(_)
                | ErrorKind::RateLimited { .. }
                | ErrorKind::Server { .. }
                | ErrorKind::Redirect { .. }
                | ErrorKind::NotANode { .. }
                | ErrorKind::Shape { .. }
                | ErrorKind::Unbelievable(_)
                | ErrorKind::Behind
                | ErrorKind::Syncing
                | ErrorKind::NoBalance { .. }
                | ErrorKind::UndecidedVersion { .. } => false,
            }
    }

    /// What the chain's error means, if the chain answered: a definite answer.
    pub fn meaning(&self) -> Option<Meaning> {
        self.kind.of_chain().and_then(ChainError::meaning)
    }

    /// Whether the node does not have the route (501). For an emissions route this hints at another
    /// version, but does not prove it.
    pub fn is_not_served(&self) -> bool {
        self.meaning() == Some(Meaning::NotServed)
    }

    /// Whether the node said that it has no transaction index.
    pub fn is_no_index(&self) -> bool {
        let of_chain = self.kind.of_chain();
        of_chain.is_some_and(|error| error.text.raw().contains(NO_INDEX))
    }

    /// The error and its causes in one line.
    pub fn line(&self) -> String {
        with_causes(self)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ErrorKind {
    /// No complete answer came.
    #[error("{0}")]
    Transport(TransportError),
    /// The chain answered with an error.
    #[error("{0}")]
    Chain(ChainError),
    #[error("the server says that these are too many requests (429){}", pause(*retry_after))]
    RateLimited { retry_after: Option<Duration> },
    /// The server, or a proxy in front of it, failed; the chain did not answer.
    #[error("server trouble, status {status}: {text}{}", pause(*retry_after))]
    Server {
        status: u16,
        /// The gRPC code, if the body was the gateway's JSON.
        grpc_code: Option<u32>,
        /// The gateway's text, or the beginning of the body.
        text: Foreign,
        retry_after: Option<Duration>,
    },
    /// Redirects are not followed.
    #[error(
        "the server redirects (status {status}){}: put the URL it leads to into api_url, without the \
         route", leads_to(to.as_ref())
    )]
    Redirect { status: u16, to: Option<Foreign> },
    /// The body is not JSON, or no node answers with this status. `text` is the body's beginning.
    #[error("status {status} with a body that no node gives: {text}{}", rpc_hint(*status, text))]
    NotANode { status: u16, text: Foreign },
    /// The body is JSON, but not the route's. `text` is the body's beginning.
    #[error("an answer of an unknown shape ({problem}): {text}")]
    Shape { problem: Foreign, text: Foreign },
    /// The answer is well formed, but cannot be true.
    #[error("it claims {0}, which cannot be; it is not believed")]
    Unbelievable(String),
    /// Not sent: every endpoint asked for a pause or serves another chain.
    #[error("not asked: no endpoint may be asked within the next {} s", wait.as_secs())]
    Wait { wait: Duration },
    /// The endpoint serves another chain than the one that is signed for; it is not used.
    #[error(
        "the endpoint serves chain {got}, not {expected}: remove it from api_url, or correct network \
         or chain_id"
    )]
    WrongChain { expected: String, got: String },
    /// The node is blocks behind another endpoint; it is not used before it has caught up.
    #[error("the node is behind the chain")]
    Behind,
    /// The node is not used before it has caught up with its chain.
    #[error("the node is still syncing")]
    Syncing,
    /// The endpoint serves neither of the routes that name a balance.
    #[error(
        "it serves neither spendable_balances nor balances of /cosmos/bank/v1beta1 (status {status}): \
         let requests to one of them pass, or use another node in api_url"
    )]
    NoBalance { status: u16 },
    /// The node answers neither as v9 nor as v10; often for a moment while it starts.
    #[error("undecided which emissions version the node serves: v10 {v10}; v9 {v9}")]
    UndecidedVersion { v10: String, v9: String },
}

/// What a node's RPC answers to the path of a REST route.
const RPC_NOT_FOUND: &str = "404 page not found";
/// A member of what a node's RPC answers otherwise.
const RPC_MEMBER: &str = "\"jsonrpc\"";

/// Whether a body is an answer of JSON-RPC.
pub(super) fn is_json_rpc(body: &Foreign) -> bool {
    body.raw().starts_with('{') && body.raw().contains(RPC_MEMBER)
}

fn rpc_hint(status: u16, body: &Foreign) -> &'static str {
    let is_not_found = status == 404 && body.raw().trim() == RPC_NOT_FOUND;
    if is_not_found || is_json_rpc(body) {
        "; a node's RPC address (CometBFT, usually port 26657) answers so: use its REST API (LCD), \
         usually port 1317"
    } else {
        ""
    }
}

/// The chain's own error to a query or a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainError {
    /// The HTTP status; here a 500 is not the server's fault.
    pub status: u16,
    pub grpc_code: u32,
    /// Codespace and code, if the text names them (`codespace X code N: …`).
    pub registered: Option<(Foreign, u32)>,
    /// The text after the codespace and code.
    pub text: Foreign,
    /// The height that it was answered at, if the node named it.
    pub height: Option<Height>,
    /// Whether that height counts for a decision (R9).
    pub fresh: bool,
}

impl ChainError {
    /// What it means as a query's error; `None` if the node failed and the chain said nothing.
    pub fn meaning(&self) -> Option<Meaning> {
        Meaning::of_query(self.grpc_code, self.registered(), self.text.raw())
    }

    /// What it means as the refusal of a simulated transaction.
    pub fn simulation_meaning(&self) -> Meaning {
        Meaning::of_simulate(self.registered(), self.text.raw())
    }

    fn registered(&self) -> Option<(&str, u32)> {
        let (codespace, code) = self.registered.as_ref()?;
        Some((codespace.raw(), *code))
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the chain says ")?;
        match &self.registered {
            Some((codespace, code)) => write!(f, "{codespace}/{code}: ")?,
            None => write!(f, "{} (gRPC {}): ", self.status, self.grpc_code)?,
        }
        self.text.fmt(f)
    }
}

/// Where a redirect leads to, within its error.
fn leads_to(to: Option<&Foreign>) -> String {
    to.map_or_else(String::new, |to| format!(" to {to}"))
}

/// The pause that a server asks for, at the end of its error.
fn pause(retry_after: Option<Duration>) -> String {
    let asks = |pause: Duration| format!("; it asks for a pause of {} s", pause.as_secs());
    retry_after.map_or_else(String::new, asks)
}

impl ErrorKind {
    /// Whether the endpoint is at fault, so that another one should be asked next.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            ErrorKind::Transport(error) => !matches!(error, TransportError::Url { .. }),
            ErrorKind::Chain(_)
            | ErrorKind::Wait { .. }
            | ErrorKind::WrongChain { .. }
            | ErrorKind::UndecidedVersion { .. } => false,
            ErrorKind::RateLimited { .. }
            | ErrorKind::Server { .. }
            | ErrorKind::Redirect { .. }
            | ErrorKind::NotANode { .. }
            | ErrorKind::Shape { .. }
            | ErrorKind::Unbelievable(_)
            | ErrorKind::Behind
            | ErrorKind::NoBalance { .. }
            | ErrorKind::Syncing => true,
        }
    }

    /// The chain's own error, if it gave one.
    fn of_chain(&self) -> Option<&ChainError> {
        if let ErrorKind::Chain(error) = self {
            Some(error)
        } else {
            None
        }
    }

    /// The pause that the server asks for. A 429 asks for one even if it names no time.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            ErrorKind::RateLimited { retry_after } => retry_after.or(Some(BACK_OFF_MIN)),
            ErrorKind::Server { retry_after, .. } => *retry_after,
            ErrorKind::Transport(_)
            | ErrorKind::Chain(_)
            | ErrorKind::Redirect { .. }
            | ErrorKind::NotANode { .. }
            | ErrorKind::Shape { .. }
            | ErrorKind::Unbelievable(_)
            | ErrorKind::Wait { .. }
            | ErrorKind::WrongChain { .. }
            | ErrorKind::Behind
            | ErrorKind::Syncing
            | ErrorKind::NoBalance { .. }
            | ErrorKind::UndecidedVersion { .. } => None,
        }
    }

    /// The HTTP status of the answer that it is made of.
    pub fn status(&self) -> Option<u16> {
        match self {
            ErrorKind::Chain(error) => Some(error.status),
            ErrorKind::Server { status, .. } | ErrorKind::NotANode { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether it is an error of the chain that the table of meanings does not know.
    pub(super) fn is_unknown_answer(&self) -> bool {
        let meaning = self.of_chain().and_then(ChainError::meaning);
        matches!(meaning, Some(Meaning::Unknown { .. }))
    }

    /// Whether it is an error of the chain that answers no question: another endpoint may know more.
    pub(super) fn is_unknown(&self) -> bool {
        let meaning = self.of_chain().map(ChainError::meaning);
        matches!(meaning, Some(None | Some(Meaning::Unknown { .. })))
    }
}

/// The result of a request, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Ok,
    /// The chain answered with an error.
    ChainError,
    RateLimited,
    /// A failing server, a redirect, a node that is syncing, or a body that is not an answer.
    Server,
    /// No complete answer.
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

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Class::Ok => "ok",
            Class::ChainError => "chain_error",
            Class::RateLimited => "rate_limited",
            Class::Server => "server",
            Class::Transport => "transport",
        }
    }

    pub(super) fn of<T>(result: &Result<T, ErrorKind>) -> Class {
        let Err(kind) = result else {
            return Class::Ok;
        };
        match kind {
            ErrorKind::Chain(_) => Class::ChainError,
            ErrorKind::RateLimited { .. } => Class::RateLimited,
            ErrorKind::Transport(_) => Class::Transport,
            ErrorKind::Server { .. }
            | ErrorKind::Redirect { .. }
            | ErrorKind::NotANode { .. }
            | ErrorKind::Shape { .. }
            | ErrorKind::Unbelievable(_)
            | ErrorKind::Wait { .. }
            | ErrorKind::WrongChain { .. }
            | ErrorKind::Behind
            | ErrorKind::Syncing
            | ErrorKind::NoBalance { .. }
            | ErrorKind::UndecidedVersion { .. } => Class::Server,
        }
    }
}
