//! The HTTP client for the chain's REST API and the models. No other folder names ureq, so that
//! every option with a harmful default is set once (time-outs, redirects, proxies, buffers, idle
//! connections, body limits).
//!
//! `Addresses` resolves host names instead of ureq, which starts a thread for each look-up with a
//! time limit and looks the name up even if it then reuses an open connection. With our own
//! resolver the time limit covers the whole request, a thread is started only to look a known name up
//! again, and requests continue with the known addresses while a DNS server fails or hangs.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::config::Config;
use ureq::http::header::{AUTHORIZATION, HeaderName};
use ureq::http::uri::InvalidUri;
use ureq::http::{HeaderMap, Request, Response, Uri, request};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Agent, AsSendBody, Body};

mod addresses;
mod connection;
mod error;
pub mod header;
pub mod proxy;
mod tcp;
mod trust;
mod tunnel;
pub mod url;

use crate::text::Foreign;
use crate::values::units::Height;
use addresses::Addresses;
use connection::Explained;
pub use error::{Phase, ProxyFailure, TransportError};
use header::Header;
use proxy::Proxies;

/// The default and longest time limit of a request, from the look-up to the last byte.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(8);

/// The shortest time limit of a request: with less, a slow answer would count as none.
pub const REQUEST_TIME_MIN: Duration = Duration::from_secs(2);

/// The time limit for connecting, TLS included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Idle connections are closed before the node closes them, after 10 s (protocol.md section 8): a
/// broadcast must not be sent on a connection that is being closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(7);

/// Idle connections per host, unless the caller names another number.
const IDLE_PER_HOST_MAX: usize = 4;

/// Bytes of each connection's input buffer and output buffer.
const BUFFER_BYTES: usize = 8 * 1024;

/// The most bytes of an answer's status line and headers; they must fit into the buffer.
const HEADER_BYTES_MAX: usize = BUFFER_BYTES;

/// What servers answer with status 400 to a plain request on a TLS port: Go, nginx, Apache.
const TLS_PORT_PAGES: [&str; 3] = [
    "sent an HTTP request to an HTTPS server",
    "plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
];

const USER_AGENT: &str = concat!("allora-worker/", env!("CARGO_PKG_VERSION"));

/// The header with the height that a node answered at (protocol.md section 3.1), and its name on
/// newer chains.
const HEIGHT_HEADERS: [&str; 2] = [
    "Grpc-Metadata-X-Cosmos-Block-Height",
    "X-Cosmos-Block-Height",
];

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the start to the last byte of the body. A name look-up that hangs may exceed it.
    pub time: Duration,
    pub body_bytes_max: usize,
}

/// An answer, of any status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// The height that the node answered at; `None` if its header names none, or one that no chain
    /// has.
    pub height: Option<Height>,
    /// `Retry-After`, given in seconds or as a time.
    pub retry_after: Option<Duration>,
    /// `Location`: where a redirect leads to.
    pub location: Option<String>,
    /// `Last-Modified`, if it is a valid time.
    pub last_modified: Option<SystemTime>,
    /// Whether the request was sent a second time, because a kept connection was closed without an
    /// answer: what became of the first sending is unknown.
    pub repeated: bool,
    pub body: Vec<u8>,
}

/// The HTTP client. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Http {
    plain: Agent,
    /// Created by the first https request, so that certificates are read only if they are needed.
    secure: Arc<OnceLock<Agent>>,
    addresses: Addresses,
    idle_per_host_max: usize,
    proxies: Arc<Proxies>,
    /// Sent with every request.
    headers: Arc<[Header]>,
}

impl Default for Http {
    fn default() -> Http {
        Http::keeping(IDLE_PER_HOST_MAX)
    }
}

impl Http {
    /// A client that keeps up to `idle_per_host_max` idle connections per host: about the number of
    /// threads that send requests to one host at the same time.
    pub fn keeping(idle_per_host_max: usize) -> Http {
        Http::with(Addresses::default(), idle_per_host_max)
    }

    fn with(addresses: Addresses, idle_per_host_max: usize) -> Http {
        Http {
            plain: agent(RootCerts::WebPki, &addresses, idle_per_host_max),
            secure: Arc::default(),
            addresses,
            idle_per_host_max,
            proxies: Arc::default(),
            headers: Arc::default(),
        }
    }

    /// The same client, whose requests go through these proxies and carry these headers.
    pub fn for_endpoints(&self, proxies: &Proxies, headers: &[Header]) -> Http {
        Http {
            proxies: Arc::new(proxies.clone()),
            headers: headers.into(),
            ..self.clone()
        }
    }

    /// The headers that are sent with every request.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    fn agent(&self, uri: &Uri) -> &Agent {
        let secure = || agent(trust::roots(), &self.addresses, self.idle_per_host_max);
        match uri.scheme_str() {
            Some("https") => self.secure.get_or_init(secure),
            _ => &self.plain,
        }
    }

    /// Sends a GET request with further headers, as (name, value); an answer of any status is `Ok`.
    /// If a kept connection is closed without any byte of an answer, the request is repeated once on
    /// a new one.
    pub fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Reply, TransportError> {
        self.send(url, Request::get(url), headers, (), limits)
    }

    /// Sends `json` in a POST request, like [`get`](Http::get). A header may replace the content
    /// type.
    pub fn post(
        &self,
        url: &str,
        json: &str,
        headers: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Reply, TransportError> {
        const KIND: &str = "content-type";
        let mut request = Request::post(url);
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(KIND))
        {
            request = request.header(KIND, "application/json");
        }
        self.send(url, request, headers, json, limits)
    }

    fn send(
        &self,
        url: &str,
        request: request::Builder,
        headers: &[(&str, &str)],
        body: impl AsSendBody + Clone,
        limits: Limits,
    ) -> Result<Reply, TransportError> {
        // why: an error does not show the URL, which may hold a password
        let url_error = |error: &dyn fmt::Display| TransportError::Url(error.to_string().into());
        let uri: Uri = url.parse().map_err(|error: InvalidUri| url_error(&error))?;
        let host_and_port = host_and_port(&uri)
            .ok_or_else(|| url_error(&"it needs http:// or https:// and a host"))?;
        let usual = self.headers.iter();
        let usual = usual.map(|header| (header.name.as_str(), header.value.as_str()));
        let headers: Vec<(&str, &str)> = usual.chain(headers.iter().copied()).collect();
        let add =
            |request: request::Builder, (name, value): &(&str, &str)| request.header(*name, *value);
        let mut request = headers.iter().fold(request, add);
        let has_own = |name: &HeaderName| headers.iter().any(|(own, _)| name == own);
        if let Some(basic) = url::basic_auth(&uri).filter(|_| !has_own(&AUTHORIZATION)) {
            request = request.header(AUTHORIZATION, basic.as_str());
        }
        let request = request.body(body);
        let request = request.map_err(|error| url_error(&error))?;
        let start = Instant::now();
        let first = self.run(&uri, request.clone(), limits.time, IDLE_TIME_MAX);
        let repeated = first.as_ref().is_err_and(connection::is_unanswered);
        let response = if repeated {
            log::debug!("a kept connection was closed without an answer: asking on a new one");
            let time = limits.time.saturating_sub(start.elapsed());
            self.run(&uri, request, time, Duration::ZERO)
        } else {
            first
        };
        let response = response.map_err(|error| {
            let error = explain(error, Phase::Waiting, limits);
            if error.never_left() {
                self.addresses.distrust(&host_and_port);
            }
            error.after_repeat(repeated)
        })?;
        let reply = read(response, repeated, limits)?;
        if is_from_tls_port(&reply) {
            return Err(TransportError::TlsPort);
        }
        Ok(reply)
    }
}

fn read(response: Response<Body>, repeated: bool, limits: Limits) -> Result<Reply, TransportError> {
    let (parts, mut body) = response.into_parts();
    let body_bytes_max = u64::try_from(limits.body_bytes_max).unwrap_or(u64::MAX);
    let body = body.with_config().limit(body_bytes_max).read_to_vec();
    Ok(Reply {
        status: parts.status.as_u16(),
        height: HEIGHT_HEADERS
            .iter()
            .find_map(|name| header_number(&parts.headers, name))
            .map(Height)
            .filter(|height| *height <= Height::MAX),
        retry_after: retry_after(&parts.headers),
        location: header_text(&parts.headers, "Location"),
        last_modified: header_time(&parts.headers, "Last-Modified"),
        repeated,
        body: body.map_err(|error| explain(error, Phase::Reading, limits))?,
    })
}

/// Whether this is the page of a server that expects TLS and was asked without it.
fn is_from_tls_port(reply: &Reply) -> bool {
    let says = |text: &&str| {
        let mut parts = reply.body.windows(text.len());
        parts.any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
    };
    reply.status == 400 && TLS_PORT_PAGES.iter().any(says)
}

impl Http {
    /// Sends a request within `time`, on no kept connection that is older than `idle_time_max`.
    fn run<B: AsSendBody>(
        &self,
        uri: &Uri,
        request: Request<B>,
        time: Duration,
        idle_time_max: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let agent = self.agent(uri);
        let request = agent.configure_request(request);
        let request = request.max_idle_age(idle_time_max);
        let request = request.proxy(self.proxies.for_library(uri));
        agent.run(request.timeout_global(Some(time)).build())
    }
}

/// ureq's client with our resolver, connector, and every option, with ureq's default beside it.
fn agent(roots: RootCerts, addresses: &Addresses, idle_per_host_max: usize) -> Agent {
    let config = Agent::config_builder()
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
        .build();
    Agent::with_parts(config, connection::connector(addresses), addresses.clone())
}

/// `scheme://host:port` of a URL, for logs: without user, password, path and query.
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

/// Each URL's origin; several at one origin are numbered, because what tells them apart may be a key.
pub fn names<'a>(urls: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let origins: Vec<String> = urls.into_iter().map(origin).collect();
    let name = |(at, origin): (usize, &String)| {
        let before = origins[..at].iter().filter(|other| *other == origin);
        match before.count() {
            0 => origin.clone(),
            count => format!("{origin} ({})", count + 1),
        }
    };
    origins.iter().enumerate().map(name).collect()
}

/// A URL's origin and path, for logs: without user, password and query.
pub fn origin_and_path(url: &str) -> String {
    let uri = url.parse::<Uri>();
    origin(url) + uri.as_ref().map_or("", Uri::path)
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

fn header_number(headers: &HeaderMap, name: &str) -> Option<u64> {
    header_text(headers, name)?.parse().ok()
}

/// Where a redirect of a request to `url` leads to, for messages: without user, password and query, which
/// may be keys. `None` if the location is neither a whole URL nor begins with a slash.
pub fn redirect_of(url: &str, location: &str) -> Option<String> {
    let whole = if location.starts_with("//") {
        let uri: Uri = url.parse().ok()?;
        format!("{}:{location}", uri.scheme_str()?)
    } else if location.starts_with('/') {
        format!("{}{location}", origin(url))
    } else {
        location.to_owned()
    };
    let uri: Uri = whole.parse().ok()?;
    uri.host()?;
    Some(origin_and_path(&whole))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    const NAME: &str = "Retry-After";
    let seconds = header_number(headers, NAME).map(Duration::from_secs);
    // why: a time that is over asks for no pause
    let until = |at: SystemTime| at.duration_since(SystemTime::now()).unwrap_or_default();
    seconds.or_else(|| header_time(headers, NAME).map(until))
}

/// A header's time, given as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn header_time(headers: &HeaderMap, name: &str) -> Option<SystemTime> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    Some(OffsetDateTime::parse(text, &Rfc2822).ok()?.into())
}

fn explain(error: ureq::Error, phase: Phase, limits: Limits) -> TransportError {
    match error {
        ureq::Error::Other(inner) => match inner.downcast::<Explained>() {
            Ok(explained) => match explained.0 {
                TransportError::Cut { reason, .. } => TransportError::Cut { phase, reason },
                other => other,
            },
            Err(other) => TransportError::NotHttp(other.to_string().into()),
        },
        ureq::Error::Timeout(_) => TransportError::TimedOut { phase },
        ureq::Error::Io(io) if io.kind() == io::ErrorKind::TimedOut => {
            TransportError::TimedOut { phase }
        }
        ureq::Error::BodyExceedsLimit(_) => TransportError::TooLarge {
            bytes_max: limits.body_bytes_max,
        },
        ureq::Error::Io(io) => TransportError::Cut {
            phase,
            reason: io.to_string().into(),
        },
        other => TransportError::NotHttp(other.to_string().into()),
    }
}

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let key = host_and_port(uri)
            .ok_or_else(|| Explained(TransportError::Url("no host in it".into())))?;
        let not_found = |reason: Foreign| Explained(TransportError::NameNotFound(reason));
        let addresses = self
            .of(&key)
            .map_err(|error| not_found(error.to_string().into()))?;
        if addresses.is_empty() {
            return Err(not_found("no address".into()).into());
        }
        let mut resolved = self.empty();
        addresses
            .into_iter()
            .for_each(|address| resolved.push(address));
        Ok(resolved)
    }
}

/// `host:port` of a URL, with its scheme's port if it names none.
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
