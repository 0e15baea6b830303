//! The gas of a payload, and payloads that are not sent.

use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded, never};

use super::*;
use crate::broadcaster::order::{Crowd, Order, WORDS_MAX};
use crate::broadcaster::sequence::{Job, Moment, Verdict};
use crate::broadcaster::{ACCOUNT_OVERDUE_BLOCKS, QUEUE_AGE_BLOCKS_MAX, SenderSettings};
use crate::chain::Chain;
use crate::chain::answers::Account;
use crate::chain::lcd::Lcd;
use crate::http::{Http, REQUEST_TIME_MAX};
use crate::shutdown;
use crate::sign::seed_phrase::SeedPhrase;
use crate::sign::wallet::Wallet;
use crate::test_server::{Act, Server, answer, at_height};
use crate::values::decimal::Decimal;
use crate::values::payload::{Inference, Payload};
use crate::values::units::{AccountNumber, Nonce, TopicId};

const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
const HEIGHT: &str = "Grpc-Metadata-X-Cosmos-Block-Height: 102\r\n";
const JOB: Job = Job::Payload {
    topic: TopicId(1),
    nonce: Nonce(100),
};

/// A node at block 102 by which every simulation succeeds.
fn node() -> Server {
    node_that(simulated)
}

fn simulated() -> Act {
    at_height(102, r#"{"gas_info":{"gas_used":"140000"}}"#)
}

/// A node at block 102 that answers simulations by `simulate`.
fn node_that(simulate: impl Fn() -> Act + Send + Sync + 'static) -> Server {
    Server::start(move |request| serve(request, &simulate))
}

fn serve(request: &str, simulate: impl Fn() -> Act) -> Act {
    if request.contains("/node_info") {
        answer(200, "", r#"{"default_node_info":{"network":"localnet"}}"#)
    } else if request.contains("/syncing") {
        at_height(102, r#"{"syncing":false}"#)
    } else if request.contains("/simulate") {
        simulate()
    } else {
        at_height(102, r#"{"balance":{"denom":"uallo","amount":"7"}}"#)
    }
}

/// The answer to a simulation for a window that is not open.
fn refused_window() -> Act {
    let text = "failed to execute message; message index: 0: unfulfilled nonce not found \
                [cosmos/cosmos-sdk@v0.50.14/baseapp/baseapp.go:1023] with gas used: '75421'";
    let refusal = format!(r#"{{"code":2,"message":"{text}","details":[]}}"#);
    answer(500, HEIGHT, &refusal)
}

fn broadcaster(nodes: &[Server]) -> Broadcaster {
    let urls: Vec<String> = nodes.iter().map(|node| node.url.clone()).collect();
    let lcd = Lcd::new(Http::default(), &urls, None, 7);
    lcd.balance("allo1x").unwrap();
    let chain = Arc::new(Chain::of_one_account(lcd, "allo1x"));
    let wallet = Wallet::new(&SeedPhrase::parse(PHRASE).unwrap()).unwrap();
    let inbox: Receiver<Order> = never();
    let (_stopper, stop) = shutdown::channel();
    let settings = SenderSettings::sample();
    let mut broadcaster = Broadcaster::new(chain, wallet.into(), settings, inbox, stop);
    broadcaster.account.number = Some(AccountNumber(3));
    broadcaster
}

fn submission() -> (Submission, Receiver<Word>) {
    let (reply, words) = bounded(WORDS_MAX);
    let value = Inference::Value(Decimal::parse("1.5").unwrap());
    let submission = Submission {
        job: JOB,
        payload: Payload::new(Some(value), Vec::new()).ok(),
        last_block: Some(Height(160)),
        vouched: None,
        crowd: Crowd::default(),
        used_evicting: None,
        gas_min: None,
        gas_most: None,
        doubt: Doubt::None,
        balance_doubtful: false,
        at: Instant::now(),
        old_from: None,
        reply,
    };
    (submission, words)
}

fn draft() -> Draft {
    Draft {
        job: JOB,
        sequence: Sequence(5),
        api: ApiVersion::V10,
        gas_limit: Gas(210_000),
        fee: FEE_FOR_SIMULATION,
    }
}

fn moment(height: u64) -> Moment {
    Moment {
        height: Height(height),
        endpoint: 0,
        now: Instant::now(),
    }
}

/// A transaction for the job expires at a height that was a lie, and is given up.
fn strand(broadcaster: &mut Broadcaster) -> Draft {
    let (submission, _words) = submission();
    let draft = draft();
    let made = broadcaster.make(&submission, &draft, Height(150), tx::sign);
    let signed = made.unwrap();
    let (ledger, hash) = (&mut broadcaster.ledger, signed.hash);
    ledger.account_read(Sequence(5), Height(101));
    ledger.signed(JOB, Sequence(5), signed, Height(101));
    ledger.answered(hash, Verdict::Accepted, moment(101));
    assert_eq!(ledger.height_is(Height(101)).len(), 1);
    draft
}

#[test]
fn already_submitted_is_asked_of_another_endpoint_unless_the_own_transaction_may_be_included() {
    let mut broadcaster = broadcaster(&[node(), node()]);
    let draft = strand(&mut broadcaster);
    let (submission, _words) = submission();
    let served = Meaning::AlreadySubmitted;
    let first = EndpointId(0);
    assert!(broadcaster.is_contradicted(&submission, &draft, &served, first));
    broadcaster.ledger.account_read(Sequence(6), Height(102));
    assert!(!broadcaster.is_contradicted(&submission, &draft, &served, first));
    let closed = Meaning::WindowClosed;
    assert!(broadcaster.is_contradicted(&submission, &draft, &closed, first));
}

#[test]
fn a_payload_that_an_endpoint_refuses_which_does_not_name_its_window_waits_and_then_expires_soon() {
    let nodes = [node(), node_that(refused_window)];
    let broadcaster = broadcaster(&nodes);
    let (submission, _words) = submission();
    let said = |other| broadcaster.simulate_unnamed(&submission, &draft(), EndpointId(other));
    assert_eq!(said(0), Ok(()));
    let refused = SendTrouble::Unnamed(Meaning::WindowClosed);
    assert_eq!(said(1), Err(refused));
}

#[test]
fn a_refused_payload_expires_soon_but_not_with_the_next_block() {
    let (mut submission, _words) = submission();
    let timeout =
        |submission: &Submission, sure| timeout_height(submission, Height(sure), Height(150)).0;
    assert_eq!(timeout(&submission, 150), 156);
    assert_eq!(timeout(&submission, 146), 152);
    submission.doubt = Doubt::Refused;
    assert_eq!(timeout(&submission, 150), 155);
    assert_eq!(timeout(&submission, 147), 152);
    assert_eq!(
        timeout(&submission, 146),
        152,
        "an endpoint is four blocks late"
    );
    assert_eq!(timeout(&submission, 144), 150, "never above the usual one");
    submission.last_block = Some(Height(151));
    assert_eq!(timeout(&submission, 150), 151);
}

#[test]
fn an_endpoint_that_hangs_in_simulations_delays_one_payload_and_not_the_next_ones() {
    let nodes = [node(), node_that(|| Act::Hang)];
    let broadcaster = broadcaster(&nodes);
    let (submission, _words) = submission();
    let start = Instant::now();
    for _ in 0..10 {
        let said = broadcaster.simulate_unnamed(&submission, &draft(), EndpointId(1));
        assert_eq!(said, Ok(()));
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(nodes[1].count("/simulate"), 1);
}

#[test]
fn a_refusal_by_the_endpoint_that_does_not_name_the_window_leaves_it_in_use() {
    let nodes = [node_that(refused_window), node()];
    let mut broadcaster = broadcaster(&nodes);
    let (mut submission, _words) = submission();
    submission.doubt = Doubt::Unnamed(EndpointId(0));
    let Err(Back::Word(Word::NotNow(trouble))) = broadcaster.simulate(&submission, &draft()) else {
        panic!("it was not refused");
    };
    assert_eq!(trouble, SendTrouble::Unnamed(Meaning::WindowClosed));
    assert_eq!(nodes[1].count("/simulate"), 0);
    submission.doubt = Doubt::Unnamed(EndpointId(1));
    let back = broadcaster.simulate(&submission, &draft());
    assert!(matches!(back, Err(Back::Queue)), "the other one accepts it");
}

#[test]
fn a_payload_whose_stranded_twin_may_be_included_is_asked_about_and_not_sent() {
    let nodes = [node(), node()];
    let mut broadcaster = broadcaster(&nodes);
    strand(&mut broadcaster);
    let (mut submission, words) = submission();
    // the topic asked "served?" before the twin was included
    submission.vouched = Some(Vouched {
        used: Some(Gas(140_000)),
        api: ApiVersion::V10,
        at: Height(102),
    });
    broadcaster.queue.push(submission);
    broadcaster.ledger.account_read(Sequence(6), Height(102));
    broadcaster.step(Instant::now());
    let word = words.try_recv().unwrap();
    let asks = Word::NotNow(SendTrouble::AskServedAbove(Height(102)));
    assert_eq!(format!("{word:?}"), format!("{asks:?}"));
    for node in &nodes {
        assert_eq!(node.count("POST"), 0, "{:?}", node.requests());
    }
}

fn room(evicts: Option<usize>, used_evicting: Option<u64>) -> Room {
    Room {
        evicts,
        used_evicting: used_evicting.map(Gas),
        gas_min: Gas(0),
        factor: GasFactor::DEFAULT,
    }
}

#[test]
fn only_where_the_set_is_full_there_is_room_for_an_eviction() {
    let (free, full) = (room(None, Some(203_434)), room(Some(32), None));
    let used = Some(Gas(139_047));
    assert_eq!(
        free.remembered(used),
        Some(fee::remembered_limit(Gas(139_047), GasFactor::DEFAULT))
    );
    // used in a block: 113,000, by 1.5 ÷ 1.18
    assert_eq!(free.simulated(Gas(100_000)), Gas(143_645));
    assert!(full.remembered(used) > Some(Gas(203_434)));
    assert!(full.simulated(Gas(129_096)) > Gas(203_434));
    // the factor's margin may be enough by itself
    let few = room(Some(1), None);
    assert_eq!(
        few.simulated(Gas(130_000)),
        room(None, None).simulated(Gas(130_000))
    );
}

#[test]
fn evictions_that_were_seen_count_where_one_is_possible() {
    let full = room(Some(32), Some(250_000));
    assert_eq!(full.remembered(Some(Gas(140_000))), Some(Gas(275_000)));
    assert_eq!(full.remembered(None), Some(Gas(275_000)));
    assert_eq!(room(None, Some(250_000)).remembered(None), None);
    assert_eq!(room(Some(32), None).remembered(None), None);
}

#[test]
fn what_an_index_exaggerates_is_simulated() {
    let over = fee::gas_believed_max(None).0 + 1;
    assert_eq!(room(None, None).remembered(Some(Gas(over))), None);
    assert_eq!(room(Some(32), Some(over)).remembered(None), None);
    let most = fee::gas_limit_max(GasFactor::DEFAULT);
    let simulated = |used_evicting| room(Some(32), used_evicting).simulated(Gas(130_000));
    assert_eq!(simulated(Some(600_001)), simulated(None));
    assert_eq!(simulated(Some(600_000)), Gas(660_000));
    let believed = fee::gas_believed_max(None);
    assert!(room(Some(usize::MAX), Some(u64::MAX)).simulated(believed) <= most);
}

#[test]
fn what_a_topic_said_of_its_nonce_counts_until_its_inference_is_too_old() {
    let fact = Vouched {
        used: Some(Gas(140_000)),
        api: ApiVersion::V10,
        at: Height(100),
    };
    let at = |height| vouched(Some(fact), ApiVersion::V10, Height(height));
    let last = 100 + VOUCHED_BLOCKS_MAX;
    assert_eq!([at(100), at(last)], [Some(fact); 2]);
    assert_eq!([at(99), at(last + 1)], [None; 2]);
    assert_eq!(vouched(Some(fact), ApiVersion::V9, Height(100)), None);
}

#[test]
fn what_a_topic_said_of_a_nonce_that_may_be_served_is_simulated() {
    let mut broadcaster = broadcaster(&[node()]);
    let (mut submission, _words) = submission();
    submission.vouched = Some(Vouched {
        used: Some(Gas(140_000)),
        api: ApiVersion::V10,
        at: Height(102),
    });
    let counts = |broadcaster: &Broadcaster| {
        let vouched = broadcaster.vouched(&submission, ApiVersion::V10);
        vouched.is_some()
    };
    assert!(!counts(&broadcaster), "the account was not read yet");
    broadcaster.chain.others_may_have_sent(Height(102));
    assert!(counts(&broadcaster));
    broadcaster.chain.others_may_have_sent(Height(103));
    assert!(!counts(&broadcaster), "another process has sent something");
    broadcaster.chain.others_may_have_sent(Height(102));
    strand(&mut broadcaster);
    assert!(counts(&broadcaster), "its sequence is not used");
    broadcaster.ledger.account_read(Sequence(6), Height(102));
    assert!(!counts(&broadcaster), "its transaction may be in a block");
}

#[test]
fn a_window_may_be_another_process_s_if_it_opened_before_a_foreign_sequence_was_seen() {
    let mut broadcaster = broadcaster(&[node()]);
    let mut is_ours = |sequence: u64, height: u64, since: u64| {
        let account = Account {
            number: AccountNumber(3),
            sequence: Sequence(sequence),
        };
        broadcaster.take_account(&account, Height(height));
        broadcaster.chain.is_ours_since(Height(since))
    };
    assert!(
        !is_ours(5, 102, 101),
        "an earlier process may have served it"
    );
    assert!(is_ours(5, 103, 102));
    assert!(!is_ours(6, 104, 103), "a foreign sequence");
    assert!(is_ours(6, 105, 104));
}

#[test]
fn a_submission_stays_while_others_are_accepted_and_returns_when_nothing_is() {
    let mut broadcaster = broadcaster(&[node()]);
    let (submission, words) = submission();
    broadcaster.queue.push(submission);
    let long = broadcaster.chain.lcd.clock().block_time() * (QUEUE_AGE_BLOCKS_MAX + 1);
    let mut at = moment(103);
    for _ in 0..3 {
        at.now += long;
        broadcaster.accepted_at = Some(at.now);
        broadcaster.return_late(at);
        assert!(words.try_recv().is_err(), "another one was just accepted");
    }
    at.now += long;
    broadcaster.return_late(at);
    let word = words.try_recv();
    let is_stale = matches!(word, Ok(Word::NotNow(SendTrouble::Temporary(_))));
    assert!(is_stale, "{word:?}");
}

#[test]
fn what_became_too_old_or_had_no_turn_returns_with_that_reason() {
    let mut broadcaster = broadcaster(&[node()]);
    let long = broadcaster.chain.lcd.clock().block_time() * (QUEUE_AGE_BLOCKS_MAX + 1);
    let mut returns = |old_in: Option<Duration>, accepted: bool, height: u64| {
        let (mut submission, words) = submission();
        submission.old_from = old_in.map(|time| submission.at + time);
        let now = submission.at + Duration::from_secs(2);
        broadcaster.accepted_at = accepted.then_some(now);
        broadcaster.queue.push(submission);
        broadcaster.return_late(Moment {
            now,
            ..moment(height)
        });
        broadcaster.queue.clear();
        match words.try_recv() {
            Ok(Word::NotNow(trouble)) => Some(trouble),
            _ => None,
        }
    };
    let second = Duration::from_secs(1);
    assert_eq!(returns(Some(second * 3), true, 103), None);
    assert_eq!(
        returns(Some(second * 2), true, 103),
        Some(SendTrouble::Outdated)
    );
    assert_eq!(returns(Some(second), true, 160), Some(SendTrouble::NoTurn));
    assert_eq!(returns(None, false, 160), Some(SendTrouble::WindowOver));
    let (submission, words) = submission();
    let at = submission.at;
    broadcaster.accepted_at = Some(at + Duration::from_secs(1));
    broadcaster.queue.push(submission);
    broadcaster.return_late(Moment {
        now: at + Duration::from_secs(1) + long,
        ..moment(160)
    });
    let word = words.try_recv();
    let is_over = matches!(word, Ok(Word::NotNow(SendTrouble::WindowOver)));
    assert!(is_over, "nothing else was accepted lately: {word:?}");
}

#[test]
fn of_windows_that_end_together_one_that_needs_no_simulation_is_first() {
    let start = Instant::now();
    let urgency = |last: Option<u64>, is_vouched: bool, old_in_s: Option<u64>| {
        let (mut submission, _) = submission();
        submission.last_block = last.map(Height);
        submission.vouched = is_vouched.then_some(Vouched {
            used: None,
            api: ApiVersion::V10,
            at: Height(100),
        });
        submission.old_from = old_in_s.map(|time| start + Duration::from_secs(time));
        submission.urgency(Height(110))
    };
    let ascending = [
        urgency(Some(110), true, Some(1)),
        urgency(Some(110), true, Some(2)),
        urgency(Some(110), true, None),
        urgency(Some(110), false, Some(1)),
        // a registration, whose transaction would expire after block 110
        urgency(None, false, None),
        urgency(Some(111), true, Some(1)),
    ];
    assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
}

#[test]
fn a_payload_that_became_too_old_before_its_signature_is_not_signed() {
    let mut broadcaster = broadcaster(&[node()]);
    let (mut submission, _words) = submission();
    broadcaster.ledger.account_read(Sequence(5), Height(102));
    let draft = draft();
    submission.old_from = Some(Instant::now());
    let signed = broadcaster.sign(&submission, &draft);
    assert_eq!(signed.unwrap_err(), SendTrouble::Outdated);
    assert_eq!(broadcaster.ledger.in_flight(), 0);
    submission.old_from = Some(Instant::now() + Duration::from_secs(60));
    assert!(broadcaster.sign(&submission, &draft).is_ok());
}

#[test]
fn a_lost_account_answer_leaves_the_queue_as_it_is_and_is_the_reason_if_nothing_is_sent() {
    let mut broadcaster = broadcaster(&[node()]);
    let (submission, words) = submission();
    let now = submission.at;
    broadcaster.queue.push(submission);
    // the node has no account, but no error that says so
    broadcaster.read_account(REQUEST_TIME_MAX);
    broadcaster.step(now);
    assert!(words.try_recv().is_err() && broadcaster.queue.len() == 1);
    let late = broadcaster.chain.lcd.clock().block_time() * (QUEUE_AGE_BLOCKS_MAX + 1);
    broadcaster.return_late(Moment {
        now: now + late,
        ..moment(103)
    });
    let word = words.try_recv();
    let Ok(Word::NotNow(SendTrouble::Temporary(text))) = &word else {
        panic!("{word:?}");
    };
    assert!(text.contains("for account failed"), "{text}");
}

#[test]
fn an_account_read_without_answer_leaves_time_to_send_before_the_next() {
    let hangs = Duration::from_millis(300);
    let node = Server::start(move |request| {
        if request.contains("/account") {
            std::thread::sleep(hangs);
            return Act::Send(Vec::new());
        }
        serve(request, simulated)
    });
    let mut broadcaster = broadcaster(&[node]);
    let (submission, _words) = submission();
    broadcaster.ledger.account_read(Sequence(5), Height(102));
    broadcaster.sign(&submission, &draft()).unwrap();
    broadcaster.queue.push(submission);
    let before = Instant::now();
    broadcaster.read_account(REQUEST_TIME_MAX);
    let every = broadcaster.chain.lcd.clock().block_time() * ACCOUNT_OVERDUE_BLOCKS;
    assert!(Instant::now() >= before + hangs, "the read waited");
    assert!(!broadcaster.account_is_overdue(before + hangs + every - Duration::from_millis(1)));
    assert!(broadcaster.account_is_overdue(Instant::now() + every));
}

#[test]
fn a_long_queue_does_not_put_off_the_account_for_ever() {
    let mut broadcaster = broadcaster(&[node()]);
    let (submission, _words) = submission();
    let draft = draft();
    broadcaster.read_account(REQUEST_TIME_MAX);
    broadcaster.account_answers();
    let late = Instant::now() + broadcaster.chain.lcd.clock().block_time() * ACCOUNT_OVERDUE_BLOCKS;
    let signed = broadcaster.make(&submission, &draft, Height(104), tx::sign);
    broadcaster.queue.push(submission);
    assert!(
        !broadcaster.account_is_overdue(late),
        "nothing is in flight"
    );
    broadcaster
        .ledger
        .signed(JOB, Sequence(5), signed.unwrap(), Height(104));
    assert!(broadcaster.account_is_overdue(late));
    assert!(!broadcaster.account_is_overdue(late - Duration::from_secs(1)));
    broadcaster.queue.clear();
    assert!(!broadcaster.account_is_overdue(late), "nothing waits");
}
