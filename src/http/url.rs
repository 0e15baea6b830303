//! URLs as the configuration has them: checked once, printed without what may be secret.

use std::fmt;
use std::net::Ipv6Addr;

/// Longest URL that is taken, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// An `http` or `https` URL with a host. `Display` and `Debug` leave out a user's name and
/// password and the query, which may hold a key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url(String);

/// Why a text is no URL. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not even the beginning.
    #[error("is no URL; it must begin with http:// or https://")]
    Scheme,
    /// Nothing between `//` and the path.
    #[error("is no URL; there is no host after http:// or https://")]
    NoHost,
    /// A host that no network has.
    #[error("is no URL; its host is no name and no address")]
    Host,
    /// Not 1 to 65535.
    #[error("is no URL; its port is no number from 1 to 65535")]
    Port,
    /// White space, control characters, letters beyond ASCII, quotes and the like.
    #[error("is no URL; it has a character that a URL can't have, at position {position}")]
    Character {
        /// The character's place, from 1.
        position: usize,
    },
    /// Too long.
    #[error("is no URL; it is longer than {URL_BYTES_MAX} bytes")]
    Length,
    /// A part after the path, where routes are to be appended.
    #[error("can't have a query or fragment (? or #): the chain's routes are appended to it")]
    NotABase,
}

impl Url {
    /// Checks a URL.
    ///
    /// # Errors
    /// Whatever can't be asked over HTTP.
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::Length);
        }
        let is_allowed = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
        if let Some(index) = text.chars().position(|c| !is_allowed(c)) {
            return Err(UrlError::Character {
                position: index + 1,
            });
        }
        let parts = Parts::of(text).ok_or(UrlError::Scheme)?;
        check_host(parts.host_and_port)?;
        Ok(Url(text.to_owned()))
    }

    /// Checks a URL that routes are appended to; slashes at its end are left out.
    ///
    /// # Errors
    /// Like [`parse`](Self::parse), and for a query or fragment.
    pub fn parse_base(text: &str) -> Result<Url, UrlError> {
        let url = Url::parse(text)?;
        if url.0.contains(['?', '#']) {
            return Err(UrlError::NotABase);
        }
        Ok(Url(url.0.trim_end_matches('/').to_owned()))
    }

    /// A text that was checked already, or is checked once its places are filled in.
    pub(crate) fn unchecked(text: &str) -> Url {
        Url(text.to_owned())
    }

    /// The whole URL, for the HTTP client only: it may hold a password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // why: only checked texts are in here, which all have these parts
        let Some(parts) = Parts::of(&self.0) else {
            return Ok(());
        };
        let user = if parts.has_user { "\u{2026}@" } else { "" };
        let query = if parts.has_query { "?\u{2026}" } else { "" };
        write!(
            f,
            "{}://{user}{}{}{query}",
            parts.scheme, parts.host_and_port, parts.path
        )
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// `scheme://user@host_and_port/path?query`
struct Parts<'a> {
    scheme: &'a str,
    has_user: bool,
    host_and_port: &'a str,
    path: &'a str,
    has_query: bool,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Parts<'a>> {
        let (scheme, rest) = text.split_once("://")?;
        if !["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return None;
        }
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_end);
        let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (has_user, host_and_port) = match authority.rsplit_once('@') {
            Some((_, host_and_port)) => (true, host_and_port),
            None => (false, authority),
        };
        let path = &rest[..path_end];
        Some(Parts {
            scheme,
            has_user,
            host_and_port,
            path,
            has_query: path_end < rest.len(),
        })
    }
}

fn check_host(host_and_port: &str) -> Result<(), UrlError> {
    let (host, port) = match host_and_port.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(UrlError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| UrlError::Host)?;
            (address, port)
        }
        None => {
            let host_end = host_and_port.find(':').unwrap_or(host_and_port.len());
            host_and_port.split_at(host_end)
        }
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let is_host_character = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let has_empty_label = host.starts_with('.') || host.contains("..");
    if !host.chars().all(is_host_character) || has_empty_label {
        return Err(UrlError::Host);
    }
    if port.is_empty() {
        return Ok(());
    }
    // Digits only: the number's own reading would take a sign as well.
    let digits = port
        .strip_prefix(':')
        .filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse::<u16>().ok()) {
        Some(1..) => Ok(()),
        _ => Err(UrlError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_with_a_host_are_taken_as_they_are() {
        for text in [
            "http://localhost:8000/ETH",
            "https://allora-api.testnet.allora.network/",
            "HTTP://127.0.0.1:1",
            "http://[::1]:65535/x?y=z#f",
            "http://host.docker.internal:8000/BTC",
            "http://model_1/",
            "http://user:p%40ss@host?key=1",
        ] {
            assert_eq!(Url::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        use UrlError::{Character, Host, NoHost, Port, Scheme};
        for (text, expected) in [
            ("localhost:8000/ETH", Scheme),
            ("ftp://host", Scheme),
            ("http:/host", Scheme),
            ("http://", NoHost),
            ("http:///path", NoHost),
            ("http://user@", NoHost),
            ("http://:80", NoHost),
            ("http://host:0", Port),
            ("http://host:65536", Port),
            ("http://host:", Port),
            ("http://host:+80", Port),
            ("http://host:80:80", Port),
            ("http://[::1]80", Port),
            ("http://[::1", Host),
            ("http://[x]", Host),
            ("http://a..b", Host),
            ("http://a,b", Host),
            ("http://ho st", Character { position: 10 }),
            ("http://h\u{f6}st", Character { position: 9 }),
            ("http://host/\n", Character { position: 13 }),
        ] {
            assert_eq!(Url::parse(text), Err(expected), "{text}");
        }
        let longest = format!("http://h/{}", "x".repeat(URL_BYTES_MAX - 9));
        assert!(Url::parse(&longest).is_ok());
        assert_eq!(Url::parse(&format!("{longest}x")), Err(UrlError::Length));
    }

    #[test]
    fn a_base_has_no_slash_at_its_end_and_no_query() {
        let base = |text| Url::parse_base(text).map(|url| url.as_str().to_owned());
        assert_eq!(base("https://host/api//").unwrap(), "https://host/api");
        assert_eq!(base("https://host").unwrap(), "https://host");
        assert_eq!(base("https://host/?x"), Err(UrlError::NotABase));
        assert_eq!(base("https://host#x"), Err(UrlError::NotABase));
    }

    #[test]
    fn printing_leaves_out_what_may_be_secret() {
        let url = Url::parse("http://user:secret@host:1/path?key=secret#secret").unwrap();
        assert_eq!(url.to_string(), "http://\u{2026}@host:1/path?\u{2026}");
        assert!(!format!("{url:?}").contains("secret"));
        let plain = Url::parse("http://host:1/path").unwrap();
        assert_eq!(plain.to_string(), "http://host:1/path");
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "(https?://)?\\PC*") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(url.as_str(), &text);
                let _ = url.to_string();
            }
        }
    }
}
