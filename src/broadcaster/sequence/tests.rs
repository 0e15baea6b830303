//! The sequence rules one by one, each in the situation that it is made for.

use std::time::Duration;

use super::*;

const A: usize = 0;
const B: usize = 1;

fn payload(topic: u64) -> Job {
    Job::Payload {
        topic: TopicId(topic),
        nonce: Nonce(100),
    }
}

fn hash(number: u8) -> TxHash {
    TxHash([number; 32])
}

fn signed(number: u8, timeout: u64) -> SignedTx {
    SignedTx {
        hash: hash(number),
        bytes: vec![1],
        timeout_height: Height(timeout),
    }
}

/// A ledger whose account was read: sequence 5 at height 100, and that has settled a first
/// transaction, so that it may pipeline.
fn ledger() -> Ledger {
    let mut ledger = Ledger::new(Jitter::new(1));
    ledger.account_read(Sequence(5), Height(100));
    ledger.first_settled = true;
    ledger
}

struct Scene {
    ledger: Ledger,
    now: Instant,
    height: Height,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            ledger: ledger(),
            now: Instant::now(),
            height: Height(100),
        }
    }

    fn at(&self, endpoint: usize) -> Moment {
        Moment {
            height: self.height,
            endpoint,
            now: self.now,
        }
    }

    fn number(&self, topic: u64) -> Result<Sequence, Hold> {
        self.ledger.number_for(payload(topic), self.at(A))
    }

    /// Signs for the topic with the number that the ledger gives; the hash is 10 × topic.
    fn sign(&mut self, topic: u64, timeout: u64) -> Sequence {
        let sequence = self.number(topic).unwrap();
        let hash = u8::try_from(topic * 10).unwrap();
        self.ledger
            .signed(payload(topic), sequence, signed(hash, timeout), self.height);
        sequence
    }

    fn answer(&mut self, number: u8, verdict: Verdict) -> Standing {
        let at = self.at(A);
        self.ledger.answered(hash(number), verdict, at)
    }

    fn fly(&mut self, topic: u64) -> Sequence {
        let sequence = self.sign(topic, 106);
        let hash = u8::try_from(topic * 10).unwrap();
        assert_eq!(self.answer(hash, Verdict::Accepted), Standing::Alive);
        sequence
    }

    fn due(&self, endpoint: usize) -> Option<u8> {
        match self.ledger.due(self.at(endpoint)) {
            Due::Now(_, signed) => Some(signed.hash.0[0]),
            _ => None,
        }
    }

    fn wait(&mut self) {
        self.now += Duration::from_secs(60);
    }
}

/// A height of 10^9 is believed for a while; then the highest height is `height`.
fn after_a_lie(height: u64) -> Scene {
    let mut scene = Scene::new();
    scene.height = Height(1_000_000_000);
    scene.ledger.account_read(Sequence(5), scene.height);
    scene.ledger.expects(Sequence(5), Sequence(7), scene.at(A));
    scene.ledger.account_read(Sequence(7), scene.height);
    scene.height = Height(height);
    scene
}

#[test]
fn a_height_that_is_not_believed_any_more_holds_nothing() {
    let mut scene = after_a_lie(101);
    assert!(scene.number(1).is_err(), "held for the lie");
    assert_eq!(scene.ledger.height_is(scene.height), []);
    assert_eq!(scene.number(1), Err(Hold::Account), "read at that height");
    scene.ledger.account_read(Sequence(5), scene.height);
    assert_eq!(scene.number(1), Ok(Sequence(5)));
}

#[test]
fn no_block_above_such_a_height_is_awaited() {
    let mut scene = Scene::new();
    scene.height = Height(1_000_000_000);
    scene.ledger.expects(Sequence(5), Sequence(7), scene.at(A));
    scene.height = Height(101);
    assert_eq!(scene.number(1), Err(Hold::Block(Height(1_000_000_000))));
    scene.ledger.height_is(scene.height);
    scene.height = Height(106);
    scene.ledger.account_read(Sequence(5), scene.height);
    assert_eq!(scene.number(1), Ok(Sequence(5)));
}

#[test]
fn what_was_sent_at_such_a_height_is_sent_again_and_waited_for() {
    let mut scene = Scene::new();
    scene.height = Height(1_000_000_000);
    assert_eq!(scene.sign(1, 106), Sequence(5));
    scene.answer(10, Verdict::Full);
    scene.height = Height(101);
    scene.ledger.height_is(scene.height);
    scene.height = Height(102);
    scene.wait();
    assert_eq!(scene.due(A), Some(10), "a block came");
    scene.answer(10, Verdict::Accepted);
    assert_eq!(scene.ledger.oldest_sending(), Some(Height(102)));
}

#[test]
fn the_number_of_a_transaction_that_expires_far_away_goes_to_another_job() {
    let mut scene = Scene::new();
    scene.height = Height(1_000_000_000);
    assert_eq!(scene.sign(1, 1_000_000_006), Sequence(5));
    scene.answer(10, Verdict::Accepted);
    scene.height = Height(101);
    let given_up = scene.ledger.height_is(scene.height);
    assert_eq!(given_up.len(), 1);
    assert!(!given_up[0].consumed && given_up[0].height == Height(101));
    scene.ledger.account_read(Sequence(5), Height(101));
    scene.wait();
    // Either of the two with number 5 may be included, and never both.
    assert_eq!(scene.number(2), Ok(Sequence(5)));
    assert_eq!(scene.fly(2), Sequence(5));
    assert!(scene.number(1).is_err(), "it may be alive with number 5");
    assert_eq!(scene.number(3), Ok(Sequence(6)));
    scene.ledger.account_read(Sequence(6), Height(102));
    assert_eq!(scene.number(1), Ok(Sequence(6)), "number 5 is used");
}

#[test]
fn the_same_job_takes_the_number_of_its_transaction_that_was_given_up() {
    let mut scene = Scene::new();
    scene.height = Height(1_000_000_000);
    scene.sign(1, 1_000_000_006);
    scene.height = Height(101);
    scene.ledger.height_is(scene.height);
    scene.ledger.account_read(Sequence(5), Height(101));
    assert_eq!(scene.number(1), Ok(Sequence(5)));
}

#[test]
fn a_number_that_the_account_cannot_have_reached_bars_nothing() {
    let mut scene = after_a_lie(1_000_000_010);
    scene.ledger.account_read(Sequence(7), scene.height);
    assert_eq!(scene.sign(1, 1_000_000_016), Sequence(7));
    scene.height = Height(101);
    assert_eq!(scene.ledger.height_is(scene.height).len(), 1);
    scene.ledger.account_read(Sequence(5), Height(101));
    scene.wait();
    assert_eq!(scene.number(1), Ok(Sequence(5)), "7 was signed after a lie");
}

#[test]
fn a_height_that_only_grows_changes_nothing() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene.ledger.expects(Sequence(6), Sequence(7), scene.at(A));
    let before = format!("{:?}", scene.ledger);
    for height in 100..105 {
        assert_eq!(scene.ledger.height_is(Height(height)), []);
        assert_eq!(format!("{:?}", scene.ledger), before);
    }
}

#[test]
fn r1_a_dead_at_its_timeout_height_and_not_a_block_earlier() {
    let mut scene = Scene::new();
    scene.fly(1);
    assert!(
        scene
            .ledger
            .account_read(Sequence(5), Height(105))
            .settled
            .is_empty()
    );
    let settled = scene.ledger.account_read(Sequence(5), Height(106)).settled;
    assert_eq!(settled.len(), 1);
    assert!(!settled[0].consumed);
    assert_eq!(
        (settled[0].job, settled[0].height),
        (payload(1), Height(106))
    );
    assert_eq!(scene.number(1), Ok(Sequence(5)));
}

#[test]
fn r1_b_consumed_when_the_committed_sequence_is_above_it() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene.fly(2);
    let settled = scene.ledger.account_read(Sequence(6), Height(101)).settled;
    assert_eq!(settled.len(), 1);
    assert!(settled[0].consumed && settled[0].hashes == [hash(10)]);
    assert_eq!(scene.ledger.in_flight(), 1);
}

#[test]
fn r1_c_dead_when_every_sending_was_refused_and_its_number_is_free() {
    let mut scene = Scene::new();
    scene.sign(1, 106);
    assert_eq!(scene.answer(10, Verdict::Refused), Standing::Dead);
    assert_eq!(scene.number(2), Ok(Sequence(5)));
    scene.sign(2, 106);
    assert_eq!(scene.answer(20, Verdict::NeverLeft), Standing::Dead);
    assert_eq!(scene.number(3), Ok(Sequence(5)));
}

#[test]
fn r2_another_for_the_same_job_carries_the_same_number() {
    let mut scene = Scene::new();
    assert_eq!(scene.fly(1), Sequence(5));
    scene.fly(2);
    assert_eq!(scene.number(1), Ok(Sequence(5)));
    scene
        .ledger
        .signed(payload(1), Sequence(5), signed(11, 108), scene.height);
    assert_eq!(
        scene.due(A),
        Some(11),
        "the newest variant is the one that is sent"
    );
    scene.answer(11, Verdict::Accepted);
    // dead only when both variants are
    assert!(
        scene
            .ledger
            .account_read(Sequence(5), Height(107))
            .settled
            .iter()
            .all(|s| s.job != payload(1))
    );
    let settled = scene.ledger.account_read(Sequence(5), Height(108)).settled;
    assert_eq!(settled[0].hashes, [10, 11].map(hash));
}

#[test]
#[should_panic(expected = "R2")]
fn r2_another_number_for_a_job_that_is_alive_panics() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene
        .ledger
        .signed(payload(1), Sequence(6), signed(11, 108), scene.height);
}

#[test]
#[should_panic(expected = "R4")]
fn r4_a_number_that_is_alive_panics() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene
        .ledger
        .signed(payload(2), Sequence(5), signed(20, 108), scene.height);
}

#[test]
fn r3_one_doubtful_sending_outweighs_every_refusal() {
    for doubt in [
        Verdict::Accepted,
        Verdict::Cached,
        Verdict::Full,
        Verdict::Unknown,
    ] {
        let mut scene = Scene::new();
        scene.sign(1, 106);
        assert_eq!(scene.answer(10, doubt), Standing::Alive);
        for _ in 0..3 {
            assert_eq!(
                scene.answer(10, Verdict::Refused),
                Standing::Alive,
                "{doubt:?}"
            );
        }
        assert_eq!(
            scene.number(2).ok().filter(|n| *n == Sequence(5)),
            None,
            "{doubt:?}"
        );
    }
}

#[test]
fn r4_after_an_unknown_answer_the_same_bytes_go_first() {
    let mut scene = Scene::new();
    scene.sign(1, 106);
    scene.answer(10, Verdict::Unknown);
    assert_eq!(scene.number(2), Err(Hold::Repair));
    assert!(
        matches!(scene.ledger.due(scene.at(A)), Due::Later(_)),
        "not at once"
    );
    assert_eq!(scene.due(B), Some(10), "but at once at another endpoint");
    scene.wait();
    assert_eq!(scene.due(A), Some(10));
    scene.answer(10, Verdict::Cached);
    assert_eq!(scene.number(2), Ok(Sequence(6)));
}

#[test]
fn r5_expected_below_ours_sends_what_the_node_lacks_in_order() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene.fly(2);
    assert_eq!(scene.sign(3, 106), Sequence(7));
    assert_eq!(
        scene.answer(30, Verdict::Expects(Sequence(5))),
        Standing::Dead
    );
    assert_eq!(scene.number(3), Err(Hold::Repair), "nothing is signed");
    assert_eq!(scene.due(A), Some(10));
    scene.answer(10, Verdict::Accepted);
    assert_eq!(scene.due(A), Some(20));
    scene.answer(20, Verdict::Accepted);
    assert_eq!(scene.due(A), None);
    assert_eq!(scene.number(3), Ok(Sequence(7)));
}

/// Behind one address, one node takes the bytes and another one expects their number.
#[test]
fn r5_a_node_that_takes_what_it_then_lacks_is_not_asked_in_a_loop() {
    let mut scene = Scene::new();
    scene.fly(1);
    let mut sendings = 0;
    for _ in 0..1_000 {
        if scene.number(2).is_ok() {
            scene.ledger.expects(Sequence(6), Sequence(5), scene.at(A));
        }
        if scene.due(A) == Some(10) {
            sendings += 1;
            scene.answer(10, Verdict::Accepted);
        }
        scene.now += Duration::from_millis(10);
    }
    assert!((2..=20).contains(&sendings), "{sendings} in 10 s");
}

#[test]
fn r5_expected_below_ours_with_nothing_of_ours_there_reads_the_account() {
    let mut scene = Scene::new();
    scene.sign(1, 106);
    scene.answer(10, Verdict::Expects(Sequence(4)));
    assert_eq!(scene.number(1), Err(Hold::Account));
    scene.ledger.account_read(Sequence(5), Height(100));
    assert!(
        matches!(scene.number(1), Err(Hold::Until(_))),
        "no loop without a pause"
    );
    scene.wait();
    assert_eq!(scene.number(1), Ok(Sequence(5)));
}

#[test]
fn r5_expected_above_ours_waits_a_block_and_reads_the_account() {
    let mut scene = Scene::new();
    scene.sign(1, 106);
    assert_eq!(
        scene.answer(10, Verdict::Expects(Sequence(7))),
        Standing::Dead
    );
    assert_eq!(scene.number(1), Err(Hold::Block(Height(100))));
    scene.height = Height(101);
    assert_eq!(scene.number(1), Err(Hold::Account));
    scene.ledger.account_read(Sequence(7), Height(101));
    scene.height = Height(103);
    assert_eq!(scene.number(1), Ok(Sequence(7)));
}

#[test]
fn r5_a_node_that_keeps_contradicting_is_not_asked_in_a_loop() {
    let mut scene = Scene::new();
    scene.fly(1);
    let mut sendings = 0;
    for _ in 0..1_000 {
        scene.now += Duration::from_millis(10);
        if let Some(hash) = scene.due(A) {
            sendings += 1;
            scene.answer(hash, Verdict::Cached);
        } else if let Ok(sequence) = scene.number(2) {
            sendings += 1;
            scene
                .ledger
                .signed(payload(2), sequence, signed(20, 106), scene.height);
            scene.answer(20, Verdict::Expects(Sequence(5)));
        }
    }
    assert!(sendings < 60, "{sendings} sendings in ten seconds");
}

#[test]
fn r6_a_gap_goes_to_the_next_submission_and_those_behind_are_sent_again() {
    let mut scene = Scene::new();
    scene.sign(1, 102);
    scene.answer(10, Verdict::Accepted);
    scene.fly(2);
    scene.fly(3);
    scene.height = Height(102);
    let settled = scene.ledger.account_read(Sequence(5), Height(102)).settled;
    assert_eq!(settled.len(), 1, "only the first one timed out");
    assert_eq!(scene.due(A), None, "no node takes those behind the gap");
    assert_eq!(scene.sign(4, 108), Sequence(5), "the gap is filled first");
    scene.answer(40, Verdict::Accepted);
    for hash in [20, 30] {
        assert_eq!(
            scene.due(A),
            Some(hash),
            "those behind keep their bytes and number"
        );
        scene.answer(hash, Verdict::Accepted);
    }
    assert_eq!(scene.number(5), Ok(Sequence(8)));
}

#[test]
fn r6_those_behind_a_gap_do_not_keep_others_from_filling_it() {
    let mut scene = Scene::new();
    scene.sign(1, 102);
    scene.answer(10, Verdict::Accepted);
    scene.fly(2);
    scene.answer(20, Verdict::Expects(Sequence(5)));
    scene.height = Height(102);
    scene.ledger.account_read(Sequence(5), Height(102));
    assert_eq!(scene.sign(4, 108), Sequence(5));
    scene.answer(40, Verdict::Unknown);
    scene.wait();
    assert_eq!(scene.due(A), Some(40));
    scene.answer(40, Verdict::Cached);
    assert_eq!(
        scene.due(A),
        Some(20),
        "an answer that came at the second try fills it too"
    );
}

#[test]
fn r7_a_full_mempool_waits_a_block_or_goes_elsewhere() {
    let mut scene = Scene::new();
    scene.sign(1, 106);
    assert_eq!(scene.answer(10, Verdict::Full), Standing::Alive);
    scene.wait();
    assert_eq!(scene.ledger.due(scene.at(A)), Due::Block);
    assert_eq!(scene.due(B), Some(10));
    scene.height = Height(101);
    assert_eq!(scene.due(A), Some(10));
}

#[test]
fn not_included_after_two_blocks_the_same_bytes_are_sent_again() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene.ledger.account_read(Sequence(5), Height(101));
    assert_eq!(scene.due(A), None);
    scene.height = Height(102);
    scene.ledger.account_read(Sequence(5), Height(102));
    assert_eq!(scene.due(A), Some(10));
    scene.answer(10, Verdict::Cached);
    assert_eq!(scene.due(A), None, "once per two blocks");
}

#[test]
fn r9_an_older_height_changes_nothing_until_the_higher_one_is_forgotten() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene.ledger.account_read(Sequence(6), Height(103));
    scene.ledger.account_read(Sequence(5), Height(102));
    assert_eq!(scene.ledger.committed(), Some((Sequence(6), Height(103))));
    scene.ledger.forget_account();
    assert_eq!(scene.number(2), Err(Hold::Account));
    scene.ledger.account_read(Sequence(5), Height(90));
    assert_eq!(scene.number(2), Ok(Sequence(5)));
}

#[test]
fn r10_nothing_is_pipelined_before_a_first_transaction_is_settled() {
    let mut scene = Scene::new();
    scene.ledger.first_settled = false;
    scene.fly(1);
    assert_eq!(scene.number(2), Err(Hold::First));
    scene.ledger.account_read(Sequence(6), Height(101));
    assert_eq!(scene.number(2), Ok(Sequence(6)));
}

#[test]
fn r11_a_new_endpoint_first_gets_the_bytes_in_flight_in_order() {
    let mut scene = Scene::new();
    scene.fly(1);
    scene.fly(2);
    let at_b = |scene: &Scene| scene.ledger.number_for(payload(3), scene.at(B));
    assert_eq!(at_b(&scene), Err(Hold::Repair));
    for number in [10, 20] {
        assert_eq!(scene.due(B), Some(number));
        let at = scene.at(B);
        scene.ledger.answered(hash(number), Verdict::Accepted, at);
    }
    assert_eq!(at_b(&scene), Ok(Sequence(7)));
}

#[test]
fn while_another_process_uses_the_key_numbers_are_withheld() {
    let mut scene = Scene::new();
    scene.fly(1);
    let reading = scene.ledger.account_read(Sequence(7), Height(101));
    assert_eq!((reading.foreign, reading.settled.len()), (1, 1));
    scene.height = Height(101);
    assert_eq!(scene.number(2), Err(Hold::Block(Height(101))));
    let mut held = 0;
    for round in 2..40 {
        scene.height = Height(100 + round);
        let reading = scene.ledger.account_read(Sequence(6 + round), scene.height);
        assert_eq!(reading.foreign, 1);
        held += u64::from(scene.number(2).is_err());
    }
    assert_eq!(held, 38, "no numbers while it goes on");
    scene.height = Height(200);
    assert!(scene.number(2).is_ok());
}

#[test]
fn checks_without_settlement_are_counted() {
    let mut scene = Scene::new();
    scene.fly(1);
    for _ in 0..3 {
        assert_eq!(scene.ledger.unsettled_after(3).count(), 0);
        scene.ledger.account_read(Sequence(5), Height(101));
    }
    assert_eq!(scene.ledger.unsettled_after(3).count(), 1);
    scene.ledger.account_read(Sequence(5), Height(101));
    assert_eq!(scene.ledger.unsettled_after(3).count(), 0, "reported once");
}

#[test]
fn variants_are_bounded() {
    let mut scene = Scene::new();
    scene.fly(1);
    let mut count = 1;
    while scene.ledger.may_sign_again(payload(1)) {
        count += 1;
        let number = 100 + u8::try_from(count).unwrap();
        scene
            .ledger
            .signed(payload(1), Sequence(5), signed(number, 106), scene.height);
        scene.answer(number, Verdict::Unknown);
        assert!(count <= VARIANTS_MAX);
    }
    assert_eq!(count, VARIANTS_MAX);
}

#[test]
fn r10_what_was_open_at_the_start_waits_for_a_new_block() {
    let held = |nonce, last, first, height| {
        let job = Job::Payload {
            topic: TopicId(1),
            nonce: Nonce(nonce),
        };
        held_at_start(job, Some(Height(last)), Height(first), Height(height))
    };
    assert!(held(100, 110, 100, 100) && held(95, 105, 100, 100));
    assert!(!held(100, 110, 100, 101), "a new block came");
    assert!(!held(101, 110, 100, 101), "opened after the start");
    assert!(
        held(100, 102, 100, 100) && !held(100, 101, 100, 100),
        "unless it is the last block"
    );
    let registration = Job::Registration { topic: TopicId(1) };
    assert!(held_at_start(registration, None, Height(100), Height(100)));
    assert!(!held_at_start(registration, None, Height(100), Height(101)));
}

#[test]
fn a_nonce_gets_few_numbers_however_free_each_attempt_looks() {
    let mut scene = Scene::new();
    for taken in 0..SEQUENCES_PER_NONCE_MAX as u64 {
        assert_eq!(scene.sign(1, 200), Sequence(5 + taken));
        scene.answer(10, Verdict::Expects(Sequence(6 + taken)));
        scene.height = scene.height.plus(1);
        let next = Sequence(6 + taken);
        scene.ledger.account_read(next, scene.height);
        scene.height = scene.height.plus(4);
        scene.wait();
    }
    assert_eq!(scene.number(1), Err(Hold::Exhausted));
    let next = Sequence(5 + SEQUENCES_PER_NONCE_MAX as u64);
    assert_eq!(scene.number(2), Ok(next), "another topic");
    let (topic, at) = (TopicId(1), scene.at(A));
    let nonce = Nonce(200);
    let later = scene.ledger.number_for(Job::Payload { topic, nonce }, at);
    assert_eq!(later, Ok(next), "the next nonce");
    let registration = scene.ledger.number_for(Job::Registration { topic }, at);
    assert_eq!(registration, Ok(next));
}

#[test]
fn one_number_counts_once_however_often_it_is_signed() {
    let mut scene = Scene::new();
    for _ in 0..3 * SEQUENCES_PER_NONCE_MAX {
        assert_eq!(scene.sign(1, 200), Sequence(5));
        assert_eq!(scene.answer(10, Verdict::Refused), Standing::Dead);
    }
    assert_eq!(scene.number(1), Ok(Sequence(5)));
}

#[test]
fn a_transaction_that_was_given_up_and_is_used_makes_its_job_ask_whether_it_is_served() {
    let mut scene = Scene::new();
    scene.height = Height(1_000_000_000);
    scene.sign(1, 1_000_000_006);
    scene.answer(10, Verdict::Accepted);
    scene.height = Height(101);
    assert_eq!(scene.ledger.height_is(scene.height).len(), 1);
    scene.ledger.account_read(Sequence(5), Height(101));
    assert_eq!(scene.ledger.take_doubt(payload(1)), None);
    assert!(!scene.ledger.may_be_served(payload(1)));
    scene.ledger.account_read(Sequence(6), Height(102));
    assert!(scene.ledger.may_be_served(payload(1)));
    assert_eq!(scene.ledger.take_doubt(payload(1)), Some(Height(102)));
    assert_eq!(scene.ledger.take_doubt(payload(1)), None, "once");
}

#[test]
fn a_transaction_that_expired_as_an_endpoint_said_and_is_used_makes_its_job_ask_too() {
    let mut scene = Scene::new();
    scene.fly(1);
    let settled = scene.ledger.account_read(Sequence(5), Height(106)).settled;
    assert!(!settled[0].consumed);
    scene.ledger.account_read(Sequence(6), Height(107));
    assert_eq!(scene.ledger.take_doubt(payload(1)), Some(Height(107)));
}

#[test]
fn what_is_settled_or_was_refused_leaves_no_doubt() {
    let mut scene = Scene::new();
    scene.fly(1);
    assert_eq!(scene.sign(2, 106), Sequence(6));
    assert_eq!(scene.answer(20, Verdict::Refused), Standing::Dead);
    scene.ledger.account_read(Sequence(7), Height(102));
    // the topic asks whether it is served because it is settled
    assert!(scene.ledger.may_be_served(payload(1)));
    assert!(!scene.ledger.may_be_served(payload(2)));
    for topic in [1, 2] {
        assert_eq!(scene.ledger.take_doubt(payload(topic)), None);
    }
}
