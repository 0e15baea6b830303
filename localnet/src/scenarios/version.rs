//! The released versions of the chain whose nodes are there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::chain::message::Api;

/// The first version that serves v10.
const FIRST_V10: [u32; 3] = [0, 17, 0];

/// A version: its name, such as v0.17.0, and the binary of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    numbers: [u32; 3],
    pub(super) name: String,
    pub(super) node: PathBuf,
}

impl Version {
    /// The version of its emissions interface.
    pub(super) fn api(&self) -> Api {
        if self.numbers < FIRST_V10 {
            Api::V9
        } else {
            Api::V10
        }
    }
}

/// The nodes in a folder, oldest version first. Files without the name of a version are ignored.
pub(super) fn find(folder: &Path) -> io::Result<Vec<Version>> {
    let entries = fs::read_dir(folder).map_err(|error| {
        let text = format!("{}: {error}; run make nodes", folder.display());
        io::Error::new(error.kind(), text)
    })?;
    let mut all = Vec::new();
    for entry in entries {
        let node = entry?.path().canonicalize()?;
        let name = node
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(numbers) = numbers(&name) {
            all.push(Version {
                numbers,
                name,
                node,
            });
        }
    }
    all.sort_by_key(|version| version.numbers);
    Ok(all)
}

/// The numbers of a name such as v0.17.0.
fn numbers(name: &str) -> Option<[u32; 3]> {
    let mut parts = name
        .strip_prefix('v')?
        .split('.')
        .map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_by_their_version_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["v0.17.0", "v0.9.1", "v0.16.0", "v0.16.0.stamp", "notes"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let all = find(folder.path()).unwrap();
        let names: Vec<&str> = all.iter().map(|version| version.name.as_str()).collect();
        assert_eq!(names, ["v0.9.1", "v0.16.0", "v0.17.0"]);
        let apis: Vec<Api> = all.iter().map(Version::api).collect();
        assert_eq!(apis, [Api::V9, Api::V9, Api::V10]);
        let error = find(Path::new("/no/such/folder")).unwrap_err().to_string();
        assert!(error.ends_with("run make nodes"), "{error}");
    }
}
