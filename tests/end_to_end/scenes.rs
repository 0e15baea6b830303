//! Scenes that several test files share: how blocks and nodes are set up, and which transactions
//! were sent according to the worker's debug log.

use std::collections::BTreeSet;

use allora_localnet::Report;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::{NodeOptions, Options};
use allora_localnet::play::rules::Rule;
use serde_json::{Value, json};

use crate::support::*;

/// The route of a broadcast.
pub(crate) const BROADCAST: &str = "POST /cosmos/tx/v1beta1/txs";
/// The first block of the windows that [`in_flight`] opens.
pub(crate) const LATER: u64 = START + 14;

/// No block is made unless the test makes it.
pub(crate) fn manual_blocks(options: Options) -> Options {
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

/// A registered worker and two healthy nodes that gossip, both in its list.
pub(crate) fn two_gossiping(topics: Vec<Topic>) -> Scene {
    let mut scene = Scene::with(Api::V10, topics, |options| {
        let mut options = two_nodes(options);
        options
            .nodes
            .iter_mut()
            .for_each(|node| node.gossips = true);
        options
    });
    use_both_nodes(&mut scene);
    scene.register();
    scene
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
    // A jump of many blocks would make the height that timeouts are counted from a low one.
    scene.wait_for("the windows", |report| report.height + 2 >= LATER);
    scene.net.set_block_time(None);
    scene.net.blocks_until(LATER);
    let count = usize::try_from(count).unwrap();
    worker.wait_for_lines("accepted by the node", count + 1);
    (scene, worker)
}

/// A worker whose first payload, for topic 1, is in the mempool; no block is made.
pub(crate) fn in_mempool(api: Api, change: impl FnOnce(Options) -> Options) -> (Scene, Worker) {
    let topics = vec![one_window(1, START + 3)];
    let mut scene = Scene::with(api, topics, |options| manual_blocks(change(options)));
    scene.register();
    let worker = scene.start();
    scene.wait_for_polls(1);
    scene.net.blocks_until(START + 3);
    scene.wait_for("the broadcast", |report| report.check_tx_accepted == 1);
    (scene, worker)
}

/// Starts the killed worker of [`in_mempool`] again, makes blocks, and asserts that it sends
/// nothing.
pub(crate) fn assert_restart_sends_nothing(scene: &mut Scene) {
    let asked = |report: &Report| report.requests_to("inferer_score_ema");
    let before = asked(&scene.net.report());
    let worker = scene.start();
    scene.wait_for("the question whether it is served", |report| {
        asked(report) > before
    });
    scene.net.set_block_time(Some(BLOCK_TIME));
    worker.wait_for_line(&format!("nonce {}: already submitted", START + 3));
    worker.stop();
    let report = scene.net.report();
    assert_nothing_wasted(&report);
    assert_eq!((report.payloads_included, report.check_tx_accepted), (1, 1));
}

/// A registered worker with one topic that has these additional settings.
pub(crate) fn with_settings(api: Api, topic: Topic, settings: Value) -> Scene {
    let mut scene = Scene::new(api, vec![topic]);
    scene.register();
    let Value::Object(settings) = settings else {
        panic!("not an object: {settings}");
    };
    let topic = scene.config["topics"][0].as_object_mut().unwrap();
    topic.extend(settings);
    scene
}

/// Makes blocks again until every window of the topics has a payload.
pub(crate) fn make_blocks_until_served(scene: &Scene, topics: &[u64]) -> Report {
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

/// From now on the node takes transactions: the worker says so and serves, and nothing was lost.
pub(crate) fn goes_on_without_faults(scene: &Scene, worker: Worker) {
    scene.net.clear_faults();
    worker.wait_for_line("over: wallet: no transaction taken");
    worker.wait_for_line("included in block");
    worker.stop();
    assert_nothing_wasted(&scene.net.report());
}
