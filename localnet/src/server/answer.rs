//! HTTP requests and answers, as the chain's REST gateway uses them (protocol.md section 3.1).

use serde_json::Value;

/// A complete request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What follows the question mark; empty if there is none.
    pub query: String,
    /// The header `x-cosmos-block-height`.
    pub height: Option<u64>,
    /// The request line and all headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The segments of the path, without empty ones.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|s| !s.is_empty()).collect()
    }

    /// A parameter of the query.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })
    }

    /// Method and path with `{}` in place of ids, by which requests are counted.
    #[must_use]
    pub fn route(&self) -> String {
        let is_id = |s: &str| {
            let hash = s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit());
            hash || s.starts_with("allo1") || s.bytes().all(|b| b.is_ascii_digit())
        };
        let mut route = self.method.clone();
        route.push(' ');
        for segment in self.segments() {
            route.push('/');
            route.push_str(if is_id(segment) { "{}" } else { segment });
        }
        route
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The header `Grpc-Metadata-X-Cosmos-Block-Height`.
    pub height: Option<u64>,
    pub content_type: &'static str,
    pub retry_after_s: Option<u64>,
    /// Further lines of the head, each with its line break.
    pub more_head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// JSON with status 200.
    #[must_use]
    pub fn ok(body: &Value, height: Option<u64>) -> Answer {
        Answer::json(200, body, height)
    }

    /// JSON with any status.
    #[must_use]
    pub fn json(status: u16, body: &Value, height: Option<u64>) -> Answer {
        Answer {
            status,
            height,
            content_type: "application/json",
            retry_after_s: None,
            more_head: String::new(),
            body: body.to_string().into_bytes(),
        }
    }

    /// A body of any content type.
    #[must_use]
    pub fn text(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            height: None,
            content_type,
            retry_after_s: None,
            more_head: String::new(),
            body: body.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_have_no_ids() {
        let request = Request {
            method: "GET".to_owned(),
            path: "/emissions/v10/topics/12/workers/allo1abc/latest_input_inference".to_owned(),
            query: "address=allo1&x=2".to_owned(),
            ..Request::default()
        };
        let route = "GET /emissions/v10/topics/{}/workers/{}/latest_input_inference";
        assert_eq!(request.route(), route);
        assert_eq!(request.param("x"), Some("2"));
        assert_eq!(request.param("y"), None);
    }
}
