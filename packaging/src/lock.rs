//! Reads the checksums from `Cargo.lock`; no Cargo command prints them.
//!
//! Cargo writes this file itself with one `key = "value"` per line, so it is read line by line.

use std::collections::BTreeMap;

/// Name and version of a package.
pub(crate) type Package = (String, String);

/// The SHA-256 of each package's archive, in hexadecimal; packages of the workspace have none.
pub(crate) fn checksums(lock: &str) -> BTreeMap<Package, String> {
    let mut found = BTreeMap::new();
    for section in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            section.lines().find_map(|line| {
                let rest = line.strip_prefix(key)?.strip_prefix(" = \"")?;
                rest.strip_suffix('"').map(str::to_owned)
            })
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (value("name"), value("version"), value("checksum"))
        {
            found.insert((name, version), checksum);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_with_its_own_checksum() {
        let lock = "version = 4\n\n[[package]]\nname = \"here\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"there\"\nversion = \"2.0.0\"\nsource = \"s\"\n\
                    checksum = \"00ff\"\ndependencies = [\n \"here\",\n]\n";
        let there = ("there".to_owned(), "2.0.0".to_owned());
        assert_eq!(
            checksums(lock),
            BTreeMap::from([(there, "00ff".to_owned())])
        );
    }
}
