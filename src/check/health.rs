//! `check --health`: asks the running worker, at its `metrics_listen`, whether it is healthy. For
//! containers, whose images hold nothing else that could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::http::{Http, Limits, REQUEST_TIME_MIN, TransportError};
use crate::lcd::excerpt;

/// Bytes of an answer; more than a health check has to say.
const BODY_BYTES_MAX: usize = 64 * 1024;

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
        /// The beginning of what it says.
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
        time: REQUEST_TIME_MIN,
        body_bytes_max: BODY_BYTES_MAX,
    };
    let reply = Http::new().get(&url, limits);
    let reply = reply.map_err(|source| HealthError::NoAnswer { address, source })?;
    if reply.status == 200 {
        return Ok(());
    }
    Err(HealthError::Unhealthy {
        status: reply.status,
        text: excerpt(&reply.body),
    })
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
