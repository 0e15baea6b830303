//! The limit on the tasks of this process, as far as the system shows it: a thread beyond it is not
//! started, and the worker ends. So the start compares it with what the configuration needs.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, geteuid, getrlimit};

/// A limit, and what sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLimit {
    pub tasks: u64,
    set_by: SetBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetBy {
    ControlGroup,
    User,
}

impl fmt::Display for TaskLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, raise) = match self.set_by {
            SetBy::ControlGroup => (
                "its control group",
                "TasksMax of the service, or pids_limit",
            ),
            SetBy::User => ("its user", "`ulimit -u`"),
        };
        write!(f, "{} by the limit of {by} (raise {raise})", self.tasks)
    }
}

#[cfg(test)]
impl TaskLimit {
    /// The limit of a control group.
    pub fn of_group(tasks: u64) -> TaskLimit {
        let set_by = SetBy::ControlGroup;
        TaskLimit { tasks, set_by }
    }
}

/// The lowest limit that the system shows; `None` if it shows none.
pub fn task_limit() -> Option<TaskLimit> {
    let of = |set_by| move |tasks| TaskLimit { tasks, set_by };
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = of_groups(&groups, Path::new("/sys/fs/cgroup"));
    // why: the limit does not hold for root
    let user = getrlimit(Resource::Nproc).current;
    let user = user.filter(|_| !geteuid().is_root());
    let limits = group.map(of(SetBy::ControlGroup));
    let limits = limits.into_iter().chain(user.map(of(SetBy::User)));
    limits.min_by_key(|limit| limit.tasks)
}

/// The lowest `pids.max` of the control groups in `/proc/self/cgroup` and those above them.
fn of_groups(groups: &str, mount: &Path) -> Option<u64> {
    let folders = groups.lines().filter_map(|line| folder_of(line, mount));
    let limits = folders.flat_map(|folder| {
        let above = folder
            .ancestors()
            .take_while(|above| above.starts_with(mount));
        let limits = above.filter_map(|above| {
            let text = fs::read_to_string(above.join("pids.max")).ok()?;
            // why: without a limit the text is "max"
            text.trim().parse::<u64>().ok()
        });
        limits.min()
    });
    limits.min()
}

/// The folder of a control group that may limit tasks: of version 2, or of version 1's `pids`.
fn folder_of(line: &str, mount: &Path) -> Option<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (controllers, path) = (parts.nth(1)?, parts.next()?);
    let mount = match controllers {
        "" => mount.to_owned(),
        "pids" => mount.join(controllers),
        _ => return None,
    };
    Some(mount.join(path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_a_group_and_those_above_it_counts() {
        let mount = tempfile::tempdir().unwrap();
        let write = |folder: &str, text: &str| {
            let folder = mount.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("pids.max"), text).unwrap();
        };
        write("system.slice/a.service", "max\n");
        write("system.slice", "700\n");
        write("pids/b", "90\n");
        let of = |groups: &str| of_groups(groups, mount.path());
        assert_eq!(of("0::/system.slice/a.service\n"), Some(700));
        assert_eq!(of("0::/system.slice\n5:pids:/b\n3:cpu:/b\n"), Some(90));
        assert_eq!(of("0::/elsewhere\n"), None);
        assert_eq!(of("0::/../../etc\n1\n"), None);
    }

    #[test]
    fn a_limit_says_what_sets_it() {
        let limit = TaskLimit {
            tasks: 300,
            set_by: SetBy::User,
        };
        let text = "300 by the limit of its user (raise `ulimit -u`)";
        assert_eq!(limit.to_string(), text);
    }
}
