//! Headers of requests to models and endpoints: a value is a text, or comes from the environment or
//! from a file.

use std::env;
use std::path::Path;

use serde_json::Value;
use zeroize::Zeroizing;

use super::section::{Setting, beside, child_path};
use super::warning::Warning;
use crate::http::header::Header;
use crate::sign::secret_file::read_secret;

/// The most headers of one request.
const HEADERS_MAX: usize = 16;
/// Bytes of all header names and values: with a URL they fit into the client's buffer.
const HEADER_BYTES_MAX: usize = 4_096;
/// Headers that the HTTP client sets.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
];

/// Reads an object of names and values.
pub(super) fn read_headers(setting: &Setting<'_>, config_path: &Path) -> Vec<Header> {
    let map = match setting.value {
        None => return Vec::new(),
        Some(Value::Object(map)) => map,
        Some(_) => {
            setting.wrong_kind("an object of names and texts");
            return Vec::new();
        }
    };
    let read = |(name, value): (&String, _)| {
        let header = setting.part(child_path(&setting.path, name), value);
        let value = check_name(name).and_then(|()| header_value(&header, config_path));
        let value = value.map_err(|problem| header.problem(problem)).ok()?;
        let name = name.clone();
        Some(Header { name, value })
    };
    let headers: Vec<Header> = map.iter().filter_map(read).collect();
    let bytes = |header: &Header| header.name.len() + header.value.len();
    let total: usize = headers.iter().map(bytes).sum();
    if headers.len() > HEADERS_MAX || total > HEADER_BYTES_MAX {
        setting.problem(format!(
            "are too many or too long; at most {HEADERS_MAX} headers and {HEADER_BYTES_MAX} bytes \
             are sent"
        ));
    }
    headers
}

fn check_name(name: &str) -> Result<(), String> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("is not a valid name of a header".to_owned());
    }
    if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err("is set by the worker itself; leave it out".to_owned());
    }
    Ok(())
}

/// The value as it is written, or from the place that `{"env": NAME}` or `{"file": PATH}` names.
fn header_value(header: &Setting<'_>, config_path: &Path) -> Result<Zeroizing<String>, String> {
    let map = header.value.and_then(Value::as_object);
    let source = map.filter(|map| map.len() == 1);
    let source = source.and_then(|map| map.iter().next());
    let place = source.and_then(|(_, place)| place.as_str());
    let place = place.filter(|place| !place.is_empty());
    let value = match (header.value, source.map(|(kind, _)| kind.as_str())) {
        (Some(Value::String(text)), _) => Zeroizing::new(text.clone()),
        (_, Some("env")) => {
            let name = place.ok_or("env must name an environment variable")?;
            let value = env::var(name).map(Zeroizing::new);
            value.map_err(|_| "its environment variable is not set, or not a text")?
        }
        (_, Some("file")) => {
            let file = place.ok_or("file must name a file")?;
            let file = beside(config_path, Path::new(file));
            let read = read_secret(&file, HEADER_BYTES_MAX);
            let (text, mode) = read.map_err(|error| format!("its file can't be read: {error}"))?;
            // why: a service manager's credential has group bits that grant no access
            if mode & 0o007 != 0 {
                header.findings.warning(Warning::OpenToOthers {
                    key: header.path.clone(),
                    path: file,
                    mode,
                });
            }
            text
        }
        _ => return Err(r#"must be a text, {"env": NAME} or {"file": PATH}"#.to_owned()),
    };
    let value = Zeroizing::new(value.trim().to_owned());
    if value.is_empty() {
        return Err("is empty".to_owned());
    }
    if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let text = "has a character that a header can't have (a line end, a letter beyond ASCII)";
        return Err(text.to_owned());
    }
    Ok(value)
}
