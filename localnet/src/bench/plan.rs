//! The workers and the scenes of a measurement.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A worker that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contestant {
    pub(super) program: PathBuf,
    arguments: Vec<String>,
}

impl Contestant {
    /// This project's worker.
    pub(super) fn worker(program: PathBuf) -> Contestant {
        let arguments = ["run", "--config", "{config}", "--log-dir", "{folder}"];
        Contestant {
            program,
            arguments: arguments.map(str::to_owned).into(),
        }
    }

    /// Any other worker, by its command: words separated by white space, without a shell. A
    /// program with a relative path is found from the current folder, although the worker runs in
    /// a folder of its own. Symbolic links stay: a Python interpreter finds the packages of its
    /// virtual environment by the path with which it is started.
    ///
    /// # Errors
    /// When the command is empty, does not name a configuration or names a missing program.
    pub(super) fn peer(command: &str) -> Result<Contestant, String> {
        let mut words = command.split_whitespace();
        let program = words.next().ok_or("--peer: the command is empty")?;
        let arguments: Vec<String> = words.map(str::to_owned).collect();
        if !arguments.iter().any(|word| word.contains("{config}")) {
            return Err("--peer: write {config} where the configuration's path belongs".to_owned());
        }
        let program = if program.contains('/') {
            let name = |error| format!("--peer: {program}: {error}");
            let path = std::path::absolute(program).map_err(name)?;
            path.metadata().map_err(name)?;
            path
        } else {
            program.into()
        };
        Ok(Contestant { program, arguments })
    }

    /// The arguments of the program.
    pub(super) fn arguments(&self, config: &Path, folder: &Path) -> Vec<OsString> {
        let (config, folder) = (config.display(), folder.display());
        let fill = |word: &String| {
            let word = word.replace("{config}", &config.to_string());
            word.replace("{folder}", &folder.to_string()).into()
        };
        self.arguments.iter().map(fill).collect()
    }
}

/// A scene, which can be measured separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// From the start to the first request.
    Start,
    /// Four topics on a chain without faults.
    Honest,
    /// Epochs of several hours, in fast motion.
    Long,
    /// Ten topics without an open window.
    Idle,
    /// Ten topics over TLS.
    Tls,
    /// A hundred topics whose windows open in the same block.
    Burst,
    /// A thousand of them, at a slower endpoint.
    Thousand,
}

impl Name {
    /// All scenes, in the order of the table.
    pub(super) const ALL: [Name; 7] = [
        Name::Honest,
        Name::Long,
        Name::Idle,
        Name::Burst,
        Name::Thousand,
        Name::Tls,
        Name::Start,
    ];

    /// The name on the command line and in the JSON file.
    pub(super) fn text(self) -> &'static str {
        match self {
            Name::Start => "start",
            Name::Honest => "honest",
            Name::Long => "long",
            Name::Idle => "idle",
            Name::Tls => "tls",
            Name::Burst => "burst",
            Name::Thousand => "thousand",
        }
    }

    /// The heading in the table.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Name::Start => "20 starts",
            Name::Honest => "4 topics one after the other, blocks of 5 s, 50 ms per request",
            Name::Long => "1 topic, epochs of 2,500 blocks, in fast motion",
            Name::Idle => "10 topics, no window for five minutes, 50 ms per request",
            Name::Tls => "10 topics at once, the chain behind TLS, 50 ms per request",
            Name::Burst => "100 topics at once, twice, blocks of 5 s, 50 ms per request",
            Name::Thousand => "1,000 topics at once, windows of 12 blocks of 5 s",
        }
    }

    /// The scene of this name.
    pub(super) fn of(text: &str) -> Option<Name> {
        Name::ALL.into_iter().find(|name| name.text() == text)
    }

    /// Whether it is measured only if it is named: it takes three minutes, and a worker that serves
    /// more topics than anybody has.
    pub(super) fn is_left_out(self) -> bool {
        self == Name::Thousand
    }

    /// When the scene runs. Scenes with the same number run at the same time; they mostly wait, so
    /// they do not distort each other. Scenes that need the processor run alone.
    pub(super) fn turn(self) -> u8 {
        match self {
            Name::Start => 0,
            Name::Honest | Name::Long | Name::Idle | Name::Tls => 1,
            Name::Burst => 2,
            Name::Thousand => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_are_inserted_into_a_peers_command() {
        let peer = Contestant::peer("python3 -m worker --config={config} -l {folder}").unwrap();
        assert_eq!(peer.program, Path::new("python3"));
        let arguments = peer.arguments(Path::new("/a/c.json"), Path::new("/a"));
        assert_eq!(
            arguments,
            ["-m", "worker", "--config=/a/c.json", "-l", "/a"]
        );
        for wrong in ["", "  ", "worker --config c.json", "./no/such {config}"] {
            assert!(Contestant::peer(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_link_to_a_program_is_started_by_the_name_of_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("python3");
        std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
        let peer = Contestant::peer(&format!("{} {{config}}", link.display())).unwrap();
        assert_eq!(peer.program, link);
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/no/such/file", &link).unwrap();
        let error = Contestant::peer(&format!("{} {{config}}", link.display())).unwrap_err();
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn every_scene_is_found_by_its_name() {
        for name in Name::ALL {
            assert_eq!(Name::of(name.text()), Some(name));
        }
        assert_eq!(Name::of("all"), None);
    }
}
