//! The layout of the sources, as docs/architecture.md draws it: which folder may import which, and
//! that no file imports itself through others. Reads the paths in the code; tests are left out.

#![allow(
    clippy::unwrap_used,
    reason = "a failed test is a panic that says where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of `src/`, and the ones that it may import. What is not listed may import anything.
const MAY_IMPORT: [(&str, &[&str]); 7] = [
    ("text", &[]),
    ("values", &["text"]),
    ("http", &["text", "threads", "values"]),
    ("sign", &["text", "values"]),
    ("status", &["text", "threads", "values"]),
    ("model", &["http", "sign", "text", "values"]),
    (
        "webhook",
        &["backoff", "chain", "http", "shutdown", "status", "values"],
    ),
];

/// A folder of `src/`, and those that it must not import.
const MUST_NOT_IMPORT: [(&str, &[&str]); 5] = [
    ("chain", &["broadcaster", "check", "config", "topic"]),
    ("config", &["broadcaster", "chain", "check", "topic"]),
    ("broadcaster", &["check", "topic"]),
    ("topic", &["check"]),
    ("check", &["broadcaster", "topic"]),
];

/// Words for a crate, or for a part of one, and the only file or folder of `src/` that uses any.
const NAMED_IN: [(&[&str], &str); 4] = [
    (&["ureq::", "use ureq"], "http"),
    (&["cosmrs::", "use cosmrs"], "sign"),
    (&[".display()"], "text"),
    (
        &["thread::spawn", "thread::Builder", "thread::{Builder"],
        "threads",
    ),
];

/// A module's path, as `["chain", "lcd"]`.
type Module = Vec<String>;

/// The sources of one crate: each module with its code.
struct Sources(BTreeMap<Module, String>);

impl Sources {
    fn read(root: &str) -> Sources {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let mut files = Vec::new();
        rust_files(&root, &mut files);
        let modules = files.into_iter().map(|file| {
            let code = product_code(&fs::read_to_string(&file).unwrap());
            let path = file.strip_prefix(&root).unwrap().with_extension("");
            let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
            (names.collect(), code)
        });
        Sources(modules.collect())
    }

    /// The modules that a module's code names.
    fn imports(&self, module: &[String]) -> BTreeSet<&Module> {
        let mut found = BTreeSet::new();
        for path in paths(&self.0[module]) {
            let named: Vec<String> = path.split("::").map(str::to_owned).collect();
            let full = match named[0].as_str() {
                "crate" => named[1..].to_vec(),
                "super" => [&module[..module.len() - 1], &named[1..]].concat(),
                "self" => [module, &named[1..]].concat(),
                _ => [module, &named[..]].concat(),
            };
            let lengths = (1..=full.len()).rev();
            let file = lengths.map(|length| &full[..length]).find_map(|name| {
                let (known, _) = self.0.get_key_value(name)?;
                Some(known)
            });
            found.extend(file.filter(|file| file.as_slice() != module));
        }
        found
    }

    /// A chain of imports that leads from a module back to it. What a file in a module's own folder
    /// takes from that module does not count: the folder holds its parts.
    fn circle(&self) -> Option<Vec<&Module>> {
        let mut done = BTreeSet::new();
        let mut way = Vec::new();
        self.0
            .keys()
            .find_map(|module| self.circle_from(module, &mut way, &mut done))
    }

    fn circle_from<'a>(
        &'a self,
        module: &'a Module,
        way: &mut Vec<&'a Module>,
        done: &mut BTreeSet<&'a Module>,
    ) -> Option<Vec<&'a Module>> {
        if let Some(start) = way.iter().position(|passed| *passed == module) {
            return Some(way[start..].to_vec());
        }
        if !done.insert(module) {
            return None;
        }
        way.push(module);
        let imports = self.imports(module);
        let circle = imports
            .into_iter()
            .filter(|other| !module.starts_with(other))
            .find_map(|next| self.circle_from(next, way, done));
        way.pop();
        circle
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let of_tests = matches!(name, "tests" | "test_server");
        if path.is_dir() && !of_tests {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !of_tests
            && !matches!(name, "main" | "lib")
        {
            files.push(path);
        }
    }
}

/// The code before the module of tests, without comments.
fn product_code(text: &str) -> String {
    let before_tests = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let code = before_tests.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// Every path in the code that may name a module, groups taken apart: `a::{b, c::d}` is `a::b` and
/// `a::c::d`. A path without a root counts in `use` alone: elsewhere it is a type's.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            found.extend(expand(path_at(&code[at..])));
        }
    }
    for (at, _) in code.match_indices("\nuse ") {
        found.extend(expand(path_at(&code[at + 5..])));
    }
    found
}

/// The text of a path up to where it ends, its group in braces included.
fn path_at(code: &str) -> &str {
    let mut depth = 0_usize;
    let end = code.char_indices().find(|(_, c)| match c {
        '{' => {
            depth += 1;
            false
        }
        '}' if depth > 0 => {
            depth -= 1;
            false
        }
        ',' | ' ' | '\n' => depth == 0,
        c => depth == 0 && !(c.is_alphanumeric() || matches!(c, '_' | ':')),
    });
    &code[..end.map_or(code.len(), |(at, _)| at)]
}

fn expand(path: &str) -> Vec<String> {
    let Some((before, group)) = path.split_once('{') else {
        return vec![path.trim_end_matches(':').to_owned()];
    };
    let group = group.trim_end().trim_end_matches('}');
    let mut members = vec![String::new()];
    let mut depth = 0_usize;
    for c in group.chars() {
        match c {
            ',' if depth == 0 => members.push(String::new()),
            c => {
                depth += usize::from(c == '{');
                depth -= usize::from(c == '}');
                members.last_mut().unwrap().push(c);
            }
        }
    }
    let members = members.iter().map(|member| member.trim());
    members
        .filter(|member| !member.is_empty())
        .flat_map(|member| expand(&format!("{before}{member}")))
        .collect()
}

fn name(module: &[String]) -> String {
    module.join("/")
}

/// The worker's imports between its folders: who imports, from which folder, whom.
fn between_folders(sources: &Sources) -> Vec<(&Module, &Module)> {
    let pairs = sources.0.keys().flat_map(|module| {
        let imports = sources.imports(module).into_iter();
        imports.map(move |other| (module, other))
    });
    pairs.filter(|(from, to)| from[0] != to[0]).collect()
}

#[test]
fn the_reader_of_imports_finds_them() {
    let code =
        "\nuse crate::chain::{lcd::{Lcd, self}, Chain};\nuse window::Pace;\nlet x = super::y::f();";
    let found = paths(code);
    for path in [
        "crate::chain::lcd::Lcd",
        "crate::chain::Chain",
        "window::Pace",
        "super::y::f",
    ] {
        assert!(found.iter().any(|known| known == path), "{path}: {found:?}");
    }
    let worker = Sources::read("src");
    let run: Module = vec!["run".to_owned()];
    let imports: Vec<String> = worker.imports(&run).into_iter().map(|m| name(m)).collect();
    assert!(imports.contains(&"broadcaster".to_owned()), "{imports:?}");
}

#[test]
fn no_file_imports_itself_through_others() {
    for root in ["src", "localnet/src"] {
        let sources = Sources::read(root);
        let circle = sources.circle();
        let names = circle.map(|circle| circle.iter().map(|m| name(m)).collect::<Vec<_>>());
        assert_eq!(names, None, "an import circle in {root}");
    }
}

#[test]
fn a_folder_imports_only_what_it_may() {
    let sources = Sources::read("src");
    let broken: Vec<String> = between_folders(&sources)
        .into_iter()
        .filter(|(from, to)| {
            let own = |(folder, _): &&(&str, &[&str])| *folder == from[0];
            let to = to[0].as_str();
            let allowed = MAY_IMPORT.iter().find(own);
            let banned = MUST_NOT_IMPORT.iter().find(own);
            allowed.is_some_and(|(_, folders)| !folders.contains(&to))
                || banned.is_some_and(|(_, folders)| folders.contains(&to))
                || to == "monitoring" && from[0] != "run"
        })
        .map(|(from, to)| format!("{} imports {}", name(from), name(to)))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_is_wrapped_is_named_in_one_place() {
    let sources = Sources::read("src");
    for (words, place) in NAMED_IN {
        let names_it = |code: &str| words.iter().any(|word| code.contains(word));
        let users = sources.0.iter().filter(|(_, code)| names_it(code));
        let places: BTreeSet<&str> = users.map(|(module, _)| module[0].as_str()).collect();
        assert_eq!(places, BTreeSet::from([place]), "who names {words:?}");
    }
}

#[test]
fn no_two_types_share_a_name() {
    let sources = Sources::read("src");
    let mut types: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (module, code) in &sources.0 {
        for line in code.lines() {
            let mut words = line
                .split_whitespace()
                .filter(|word| !word.starts_with("pub"));
            if matches!(words.next(), Some("struct" | "enum" | "trait")) && !line.starts_with(' ') {
                let word = words.next().unwrap_or_default();
                let end = word
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(word.len());
                types.entry(&word[..end]).or_default().push(name(module));
            }
        }
    }
    types.retain(|_, modules| modules.len() > 1);
    assert!(types.is_empty(), "{types:#?}");
}
