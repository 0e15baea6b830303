//! `check --health`: asks the running worker, at its `metrics_listen`, whether it is healthy. For
//! containers, whose images hold nothing else that could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::http::{Http, Limits, TransportError};
use crate::text::escaped;

/// Bytes of an answer; more than a health check has to say.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The time for an answer: others may be served first, each for some seconds if it dawdles
/// ([`crate::monitoring::server`]).
const TIME_MAX: Duration = Duration::from_secs(8);
/// Characters of the reasons that are told.
const REASONS_CHARS_MAX: usize = 2_000;

/// Why the worker is not known to be healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// There is nobody to ask.
    #[error(
        "metrics_listen is not set in the configuration, so there is nobody to ask; set it to \
         127.0.0.1:9464"
    )]
    NotSet,
    /// No answer.
    #[error("the worker does not answer at {address}")]
    NoAnswer {
        /// Where it was asked.
        address: SocketAddr,
        /// What went wrong.
        source: TransportError,
    },
    /// It says that it is not healthy.
    #[error("the worker is not healthy: status {status}, {text}")]
    Unhealthy {
        /// The HTTP status.
        status: u16,
        /// Its reasons, on one line.
        text: String,
    },
}

/// Asks.
///
/// # Errors
/// Whatever is not "healthy".
pub fn ask(metrics_listen: Option<SocketAddr>) -> Result<(), HealthError> {
    let address = reachable(metrics_listen.ok_or(HealthError::NotSet)?);
    let url = format!("http://{address}/healthz");
    let limits = Limits {
        time: TIME_MAX,
        body_bytes_max: BODY_BYTES_MAX,
    };
    let reply = Http::new().get(&url, limits);
    let reply = reply.map_err(|source| HealthError::NoAnswer { address, source })?;
    if reply.status == 200 {
        return Ok(());
    }
    Err(HealthError::Unhealthy {
        status: reply.status,
        text: reasons(&reply.body),
    })
}

/// The reasons of an answer, one after the other; what is too long is cut.
fn reasons(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let reasons: Vec<_> = lines.map(escaped).collect();
    match reasons.is_empty() {
        true => "without a reason".to_owned(),
        false => reasons.join("; ").chars().take(REASONS_CHARS_MAX).collect(),
    }
}

/// Who listens on all addresses is asked on this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_to_ask_is_not_healthy() {
        assert!(matches!(ask(None), Err(HealthError::NotSet)));
    }

    #[test]
    fn all_reasons_are_told_on_one_line() {
        let told = reasons(b"topic-1: hangs\nchain: a\x1b[2Jb\n");
        assert_eq!(told, "topic-1: hangs; chain: a\\u{1b}[2Jb");
        assert_eq!(reasons(&[b'x'; 9_000]).len(), REASONS_CHARS_MAX);
        assert_eq!(reasons(b""), "without a reason");
    }

    #[test]
    fn all_addresses_means_this_machine() {
        for (listen, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("10.0.0.5:1", "10.0.0.5:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
