//! Fee allowances: who pays, what is refused and with which text, and when an allowance begins to
//! count again or ends (protocol.md section 10).

#![expect(
    clippy::unwrap_used,
    reason = "in helpers of a test, a panic is its failure"
)]

use std::time::{Duration, SystemTime};

use allora_localnet::api::query_feegrant;
use allora_localnet::chain::allowance::{Allowance, Period};
use allora_localnet::chain::node::Fate;
use allora_localnet::chain::{Broadcast, Chain, tx};
use allora_localnet::play::options::{FUNDS_UALLO, Options};
use allora_localnet::signer::{Terms, Wallet};
use serde_json::json;

const FEE: u128 = 2_000_000;
const HOUR: Duration = Duration::from_secs(3600);

/// A chain with a granter and a worker that holds just enough for one registration.
struct Scene {
    chain: Chain,
    worker: Wallet,
    granter: String,
    now: SystemTime,
}

impl Scene {
    fn new(allowance: Option<Allowance>) -> Scene {
        let (worker, granter) = (Wallet::new(7).unwrap(), Wallet::new(8).unwrap().address);
        let options = Options::default()
            .with_account(&worker.address, 200)
            .with_account(&granter, FUNDS_UALLO);
        let mut chain = options.chain();
        let now = chain.state.time;
        if let Some(allowance) = allowance {
            chain.state.grant(&granter, &worker.address, allowance);
        }
        chain.publish();
        Scene {
            chain,
            worker,
            granter,
            now,
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            granter: self.granter.clone(),
            ..Terms::at(0)
        }
    }

    fn send(&mut self) -> Broadcast {
        let raw = self.worker.register(1, &self.terms());
        self.chain.broadcast(0, &raw, Fate::Normal)
    }

    fn balance(&self, address: &str) -> u128 {
        self.chain.state.accounts[address].balance_uallo
    }

    fn allowance(&self) -> Option<&Allowance> {
        let account = &self.chain.state.accounts[&self.worker.address];
        account.allowances.get(&self.granter)
    }

    /// Sends; asserts that it is refused in this way, for free, and without using the sequence.
    #[track_caller]
    fn assert_refused(&mut self, codespace: &str, code: u32, text: &str) {
        let answer = self.send();
        let found = (answer.codespace.as_str(), answer.code);
        assert_eq!(found, (codespace, code), "{}", answer.raw_log);
        let log = answer.raw_log;
        assert!(log.starts_with("error escrowing funds: "), "{log:?}");
        assert!(log.contains(" does not allow to pay fees for "), "{log:?}");
        assert!(log.ends_with(text), "{log:?}");
        assert!(log.contains('\u{fffd}'), "an address is raw bytes: {log:?}");
        self.chain.make_block(self.now);
        assert_eq!(self.balance(&self.granter), FUNDS_UALLO);
        assert_eq!(self.chain.state.accounts[&self.worker.address].sequence, 0);
    }
}

fn basic(limit_uallo: u128) -> Allowance {
    Allowance {
        spend_limit_uallo: Some(limit_uallo),
        ..Allowance::default()
    }
}

#[test]
fn the_granter_pays_the_fee_and_the_sender_the_message() {
    let mut with = Scene::new(Some(basic(FEE + 1)));
    assert_eq!(with.send().code, 0);
    with.chain.make_block(with.now);
    assert_eq!(with.balance(&with.granter), FUNDS_UALLO - FEE);
    assert_eq!(with.balance(&with.worker.address), 0);
    assert_eq!(with.allowance(), Some(&basic(1)));
    let gas_used = |scene: &Scene, terms: &Terms| {
        let hash = tx::hash(&scene.worker.register(1, terms));
        let included = scene.chain.find_tx(&hash, u64::MAX).unwrap();
        assert_eq!(included.code, 0, "{}", included.raw_log);
        included.gas_used
    };
    let mut without = Scene::new(None);
    let own = without.worker.address.clone();
    without.chain.state.fund(&own, FEE);
    without.chain.publish();
    let raw = without.worker.register(1, &Terms::at(0));
    assert_eq!(without.chain.broadcast(0, &raw, Fate::Normal).code, 0);
    without.chain.make_block(without.now);
    let more = gas_used(&with, &with.terms()) - gas_used(&without, &Terms::at(0));
    assert_eq!(more, 152_317 - 135_800);
}

#[test]
fn an_allowance_that_is_used_up_is_gone() {
    let mut scene = Scene::new(Some(basic(FEE)));
    assert_eq!(scene.send().code, 0);
    scene.chain.make_block(scene.now);
    assert_eq!(scene.allowance(), None);
}

#[test]
fn what_the_allowance_does_not_cover_is_refused_for_free() {
    let not_found = "fee-grant not found: not found";
    Scene::new(None).assert_refused("sdk", 38, not_found);
    let exceeded = "basic allowance: fee limit exceeded";
    Scene::new(Some(basic(FEE - 1))).assert_refused("feegrant", 2, exceeded);
    let period = |limit| Period::new(HOUR, limit, SystemTime::now());
    let periodic = Allowance {
        period: Some(period(FEE - 1)),
        ..Allowance::default()
    };
    let text = "period limit: fee limit exceeded";
    Scene::new(Some(periodic)).assert_refused("feegrant", 2, text);
    let both = Allowance {
        period: Some(period(FEE)),
        ..basic(FEE - 1)
    };
    let text = "absolute limit: fee limit exceeded";
    Scene::new(Some(both)).assert_refused("feegrant", 2, text);
    let other = Allowance {
        messages: Some(vec!["/emissions.v9.RegisterRequest".to_owned()]),
        ..Allowance::default()
    };
    let text = "message does not exist in allowed messages: message not allowed";
    Scene::new(Some(other)).assert_refused("feegrant", 7, text);
}

#[test]
fn a_simulation_asks_the_allowance_but_takes_nothing() {
    let mut poor = Scene::new(Some(basic(1)));
    let raw = poor.worker.register(1, &poor.terms());
    assert!(poor.chain.simulate(0, &raw).is_ok());
    let mut none = Scene::new(None);
    let refused = none.chain.simulate(0, &raw).unwrap_err();
    assert_eq!(refused.error.key(), "sdk/38");
}

#[test]
fn the_next_period_allows_the_whole_limit_again() {
    let start = SystemTime::now();
    let mut allowance = Allowance {
        period: Some(Period::new(HOUR, FEE, start)),
        ..Allowance::default()
    };
    let mut take = |fee, at| allowance.take(fee, &[], at).is_ok();
    assert!(take(FEE, start) && !take(1, start + HOUR / 2));
    assert!(take(1, start + HOUR) && !take(FEE, start + HOUR));
    assert!(take(FEE, start + HOUR * 2), "one period later");
    assert!(take(FEE, start + HOUR * 9), "after a long pause");
    assert!(!take(1, start + HOUR * 10 - Duration::from_secs(1)));
    assert!(take(1, start + HOUR * 10));
}

#[test]
fn an_expired_allowance_counts_until_a_block_is_later() {
    let mut scene = Scene::new(None);
    let allowance = Allowance {
        expires: Some(scene.now + HOUR),
        ..Allowance::default()
    };
    let worker = scene.worker.address.clone();
    scene.chain.state.grant(&scene.granter, &worker, allowance);
    scene.chain.publish();
    assert_eq!(scene.send().code, 0, "no block is later");
    scene.chain.make_block(scene.now + HOUR * 2);
    let hash = tx::hash(&scene.worker.register(1, &scene.terms()));
    let included = scene.chain.find_tx(&hash, u64::MAX).unwrap();
    assert_eq!(
        (included.codespace.as_str(), included.code),
        ("feegrant", 3)
    );
    assert!(
        included
            .raw_log
            .ends_with("basic allowance: fee allowance expired")
    );
    scene.assert_refused("sdk", 38, "fee-grant not found: not found");
}

#[test]
fn the_query_has_the_recorded_shape() {
    let mut scene = Scene::new(None);
    let (granter, worker) = (scene.granter.clone(), scene.worker.address.clone());
    let path = ["allowance", granter.as_str(), worker.as_str()];
    let missing = query_feegrant::answer(&scene.chain.state, &path).unwrap_err();
    assert_eq!(missing.grpc_code, 13);
    assert_eq!(missing.message, "fee-grant not found: not found");
    let messages = vec!["/emissions.v10.RegisterRequest".to_owned()];
    let allowance = Allowance {
        period: Some(Period::new(HOUR, 10_000_000, SystemTime::UNIX_EPOCH)),
        messages: Some(messages.clone()),
        ..Allowance::default()
    };
    scene.chain.state.grant(&granter, &worker, allowance);
    let coins = json!([{"denom": "uallo", "amount": "10000000"}]);
    let expected = json!({"allowance": {
        "granter": granter, "grantee": worker,
        "allowance": {
            "@type": "/cosmos.feegrant.v1beta1.AllowedMsgAllowance",
            "allowance": {
                "@type": "/cosmos.feegrant.v1beta1.PeriodicAllowance",
                "basic": {"spend_limit": [], "expiration": null},
                "period": "3600s", "period_spend_limit": coins, "period_can_spend": coins,
                "period_reset": "1970-01-01T01:00:00.000000000Z",
            },
            "allowed_messages": messages,
        },
    }});
    assert_eq!(
        query_feegrant::answer(&scene.chain.state, &path),
        Ok(expected)
    );
}
