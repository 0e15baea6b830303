//! Converts Cargo's output into a CycloneDX document.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use serde_json::{Value, json};

use crate::lock::Package;

/// The registry whose package archives have a checksum.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The document about `package`: itself and everything in `tree`, sorted.
///
/// # Errors
/// A package of the tree that the metadata lacks, or text that is not what Cargo writes.
pub(crate) fn bom(
    package: &str,
    tree: &str,
    metadata: &str,
    checksums: &BTreeMap<Package, String>,
) -> Result<Value, Box<dyn Error>> {
    let wanted = tree.lines().map(listed).collect::<Result<_, _>>()?;
    let metadata: Value = serde_json::from_str(metadata)?;
    let known = packages(&metadata, &wanted)?;
    let mut components = Vec::new();
    let mut itself = Value::Null;
    for (name, version) in &wanted {
        let of_it =
            |(_, value): &&(&str, &Value)| value["name"] == **name && value["version"] == **version;
        let Some((_, value)) = known.iter().find(of_it) else {
            return Err(format!("cargo metadata lacks {name} {version}").into());
        };
        let sum = checksums.get(&(name.clone(), version.clone()));
        let part = component(value, sum.filter(|_| value["source"] == REGISTRY));
        if name == package {
            itself = part;
            itself["type"] = json!("application");
        } else {
            components.push(part);
        }
    }
    if itself.is_null() {
        return Err(format!("cargo tree lacks {package}").into());
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": itself },
        "components": components,
        "dependencies": dependencies(&metadata, &known),
    }))
}

/// Name and version of a line such as `serde v1.0.0 (proc-macro)`.
fn listed(line: &str) -> Result<Package, String> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next().and_then(|v| v.strip_prefix('v'))) {
        (Some(name), Some(version)) => Ok((name.to_owned(), version.to_owned())),
        _ => Err(format!(
            "cargo tree wrote a line that is not a package: {line}"
        )),
    }
}

/// The packages that are wanted, by Cargo's own identifier.
fn packages<'a>(
    metadata: &'a Value,
    wanted: &BTreeSet<Package>,
) -> Result<Vec<(&'a str, &'a Value)>, String> {
    let all = metadata["packages"].as_array();
    let all = all.ok_or("cargo metadata names no packages")?;
    let is_wanted = |value: &&Value| {
        let name = value["name"].as_str().unwrap_or_default().to_owned();
        let version = value["version"].as_str().unwrap_or_default().to_owned();
        wanted.contains(&(name, version))
    };
    let with_id = |value: &'a Value| value["id"].as_str().map(|id| (id, value));
    Ok(all.iter().filter(is_wanted).filter_map(with_id).collect())
}

/// `pkg:cargo/name@version`, which names a package in every tool.
fn reference(package: &Value) -> String {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    // The plus sign of a version's build part has to be escaped there.
    let version = text("version").replace('+', "%2B");
    format!("pkg:cargo/{}@{version}", text("name"))
}

fn component(package: &Value, checksum: Option<&String>) -> Value {
    let reference = reference(package);
    let mut part = json!({
        "type": "library",
        "bom-ref": reference,
        "name": package["name"],
        "version": package["version"],
        "purl": reference,
    });
    if let Some(licence) = package["license"].as_str() {
        // Old manifests separate alternatives with a slash, which SPDX does not know.
        let expression = licence.replace(" / ", " OR ").replace('/', " OR ");
        part["licenses"] = json!([{ "expression": expression }]);
    }
    if let Some(sum) = checksum {
        part["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    part
}

/// The dependencies among the listed packages.
fn dependencies(metadata: &Value, known: &[(&str, &Value)]) -> Vec<Value> {
    let known: BTreeMap<&str, String> = known
        .iter()
        .map(|(id, value)| (*id, reference(value)))
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array();
    let edges: BTreeMap<&String, BTreeSet<&String>> = nodes
        .into_iter()
        .flatten()
        .filter_map(|node| {
            let needs = node["deps"].as_array().into_iter().flatten();
            let needs = needs.filter(|dep| is_normal(dep));
            let needs = needs.filter_map(|dep| known.get(dep["pkg"].as_str()?));
            Some((known.get(node["id"].as_str()?)?, needs.collect()))
        })
        .collect();
    let entry = |(from, to)| json!({ "ref": from, "dependsOn": to });
    edges.into_iter().map(entry).collect()
}

/// Whether it is a normal dependency, not only for building or tests.
fn is_normal(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array();
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> String {
        let package = |name: &str, version: &str, licence: Value| {
            json!({ "name": name, "version": version, "license": licence,
                "id": format!("{REGISTRY}#{name}@{version}"), "source": REGISTRY })
        };
        let dep = |name: &str, kind: Value| json!({ "pkg": format!("{REGISTRY}#{name}"), "dep_kinds": [{ "kind": kind }] });
        json!({
            "packages": [
                package("zlib", "1.0.0+2", json!("MIT/Apache-2.0")),
                package("main", "0.1.0", json!("MIT")),
                package("cc", "1.0.0", json!("MIT")),
                package("base", "1.0.0", Value::Null),
            ],
            "resolve": { "nodes": [{
                "id": format!("{REGISTRY}#main@0.1.0"),
                "deps": [
                    dep("zlib@1.0.0+2", Value::Null),
                    dep("base@1.0.0", json!("dev")),
                    dep("cc@1.0.0", Value::Null),
                ],
            }]},
        })
        .to_string()
    }

    #[test]
    fn what_is_in_the_tree_is_listed_and_nothing_else() {
        let tree = "main v0.1.0 (/somewhere)\nzlib v1.0.0+2\nbase v1.0.0\nbase v1.0.0\n";
        let key = ("base".to_owned(), "1.0.0".to_owned());
        let sums = BTreeMap::from([(key, "00ff".to_owned())]);
        let bom = bom("main", tree, &metadata(), &sums).unwrap();
        assert_eq!(bom["metadata"]["component"]["name"], "main");
        let names: Vec<_> = bom["components"].as_array().unwrap().iter().collect();
        assert_eq!(names.len(), 2);
        assert_eq!(names[0]["hashes"][0]["content"], "00ff");
        assert!(names[0].get("licenses").is_none());
        assert_eq!(names[1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let needs = json!([
            { "ref": "pkg:cargo/main@0.1.0", "dependsOn": ["pkg:cargo/zlib@1.0.0%2B2"] }
        ]);
        assert_eq!(bom["dependencies"], needs);
        assert!(!bom.to_string().contains("somewhere"));
    }

    #[test]
    fn what_does_not_fit_together_is_an_error() {
        let sums = BTreeMap::new();
        assert!(bom("main", "other v1.0.0\n", &metadata(), &sums).is_err());
        assert!(bom("main", "zlib v1.0.0+2\n", &metadata(), &sums).is_err());
        assert!(bom("main", "nonsense\n", &metadata(), &sums).is_err());
        assert!(bom("main", "main v0.1.0\n", "{}", &sums).is_err());
    }
}
