//! Recorded test vectors: those in this repository and those in the folder that the environment
//! variable `ALLORA_VECTORS_DIR` names.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// All lines of the files whose name begins with `kind` and ends with `.jsonl`.
pub(crate) fn read(kind: &str) -> Vec<Value> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let further = std::env::var_os("ALLORA_VECTORS_DIR").map(PathBuf::from);
    let mut vectors = Vec::new();
    for folder in [Some(own), further].into_iter().flatten() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with(kind) && name.ends_with(".jsonl") {
                let text = std::fs::read_to_string(path).unwrap();
                vectors.extend(
                    text.lines()
                        .map(|l| serde_json::from_str::<Value>(l).unwrap()),
                );
            }
        }
    }
    vectors
}
