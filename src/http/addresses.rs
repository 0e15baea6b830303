//! A cache of the addresses of the configured hosts.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::threads::{self, lock};

/// How long an address is used before the name is looked up again.
const ADDRESS_AGE_MAX: Duration = Duration::from_secs(60);

/// How long a request waits for a look-up if it knows an address already.
const LOOK_UP_PATIENCE: Duration = Duration::from_millis(100);

/// The most addresses per name: what fits into ureq's list.
const ADDRESSES_MAX: usize = 16;

/// The most names in the cache; a configuration has fewer.
const NAMES_MAX: usize = 1_024;

type LookUp = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// Looks names up and caches their addresses for [`ADDRESS_AGE_MAX`], longer while look-ups fail or
/// hang.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    names: Arc<Mutex<HashMap<String, Known>>>,
    look_up: LookUp,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// What was connected to last; it is tried first.
    connected: Option<SocketAddr>,
    /// When to look the name up again.
    until: Instant,
    /// Whether a thread is looking the name up.
    is_looked_up: bool,
}

impl Default for Addresses {
    fn default() -> Addresses {
        let look_up = |host_and_port: &str| Ok(host_and_port.to_socket_addrs()?.collect());
        let names = Arc::default();
        Addresses { names, look_up }
    }
}

impl Addresses {
    /// Looks the name up again at the next request, because its addresses could not be reached.
    pub(super) fn distrust(&self, host_and_port: &str) {
        if let Some(known) = lock(&self.names).get_mut(host_and_port) {
            known.until = Instant::now();
        }
    }

    /// Notes the address of a host that a connection was made to.
    pub(super) fn connected(&self, host_and_port: &str, address: SocketAddr) {
        if let Some(known) = lock(&self.names).get_mut(host_and_port) {
            known.connected = Some(address);
        }
    }

    /// The addresses of a `host:port` in the order of RFC 8305, what was connected to last first.
    /// Blocks while the system looks up a name for the first time; later look-ups go on beside the
    /// requests, which use the known addresses if it takes more than [`LOOK_UP_PATIENCE`].
    pub(super) fn of(&self, host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host_and_port.parse() {
            return Ok(vec![address]);
        }
        let now = Instant::now();
        let is_due = match lock(&self.names).get_mut(host_and_port) {
            None => None,
            Some(known) if now < known.until || known.is_looked_up => Some(false),
            Some(known) => {
                known.is_looked_up = true;
                Some(true)
            }
        };
        match is_due {
            // why: no lock is held here, a look-up may hang
            None => self.store(host_and_port, (self.look_up)(host_and_port))?,
            Some(true) => self.look_up_aside(host_and_port),
            Some(false) => {}
        }
        let names = lock(&self.names);
        let known = names.get(host_and_port);
        Ok(known.map_or_else(Vec::new, Known::in_order))
    }

    /// Looks a known name up in a thread of its own: a name server that hangs delays no request.
    fn look_up_aside(&self, host_and_port: &str) {
        let (done, is_done) = bounded(1);
        let (addresses, name) = (self.clone(), host_and_port.to_owned());
        let body = move || {
            // An error leaves the known addresses as they are.
            let _ = addresses.store(&name, (addresses.look_up)(&name));
            // Nobody may be waiting any more.
            let _ = done.send(());
        };
        match threads::spawn("look-up", body) {
            // Ends without a word only after a time-out, and then the known addresses are used.
            Ok(_) => drop(is_done.recv_timeout(LOOK_UP_PATIENCE)),
            Err(error) => drop(self.store(host_and_port, Err(error))),
        }
    }

    /// Stores what a look-up found. If it failed, the known addresses stay for another
    /// [`ADDRESS_AGE_MAX`]; if there are none, that is the error.
    pub(super) fn store(
        &self,
        host_and_port: &str,
        found: io::Result<Vec<SocketAddr>>,
    ) -> io::Result<()> {
        let mut names = lock(&self.names);
        let until = Instant::now() + ADDRESS_AGE_MAX;
        if let Some(known) = names.get_mut(host_and_port) {
            known.until = until;
            known.is_looked_up = false;
            if let Ok(found) = found {
                known.addresses = interleaved(found);
            }
            return Ok(());
        }
        let addresses = interleaved(found?);
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        let known = Known {
            addresses,
            connected: None,
            until,
            is_looked_up: false,
        };
        names.insert(host_and_port.to_owned(), known);
        Ok(())
    }
}

impl Known {
    fn in_order(&self) -> Vec<SocketAddr> {
        let mut addresses = self.addresses.clone();
        // why: sorting is stable, so the others keep their order
        addresses.sort_by_key(|address| Some(*address) != self.connected);
        addresses
    }
}

/// Up to [`ADDRESSES_MAX`] addresses, the two families in turn, beginning with that of the first.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_family = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == is_first_family);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            mixed.truncate(ADDRESSES_MAX);
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const NAME: &str = "a.name:80";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A cache that knows an address of [`NAME`] that has to be looked up again.
    fn stale(look_up: LookUp) -> Addresses {
        let addresses = Addresses {
            look_up,
            ..Addresses::default()
        };
        let found = Ok(vec![address("127.0.0.1:80")]);
        addresses.store(NAME, found).unwrap();
        addresses.distrust(NAME);
        addresses
    }

    #[test]
    fn an_address_is_kept_while_the_look_up_fails() {
        let fail: LookUp = |_| Err(io::ErrorKind::NotFound.into());
        let unknown = Addresses {
            look_up: fail,
            ..Addresses::default()
        };
        assert!(unknown.of(NAME).is_err());
        let addresses = stale(fail);
        assert_eq!(addresses.of(NAME).unwrap().len(), 1);
        addresses.distrust(NAME);
        assert!(lock(&addresses.names)[NAME].until <= Instant::now());
    }

    #[test]
    fn a_look_up_that_hangs_costs_no_request_whose_address_is_known() {
        let addresses = stale(|_| {
            loop {
                thread::park();
            }
        });
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(addresses.of(NAME).unwrap(), [address("127.0.0.1:80")]);
        }
        let took = start.elapsed();
        assert!(took < LOOK_UP_PATIENCE * 10, "only one waits: {took:?}");
    }

    #[test]
    fn a_look_up_that_answers_in_time_counts_for_the_request_that_began_it() {
        let addresses = stale(|_| Ok(vec![address("127.0.0.2:80")]));
        assert_eq!(addresses.of(NAME).unwrap(), [address("127.0.0.2:80")]);
        assert!(!lock(&addresses.names)[NAME].is_looked_up);
    }

    #[test]
    fn families_take_turns_and_what_was_connected_to_last_is_first() {
        let all = ["[::1]:7", "[::2]:7", "[::3]:7", "1.0.0.1:7", "1.0.0.2:7"];
        let mixed = ["[::1]:7", "1.0.0.1:7", "[::2]:7", "1.0.0.2:7", "[::3]:7"].map(address);
        assert_eq!(interleaved(all.map(address).to_vec()), mixed);
        let many = vec![address("1.0.0.1:7"); ADDRESSES_MAX + 1];
        assert_eq!(interleaved(many).len(), ADDRESSES_MAX);
        let addresses = Addresses::default();
        addresses.store(NAME, Ok(mixed.to_vec())).unwrap();
        addresses.connected(NAME, mixed[2]);
        let expected = [mixed[2], mixed[0], mixed[1], mixed[3], mixed[4]];
        assert_eq!(addresses.of(NAME).unwrap(), expected);
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
