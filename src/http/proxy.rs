//! The proxies that endpoints are asked through, and the hosts that are asked directly. Every request
//! goes through a tunnel (`CONNECT`), so that a proxy sees no transaction of an https endpoint and
//! keeps no answer.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

use crate::http::url::{Url, UrlError};

/// The variables for https endpoints and for http endpoints, the first one that is set counts; and
/// those for hosts that are asked directly.
const HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const DIRECT: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// A proxy. `Display` and `Debug` leave out its user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(ureq::Proxy);

/// Why a text does not name a proxy. The error does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("{0}")]
    Url(UrlError),
    #[error(
        "must begin with http://; other kinds of proxies are not supported, and one for http is \
         used for https endpoints too"
    )]
    Kind,
    #[error("names no port; write http://host:port")]
    NoPort,
}

/// An environment variable that names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadVariable {
    pub name: &'static str,
    pub error: ProxyError,
}

impl Proxy {
    /// Reads `http://user:password@host:port`; user and password may be missing, and are
    /// percent-decoded.
    ///
    /// # Errors
    /// Another kind of URL, or no port: programs disagree about the default.
    pub fn parse(text: &str) -> Result<Proxy, ProxyError> {
        let other_kinds = ["https://", "socks"];
        if other_kinds.iter().any(|kind| text.starts_with(kind)) {
            return Err(ProxyError::Kind);
        }
        Url::parse(text).map_err(ProxyError::Url)?;
        let proxy = ureq::Proxy::new(text).map_err(|_| ProxyError::Kind)?;
        match proxy.uri().port() {
            Some(_) => Ok(Proxy(proxy)),
            None => Err(ProxyError::NoPort),
        }
    }

    pub(super) fn of_library(proxy: &ureq::Proxy) -> Proxy {
        Proxy(proxy.clone())
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.0.host(), self.0.port())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Which proxy is for which host. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    direct: Vec<Direct>,
}

/// Hosts that are asked directly, at this port or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Direct {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name, in lower case, and the names below it.
    Name(String),
    /// Only the names below it.
    Below(String),
    /// The addresses whose first bits are these.
    Net(IpAddr, u8),
}

impl Proxies {
    /// The same proxy for all hosts.
    pub fn one(proxy: Proxy) -> Proxies {
        Proxies {
            https: Some(proxy.clone()),
            http: Some(proxy),
            direct: Vec::new(),
        }
    }

    /// The proxies that the environment names, as curl reads it, and the variables that name one of a
    /// kind that is not supported; `variable` gets a variable's value.
    ///
    /// # Errors
    /// The variable that names none, and why.
    pub fn of_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Proxies, Vec<&'static str>), BadVariable> {
        let mut unsupported = Vec::new();
        let mut proxy = |names: [&'static str; 4]| {
            let Some((name, text)) = first_set(&names, &variable) else {
                return Ok(None);
            };
            let text = text.trim();
            let whole = if text.contains("://") {
                text.to_owned()
            } else {
                format!("http://{text}")
            };
            match Proxy::parse(&whole) {
                Ok(proxy) => Ok(Some(proxy)),
                Err(ProxyError::Kind) => {
                    unsupported.push(name);
                    Ok(None)
                }
                Err(error) => Err(BadVariable { name, error }),
            }
        };
        let direct = first_set(&DIRECT, &variable).map(|(_, text)| text);
        let proxies = Proxies {
            https: proxy(HTTPS)?,
            http: proxy(HTTP)?,
            direct: direct.as_deref().map_or_else(Vec::new, read_direct),
        };
        unsupported.dedup();
        Ok((proxies, unsupported))
    }

    /// The variables that name a proxy.
    pub fn variables_set(variable: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
        let sets = [HTTPS, HTTP].map(|names| first_set(&names, &variable));
        let mut names: Vec<_> = sets.into_iter().flatten().map(|(name, _)| name).collect();
        names.dedup();
        names
    }

    pub fn is_empty(&self) -> bool {
        self.https.is_none() && self.http.is_none()
    }

    pub fn has_one_for(&self, scheme: &str) -> bool {
        self.for_scheme(scheme).is_some()
    }

    fn for_scheme(&self, scheme: &str) -> Option<&Proxy> {
        match scheme {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        }
    }

    /// The proxy for a URL's host; `None`: it is asked directly.
    pub fn of(&self, url: &str) -> Option<&Proxy> {
        self.of_uri(&url.parse().ok()?)
    }

    fn of_uri(&self, uri: &Uri) -> Option<&Proxy> {
        let (scheme, host) = (uri.scheme_str()?, uri.host()?);
        let port = uri.port_u16().unwrap_or(match scheme {
            "https" => 443,
            _ => 80,
        });
        let is_direct = |direct: &Direct| {
            direct.port.is_none_or(|only| only == port) && direct.hosts.hold(host)
        };
        self.for_scheme(scheme)
            .filter(|_| !self.direct.iter().any(is_direct))
    }

    pub(super) fn for_library(&self, uri: &Uri) -> Option<ureq::Proxy> {
        self.of_uri(uri).map(|proxy| proxy.0.clone())
    }
}

/// The first of these variables that is set and not empty.
fn first_set(
    names: &[&'static str],
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    let value = |name: &&'static str| Some((*name, variable(name)?));
    let mut set = names.iter().filter_map(value);
    set.find(|(_, text)| !text.trim().is_empty())
}

/// Reads `NO_PROXY`: names and addresses, separated by commas or spaces.
fn read_direct(text: &str) -> Vec<Direct> {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
    parts.filter_map(read_part).collect()
}

/// `name`, `.name`, `*.name`, an address or a network, each with or without a port.
fn read_part(part: &str) -> Option<Direct> {
    let with_port = part.rsplit_once(':');
    // why: the last part of an IPv6 address without brackets is no port
    let with_port = with_port.filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let with_port = with_port.and_then(|(host, port)| Some((host, Some(port.parse().ok()?))));
    let (host, port) = with_port.unwrap_or((part, None));
    let below = host.strip_prefix("*.");
    let host = host.trim_matches(['.', '[', ']']);
    if host.is_empty() {
        return None;
    }
    let (address, bits) = host.split_once('/').unwrap_or((host, "128"));
    let net = address.parse::<IpAddr>().ok().zip(bits.parse::<u8>().ok());
    let hosts = match (host, below, net) {
        ("*", _, _) => Hosts::All,
        (_, Some(name), _) => Hosts::Below(name.to_ascii_lowercase()),
        (_, None, Some((address, bits))) => Hosts::Net(address, bits),
        (name, None, None) => Hosts::Name(name.to_ascii_lowercase()),
    };
    Some(Direct { hosts, port })
}

impl Hosts {
    fn hold(&self, host: &str) -> bool {
        let above = |name: &str| {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host.strip_suffix(name).map(str::to_owned)
        };
        match self {
            Hosts::All => true,
            Hosts::Name(name) => {
                above(name).is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            Hosts::Below(name) => above(name).is_some_and(|above| above.ends_with('.')),
            Hosts::Net(net, bits) => {
                let host = host.trim_matches(['[', ']']).parse::<IpAddr>();
                host.is_ok_and(|host| match (net, host) {
                    (IpAddr::V4(net), IpAddr::V4(host)) => {
                        let apart = net.to_bits() ^ host.to_bits();
                        apart.leading_zeros() >= u32::from(*bits).min(u32::BITS)
                    }
                    (IpAddr::V6(net), IpAddr::V6(host)) => {
                        let apart = net.to_bits() ^ host.to_bits();
                        apart.leading_zeros() >= u32::from(*bits).min(u128::BITS)
                    }
                    _ => false,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<(Proxies, Vec<&'static str>), BadVariable> {
        Proxies::of_environment(|name| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn used(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let (proxies, _) = of(variables).unwrap();
        proxies.of(url).map(ToString::to_string)
    }

    #[test]
    fn each_scheme_has_its_variables_and_lower_case_comes_first() {
        let (http, https) = ("http://node", "https://node");
        let both = [("HTTP_PROXY", "http://a:1"), ("https_proxy", "b:2")];
        assert_eq!(used(&both, http).unwrap(), "http://a:1");
        assert_eq!(used(&both, https).unwrap(), "http://b:2");
        let cases = [
            ("HTTPS_PROXY", "http://a:1"),
            ("https_proxy", "http://b:2"),
            ("ALL_PROXY", "http://c:3"),
        ];
        assert_eq!(used(&cases, https).unwrap(), "http://b:2");
        assert_eq!(used(&cases, http).unwrap(), "http://c:3");
        let empty = [("https_proxy", " "), ("HTTPS_PROXY", "http://a:1")];
        assert_eq!(used(&empty, https).unwrap(), "http://a:1");
        assert_eq!(used(&[], https), None);
        assert!(of(&[("NO_PROXY", "*")]).unwrap().0.is_empty());
    }

    #[test]
    fn hosts_in_no_proxy_are_asked_directly() {
        for (list, direct, through) in [
            ("*", &["any", "1.2.3.4"][..], &[][..]),
            (
                "example.com, .local",
                &["example.com", "EXAMPLE.com.", "a.b.example.com", "x.local"],
                &["anexample.com", "example.com.org", "com"],
            ),
            (
                "10.1.0.0/16 127.0.0.1,[::1],fd00::/8",
                &["10.1.200.3", "127.0.0.1", "[::1]", "[fdab::1]"],
                &["10.2.0.1", "127.0.0.2", "[::2]", "[fe80::1]", "name"],
            ),
            ("10.0.0.0/0", &["1.2.3.4"], &["[::1]"]),
            ("10.0.0.0/x, ,", &[], &["10.0.0.0"]),
        ] {
            let variables = [("http_proxy", "http://p:1"), ("NO_PROXY", list)];
            let is_used = |host: &&str| used(&variables, &format!("http://{host}:80")).is_some();
            assert!(!direct.iter().any(is_used), "{list}");
            assert!(through.iter().all(is_used), "{list}");
        }
        let lower = [("ALL_PROXY", "p:1"), ("no_proxy", "a"), ("NO_PROXY", "b")];
        assert_eq!(used(&lower, "http://a"), None);
        assert!(used(&lower, "http://b").is_some());
    }

    #[test]
    fn a_port_in_no_proxy_is_meant_alone_and_a_star_for_the_names_below() {
        for (list, direct, through) in [
            (
                "node:8443, [::1]:81",
                &[
                    "https://node:8443",
                    "https://a.node:8443",
                    "http://[::1]:81",
                ][..],
                &["https://node", "https://node:443", "http://[::1]"][..],
            ),
            ("node:443", &["https://node"], &["http://node"]),
            ("10.0.0.0/8:80", &["http://10.1.1.1"], &["https://10.1.1.1"]),
            ("::1", &["http://[::1]:7"], &["http://[::2]:7"]),
            (
                "*.Example.com",
                &["http://a.example.com", "http://b.a.example.com"],
                &["http://example.com", "http://anexample.com"],
            ),
            (
                "*.example.com:81",
                &["http://a.example.com:81"],
                &["http://a.example.com", "http://example.com:81"],
            ),
            ("*:81", &["http://any:81"], &["http://any"]),
        ] {
            let variables = [("ALL_PROXY", "http://p:1"), ("NO_PROXY", list)];
            let is_used = |url: &&str| used(&variables, url).is_some();
            assert!(!direct.iter().any(is_used), "{list}");
            assert!(through.iter().all(is_used), "{list}");
        }
    }

    #[test]
    fn another_kind_of_proxy_in_the_environment_is_left_out_and_named() {
        let socks = "socks5h://user:secret@host:1";
        let (proxies, unsupported) = of(&[("ALL_PROXY", socks), ("http_proxy", "p:1")]).unwrap();
        assert_eq!(unsupported, ["ALL_PROXY"]);
        let of_both = ["https://a", "http://a"].map(|url| proxies.of(url).map(ToString::to_string));
        assert_eq!(of_both, [None, Some("http://p:1".to_owned())]);
        let (proxies, unsupported) = of(&[("ALL_PROXY", socks)]).unwrap();
        assert_eq!((proxies.is_empty(), unsupported), (true, vec!["ALL_PROXY"]));
        let both = [("https_proxy", "https://p:1"), ("HTTP_PROXY", socks)];
        assert_eq!(of(&both).unwrap().1, ["https_proxy", "HTTP_PROXY"]);
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_a_password_is_not_shown() {
        use ProxyError::{Kind, NoPort};
        for (text, expected) in [
            ("http://host", NoPort),
            ("socks5://host:1080", Kind),
            ("https://host:1", Kind),
            ("host:1", ProxyError::Url(UrlError::Scheme)),
            ("http://", ProxyError::Url(UrlError::NoHost)),
        ] {
            assert_eq!(Proxy::parse(text), Err(expected), "{text}");
        }
        let wrong = of(&[("https_proxy", "http://user:secret@host")]);
        let (name, error) = ("https_proxy", NoPort);
        assert_eq!(wrong, Err(BadVariable { name, error }));
        let proxy = Proxy::parse("http://user:secret@host:3128/").unwrap();
        assert_eq!(proxy.to_string(), "http://host:3128");
        let shown = format!("{:?}", Proxies::one(proxy));
        assert!(
            !shown.contains("secret") && !shown.contains("user"),
            "{shown}"
        );
    }

    #[test]
    fn the_variables_that_name_a_proxy_are_known() {
        let set = |names: &[&str]| {
            Proxies::variables_set(|name| names.contains(&name).then(|| "http://p:1".to_owned()))
        };
        assert_eq!(
            set(&["HTTPS_PROXY", "http_proxy"]),
            ["HTTPS_PROXY", "http_proxy"]
        );
        assert_eq!(set(&["ALL_PROXY", "NO_PROXY"]), ["ALL_PROXY"]);
        assert_eq!(set(&["NO_PROXY"]), [""; 0]);
    }
}
