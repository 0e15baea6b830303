//! Asks the running worker at its `metrics_listen`: whether it is healthy, for containers, whose images
//! contain nothing else that could ask, and for its state.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::http::{Http, Limits, Reply, TransportError};
use crate::text::escaped;

/// Largest answers that are read.
const HEALTH_BYTES_MAX: usize = 64 * 1024;
/// Of 999 topics, each with its last nonces.
const STATUS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The time for an answer; the worker gives it at once unless the machine is overloaded.
const TIME_MAX: Duration = Duration::from_secs(8);
/// Characters of the reasons that are shown.
const REASONS_CHARS_MAX: usize = 2_000;

/// Why nothing good is known of the worker.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(
        "metrics_listen is not set in the configuration, so the worker cannot be asked; set it to \
         127.0.0.1:9464"
    )]
    NotSet,
    #[error("the worker does not answer at {address}")]
    NoAnswer {
        address: SocketAddr,
        source: TransportError,
    },
    #[error("the worker is not healthy: status {status}, {text}")]
    Unhealthy { status: u16, text: String },
    #[error("what answers at {address} is not the worker: status {status} for /status.json")]
    NoWorker { address: SocketAddr, status: u16 },
}

/// Asks whether the worker is healthy.
///
/// # Errors
/// The worker is not known to be healthy.
pub(super) fn ask_health(metrics_listen: Option<SocketAddr>) -> Result<(), AskError> {
    let (_, reply) = ask(metrics_listen, "/healthz", HEALTH_BYTES_MAX)?;
    match reply.status {
        200 => Ok(()),
        status => Err(AskError::Unhealthy {
            status,
            text: reasons(&reply.body),
        }),
    }
}

/// Asks for the worker's state, as JSON.
///
/// # Errors
/// There is no answer with it.
pub(super) fn ask_status(metrics_listen: Option<SocketAddr>) -> Result<Vec<u8>, AskError> {
    let (address, reply) = ask(metrics_listen, "/status.json", STATUS_BYTES_MAX)?;
    match reply.status {
        200 => Ok(reply.body),
        status => Err(AskError::NoWorker { address, status }),
    }
}

fn ask(
    metrics_listen: Option<SocketAddr>,
    path: &str,
    body_bytes_max: usize,
) -> Result<(SocketAddr, Reply), AskError> {
    let address = reachable(metrics_listen.ok_or(AskError::NotSet)?);
    let limits = Limits {
        time: TIME_MAX,
        body_bytes_max,
    };
    let reply = Http::default().get(&format!("http://{address}{path}"), &[], limits);
    let reply = reply.map_err(|source| AskError::NoAnswer { address, source })?;
    Ok((address, reply))
}

/// The lines of an answer, joined; cut at [`REASONS_CHARS_MAX`].
fn reasons(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let reasons: Vec<_> = lines.map(escaped).collect();
    if reasons.is_empty() {
        return "without a reason".to_owned();
    }
    reasons.join("; ").chars().take(REASONS_CHARS_MAX).collect()
}

/// Where to ask: if the worker listens on a wildcard address, on the loopback address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_metrics_listen_the_worker_is_not_known_to_be_healthy() {
        assert!(matches!(ask_health(None), Err(AskError::NotSet)));
    }

    #[test]
    fn all_reasons_are_shown_on_one_line() {
        let shown = reasons(b"topic-1: hangs\nchain: a\x1b[2Jb\n");
        assert_eq!(shown, "topic-1: hangs; chain: a\\u{1b}[2Jb");
        assert_eq!(reasons(&[b'x'; 9_000]).len(), REASONS_CHARS_MAX);
        assert_eq!(reasons(b""), "without a reason");
    }

    #[test]
    fn a_wildcard_address_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("10.0.0.5:1", "10.0.0.5:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
