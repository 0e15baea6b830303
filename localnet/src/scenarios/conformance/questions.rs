//! The questions: every route that a worker asks, and the refusals that it knows.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::others;
use super::super::rest::{Rest, number};
use super::super::test_chain::{Granted, Limit, TestChain};
use super::compare::Answered;
use super::recorded;
use crate::chain::message::Api;
use crate::chain::{ante, bytes};
use crate::signer::{Terms, Wallet};

/// Longest wait for a window or a block.
const TIME_MAX: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// A topic that does not exist, and an address with an invalid checksum.
const NO_TOPIC: u64 = 999;
const NO_ADDRESS: &str = "allo1jjj3dl4kqpu4n2efjx5mr9dr04rjl4gdkl8ujr";
/// The topic with more workers than places, and a nonce that is left in it from before.
pub(super) const CROWDED: u64 = 4;
pub(super) const STALE: u64 = 1;
/// The topic that takes any labels.
const ANY_LABELS: u64 = 5;
/// Places in each topic, labels that a nonce registers, and transactions in the mempool.
pub(super) const PLACES: usize = 2;
pub(super) const LABELS: usize = 3;
pub(super) const MEMPOOL_TXS: usize = 3;
/// The scores of the crowd: two that take the places, one that is better and one that is worse than
/// both. The last one is new.
const SCORES: [u8; 4] = [10, 20, 30, 5];
/// Transactions that are sent at most until a mempool is full.
const FILLING_TXS_MAX: usize = 200;
/// A grant, and a fee that is too much for it.
const GRANT: Granted = Granted {
    limit: Limit::PerPeriod(30_000_000),
    lasts: Some(Duration::from_secs(3_600)),
    messages: &["RegisterRequest", "InsertWorkerPayloadRequest"],
};
const TOO_MUCH_UALLO: u128 = 40_000_000;

/// The wallets that take part.
pub(super) struct Cast {
    worker: Wallet,
    /// Funded, but never registered.
    other: Wallet,
    /// Never funded.
    poor: Wallet,
    /// The workers of the crowded topic.
    crowd: Vec<Wallet>,
}

impl Cast {
    pub(super) fn new() -> Result<Cast, k256::ecdsa::Error> {
        Ok(Cast {
            worker: Wallet::new(7)?,
            other: Wallet::new(8)?,
            poor: Wallet::new(9)?,
            crowd: (10..15).map(Wallet::new).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn funded(&self) -> Vec<String> {
        let funded = [&self.worker, &self.other].into_iter().chain(&self.crowd);
        funded.map(|wallet| wallet.address.clone()).collect()
    }

    pub(super) fn scores(&self) -> Vec<(u64, String, u8)> {
        let crowd = self.crowd.iter().zip(SCORES);
        crowd
            .map(|(wallet, score)| (CROWDED, wallet.address.clone(), score))
            .collect()
    }
}

/// Asks all questions of one chain.
pub(super) fn answers(chain: &dyn TestChain, cast: &Cast) -> io::Result<Vec<Answered>> {
    let mut asking = Asking {
        chain,
        url: chain.url(),
        api: chain.api(),
        rest: Rest::new(),
        cast,
        answers: Vec::new(),
    };
    asking.ask_routes("at the start")?;
    asking.ask_registrations()?;
    let nonce = asking.next_window()?;
    let latest = "/cosmos/base/tendermint/v1beta1/blocks/latest";
    asking.get("a block without transactions".to_owned(), latest)?;
    asking.ask_routes("in a window")?;
    asking.ask_refusals(nonce)?;
    if asking.api == Api::V10 {
        asking.ask_labels(nonce)?;
    }
    asking.ask_payloads(nonce)?;
    asking.ask_routes("with an inference")?;
    asking.ask_recorded(nonce)?;
    asking.ask_crowd()?;
    asking.ask_grant()?;
    asking.ask_transfer()?;
    asking.ask_full_mempool()?;
    Ok(asking.answers)
}

struct Asking<'a> {
    chain: &'a dyn TestChain,
    url: String,
    api: Api,
    rest: Rest,
    cast: &'a Cast,
    answers: Vec<Answered>,
}

impl Asking<'_> {
    /// Keeps an answer for the comparison, and returns its body.
    fn keep(&mut self, name: String, status: u16, body: &[u8]) -> Value {
        let text = || Value::from(String::from_utf8_lossy(body).into_owned());
        let mut body = serde_json::from_slice(body).unwrap_or_else(|_| text());
        // Texts about grants have the granter's bytes, and each chain has another granter.
        replace(&mut body, &ante::raw(&self.chain.granter()), "GRANTER");
        self.answers.push(Answered {
            name,
            status,
            body: body.clone(),
        });
        body
    }

    fn get(&mut self, name: String, path: &str) -> io::Result<Value> {
        let answer = self.rest.ask(&format!("{}{path}", self.url), None)?;
        Ok(self.keep(name, answer.status, &answer.body))
    }

    fn post(&mut self, name: String, path: &str, body: &Value) -> io::Result<Value> {
        let body = body.to_string();
        let url = format!("{}{path}", self.url);
        let answer = self.rest.post(&url, body.as_bytes())?;
        Ok(self.keep(name, answer.status, &answer.body))
    }

    /// Every route that a worker asks, with what is there and with what is not.
    fn ask_routes(&mut self, when: &str) -> io::Result<()> {
        let (api, worker) = (self.api.name(), self.cast.worker.address.clone());
        let poor = self.cast.poor.address.clone();
        let other_api = match self.api {
            Api::V9 => "v10",
            Api::V10 => "v9",
        };
        let status = format!("/emissions/{api}/worker_submission_window_status");
        let mut paths = vec![
            format!("/emissions/{other_api}/params"),
            format!("/emissions/{api}/params"),
            format!("/emissions/{api}/topics/abc"),
            format!("{status}/1?address={NO_ADDRESS}"),
            format!("{status}/2?address={worker}"),
            format!("/emissions/{api}/inferer_score_ema/1/{poor}"),
            format!("/cosmos/auth/v1beta1/account_info/{NO_ADDRESS}"),
            format!("/cosmos/bank/v1beta1/spendable_balances/{NO_ADDRESS}/by_denom?denom=uallo"),
            format!("/cosmos/feegrant/v1beta1/allowance/{poor}/{worker}"),
            format!("/cosmos/tx/v1beta1/txs/{}", "0".repeat(64)),
            "/cosmos/base/tendermint/v1beta1/syncing".to_owned(),
            "/cosmos/base/node/v1beta1/status".to_owned(),
            "/cosmos/upgrade/v1beta1/module_versions?module_name=emissions".to_owned(),
            "/cosmos/upgrade/v1beta1/current_plan".to_owned(),
            "/feemarket/v1/gas_price/uallo".to_owned(),
        ];
        for topic in [1, NO_TOPIC] {
            paths.push(format!("/emissions/{api}/topics/{topic}"));
            paths.push(format!("{status}/{topic}?address={worker}"));
            for route in [
                "latest_inferences",
                "is_topic_active",
                "unfulfilled_worker_nonces",
            ] {
                paths.push(format!("/emissions/{api}/{route}/{topic}"));
            }
            for route in [
                "inferer_score_ema",
                "forecaster_score_ema",
                "worker_registered",
                "can_submit_worker_payload",
            ] {
                paths.push(format!("/emissions/{api}/{route}/{topic}/{worker}"));
            }
        }
        for address in [worker, poor] {
            paths.push(format!("/cosmos/auth/v1beta1/account_info/{address}"));
            for route in ["balances", "spendable_balances"] {
                paths.push(format!(
                    "/cosmos/bank/v1beta1/{route}/{address}/by_denom?denom=uallo"
                ));
            }
        }
        for path in paths {
            self.get(format!("{when}: {path}"), &path)?;
        }
        Ok(())
    }

    fn ask_registrations(&mut self) -> io::Result<()> {
        let worker = &self.cast.worker;
        let raw = worker.register(1, &self.terms(worker)?);
        self.play("a registration, the account's first transaction", &raw)?;
        let raw = worker.register(1, &self.terms(worker)?);
        self.play("a registration that is there", &raw)?;
        let raw = worker.register(NO_TOPIC, &self.terms(worker)?);
        self.play("a registration in a topic that is not there", &raw)?;
        let more = [("second", 2), ("third", 3), ("fifth", ANY_LABELS)];
        for (name, topic) in more {
            let raw = worker.register(topic, &self.terms(worker)?);
            self.play(&format!("a registration in a {name} topic"), &raw)?;
        }
        Ok(())
    }

    /// What a simulation or CheckTx refuses at no cost.
    fn ask_refusals(&mut self, nonce: u64) -> io::Result<()> {
        let Cast {
            worker,
            other,
            poor,
            ..
        } = self.cast;
        let terms = self.terms(worker)?;
        let others = self.terms(other)?;
        let payload = |topic, nonce, terms: &Terms| worker.payload(topic, nonce, "12.5", terms);
        for (name, raw) in [
            ("a closed window", payload(1, nonce + 1, &terms)),
            (
                "a topic that is not there",
                payload(NO_TOPIC, nonce, &terms),
            ),
            (
                "a nonce that is left from before",
                payload(CROWDED, STALE, &terms),
            ),
            ("a whitelist", payload(2, nonce, &terms)),
            ("no registration", other.payload(1, nonce, "12.5", &others)),
            (
                "a value that is not canonical",
                worker.payload(1, nonce, "1e5", &terms),
            ),
            (
                "a value that is no number",
                worker.payload(1, nonce, "NaN", &terms),
            ),
        ] {
            self.simulate(&format!("{name}: simulation"), &raw)?;
        }
        let changed = |change: &dyn Fn(&mut Terms)| {
            let mut changed = terms.clone();
            change(&mut changed);
            payload(1, nonce, &changed)
        };
        let other_api = match self.api {
            Api::V9 => Api::V10,
            Api::V10 => Api::V9,
        };
        for (name, raw) in [
            ("too low a fee", changed(&|terms| terms.fee_uallo = 10)),
            ("too high a sequence", changed(&|terms| terms.sequence += 5)),
            (
                "another chain",
                changed(&|terms| terms.chain_id = "other".to_owned()),
            ),
            (
                "a timeout that is over",
                changed(&|terms| terms.timeout_height = 1),
            ),
            (
                "too long a memo",
                changed(&|terms| terms.memo = "m".repeat(257)),
            ),
            ("another version", changed(&|terms| terms.api = other_api)),
            ("no gas", changed(&|terms| terms.gas_limit = 0)),
            (
                "a grant that is not there",
                changed(&|terms| terms.granter = other.address.clone()),
            ),
            (
                "too much for the balance",
                changed(&|terms| terms.fee_uallo = u128::MAX / 2),
            ),
            (
                "an account that is not there",
                poor.payload(1, nonce, "12.5", &terms),
            ),
        ] {
            self.simulate(&format!("{name}: simulation"), &raw)?;
            self.broadcast(&format!("{name}: CheckTx"), &raw)?;
        }
        Ok(())
    }

    /// Labelled values, those that the topic takes last: it has the labels up, down and flat, which
    /// add up to 1.
    fn ask_labels(&mut self, nonce: u64) -> io::Result<()> {
        let worker = &self.cast.worker;
        let terms = self.terms(worker)?;
        let labels = |values: &[(&str, &str)]| worker.labelled(3, nonce, values, &terms);
        for (name, raw) in [
            ("an unknown label", labels(&[("sideways", "1")])),
            ("a label twice", labels(&[("up", "0.5"), ("up", "0.5")])),
            ("an empty label", labels(&[("", "1")])),
            ("too many labels", labels(&[("up", "1"); 9])),
            (
                "a sum that is not 1",
                labels(&[("up", "0.5"), ("down", "0.7")]),
            ),
            ("default values only", labels(&[("up", "0")])),
            ("no labels", worker.payload(3, nonce, "12.5", &terms)),
            (
                "a label for one number",
                worker.labelled(1, nonce, &[("up", "1")], &terms),
            ),
        ] {
            self.simulate(&format!("{name}: simulation"), &raw)?;
        }
        let values = ["a", "b", "c", "d"].map(|label| (label, "0.25"));
        let raw = worker.labelled(ANY_LABELS, nonce, &values, &terms);
        self.simulate("more labels than an epoch has: simulation", &raw)?;
        let raw = labels(&[("up", "0.3"), ("down", "0.3"), ("flat", "0.4")]);
        self.play("labelled values", &raw)
    }

    /// A payload, a second one for the same nonce, and a forecast.
    fn ask_payloads(&mut self, nonce: u64) -> io::Result<()> {
        let worker = &self.cast.worker;
        let raw = worker.payload(1, nonce, "12.5", &self.terms(worker)?);
        self.play("a payload", &raw)?;
        self.broadcast("the same payload: CheckTx", &raw)?;
        let raw = worker.payload(1, nonce, "12.75", &self.terms(worker)?);
        self.play("a second payload", &raw)?;
        let elements = [(worker.address.as_str(), "0.5")];
        let raw = worker.forecast(1, nonce, &elements, &self.terms(worker)?);
        self.play("a forecast alone", &raw)
    }

    /// The routes of the answers that were recorded from nodes.
    fn ask_recorded(&mut self, nonce: u64) -> io::Result<()> {
        let (worker, poor) = (&self.cast.worker.address, &self.cast.poor.address);
        for (path, name) in recorded::paths(self.api, worker, poor, nonce)? {
            self.get(format!("recorded {name}"), &path)?;
        }
        Ok(())
    }

    /// A window with more workers than places: two take them, the third one evicts the first one, and
    /// two are not admitted.
    fn ask_crowd(&mut self) -> io::Result<()> {
        let crowd = &self.cast.crowd;
        let mut sent = Vec::new();
        for wallet in crowd {
            let raw = wallet.register(CROWDED, &self.terms(wallet)?);
            sent.push(self.send(&raw)?);
            if sent.len() == MEMPOOL_TXS - 1 {
                self.wait_for_all(&mut sent)?;
            }
        }
        self.wait_for_all(&mut sent)?;
        let nonce = self.next_window()?;
        for wallet in &crowd[..PLACES] {
            sent.push(self.send(&wallet.payload(CROWDED, nonce, "12.5", &self.terms(wallet)?))?);
        }
        self.wait_for_all(&mut sent)?;
        let names = [
            "a payload that evicts another",
            "a payload that is not admitted",
            "a payload of a new worker that is not admitted",
        ];
        for (name, wallet) in names.iter().zip(&crowd[PLACES..]) {
            let raw = wallet.payload(CROWDED, nonce, "12.5", &self.terms(wallet)?);
            self.play(name, &raw)?;
        }
        for (name, wallet) in [
            ("the evicted worker", &crowd[0]),
            ("the worker that evicts", &crowd[PLACES]),
            ("the worker that is not admitted", &crowd[PLACES + 1]),
        ] {
            let raw = wallet.payload(CROWDED, nonce, "12.75", &self.terms(wallet)?);
            self.simulate(&format!("{name} again: simulation"), &raw)?;
        }
        Ok(())
    }

    /// A grant before and after it pays a fee, and what it does not pay.
    fn ask_grant(&mut self) -> io::Result<()> {
        let (other, granter) = (&self.cast.other, self.chain.granter());
        self.chain.grant(&other.address, false, GRANT)?;
        let grants = "/cosmos/feegrant/v1beta1/allowance";
        let path = format!("{grants}/{granter}/{}", other.address);
        self.get("a grant".to_owned(), &path)?;
        let granted = |terms: Terms| Terms {
            granter: granter.clone(),
            ..terms
        };
        let raw = other.register(1, &granted(self.terms(other)?));
        self.play("a registration that a granter pays", &raw)?;
        self.get("a used grant".to_owned(), &path)?;
        let terms = granted(self.terms(other)?);
        let too_much = Terms {
            fee_uallo: TOO_MUCH_UALLO,
            ..terms.clone()
        };
        for (name, raw) in [
            ("too high a fee for a grant", other.register(2, &too_much)),
            (
                "a message that a grant does not name",
                other.send(&other.address, 1, &terms),
            ),
        ] {
            self.simulate(&format!("{name}: simulation"), &raw)?;
            self.broadcast(&format!("{name}: CheckTx"), &raw)?;
        }
        Ok(())
    }

    fn ask_transfer(&mut self) -> io::Result<()> {
        let (worker, other) = (&self.cast.worker, &self.cast.other);
        let raw = worker.send(&other.address, 7, &self.terms(worker)?);
        self.play("a transfer", &raw)
    }

    /// One transaction more than the mempool holds. A block may come first, so that it takes another
    /// round.
    fn ask_full_mempool(&mut self) -> io::Result<()> {
        let other = &self.cast.other;
        let mut terms = self.terms(other)?;
        for _ in 0..FILLING_TXS_MAX {
            let raw = other.register(NO_TOPIC, &terms);
            let (url, body) = (
                others::broadcast_url(self.chain),
                others::broadcast_body(&raw),
            );
            let answer = self.rest.post(&url, body.to_string().as_bytes())?;
            let body: Value = serde_json::from_slice(&answer.body)?;
            if body["tx_response"]["code"] != 0 {
                self.keep("a full mempool".to_owned(), answer.status, &answer.body);
                return Ok(());
            }
            terms.sequence += 1;
        }
        Err(io::Error::other("the mempool does not get full"))
    }

    /// A wallet's next transaction.
    fn terms(&self, wallet: &Wallet) -> io::Result<Terms> {
        others::next_terms(&self.rest, self.chain, &wallet.address)
    }

    /// Broadcasts a transaction whose answers are not compared; returns its hash.
    fn send(&self, raw: &[u8]) -> io::Result<String> {
        match others::broadcast(&self.rest, self.chain, raw)? {
            (0, hash) => Ok(hash),
            (code, _) => Err(io::Error::other(format!("refused with code {code}"))),
        }
    }

    /// Waits until these transactions are in blocks, and forgets them.
    fn wait_for_all(&self, hashes: &mut Vec<String>) -> io::Result<()> {
        for hash in hashes.drain(..) {
            let url = format!("{}/cosmos/tx/v1beta1/txs/{hash}", self.url);
            wait("block with a transaction", || {
                Ok((self.rest.ask(&url, None)?.status == 200).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Simulates a transaction, sends it and waits for its block.
    fn play(&mut self, name: &str, raw: &[u8]) -> io::Result<()> {
        self.simulate(&format!("{name}: simulation"), raw)?;
        let answer = self.broadcast(&format!("{name}: CheckTx"), raw)?;
        let hash = answer["tx_response"]["txhash"].as_str().unwrap_or_default();
        let url = format!("{}/cosmos/tx/v1beta1/txs/{hash}", self.url);
        let answer = wait(&format!("block with {name}"), || {
            let answer = self.rest.ask(&url, None)?;
            Ok((answer.status == 200).then_some(answer))
        })?;
        self.keep(format!("{name}: block"), answer.status, &answer.body);
        Ok(())
    }

    fn simulate(&mut self, name: &str, raw: &[u8]) -> io::Result<Value> {
        let body = json!({"tx_bytes": bytes::base64(raw)});
        self.post(name.to_owned(), "/cosmos/tx/v1beta1/simulate", &body)
    }

    fn broadcast(&mut self, name: &str, raw: &[u8]) -> io::Result<Value> {
        let body = others::broadcast_body(raw);
        self.post(name.to_owned(), "/cosmos/tx/v1beta1/txs", &body)
    }

    /// Waits for the next window of topic 1 that opens from now on; returns its nonce.
    fn next_window(&self) -> io::Result<u64> {
        let api = self.api.name();
        let path = format!("emissions/{api}/unfulfilled_worker_nonces/1");
        let open = || -> io::Result<Option<u64>> {
            let (answer, _) = self.rest.get(&format!("{}/{path}", self.url))?;
            let nonce = answer["nonces"]["nonces"].get(0);
            nonce
                .map(|nonce| number(&nonce["block_height"]))
                .transpose()
        };
        wait("end of a window", || Ok(open()?.is_none().then_some(())))?;
        wait("window", open)
    }
}

/// Replaces a part of all texts of a value.
fn replace(value: &mut Value, part: &str, by: &str) {
    match value {
        Value::String(text) if text.contains(part) => *text = text.replace(part, by),
        Value::Array(list) => list.iter_mut().for_each(|inner| replace(inner, part, by)),
        Value::Object(map) => map.values_mut().for_each(|inner| replace(inner, part, by)),
        _ => {}
    }
}

/// Waits until `look` gives something.
fn wait<T>(what: &str, mut look: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    let until = Instant::now() + TIME_MAX;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= until {
            let time_s = TIME_MAX.as_secs();
            return Err(io::Error::other(format!("no {what} within {time_s} s")));
        }
        thread::sleep(LOOK_EVERY);
    }
}
