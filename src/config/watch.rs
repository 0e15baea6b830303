//! The settings for whoever watches the worker: metrics and log. They are of no concern to most
//! files, so what is not set takes its default without a word.

use std::net::SocketAddr;

use serde_json::Value;

use super::section::{Findings, Section, whole, wrong_kind};
use super::warning::Warning;
use crate::logging::settings::{
    FILE_BYTES, FILE_BYTES_MAX, FILE_BYTES_MIN, FILES_KEPT, FileLog, Format, LogSettings,
};

/// `metrics_listen`: an address with its port. A name is not taken: what it means may change, and
/// with it who can read the metrics.
pub(super) fn read_metrics_listen(
    root: &Section<'_>,
    findings: &mut Findings,
) -> Option<SocketAddr> {
    let key = "metrics_listen";
    let text = root.text(key, findings)?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        let text = "must be an address and a port, such as 127.0.0.1:9464 or [::1]:9464";
        findings.problem(root.path(key), text);
        return None;
    };
    if !address.ip().is_loopback() {
        findings.warnings.push(Warning::Reachable {
            key: root.path(key),
            address,
        });
    }
    Some(address)
}

/// `log_format`, `log_dir`, `log_bytes_max`, `log_files_kept`.
pub(super) fn read_log(root: &Section<'_>, findings: &mut Findings) -> LogSettings {
    let is_set = |key: &str| root.get(key).is_some();
    LogSettings {
        format: read_format(root, findings),
        file: read_folder(root, findings),
        file_bytes_max: read_bytes(root, findings),
        files_kept: if is_set("log_files_kept") {
            root.count("log_files_kept", FILES_KEPT, findings)
        } else {
            FILES_KEPT
        },
    }
}

fn read_format(root: &Section<'_>, findings: &mut Findings) -> Format {
    let key = "log_format";
    match root.text(key, findings) {
        None | Some("text") => Format::Text,
        Some("json") => Format::Json,
        Some(_) => {
            findings.problem(root.path(key), r#"must be "text" or "json""#);
            Format::Text
        }
    }
}

/// An empty text is an answer here: no file.
fn read_folder(root: &Section<'_>, findings: &mut Findings) -> FileLog {
    let key = "log_dir";
    match root.get(key) {
        None => FileLog::Usual,
        Some(Value::String(folder)) => FileLog::In(folder.trim().into()),
        Some(other) => {
            let expected = r#"a folder in quotes, or "" for no file"#;
            findings.problem(root.path(key), wrong_kind(expected, other));
            FileLog::Usual
        }
    }
}

fn read_bytes(root: &Section<'_>, findings: &mut Findings) -> u64 {
    let key = "log_bytes_max";
    if root.get(key).is_none() {
        return FILE_BYTES;
    }
    let Some(number) = root.positive(key, &FILE_BYTES.to_string(), findings) else {
        return FILE_BYTES;
    };
    let bytes = whole(&number).and_then(|bytes| u64::try_from(bytes).ok());
    match bytes.filter(|bytes| (FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(bytes)) {
        Some(bytes) => bytes,
        None => {
            let text =
                format!("must be a whole number of bytes, {FILE_BYTES_MIN} to {FILE_BYTES_MAX}");
            findings.problem(root.path(key), text);
            FILE_BYTES
        }
    }
}
