//! A scene: a simulated chain, a configuration, and a folder in which the worker runs.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::chain::report::WindowReport;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::options::FUNDS_UALLO;
use allora_localnet::{Localnet, Options, Report};
use allora_worker::sign::seed_phrase::SeedPhrase;
use allora_worker::sign::wallet::Wallet;
use serde_json::{Value, json};
use tempfile::TempDir;

mod model;
mod process;
mod proxy;

pub(crate) use model::{Model, read_request};
use process::Output;
pub(crate) use process::{Ended, Worker, binary, lines_with};
pub(crate) use proxy::Proxy;

/// The wallet's seed phrase. No word follows itself, so three in a row appear nowhere by chance.
pub(crate) const SEED_PHRASE: &str =
    "legal winner thank year wave sausage worth useful legal winner thank yellow";
/// The longest wait for anything: several times what the slowest step takes (15 to 25 s, until a
/// height without a rival is forgotten), because a machine under load is slow.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// Time between blocks, unless a test makes the blocks itself.
pub(crate) const BLOCK_TIME: Duration = Duration::from_millis(200);
/// The chain's height at the start, before its first new block.
pub(crate) const START: u64 = 100;
/// Sets the seed of the sample model's numbers.
const SEED_VARIABLE: &str = "ALLORA_TEST_SEED";

/// Runs a test on both versions of the chain at the same time.
pub(crate) fn on_both(test: impl Fn(Api) + Sync) {
    side_by_side([Api::V9, Api::V10], test);
}

/// Runs a test for all cases at the same time.
pub(crate) fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let name = test_name();
    thread::scope(|scope| {
        for case in cases {
            let (test, name) = (&test, name.clone());
            let builder = thread::Builder::new().name(name);
            builder.spawn_scoped(scope, move || test(case)).unwrap();
        }
    });
}

/// The running test's name, which the harness gives to its threads.
fn test_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

/// The address of [`SEED_PHRASE`].
pub(crate) fn address() -> String {
    let phrase = SeedPhrase::parse(SEED_PHRASE).unwrap();
    Wallet::new(&phrase).unwrap().address().to_owned()
}

/// A chain with a funded worker, and the worker's configuration, which a test may change.
pub(crate) struct Scene {
    pub(crate) net: Localnet,
    pub(crate) config: Value,
    pub(crate) address: String,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) arguments: Vec<OsString>,
    folder: TempDir,
    seed: u64,
    outputs: Vec<Arc<Output>>,
}

impl Scene {
    /// A chain with these topics that makes a block every [`BLOCK_TIME`].
    pub(crate) fn new(api: Api, topics: Vec<Topic>) -> Scene {
        Scene::with(api, topics, |options| options)
    }

    /// Like [`Scene::new`], with changed options.
    pub(crate) fn with(
        api: Api,
        topics: Vec<Topic>,
        change: impl FnOnce(Options) -> Options,
    ) -> Scene {
        let seed = std::env::var(SEED_VARIABLE).map_or(7, |text| text.parse().unwrap());
        let address = address();
        let options = Options {
            api,
            topics,
            block_time: Some(BLOCK_TIME),
            start_height: START,
            seed,
            ..Options::default()
        };
        let options = change(options.with_account(&address, FUNDS_UALLO));
        let net = Localnet::start(&options).unwrap();
        let config = config(&net, options.topics.iter().map(|topic| topic.id));
        Scene {
            net,
            config,
            address,
            environment: Vec::new(),
            arguments: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            seed,
            outputs: Vec::new(),
        }
    }

    /// A path in the worker's working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Registers the worker with all topics, without a transaction.
    pub(crate) fn register(&self) {
        let topics = self.net.with_chain(|chain| {
            let ids: Vec<u64> = chain.state.topics.keys().copied().collect();
            ids
        });
        for topic in topics {
            self.net.register(topic, &self.address);
        }
    }

    /// Writes the configuration and starts the worker.
    pub(crate) fn start(&mut self) -> Worker {
        let text = serde_json::to_string_pretty(&self.config).unwrap();
        write_file(&self.path("config.json"), &text, 0o600);
        let worker = Worker::start(self.folder.path(), &self.arguments, &self.environment);
        self.outputs.push(Arc::clone(&worker.stderr));
        worker
    }

    /// Starts a second worker with another configuration, in a folder of its own.
    pub(crate) fn start_beside(&mut self, folder: &str, config: &Value) -> Worker {
        let folder = self.path(folder);
        fs::create_dir_all(&folder).unwrap();
        let text = serde_json::to_string_pretty(config).unwrap();
        write_file(&folder.join("config.json"), &text, 0o600);
        let worker = Worker::start(&folder, &self.arguments, &self.environment);
        self.outputs.push(Arc::clone(&worker.stderr));
        worker
    }

    /// Waits until the chain's report meets a condition; returns the report.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Report) -> bool) -> Report {
        assert!(self.net.wait_for(LIMIT, condition), "waited for {what}");
        self.net.report()
    }

    /// Waits until each topic has at least `count` closed windows.
    pub(crate) fn wait_for_windows(&self, topics: &[u64], count: usize) -> Report {
        self.wait_for(&format!("{count} windows of {topics:?}"), |report| {
            let closed = |id: &u64| report.windows(*id).iter().filter(|w| w.closed).count();
            topics.iter().all(|id| closed(id) >= count)
        })
    }

    /// Waits until each topic has a payload in one of its windows.
    pub(crate) fn wait_for_payloads(&self, topics: &[u64]) -> Report {
        self.wait_for(&format!("payloads for {topics:?}"), |report| {
            let is_served = |id: &u64| report.windows(*id).iter().any(|w| w.payload.is_some());
            topics.iter().all(is_served)
        })
    }

    /// Waits for `more` blocks.
    pub(crate) fn wait_for_blocks(&self, more: u64) {
        let until = self.net.height() + more;
        self.wait_for("blocks", |report| report.height >= until);
    }

    /// Waits until the worker has polled a window `more` times.
    pub(crate) fn wait_for_polls(&self, more: u64) {
        let polls = |report: &Report| report.requests_to("worker_submission_window_status");
        let before = polls(&self.net.report());
        self.wait_for("polls", |report| polls(report) >= before + more);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for (at, output) in self.outputs.iter().enumerate() {
            eprintln!("--- worker {}, its log:\n{}", at + 1, output.text());
        }
        let report = serde_json::to_string_pretty(&self.net.report()).unwrap_or_default();
        eprintln!("--- the chain saw:\n{report}");
        eprintln!(
            "--- seed {seed}; to repeat: {SEED_VARIABLE}={seed} cargo test --test end_to_end -- \
             --exact {name}",
            seed = self.seed,
            name = test_name(),
        );
    }
}

/// A configuration for these topics, with delays that fit [`BLOCK_TIME`].
fn config(net: &Localnet, topics: impl Iterator<Item = u64>) -> Value {
    let topic = |id: u64| {
        json!({
            "topic_id": id,
            "inference_url": net.model_url(id),
            "nonce_fetch_freq": 0.2,
            "inference_fetch_retries": 5,
            "inference_fetch_retry_freq": 0.1,
        })
    };
    json!({
        "seed_phrase": SEED_PHRASE,
        "chain_id": "localnet",
        "gas_adjustment": 1.5,
        "api_params": {"api_url": net.url(), "tx_check_retries": 10, "tx_check_freq": 0.2},
        "topics": topics.map(topic).collect::<Vec<_>>(),
    })
}

/// Writes a file with exactly this mode.
pub(crate) fn write_file(path: &Path, text: &str, mode: u32) {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// An environment variable's name and value.
pub(crate) fn variable(name: &str, value: impl AsRef<OsStr>) -> (OsString, OsString) {
    (name.into(), value.as_ref().to_owned())
}

/// A topic of short epochs whose first window opens at `first`.
pub(crate) fn topic(id: u64, first: u64) -> Topic {
    Topic::new(id, 10, 6, first)
}

/// A topic with one long window that opens at `first`.
pub(crate) fn one_window(id: u64, first: u64) -> Topic {
    Topic::new(id, 100, 60, first)
}

/// Asserts that no fee was paid twice or for a failure, and that no window has two payloads.
pub(crate) fn assert_nothing_wasted(report: &Report) {
    assert_eq!(report.paid_twice, 0, "paid twice");
    assert!(
        report.fee_lost.is_empty(),
        "fees lost: {:?}",
        report.fee_lost
    );
    assert!(
        report.included_failures.is_empty(),
        "{:?}",
        report.included_failures
    );
    for topic in &report.topics {
        for window in &topic.windows {
            assert!(
                window.others.is_empty(),
                "served more than once: {window:?}"
            );
        }
    }
}

/// The values submitted in a topic's windows, oldest first.
pub(crate) fn values(report: &Report, topic: u64) -> Vec<&str> {
    let windows = report.windows(topic).iter();
    let payloads = windows.filter_map(|window| window.payload.as_ref());
    payloads.map(|payload| payload.value.as_str()).collect()
}

/// Asserts that every closed window of the topics was served and no fee was wasted.
pub(crate) fn assert_all_served(report: &Report, topics: &[u64]) {
    assert_nothing_wasted(report);
    for &id in topics {
        let closed: Vec<&WindowReport> = report
            .windows(id)
            .iter()
            .filter(|window| window.closed)
            .collect();
        assert!(!closed.is_empty(), "no window of topic {id} is closed");
        for window in closed {
            assert!(
                window.payload.is_some(),
                "topic {id} was not served: {window:?}"
            );
        }
    }
}
