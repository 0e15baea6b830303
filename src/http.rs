//! The one place that speaks HTTP, and the only file that names ureq: every option that bites by
//! default is set here (time-outs, redirects, proxies, buffers, idle connections, body limits), for
//! the chain's REST API and the models alike.
//!
//! Names are looked up here too, by `Addresses` and not by ureq: a look-up with a time limit makes
//! ureq start a thread for each request, and it looks the name up even for a request that goes out
//! on an open connection. With a look-up of our own, the time limit can cover the whole request,
//! no thread is started, and a DNS server that fails for a while stops nothing.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::config::Config;
use ureq::http::{HeaderMap, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Agent, Body, RequestBuilder};

mod addresses;
mod error;
mod trust;
pub mod url;

use crate::values::units::Height;
use addresses::{ADDRESSES_MAX, Addresses};
pub use error::{Phase, TransportError};

/// The longest and usual time for one request, from the look-up to the last byte.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(8);

/// No request gets less time than this: a shorter one would only turn slow answers into none.
pub const REQUEST_TIME_MIN: Duration = Duration::from_secs(2);

/// The longest time for a connection to be made, TLS included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Idle connections are closed before a plain node does it, after 10 s (protocol.md section 8): a
/// broadcast must not set out on a connection that is being closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(7);

/// Idle connections per host, unless the caller names another number.
const IDLE_PER_HOST_MAX: usize = 4;

/// Bytes of buffer per connection, each way.
const BUFFER_BYTES: usize = 8 * 1024;

/// Bytes of an answer's status line and headers: they must fit into the buffer.
const HEADER_BYTES_MAX: usize = BUFFER_BYTES;

/// How a URL begins that asks for TLS.
const SECURE: &str = "https:";

/// Who we say we are.
const USER_AGENT: &str = concat!("allora-worker/", env!("CARGO_PKG_VERSION"));

/// In which header a node tells the height that it answered at (protocol.md section 3.1).
const HEIGHT_HEADER: &str = "Grpc-Metadata-X-Cosmos-Block-Height";

/// What one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from the start to the last byte of the body. A look-up that hangs may add to it.
    pub time: Duration,
    /// Bytes of the answer's body.
    pub body_bytes_max: usize,
}

/// An answer, of any status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The height that the node answered at, if its header says.
    pub height: Option<Height>,
    /// `Retry-After` in seconds, if given as such.
    pub retry_after: Option<Duration>,
    /// `Last-Modified`, if given as a time.
    pub last_modified: Option<SystemTime>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// The HTTP client. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Http {
    plain: Agent,
    /// Made when it is first needed: without a URL that asks for TLS nobody's certificates are
    /// read.
    secure: Arc<OnceLock<Agent>>,
    addresses: Addresses,
    idle_per_host_max: usize,
}

impl Default for Http {
    fn default() -> Http {
        Http::new()
    }
}

impl Http {
    /// A client with every option set.
    #[must_use]
    pub fn new() -> Http {
        Http::keeping(IDLE_PER_HOST_MAX)
    }

    /// A client for about `idle_per_host_max` threads that ask one host at the same time: as many
    /// idle connections are kept.
    #[must_use]
    pub fn keeping(idle_per_host_max: usize) -> Http {
        let addresses = Addresses::default();
        Http {
            plain: agent(RootCerts::WebPki, &addresses, idle_per_host_max),
            secure: Arc::default(),
            addresses,
            idle_per_host_max,
        }
    }

    fn agent(&self, url: &str) -> &Agent {
        let scheme = url.get(..SECURE.len());
        match scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SECURE)) {
            true => self
                .secure
                .get_or_init(|| agent(trust::roots(), &self.addresses, self.idle_per_host_max)),
            false => &self.plain,
        }
    }

    /// Asks for `url`.
    ///
    /// # Errors
    /// When no whole answer came; an answer of any status is `Ok`.
    pub fn get(&self, url: &str, limits: Limits) -> Result<Reply, TransportError> {
        self.get_with(url, &[], limits)
    }

    /// Asks for `url` with further headers, names and values.
    ///
    /// # Errors
    /// Like [`get`](Http::get).
    pub fn get_with(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Reply, TransportError> {
        check(url)?;
        let add = |request: RequestBuilder<_>, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        let request = headers.iter().fold(self.agent(url).get(url), add);
        let result = if limits.time == REQUEST_TIME_MAX {
            request.call()
        } else {
            request
                .config()
                .timeout_global(Some(limits.time))
                .build()
                .call()
        };
        self.finish(url, result, limits)
    }

    /// Sends `json` to `url`.
    ///
    /// # Errors
    /// Like [`get`](Http::get).
    pub fn post(&self, url: &str, json: &str, limits: Limits) -> Result<Reply, TransportError> {
        self.post_with(url, json, &[], limits)
    }

    /// Sends `json` to `url` with further headers, names and values.
    ///
    /// # Errors
    /// Like [`get`](Http::get).
    pub fn post_with(
        &self,
        url: &str,
        json: &str,
        headers: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Reply, TransportError> {
        const KIND: &str = "content-type";
        check(url)?;
        let add = |request: RequestBuilder<_>, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        let mut request = headers.iter().fold(self.agent(url).post(url), add);
        let is_kind = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case(KIND);
        if !headers.iter().any(is_kind) {
            request = request.header(KIND, "application/json");
        }
        let result = if limits.time == REQUEST_TIME_MAX {
            request.send(json)
        } else {
            request
                .config()
                .timeout_global(Some(limits.time))
                .build()
                .send(json)
        };
        self.finish(url, result, limits)
    }

    fn finish(
        &self,
        url: &str,
        result: Result<ureq::http::Response<Body>, ureq::Error>,
        limits: Limits,
    ) -> Result<Reply, TransportError> {
        let result = result.map_err(|error| explain(error, Phase::Waiting, limits));
        if result.as_ref().is_err_and(TransportError::never_left)
            && let Some(key) = url.parse().ok().as_ref().and_then(host_and_port)
        {
            self.addresses.distrust(&key);
        }
        let response = result?;
        let (parts, mut body) = response.into_parts();
        let body_bytes_max = u64::try_from(limits.body_bytes_max).unwrap_or(u64::MAX);
        let body = body
            .with_config()
            .limit(body_bytes_max)
            .read_to_vec()
            .map_err(|error| explain(error, Phase::Reading, limits))?;
        Ok(Reply {
            status: parts.status.as_u16(),
            height: header_number(&parts.headers, HEIGHT_HEADER).map(Height),
            retry_after: header_number(&parts.headers, "Retry-After").map(Duration::from_secs),
            last_modified: header_time(&parts.headers, "Last-Modified"),
            body,
        })
    }
}

/// Refuses a URL that cannot be asked, before anything is sent and without showing it.
fn check(url: &str) -> Result<(), TransportError> {
    let uri = url.parse::<Uri>().map_err(|error| TransportError::Url {
        reason: error.to_string(),
    })?;
    let reason = "it needs http:// or https:// and a host".to_owned();
    host_and_port(&uri)
        .map(|_| ())
        .ok_or(TransportError::Url { reason })
}

/// ureq's client with our options, look-ups and marks.
fn agent(roots: RootCerts, addresses: &Addresses, idle_per_host_max: usize) -> Agent {
    let connector = MarkingConnector(DefaultConnector::default());
    Agent::with_parts(
        config(roots, idle_per_host_max),
        connector,
        addresses.clone(),
    )
}

/// Every option of the client, set explicitly: what ureq does by default is beside it.
fn config(roots: RootCerts, idle_per_host_max: usize) -> Config {
    Agent::config_builder()
        .http_status_as_error(false) // default true: the node's JSON would be lost
        .proxy(None) // default: from the environment
        .max_redirects(0) // default 10: a broadcast could travel elsewhere
        .max_redirects_will_error(false) // default true: we name the status ourselves
        .timeout_global(Some(REQUEST_TIME_MAX)) // default none; no thread: see the module's text
        .timeout_connect(Some(CONNECT_TIME_MAX)) // default none
        .max_idle_age(IDLE_TIME_MAX) // default 15 s
        .max_idle_connections(2 * idle_per_host_max) // default 10
        .max_idle_connections_per_host(idle_per_host_max) // default 3
        .input_buffer_size(BUFFER_BYTES) // default 128 KiB
        .output_buffer_size(BUFFER_BYTES) // default 128 KiB
        .max_response_header_size(HEADER_BYTES_MAX) // default 64 KiB
        .no_delay(true) // the default, and needed: requests are small
        .user_agent(USER_AGENT) // default ureq's own
        .tls_config(TlsConfig::builder().root_certs(roots).build()) // default built-in
        .build()
}

/// `scheme://host:port` of a URL, fit to be shown: no user, password, path or query.
#[must_use]
pub fn origin(url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else {
        return "a URL that cannot be read".to_owned();
    };
    let scheme = uri.scheme_str().unwrap_or("http");
    match (uri.host(), uri.port_u16()) {
        (Some(host), Some(port)) => format!("{scheme}://{host}:{port}"),
        (Some(host), None) => format!("{scheme}://{host}"),
        (None, _) => "a URL without a host".to_owned(),
    }
}

/// The origin and path of a URL, fit to be shown: no user, password or query.
#[must_use]
pub fn origin_and_path(url: &str) -> String {
    let path = url
        .parse::<Uri>()
        .map(|uri| uri.path().to_owned())
        .unwrap_or_default();
    origin(url) + &path
}

fn header_number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A header's time in HTTP's usual form, `Sun, 06 Nov 1994 08:49:37 GMT`.
fn header_time(headers: &HeaderMap, name: &str) -> Option<SystemTime> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    Some(OffsetDateTime::parse(text, &Rfc2822).ok()?.into())
}

/// ureq's error in our words.
fn explain(error: ureq::Error, phase: Phase, limits: Limits) -> TransportError {
    match error {
        ureq::Error::Other(inner) => match inner.downcast::<NoConnection>() {
            Ok(no_connection) => no_connection.0,
            Err(other) => TransportError::NotHttp {
                reason: other.to_string(),
            },
        },
        ureq::Error::Timeout(_) => TransportError::TimedOut { phase },
        ureq::Error::Io(io) if io.kind() == io::ErrorKind::TimedOut => {
            TransportError::TimedOut { phase }
        }
        ureq::Error::BodyExceedsLimit(_) => TransportError::TooLarge {
            body_bytes_max: limits.body_bytes_max,
        },
        ureq::Error::Io(io) => TransportError::Cut {
            phase,
            reason: io.to_string(),
        },
        other => TransportError::NotHttp {
            reason: other.to_string(),
        },
    }
}

/// Carries through ureq that an error happened before there was a connection.
#[derive(Debug, Error)]
#[error(transparent)]
struct NoConnection(TransportError);

impl From<NoConnection> for ureq::Error {
    fn from(no_connection: NoConnection) -> ureq::Error {
        ureq::Error::Other(Box::new(no_connection))
    }
}

/// ureq's connector (TCP, then TLS where the URL asks for it), with its errors marked: after one of
/// them the request surely never left.
#[derive(Debug)]
struct MarkingConnector(DefaultConnector);

impl Connector<()> for MarkingConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0
            .connect(details, chained)
            .map_err(|error| NoConnection(explain_connect(error)).into())
    }
}

fn explain_connect(error: ureq::Error) -> TransportError {
    match error {
        ureq::Error::Timeout(_) => TransportError::ConnectTimeout,
        ureq::Error::Io(io) => match io.kind() {
            io::ErrorKind::ConnectionRefused => TransportError::Refused,
            io::ErrorKind::TimedOut => TransportError::ConnectTimeout,
            io::ErrorKind::InvalidData => TransportError::Tls {
                reason: io.to_string(),
            },
            _ => TransportError::Connect {
                reason: io.to_string(),
            },
        },
        ureq::Error::Tls(reason) => TransportError::Tls {
            reason: reason.to_owned(),
        },
        ureq::Error::Rustls(reason) => TransportError::Tls {
            reason: reason.to_string(),
        },
        other => TransportError::Connect {
            reason: other.to_string(),
        },
    }
}

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let key = host_and_port(uri).ok_or_else(|| {
            NoConnection(TransportError::Url {
                reason: "no host in it".to_owned(),
            })
        })?;
        let not_found = |reason| NoConnection(TransportError::NameNotFound { reason });
        let addresses = self
            .of(&key)
            .map_err(|error| not_found(error.to_string()))?;
        if addresses.is_empty() {
            return Err(not_found("no address".to_owned()).into());
        }
        let mut resolved = self.empty();
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            resolved.push(address);
        }
        Ok(resolved)
    }
}

/// `host:port` of a URL, the port by its scheme where it has none.
fn host_and_port(uri: &Uri) -> Option<String> {
    let port = match (uri.port_u16(), uri.scheme_str()?) {
        (Some(port), _) => port,
        (None, "http") => 80,
        (None, "https") => 443,
        (None, _) => return None,
    };
    Some(format!("{}:{port}", uri.host()?))
}

#[cfg(test)]
mod tests;
