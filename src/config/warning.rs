//! What the log and `check` report about a configuration that is valid. Warnings are values, so
//! that each reader renders them in its own way.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::sign::secret_file::shell_word;
use crate::sign::wallet_source::SecretSource;
use crate::text::secret::shown_path;

/// Something to know about a valid configuration; `key` is the path of the setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A setting is missing; its default is used, which is no reason for concern.
    #[error("{}{key} {value}", of_topics(topics))]
    Default {
        /// Within a topic the key alone.
        key: String,
        /// The topics that lack it, by their places in the list; empty for a global setting.
        topics: Vec<usize>,
        value: String,
        /// Whether the log names it, or only `check`.
        in_log: bool,
    },
    /// A number is out of its range; the default is used.
    #[error("{key}: is {what}, using {default}")]
    Replaced {
        key: String,
        /// What is wrong with the number.
        what: &'static str,
        default: String,
    },
    /// `gas_adjustment` is below the minimum; the minimum is used.
    #[error(
        "{key}: below {min}, using {min} (a block uses 12 to 13 % more gas than a simulation reports)"
    )]
    Clamped { key: String, min: &'static str },
    /// The metrics are served on an address that other machines can reach.
    #[error(
        "{key}: other machines may read the metrics at {address}, including the wallet's address and \
         balance; use 127.0.0.1 to keep them on this machine"
    )]
    Reachable { key: String, address: SocketAddr },
    /// One transaction could offer more than all of a day together.
    #[error(
        "max_fee_uallo: {max_fee} is more than max_fee_per_day_uallo allows for a whole day, {per_day}; \
         no fee above that is paid"
    )]
    FeeAboveDay {
        /// In ALLO, as the other one.
        max_fee: String,
        per_day: String,
    },
    /// An endpoint's URL goes on with the beginning of a route.
    #[error(
        "{key}: its path has /{route}, where the routes begin that the worker appends; if the node does \
         not answer, end the URL before that"
    )]
    RouteInUrl { key: String, route: &'static str },
    /// Nothing says which chain to sign for.
    #[error(
        "{key}: not set, so the first endpoint that answers decides for which chain the worker signs; \
         set it, or set network to \"testnet\" or \"mainnet\""
    )]
    ChainNotNamed { key: String },
    /// Every endpoint gets the key of one of them.
    #[error(
        "{key}: sent to all endpoints ({}); a key that only one of them may see belongs into its URL",
        hosts.join(", ")
    )]
    HeadersToAll { key: String, hosts: Vec<String> },
    /// The environment names no proxy.
    #[error(
        "{key}: HTTPS_PROXY and HTTP_PROXY are not set, so no proxy is used; a service does not have \
         your shell's variables: set them in its unit, or write http://host:port"
    )]
    NoProxy { key: String },
    /// The environment names a proxy, but not for the endpoints' scheme.
    #[error(
        "{key}: the environment names a proxy for {other} nodes only, and all in api_url are {scheme}, \
         so none is used; set {}, or ALL_PROXY",
        variable_of(scheme)
    )]
    NoProxyForScheme {
        key: String,
        scheme: &'static str,
        other: &'static str,
    },
    /// The environment names a proxy of a kind that is not supported.
    #[error(
        "{key}: {} names a kind of proxy that is not supported (SOCKS, https) and is not used; name an \
         http proxy there, or write http://host:port",
        variables.join(" and ")
    )]
    ProxyKind {
        key: String,
        variables: Vec<&'static str>,
    },
    /// A seed phrase in the configuration is not used: a credential or a file comes first.
    #[error("{key}: not used, the seed phrase comes from {origin}")]
    Unused {
        key: String,
        /// Where the seed phrase in use comes from.
        origin: SecretSource,
    },
    /// A file with a secret is readable for other users.
    #[error(
        "{key}: {} holds a secret and other users can read it (mode {mode:04o})",
        shown_path(path)
    )]
    OpenToOthers {
        key: String,
        path: PathBuf,
        mode: u32,
    },
}

impl Warning {
    /// What to type to fix it, where that is one command.
    pub fn command(&self) -> Option<String> {
        let Warning::OpenToOthers { path, .. } = self else {
            return None;
        };
        Some(format!("type: chmod 600 {}", shell_word(path)))
    }
}

/// The variable that names a proxy for a scheme.
fn variable_of(scheme: &str) -> String {
    format!("{}_PROXY", scheme.to_uppercase())
}

/// The path of these topics, consecutive ones as a range: `topics[0-2,5].`; empty without any.
fn of_topics(places: &[usize]) -> String {
    if places.is_empty() {
        return String::new();
    }
    let follows = |a: &usize, b: &usize| a.checked_add(1) == Some(*b);
    let runs = places.chunk_by(follows).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    });
    format!("topics[{}].", runs.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_of_several_topics_is_one_value() {
        let of = |topics: &[usize]| Warning::Default {
            key: "nonce_fetch_freq".to_owned(),
            topics: topics.to_vec(),
            value: "5 s".to_owned(),
            in_log: true,
        };
        for (topics, expected) in [
            (&[0, 1, 2, 5][..], "topics[0-2,5].nonce_fetch_freq 5 s"),
            (&[7], "topics[7].nonce_fetch_freq 5 s"),
            (&[], "nonce_fetch_freq 5 s"),
        ] {
            assert_eq!(of(topics).to_string(), expected);
        }
    }

    #[test]
    fn a_file_that_is_open_to_others_comes_with_its_command() {
        let warning = Warning::OpenToOthers {
            key: "seed_phrase".to_owned(),
            path: PathBuf::from("/etc/my worker/config.json"),
            mode: 0o644,
        };
        let text = warning.to_string();
        assert!(
            text.ends_with("other users can read it (mode 0644)"),
            "{text}"
        );
        let command = warning.command().unwrap();
        assert_eq!(command, "type: chmod 600 '/etc/my worker/config.json'");
    }
}
