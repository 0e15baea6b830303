//! Scenes that several test files share: how blocks and nodes are set up, and which transactions
//! were sent according to the worker's debug log.

use std::collections::BTreeSet;
use std::thread;

use allora_localnet::Report;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::{NodeOptions, Options};
use allora_localnet::play::rules::Rule;
use serde_json::json;

use crate::support::*;

/// The route of a broadcast.
pub(crate) const BROADCAST: &str = "POST /cosmos/tx/v1beta1/txs";
/// The first block of the windows that [`in_flight`] opens.
pub(crate) const LATER: u64 = START + 14;

/// Runs a test for all cases at the same time.
pub(crate) fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let name = thread::current().name().unwrap_or_default().to_owned();
    thread::scope(|scope| {
        for case in cases {
            let (test, name) = (&test, name.clone());
            let builder = thread::Builder::new().name(name);
            builder.spawn_scoped(scope, move || test(case)).unwrap();
        }
    });
}

/// No block is made unless the test makes it.
pub(crate) fn by_hand(options: Options) -> Options {
    Options {
        block_time: None,
        ..options
    }
}

/// Two nodes that do not gossip; blocks are made from the first one's mempool.
pub(crate) fn two_nodes(options: Options) -> Options {
    let node = |proposes| NodeOptions {
        gossips: false,
        proposes,
        ..NodeOptions::default()
    };
    Options {
        nodes: vec![node(true), node(false)],
        ..options
    }
}

/// From now on, blocks are made only from this node's mempool.
pub(crate) fn propose(scene: &Scene, node: usize) {
    scene.net.with_chain(|chain| {
        for (at, other) in chain.nodes.iter_mut().enumerate() {
            other.proposes = at == node;
        }
    });
}

/// Lists both nodes of the scene in the worker's configuration.
pub(crate) fn use_both_nodes(scene: &mut Scene) {
    let urls = [scene.net.node_url(0), scene.net.node_url(1)];
    scene.config["api_params"]["api_url"] = json!(urls);
}

pub(crate) fn on_broadcast(fault: Fault) -> Rule {
    Rule::new(fault).on(BROADCAST)
}

/// A topic with one window of 40 blocks that opens at [`LATER`].
pub(crate) fn later(id: u64) -> Topic {
    Topic::new(id, 100, 40, LATER)
}

/// A worker whose first transaction (topic 1) is settled and which has one more in flight for each
/// topic from 2 to `count` + 1, all in one mempool. No block is made; the log level is debug.
pub(crate) fn in_flight(count: u64, change: impl FnOnce(Options) -> Options) -> (Scene, Worker) {
    let mut topics = vec![one_window(1, START + 3)];
    topics.extend((2..count + 2).map(later));
    let mut scene = Scene::with(Api::V10, topics, change);
    if scene.net.with_chain(|chain| chain.nodes.len()) > 1 {
        use_both_nodes(&mut scene);
    }
    scene.register();
    scene.config["debug"] = json!(true);
    let worker = scene.start();
    worker.wait_for_line("included in block");
    scene.net.set_block_time(None);
    scene.net.blocks_until(LATER);
    let count = usize::try_from(count).unwrap();
    worker.wait_for_lines("accepted by the node", count + 1);
    (scene, worker)
}

/// Makes blocks again until every window of the topics has a payload.
pub(crate) fn go_on_until_served(scene: &Scene, topics: &[u64]) -> Report {
    scene.net.set_block_time(Some(BLOCK_TIME));
    scene.wait_for("a payload in every window", |report| {
        let served = |id: &u64| report.windows(*id).iter().all(|w| w.payload.is_some());
        topics.iter().all(served)
    })
}

/// One broadcast of a transaction, read from the debug log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) hash: String,
    pub(crate) verdict: String,
}

/// Every broadcast for a topic, in order.
pub(crate) fn sendings(log: &str, topic: u64) -> Vec<Sending> {
    let job = format!("topic {topic}, ");
    let sending = |line: String| {
        let (before, verdict) = line.split_once(" → ")?;
        let hash = before.split(' ').next_back()?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        is_hash.then(|| Sending {
            hash: hash.to_owned(),
            verdict: verdict.to_owned(),
        })
    };
    let lines = lines_with(log, &job).into_iter();
    lines.filter_map(sending).collect()
}

/// The distinct transactions among these.
pub(crate) fn hashes(sendings: &[Sending]) -> BTreeSet<&str> {
    sendings.iter().map(|s| s.hash.as_str()).collect()
}

/// Asserts that all broadcasts for a topic were of the bytes that are in a block; returns their
/// number.
pub(crate) fn assert_same_bytes(log: &str, report: &Report, topic: u64) -> usize {
    let sendings = sendings(log, topic);
    let windows = report.windows(topic);
    let payload = windows[0].payload.as_ref().unwrap();
    let included = BTreeSet::from([payload.txhash.as_str()]);
    assert_eq!(hashes(&sendings), included, "topic {topic}: {sendings:?}");
    sendings.len()
}
