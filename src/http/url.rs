//! URLs of the configuration: validated once, printed without parts that may be secret.

use std::fmt;
use std::net::Ipv6Addr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::http::Uri;
use zeroize::Zeroizing;

use crate::text::secret::{holds_phrase, is_secret};

/// The longest accepted URL.
const URL_BYTES_MAX: usize = 2_048;

/// The shortest part of a URL that looks like a key, in bytes: shorter ones are names such as `v1beta1`.
const KEY_BYTES_MIN: usize = 8;

/// What the routes of the chain's API begin with.
const ROUTES: [&str; 2] = ["cosmos", "emissions"];

/// An `http` or `https` URL with a host. `Display` and `Debug` leave out a user's name and
/// password, the query, and a path with a key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url(String);

/// Why a text is not a valid URL. The error does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("is not a valid URL; it must begin with http:// or https://")]
    Scheme,
    #[error("is not a valid URL; there is no host after http:// or https://")]
    NoHost,
    #[error("is not a valid URL; its host is neither a name nor an address")]
    Host,
    #[error("is not a valid URL; its port is not a number from 1 to 65535")]
    Port,
    /// A space, a control character, a non-ASCII letter, a quote or the like; positions start at 1.
    #[error("is not a valid URL; it has a character that a URL can't have, at position {position}")]
    Character { position: usize },
    #[error("is not a valid URL; it is longer than {URL_BYTES_MAX} bytes")]
    Length,
    /// A fragment is for browsers; no request carries it.
    #[error("can't have a fragment (#): it is never sent")]
    Fragment,
}

impl Url {
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::Length);
        }
        let is_allowed = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
        if let Some(index) = text.chars().position(|c| !is_allowed(c)) {
            let position = index + 1;
            return Err(UrlError::Character { position });
        }
        check_host(split(text).ok_or(UrlError::Scheme)?.host_and_port)?;
        Ok(Url(text.to_owned()))
    }

    /// Parses a URL for [`with_route`], and removes the slashes at its path's end.
    pub fn parse_base(text: &str) -> Result<Url, UrlError> {
        let url = Url::parse(text)?;
        if url.0.contains('#') {
            return Err(UrlError::Fragment);
        }
        Ok(Url(with_route(&url.0, "")))
    }

    /// A URL that was checked before, or is checked once its placeholders are filled in.
    pub(crate) fn unchecked(text: &str) -> Url {
        Url(text.to_owned())
    }

    pub fn is_https(&self) -> bool {
        let parts = split(&self.0);
        parts.is_some_and(|parts| parts.scheme.eq_ignore_ascii_case("https"))
    }

    /// The part of the path that begins a route of the chain's API, if there is one: routes are
    /// appended to this URL.
    pub fn route_in_path(&self) -> Option<&'static str> {
        let mut parts = split(&self.0)?.path.split('/');
        parts.find_map(|part| ROUTES.into_iter().find(|route| *route == part))
    }

    /// The whole URL, for the HTTP client only: it may hold a password.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parts) = split(&self.0) else {
            return Ok(());
        };
        let user = if parts.user.is_some() {
            "\u{2026}@"
        } else {
            ""
        };
        let query = if parts.query.is_some() {
            "?\u{2026}"
        } else {
            ""
        };
        // Some providers give each user a URL of its own, which works as a password.
        let hidden = holds_phrase(parts.path) || parts.path.split('/').any(is_secret);
        let path = if hidden { "/\u{2026}" } else { parts.path };
        write!(
            f,
            "{}://{user}{}{path}{query}",
            parts.scheme, parts.host_and_port
        )
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// A base with a route appended to its path. The base's query, which may be a key, follows that of the
/// route.
pub fn with_route(base: &str, route: &str) -> String {
    let (before, query) = match base.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (base, None),
    };
    let before = before.trim_end_matches('/');
    let mark = if route.contains('?') { '&' } else { '?' };
    match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{before}{route}{mark}{query}"),
        None => format!("{before}{route}"),
    }
}

/// The parts of a URL that may be keys: user, password and query values, each as it stands there and
/// decoded, and the header made of user and password; and the parts of the path, the same way.
pub(super) fn secret_parts(text: &str) -> (Vec<Zeroizing<String>>, Vec<Zeroizing<String>>) {
    let Some(parts) = split(text) else {
        return Default::default();
    };
    let owned = |text: &str| Zeroizing::new(text.to_owned());
    let user = parts.user.unwrap_or_default().splitn(2, ':');
    let query = parts.query.unwrap_or_default().split('&');
    let query = query.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let decoded = |text: &str| {
        let decoded = String::from_utf8(percent_decoded(text)).ok();
        [Some(owned(text)), decoded.map(Zeroizing::new)]
    };
    let mut values: Vec<_> = user.chain(query).flat_map(decoded).flatten().collect();
    if let Some(basic) = text.parse().ok().as_ref().and_then(basic_auth) {
        let pair = basic.split_once(' ').map(|(_, pair)| owned(pair));
        values.extend(pair.into_iter().chain([basic]));
    }
    let path = parts.path.split('/').flat_map(decoded).flatten();
    (values, path.collect())
}

/// Whether a part of a URL looks like a key: letters and digits mixed, and not short.
pub(super) fn looks_like_key(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
    part.len() >= KEY_BYTES_MIN && has(u8::is_ascii_alphabetic) && has(u8::is_ascii_digit)
}

/// Whether a URL holds a user or a password, or a query value that looks like a key, or a part of the
/// path, if that may be one.
pub fn holds_key(text: &str, may_be_in_path: bool) -> bool {
    let Some(parts) = split(text) else {
        return false;
    };
    let query = parts.query.unwrap_or_default().split('&');
    let mut values = query.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    parts.user.is_some()
        || values.any(looks_like_key)
        || may_be_in_path && parts.path.split('/').any(looks_like_key)
}

/// A URL's user, as it stands there.
pub(super) fn user_name(text: &str) -> Option<&str> {
    let user = split(text)?.user?;
    Some(user.split_once(':').map_or(user, |(name, _)| name))
}

/// `scheme://user@host_and_port/path?query`
struct Split<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host_and_port: &'a str,
    path: &'a str,
    /// With the fragment.
    query: Option<&'a str>,
}

/// Splits an http or https URL. `ureq::http::Uri` accepts what is rejected here (empty labels, port
/// 0, any text in brackets) and does not say which part is wrong, so it cannot replace this.
fn split(text: &str) -> Option<Split<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    let user = authority.rsplit_once('@');
    Some(Split {
        scheme,
        user: user.map(|(user, _)| user),
        host_and_port: user.map_or(authority, |(_, host_and_port)| host_and_port),
        path: &rest[..path_end],
        query: rest.get(path_end + 1..),
    })
}

/// The value of the header `Authorization` for a URL with a user, whose name and password are
/// decoded: ureq alone would send them as they stand in the URL.
pub(super) fn basic_auth(uri: &Uri) -> Option<Zeroizing<String>> {
    let (user, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let pair = [percent_decoded(name), percent_decoded(password)].map(Zeroizing::new);
    let pair = Zeroizing::new(pair.each_ref().map(|part| part.as_slice()).join(&b':'));
    Some(Zeroizing::new(format!(
        "Basic {}",
        BASE64_STANDARD.encode(pair.as_slice())
    )))
}

/// The bytes of a text in which `%41` stands for `A`. What is not such a code is kept.
fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let code = match more {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let byte = code.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    decoded
}

fn check_host(host_and_port: &str) -> Result<(), UrlError> {
    let after_brackets = host_and_port.find(']').map(|bracket| bracket + 1);
    let host_end = after_brackets.or_else(|| host_and_port.find(':'));
    let (host, port) = host_and_port.split_at(host_end.unwrap_or(host_and_port.len()));
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_valid = match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            host.chars().all(is_allowed) && !host.starts_with('.') && !host.contains("..")
        }
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if !is_valid {
        return Err(UrlError::Host);
    }
    // why: `parse` alone would accept a sign
    let digits = port
        .strip_prefix(':')
        .filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    match digits.map(str::parse::<u16>) {
        Some(Ok(1..)) => Ok(()),
        None if port.is_empty() => Ok(()),
        _ => Err(UrlError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn valid_urls_are_kept_unchanged() {
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
    fn invalid_urls_are_rejected_with_the_reason() {
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
    fn user_and_password_are_decoded() {
        for (url, expected) in [
            ("http://user:p%40ss@host/", Some("user:p@ss")),
            ("http://us%3Aer@host/", Some("us:er:")),
            ("http://a:100%25%2@host/", Some("a:100%%2")),
            ("http://a:%+1%zz@host/", Some("a:%+1%zz")),
            ("http://host/@x", None),
        ] {
            let expected = expected.map(|user| format!("Basic {}", BASE64_STANDARD.encode(user)));
            let found = basic_auth(&url.parse().unwrap());
            assert_eq!(found.as_deref(), expected.as_ref(), "{url}");
        }
    }

    #[test]
    fn a_base_has_no_slash_at_its_end_and_no_fragment() {
        let base = |text| Url::parse_base(text).map(|url| url.as_str().to_owned());
        assert_eq!(base("https://host/api//").unwrap(), "https://host/api");
        assert_eq!(base("https://host").unwrap(), "https://host");
        assert_eq!(
            base("https://host/api/?x=y").unwrap(),
            "https://host/api?x=y"
        );
        assert_eq!(base("https://host#x"), Err(UrlError::Fragment));
    }

    #[test]
    fn a_route_is_appended_to_the_path_and_the_query_stays() {
        for (base, route, expected) in [
            ("http://host", "/a/b", "http://host/a/b"),
            ("http://host/key/", "/a?b=c", "http://host/key/a?b=c"),
            ("http://host/p?key=k", "/a", "http://host/p/a?key=k"),
            ("http://host/?key=k", "/a?b=c", "http://host/a?b=c&key=k"),
            ("http://host?", "/a", "http://host/a"),
        ] {
            assert_eq!(with_route(base, route), expected);
        }
    }

    #[test]
    fn display_leaves_out_possible_secrets() {
        let url = Url::parse("http://user:secret@host:1/path?key=secret#secret").unwrap();
        assert_eq!(url.to_string(), "http://\u{2026}@host:1/path?\u{2026}");
        assert!(!format!("{url:?}").contains("secret"));
        let key = Url::parse(&format!("http://host/v1/{}/", "0f".repeat(32))).unwrap();
        assert_eq!(key.to_string(), "http://host/\u{2026}");
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
