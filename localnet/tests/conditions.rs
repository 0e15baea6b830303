//! Faults of nodes and chains rather than of single answers, and how they are counted.

#![expect(
    clippy::unwrap_used,
    reason = "in helpers of a test, a panic is its failure"
)]

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use allora_localnet::Localnet;
use allora_localnet::chain::node::Fate;
use allora_localnet::chain::{Chain, Indexing};
use allora_localnet::chain::{bytes, tx};
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::{FUNDS_UALLO, NodeOptions, Options};
use allora_localnet::play::rules::Rule;
use allora_localnet::signer::{Terms, Wallet};

const HEIGHT: &str = "Grpc-Metadata-X-Cosmos-Block-Height";
const ACCOUNT: &str = "/cosmos/auth/v1beta1/account_info/";

fn options(nodes: usize, gossips: bool) -> Options {
    let node = NodeOptions {
        gossips,
        ..NodeOptions::default()
    };
    Options {
        nodes: vec![node; nodes],
        block_time: None,
        ..Options::default()
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build();
    config.into()
}

/// Height header and body.
fn get(url: &str) -> (Option<u64>, String) {
    let mut answer = agent().get(url).call().unwrap();
    let height = answer.headers().get(HEIGHT);
    let height = height.map(|h| h.to_str().unwrap().parse().unwrap());
    (height, answer.body_mut().read_to_string().unwrap())
}

fn post(url: &str, raw: &[u8]) -> serde_json::Value {
    let body = serde_json::json!({"tx_bytes": bytes::base64(raw), "mode": "BROADCAST_MODE_SYNC"});
    let mut answer = agent().post(url).send(body.to_string()).unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

fn registration(wallet: &Wallet, chain_id: &str) -> Vec<u8> {
    let terms = Terms {
        chain_id: chain_id.to_owned(),
        ..Terms::default()
    };
    wallet.register(1, &terms)
}

fn chain(nodes: usize) -> (Chain, Wallet) {
    let wallet = Wallet::new(7).unwrap();
    let options = options(nodes, true).with_account(&wallet.address, FUNDS_UALLO);
    (options.chain(), wallet)
}

#[test]
fn a_frozen_node_answers_from_its_height_and_accepts_transactions_without_gossip() {
    let (mut chain, wallet) = chain(2);
    let raw = registration(&wallet, "localnet");
    chain.make_block(SystemTime::now());
    chain.freeze(0);
    for _ in 0..4 {
        chain.make_block(SystemTime::now());
    }
    assert_eq!(chain.nodes[0].height(chain.state.height), 101);
    assert_eq!(chain.broadcast(0, &raw, Fate::Normal).code, 0);
    assert!(chain.nodes[1].mempool.is_empty());
    for _ in 0..4 {
        chain.make_block(SystemTime::now());
    }
    assert_eq!(
        chain.report.registrations_included, 0,
        "nothing of it is included"
    );
    chain.thaw(0);
    assert_eq!(
        chain.nodes[0].height(chain.state.height),
        chain.state.height
    );
    chain.make_block(SystemTime::now());
    chain.make_block(SystemTime::now());
    assert_eq!(
        chain.report.registrations_included, 1,
        "it makes blocks again"
    );
}

#[test]
fn a_node_that_catches_up_knows_the_transactions_it_missed() {
    let (mut chain, wallet) = chain(2);
    let raw = registration(&wallet, "localnet");
    chain.freeze(0);
    assert_eq!(chain.broadcast(0, &raw, Fate::Normal).code, 0);
    assert_eq!(chain.broadcast(1, &raw, Fate::Normal).code, 0);
    chain.make_block(SystemTime::now());
    assert_eq!(chain.report.registrations_included, 1);
    chain.thaw(0);
    assert!(chain.nodes[0].mempool.is_empty());
    assert_eq!(chain.broadcast(0, &raw, Fate::Normal).code, 19);
}

#[test]
fn a_frozen_nodes_lcd_still_answers() {
    let localnet = Localnet::start(&options(2, true)).unwrap();
    localnet.set_frozen(0, true);
    localnet.blocks_until(105);
    let path = "/cosmos/base/tendermint/v1beta1/syncing";
    let height = |node| get(&format!("{}{path}", localnet.node_url(node))).0;
    assert_eq!((height(0), height(1)), (Some(100), Some(105)));
    localnet.set_frozen(0, false);
    assert_eq!(height(0), Some(105));
}

#[test]
fn a_node_of_another_chain_reports_its_id_and_rejects_our_signatures() {
    let wallet = Wallet::new(7).unwrap();
    let options = options(1, true).with_account(&wallet.address, FUNDS_UALLO);
    let localnet = Localnet::start(&options).unwrap();
    localnet.fault(Rule::new(Fault::OtherChain).times(2));
    let url = localnet.url();
    // This is the same on every chain, so the fault does not affect it.
    let account = get(&format!("{url}{ACCOUNT}{}", wallet.address)).1;
    assert!(account.contains("account_number"), "{account}");
    let info = get(&format!("{url}/cosmos/base/tendermint/v1beta1/node_info")).1;
    assert!(info.contains("\"other-localnet\""), "{info}");
    let raw = registration(&wallet, "localnet");
    let broadcast = format!("{url}/cosmos/tx/v1beta1/txs");
    assert_eq!(post(&broadcast, &raw)["tx_response"]["code"], 4);
    assert_eq!(post(&broadcast, &raw)["tx_response"]["code"], 0);
    let report = localnet.report();
    assert_eq!(report.faults["wrong_chain"], 2);
    assert_eq!(report.faults_by_route["POST /cosmos/tx/v1beta1/txs"], 1);
}

#[test]
fn lasting_conditions_are_counted_by_the_answers_that_they_change() {
    let wallet = Wallet::new(7).unwrap();
    let options = Options {
        indexing: Indexing::Late(3),
        ..options(2, false)
    };
    let localnet = Localnet::start(&options.with_account(&wallet.address, FUNDS_UALLO)).unwrap();
    let raw = registration(&wallet, "localnet");
    let txs = format!("{}/cosmos/tx/v1beta1/txs", localnet.url());
    assert_eq!(post(&txs, &raw)["tx_response"]["code"], 0);
    let hash = tx::hash(&raw);
    let find = || get(&format!("{txs}/{hash}")).1;
    assert!(find().contains("tx not found"), "not included yet");
    localnet.blocks_until(102);
    assert!(find().contains("tx not found"), "not in the index yet");
    localnet.blocks_until(106);
    assert!(find().contains("\"gas_used\""));
    let faults = localnet.report().faults;
    assert_eq!((faults["separate_mempools"], faults["index_late"]), (1, 1));
    localnet.with_chain(|chain| chain.indexing = Indexing::Off);
    assert!(find().contains("indexing is disabled"));
    assert_eq!(localnet.report().faults["index_off"], 1);
}

#[test]
fn faults_of_the_model_are_counted_separately() {
    let localnet = Localnet::start(&options(1, true)).unwrap();
    let url = localnet.model_url(1);
    for fault in [Fault::Rubbish, Fault::NotANumber, Fault::Megabyte] {
        localnet.fault(Rule::new(fault).on("MODEL").times(1));
    }
    assert_eq!(get(&url).1, "the market is closed");
    assert_eq!(get(&url).1, "NaN");
    assert_eq!(get(&url).1.len(), 1024 * 1024 + 1);
    assert!(
        get(&url)
            .1
            .trim()
            .trim_matches('"')
            .starts_with(|c: char| c.is_ascii_digit())
    );
    let faults = localnet.report().faults;
    assert_eq!(faults["model_rubbish"], 1);
    assert_eq!(faults["model_nan"] + faults["model_megabyte"], 2);
}

#[test]
fn the_clock_waits_until_a_time_or_gives_up_and_blocks_have_times() {
    let localnet = Localnet::start(&options(1, true)).unwrap();
    localnet.blocks_until(103);
    let moments = localnet.moments();
    let heights: Vec<u64> = moments.iter().map(|(height, _)| *height).collect();
    assert_eq!(heights, [101, 102, 103]);
    assert!(moments.is_sorted_by_key(|(_, at)| *at) && moments[2].1 <= localnet.elapsed());
    let soon = localnet.elapsed() + Duration::from_millis(20);
    assert!(localnet.pass_until(soon, || true));
    assert!(localnet.elapsed() >= soon);
    let asked = Cell::new(0);
    let wanted = || {
        asked.set(asked.get() + 1);
        asked.get() < 2
    };
    assert!(!localnet.pass_until(soon + Duration::from_secs(60), wanted));
    localnet.note_fault("halt");
    assert_eq!(localnet.report().faults["halt"], 1);
}
