//! The workflows of GitHub: what may write runs no code of the project, and what is not the
//! project's own is named by commit.

#![allow(
    clippy::unwrap_used,
    reason = "a failed test is a panic that says where"
)]

use std::fs;
use std::path::Path;

/// What runs code of the repository or of its dependencies.
const RUNS_CODE: [&str; 6] = ["cargo", "make", ".ci/run", "packaging/", "tests/", "rustup"];

/// Each workflow with its name.
fn workflows() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let named = paths.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    let found: Vec<_> = named.collect();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// The lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
}

/// The jobs of a workflow, each with its lines.
fn jobs(text: &str) -> Vec<Vec<&str>> {
    let mut jobs: Vec<Vec<&str>> = Vec::new();
    for line in code(text).skip_while(|line| *line != "jobs:").skip(1) {
        let indented = line.len() - line.trim_start().len();
        if indented == 2 {
            jobs.push(Vec::new());
        }
        if let Some(job) = jobs.last_mut() {
            job.push(line);
        }
    }
    jobs
}

/// Whether the line runs something of `RUNS_CODE`.
fn runs_code(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("- ");
    let line = line.trim_start_matches("run: ");
    RUNS_CODE.iter().any(|start| line.starts_with(start))
}

/// Whether a job holds a permission to write and runs code.
fn writes_and_runs_code(job: &[&str]) -> bool {
    let writes = job.iter().any(|line| line.contains(": write"));
    writes && job.iter().any(|line| runs_code(line))
}

/// Whether `uses:` names the project's own file, or a commit with the version beside it.
fn is_pinned(line: &str) -> bool {
    let Some((_, action)) = line.split_once("uses: ") else {
        return true;
    };
    let is_commit = |commit: &str| {
        commit.len() == 40
            && commit
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let pinned = action
        .split_once('@')
        .and_then(|(_, rest)| rest.split_once(" # v"));
    action.starts_with("./") || pinned.is_some_and(|(commit, _)| is_commit(commit))
}

#[test]
fn what_may_write_runs_no_code() {
    for (name, text) in workflows() {
        assert!(text.contains("\npermissions: {}\n"), "{name}");
        let jobs = jobs(&text);
        assert!(!jobs.is_empty(), "{name}");
        for job in jobs {
            assert!(!writes_and_runs_code(&job), "{name}: {job:?}");
        }
    }
    let bad = "jobs:\n  a:\n    permissions:\n      contents: write # why\n    steps:\n      - run: make x\n";
    assert!(writes_and_runs_code(&jobs(bad)[0]));
    let apart = "jobs:\n  a:\n    permissions:\n      contents: write\n  b:\n    steps:\n      - run: make x\n";
    assert!(!jobs(apart).iter().any(|job| writes_and_runs_code(job)));
}

#[test]
fn actions_are_named_by_commit() {
    for (name, text) in workflows() {
        for line in code(&text) {
            assert!(is_pinned(line), "{name}: {line}");
        }
    }
    assert!(!is_pinned("uses: actions/cache@v4"));
    assert!(!is_pinned(
        "uses: actions/cache@0123456789abcdef0123456789abcdef01234567"
    ));
    assert!(is_pinned(
        "uses: actions/cache@0123456789abcdef0123456789abcdef01234567 # v4.0.0"
    ));
}

#[test]
fn both_files_of_the_image_compile_with_the_same_one() {
    let read = |path| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let image = |text: &str| {
        let start = text.find("docker.io/library/rust:").unwrap();
        let end = text[start..].find(['}', '\n']).unwrap();
        text[start..start + end].to_owned()
    };
    let image_of_dockerfile = image(&read("Dockerfile"));
    assert_eq!(image_of_dockerfile, image(&read("docker-compose.yml")));
    let rust = read("packaging/rust-version");
    assert!(image_of_dockerfile.contains(&format!(":{}-", rust.trim())));
}
