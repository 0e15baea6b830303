//! The pages for people: every link leads somewhere, and the first page stays short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const README_WORDS_MAX: usize = 1_300;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let in_folder = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths
            .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
            .collect()
    };
    let mut pages = in_folder(&root());
    pages.extend(in_folder(&root().join("docs")));
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(str::lines)
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let titles = prose(text).filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let anchor = |title: &str| -> String {
        let lower = title.to_lowercase();
        let kept = lower
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(anchor).collect()
}

/// The targets of a page's links, those to other sites left out.
fn links(text: &str) -> Vec<String> {
    let prose: Vec<&str> = prose(text).collect();
    let text = prose.join(" ");
    let targets = text.split("](").skip(1);
    let targets = targets.map(|rest| rest.split([')', ' ']).next().unwrap_or(rest).to_owned());
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let place = format!("{}: {link}", page.display());
            assert!(target.exists(), "{place}");
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(&target).unwrap());
                assert!(anchors.contains(anchor), "{place}: {anchors:?}");
            }
        }
    }
}

#[test]
fn the_first_page_is_short_and_leads_to_every_other() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().count();
    assert!(words <= README_WORDS_MAX, "README.md has {words} words");
    let links: BTreeSet<String> = links(&readme).into_iter().collect();
    for page in pages() {
        let name = page.strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(name == "README.md" || links.contains(name), "{name}");
    }
}
