//! The addresses of the few names that are asked, remembered.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a looked-up address is used without asking again.
const ADDRESS_AGE_MAX: Duration = Duration::from_secs(60);

/// Addresses per name: what fits into ureq's list.
pub(super) const ADDRESSES_MAX: usize = 16;

/// Names remembered; a configuration has fewer.
const NAMES_MAX: usize = 1_024;

/// Looks names up and remembers them: an address is used for a minute without asking again, and
/// longer while the look-up fails.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses(Arc<Mutex<HashMap<String, Known>>>);

#[derive(Clone, Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// When to ask again.
    until: Instant,
}

/// For how long old addresses are taken while a look-up is under way.
const LOOK_UP_TIME: Duration = Duration::from_secs(15);

impl Addresses {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // The map is whole at every moment, also if a thread died while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks again at the next request: the addresses led nowhere.
    pub(super) fn distrust(&self, host_and_port: &str) {
        if let Some(known) = self.known().get_mut(host_and_port) {
            known.until = Instant::now();
        }
    }

    /// The addresses of a `host:port`. Blocks for as long as the system's look-up does, at most
    /// once a minute.
    pub(super) fn of(&self, host_and_port: &str) -> Result<Vec<SocketAddr>, io::Error> {
        let now = Instant::now();
        let known = self.known().get(host_and_port).cloned();
        if let Some(fresh) = known.as_ref().filter(|known| now < known.until) {
            return Ok(fresh.addresses.clone());
        }
        if let Some(stale) = self.known().get_mut(host_and_port) {
            // One look-up at a time: the others go on with the old addresses meanwhile.
            stale.until = now + LOOK_UP_TIME;
        }
        // No lock is held here: a look-up may hang for a while.
        let asked = host_and_port
            .to_socket_addrs()
            .map(|found| found.take(ADDRESSES_MAX).collect());
        let addresses = match (asked, known) {
            (Ok(addresses), _) => addresses,
            (Err(_), Some(stale)) => stale.addresses,
            (Err(error), None) => return Err(error),
        };
        let mut known = self.known();
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        let until = Instant::now() + ADDRESS_AGE_MAX;
        known.insert(
            host_and_port.to_owned(),
            Known {
                addresses: addresses.clone(),
                until,
            },
        );
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
        addresses
            .known()
            .insert("a.name.that.is.invalid:80".to_owned(), stale);
        assert_eq!(addresses.of("a.name.that.is.invalid:80").unwrap().len(), 1);
        let until = addresses.known()["a.name.that.is.invalid:80"].until;
        assert!(until > Instant::now(), "not asked again at once");
        addresses.distrust("a.name.that.is.invalid:80");
        assert!(addresses.known()["a.name.that.is.invalid:80"].until <= Instant::now());
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
