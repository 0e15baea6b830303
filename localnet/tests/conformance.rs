//! Replays every answer that was recorded from real nodes against a simulated chain in the same
//! state: status, height header, keys, types, codes and texts must be the same.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in helpers of a test, a panic is its failure"
)]

mod replay;

use allora_localnet::chain::Chain;
use allora_localnet::chain::decimal::Decimal;
use allora_localnet::chain::labels::Labels;
use allora_localnet::chain::message::{Api, Inference};
use allora_localnet::chain::node::Fate;
use allora_localnet::chain::node::Node;
use allora_localnet::chain::state::{Account, Accounts, Params, Price, State};
use allora_localnet::chain::topic::{Score, Topic};
use allora_localnet::play::options;
use replay::{cases, compare, raw_tx, replay};
use std::collections::BTreeSet;
use std::time::SystemTime;

const WORKER: &str = "allo15yk64u7zc9g9k2yr2wmzeva5qgwxps6ygp4vw8";
const RIVAL: &str = "allo14xl0x3c4m65kqv3lcx2p9dga8j5q78ym88m9jj";
const BALANCE_UALLO: u128 = 99_999_999_999_999_999_997_134_756;

/// A recorded chain: topics 1 and 2 with an epoch of 20 and a window of 10 blocks.
struct Scene {
    api: Api,
    height: u64,
    sequence: u64,
    first: u64,
    first_multi: u64,
    registered: bool,
}

impl Scene {
    fn chain(&self) -> Chain {
        let mut topic = Topic::new(1, 20, 10, self.first);
        let multi = Topic::new(2, 20, 10, self.first_multi);
        let mut multi = options::multi(multi, Labels::up_down_flat().unwrap());
        if self.registered {
            for topic in [&mut topic, &mut multi] {
                topic.workers.insert(WORKER.to_owned(), WORKER.to_owned());
                topic.workers.insert(RIVAL.to_owned(), RIVAL.to_owned());
            }
        }
        let account = |number, sequence, key: &str| Account {
            number,
            sequence,
            balance_uallo: BALANCE_UALLO,
            // An account's first transaction stores its key.
            pubkey: allora_localnet::chain::bytes::unhex(key).filter(|_| sequence > 0),
            ..Account::default()
        };
        let key = "0223aa679d6d5344e201e0df9f02ab15a84726eee0dfb4e953c46a9e2cb52349dc";
        let rivals_key = "02a1a2c0e40e7fc7da22fb9c42829e1308be6154fd85b23ef8be55b6f4d7a616ac";
        let accounts = Accounts::from([
            (WORKER.to_owned(), account(2, self.sequence, key)),
            (RIVAL.to_owned(), account(15, 2, rivals_key)),
        ]);
        let state = State {
            api: self.api,
            height: self.height,
            time: SystemTime::now(),
            price: Price::from_uallo(1),
            accounts,
            params: Params::default(),
            topics: [(1, topic), (2, multi)].into(),
        };
        let mut chain = Chain::new("localnet", state, vec![Node::default()]);
        chain.publish();
        chain
    }

    /// The scene's chain after the block at `height`.
    fn at(&self, height: u64) -> Chain {
        let mut chain = self.chain();
        while chain.state.height < height {
            chain.make_block(SystemTime::now());
        }
        chain
    }
}

fn with_topic(chain: &mut Chain, id: u64, change: impl FnOnce(&mut Topic)) {
    change(chain.state.topics.get_mut(&id).unwrap());
    chain.publish();
}

fn inference(nonce: i64, value: &str) -> Inference {
    Inference {
        topic_id: 1,
        block_height: nonce,
        inferer: WORKER.to_owned(),
        value: Decimal::parse(value).unwrap(),
        extra_data: Vec::new(),
        proof: String::new(),
        values: Vec::new(),
    }
}

const V9: Scene = Scene {
    api: Api::V9,
    height: 25,
    sequence: 0,
    first: 29,
    first_multi: 245,
    registered: false,
};

#[test]
fn v16_snapshot() {
    let all = cases();
    let mut chain = V9.chain();
    // The registration's transaction, rebuilt from its recorded JSON.
    let register = all.iter().find(|c| c.name == "tx-register").unwrap();
    let raw = raw_tx(&register.response["tx"]);
    assert_eq!(chain.broadcast(0, &raw, Fate::Normal).code, 0);
    while chain.state.height < 183 {
        chain.make_block(SystemTime::now());
    }
    with_topic(&mut chain, 1, |topic| {
        topic.scores.insert(
            WORKER.to_owned(),
            Score {
                height: 69,
                score: 0,
            },
        );
    });
    let account = chain.state.accounts.get_mut(WORKER).unwrap();
    (account.sequence, account.balance_uallo) = (16, BALANCE_UALLO);
    chain.publish();
    replay(&mut chain, &all[0..29]);
}

#[test]
fn v16_open_window() {
    let all = cases();
    let mut chain = Scene {
        registered: true,
        sequence: 54,
        ..V9
    }
    .at(171);
    replay(&mut chain, &all[188..189]);
    let insert = all.iter().find(|c| c.name == "tx-insert").unwrap();
    let sent = chain.broadcast(0, &raw_tx(&insert.response["tx"]), Fate::Normal);
    assert_eq!(sent.code, 0, "{}", sent.raw_log);
    chain.make_block(SystemTime::now());
    replay(&mut chain, &all[189..194]);
}

#[test]
fn v17_snapshots() {
    let all = cases();
    let scene = Scene {
        api: Api::V10,
        height: 230,
        first: 239,
        registered: true,
        ..V9
    };
    let mut chain = scene.at(253);
    with_topic(&mut chain, 1, |topic| {
        topic.scores.insert(
            WORKER.to_owned(),
            Score {
                height: 239,
                score: 0,
            },
        );
        topic
            .network
            .insert(239, vec![inference(239, "3000.6024575015053")]);
    });
    replay(&mut chain, &all[29..48]);
}

#[test]
fn v17_transactions() {
    let all = cases();
    let (height, first, first_multi) = (65, 79, 185);
    let scene = Scene {
        api: Api::V10,
        height,
        first,
        first_multi,
        ..V9
    };
    let mut chain = scene.chain();
    with_topic(&mut chain, 2, |topic| {
        topic.whitelist = Some(BTreeSet::new())
    });
    replay(&mut chain, &all[48..145]);
    with_topic(&mut chain, 2, |topic| {
        topic.whitelist = None;
        topic.workers.insert(WORKER.to_owned(), WORKER.to_owned());
    });
    chain.state.accounts.get_mut(WORKER).unwrap().sequence = 16;
    chain.publish();
    replay(&mut chain, &all[145..164]);
}

#[test]
fn v17_admission() {
    let all = cases();
    let (height, first) = (20, 26);
    let scene = Scene {
        api: Api::V10,
        height,
        first,
        sequence: 2,
        registered: true,
        ..V9
    };
    let mut chain = scene.chain();
    chain.state.params.max_top_inferers = 1;
    chain.publish();
    replay(&mut chain, &all[164..176]);

    // The other worker's view of the same blocks: the only place is taken in the same block.
    let mut chain = scene.at(26);
    chain.state.params.max_top_inferers = 1;
    chain.publish();
    let admitted = all[166].request_tx();
    replay(&mut chain, &all[176..178]);
    assert_eq!(chain.broadcast(0, &admitted, Fate::Normal).code, 0);
    replay(&mut chain, &all[178..188]);
    assert_eq!(chain.report.paid_twice, 1);
    assert_eq!(chain.report.included_failures["emissions/78"], 1);
}

#[test]
fn every_recorded_case_is_replayed() {
    assert_eq!(cases().len(), 194);
}

#[test]
fn a_difference_is_an_error() {
    let all = cases();
    let case = all.iter().find(|c| c.name == "window-status").unwrap();
    let mut other = case.response.clone();
    other["is_open"] = true.into();
    assert!(compare("", &case.response, &other).is_err());
    other = case.response.clone();
    other["more"] = 1.into();
    assert!(compare("", &case.response, &other).is_err());
    assert!(compare("", &case.response, &case.response).is_ok());
}
