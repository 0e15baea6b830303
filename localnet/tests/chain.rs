//! What a worker can do on the chain and what it costs: the promises of protocol.md that no
//! recorded answer shows.

#![expect(
    clippy::unwrap_used,
    reason = "in helpers of a test, a panic is its failure"
)]

use std::time::SystemTime;

use allora_localnet::chain::gas;
use allora_localnet::chain::message::Api;
use allora_localnet::chain::node::Fate;
use allora_localnet::chain::state::Price;
use allora_localnet::chain::tx;
use allora_localnet::chain::{Broadcast, Chain, Indexing};
use allora_localnet::play::options::{FUNDS_UALLO, NodeOptions, Options};
use allora_localnet::signer::{Terms, Wallet};

/// The first nonce of topic 1 on the chain that [`start`] makes.
const NONCE: u64 = 103;

/// A chain at its first nonce, with a funded and registered worker.
fn start(options: Options) -> (Chain, Wallet) {
    let wallet = Wallet::new(7).unwrap();
    let mut chain = options.with_account(&wallet.address, FUNDS_UALLO).chain();
    for topic in chain.state.topics.values_mut() {
        topic
            .workers
            .insert(wallet.address.clone(), wallet.address.clone());
    }
    chain.publish();
    until(&mut chain, NONCE);
    (chain, wallet)
}

fn until(chain: &mut Chain, height: u64) {
    while chain.state.height < height {
        chain.make_block(SystemTime::now());
    }
}

fn block(chain: &mut Chain) {
    assert!(chain.make_block(SystemTime::now()).is_some());
}

fn send(chain: &mut Chain, raw: &[u8]) -> Broadcast {
    chain.broadcast(0, raw, Fate::Normal)
}

/// `codespace/code` of an included transaction.
fn result(chain: &Chain, raw: &[u8]) -> Option<String> {
    let included = chain.find_tx(&tx::hash(raw), chain.state.height)?;
    Some(format!("{}/{}", included.codespace, included.code))
}

#[track_caller]
fn assert_refused(answer: &Broadcast, codespace: &str, code: u32) {
    assert_eq!(
        (answer.codespace.as_str(), answer.code),
        (codespace, code),
        "{}",
        answer.raw_log
    );
}

#[test]
fn a_payload_is_included_once_and_its_cost_is_known() {
    let (mut chain, wallet) = start(Options::default());
    let raw = wallet.payload(1, NONCE, "3000.5", &Terms::at(0));
    assert_eq!(send(&mut chain, &raw).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "/0");
    let account = &chain.state.accounts[&wallet.address];
    assert_eq!(account.balance_uallo, FUNDS_UALLO - 2_000_000 - 10);
    assert_eq!(account.sequence, 1);
    let window = &chain.report.windows(1)[0];
    let payload = window.payload.as_ref().unwrap();
    assert_eq!((payload.height, payload.fee_uallo), (NONCE + 1, 2_000_000));
    assert!(payload.admitted);

    let again = wallet.payload(1, NONCE, "3000.6", &Terms::at(1));
    assert_eq!(send(&mut chain, &again).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &again).unwrap(), "undefined/1");
    assert_eq!(chain.report.paid_twice, 1);
    assert!(chain.report.fee_lost.is_empty());
}

#[test]
fn the_last_block_of_a_window_counts_and_the_next_does_not() {
    for (height, expected) in [(NONCE + 9, "/0"), (NONCE + 10, "emissions/75")] {
        let (mut chain, wallet) = start(Options::default());
        until(&mut chain, height);
        let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
        send(&mut chain, &raw);
        block(&mut chain);
        assert_eq!(result(&chain, &raw).unwrap(), expected, "sent at {height}");
    }
}

#[test]
fn a_number_signed_in_another_spelling_costs_the_fee() {
    let (mut chain, wallet) = start(Options::default());
    let raw = wallet.payload(1, NONCE, "0.00000012", &Terms::at(0));
    assert_eq!(send(&mut chain, &raw).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "sdk/4");
    assert_eq!(chain.report.fee_lost["sdk/4"], 1);
    let raw = wallet.payload(1, NONCE, "1.2E-7", &Terms::at(1));
    send(&mut chain, &raw);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "/0");
}

#[test]
fn a_rejection_by_check_tx_is_free_and_keeps_the_sequence() {
    let (mut chain, wallet) = start(Options::default());
    let terms = Terms::default();
    let cases = [
        ("sdk", 32, Terms::at(1)),
        (
            "sdk",
            4,
            Terms {
                chain_id: "other".to_owned(),
                ..terms.clone()
            },
        ),
        (
            "sdk",
            4,
            Terms {
                account_number: 2,
                ..terms.clone()
            },
        ),
        (
            "sdk",
            13,
            Terms {
                fee_uallo: 1_999_999,
                ..terms.clone()
            },
        ),
        (
            "sdk",
            30,
            Terms {
                timeout_height: NONCE - 1,
                ..terms.clone()
            },
        ),
        (
            "sdk",
            11,
            Terms {
                gas_limit: 30_000,
                ..terms.clone()
            },
        ),
        (
            "sdk",
            11,
            Terms {
                gas_limit: 0,
                ..terms.clone()
            },
        ),
        (
            "sdk",
            12,
            Terms {
                memo: "m".repeat(257),
                ..terms.clone()
            },
        ),
        (
            "sdk",
            5,
            Terms {
                fee_uallo: FUNDS_UALLO + 1,
                ..terms.clone()
            },
        ),
        (
            "sdk",
            2,
            Terms {
                api: Api::V9,
                ..terms.clone()
            },
        ),
    ];
    for (codespace, code, terms) in cases {
        let raw = wallet.payload(1, NONCE, "1", &terms);
        assert_refused(&send(&mut chain, &raw), codespace, code);
        // Rejected bytes are removed from the cache: the same ones are checked again.
        assert_refused(&send(&mut chain, &raw), codespace, code);
    }
    let old = wallet.register(
        1,
        &Terms {
            api: Api::V9,
            ..terms.clone()
        },
    );
    let answer = send(&mut chain, &old);
    assert_refused(&answer, "sdk", 6);
    let text = "no message handler found for *emissionsv9.RegisterRequest: unknown request";
    assert_eq!(answer.raw_log, text);
    assert_refused(&send(&mut chain, &vec![0; 2_000_000]), "sdk", 21);
    block(&mut chain);
    let account = &chain.state.accounts[&wallet.address];
    assert_eq!((account.sequence, account.balance_uallo), (0, FUNDS_UALLO));
    let stranger = Wallet::new(9).unwrap().register(1, &terms);
    assert_refused(&send(&mut chain, &stranger), "sdk", 9);
}

#[test]
fn a_v9_chain_rejects_v10_messages() {
    let (mut chain, wallet) = start(Options {
        api: Api::V9,
        ..Options::default()
    });
    let answer = send(&mut chain, &wallet.payload(1, NONCE, "1", &Terms::at(0)));
    assert_refused(&answer, "sdk", 2);
    assert!(
        answer
            .raw_log
            .starts_with("unable to resolve type URL /emissions.v10.")
    );
    let terms = Terms {
        api: Api::V9,
        ..Terms::default()
    };
    let raw = wallet.payload(1, NONCE, "1", &terms);
    assert_eq!(send(&mut chain, &raw).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "/0");
}

#[test]
fn check_tx_expects_the_sequence_after_the_nodes_pending_transactions() {
    let options = Options::default().with_topics(2, 20, 10);
    let (mut chain, wallet) = start(options);
    let first = wallet.payload(1, NONCE, "1", &Terms::at(0));
    let second = wallet.register(9, &Terms::at(1));
    assert_refused(&send(&mut chain, &second), "sdk", 32);
    assert_eq!(send(&mut chain, &first).code, 0);
    assert_eq!(send(&mut chain, &second).code, 0);
    assert_refused(&send(&mut chain, &first), "sdk", 19);
    block(&mut chain);
    assert_eq!(result(&chain, &first).unwrap(), "/0");
    assert_eq!(result(&chain, &second).unwrap(), "emissions/23");
    assert_eq!(chain.state.accounts[&wallet.address].sequence, 2);
    // A successful transaction stays in the cache; a failed one is removed and fails for its
    // sequence.
    assert_refused(&send(&mut chain, &first), "sdk", 19);
    assert_refused(&send(&mut chain, &second), "sdk", 32);
}

#[test]
fn too_little_gas_costs_the_fee_in_the_block() {
    let (mut chain, wallet) = start(Options::default());
    let probe = wallet.payload(1, NONCE, "1", &Terms::at(0));
    let simulated = chain.simulate(0, &probe).unwrap().gas;
    // The first transaction fails, but stores the account's key. The second one's sequence takes two
    // bytes.
    let first = simulated + gas::FEE_MOVE;
    let enough = first - gas::FIRST_OF_ACCOUNT + 2 * gas::PER_BYTE;
    let short = first - 1;
    for (sequence, gas_limit, expected) in [(0, short, "sdk/11"), (1, enough, "/0")] {
        let raw = wallet.payload(
            1,
            NONCE,
            "1",
            &Terms {
                gas_limit,
                ..Terms::at(sequence)
            },
        );
        assert_eq!(send(&mut chain, &raw).code, 0);
        block(&mut chain);
        assert_eq!(result(&chain, &raw).unwrap(), expected);
    }
    assert_eq!(chain.report.fee_lost["sdk/11"], 1);
    assert_eq!(chain.report.paid_twice, 0);
}

#[test]
fn an_expired_transaction_is_free_and_leaves_a_gap() {
    let (mut chain, wallet) = start(Options::default());
    let late = wallet.payload(
        1,
        NONCE,
        "1",
        &Terms {
            timeout_height: NONCE,
            ..Terms::at(0)
        },
    );
    let next = wallet.register(9, &Terms::at(1));
    assert_eq!(send(&mut chain, &late).code, 0);
    assert_eq!(send(&mut chain, &next).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &late).unwrap(), "sdk/30");
    assert_eq!(result(&chain, &next).unwrap(), "sdk/32");
    let account = &chain.state.accounts[&wallet.address];
    assert_eq!((account.sequence, account.balance_uallo), (0, FUNDS_UALLO));
    assert_eq!(chain.report.fees_uallo, 0);
}

#[test]
fn a_registration_is_paid_once() {
    let (mut chain, wallet) = start(Options::default());
    let topic = chain.state.topics.get_mut(&1).unwrap();
    topic.workers.clear();
    chain.publish();
    let payload = wallet.payload(1, NONCE, "1", &Terms::at(0));
    send(&mut chain, &payload);
    block(&mut chain);
    assert_eq!(result(&chain, &payload).unwrap(), "emissions/13");
    for (sequence, expected, paid_twice) in [(1, "/0", 0), (2, "emissions/8", 1)] {
        let raw = wallet.register(1, &Terms::at(sequence));
        send(&mut chain, &raw);
        block(&mut chain);
        assert_eq!(result(&chain, &raw).unwrap(), expected);
        assert_eq!(chain.report.paid_twice, paid_twice);
    }
}

#[test]
fn a_balance_for_the_fee_but_not_for_the_message_loses_the_fee() {
    let (mut chain, wallet) = start(Options::default());
    chain
        .state
        .accounts
        .get_mut(&wallet.address)
        .unwrap()
        .balance_uallo = 2_000_009;
    chain.publish();
    let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
    let refused = chain.simulate(0, &raw);
    assert!(
        refused.is_ok(),
        "simulate takes no fee, so 10 uallo are left"
    );
    assert_eq!(send(&mut chain, &raw).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "sdk/5");
    assert_eq!(chain.state.accounts[&wallet.address].balance_uallo, 9);
}

#[test]
fn a_passive_worker_succeeds_without_the_event_and_counts_as_served() {
    for (api, event) in [(Api::V10, false), (Api::V9, true)] {
        let (mut chain, wallet) = start(Options {
            api,
            ..Options::default()
        });
        chain.state.topics.get_mut(&1).unwrap().passive = true;
        chain.publish();
        let raw = wallet.payload(
            1,
            NONCE,
            "1",
            &Terms {
                api,
                ..Terms::at(0)
            },
        );
        send(&mut chain, &raw);
        block(&mut chain);
        let included = chain.find_tx(&tx::hash(&raw), u64::MAX).unwrap();
        assert_eq!(included.code, 0);
        let name = format!("emissions.{}.EventInsertInfererPayload", api.name());
        assert_eq!(included.events.iter().any(|e| e.kind == name), event);
        let topic = &chain.state.topics[&1];
        assert_eq!(topic.scores[&wallet.address].height, NONCE);
        assert!(topic.active_set.is_empty());
        let again = wallet.payload(
            1,
            NONCE,
            "2",
            &Terms {
                api,
                ..Terms::at(1)
            },
        );
        send(&mut chain, &again);
        block(&mut chain);
        assert_eq!(result(&chain, &again).unwrap(), "emissions/78");
    }
}

#[test]
fn a_better_worker_replaces_the_lowest() {
    let (mut chain, wallet) = start(Options::default());
    let rival = Wallet::new(8).unwrap();
    chain.state.fund(&rival.address, FUNDS_UALLO);
    chain.state.params.max_top_inferers = 1;
    let topic = chain.state.topics.get_mut(&1).unwrap();
    topic
        .workers
        .insert(rival.address.clone(), rival.address.clone());
    topic.scores.entry(rival.address.clone()).or_default().score = 5;
    chain.publish();
    send(&mut chain, &wallet.payload(1, NONCE, "1", &Terms::at(0)));
    let raw = rival.payload(
        1,
        NONCE,
        "2",
        &Terms {
            account_number: 2,
            ..Terms::at(0)
        },
    );
    assert_eq!(send(&mut chain, &raw).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "/0");
    let admitted: Vec<&String> = chain.state.topics[&1].active_set.keys().collect();
    assert_eq!(admitted, [&rival.address]);
    let again = wallet.payload(1, NONCE, "1", &Terms::at(1));
    send(&mut chain, &again);
    block(&mut chain);
    assert_eq!(result(&chain, &again).unwrap(), "emissions/78");
}

#[test]
fn nodes_that_do_not_gossip_have_separate_mempools() {
    let mut nodes = vec![
        NodeOptions {
            gossips: false,
            ..NodeOptions::default()
        };
        2
    ];
    nodes[1].proposes = false;
    let (mut chain, wallet) = start(Options {
        nodes,
        ..Options::default()
    });
    let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
    assert_eq!(chain.broadcast(1, &raw, Fate::Normal).code, 0);
    let next = wallet.register(9, &Terms::at(1));
    assert_refused(&send(&mut chain, &next), "sdk", 32);
    block(&mut chain);
    assert_eq!(
        result(&chain, &raw),
        None,
        "the second node makes no blocks"
    );
    assert_eq!(chain.broadcast(1, &raw, Fate::Normal).code, 19);
    assert_eq!(send(&mut chain, &raw).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "/0");
    assert!(chain.nodes.iter().all(|node| node.mempool.is_empty()));
}

#[test]
fn a_dropped_transaction_is_never_included_and_may_be_sent_again() {
    let (mut chain, wallet) = start(Options::default());
    let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
    assert_eq!(chain.broadcast(0, &raw, Fate::Doomed).code, 0);
    assert_refused(&send(&mut chain, &raw), "sdk", 19);
    block(&mut chain);
    assert_eq!(result(&chain, &raw), None);
    assert_eq!(send(&mut chain, &raw).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "/0");
}

#[test]
fn an_ante_failure_in_a_block_is_free() {
    let (mut chain, wallet) = start(Options::default());
    let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
    assert_eq!(chain.broadcast(0, &raw, Fate::FailsInBlock(13)).code, 0);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "sdk/13");
    assert_eq!(chain.report.ante_failures["sdk/13"], 1);
    assert_eq!(chain.state.accounts[&wallet.address].sequence, 0);
    assert_eq!(send(&mut chain, &raw).code, 0, "forgotten by the cache");
}

#[test]
fn a_higher_gas_price_removes_pending_transactions() {
    let (mut chain, wallet) = start(Options::default());
    let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
    send(&mut chain, &raw);
    chain.state.price = Price::from_uallo(100);
    chain.publish();
    assert!(chain.nodes[0].mempool.is_empty());
    let answer = send(&mut chain, &raw);
    assert_refused(&answer, "sdk", 13);
    let wanted = "error checking fee: got: 2000000uallo required: 20000000uallo, minGasPrice: \
                  100.000000000000000000uallo, gas: ";
    assert!(answer.raw_log.starts_with(wanted), "{}", answer.raw_log);
}

#[test]
fn a_full_mempool_is_reported_before_a_cached_transaction() {
    let (mut chain, wallet) = start(Options::default());
    let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
    send(&mut chain, &raw);
    chain.nodes[0].full = true;
    assert_refused(&send(&mut chain, &raw), "sdk", 20);
}

#[test]
fn the_index_may_be_late() {
    let (mut chain, wallet) = start(Options::default());
    chain.indexing = Indexing::Late(2);
    let raw = wallet.payload(1, NONCE, "1", &Terms::at(0));
    send(&mut chain, &raw);
    block(&mut chain);
    block(&mut chain);
    assert_eq!(result(&chain, &raw), None);
    block(&mut chain);
    assert_eq!(result(&chain, &raw).unwrap(), "/0");
}

#[test]
fn an_upgrade_keeps_the_open_nonce_and_loses_the_mempool() {
    let (mut chain, wallet) = start(Options {
        api: Api::V9,
        ..Options::default()
    });
    chain.upgrade_height = Some(NONCE + 2);
    block(&mut chain);
    assert_eq!(chain.make_block(SystemTime::now()), None, "frozen");
    let old = wallet.payload(
        1,
        NONCE,
        "1",
        &Terms {
            api: Api::V9,
            ..Terms::at(0)
        },
    );
    assert_eq!(
        send(&mut chain, &old).code,
        0,
        "a frozen node still takes transactions"
    );
    chain.apply_upgrade();
    block(&mut chain);
    assert_eq!(chain.state.height, NONCE + 2);
    assert_eq!(result(&chain, &old), None);
    assert_refused(&send(&mut chain, &old), "sdk", 2);
    let new = wallet.payload(1, NONCE, "1", &Terms::at(0));
    send(&mut chain, &new);
    block(&mut chain);
    assert_eq!(result(&chain, &new).unwrap(), "/0");
    assert_eq!(chain.report.paid_twice, 0);
}
