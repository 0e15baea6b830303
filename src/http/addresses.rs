//! A cache of the addresses of the configured hosts.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::threads::lock;

/// How long an address is used before the name is looked up again.
const ADDRESS_AGE_MAX: Duration = Duration::from_secs(60);

/// The most addresses per name: what fits into ureq's list.
const ADDRESSES_MAX: usize = 16;

/// The most names in the cache; a configuration has fewer.
const NAMES_MAX: usize = 1_024;

/// Looks names up and caches their addresses for [`ADDRESS_AGE_MAX`], longer while look-ups fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses(Arc<Mutex<HashMap<String, Known>>>);

#[derive(Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// When to look the name up again.
    until: Instant,
}

/// How long the other threads use the old addresses while one of them looks the name up.
const LOOK_UP_TIME: Duration = Duration::from_secs(15);

impl Addresses {
    /// Looks the name up again at the next request, because its addresses could not be reached.
    pub(super) fn distrust(&self, host_and_port: &str) {
        if let Some(known) = lock(&self.0).get_mut(host_and_port) {
            known.until = Instant::now();
        }
    }

    /// The addresses of a `host:port`. Blocks while the system looks the name up, at most once per
    /// [`ADDRESS_AGE_MAX`].
    pub(super) fn of(&self, host_and_port: &str) -> Result<Vec<SocketAddr>, io::Error> {
        let now = Instant::now();
        let mut stale = None;
        if let Some(known) = lock(&self.0).get_mut(host_and_port) {
            if now < known.until {
                return Ok(known.addresses.clone());
            }
            // One thread looks the name up; the others use the old addresses meanwhile.
            known.until = now + LOOK_UP_TIME;
            stale = Some(known.addresses.clone());
        }
        // why: no lock is held here, a look-up may hang
        let found = host_and_port.to_socket_addrs();
        let addresses = match (found, stale) {
            (Ok(found), _) => found.take(ADDRESSES_MAX).collect(),
            (Err(_), Some(stale)) => stale,
            (Err(error), None) => return Err(error),
        };
        let mut known = lock(&self.0);
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        let entry = Known {
            addresses: addresses.clone(),
            until: Instant::now() + ADDRESS_AGE_MAX,
        };
        known.insert(host_and_port.to_owned(), entry);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_while_the_look_up_fails() {
        let addresses = Addresses::default();
        assert!(addresses.of("a.name.that.is.invalid:80").is_err());
        let stale = Known {
            addresses: vec!["127.0.0.1:80".parse().unwrap()],
            until: Instant::now(),
        };
        lock(&addresses.0).insert("a.name.that.is.invalid:80".to_owned(), stale);
        assert_eq!(addresses.of("a.name.that.is.invalid:80").unwrap().len(), 1);
        let until = lock(&addresses.0)["a.name.that.is.invalid:80"].until;
        assert!(until > Instant::now(), "not asked again at once");
        addresses.distrust("a.name.that.is.invalid:80");
        assert!(lock(&addresses.0)["a.name.that.is.invalid:80"].until <= Instant::now());
    }

    #[test]
    fn a_literal_address_needs_no_look_up() {
        let addresses = Addresses::default();
        assert_eq!(
            addresses.of("127.0.0.1:7").unwrap(),
            ["127.0.0.1:7".parse().unwrap()]
        );
        assert_eq!(
            addresses.of("[::1]:7").unwrap(),
            ["[::1]:7".parse().unwrap()]
        );
    }
}
