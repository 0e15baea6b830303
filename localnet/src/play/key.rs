//! The key that a front of a node demands, as providers of public nodes do.

use crate::server::answer::{Answer, Request};

/// Where the key has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A header's name and value.
    Header(&'static str, &'static str),
    /// The beginning of the path, which the node itself does not see.
    Path(&'static str),
    /// A parameter of the query.
    Query(&'static str, &'static str),
}

impl Key {
    /// The request as the node sees it, or the front's answer to one without the key: status 401 and
    /// a body that repeats the whole head.
    pub(crate) fn admit(&self, request: &Request) -> Result<Request, Answer> {
        let refused = || {
            let body = format!("no valid key in {}", request.head);
            Answer::text(401, "text/plain", body)
        };
        let mut admitted = request.clone();
        match self {
            Key::Header(name, value) => {
                let found = request.head.lines().filter_map(|line| line.split_once(':'));
                let mut found = found.map(|(name, value)| (name, value.trim()));
                let is_it = |(n, v): (&str, &str)| n.eq_ignore_ascii_case(name) && v == *value;
                found.any(is_it).then_some(()).ok_or_else(refused)?;
            }
            Key::Path(before) => {
                let rest = request.path.strip_prefix(before).ok_or_else(refused)?;
                rest.clone_into(&mut admitted.path);
            }
            Key::Query(name, value) => {
                let is_it = request.param(name) == Some(value);
                is_it.then_some(()).ok_or_else(refused)?;
            }
        }
        Ok(admitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_the_key_is_refused() {
        let request = |path: &str, query: &str, header: &str| Request {
            path: path.to_owned(),
            query: query.to_owned(),
            head: format!("GET {path}?{query} HTTP/1.1\r\n{header}\r\n\r\n"),
            ..Request::default()
        };
        let header = Key::Header("X-Api-Key", "secret");
        assert!(
            header
                .admit(&request("/a", "", "x-api-key: secret"))
                .is_ok()
        );
        let path = Key::Path("/secret");
        assert_eq!(
            path.admit(&request("/secret/a", "", "")).unwrap().path,
            "/a"
        );
        let query = Key::Query("key", "secret");
        assert!(query.admit(&request("/a", "b=c&key=secret", "")).is_ok());
        for key in [header, path, query] {
            let answer = key.admit(&request("/a", "key=other", "X-Api-Key: x"));
            let answer = answer.unwrap_err();
            assert_eq!(answer.status, 401);
            assert!(
                String::from_utf8(answer.body)
                    .unwrap()
                    .contains("X-Api-Key: x")
            );
        }
    }
}
