//! A request and its answer, in the shapes of the chain's REST gateway (protocol.md section 3.1).

use serde_json::{Value, json};

/// A request that was read whole.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Behind the question mark; empty without one.
    pub query: String,
    /// The header `x-cosmos-block-height`.
    pub height: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The path's segments, without empty ones.
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

    /// Method and path with ids replaced by `{}`: what requests are counted by.
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

/// An answer before it goes over a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header `Grpc-Metadata-X-Cosmos-Block-Height`.
    pub height: Option<u64>,
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// The header `Retry-After`.
    pub retry_after_s: Option<u64>,
    /// The body.
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
            body: body.to_string().into_bytes(),
        }
    }

    /// Text of any kind.
    #[must_use]
    pub fn text(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            height: None,
            content_type,
            retry_after_s: None,
            body: body.into(),
        }
    }

    /// The gateway's error body.
    #[must_use]
    pub fn error(error: &QueryError, height: Option<u64>) -> Answer {
        let body = json!({"code": error.grpc_code, "message": error.message, "details": []});
        let height = height.filter(|_| error.has_height);
        Answer::json(http_status(error.grpc_code), &body, height)
    }
}

/// The HTTP status of a gRPC code.
fn http_status(grpc_code: u32) -> u16 {
    match grpc_code {
        3 => 400,
        4 => 504,
        5 => 404,
        8 => 429,
        12 => 501,
        14 => 503,
        _ => 500,
    }
}

/// A query that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The gRPC code.
    pub grpc_code: u32,
    /// The text.
    pub message: String,
    /// Whether the answer names a height: not when the gateway itself refuses.
    pub has_height: bool,
}

impl QueryError {
    /// An error from the query's own code.
    #[must_use]
    pub fn new(grpc_code: u32, message: impl Into<String>) -> QueryError {
        QueryError {
            grpc_code,
            message: message.into(),
            has_height: true,
        }
    }

    /// An error of the gateway, which has no height.
    #[must_use]
    pub fn gateway(grpc_code: u32, message: impl Into<String>) -> QueryError {
        QueryError {
            grpc_code,
            message: message.into(),
            has_height: false,
        }
    }

    /// A route that does not exist.
    #[must_use]
    pub fn not_implemented() -> QueryError {
        QueryError::gateway(12, "Not Implemented")
    }
}

/// A number of the path.
///
/// # Errors
/// The gateway's error for text that is none.
pub fn path_u64(name: &str, text: &str) -> Result<u64, QueryError> {
    text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        QueryError::gateway(3, format!("type mismatch, parameter: {name}, error: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_named_without_their_ids() {
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
