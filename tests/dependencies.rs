//! docs/dependencies.md names the packages that Cargo.toml names, and how many there are.

#![allow(
    clippy::unwrap_used,
    reason = "a failed test is a panic that says where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-musl";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Each package of the binary with those that it needs.
fn tree() -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let whole = [
        "tree",
        "--locked",
        "--package",
        "allora-worker",
        "--edges",
        "normal",
    ];
    let form = [
        "--target",
        TARGET,
        "--prefix",
        "depth",
        "--no-dedupe",
        "--format",
        " {p}",
    ];
    let output = cargo.args(whole).args(form).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (mut above, mut tree) = (Vec::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut parts = line.split_whitespace();
        let depth: usize = parts.next().unwrap().parse().unwrap();
        let package = format!("{} {}", parts.next().unwrap(), parts.next().unwrap());
        above.truncate(depth);
        if let Some(parent) = above.last() {
            tree.entry(String::clone(parent))
                .or_default()
                .insert(package.clone());
        }
        above.push(package);
    }
    tree
}

/// The packages that the worker reaches without one of its direct dependencies.
fn reached(tree: &BTreeMap<String, BTreeSet<String>>, without: Option<&str>) -> BTreeSet<String> {
    let is_left_out = |package: &&String| without.is_none_or(|name| *name != **package);
    let worker = tree
        .keys()
        .find(|name| name.starts_with("allora-worker "))
        .unwrap();
    let mut next: Vec<&String> = tree[worker].iter().filter(is_left_out).collect();
    let mut reached = BTreeSet::new();
    while let Some(package) = next.pop() {
        if reached.insert(package.clone()) {
            next.extend(tree.get(package).into_iter().flatten());
        }
    }
    reached
}

/// The rows of the page's table: a package, and how many packages go with it.
fn rows(page: &str) -> BTreeMap<String, usize> {
    let rows = page.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), rest.split_once(" | ")?.0.parse().ok()?))
    });
    rows.collect()
}

#[test]
fn the_page_names_every_direct_dependency_and_what_it_brings() {
    let tree = tree();
    let all = reached(&tree, None);
    let worker = tree
        .keys()
        .find(|name| name.starts_with("allora-worker "))
        .unwrap();
    let brings = tree[worker].iter().map(|package| {
        let name = package.split(' ').next().unwrap().to_owned();
        (name, all.len() - reached(&tree, Some(package)).len())
    });
    let brings: BTreeMap<String, usize> = brings.collect();
    let page = read("docs/dependencies.md");
    assert_eq!(rows(&page), brings);
    for text in [
        format!("made of {} packages", all.len()),
        format!("# {}, with the worker itself", all.len() + 1),
        format!(
            "`cosmrs` is {} of the {} packages",
            brings["cosmrs"],
            all.len()
        ),
    ] {
        assert!(page.contains(&text), "the page does not say: {text}");
    }
}

#[test]
fn the_manifest_names_the_same_packages() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let lines = section.lines().filter(|line| !line.is_empty());
    let mut named = BTreeSet::new();
    for line in lines {
        let (name, rest) = line.split_once(" = ").unwrap();
        assert!(rest.contains(" # "), "{name} does not say what it is for");
        named.insert(name.to_owned());
    }
    let page: BTreeSet<String> = rows(&read("docs/dependencies.md")).into_keys().collect();
    assert_eq!(page, named);
}
