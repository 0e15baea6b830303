//! Two machines for one worker: the primary serves the first blocks of a window, the standby what it
//! has not served by the hand-over, from an account of its own.

use std::time::Duration;

use allora_localnet::chain::message::Api;
use allora_localnet::chain::topic::Topic;
use allora_localnet::play::faults::Fault;
use allora_localnet::play::options::FUNDS_UALLO;
use allora_localnet::play::rules::Rule;
use allora_worker::sign::seed_phrase::SeedPhrase;
use allora_worker::sign::wallet::Wallet;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::*;

/// The standby's own account.
const FEE_PHRASE: &str =
    "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";
const EPOCH: u64 = 20;
const WINDOW: u64 = 12;
/// The primary's last block is this much above the nonce.
const AFTER: u64 = 6;
/// The first nonce.
const FIRST: u64 = START + 6;

/// A chain with one topic, both configurations, and the standby's account.
struct Pair {
    scene: Scene,
    standby: Value,
    fee_account: String,
}

impl Pair {
    fn new(api: Api) -> Pair {
        let topics = vec![Topic::new(1, EPOCH, WINDOW, FIRST)];
        let mut scene = Scene::with(api, topics, |options| allora_localnet::Options {
            block_time: Some(Duration::from_millis(400)),
            ..options
        });
        scene.register();
        let phrase = SeedPhrase::parse(FEE_PHRASE).unwrap();
        let fee_account = Wallet::new(&phrase).unwrap().address().to_owned();
        scene.net.fund(&fee_account, FUNDS_UALLO);
        let mut standby = scene.config.clone();
        standby["standby"] = json!({"role": "standby", "after_blocks": AFTER});
        standby["fee_seed_phrase_file"] = json!("../fees");
        write_file(&scene.path("fees"), FEE_PHRASE, 0o600);
        scene.config["standby"] = json!({"role": "primary", "after_blocks": AFTER});
        Pair {
            scene,
            standby,
            fee_account,
        }
    }

    fn start_primary(&mut self) -> Worker {
        self.scene.start()
    }

    fn start_standby(&mut self) -> Worker {
        self.scene.start_beside("standby", &self.standby)
    }

    /// How many transactions the standby has paid for.
    fn sent_by_standby(&self) -> u64 {
        let account = self.fee_account.clone();
        self.scene
            .net
            .with_chain(|chain| chain.state.accounts[&account].sequence)
    }

    /// In which block the payload for a nonce is, counted from the nonce.
    fn included_after(&self, nonce: u64) -> Option<u64> {
        let report = self.scene.net.report();
        let window = report.windows(1).iter().find(|w| w.nonce == nonce)?;
        Some(window.payload.as_ref()?.height - nonce)
    }

    fn wait_for_end(&self, nonce: u64) {
        self.scene
            .wait_for("the window's end", |report| report.height > nonce + WINDOW);
    }
}

#[test]
fn a_standby_sends_nothing_while_the_primary_serves() {
    on_both(|api| {
        let mut pair = Pair::new(api);
        let (primary, standby) = (pair.start_primary(), pair.start_standby());
        let last = FIRST + 2 * EPOCH;
        for nonce in [FIRST, FIRST + EPOCH, last] {
            primary.wait_for_line(&format!("nonce {nonce}: included in block"));
            standby.wait_for_line(&format!("nonce {nonce}: already submitted"));
        }
        pair.wait_for_end(last);
        let ended = [primary.stop(), standby.stop()];
        assert_all_served(&pair.scene.net.report(), &[1]);
        assert_eq!(pair.sent_by_standby(), 0, "{ended:?}");
        assert!(!ended[1].stderr.contains("taking over"), "{ended:?}");
    });
}

#[test]
fn a_standby_serves_what_the_primary_cannot_and_gives_the_next_window_back() {
    on_both(|api| {
        let mut pair = Pair::new(api);
        let (primary, standby) = (pair.start_primary(), pair.start_standby());
        primary.wait_for_line(&format!("nonce {FIRST}: included in block"));
        primary.end_by(Signal::KILL);
        let second = FIRST + EPOCH;
        let line = standby.wait_for_line("taking over");
        assert!(
            line.contains(&format!(
                "nonce {second}: not served by the primary up to block"
            )),
            "{line}"
        );
        standby.wait_for_line(&format!("nonce {second}: included in block"));
        let primary = pair.start_primary();
        let third = FIRST + 2 * EPOCH;
        primary.wait_for_line(&format!("nonce {third}: included in block"));
        standby.wait_for_line(&format!("nonce {third}: already submitted"));
        pair.wait_for_end(third);
        let ended = [primary.stop(), standby.stop()];
        assert_all_served(&pair.scene.net.report(), &[1]);
        assert_eq!(pair.sent_by_standby(), 1, "{ended:?}");
        let after = pair.included_after(second).unwrap();
        assert!(
            (AFTER + 1..=AFTER + 3).contains(&after),
            "{after} blocks after the nonce"
        );
    });
}

/// The primary's model answers after the hand-over: its payload is not sent any more. It was stopped
/// with a payload ready, and goes on after the standby has served.
#[test]
fn a_primary_is_silent_from_the_hand_over_on() {
    on_both(|api| {
        let mut pair = Pair::new(api);
        // why: only the primary's model is slow
        let url = pair.scene.net.model_url(1);
        pair.standby["topics"][0]["inference_url"] = json!(url.replace("/topic/", "/other/"));
        let (primary, standby) = (pair.start_primary(), pair.start_standby());
        primary.wait_for_line("the next window opens with block");
        let late = Duration::from_millis(400) * u32::try_from(AFTER + 3).unwrap();
        pair.scene
            .net
            .fault(Rule::new(Fault::Delay(late)).on("MODEL /topic/1"));
        standby.wait_for_line(&format!("nonce {FIRST}: included in block"));
        primary.wait_for_line(&format!("nonce {FIRST}: missed"));
        pair.scene.net.clear_faults();
        pair.wait_for_end(FIRST);
        let second = FIRST + EPOCH;
        primary.wait_for_line(&format!("nonce {second}: included in block"));
        primary.signal(Signal::STOP);
        let third = second + EPOCH;
        standby.wait_for_line(&format!("nonce {third}: included in block"));
        primary.signal(Signal::CONT);
        pair.wait_for_end(third);
        primary.stop();
        standby.stop();
        assert_all_served(&pair.scene.net.report(), &[1]);
        assert_eq!(pair.sent_by_standby(), 2);
    });
}

/// A node accepts the primary's transaction and loses it. It is sent again until the hand-over at
/// most; the standby serves after that, if it has to.
#[test]
fn what_a_node_swallows_is_paid_for_once() {
    on_both(|api| {
        let mut pair = Pair::new(api);
        let (primary, standby) = (pair.start_primary(), pair.start_standby());
        primary.wait_for_line(&format!("nonce {FIRST}: included in block"));
        pair.scene
            .net
            .fault(Rule::new(Fault::AcceptAndDrop).on("/cosmos/tx/v1beta1/txs"));
        let second = FIRST + EPOCH;
        standby.wait_for_line(&format!("nonce {second}: not served by the primary"));
        pair.scene.net.clear_faults();
        pair.wait_for_end(second);
        primary.stop();
        standby.stop();
        assert_all_served(&pair.scene.net.report(), &[1]);
        assert!(pair.included_after(second).unwrap() > AFTER);
    });
}

/// An answer whose height is not known proves nothing: the standby signs nothing.
#[test]
fn a_standby_signs_nothing_without_the_height_of_an_answer() {
    let mut pair = Pair::new(Api::V10);
    let rule = Rule::new(Fault::HidesHeight).on("inferer_score_ema");
    pair.scene.net.fault(rule);
    let standby = pair.start_standby();
    standby.wait_for_line(&format!("nonce {FIRST}: missed"));
    let ended = standby.stop();
    assert_eq!(pair.sent_by_standby(), 0, "{}", ended.stderr);
    assert_eq!(pair.scene.net.report().check_tx_accepted, 0);
}

#[test]
fn a_worker_with_another_fee_account_serves_and_leaves_registering_to_others() {
    on_both(|api| {
        let mut pair = Pair::new(api);
        pair.scene.net.set_balance(&pair.scene.address, 0);
        pair.scene.config["fee_seed_phrase_file"] = json!("fees");
        pair.scene.config.as_object_mut().unwrap().remove("standby");
        let worker = pair.start_primary();
        let line = worker.wait_for_line("transactions are sent and paid for by");
        assert!(line.contains(&pair.fee_account), "{line}");
        worker.wait_for_line(&format!(
            "nonce {FIRST}: included in block {} (+1)",
            FIRST + 1
        ));
        let ended = worker.stop();
        assert!(!format!("{ended:?}").contains("letter"), "{ended:?}");
        assert_eq!(pair.sent_by_standby(), 1);
        pair.scene.net.with_chain(|chain| {
            chain.state.topics.get_mut(&1).unwrap().workers.clear();
        });
        let worker = pair.start_primary();
        worker.wait_for_line("this process does not register");
        worker.stop();
        assert_eq!(pair.scene.net.report().registrations_included, 0);
    });
}

#[test]
fn check_says_which_machine_this_is_and_how_windows_are_shared() {
    let mut pair = Pair::new(Api::V10);
    pair.scene.arguments = vec!["check".into()];
    let primary = pair.start_primary().ended().stdout;
    let standby = pair.start_standby().ended().stdout;
    for (role, said) in [("primary", &primary), ("standby", &standby)] {
        let role = format!("this is the {role}; the hand-over is {AFTER} blocks after the nonce");
        let shares = format!("the primary sends up to block nonce + {AFTER}, the standby after it");
        let plain: Vec<&str> = said.split_whitespace().collect();
        let plain = plain.join(" ");
        for part in [role, shares, pair.scene.address.clone()] {
            assert!(plain.contains(&part), "{part}: {said}");
        }
    }
    assert!(standby.contains(&pair.fee_account), "{standby}");
    assert!(!primary.contains(&pair.fee_account), "{primary}");
}
